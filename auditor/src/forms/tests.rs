use super::*;
use crate::duties::Region;
use contract::id::{HsaId, RegistryName};
use contract::identity::{PatientId, Year, parse};
use contract::record::{AuthMethod, Right};
use uuid::Uuid;

const NOW: Micros = 1_790_000_000_000_000;

pub(super) fn account(number: u128) -> AccountId {
    AccountId::new(Uuid::from_u128(number))
}

fn hsa(number: u128) -> HsaId {
    HsaId::parse(&format!("SE2321000016-P{number:03}")).expect("valid")
}

fn number() -> PatientId {
    parse("191212121212", Year(2026)).expect("valid")
}

pub(super) fn registry() -> RegistryName {
    RegistryName::parse("fotled").expect("valid")
}

fn actor(number: u128, appointments: &[&str]) -> Actor {
    Actor {
        account: account(number),
        person: Person { account: Some(account(number)), hsa: Some(hsa(number)), number: None },
        others: Vec::new(),
        appointments: appointments.iter().map(|text| text.parse().expect("an appointment")).collect(),
    }
}

fn sign(actor: &Actor) -> Signature {
    Fresh::after_check(actor.account, NOW, AuthMethod::PasswordTotp).sign(NOW, 1).expect("fresh")
}

fn grant(right: Right) -> Grant {
    Grant { registry: registry(), right, units: Vec::new(), valid_from: NOW, valid_to: None }
}

pub(super) fn application() -> Application {
    Application {
        name: "Anna Åkesson".to_owned(),
        title: "sjuksköterska".to_owned(),
        unit: ("Ortopedkliniken".to_owned(), hsa(900)),
        address: vec!["Gatan 1".to_owned(), "221 00 Lund".to_owned()],
        telephone: "046-10 00 00".to_owned(),
        mobile: Some("070-000 00 00".to_owned()),
        email: None,
        right: Right::Read,
        valid_from: NOW,
        valid_to: None,
        purpose: "Registrering".to_owned(),
    }
}

fn form(about: &Actor, content: Content) -> Form {
    Form { subject: about.person.clone(), region: Region::Skane, registry: registry(), content }
}

fn change(about: &Actor, right: Right) -> Content {
    let rights = vec![grant(right)];
    Content::Alteration(Alteration { account: about.account, rights, reason: "Nya uppgifter".to_owned() })
}

fn end(about: &Actor) -> Content {
    Content::Deregistration(Deregistration { account: about.account, reason: "Slutar".to_owned() })
}

struct Office {
    anna: Actor,
    approver: Actor,
    holder: Actor,
    admin: Actor,
}

fn office() -> Office {
    Office {
        anna: actor(1, &[]),
        approver: actor(2, &["approver:12"]),
        holder: actor(3, &["registry_holder:fotled"]),
        admin: actor(4, &["account_admin"]),
    }
}

#[test]
fn an_application_goes_its_way_and_only_its_execution_gives_anything() {
    let Office { approver, holder, admin, .. } = office();
    let newcomer = Person { account: None, hsa: Some(hsa(1)), number: Some(number()) };
    let form = Form {
        subject: newcomer,
        region: Region::Skane,
        registry: registry(),
        content: Content::Application(application()),
    };
    let submitted = Request::new(form).submit_without_account(NOW).expect("a first application");
    let approved = submitted
        .before_approver(&approver)
        .and_then(|desk| desk.approve(sign(&approver), "Kollega sedan 2019".to_owned()))
        .expect("approves");
    let forwarded = approved.before_holder(&holder).and_then(|desk| desk.forward(sign(&holder))).expect("forwards");
    let (executed, order) =
        forwarded.before_executor(&admin).and_then(|desk| desk.execute(sign(&admin))).expect("executes");
    assert_eq!(order, Order::Create(application()));
    assert_eq!(executed.stage().forwarded.approved.by.account(), approver.account);
    assert_eq!(executed.stage().forwarded.approved.basis, "Kollega sedan 2019");
}

