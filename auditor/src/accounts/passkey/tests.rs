use super::super::{State, Tries, UserName};
use super::soft::{ORIGIN, Soft, relying_party};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use std::sync::LazyLock;
use uuid::Uuid;

fn account(number: u128) -> Account {
    Account {
        id: AccountId::new(Uuid::from_u128(number)),
        user_name: UserName::parse("anna").expect("valid"),
        hsa: None,
        name: "Anna Åkesson".to_owned(),
        title: String::new(),
        state: State::Active { since: 0 },
        tries: Tries::default(),
        last_login: None,
        created: 0,
    }
}

/// A passkey of account 1, and its public half.
fn made() -> (RelyingParty, Soft, PublicHalf) {
    let (party, mut soft) = (relying_party(), Soft::new(1));
    let question = party.ask_new(&account(1), &[]).expect("asks");
    let key = party.take_new(&soft.create(&question.options), &question.state).expect("takes it");
    (party, soft, key)
}

fn checked(party: &RelyingParty, soft: &mut Soft, key: &PublicHalf) -> Result<Option<PublicHalf>, PasskeyError> {
    let question = party.ask().expect("asks");
    let answer = Answer::parse(&soft.get(&question.options)).expect("an answer");
    assert_eq!(answer.id(), key.id());
    party.check(&answer, &question.state, account(1).id, key)
}

#[test]
fn a_passkey_is_made_and_used_and_counts_up() {
    let (party, mut soft, key) = made();
    let key = PublicHalf::from_bytes(&key.to_bytes().expect("writes")).expect("reads");
    let used = checked(&party, &mut soft, &key).expect("right").expect("it has counted");
    soft.count -= 1;
    assert_eq!(checked(&party, &mut soft, &used).err(), Some(PasskeyError::Count), "a second one, or a copy");
    assert!(checked(&party, &mut soft, &used).is_ok());
    assert_eq!(
        format!("{key:?} {:?}", Answer::parse(&soft.get(&serde_json::json!({ "publicKey": { "challenge": "" } })))),
        "PublicHalf(hidden) Ok(Answer(hidden))"
    );
}

#[test]
fn browsers_are_asked_for_a_verified_user_and_a_passkey_that_needs_no_name() {
    let (party, _, key) = made();
    let new = party.ask_new(&account(1), std::slice::from_ref(&key)).expect("asks").options;
    let new = &new["publicKey"];
    assert_eq!(new["rp"], serde_json::json!({ "id": "registry.example", "name": "Grindvakt" }));
    let selection = &new["authenticatorSelection"];
    assert_eq!((&selection["userVerification"], &selection["residentKey"]), (&"required".into(), &"required".into()));
    assert_eq!(new["excludeCredentials"].as_array().map(Vec::len), Some(1));
    assert_eq!(new["timeout"], 300_000);
    let any = party.ask().expect("asks").options;
    assert_eq!(any["publicKey"]["userVerification"], "required");
    assert_eq!(any["publicKey"]["rpId"], "registry.example");
    assert_eq!(any["publicKey"]["allowCredentials"].as_array().map_or(0, Vec::len), 0);
    assert!(any.get("mediation").is_none());
}

#[test]
fn every_wrong_answer_is_refused_for_its_reason() {
    type Spoil = fn(&mut Soft);
    let faults: [(Spoil, PasskeyError, Reason); 6] = [
        (|soft| soft.origin = "https://registry.example".to_owned(), PasskeyError::Origin, Reason::Forged),
        (
            |soft| soft.origin = "https://registry.example.evil.example:8443".to_owned(),
            PasskeyError::Origin,
            Reason::Forged,
        ),
        (|soft| soft.origin = "https://ward.registry.example:8443".to_owned(), PasskeyError::Origin, Reason::Forged),
        (|soft| soft.rp = "evil.example".to_owned(), PasskeyError::RelyingParty, Reason::Forged),
        (|soft| soft.verifies = false, PasskeyError::Unverified, Reason::BadSecondFactor),
        (|soft| soft.user = URL_SAFE_NO_PAD.encode([2; 16]), PasskeyError::Account, Reason::BadCredentials),
    ];
    for (spoil, error, reason) in faults {
        let (party, mut soft, key) = made();
        spoil(&mut soft);
        assert_eq!(checked(&party, &mut soft, &key).err(), Some(error));
        assert_eq!(error.reason(), reason);
    }
    // Another key under the same id.
    let (party, soft, key) = made();
    let mut other = Soft::new(1);
    other.user = soft.user;
    assert_eq!(checked(&party, &mut other, &key).err(), Some(PasskeyError::Signature));
}

