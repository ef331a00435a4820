//! Halves, channels, and what showing them leads to.

use super::*;
use crate::accounts::State as Account;
use contract::id::HandoutId;
use contract::record::Reason;
use uuid::Uuid;

#[test]
fn two_different_channels_and_fax_only_where_it_is_switched_on() {
    let rule = Rule::default();
    for channel in Channel::ALL {
        assert!(Pair::new(*channel, *channel, &Rule { fax: true, ..rule }).is_err(), "{channel}");
    }
    assert_eq!(Pair::new(Channel::Fax, Channel::Sms, &rule), Err(PairError::FaxOff));
    assert!(Pair::new(Channel::Fax, Channel::Sms, &Rule { fax: true, ..rule }).is_ok());
    assert_eq!(Pair::new(Channel::Letter, Channel::Fax, &Rule { fax: true, ..rule }), Err(PairError::Papers));
    assert_eq!(Pair::new(Channel::Letter, Channel::Sms, &Rule { sms: false, ..rule }), Err(PairError::SmsOff));
    let pair = Pair::new(Channel::Letter, Channel::Sms, &rule).expect("the usual two");
    assert_eq!((pair.of(Part::Id), pair.of(Part::Code)), (Channel::Letter, Channel::Sms));
    // What is not there cannot be chosen.
    assert!(["email", "e-mail", "mail", "smtp"].iter().all(|word| Channel::parse(word).is_none()));
}

#[test]
fn halves_are_read_as_people_write_them() {
    let id = EnrolmentId::new(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255]);
    assert_eq!(*id.grouped(), "0123-4567-89AZ");
    for text in ["0123-4567-89AZ", "0123456789az", " o123 4567 89aZ\n", "0l23-4567-89AZ", "0i234567-89AZ"] {
        assert_eq!(*EnrolmentId::parse(text).expect(text).grouped(), "0123-4567-89AZ", "{text}");
    }
    for text in ["", "0123", "0123-4567-89AZ0", "0123-4567-89AU", "0123-4567-89A_", "0123-4567-89Aå"] {
        assert!(EnrolmentId::parse(text).is_none(), "{text}");
    }
    assert!(!format!("{id:?}").contains("0123"));
    let letters: Vec<u8> = (0..=255).collect();
    for eight in letters.chunks_exact(8) {
        let code = Code::new(eight.try_into().expect("eight"));
        assert_eq!(*Code::parse(&code.grouped()).expect("reads").grouped(), *code.grouped());
    }
}

#[test]
fn what_is_kept_is_of_one_half_one_handout_and_one_key() {
    let (key, other) = (HandoutKey::new(&[1; 32]), HandoutKey::new(&[2; 32]));
    let (one, two) = (HandoutId::new(Uuid::from_u128(1)), HandoutId::new(Uuid::from_u128(2)));
    let code = Code::new(&[7; 8]);
    assert_eq!(key.code(one, &code), key.code(one, &Code::new(&[7; 8])));
    assert_ne!(key.code(one, &code), key.code(two, &code));
    assert_ne!(key.code(one, &code), other.code(one, &code));
    assert_ne!(key.code(one, &code), key.code(one, &Code::new(&[8; 8])));
    assert_ne!(key.id(&EnrolmentId::new(&[7; 12])), other.id(&EnrolmentId::new(&[7; 12])));
}

#[test]
fn a_half_takes_its_channels_way_only() {
    let called = || CalledBack::confirmed(true).expect("called");
    assert!(CalledBack::confirmed(false).is_none());
    for channel in Channel::ALL.iter().copied() {
        for stage in Stage::ALL.iter().copied() {
            let paper = channel.is_paper();
            assert_eq!(stage.print(channel).is_ok(), paper && matches!(stage, Stage::Waiting | Stage::Printed));
            assert_eq!(stage.post(channel).is_ok(), paper && stage == Stage::Printed, "{channel} {stage}");
            let read_out = channel == Channel::Phone && stage == Stage::Waiting;
            assert_eq!(stage.read_out(channel, called()).is_ok(), read_out, "{channel} {stage}");
            assert_eq!(stage.rerouted(channel).is_err(), stage.is_out(), "{channel} {stage}");
        }
    }
    assert_eq!(Stage::first(Channel::Sms, Channel::Letter), Stage::Waiting);
    assert_eq!(Stage::first(Channel::Sms, Channel::Phone), Stage::Queued);
    assert_eq!(Stage::Waiting.after_paper(Channel::Sms), Stage::Queued);
    assert_eq!(Stage::Waiting.after_paper(Channel::Phone), Stage::Waiting);
}

