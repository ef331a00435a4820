//! Credentials in two halves: issued, sent, collected, on both databases.

use super::people::*;
use super::{Bed, NOW, On, run};
use crate::accounts::password;
use crate::accounts::totp::TotpKey;
use crate::accounts::{Account, State as AccountState};
use crate::clock::{DAY, SECOND};
use crate::forms::Denied;
use crate::handout::{CalledBack, Channel, HandoutKey, PairError, Part, Purpose, Rule, Stage, State, Unreachable};
use crate::store::{By, Change, Counter, Handout, Issue, Message, Own, Sought, Store, StoreError, Way};
use contract::Micros;
use contract::id::{AccountId, DeviceId, HandoutId};
use contract::record::{AuthEventKind, Reason};
use sqlx::Row;
use std::sync::Arc;
use uuid::Uuid;

const HOUR: Micros = 3_600 * SECOND;
const AT: Micros = NOW + 10;

pub(super) fn counter(store: &Store) -> Counter {
    counter_by(store, Rule::default())
}

fn counter_by(store: &Store, rule: Rule) -> Counter {
    let (key, totp) = (Arc::new(HandoutKey::new(&[5; 32])), Arc::new(TotpKey::new(&[6; 32])));
    Counter::new(office(store), key, totp, rule)
}

/// An account that form 1 has made, and the administrator who made it.
struct Hall {
    store: Store,
    counter: Counter,
    desk: Desk,
    anna: AccountId,
}

async fn hall(bed: &Bed) -> Hall {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let form = desk.applied().await;
    let form = desk.forwarded(&form).await;
    let form = desk.make(&form, desk.admin, crate::forms::Move::Execute).await.expect("executes");
    told(&store).await;
    Hall { counter: counter(&store), anna: form.account.expect("an account"), store, desk }
}

fn called() -> Option<CalledBack> {
    CalledBack::confirmed(true)
}

impl Hall {
    async fn issue(&self, at: Micros, id_by: Channel, code_by: Channel) -> Result<HandoutId, StoreError> {
        let issue = Issue { account: self.anna, id_by, code_by, called_back: called() };
        self.counter.issue(at, by(self.desk.admin), Some(&sign(self.desk.admin, at)), &issue).await
    }

    async fn handout(&self, id: HandoutId) -> Handout {
        self.store.handout(id).await.expect("reads").expect("is there")
    }

    async fn state(&self) -> AccountState {
        self.store.account(self.anna).await.expect("reads").expect("is there").state
    }

    async fn print(&self, at: Micros, id: HandoutId, part: Part) -> Result<String, StoreError> {
        let admin = self.desk.admin;
        let printed = self.counter.print(at, by(admin), Some(&sign(admin, at)), (id, part)).await?;
        assert_eq!((printed.delivery.name.as_str(), printed.delivery.address.len()), (NAME, 2));
        Ok(printed.clear.to_string())
    }

    async fn post(&self, at: Micros, id: HandoutId, part: Part) -> Result<(), StoreError> {
        let admin = self.desk.admin;
        self.counter.posted(at, by(admin), Some(&sign(admin, at)), (id, part)).await
    }

    async fn due(&self, at: Micros) -> Vec<Message> {
        let program = By::program("handout");
        self.counter.due_messages(at, program, (10, 3), |tries| Micros::from(tries) * HOUR).await.expect("reads")
    }

    async fn say(&self, at: Micros, message: &Message, word: Stage, provider: Option<&str>) -> bool {
        let program = By::program("sms");
        self.counter.message_told(at, program, message.id, word, provider).await.expect("writes")
    }

    /// Both halves, gone out: the id by letter, the code as a text message.
    async fn sent(&self, at: Micros) -> (HandoutId, String, String) {
        let id = self.issue(at, Channel::Letter, Channel::Sms).await.expect("issues");
        let first = self.print(at, id, Part::Id).await.expect("prints");
        self.post(at, id, Part::Id).await.expect("posts");
        let due = self.due(at + 48 * HOUR).await;
        let message = due.first().expect("one");
        self.say(at + 48 * HOUR, message, Stage::Sent, Some("s1")).await;
        (id, first, message.clear.to_string())
    }