/// Somebody who has every appointment there is gets a form onto one desk, and never onto that of a form of their own.
#[test]
fn nobody_does_two_of_the_steps_or_decides_on_their_own() {
    let Office { anna, approver, holder, .. } = office();
    let everything = ["approver:12", "registry_holder:fotled", "account_admin"];
    let all = actor(9, &everything);
    let submitted = || {
        let own = Request::new(form(&anna, change(&anna, Right::ReadWrite)));
        own.submit(&anna, sign(&anna), &[]).expect("submits").0
    };
    let approved_by = |who: &Actor| {
        submitted().before_approver(who).and_then(|desk| desk.approve(sign(who), "Känd".to_owned())).expect("approves")
    };
    assert_eq!(approved_by(&all).before_holder(&all).expect_err("again"), Denied::Again);
    let forwarded = approved_by(&all).before_holder(&holder).and_then(|desk| desk.forward(sign(&holder)));
    assert_eq!(forwarded.expect("forwards").before_executor(&all).expect_err("again"), Denied::Again);
    let forwarded = approved_by(&approver).before_holder(&all).and_then(|desk| desk.forward(sign(&all)));
    assert_eq!(forwarded.expect("forwards").before_executor(&all).expect_err("again"), Denied::Again);
    // Who handed in a form for another does not approve it.
    let (lodged, _) = Request::new(form(&anna, end(&anna))).submit_for(&all, sign(&all), &[]).expect("hands in");
    assert_eq!(lodged.before_approver(&all).expect_err("again"), Denied::Again);

    // Who they are is not known: it may be about themselves.
    let mut nameless = actor(8, &everything);
    nameless.person.hsa = None;
    assert_eq!(submitted().before_approver(&nameless).expect_err("unknown"), Denied::Unidentified);

    // It is about themselves: by the account, by the HSA-id, by the number alone.
    let known_by = [
        Person { account: Some(all.account), hsa: None, number: None },
        Person { account: None, hsa: all.person.hsa.clone(), number: None },
        Person { account: None, hsa: None, number: Some(number()) },
    ];
    let mut same = all.clone();
    same.person.number = Some(number());
    for subject in known_by {
        let about = || Form { subject: subject.clone(), ..form(&anna, end(&anna)) };
        let submitted = Request::kept(about(), Submitted { by: None, at: NOW });
        assert_eq!(submitted.before_approver(&same).expect_err("their own"), Denied::Own);
        let stage =
            || Approved { submitted: Submitted { by: None, at: NOW }, by: sign(&approver), basis: "Känd".to_owned() };
        assert_eq!(Request::kept(about(), stage()).before_holder(&same).expect_err("their own"), Denied::Own);
        let forwarded = Forwarded { approved: stage(), by: sign(&holder) };
        assert_eq!(Request::kept(about(), forwarded).before_executor(&same).expect_err("their own"), Denied::Own);
    }
}

#[test]
fn each_desk_is_for_its_duty_in_its_region_and_registry() {
    let Office { anna, approver, holder, admin } = office();
    let submitted = || Request::kept(form(&anna, end(&anna)), Submitted { by: None, at: NOW });
    let approved = || {
        let submitted = Submitted { by: None, at: NOW };
        Request::kept(form(&anna, end(&anna)), Approved { submitted, by: sign(&approver), basis: "Känd".to_owned() })
    };
    let forwarded = || {
        let Request { form, stage } = approved();
        Request::kept(form, Forwarded { approved: stage, by: sign(&holder) })
    };
    let others = ["approver:13", "registry_holder:annat", "device_admin", "log_auditor", "help_desk"];
    let strangers = || others.iter().enumerate().map(|(index, text)| actor(50 + index as u128, &[text]));
    for who in strangers().chain([holder.clone(), admin.clone(), actor(60, &[])]) {
        assert_eq!(submitted().before_approver(&who).expect_err("not theirs"), Denied::NotAppointed);
    }
    for who in strangers().chain([actor(61, &["approver:12"]), admin.clone()]) {
        assert_eq!(approved().before_holder(&who).expect_err("not theirs"), Denied::NotAppointed);
    }
    for who in strangers().chain([actor(62, &["approver:12"]), actor(63, &["registry_holder:fotled"])]) {
        assert_eq!(forwarded().before_executor(&who).expect_err("not theirs"), Denied::NotAppointed);
    }
    // Another's signature is none.
    let desk = submitted().before_approver(&approver).expect("theirs");
    assert_eq!(desk.approve(sign(&admin), String::new()).expect_err("not theirs"), Denied::OtherSignature);
}

