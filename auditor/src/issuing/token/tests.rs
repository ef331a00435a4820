//! With SoftHSM, in a folder of the test's own. The module finds its folder by an environment variable when it is loaded, so
//! each test starts itself anew with that variable set.

use super::*;
use crate::devices::Why;
use crate::issuing::tests::{asked, desk_of, ward};
use crate::issuing::{Asker, AuthorityPlace, CrlRules};
use crate::pki::{self, DeviceSubject, Request};
use crate::store::By;
use contract::id::{DeviceId, HsaId};
use openssl::x509::{X509, X509Crl};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use uuid::Uuid;

const PIN: &str = "a PIN: 4711";
const NOW: contract::Micros = 1_790_000_000_000_000;
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];
const FOLDER: &str = "GRINDVAKT_TEST_TOKEN";

/// Runs a test with a token, in a process of its own. None of it where SoftHSM is not installed; in CI it has to be.
fn with_token(name: &str, test: impl FnOnce(&Path, TokenPlace)) {
    let Some(module) = MODULES.iter().map(PathBuf::from).find(|module| module.exists()) else {
        assert!(std::env::var_os("CI").is_none(), "SoftHSM is needed: `make test` installs it");
        eprintln!("skipped: SoftHSM is not installed");
        return;
    };
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = PathBuf::from(folder);
        let pin_file = folder.join("pin");
        fs::write(&pin_file, format!("{PIN}\n")).expect("writes");
        fs::set_permissions(&pin_file, fs::Permissions::from_mode(0o600)).expect("sets");
        let place = TokenPlace { module, token: "devices".to_owned(), key: "device CA".to_owned(), pin_file };
        return test(&folder, place);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    fs::create_dir(&tokens).expect("makes");
    let settings = folder.path().join("softhsm2.conf");
    fs::write(&settings, format!("directories.tokendir = {}\n", tokens.display())).expect("writes");
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "devices", "--so-pin", "so PIN 12", "--pin", PIN])
        .env("SOFTHSM2_CONF", &settings)
        .output()
        .expect("runs");
    assert!(made.status.success(), "{made:?}");
    let again = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", &format!("issuing::token::tests::{name}"), "--nocapture"])
        .env("SOFTHSM2_CONF", &settings)
        .env(FOLDER, folder.path())
        .output()
        .expect("runs");
    let said = format!("{}{}", String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&again.stderr));
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
}

/// An authority whose key is made in the token.
fn authority(folder: &Path, token: &Arc<Token>) -> AuthorityPlace {
    token.make_key(&[7; 16]).expect("makes a key");
    let pem = pki::authority_of(&token.key().expect("opens"), "Token CA", &[1; 16], NOW, 3650).expect("signs");
    let cert = folder.join("ca.pem");
    fs::write(&cert, pem).expect("writes");
    AuthorityPlace::Token { cert, token: Arc::clone(token) }
}

fn subject() -> DeviceSubject {
    DeviceSubject {
        id: DeviceId::new(Uuid::from_u128(7)),
        name: "ward 3".to_owned(),
        organisation: HsaId::parse("SE2321000016-39KJ").expect("valid"),
    }
}

#[test]
fn certificates_and_lists_are_signed_in_the_token() {
    with_token("certificates_and_lists_are_signed_in_the_token", |folder, place| {
        let token = Token::new(place.clone());
        let files = authority(folder, &token);
        let authority = files.open().expect("opens");
        let issuer = X509::from_pem(authority.cert_pem().as_bytes()).expect("reads");
        let key = issuer.public_key().expect("has");
        assert!(issuer.verify(&key).expect("runs"), "it has signed itself");
        // Often enough to meet numbers of every length.
        for serial in 0..40 {
            let made = authority.issue_device(&subject(), &[serial; 16], NOW, 30).expect("issues");
            assert!(X509::from_der(&made.cert_der).expect("reads").verify(&key).expect("runs"), "{serial}");
        }
        let updates = pki::Updates { this: NOW, next: NOW + 1_000_000_000 };
        let list = authority.crl(1, &[], updates).expect("signs");
        assert!(X509Crl::from_der(&list).expect("reads").verify(&key).expect("runs"));

        // The key stays there.
        let (session, ()) = token.with_session(false, |_| Ok(())).expect("opens");
        let private = one(&session, &token.of_label(ObjectClass::PRIVATE_KEY), &place.key).expect("is there");
        let known = [AttributeType::Extractable, AttributeType::Sensitive];
        let said = session.get_attributes(private, &known).expect("reads");
        assert!(
            said.contains(&Attribute::Extractable(false)) && said.contains(&Attribute::Sensitive(true)),
            "{said:?}"
        );
        let value = session.get_attributes(private, &[AttributeType::Value]);
        assert!(value.as_ref().map_or(true, Vec::is_empty), "{value:?}");
        assert!(matches!(token.make_key(&[8; 16]), Err(IssueError::Token(TokenError::Taken(_)))));

        // Another certificate is not that key's, and another label no key's.
        let other = pki::authority("Other", &[1; 16], NOW, 30).expect("makes");
        let cert = folder.join("other.pem");
        fs::write(&cert, other.cert_pem).expect("writes");
        let wrong = AuthorityPlace::Token { cert, token: Arc::clone(&token) };
        assert!(matches!(wrong.open(), Err(IssueError::Token(TokenError::Other))));
        let nothing = Token::new(TokenPlace { key: "no key".to_owned(), ..place.clone() });
        assert!(matches!(nothing.key(), Err(IssueError::Token(TokenError::Key(_)))));
        let away = Token::new(TokenPlace { token: "no token".to_owned(), ..place.clone() });
        assert!(matches!(away.key(), Err(IssueError::Token(TokenError::Token(_)))));
        let module = Token::new(TokenPlace { module: "/no/module.so".into(), ..place });
        assert!(matches!(module.key(), Err(IssueError::Token(TokenError::Module { .. }))));
    });
}

