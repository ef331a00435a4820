//! Openings in emergencies: told at once, once for a ticket, bounded, and seen by who reviews them.

use super::people::{by, hsa, id, office, person, registry, told};
use super::{Bed, NOW, On, run};
use crate::clock::SECOND;
use crate::emergencies::Words;
use crate::forms::Denied;
use crate::store::{By, Emergency, NewOpening, Store, StoreError, WantedEmergencies};
use contract::Micros;
use contract::directory::Entry;
use contract::emergency::{OPENINGS_MAX, Opening, Ticket, Why};
use contract::id::{AccountId, HsaId, RequestId, RouteName, SessionKey};
use contract::pseudonym::PatientRef;
use contract::record::{AuthEventKind, Reason};
use uuid::Uuid;

const LIFE: Micros = 900 * SECOND;
const SESSION: SessionKey = SessionKey([4; 32]);
const WORDS: &str = "Medvetslös på akuten";

fn ticket(account: AccountId, number: u128, unit: Option<HsaId>) -> Ticket {
    Ticket {
        iss: "gw".to_owned(),
        aud: String::new(),
        iat: 0,
        exp: 0,
        jti: RequestId::new(Uuid::from_u128(number)),
        account,
        session: SESSION.reference(),
        registry: registry(),
        route: RouteName::parse("patient").expect("a name"),
        patient: PatientRef([7; 16]),
        unit,
    }
}

async fn open(store: &Store, at: Micros, ticket: &Ticket, unit: Option<&HsaId>) -> Result<(), StoreError> {
    let words = Words::parse(WORDS).expect("words");
    let new = NewOpening { ticket, session: SESSION, unit, why: Why::Life, words: &words, until: at + LIFE };
    office(store).open_emergency(at, by(ticket.account), &new).await
}

async fn opened(store: &Store, at: Micros, of: AccountId) -> Vec<Opening> {
    let entries = store.snapshot(at).await.expect("reads").entries.into_iter();
    let account = entries.filter_map(|entry| match entry {
        Entry::Account(account) if account.id == of => Some(account.openings),
        _ => None,
    });
    account.flatten().collect()
}

async fn listed(store: &Store, who: AccountId, units: Option<Vec<HsaId>>) -> Vec<Emergency> {
    let wanted = WantedEmergencies { units, limit: 10, ..WantedEmergencies::default() };
    office(store).emergencies(NOW + 5, by(who), &wanted).await.expect("reads")
}

async fn an_opening_is_told_at_once_and_ends_by_itself(bed: Bed) {
    let store = bed.open().await;
    let anna = person(&store, 1, &[]).await;
    told(&store).await;
    let epoch = store.epoch().await.expect("reads");
    open(&store, NOW, &ticket(anna, 1, None), None).await.expect("opens");
    let opening = Opening {
        session: SESSION,
        registry: registry(),
        patient: PatientRef([7; 16]),
        why: Why::Life,
        until: NOW + LIFE,
    };
    assert_eq!(store.changes_after(epoch, 9).await.expect("reads").len(), 1);
    assert_eq!(opened(&store, NOW, anna).await, std::slice::from_ref(&opening));
    let asked = store.directory_account(anna, NOW).await.expect("reads").expect("is there");
    assert_eq!(asked.openings, [opening]);
    assert!(opened(&store, NOW + LIFE, anna).await.is_empty());
    assert!(store.directory_account(anna, NOW + LIFE).await.expect("reads").expect("is there").openings.is_empty());
    let events = told(&store).await;
    let kinds: Vec<_> = events.iter().map(|event| (event.kind, event.reason, event.account, event.session)).collect();
    assert_eq!(kinds, [(AuthEventKind::EmergencyOpened, Reason::EmergencyLife, anna, SESSION.reference())]);
    assert!(events.iter().all(|event| !event.detail.contains(WORDS)));
}

