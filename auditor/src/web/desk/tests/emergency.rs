//! Opening in an emergency by pages alone, and what of tickets does not hold.

use super::browser::{Browser, FORM, Page};
use crate::clock;
use crate::store::WantedEmergencies;
use crate::web::admin::tests::bed::{Bed, Who, hsa};
use contract::emergency::{self, OPENINGS_MAX, Ticket, Why};
use contract::record::{AuthEventKind, Reason};
use contract::way_back::{RETURN_COOKIE, WayBack};

const OPEN: &str = "/auth/emergency/open";
const SAID: [(&str, &str); 2] = [("why", "incapable"), ("words", "Medvetslös på akuten")];

/// The gateway's page sends this.
async fn shown(browser: &Browser<'_>, ticket: &str) -> Page {
    browser.ask("POST", emergency::PATH, &[FORM], format!("ticket={ticket}")).await
}

async fn opened(bed: &Bed, who: &Who) -> usize {
    let account = bed.store.directory_account(who.id, clock::now()).await.expect("reads").expect("is there");
    account.openings.len()
}

/// What was refused since the last time, and why.
async fn refused(bed: &Bed) -> Vec<Reason> {
    bed.told_of(AuthEventKind::EmergencyRefused).await.into_iter().map(|event| event.reason).collect()
}

#[tokio::test]
async fn who_says_why_opens_for_some_minutes_and_the_reviewer_sees_it() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    let reviewer = bed.who(2, &["log_reviewer:SE2321000016-P00900"]).await;
    let elsewhere = bed.who(3, &["log_reviewer:SE2321000016-P00901"]).await;
    let ticket = Bed::ticket(&anna, Some(hsa(900)));
    let browser = Browser::new(&bed, &anna);
    let page = shown(&browser, &bed.signed_as(emergency::TYPE, &ticket)).await.is(200);
    let page = page.says("i 15 minuter").says("Den granskas alltid").never_says(&ticket.patient.to_string());
    assert_eq!(opened(&bed, &anna).await, 0, "nothing is open yet");
    let page = browser.send(&page, OPEN, &[("words", "akut")]).await.is(422);
    let page = page.says("Välj varför du behöver öppna").says("med 10 till 500 tecken");
    let page = browser.send(&page, OPEN, &[SAID[0], ("words", "Medvetslös, 19121212-1212")]).await.is(422);
    let page = page.says("Ta bort personnumret");
    let page = browser.send(&page, OPEN, &[SAID[0], SAID[1], ("until", "9999")]).await.is(422);
    assert_eq!(opened(&bed, &anna).await, 0);
    let mut sheet = page.sheet(OPEN);
    for (name, value) in SAID {
        sheet.fill(name, value);
    }
    browser.post(&sheet).await.is(200).says("Patientens uppgifter är öppna för dig i 15 minuter.");
    assert_eq!(opened(&bed, &anna).await, 1);
    let way = WayBack::parse("/patients/x").expect("a path");
    let cookie = format!("{RETURN_COOKIE}={}", way.to_cookie());
    let done = browser.ask("GET", "/auth/emergency/done", &[("cookie", &cookie)], String::new()).await.is(200);
    assert_eq!(done.link("Till patientens uppgifter"), "/patients/x");

    let list = "/admin/emergencies";
    Browser::new(&bed, &anna).open(list).await.is(403);
    Browser::new(&bed, &elsewhere).open(list).await.is(200).says("Inga nödöppningar").never_says("Medvetslös");
    let reviewer = Browser::new(&bed, &reviewer);
    reviewer.open("/admin").await.is(200).says("Nödöppningar att granska");
    let page = reviewer.open(list).await.is(200).says("Medvetslös på akuten").says("Person 1");
    let page = page.says(&ticket.patient.to_string()).says("Patienten är medvetslös eller kan inte samtycka");
    let found = bed.office.emergencies(clock::now(), crate::store::By::program("test"), &all()).await.expect("reads");
    let seen = format!("{list}/{}/seen", found[0].id);
    assert!(page.has_form(&seen));
    bed.told().await;
    let page = reviewer.send(&page, &seen, &[]).await.is(200).says("markerad som granskad");
    assert!(!page.has_form(&seen));
    assert_eq!(bed.told_of(AuthEventKind::EmergencySeen).await.len(), 1);
    let page = reviewer.open(&format!("{list}?seen=false&from=2026-01-01")).await.is(200);
    page.says("Inga nödöppningar stämmer");
    reviewer.open(&format!("{list}?from=nonsense")).await.is(400).says("Urvalet kunde inte läsas");
}

fn all() -> WantedEmergencies {
    WantedEmergencies { limit: 9, ..WantedEmergencies::default() }
}

