use super::soft::{Cards, HSA, LEVEL, Made, PERSONS, POLICY, Says};
use super::*;
use rcgen::{ExtendedKeyUsagePurpose as Use, KeyUsagePurpose as Usage};

fn policies() -> Vec<Policy> {
    let policy = |id: &str, level: &str| Policy { id: id.parse().expect("valid"), level: level.to_owned() };
    vec![policy("1.2.752.74.8.512", "mobile"), policy(POLICY, LEVEL)]
}

fn read(made: &Made) -> Result<Card, CardFault> {
    Card::read(&made.der, &policies())
}

#[test]
fn a_persons_card_says_whose_it_is_and_of_which_level() {
    let card = read(&Cards::new(PERSONS).card(&Says::default())).expect("is one");
    assert_eq!((card.hsa.as_str(), card.level.as_str(), card.serial.as_str()), (HSA, LEVEL, "4711"));
    assert_eq!(card.policy.to_string(), POLICY);
    // Of two that are let in, the settings' first.
    let both = Says { policies: vec![POLICY, "1.2.752.74.8.512"], ..Says::default() };
    assert_eq!(read(&Cards::new(PERSONS).card(&both)).expect("is one").level, "mobile");
}

#[test]
fn what_is_no_persons_card_is_refused() {
    let persons = Cards::new(PERSONS);
    let number = |text: &str| Says { number: Some(text.to_owned()), ..Says::default() };
    let uses = |uses: &[Use]| Says { uses: uses.to_vec(), ..Says::default() };
    for (says, fault) in [
        (Says { number: None, ..Says::default() }, CardFault::NoHsa),
        (number("191212121212"), CardFault::NoHsa),
        (number("SE2321000017-39KJ"), CardFault::NoHsa),
        (number(" SE2321000016-39KJ"), CardFault::NoHsa),
        (Says { policies: vec!["1.2.752.74.8.30"], ..Says::default() }, CardFault::Policy),
        (Says { policies: vec!["1.2.752.74.8", "2.5.29.32.0"], ..Says::default() }, CardFault::Policy),
        (Says { policies: Vec::new(), ..Says::default() }, CardFault::Policy),
        (uses(&[]), CardFault::Purpose),
        (uses(&[Use::EmailProtection]), CardFault::Purpose),
        (uses(&[Use::Any]), CardFault::Purpose),
        (uses(&[Use::ClientAuth, Use::ServerAuth]), CardFault::Function),
        (Says { host: Some("host.example.se"), ..Says::default() }, CardFault::Function),
        (Says { usages: vec![Usage::ContentCommitment], ..Says::default() }, CardFault::Purpose),
        (Says { usages: Vec::new(), ..Says::default() }, CardFault::Purpose),
    ] {
        assert_eq!(read(&persons.card(&says)), Err(fault));
    }
    let function = Cards::new("TEST SITHS e-id Function CA v1").card(&Says::default());
    assert_eq!(read(&function), Err(CardFault::Function));
    let good = persons.card(&Says::default()).der;
    for broken in [&[][..], b"no certificate", &good[..good.len() - 1], &[&good[..], b"x"].concat()] {
        assert_eq!(Card::read(broken, &policies()), Err(CardFault::Form));
    }
    assert_eq!(Card::read(&good, &[]), Err(CardFault::Policy), "nothing is let in that nobody has named");
}

#[test]
fn policies_are_object_identifiers() {
    for good in ["1.2.752.74.8.512", "2.5.29", "1.2.0"] {
        assert_eq!(good.parse::<PolicyId>().map(|id| id.to_string()), Ok(good.to_owned()));
    }
    for bad in ["", "1", "1.2", "1..2", "1.2.", ".1.2", "1.2.03", "1.2.x", "1.2.-3", "1.2.1234567890", " 1.2.3"] {
        assert_eq!(bad.parse::<PolicyId>(), Err(PolicyIdError), "{bad}");
    }
}