async fn a_ticket_opens_once_and_openings_are_bounded(bed: Bed) {
    let store = bed.open().await;
    let (anna, bo) = (person(&store, 1, &[]).await, person(&store, 2, &[]).await);
    open(&store, NOW, &ticket(anna, 1, None), None).await.expect("opens");
    told(&store).await;
    for whose in [anna, bo] {
        let again = open(&store, NOW + 1, &ticket(whose, 1, None), None).await;
        assert!(matches!(again, Err(StoreError::Taken(_))), "{again:?}");
    }
    assert!(told(&store).await.is_empty(), "nothing of it is there");
    for number in 2..=u128::from(OPENINGS_MAX) {
        open(&store, NOW, &ticket(anna, number, None), None).await.expect("opens");
    }
    let more = open(&store, NOW, &ticket(anna, 99, None), None).await;
    assert!(matches!(more, Err(StoreError::TooMany(_))), "{more:?}");
    open(&store, NOW, &ticket(bo, 99, None), None).await.expect("another's do not count");
    open(&store, NOW + LIFE, &ticket(anna, 100, None), None).await.expect("those that are over do not count");
    let nobody = open(&store, NOW, &ticket(id(50), 101, None), None).await;
    assert!(matches!(nobody, Err(StoreError::Absent(_))), "{nobody:?}");
}

async fn a_unit_s_reviewer_sees_them_and_no_other(bed: Bed) {
    let store = bed.open().await;
    let anna = person(&store, 1, &[]).await;
    let own = person(&store, 2, &[&format!("log_reviewer:{}", hsa(900))]).await;
    let reviewer = person(&store, 3, &[&format!("log_reviewer:{}", hsa(900))]).await;
    let elsewhere = person(&store, 4, &[&format!("log_reviewer:{}", hsa(901))]).await;
    let auditor = person(&store, 5, &["log_auditor"]).await;
    open(&store, NOW, &ticket(anna, 1, None), Some(&hsa(900))).await.expect("opens");
    open(&store, NOW + 1, &ticket(anna, 2, Some(hsa(900))), Some(&hsa(901))).await.expect("opens");
    open(&store, NOW + 2, &ticket(own, 3, None), Some(&hsa(900))).await.expect("opens");
    open(&store, NOW + 3, &ticket(anna, 4, None), None).await.expect("opens");
    told(&store).await;
    let requests = |found: &[Emergency]| found.iter().map(|of| of.request.uuid().as_u128()).collect::<Vec<_>>();
    let of = |number| Some(vec![hsa(number)]);
    assert_eq!(requests(&listed(&store, reviewer, of(900)).await), [3, 2, 1], "the newest first");
    assert_eq!(requests(&listed(&store, elsewhere, of(901)).await), [2]);
    assert_eq!(requests(&listed(&store, auditor, None).await), [4, 3, 2, 1]);
    assert!(listed(&store, anna, Some(Vec::new())).await.is_empty());
    assert_eq!(store.emergencies_unseen(of(900).as_deref()).await.expect("reads"), (3, Some(NOW)));
    assert_eq!(store.emergencies_unseen(Some(&[])).await.expect("reads"), (0, None));
    let reads = told(&store).await;
    let reads: Vec<_> = reads.iter().map(|event| (event.kind, event.by)).collect();
    assert_eq!(reads, [reviewer, elsewhere, auditor, anna].map(|who| (AuthEventKind::AuditRead, who)));

    let found = listed(&store, reviewer, of(900)).await;
    let (of_own, first) = (&found[0], &found[2]);
    assert_eq!((first.words.as_str(), first.why, first.name.as_str()), (WORDS, Why::Life, "Person 1"));
    assert!(first.is_for(&["log_auditor".parse().expect("known")]));
    assert!(!first.is_for(&["help_desk".parse().expect("known"), "account_admin".parse().expect("known")]));
    let office = office(&store);
    let see = async |who, at, of: &Emergency| office.see_emergency(at, by(who), of.id).await;
    for who in [elsewhere, auditor, anna] {
        let denied = see(who, NOW + 9, first).await;
        assert!(matches!(denied, Err(StoreError::Denied(Denied::NotAppointed))), "{denied:?}");
    }
    let denied = see(own, NOW + 9, of_own).await;
    assert!(matches!(denied, Err(StoreError::Denied(Denied::Own))), "{denied:?}");
    assert_eq!(see(reviewer, NOW + 10, first).await.expect("sees").seen, Some((NOW + 10, reviewer)));
    assert_eq!(see(own, NOW + 11, first).await.expect("sees").seen, Some((NOW + 10, reviewer)), "the first counts");
    let kinds = told(&store).await.into_iter().filter(|event| event.kind != AuthEventKind::AuditRead);
    let kinds: Vec<_> = kinds.map(|event| (event.kind, event.by)).collect();
    assert_eq!(
        kinds,
        [
            (AuthEventKind::MoveDenied, elsewhere),
            (AuthEventKind::MoveDenied, auditor),
            (AuthEventKind::MoveDenied, anna),
            (AuthEventKind::MoveDenied, own),
            (AuthEventKind::EmergencySeen, reviewer),
        ]
    );
    assert_eq!(store.emergencies_unseen(None).await.expect("reads").0, 3);
}