    async fn show(&self, at: Micros, id: &str, code: &str) -> Option<String> {
        let shown = self.counter.show(at, person_at(1), id, code).await.expect("judges");
        shown.map(|token| token.to_string())
    }
}

/// Somebody who is not logged in, on a device.
fn person_at(device: u128) -> By {
    By { device: DeviceId::new(Uuid::from_u128(device)), ..By::program("app") }
}

/// Every cell of the halves, for what must not stand there.
async fn cells(store: &Store) -> String {
    let mut connection = store.read().await.expect("reads");
    let rows = sqlx::query("SELECT kept, clear FROM handout_half").fetch_all(&mut *connection).await.expect("rows");
    let cell = |row: &sqlx::any::AnyRow| {
        let clear: Option<Vec<u8>> = row.try_get("clear").expect("bytes");
        let kept: String = row.try_get("kept").expect("text");
        format!(
            "{kept} {}\n",
            clear.map_or_else(|| "wiped".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
        )
    };
    rows.iter().map(cell).collect()
}

async fn halves_go_out_by_their_channels_and_the_account_is_handed_out(bed: Bed) {
    let hall = hall(&bed).await;
    let id = hall.issue(AT, Channel::Letter, Channel::Sms).await.expect("issues");
    let begun = hall.handout(id).await;
    assert_eq!((begun.purpose, begun.state, begun.account), (Purpose::First, State::Open, hall.anna));
    assert_eq!(begun.halves.clone().map(|half| half.stage), [Stage::Waiting, Stage::Waiting]);
    assert!(hall.due(AT + 90 * DAY).await.is_empty(), "the message waits for the letter");
    assert!(hall.post(AT, id, Part::Id).await.is_err(), "nothing is printed");

    let first = hall.print(AT + 1, id, Part::Id).await.expect("prints");
    assert_eq!(hall.print(AT + 2, id, Part::Id).await.expect("again, until it is posted"), first);
    assert!(hall.print(AT + 2, id, Part::Code).await.is_err(), "the code goes by SMS");
    hall.post(AT + 3, id, Part::Id).await.expect("posts");
    assert!(hall.print(AT + 4, id, Part::Id).await.is_err(), "it is wiped");
    assert!(matches!(hall.state().await, AccountState::Created { .. }), "one half is not both");

    assert!(hall.due(AT + 3 + 48 * HOUR - 1).await.is_empty());
    let due = hall.due(AT + 3 + 48 * HOUR).await;
    let message = due.first().expect("one");
    assert_eq!((due.len(), message.to.expose(), message.clear.len()), (1, "+46700000000", 9));
    assert!(!cells(&hall.store).await.contains(message.clear.as_str()), "sealed");
    let at = AT + 49 * HOUR;
    assert!(hall.say(at, message, Stage::Sent, Some("s1")).await);
    assert!(matches!(hall.state().await, AccountState::HandedOut { at: then } if then == at));
    assert_eq!(cells(&hall.store).await.matches("wiped").count(), 2);
    let out = hall.handout(id).await;
    assert_eq!(out.half(Part::Id).until, Some(AT + 3 + 14 * DAY));
    assert_eq!(out.half(Part::Code).until, Some(at + 72 * HOUR));

    let events = told(&hall.store).await;
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    let (issued, sent) = (AuthEventKind::CredentialsIssued, AuthEventKind::CredentialsSent);
    assert_eq!(kinds, [issued, issued, sent, sent, sent, sent, AuthEventKind::AccountChanged]);
    let said = format!("{events:?}");
    for secret in [first.as_str(), message.clear.as_str(), STREET, "46700000000", NAME] {
        assert!(!said.contains(secret), "{said}");
    }
}

async fn who_has_both_halves_sets_credentials_of_their_own(bed: Bed) {
    let hall = hall(&bed).await;
    let (id, first, code) = hall.sent(AT).await;
    let at = AT + 50 * HOUR;
    let token = hall.show(at, &first, &code.to_lowercase()).await.expect("both fit");
    assert!(hall.counter.opened(at, person_at(2), &token).await.expect("reads").is_none(), "another device");
    assert!(hall.counter.opened(at, person_at(1), "x").await.expect("reads").is_none());
    assert!(hall.counter.opened(at + HOUR, person_at(1), &token).await.expect("reads").is_none(), "too late");
    let opened = hall.counter.opened(at, person_at(1), &token).await.expect("reads").expect("opened");
    assert_eq!((opened.handout, opened.account.id), (id, hall.anna));
    // Who comes back gets a new token; the old one is of no use.
    let again = hall.show(at, &first, &code).await.expect("until it is collected");
    assert!(hall.counter.opened(at, person_at(1), &token).await.expect("reads").is_none());
    told(&hall.store).await;

    let opened = hall.counter.opened(at, person_at(1), &again).await.expect("reads").expect("opened");
    let hash = password::hash("fyra ord som inte hör ihop", &[1; 16]).expect("hashes");
    let own = || Own { way: Way::Codes { password: &hash, step: 7 }, instructions: 3 };
    let account = hall.counter.collect(at, person_at(1), &again, own()).await.expect("sets").expect("collected");
    assert_eq!(account.state, AccountState::Active { since: at });
    assert_eq!(hall.state().await, AccountState::Active { since: at });
    let credential = hall.store.credential(hall.anna).await.expect("reads");
    assert_eq!((credential.password.as_deref().map(String::as_str), credential.totp_step), (Some(hash.as_str()), 7));
    let secret = second_factors().open(hall.anna, &credential.totp.expect("a second factor")).expect("opens");
    assert_eq!(secret.code(at), opened.totp.code(at), "the one that was shown");
    assert_eq!(hall.store.instructions_accepted(hall.anna).await.expect("reads"), 3);
    let kinds: Vec<_> = told(&hall.store).await.iter().map(|event| event.kind).collect();
    assert!(
        kinds.contains(&AuthEventKind::CredentialsCollected) && kinds.contains(&AuthEventKind::InstructionsAccepted)
    );

    assert!(hall.counter.collect(at, person_at(1), &again, own()).await.expect("reads").is_none(), "once");
    assert!(hall.show(at, &first, &code).await.is_none(), "once");
    assert_eq!(told(&hall.store).await.last().map(|event| event.reason), Some(Reason::CodeSpent));
    assert_eq!(hall.handout(id).await.state, State::Collected);
}

async fn five_wrong_codes_make_both_halves_void(bed: Bed) {
    let hall = hall(&bed).await;
    let (id, first, code) = hall.sent(AT).await;
    let at = AT + 50 * HOUR;
    let wrong = if code.starts_with('0') { "1111-1111" } else { "0000-0000" };
    told(&hall.store).await;
    for tries in 1..=4 {
        assert!(hall.show(at, &first, wrong).await.is_none());
        assert_eq!((hall.handout(id).await.tries, hall.handout(id).await.state), (tries, State::Open));
    }
    // What is no half at all counts for nobody.
    assert!(hall.show(at, "0000-0000-0000", &code).await.is_none());
    assert!(hall.show(at, &first, "").await.is_none());
    assert!(hall.show(at, "", "").await.is_none());
    assert_eq!(hall.handout(id).await.tries, 4);
    assert!(hall.show(at, &first, wrong).await.is_none());
    assert_eq!(hall.handout(id).await.state, State::Spent);
    assert!(hall.show(at, &first, &code).await.is_none(), "also for who has the right one");
    let events = told(&hall.store).await;
    let reasons: Vec<_> = events.iter().map(|event| (event.account == hall.anna, event.reason)).collect();
    let (unknown, spent) = (Reason::CodeUnknown, Reason::CodeSpent);
    let mut expected = vec![(true, unknown); 4];
    expected.extend([(false, unknown); 3]);
    expected.extend([(true, spent), (true, spent)]);
    assert_eq!(reasons, expected);
    assert!(events.iter().all(|event| event.kind == AuthEventKind::CredentialsFailed));
    // New ones are needed, and can be had.
    hall.issue(at, Channel::Letter, Channel::Phone).await.expect("issues");
}

async fn halves_run_out_and_new_ones_take_the_place_of_old_ones(bed: Bed) {
    let hall = hall(&bed).await;
    let (id, first, code) = hall.sent(AT).await;
    let end = AT + 48 * HOUR + 72 * HOUR;
    assert!(hall.show(end, &first, &code).await.is_none(), "the code is 72 hours old");
    assert_eq!(hall.handout(id).await.state, State::Expired);
    let (id, first, code) = hall.sent(end).await;
    let other = hall.issue(end + 49 * HOUR, Channel::Letter, Channel::Sms).await.expect("issues");
    assert!(hall.show(end + 50 * HOUR, &first, &code).await.is_none());
    assert_eq!(hall.handout(id).await.state, State::Replaced);
    // Nobody has printed it for long: it is void, and nothing of it rests in clear.
    let program = || By::program("handout");
    assert_eq!(hall.counter.expire(end + 49 * HOUR + 30 * DAY - 1, program(), 9).await.expect("runs"), 0);
    assert_eq!(hall.counter.expire(end + 49 * HOUR + 30 * DAY, program(), 9).await.expect("runs"), 1);
    assert_eq!(hall.handout(other).await.state, State::Expired);
    let cells = cells(&hall.store).await;
    assert_eq!(cells.matches("wiped").count(), cells.lines().count());
}

async fn who_has_shown_both_halves_in_time_is_not_cut_off(bed: Bed) {
    let hall = hall(&bed).await;
    let (id, first, code) = hall.sent(AT).await;
    let until = hall.handout(id).await.half(Part::Code).until.expect("it is out");
    let minute = 60 * SECOND;
    let token = hall.show(until - minute, &first, &code).await.expect("both fit");
    let expire = async |at| hall.counter.expire(at, By::program("handout"), 9).await.expect("runs");
    assert_eq!(expire(until + SECOND).await, 0);
    let at = until + 2 * minute;
    let own = Own { way: Way::Codes { password: "x", step: 7 }, instructions: 1 };
    assert!(hall.counter.collect(at, person_at(1), &token, own).await.expect("sets").is_some());

    // Who shows them and does not finish has them no longer than that.
    let at = at + DAY;
    let (id, first, code) = hall.sent(at).await;
    let until = hall.handout(id).await.half(Part::Code).until.expect("it is out");
    hall.show(until - minute, &first, &code).await.expect("both fit");
    assert_eq!(expire(until - minute + hall.counter.rule().open_us - 1).await, 0);
    assert_eq!(expire(until - minute + hall.counter.rule().open_us).await, 1);
    assert_eq!(hall.handout(id).await.state, State::Expired);
}

async fn what_the_provider_says_is_heard_once_and_never_backwards(bed: Bed) {
    let hall = hall(&bed).await;
    let id = hall.issue(AT, Channel::Phone, Channel::Sms).await.expect("issues");
    let due = hall.due(AT).await;
    let message = due.first().expect("at once: there is no letter to wait for");
    assert!(hall.due(AT).await.is_empty(), "it is under way");
    let stage = async || hall.handout(id).await.half(Part::Code).stage;
    told(&hall.store).await;
    // The callback comes before the answer.
    assert!(hall.say(AT + 1, message, Stage::Delivered, Some("s1")).await);
    assert_eq!(stage().await, Stage::Delivered);
    assert!(!hall.say(AT + 2, message, Stage::Delivered, Some("s1")).await, "twice");
    hall.say(AT + 3, message, Stage::Sent, Some("s1")).await;
    assert!(!hall.say(AT + 4, message, Stage::Failed, Some("s1")).await);
    assert_eq!(stage().await, Stage::Delivered);
    let sent = told(&hall.store).await;
    assert_eq!(sent.len(), 1, "{sent:?}");

    // Of a message that was sent twice, since an answer was lost, only the last counts when it failed.
    let id = hall.issue(AT + DAY, Channel::Phone, Channel::Sms).await.expect("issues");
    let due = hall.due(AT + DAY).await;
    let message = due.first().expect("one");
    let stage = async || hall.handout(id).await.half(Part::Code).stage;
    assert!(hall.say(AT + DAY, message, Stage::Sent, Some("s2")).await);
    assert!(!hall.say(AT + DAY, message, Stage::Failed, Some("s1")).await);
    assert_eq!(stage().await, Stage::Sent);
    assert!(hall.say(AT + DAY, message, Stage::Failed, Some("s2")).await);
    assert_eq!(stage().await, Stage::Failed);
    let reason = told(&hall.store).await.last().map(|event| (event.kind, event.reason));
    assert_eq!(reason, Some((AuthEventKind::CredentialsFailed, Reason::Undelivered)));
    let sought = Sought { stage: Some(Stage::Failed), limit: 9, ..Sought::default() };
    let failed = hall.store.handouts(&sought).await.expect("reads");
    assert_eq!(failed.iter().map(|handout| handout.id).collect::<Vec<_>>(), [id], "where it is seen");

    // It goes by letter instead, with another code.
    let admin = hall.desk.admin;
    let way = (id, Part::Code);
    let at = AT + DAY + 1;
    let same = hall.counter.reroute(at, by(admin), Some(&sign(admin, at)), way, Channel::Phone).await;
    assert!(matches!(same, Err(StoreError::Pair(PairError::Same))));
    hall.counter.reroute(at, by(admin), Some(&sign(admin, at)), way, Channel::Letter).await.expect("reroutes");
    assert!(!hall.say(at, message, Stage::Delivered, Some("s2")).await, "that way is none any more");
    assert_ne!(hall.print(at, id, Part::Code).await.expect("prints"), message.clear.to_string());
}

async fn a_message_that_waited_for_a_letter_goes_when_there_is_none_any_more(bed: Bed) {
    let hall = hall(&bed).await;
    let id = hall.issue(AT, Channel::Letter, Channel::Sms).await.expect("issues");
    assert!(hall.due(AT + 90 * DAY).await.is_empty(), "it waits for the letter");
    let admin = hall.desk.admin;
    let way = (id, Part::Id);
    hall.counter.reroute(AT + 1, by(admin), Some(&sign(admin, AT + 1)), way, Channel::Phone).await.expect("reroutes");
    assert_eq!(hall.handout(id).await.half(Part::Code).stage, Stage::Queued);
    assert_eq!(hall.due(AT + 1).await.len(), 1, "at once");
}

async fn a_message_is_tried_again_later_and_then_given_up(bed: Bed) {
    let hall = hall(&bed).await;
    let id = hall.issue(AT, Channel::Letter, Channel::Sms).await.expect("issues");
    hall.print(AT, id, Part::Id).await.expect("prints");
    hall.post(AT, id, Part::Id).await.expect("posts");
    let begun = AT + 48 * HOUR;
    // Each round waits longer than the one before; the fourth gives it up.
    for (at, tries) in
        [(begun, 1), (begun + HOUR, 1), (begun + 2 * HOUR, 0), (begun + 3 * HOUR, 1), (begun + 6 * HOUR, 0)]
    {
        assert_eq!(hall.due(at).await.len(), tries, "{}", (at - begun) / HOUR);
    }
    let code = hall.handout(id).await.half(Part::Code).clone();
    assert_eq!((code.stage, code.tries, code.next_try), (Stage::Failed, 3, None));
    assert_eq!(cells(&hall.store).await.matches("wiped").count(), 2);
    assert!(matches!(hall.state().await, AccountState::Created { .. }));
}

async fn a_half_is_read_out_to_who_was_called(bed: Bed) {
    let hall = hall(&bed).await;
    let id = hall.issue(AT, Channel::Letter, Channel::Phone).await.expect("issues");
    let admin = hall.desk.admin;
    let number = hall.counter.number(AT, by(admin), Some(&sign(admin, AT)), id).await.expect("reads");
    assert_eq!(number.telephone, "046-10 00 00");
    let first = hall.print(AT, id, Part::Id).await.expect("prints");
    hall.post(AT, id, Part::Id).await.expect("posts");
    let read = async |who| {
        let called = called().expect("called");
        hall.counter.read_out(AT, by(who), Some(&sign(who, AT)), (id, Part::Code), called).await
    };
    let both = read(admin).await.expect_err("they have seen the other half");
    assert!(matches!(both, StoreError::Denied(Denied::OtherHalf)), "{both}");
    let second = person(&hall.store, 130, &["account_admin"]).await;
    let code = read(second).await.expect("reads out").to_string();
    assert!(read(second).await.is_err(), "once");
    assert!(matches!(hall.state().await, AccountState::HandedOut { .. }));
    assert!(hall.show(AT + 1, &first, &code).await.is_some());
    let kinds: Vec<_> = told(&hall.store).await.iter().map(|event| event.kind).collect();
    assert!(kinds.contains(&AuthEventKind::FormRevealed), "that a number was looked at is on record");
}

async fn nobody_sees_both_halves_unless_that_is_switched_on(bed: Bed) {
    let mut hall = hall(&bed).await;
    let (first, second) = (hall.desk.admin, person(&hall.store, 130, &["account_admin"]).await);
    let read = async |hall: &Hall, who, id| {
        let called = called().expect("called");
        hall.counter.read_out(AT, by(who), Some(&sign(who, AT)), (id, Part::Code), called).await
    };
    let id = hall.issue(AT, Channel::Letter, Channel::Phone).await.expect("issues");
    hall.print(AT, id, Part::Id).await.expect("prints");
    // That another prints it too makes the first not forget it.
    hall.counter.print(AT, by(second), Some(&sign(second, AT)), (id, Part::Id)).await.expect("prints");
    for who in [first, second] {
        let both = read(&hall, who, id).await.expect_err("they have seen the other half");
        assert!(matches!(both, StoreError::Denied(Denied::OtherHalf)), "{both}");
    }
    let refused = told(&hall.store).await.iter().filter(|event| event.reason == Reason::DecidedBefore).count();
    assert_eq!(refused, 2, "on record");
    // A half that is made anew nobody has seen.
    let made = hall.counter.reroute(AT, by(first), Some(&sign(first, AT)), (id, Part::Id), Channel::Sms).await;
    made.expect("reroutes");
    read(&hall, second, id).await.expect("reads out");

    let id = hall.issue(AT, Channel::Letter, Channel::Phone).await.expect("issues");
    hall.print(AT, id, Part::Id).await.expect("prints");
    assert!(read(&hall, first, id).await.is_err());
    hall.counter = counter_by(&hall.store, Rule { one_sees_both: true, ..Rule::default() });
    read(&hall, first, id).await.expect("switched on");
}

async fn one_person_with_two_accounts_sees_one_half(bed: Bed) {
    let hall = hall(&bed).await;
    let first = hall.desk.admin;
    let second = person(&hall.store, 131, &["account_admin"]).await;
    same_person(&hall.store, first, second).await;
    let id = hall.issue(AT, Channel::Letter, Channel::Phone).await.expect("issues");
    hall.print(AT, id, Part::Id).await.expect("prints");
    let called = called().expect("called");
    let read = hall.counter.read_out(AT, by(second), Some(&sign(second, AT)), (id, Part::Code), called).await;
    assert!(read.is_err(), "the same person sees both halves");
}

async fn only_whose_duty_it_is_hands_out_and_not_to_themselves(bed: Bed) {
    let hall = hall(&bed).await;
    let issue = |account| Issue { account, id_by: Channel::Letter, code_by: Channel::Sms, called_back: called() };
    let approver = hall.desk.approver;
    for (who, account, expected) in
        [(approver, hall.anna, Denied::NotAppointed), (hall.desk.admin, hall.desk.admin, Denied::Own)]
    {
        told(&hall.store).await;
        let done = hall.counter.issue(AT, by(who), Some(&sign(who, AT)), &issue(account)).await;
        assert!(matches!(done, Err(StoreError::Denied(denied)) if denied == expected), "{done:?}");
        let events = told(&hall.store).await;
        let told: Vec<_> = events.iter().map(|event| (event.kind, event.reason, event.by)).collect();
        assert_eq!(told, [(AuthEventKind::MoveDenied, expected.reason(), who)]);
    }
    let unsigned = hall.counter.issue(AT, by(hall.desk.admin), None, &issue(hall.anna)).await;
    assert!(matches!(unsigned, Err(StoreError::Denied(Denied::OtherSignature))));
    let id = hall.issue(AT, Channel::Letter, Channel::Sms).await.expect("issues");
    let printed = hall.counter.print(AT, by(approver), Some(&sign(approver, AT)), (id, Part::Id)).await;
    assert!(matches!(printed, Err(StoreError::Denied(Denied::NotAppointed))));
    let operator = hall.counter.issue(AT, By::program("cli user=root"), None, &issue(hall.anna)).await;
    operator.expect("on the command line");
}

async fn where_halves_go_comes_from_the_form_alone(bed: Bed) {
    let hall = hall(&bed).await;
    assert!(matches!(hall.issue(AT, Channel::Sms, Channel::Sms).await, Err(StoreError::Pair(PairError::Same))));
    assert!(matches!(hall.issue(AT, Channel::Fax, Channel::Sms).await, Err(StoreError::Pair(PairError::FaxOff))));
    let fax = Counter::new(
        office(&hall.store),
        Arc::new(HandoutKey::new(&[5; 32])),
        Arc::new(TotpKey::new(&[6; 32])),
        Rule { fax: true, ..Rule::default() },
    );
    let issue = Issue { account: hall.anna, id_by: Channel::Fax, code_by: Channel::Sms, called_back: None };
    let done = fax.issue(AT, By::program("cli"), None, &issue).await;
    assert!(matches!(done, Err(StoreError::NoWay(Unreachable::Fax))), "form 1 has no number");
    let without = Issue { account: hall.desk.approver, ..issue };
    let done = hall
        .counter
        .issue(AT, By::program("cli"), None, &Issue { id_by: Channel::Letter, called_back: called(), ..without })
        .await;
    assert!(matches!(done, Err(StoreError::Incomplete(_))), "no form, no address: {done:?}");
}

async fn a_new_second_factor_needs_a_call_and_ends_the_old_one_when_it_is_collected(bed: Bed) {
    let hall = hall(&bed).await;
    let (_, first, code) = hall.sent(AT).await;
    let at = AT + 50 * HOUR;
    let token = hall.show(at, &first, &code).await.expect("both fit");
    let hash = password::hash("fyra ord som inte hör ihop", &[1; 16]).expect("hashes");
    let own = || Own { way: Way::Codes { password: &hash, step: 7 }, instructions: 1 };
    hall.counter.collect(at, person_at(1), &token, own()).await.expect("sets").expect("collected");
    let before = hall.store.credential(hall.anna).await.expect("reads").totp;

    let silent = Issue { account: hall.anna, id_by: Channel::Letter, code_by: Channel::Sms, called_back: None };
    let admin = hall.desk.admin;
    let done = hall.counter.issue(at, by(admin), Some(&sign(admin, at)), &silent).await;
    assert!(matches!(done, Err(StoreError::Incomplete(_))));
    let at = at + DAY;
    let (id, first, code) = hall.sent(at).await;
    assert_eq!(hall.handout(id).await.purpose, Purpose::Reset);
    let at = at + 50 * HOUR;
    assert!(matches!(hall.state().await, AccountState::Active { .. }), "it is in use meanwhile");
    assert_eq!(hall.store.credential(hall.anna).await.expect("reads").totp, before, "the old one counts until then");
    let token = hall.show(at, &first, &code).await.expect("both fit");
    hall.lock(at).await;
    let account = hall.counter.collect(at, person_at(1), &token, own()).await.expect("sets").expect("collected");
    assert_eq!(account.state, AccountState::Active { since: at }, "who was called is let in again");
    assert_ne!(hall.store.credential(hall.anna).await.expect("reads").totp, before);
}

async fn an_account_that_is_closed_collects_nothing(bed: Bed) {
    let hall = hall(&bed).await;
    let (id, first, code) = hall.sent(AT).await;
    let at = AT + 50 * HOUR;
    let token = hall.show(at, &first, &code).await.expect("both fit");
    let mut change = hall.store.change(at, By::program("test")).await.expect("begins");
    let mut account = change.account(hall.anna).await.expect("reads");
    account.state = account.state.deregister(at).expect("closes");
    change.stop_account(&account, AuthEventKind::AccountClosed).await.expect("closes");
    change.commit().await.expect("commits");
    assert!(hall.counter.opened(at, person_at(1), &token).await.expect("reads").is_none());
    let own = Own { way: Way::Codes { password: "x", step: 7 }, instructions: 1 };
    assert!(hall.counter.collect(at, person_at(1), &token, own).await.expect("reads").is_none());
    assert_eq!(hall.counter.expire(at, By::program("handout"), 9).await.expect("runs"), 1);
    assert_eq!(hall.handout(id).await.state, State::Expired);
}

fn second_factors() -> TotpKey {
    TotpKey::new(&[6; 32])
}

/// What is under way when somebody stops an account undoes that not, neither now nor when the stop ends.
async fn halves_that_are_under_way_undo_no_lock_and_no_block(bed: Bed) {
    let hall = hall(&bed).await;
    let (admin, office) = (hall.desk.admin, &hall.desk.office);
    let (id, first, code) = hall.sent(AT).await;
    let at = AT + 50 * HOUR;
    let token = hall.show(at, &first, &code).await.expect("both fit");
    told(&hall.store).await;
    office.lock(at, by(admin), hall.anna).await.expect("locks");
    let ended = told(&hall.store).await;
    let failed = ended.iter().filter(|event| event.kind == AuthEventKind::CredentialsFailed);
    assert_eq!(failed.map(|event| event.reason).collect::<Vec<_>>(), [Reason::CodeExpired]);
    assert_eq!(hall.handout(id).await.state, State::Expired);
    let own = Own { way: Way::Codes { password: "x", step: 7 }, instructions: 1 };
    assert!(hall.counter.collect(at, person_at(1), &token, own).await.expect("reads").is_none());
    assert!(hall.show(at, &first, &code).await.is_none());
    assert!(matches!(hall.state().await, AccountState::Locked { until: None, .. }), "{:?}", hall.state().await);

    office.unlock(at, by(admin), &sign(admin, at), hall.anna).await.expect("unlocks");
    let at = at + HOUR;
    let (_, first, code) = hall.sent(at).await;
    let at = at + 50 * HOUR;
    office.block(at, by(admin), &sign(admin, at), hall.anna, "Brevet är borta").await.expect("blocks");
    let second = person(&hall.store, 130, &["account_admin"]).await;
    office.propose_lift(at, by(admin), &sign(admin, at), hall.anna).await.expect("proposes");
    office.lift(at, by(second), &sign(second, at), hall.anna).await.expect("lifts");
    assert!(hall.show(at, &first, &code).await.is_none());
    assert_eq!(cells(&hall.store).await.matches("wiped").count(), 4);
}

async fn a_half_that_cannot_be_read_fails_and_holds_up_no_other(bed: Bed) {
    let hall = hall(&bed).await;
    let id = hall.issue(AT, Channel::Letter, Channel::Sms).await.expect("issues");
    hall.print(AT, id, Part::Id).await.expect("prints");
    hall.post(AT, id, Part::Id).await.expect("posts");
    let mut change = hall.store.change(AT, By::program("test")).await.expect("begins");
    sqlx::query("UPDATE handout_half SET clear = $1 WHERE clear IS NOT NULL")
        .bind(vec![0_u8; 8])
        .execute(&mut *change.tx)
        .await
        .expect("writes");
    change.commit().await.expect("commits");
    assert!(hall.due(AT + 48 * HOUR).await.is_empty());
    assert_eq!(hall.handout(id).await.half(Part::Code).stage, Stage::Failed, "it is seen, and can go another way");
    let told = told(&hall.store).await;
    assert!(told.iter().any(|event| event.kind == AuthEventKind::CredentialsFailed), "{told:?}");
}

impl Hall {
    /// As wrong attempts do.
    async fn lock(&self, at: Micros) {
        let mut change: Change = self.store.change(at, By::program("test")).await.expect("begins");
        let mut account: Account = change.account(self.anna).await.expect("reads");
        account.state = account.state.lock(at, Some(at + HOUR)).expect("locks");
        change.stop_account(&account, AuthEventKind::AccountLocked).await.expect("locks");
        change.commit().await.expect("commits");
    }
}

on_both![
    halves_go_out_by_their_channels_and_the_account_is_handed_out,
    who_has_both_halves_sets_credentials_of_their_own,
    five_wrong_codes_make_both_halves_void,
    halves_run_out_and_new_ones_take_the_place_of_old_ones,
    who_has_shown_both_halves_in_time_is_not_cut_off,
    what_the_provider_says_is_heard_once_and_never_backwards,
    a_message_that_waited_for_a_letter_goes_when_there_is_none_any_more,
    a_message_is_tried_again_later_and_then_given_up,
    a_half_that_cannot_be_read_fails_and_holds_up_no_other,
    nobody_sees_both_halves_unless_that_is_switched_on,
    one_person_with_two_accounts_sees_one_half,
    a_half_is_read_out_to_who_was_called,
    only_whose_duty_it_is_hands_out_and_not_to_themselves,
    where_halves_go_comes_from_the_form_alone,
    a_new_second_factor_needs_a_call_and_ends_the_old_one_when_it_is_collected,
    an_account_that_is_closed_collects_nothing,
    halves_that_are_under_way_undo_no_lock_and_no_block,
];
