//! Random people make random moves with a form, and the store does what a plain model says. Whoever did what: nobody has
//! decided on their own form, or twice on another's.

use super::people::{by, change_to, end_of, hsa, id, office, registry, sign};
use super::{Bed, NOW, On};
use crate::accounts::{Account, NewGrant, State as AccountState, Tries, UserName};
use crate::clock::DAY;
use crate::duties::{Region, Why};
use crate::forms::{Did, Form, Move, State};
use crate::store::{By, Office, Store};
use contract::Micros;
use contract::id::AccountId;
use contract::record::{AuthMethod, Right};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::sync::atomic::{AtomicU32, Ordering};

/// What each of them is appointed to. The first and the last may be whom a form is about.
const PEOPLE: [&[&str]; 9] = [
    &[],
    &["approver:12"],
    &["approver:13", "log_auditor"],
    &["registry_holder:fotled"],
    &["registry_holder:annat", "help_desk"],
    &["account_admin"],
    &["account_admin", "device_admin"],
    &["approver:12", "registry_holder:fotled", "account_admin"],
    &["approver:12", "registry_holder:fotled", "account_admin"],
];

#[derive(Debug, Clone, Copy)]
enum Doing {
    Submit,
    SubmitForAnother,
    Approve,
    Refuse,
    SendBack,
    Forward,
    Execute,
}

#[derive(Debug, Clone, Copy)]
enum Op {
    /// Somebody does something (none: what comes next), with the form as it is, or as it was one change ago.
    Make { who: usize, doing: Option<Doing>, stale: bool },
    /// Days go by.
    Wait(u8),
    /// The sweeper comes by.
    Sweep,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    subject: usize,
    held: Option<Right>,
    wanted: Wanted,
}

/// What a form asks for.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// Form 2.
    Right(Option<Right>),
    /// Form 3.
    End,
}

fn right() -> impl Strategy<Value = Option<Right>> {
    prop_oneof![Just(None), Just(Some(Right::Read)), Just(Some(Right::ReadWrite))]
}

fn cases() -> impl Strategy<Value = (Case, Vec<Op>)> {
    let case = (
        prop_oneof![Just(0), Just(8)],
        right(),
        prop_oneof![1 => Just(Wanted::End), 2 => right().prop_map(Wanted::Right)],
    )
        .prop_map(|(subject, held, wanted)| Case { subject, held, wanted });
    let doing = prop_oneof![
        2 => Just(Doing::Submit),
        1 => Just(Doing::SubmitForAnother),
        3 => Just(Doing::Approve),
        1 => Just(Doing::Refuse),
        1 => Just(Doing::SendBack),
        3 => Just(Doing::Forward),
        3 => Just(Doing::Execute),
    ];
    let make = (0..PEOPLE.len(), prop::option::weighted(0.4, doing), prop::bool::weighted(0.1))
        .prop_map(|(who, doing, stale)| Op::Make { who, doing, stale });
    let op = prop_oneof![40 => make, 1 => (1_u8..40).prop_map(Op::Wait), 1 => Just(Op::Sweep)];
    (case, prop::collection::vec(op, 20..50))
}

/// The rules once more, as plainly as can be.
struct Model {
    case: Case,
    state: State,
    since: Micros,
    held: Option<Right>,
    closed: bool,
    submitter: Option<usize>,
    approver: usize,
    holder: usize,
}

impl Model {
    fn appointed(who: usize, to: &[&str]) -> bool {
        PEOPLE[who].iter().any(|appointment| to.contains(appointment))
    }