#[test]
fn an_answer_is_good_for_its_own_question_only() {
    let (party, mut soft, key) = made();
    let (first, second) = (party.ask().expect("asks"), party.ask().expect("asks"));
    let answer = Answer::parse(&soft.get(&first.options)).expect("an answer");
    let check = |state: &str| party.check(&answer, state, account(1).id, &key).err();
    assert_eq!(check(&second.state), Some(PasskeyError::Challenge));
    let new = party.ask_new(&account(1), &[]).expect("asks");
    assert_eq!(check(&new.state), Some(PasskeyError::Challenge));
    assert_eq!(check(""), Some(PasskeyError::Challenge));
    assert_eq!(check(&first.state), None);
    // And an answer that makes one is none that logs in.
    let made = soft.create(&new.options);
    assert_eq!(Answer::parse(&made).err(), Some(PasskeyError::Form));
}

/// A passkey, with an answer of its and the question.
static ANSWERED: LazyLock<(RelyingParty, PublicHalf, String, String)> = LazyLock::new(|| {
    let (party, mut soft, key) = made();
    let question = party.ask().expect("asks");
    let answer = soft.get(&question.options);
    (party, key, answer, question.state)
});

/// A new passkey's answer, and the question.
static MADE: LazyLock<(RelyingParty, String, String)> = LazyLock::new(|| {
    let party = relying_party();
    let question = party.ask_new(&account(1), &[]).expect("asks");
    let answer = Soft::new(1).create(&question.options);
    (party, answer, question.state)
});

/// The answer with other bytes in a field of its response.
fn with_bytes(answer: &str, field: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut answer: Value = serde_json::from_str(answer).expect("JSON");
    let text = answer["response"][field].as_str().expect("a field").to_owned();
    let mut bytes = URL_SAFE_NO_PAD.decode(text).expect("base64");
    change(&mut bytes);
    answer["response"][field] = URL_SAFE_NO_PAD.encode(bytes).into();
    answer.to_string()
}

proptest! {
    #[test]
    fn an_answer_with_any_other_byte_is_none(
        field in prop::sample::select(vec!["authenticatorData", "clientDataJSON", "signature", "userHandle"]),
        at in any::<prop::sample::Index>(),
        other in 1_u8..,
    ) {
        let (party, key, answer, state) = &*ANSWERED;
        let changed = with_bytes(answer, field, |bytes| {
            let at = at.index(bytes.len());
            bytes[at] ^= other;
        });
        let read = Answer::parse(&changed).expect("still an answer");
        prop_assert!(party.check(&read, state, account(1).id, key).is_err());
    }

    #[test]
    fn no_bytes_of_a_new_passkey_are_too_strange(
        at in any::<prop::sample::Index>(),
        other in any::<u8>(),
        length in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (party, answer, state) = &*MADE;
        let strange = |change: &dyn Fn(&mut Vec<u8>)| {
            let answer = with_bytes(answer, "attestationObject", |bytes| change(bytes));
            party.take_new(&answer, state).is_ok()
        };
        strange(&|bytes| {
            let at = at.index(bytes.len());
            bytes[at] = other;
        });
        prop_assert!(!strange(&|bytes| bytes.truncate(length.index(bytes.len()))));
        prop_assert!(!strange(&|bytes| bytes.clone_from(&noise)));
    }
}