#[tokio::test]
async fn a_ticket_that_does_not_hold_is_refused_and_recorded() {
    let bed = Bed::new().await;
    let (anna, bo) = (bed.who(1, &[]).await, bed.who(2, &[]).await);
    let browser = Browser::new(&bed, &anna);
    let with = |change: &dyn Fn(&mut Ticket)| {
        let mut ticket = Bed::ticket(&anna, None);
        change(&mut ticket);
        bed.signed_as(emergency::TYPE, &ticket)
    };
    let good = with(&|_| {});
    let (signed, mark) = good.rsplit_once('.').expect("three parts");
    let other = with(&|ticket| ticket.registry = "annat".parse().expect("a name"));
    let other = other.rsplit_once('.').expect("three parts").0;
    bed.told().await;
    for (what, ticket, reason) in [
        ("nothing", String::new(), Reason::Forged),
        ("no token", "x".to_owned(), Reason::Forged),
        ("tampered with", format!("{other}.{mark}"), Reason::Forged),
        ("without its mark", format!("{signed}."), Reason::Forged),
        ("for others", with(&|ticket| ticket.aud = "auditor".to_owned()), Reason::Forged),
        ("of a long life", with(&|ticket| ticket.iat -= 1_000), Reason::Forged),
        ("of another type", bed.signed_as("JWT", &Bed::ticket(&anna, None)), Reason::Forged),
        ("an assertion", bed.vouch(&anna), Reason::Forged),
        ("of long ago", with(&|ticket| (ticket.iat, ticket.exp) = (1_000, 1_300)), Reason::Expired),
        ("of another session", with(&|ticket| ticket.session ^= 1), Reason::SessionElsewhere),
        ("another's", bed.signed_as(emergency::TYPE, &Bed::ticket(&bo, None)), Reason::SessionElsewhere),
    ] {
        shown(&browser, &ticket).await.is(403);
        assert_eq!(refused(&bed).await, [reason], "{what}");
    }
    // The same where it would open: with the form of a good one.
    let page = shown(&browser, &good).await.is(200);
    for (ticket, reason) in [(format!("{other}.{mark}"), Reason::Forged), (with(&|t| t.exp = 1_300), Reason::Expired)] {
        browser.send(&page, OPEN, &[SAID[0], SAID[1], ("ticket", &ticket)]).await.is(403);
        assert_eq!(refused(&bed).await, [reason]);
    }
    // Without the page's own proof nothing opens, and that is on record, too.
    browser.send(&page, OPEN, &[SAID[0], SAID[1], ("form", "x")]).await.is(403).says("Sidan hade varit öppen");
    assert_eq!(opened(&bed, &anna).await, 0);
    browser.send(&page, OPEN, &SAID).await.is(200);
    browser.send(&page, OPEN, &SAID).await.is(403).says("redan använt");
    assert_eq!((refused(&bed).await, opened(&bed, &anna).await), (vec![Reason::CodeReplayed], 1));
    // A ticket vouches for nobody.
    let answer = bed.raw(&good, ("GET", "/auth/me"), &[], String::new()).await;
    assert_eq!(answer.status.as_u16(), 401);
}

#[tokio::test]
async fn who_has_as_many_open_as_may_be_gets_no_more_and_that_is_recorded() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    let browser = Browser::new(&bed, &anna);
    let open = async || {
        let page = shown(&browser, &bed.signed_as(emergency::TYPE, &Bed::ticket(&anna, None))).await.is(200);
        browser.send(&page, OPEN, &SAID).await
    };
    for _ in 0..OPENINGS_MAX {
        open().await.is(200);
    }
    bed.told().await;
    open().await.is(409);
    assert_eq!(refused(&bed).await, [Reason::RateLimited]);
    assert_eq!(opened(&bed, &anna).await, OPENINGS_MAX as usize);
}

#[tokio::test]
async fn another_site_does_not_lead_here_and_nobody_comes_without_a_ticket() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    let browser = Browser::new(&bed, &anna);
    browser.open(emergency::PATH).await.is(200).says("Hit kommer man från registret");
    let ticket = bed.signed_as(emergency::TYPE, &Bed::ticket(&anna, None));
    let headers = [("sec-fetch-site", "cross-site"), FORM];
    let answer = bed.raw(&bed.vouch(&anna), ("POST", emergency::PATH), &headers, format!("ticket={ticket}")).await;
    assert_eq!(answer.status.as_u16(), 403);
    assert!(!answer.text.contains("<textarea"));
    let answer = bed.raw(&bed.vouch_for_nobody(), ("POST", emergency::PATH), &[FORM], format!("ticket={ticket}")).await;
    assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().ok()), (303, Some("/auth/login")));
    let mut english = Browser::new(&bed, &anna);
    english.language = "en";
    let page = shown(&english, &ticket).await.is(200).says("for 15 minutes");
    for why in Why::ALL {
        assert!(page.html.contains(&format!("value=\"{why}\"")));
    }
}