    fn allows(&self, who: usize, doing: Doing, stale: bool, now: Micros) -> bool {
        let case = self.case;
        if stale || now - self.since >= 30 * DAY || (self.closed && who == case.subject) {
            return false;
        }
        let narrows = match case.wanted {
            Wanted::Right(wanted) => wanted <= self.held,
            Wanted::End => true,
        };
        let other = who != case.subject;
        match (self.state, doing) {
            (State::Draft, Doing::Submit) => !other,
            (State::Draft, Doing::SubmitForAnother) => {
                // A registry's holder reaches who has a right there.
                let holder = self.held.is_some() && Self::appointed(who, &["registry_holder:fotled"]);
                narrows && (holder || Self::appointed(who, &["approver:12", "account_admin"]))
            }
            (State::Submitted, Doing::Approve | Doing::Refuse | Doing::SendBack) => {
                other && Self::appointed(who, &["approver:12"]) && self.submitter != Some(who)
            }
            (State::Approved, Doing::Forward | Doing::SendBack) => {
                other && Self::appointed(who, &["registry_holder:fotled"]) && self.approver != who
            }
            (State::Forwarded, Doing::Execute) => {
                let before = [self.approver, self.holder];
                // A right is given to an account that is there.
                let there = !self.closed || matches!(case.wanted, Wanted::End);
                other && there && Self::appointed(who, &["account_admin"]) && !before.contains(&who)
            }
            _ => false,
        }
    }

    fn make(&mut self, who: usize, doing: Doing, now: Micros) {
        self.since = now;
        self.state = match doing {
            Doing::Submit | Doing::SubmitForAnother => {
                self.submitter = Some(who);
                match self.case.wanted {
                    Wanted::Right(wanted) => self.held = self.held.min(wanted),
                    Wanted::End => self.closed = true,
                }
                State::Submitted
            }
            Doing::Approve => {
                self.approver = who;
                State::Approved
            }
            Doing::Refuse => State::Refused,
            Doing::SendBack => State::Draft,
            Doing::Forward => {
                self.holder = who;
                State::Forwarded
            }
            Doing::Execute => {
                if let Wanted::Right(wanted) = self.case.wanted {
                    self.held = wanted;
                }
                State::Executed
            }
        };
    }
}

/// People who have not met before: numbers from `first` on.
async fn people(store: &Store, first: u128, case: Case) {
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    for (index, appointments) in PEOPLE.iter().enumerate() {
        let number = first + index as u128;
        let account = Account {
            id: id(number),
            user_name: UserName::parse(&format!("user{number}")).expect("valid"),
            hsa: Some(hsa(number)),
            name: String::new(),
            title: String::new(),
            state: AccountState::Active { since: NOW },
            tries: Tries::default(),
            last_login: None,
            created: NOW,
        };
        change.create_account(&account).await.expect("creates");
        for text in *appointments {
            let appointment = text.parse().expect("an appointment");
            change.appoint(account.id, &appointment, (NOW, None), Why::NewDuty).await.expect("appoints");
        }
        if index == case.subject {
            change.confirm(account.id, Region::Skane, AuthMethod::None).await.expect("confirms");
            if let Some(right) = case.held {
                let grant =
                    NewGrant { registry: registry(), right, units: Vec::new(), valid_from: NOW, valid_to: None };
                change.give_grant(account.id, &grant).await.expect("gives");
            }
        }
    }
    change.commit().await.expect("commits");
}

fn wanted(doing: Doing) -> Move {
    match doing {
        Doing::Submit => Move::Submit,
        Doing::SubmitForAnother => Move::SubmitForAnother,
        Doing::Approve => Move::Approve("Kollega".to_owned()),
        Doing::Refuse => Move::Refuse("Okänd".to_owned()),
        Doing::SendBack => Move::SendBack("Ofullständig".to_owned()),
        Doing::Forward => Move::Forward,
        Doing::Execute => Move::Execute,
    }
}