/// Whatever words come in whatever order, what was known is not forgotten.
#[test]
fn what_a_provider_says_late_or_twice_changes_nothing() {
    let rank = |stage: Stage| stage.tag();
    let words = [Stage::Sent, Stage::Failed, Stage::Delivered];
    for first in words {
        for second in words {
            for third in words {
                let mut stage = Stage::Queued;
                for word in [first, second, third] {
                    let next = stage.told(word);
                    assert!(rank(next) >= rank(stage), "{stage} {word} {next}");
                    assert_eq!(next.told(word), next, "twice");
                    stage = next;
                }
                let last = [first, second, third].into_iter().max_by_key(|word| rank(*word)).expect("three");
                assert_eq!(stage, last);
            }
        }
    }
    for resting in [Stage::Waiting, Stage::Printed, Stage::Gone] {
        assert!(words.iter().all(|word| resting.told(*word) == resting));
    }
}

#[test]
fn both_halves_in_time_fit_and_five_wrong_codes_are_the_end() {
    let rule = Rule::default();
    let met = Met { state: State::Open, until: [Some(100), Some(50)], tries: 4 };
    assert!(matches!(met.judge(true, &rule, 49), Shown::Fits(_)), "the fifth may be right");
    let reason = |met: Met, right, now| match met.judge(right, &rule, now) {
        Shown::Refused { reason, tries, state } => (reason, tries, state),
        Shown::Fits(_) => unreachable!("{met:?} {right} {now}"),
    };
    assert_eq!(reason(met, false, 49), (Reason::CodeSpent, 5, State::Spent));
    assert_eq!(reason(Met { tries: 3, ..met }, false, 49), (Reason::CodeUnknown, 4, State::Open));
    assert_eq!(reason(met, true, 50), (Reason::CodeExpired, 4, State::Expired));
    assert_eq!(reason(met, true, 100), (Reason::CodeExpired, 4, State::Expired));
    let unsent = Met { until: [None, Some(50)], tries: 0, ..met };
    assert_eq!(reason(unsent, true, 10), (Reason::CodeUnknown, 1, State::Open), "nobody has it yet");
    for state in [State::Collected, State::Spent, State::Replaced] {
        assert_eq!(reason(Met { state, ..met }, true, 1).0, Reason::CodeSpent, "{state}");
    }
}

#[test]
fn halves_are_for_accounts_that_may_have_them() {
    let first = [Account::Created { at: 1 }, Account::HandedOut { at: 1 }];
    assert!(first.into_iter().all(|state| Purpose::of(state) == Ok(Purpose::First)));
    let unused = Account::Locked { since: 1, until: None, unused: true, held: 1 };
    let locked = Account::Locked { since: 1, until: None, unused: false, held: 1 };
    assert_eq!((Purpose::of(unused), Purpose::of(locked)), (Ok(Purpose::First), Ok(Purpose::Reset)));
    let active = Account::Active { since: 1 };
    assert_eq!(Purpose::of(active), Ok(Purpose::Reset));
    let never = [
        Account::Dormant { since: 1 },
        Account::Blocked { since: 1 },
        Account::Deregistered { at: 1 },
        Account::Lapsed { at: 1 },
    ];
    for state in never {
        assert!(Purpose::of(state).is_err());
        assert!(Purpose::First.collected(state, 5).is_err() && Purpose::Reset.collected(state, 5).is_err());
    }
    let now_active = Ok(Account::Active { since: 5 });
    assert_eq!(Purpose::First.collected(Account::HandedOut { at: 1 }, 5), now_active);
    assert_eq!(Purpose::First.collected(unused, 5), now_active);
    assert_eq!(Purpose::Reset.collected(locked, 5), now_active);
    assert_eq!(Purpose::Reset.collected(active, 5), Ok(active));
    assert!(Purpose::First.collected(Account::Created { at: 1 }, 5).is_err(), "not handed out yet");
}

#[test]
fn a_mobile_number_is_read_or_refused() {
    for (text, number) in [
        ("070-000 00 00", Some("+46700000000")),
        ("+46 (70) 000 00 00", Some("+46700000000")),
        ("0046700000000", Some("+46700000000")),
        ("+4790000000", Some("+4790000000")),
        ("7000000", None),
        ("070-00 ankn 4", None),
        ("+0700000000", None),
        ("", None),
        ("+12345678901234567", None),
    ] {
        assert_eq!(Mobile::parse(text).as_ref().map(Mobile::expose), number, "{text}");
    }
}