#[test]
fn what_takes_away_takes_at_once_and_what_gives_waits() {
    let Office { anna, approver, holder, admin } = office();
    let held = [grant(Right::ReadWrite)];
    let (_, order) =
        Request::new(form(&anna, change(&anna, Right::Read))).submit(&anna, sign(&anna), &held).expect("submits");
    assert_eq!(order, Some(Order::Set(anna.account, vec![grant(Right::Read)])));
    let held = [grant(Right::Read)];
    let (submitted, order) =
        Request::new(form(&anna, change(&anna, Right::ReadWrite))).submit(&anna, sign(&anna), &held).expect("submits");
    assert_eq!(order, Some(Order::Set(anna.account, held.to_vec())), "nothing more yet");
    let forwarded = submitted
        .before_approver(&approver)
        .and_then(|desk| desk.approve(sign(&approver), "Känd".to_owned()))
        .and_then(|request| request.before_holder(&holder)?.forward(sign(&holder)))
        .expect("goes its way");
    let (_, order) = forwarded.before_executor(&admin).and_then(|desk| desk.execute(sign(&admin))).expect("executes");
    assert_eq!(order, Order::Set(anna.account, vec![grant(Right::ReadWrite)]));
    let (_, order) = Request::new(form(&anna, end(&anna))).submit(&anna, sign(&anna), &[]).expect("submits");
    assert_eq!(order, Some(Order::Close(anna.account)));
}

#[test]
fn for_others_one_can_only_take_away() {
    let Office { anna, approver, holder, admin } = office();
    let held = [grant(Right::ReadWrite)];
    for who in [&approver, &holder, &admin] {
        let lodged = |content| Request::new(form(&anna, content)).submit_for(who, sign(who), &held);
        assert_eq!(lodged(end(&anna)).expect("hands in").1, Some(Order::Close(anna.account)));
        assert!(lodged(change(&anna, Right::Read)).is_ok());
        assert_eq!(lodged(Content::Application(application())).expect_err("not theirs"), Denied::NotYours);
        let none = Request::new(form(&anna, change(&anna, Right::ReadWrite))).submit_for(who, sign(who), &[]);
        assert_eq!(none.expect_err("it gives"), Denied::NotYours);
    }
    for who in [actor(70, &["approver:13"]), actor(71, &["help_desk"]), actor(72, &[])] {
        let lodged = Request::new(form(&anna, end(&anna))).submit_for(&who, sign(&who), &held);
        assert_eq!(lodged.expect_err("out of reach"), Denied::NotAppointed);
        let own = Request::new(form(&anna, end(&anna))).submit(&who, sign(&who), &held);
        assert_eq!(own.expect_err("another's"), Denied::NotYours);
    }
    // Who has an account applies by it.
    let known = Request::new(form(&anna, Content::Application(application()))).submit_without_account(NOW);
    assert_eq!(known.expect_err("has one"), Denied::NotYours);
}

/// Who it is about is told twice in a form: both have to be the same account.
#[test]
fn a_form_of_ones_own_does_not_change_another_account() {
    let Office { anna, approver, .. } = office();
    for content in [change(&approver, Right::Read), end(&approver)] {
        let request = Request::new(form(&anna, content));
        assert_eq!(request.submit(&anna, sign(&anna), &[]).expect_err("another's"), Denied::NotYours);
    }
}

#[test]
fn what_is_sent_back_is_a_draft_again() {
    let Office { anna, approver, holder, .. } = office();
    let submitted = || {
        let own = Request::new(form(&anna, change(&anna, Right::ReadWrite)));
        own.submit(&anna, sign(&anna), &[]).expect("submits").0
    };
    let desk = submitted().before_approver(&approver).expect("theirs");
    let (again, returned) = desk.send_back(sign(&approver), "Enheten saknas".to_owned()).expect("sends back");
    assert_eq!((returned.by.account(), returned.reason.as_str()), (approver.account, "Enheten saknas"));
    assert!(again.submit(&anna, sign(&anna), &[]).is_ok());
    let approved = submitted()
        .before_approver(&approver)
        .and_then(|desk| desk.approve(sign(&approver), "Känd".to_owned()))
        .expect("approves");
    let desk = approved.before_holder(&holder).expect("theirs");
    let (again, _) = desk.send_back(sign(&holder), "Enheten saknas".to_owned()).expect("sends back");
    assert_eq!(again.form(), submitted().form());
    assert!(!has_lapsed(NOW, NOW + 9, 10) && has_lapsed(NOW, NOW + 10, 10));
}