async fn compare(store: &Store, first: u128, case: Case, ops: &[Op]) -> State {
    let office: Office = office(store);
    people(store, first, case).await;
    let account = |who: usize| -> AccountId { id(first + who as u128) };
    let subject = account(case.subject);
    let form: Form = match case.wanted {
        Wanted::Right(right) => change_to(subject, right),
        Wanted::End => end_of(subject),
    };
    let mut now = NOW;
    let mut heading = office.begin(now, by(subject), form).await.expect("begins");
    let (state, held) = (State::Draft, case.held);
    let mut model = Model { case, state, since: now, held, closed: false, submitter: None, approver: 99, holder: 99 };
    for op in ops {
        now += 1;
        match *op {
            Op::Wait(days) => now += Micros::from(days) * DAY,
            Op::Sweep => {
                let before = now - 30 * DAY;
                let lapses = !model.state.is_final() && model.since <= before;
                let mut change = store.change(now, By::program("test")).await.expect("begins");
                assert_eq!(change.lapse_form(heading.id, before).await.expect("looks"), lapses);
                change.commit().await.expect("commits");
                if lapses {
                    model.state = State::Lapsed;
                    model.since = now;
                }
            }
            Op::Make { who, doing, stale } => {
                let seen = (heading.id, heading.version - i64::from(stale));
                let doing = doing.unwrap_or(match model.state {
                    State::Draft => Doing::Submit,
                    State::Submitted => Doing::Approve,
                    State::Approved => Doing::Forward,
                    _ => Doing::Execute,
                });
                let who_signs = account(who);
                let signed = Some(sign(who_signs, now));
                let made = office.make(now, by(who_signs), seen, wanted(doing), signed, None).await;
                let expected = model.allows(who, doing, stale, now);
                assert_eq!(made.is_ok(), expected, "{who} {doing:?} stale={stale} in {:?}: {made:?}", model.state);
                if expected {
                    model.make(who, doing, now);
                }
            }
        }
        heading = store.form(heading.id).await.expect("reads").expect("is there").0;
        assert_eq!((heading.state, heading.state_at), (model.state, model.since));
        let closed = store.account(subject).await.expect("reads").expect("is there").state.is_final();
        let held = store.grants(subject).await.expect("reads").first().map(|grant| grant.right);
        assert_eq!((closed, held), (model.closed, model.held));
    }
    // The record alone tells that duties were apart.
    let (mut submitter, mut approver, mut holder) = (subject, subject, subject);
    for step in office.read(heading.id).await.expect("reads").steps {
        let apart = |others: &[AccountId]| assert!(!others.contains(&step.by), "{step:?}");
        match step.did {
            Did::Submitted => submitter = step.by,
            Did::Approved | Did::Refused => {
                apart(&[subject, submitter]);
                approver = step.by;
            }
            Did::Forwarded => {
                apart(&[subject, approver]);
                holder = step.by;
            }
            Did::Executed => apart(&[subject, approver, holder]),
            Did::Returned => apart(&[subject]),
            Did::Lapsed => assert!(step.by.is_none()),
        }
    }
    heading.state
}

fn check(on: On, count: u32) {
    let Some(bed) = Bed::new(on) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    let store = runtime.block_on(bed.open());
    let (next, executed) = (AtomicU32::new(1), AtomicU32::new(0));
    let mut runner = TestRunner::new(Config { cases: count, failure_persistence: None, ..Config::default() });
    let done = runner.run(&cases(), |(case, ops)| {
        let first = u128::from(next.fetch_add(10, Ordering::Relaxed));
        let state = runtime.block_on(compare(&store, first, case, &ops));
        executed.fetch_add(u32::from(state == State::Executed), Ordering::Relaxed);
        Ok(())
    });
    done.expect("the store does as the model");
    runtime.block_on(store.close());
    let executed = executed.into_inner();
    assert!(executed > count / 8, "{executed} of {count} forms came to their end: too few to tell anything");
}

#[test]
fn the_store_does_as_a_plain_model_on_sqlite() {
    check(On::Sqlite, 32);
}

#[test]
fn the_store_does_as_a_plain_model_on_postgres() {
    check(On::Postgres, 32);
}