async fn one_of_no_unit_is_seen_by_who_reads_the_whole_log(bed: Bed) {
    let store = bed.open().await;
    let anna = person(&store, 1, &[]).await;
    let reviewer = person(&store, 2, &[&format!("log_reviewer:{}", hsa(900))]).await;
    let auditor = person(&store, 3, &["log_auditor"]).await;
    let helper = person(&store, 4, &["help_desk", "account_admin"]).await;
    open(&store, NOW, &ticket(anna, 1, None), None).await.expect("opens");
    open(&store, NOW, &ticket(auditor, 2, None), None).await.expect("opens");
    open(&store, NOW, &ticket(anna, 3, Some(hsa(900))), None).await.expect("opens");
    let found = listed(&store, auditor, None).await;
    let of = |number| found.iter().find(|of| of.request.uuid().as_u128() == number).expect("is listed").id;
    let office = office(&store);
    let see = async |who, number| office.see_emergency(NOW + 9, by(who), of(number)).await;
    for (who, number) in [(reviewer, 1), (helper, 1), (anna, 1), (auditor, 3)] {
        let denied = see(who, number).await;
        assert!(matches!(denied, Err(StoreError::Denied(Denied::NotAppointed))), "{denied:?}");
    }
    let denied = see(auditor, 2).await;
    assert!(matches!(denied, Err(StoreError::Denied(Denied::Own))), "{denied:?}");
    assert_eq!(see(auditor, 1).await.expect("sees").seen, Some((NOW + 9, auditor)));
    assert_eq!(store.emergencies_unseen(None).await.expect("reads").0, 2);
}

async fn pages_and_choices_of_openings(bed: Bed) {
    let store = bed.open().await;
    let anna = person(&store, 1, &[]).await;
    for number in 0..5_u8 {
        // Two of one moment, so that the id decides.
        open(&store, NOW + i64::from(number / 2), &ticket(anna, number.into(), None), None).await.expect("opens");
    }
    let office = office(&store);
    let page =
        async |wanted: WantedEmergencies| office.emergencies(NOW, By::program("test"), &wanted).await.expect("reads");
    let whole: Vec<_> =
        page(WantedEmergencies { limit: 10, ..Default::default() }).await.iter().map(|of| of.id).collect();
    let (mut pieces, mut after) = (Vec::new(), None);
    for _ in 0..3 {
        let found = page(WantedEmergencies { after, limit: 2, ..Default::default() }).await;
        after = found.last().map(|last| (last.opened, last.id));
        pieces.extend(found.iter().map(|of| of.id));
    }
    assert_eq!((pieces.len(), &pieces), (5, &whole));
    let chosen =
        page(WantedEmergencies { from: Some(NOW + 1), to: Some(NOW + 2), limit: 9, ..Default::default() }).await;
    assert!(chosen.iter().all(|of| of.opened == NOW + 1) && chosen.len() == 2);
    assert!(page(WantedEmergencies { seen: Some(true), limit: 9, ..Default::default() }).await.is_empty());
    assert_eq!(page(WantedEmergencies { seen: Some(false), limit: 9, ..Default::default() }).await.len(), 5);
}

on_both![
    an_opening_is_told_at_once_and_ends_by_itself,
    a_ticket_opens_once_and_openings_are_bounded,
    a_unit_s_reviewer_sees_them_and_no_other,
    one_of_no_unit_is_seen_by_who_reads_the_whole_log,
    pages_and_choices_of_openings,
];