#[test]
fn a_device_is_enrolled_by_code_and_revoked() {
    with_token("a_device_is_enrolled_by_code_and_revoked", |folder, place| {
        let files = authority(folder, &Token::new(place));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
        runtime.block_on(async {
            let by = || By::program("test");
            let desk = desk_of(folder, files, NOW).await;
            let code = desk.issue_code(NOW, by(), Asker::Operator, &ward()).await.expect("makes");
            let request = Request::read(&asked().1).expect("a request");
            let given = desk.enrol_by_code(NOW, by(), &code.code, &request).await.expect("answers").expect("enrols");
            let issuer = X509::from_pem(given.authority_pem.as_bytes()).expect("reads").public_key().expect("has");
            assert!(X509::from_der(&given.cert_der).expect("reads").verify(&issuer).expect("runs"));
            let mut change = desk.store().change(NOW, by()).await.expect("begins");
            change.revoke_device(given.device, Why::Stolen).await.expect("revokes");
            change.commit().await.expect("commits");
            let list = desk.mend_crl(NOW, CrlRules { life_us: 1_000_000_000 }).await.expect("signs");
            let list = X509Crl::from_der(&list.der).expect("reads");
            assert!(list.verify(&issuer).expect("runs"));
            assert_eq!(list.get_revoked().map(openssl::stack::StackRef::len), Some(1));
        });
    });
}

#[test]
fn a_key_that_can_be_taken_out_is_not_used() {
    with_token("a_key_that_can_be_taken_out_is_not_used", |_, place| {
        let token = Token::new(place.clone());
        token
            .with_session(true, |session| {
                let both = [Attribute::Token(true), Attribute::Label(place.key.clone().into_bytes())];
                let public = [&both[..], &[Attribute::EcParams(P256.to_vec())]].concat();
                let private = [&both[..], &[Attribute::Sensitive(false), Attribute::Extractable(true)]].concat();
                Ok(session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?)
            })
            .expect("makes");
        assert!(matches!(token.key(), Err(IssueError::Token(TokenError::Kind(_)))));
    });
}

#[test]
fn a_wrong_pin_is_tried_once_and_another_when_there_is_one() {
    with_token("a_wrong_pin_is_tried_once_and_another_when_there_is_one", |folder, place| {
        let token = Token::new(place.clone());
        token.make_key(&[7; 16]).expect("makes a key");
        // In this process it is logged in as long as a session is open; none is.
        fs::write(&place.pin_file, "wrong").expect("writes");
        for _ in 0..5 {
            let error = token.key().expect_err("refused");
            assert!(error.to_string().contains("has refused the PIN"), "{error}");
        }
        let hash = digest(&SHA256, b"wrong").as_ref().to_vec();
        assert_eq!(token.state.lock().refused, Some(hash));
        // With the token gone it is still the PIN: nobody has asked the token again.
        fs::rename(folder.join("tokens"), folder.join("away")).expect("renames");
        assert!(matches!(token.key(), Err(IssueError::Token(TokenError::Pin(_)))));
        fs::rename(folder.join("away"), folder.join("tokens")).expect("renames");

        fs::write(&place.pin_file, PIN).expect("writes");
        token.key().expect("opens");
        fs::set_permissions(&place.pin_file, fs::Permissions::from_mode(0o640)).expect("sets");
        assert!(matches!(token.key(), Err(IssueError::Readable { .. })));
        assert!(!format!("{token:?}").contains("4711"));
    });
}

#[test]
fn a_module_that_was_shut_down_is_set_up_anew() {
    with_token("a_module_that_was_shut_down_is_set_up_anew", |folder, place| {
        let token = Token::new(place);
        let files = authority(folder, &token);
        let held = files.open().expect("opens");
        let module = token.state.lock().module.clone().expect("is there");
        module.finalize().expect("shuts down");
        // What was open is lost, and says so; what is opened now is good.
        assert!(held.issue_device(&subject(), &[1; 16], NOW, 30).is_err());
        files.open().expect("opens").issue_device(&subject(), &[2; 16], NOW, 30).expect("issues");
    });
}

#[test]
fn numbers_are_written_as_der_has_them() {
    let mut signature = [0; 64];
    signature[31] = 0x7f;
    signature[63] = 0x80;
    assert_eq!(der(&signature), Some(vec![0x30, 7, 2, 1, 0x7f, 2, 2, 0, 0x80]));
    assert_eq!(der(&[0; 64]), Some(vec![0x30, 6, 2, 1, 0, 2, 1, 0]));
    assert_eq!(der(&[0xff; 64]).map(|der| der.len()), Some(2 + 2 * (2 + 33)));
    assert_eq!(der(&[0; 63]), None);
}