#[test]
fn what_is_nested_without_end_is_refused_and_no_more() {
    let (party, answer, state) = &*MADE;
    // CBOR: lists, maps, tags and texts of unknown length within each other, as many as a form has room for.
    for opening in [b"\x81".as_slice(), b"\xa1\x00", b"\xc0", b"\x9f", b"\xbf\x00", b"\xd9\xd9\xf7", b"\x7f"] {
        for before in [b"".as_slice(), b"\xa3\x63fmt\x64none\x67attStmt", b"\xa1\x63fmt"] {
            let nested = [before, &opening.repeat(16_000 / opening.len())].concat();
            let answer = with_bytes(answer, "attestationObject", |bytes| bytes.clone_from(&nested));
            assert!(party.take_new(&answer, state).is_err(), "{opening:x?}");
        }
        // The same where extensions stand.
        let (party, key, answer, state) = &*ANSWERED;
        let answer = with_bytes(answer, "authenticatorData", |bytes| {
            bytes[32] |= 0x80;
            bytes.extend(opening.repeat(16_000 / opening.len()));
        });
        let answer = Answer::parse(&answer).expect("an answer");
        assert!(party.check(&answer, state, account(1).id, key).is_err(), "{opening:x?}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(Answer::parse(&deep).err(), Some(PasskeyError::Form));
    let answer = answer.replace("\"clientExtensionResults\":{}", &format!("\"clientExtensionResults\":{deep}"));
    assert_eq!(party.take_new(&answer, state).err(), Some(PasskeyError::Form));
}

#[test]
fn a_passkey_that_does_not_count_is_good_all_the_same() {
    let (party, mut soft) = (relying_party(), Soft::new(1));
    soft.count = 0;
    let question = party.ask_new(&account(1), &[]).expect("asks");
    let key = party.take_new(&soft.create(&question.options), &question.state).expect("takes it");
    for _ in 0..2 {
        // It says 0 each time, as those do that several devices share.
        soft.count = u32::MAX;
        assert!(matches!(checked(&party, &mut soft, &key), Ok(None)));
    }
}

#[test]
fn a_new_passkey_has_to_verify_its_user_for_this_site_and_to_be_new() {
    type Spoil = fn(&mut Soft);
    let faults: [(Spoil, PasskeyError); 4] = [
        (|soft| soft.verifies = false, PasskeyError::Unverified),
        (|soft| soft.origin = "https://evil.example".to_owned(), PasskeyError::Origin),
        (|soft| soft.rp = "evil.example".to_owned(), PasskeyError::RelyingParty),
        (|soft| soft.id = vec![7; ID_BYTES_MAX + 1], PasskeyError::Form),
    ];
    let party = relying_party();
    for (spoil, error) in faults {
        let mut soft = Soft::new(1);
        spoil(&mut soft);
        let question = party.ask_new(&account(1), &[]).expect("asks");
        let taken = party.take_new(&soft.create(&question.options), &question.state);
        assert_eq!(taken.err(), Some(error));
    }
    let (party, mut soft, key) = made();
    let question = party.ask_new(&account(1), &[key]).expect("asks");
    assert!(party.take_new(&soft.create(&question.options), &question.state).is_err(), "it is known already");
    let other = party.ask_new(&account(1), &[]).expect("asks");
    let answer = soft.create(&question.options);
    assert_eq!(party.take_new(&answer, &other.state).err(), Some(PasskeyError::Challenge));
}

#[test]
fn an_origin_is_a_name_as_browsers_write_it() {
    for right in [ORIGIN, "https://localhost", "https://a.b.example"] {
        assert!(right.parse::<Origin>().is_ok(), "{right}");
    }
    for wrong in [
        "",
        "registry.example",
        "http://registry.example",
        "https://registry.example/",
        "https://registry.example/auth",
        "https://registry.example:443",
        "https://Registry.example",
        "https://anna@registry.example",
        "https://registry.example?x",
        "https://127.0.0.1:8443",
        "https://[::1]",
    ] {
        assert_eq!(wrong.parse::<Origin>().err(), Some(OriginError), "{wrong}");
    }
}

#[test]
fn names_are_short_and_on_one_line() {
    assert_eq!(name("  Min telefon "), Some("Min telefon".to_owned()));
    assert_eq!(name(&"å".repeat(64)).map(|name| name.chars().count()), Some(64));
    for wrong in ["", "  ", "a\nb", &"å".repeat(65)] {
        assert_eq!(name(wrong), None, "{wrong:?}");
    }
}
