//! The account procedure from the command line.

use crate::installation::Installation;
use auditor::clock;
use auditor::config::Config;
use auditor::duties::Region;
use auditor::forms::{Application, Content, Form, Move, Person};
use auditor::store::{By, Office, Store};
use contract::id::{HsaId, RegistryName};
use contract::identity::{Year, parse};
use contract::record::Right;

#[test]
fn appointments_are_given_listed_and_ended() {
    let place = Installation::new();
    place.ok(&["account", "create", "--user", "elsa", "--name", "Elsa", "--appoint", "account_admin"]);
    assert_eq!(place.ok(&["account", "list"])[0]["appointments"][0], "account_admin");
    let given = place.ok(&["appointment", "add", "elsa", "approver:12", "--to", "2099-01-01T00:00:00Z"]);
    assert_eq!(given["appointment"], "approver:12");
    for (wrong, code, words) in [
        (vec!["appointment", "add", "elsa", "approver"], 2, "approver:LÄNSKOD"),
        (vec!["appointment", "add", "elsa", "approver:12"], 1, "the appointment is taken already"),
        (vec!["appointment", "add", "nobody", "help_desk"], 1, "there is no such account"),
        (vec!["appointment", "end", given["id"].as_str().unwrap()], 2, "--why"),
        (vec!["appointment", "end", given["id"].as_str().unwrap(), "--why", "x"], 2, "a reason is one of"),
    ] {
        let refused = place.run(&wrong);
        assert_eq!(refused.status.code(), Some(code), "{wrong:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(words), "{wrong:?}: {refused:?}");
    }
    let count =
        |args: &[&str]| place.ok(&[["appointment", "list"].as_slice(), args].concat()).as_array().unwrap().len();
    assert_eq!((count(&[]), count(&["--account", "elsa"])), (2, 2));
    place.ok(&["appointment", "end", given["id"].as_str().unwrap(), "--why", "other_duty"]);
    assert_eq!((count(&[]), count(&["--ended"])), (1, 2));
    place.ok(&["account", "close", "elsa"]);
    assert_eq!((count(&[]), count(&["--ended"])), (0, 2));
}

#[test]
fn a_region_confirms_an_account() {
    let place = Installation::new();
    place.ok(&["account", "create", "--user", "anna", "--name", "Anna"]);
    let confirm = |args: &[&str]| place.run(&[["account", "confirm", "anna", "--region"].as_slice(), args].concat());
    assert_eq!(confirm(&["02"]).status.code(), Some(2));
    assert!(confirm(&["12"]).status.success());
    let known = place.ok(&["account", "confirm", "anna", "--region", "14"]);
    assert_eq!(known["regions"].as_array().unwrap().len(), 2);
    assert!(confirm(&["12", "--remove"]).status.success());
    let gone = confirm(&["12", "--remove"]);
    assert!(String::from_utf8_lossy(&gone.stderr).contains("there is no such region of this account"), "{gone:?}");
}

/// The personal data of a form show where they are asked for, and nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_are_shown_from_outside_unless_revealed() {
    let place = Installation::new();
    assert_eq!(place.ok(&["request", "list"]).as_array().unwrap().len(), 0);
    let config = Config::read(&place.path("auditor.toml"), []).unwrap();
    let store = Store::open(&config.store).await.unwrap();
    let office = Office::new(store.clone(), config.keys.fields.clone(), clock::DAY);
    let hsa = |text: &str| HsaId::parse(text).unwrap();
    let now = clock::now();
    let (name, number, street) = ("Anna Åkesson", "191212121212", "Barngatan 4");
    let application = Application {
        name: name.to_owned(),
        title: "sjuksköterska".to_owned(),
        unit: ("Ortopedkliniken".to_owned(), hsa("SE2321000016-U001")),
        address: vec![street.to_owned()],
        telephone: "046-10 00 00".to_owned(),
        mobile: None,
        email: None,
        right: Right::Read,
        valid_from: now,
        valid_to: None,
        purpose: "Registrering".to_owned(),
    };
    let number_of = Some(parse(number, Year(2026)).unwrap());
    let form = Form {
        subject: Person { account: None, hsa: Some(hsa("SE2321000016-P001")), number: number_of },
        region: Region::Skane,
        registry: RegistryName::parse("fotled").unwrap(),
        content: Content::Application(application),
    };
    let by = || By::program("test");
    let draft = office.begin(now, by(), form).await.unwrap();
    let seen = (draft.id, draft.version);
    office.make(now, by(), seen, Move::SubmitWithoutAccount, None, None).await.unwrap();
    let before = store.waiting().await.unwrap().events;
    let id = draft.id.to_string();
    let secrets = [name, number, street];
    let shown = |args: &[&str]| {
        let output = place.run(&[["request"].as_slice(), args].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let outside = [vec!["list"], vec!["list", "--state", "submitted", "--region", "12"], vec!["show", &id]];
    for args in outside {
        for json in [false, true] {
            let mut args = args.clone();
            if json {
                args.extend(["--output", "json"]);
            }
            let text = shown(&args);
            assert!(text.contains(&id), "{text}");
            assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
        }
    }
    assert!(!shown(&["list", "--state", "approved"]).contains(&id));
    assert_eq!(store.waiting().await.unwrap().events, before);
    let inside = shown(&["show", &id, "--reveal"]);
    assert!(secrets.iter().all(|secret| inside.contains(secret)), "{inside}");
    assert_eq!(store.waiting().await.unwrap().events, before + 1);
    let unknown = place.run(&["request", "show", "00000000-0000-0000-0000-000000000001"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no such form"), "{unknown:?}");
}
