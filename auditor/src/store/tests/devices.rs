//! Certificates of devices, codes to enrol by, lists, and what the revocation list is made from.

use super::*;
use crate::devices::{CODE_TRIES_MAX, Certificate, Code, CodeKey, DeviceCode, KeyHash, Renewal, TooEarly, Why};
use contract::directory;
use contract::id::DeviceCodeId;
use contract::record::AuthEvent;

const DAY: Micros = 86_400_000_000;
const RULE: Renewal = Renewal { from_day: 20 };

/// A device with a certificate of 30 days, from now.
fn whole(number: u8) -> Device {
    Device { not_before: NOW, not_after: NOW + 30 * DAY, ..device(number) }
}

fn certificate(number: u8, from: Micros) -> Certificate {
    Certificate {
        serial: format!("{number:02x}"),
        fingerprint: CertFingerprint([number; 32]),
        key: Some(KeyHash([number; 32])),
        not_before: from,
        not_after: from + 30 * DAY,
    }
}

async fn begun(store: &Store, at: Micros) -> Change {
    store.change(at, By::program("test")).await.expect("begins")
}

async fn enrolled(bed: &Bed, numbers: &[u8]) -> Store {
    let store = bed.open().await;
    let mut change = begun(&store, NOW).await;
    change.add_organisation(&organisation()).await.expect("adds");
    for number in numbers {
        change.enrol_device_with(&whole(*number), Some(KeyHash([*number; 32]))).await.expect("enrols");
    }
    change.commit().await.expect("commits");
    store
}

async fn told(store: &Store) -> Vec<AuthEvent> {
    let Some(batch) = store.batch(10_000).await.expect("reads") else { return Vec::new() };
    store.batch_arrived(batch.number, &[0; 32]).await.expect("writes");
    batch.events.into_iter().map(|(_, event)| event).collect()
}

/// The device as the gateways know it.
async fn entry(store: &Store, at: Micros) -> Option<directory::Device> {
    let snapshot = store.snapshot(at).await.expect("reads");
    snapshot.entries.into_iter().find_map(|entry| match entry {
        Entry::Device(device) => Some(device),
        _ => None,
    })
}

async fn the_next_certificate_counts_from_its_first_use(bed: Bed) {
    let store = enrolled(&bed, &[1]).await;
    let at = NOW + 20 * DAY;
    let shown = Some((CertFingerprint([1; 32]), RULE));
    let mut change = begun(&store, at - 1).await;
    let early = change.renew_device(whole(1).id, shown, &certificate(2, at - 1)).await.expect_err("too early");
    assert!(matches!(early, StoreError::Early(TooEarly { from }) if from == at), "{early}");
    drop(change);
    told(&store).await;

    let mut change = begun(&store, at).await;
    change.renew_device(whole(1).id, shown, &certificate(2, at)).await.expect("is given");
    change.commit().await.expect("commits");
    let known = entry(&store, at).await.expect("known");
    assert_eq!(known.fingerprint, CertFingerprint([1; 32]), "the old one is good");
    assert_eq!(known.next.map(|next| next.fingerprint), Some(CertFingerprint([2; 32])), "and so is the new one");
    assert_eq!(store.devices_expiring(at, at + 30 * DAY).await.expect("reads"), 0, "it has another");

    // The answer was lost: it asks again, and the one that it never got ends.
    let mut change = begun(&store, at + 1).await;
    change.renew_device(whole(1).id, shown, &certificate(3, at)).await.expect("is given again");
    change.use_device(CertFingerprint([2; 32]), at).await.expect("does nothing");
    change.commit().await.expect("commits");
    let known = entry(&store, at).await.expect("known");
    assert_eq!(known.next.map(|next| next.fingerprint), Some(CertFingerprint([3; 32])));

    // After the old one's end the new one is still there to be used.
    let late = NOW + 31 * DAY;
    assert!(entry(&store, late).await.is_some());
    let mut change = begun(&store, late).await;
    change.use_device(CertFingerprint([1; 32]), late).await.expect("notes");
    change.use_device(CertFingerprint([3; 32]), late + 9).await.expect("counts");
    change.commit().await.expect("commits");
    let known = entry(&store, late).await.expect("known");
    assert_eq!((known.fingerprint, known.next), (CertFingerprint([3; 32]), None));
    let listed = store.listed_device(whole(1).id).await.expect("reads").expect("is there");
    assert_eq!((listed.device.serial.as_str(), listed.last_used), ("03", Some(late)), "no use lies ahead");
    let mut change = begun(&store, late).await;
    let gone = change.renew_device(whole(1).id, shown, &certificate(4, late)).await.expect_err("not by the old one");
    assert!(matches!(gone, StoreError::Absent(_)), "{gone}");
    drop(change);

    let details: Vec<String> = told(&store)
        .await
        .into_iter()
        .filter(|event| event.kind == AuthEventKind::DeviceRenewed)
        .map(|event| event.detail.to_string())
        .collect();
    assert_eq!(details, ["test issued serial=02", "test issued serial=03", "test in use serial=03"]);
}

async fn a_device_that_shows_its_next_certificate_has_it(bed: Bed) {
    let store = enrolled(&bed, &[1]).await;
    let at = NOW + 20 * DAY;
    let mut change = begun(&store, at).await;
    let (old, new) = (CertFingerprint([1; 32]), CertFingerprint([2; 32]));
    change.renew_device(whole(1).id, Some((old, RULE)), &certificate(2, at)).await.expect("is given");
    let early = change.renew_device(whole(1).id, Some((new, RULE)), &certificate(3, at)).await.expect_err("too early");
    assert!(matches!(early, StoreError::Early(_)), "{early}");
    change.commit().await.expect("commits");
    let known = entry(&store, at).await.expect("known");
    assert_eq!((known.fingerprint, known.next), (new, None));
}

async fn a_key_is_of_one_device_and_a_device_gets_so_many(bed: Bed) {
    let store = enrolled(&bed, &[1, 2]).await;
    let at = NOW + 20 * DAY;
    let mut change = begun(&store, at).await;
    let other = Device { serial: "77".to_owned(), fingerprint: CertFingerprint([77; 32]), ..whole(3) };
    let taken = change.enrol_device_with(&other, Some(KeyHash([1; 32]))).await.expect_err("another's key");
    assert!(matches!(taken, StoreError::Taken("request's key")), "{taken}");
    let again = Certificate { key: Some(KeyHash([2; 32])), ..certificate(9, at) };
    let taken = change.renew_device(whole(1).id, None, &again).await.expect_err("another's key");
    assert!(matches!(taken, StoreError::Taken(_)), "{taken}");
    let same = Certificate { key: Some(KeyHash([1; 32])), ..certificate(9, at) };
    change.renew_device(whole(1).id, None, &same).await.expect("its own key");
    for number in 10..19 {
        change.renew_device(whole(1).id, None, &certificate(number, at)).await.expect("is given");
    }
    let many = change.renew_device(whole(1).id, None, &certificate(19, at)).await.expect_err("too many");
    assert!(matches!(many, StoreError::TooMany(_)), "{many}");
    change.revoke_device(whole(2).id, Why::KeyCompromised).await.expect("revokes");
    let revoked = change.renew_device(whole(2).id, None, &certificate(20, at)).await.expect_err("revoked");
    assert!(matches!(revoked, StoreError::Absent(_)), "{revoked}");
    let taken = change.enrol_device_with(&other, Some(KeyHash([2; 32]))).await.expect_err("a revoked one's key");
    assert!(matches!(taken, StoreError::Taken(_)), "{taken}");
}

fn code_for(number: u8, at: Micros) -> (Code, DeviceCode) {
    let code = Code::new(&[number; 25]);
    let kept = DeviceCode {
        id: DeviceCodeId::new(Uuid::from_u128(number.into())),
        prefix: code.prefix().to_owned(),
        organisation: organisation().hsa,
        name: "ward 4".to_owned(),
        issued: at,
        issued_by: AccountId::NONE,
        expires: at + DAY,
        tries: 0,
        ended: None,
        device: None,
    };
    (code, kept)
}

async fn a_code_enrols_once_and_each_refusal_is_told(bed: Bed) {
    let store = enrolled(&bed, &[1]).await;
    let key = CodeKey::new(&[9; 32]);
    let (codes, kept): (Vec<_>, Vec<_>) = (1..=3).map(|number| code_for(number, NOW)).unzip();
    let mut change = begun(&store, NOW).await;
    for (code, kept) in codes.iter().zip(&kept) {
        change.issue_code(kept, &key.hash(code)).await.expect("keeps");
    }
    let foreign = HsaId::parse("SE2321000016-0000").expect("valid");
    let lost = DeviceCode { organisation: foreign, prefix: "zzzzz".to_owned(), ..kept[0].clone() };
    assert!(matches!(change.issue_code(&lost, &key.hash(&codes[0])).await, Err(StoreError::Absent("organisation"))));
    change.commit().await.expect("commits");
    assert_eq!(store.device_codes(None, None, 10).await.expect("reads").len(), 3);
    told(&store).await;

    let mut change = begun(&store, NOW).await;
    let taken = change.take_code(&codes[0], &key).await.expect("reads").expect("is good");
    assert_eq!(taken, kept[0]);
    change.spend_code(&taken, whole(1).id).await.expect("spends");
    assert_eq!(change.take_code(&codes[0], &key).await.expect("reads"), Err(Reason::CodeSpent));
    let nobodys = Code::new(&[31; 25]);
    assert_eq!(change.take_code(&nobodys, &key).await.expect("reads"), Err(Reason::CodeUnknown));
    change.withdraw_code(&kept[2]).await.expect("withdraws");
    assert!(matches!(change.withdraw_code(&kept[2]).await, Err(StoreError::Absent(_))), "once");
    assert_eq!(change.take_code(&codes[2], &key).await.expect("reads"), Err(Reason::CodeSpent));
    change.commit().await.expect("commits");

    // The first group alone is tried so often, and then the whole is of no use either.
    let near = Code::parse(&format!("{}{}", codes[1].prefix(), "a".repeat(20))).expect("a code");
    for _ in 0..CODE_TRIES_MAX {
        let mut change = begun(&store, NOW).await;
        assert_eq!(change.take_code(&near, &key).await.expect("reads"), Err(Reason::CodeUnknown));
        change.commit().await.expect("commits");
    }
    let mut change = begun(&store, NOW).await;
    assert_eq!(change.take_code(&codes[1], &key).await.expect("reads"), Err(Reason::CodeSpent));
    drop(change);
    assert_eq!(store.device_code(kept[1].id).await.expect("reads").expect("is there").tries, CODE_TRIES_MAX);
    let spent = store.device_code(kept[0].id).await.expect("reads").expect("is there");
    assert_eq!((spent.ended, spent.device), (Some(NOW), Some(whole(1).id)));

    let events = told(&store).await;
    assert!(events.iter().all(|event| event.kind == AuthEventKind::DeviceCodeRefused));
    assert_eq!(events.len(), 4 + CODE_TRIES_MAX as usize);
    assert!(events.iter().all(|event| codes.iter().all(|code| !event.detail.contains(code.shown().as_str()))));

    // When they are long over, nothing of them is left.
    assert_eq!(store.forget_codes(NOW + DAY).await.expect("reads"), 0);
    assert_eq!(store.forget_codes(NOW + DAY + 1).await.expect("deletes"), 3);
}

async fn an_expired_code_is_refused_and_codes_come_in_pages(bed: Bed) {
    let store = enrolled(&bed, &[]).await;
    let key = CodeKey::new(&[9; 32]);
    let mut change = begun(&store, NOW).await;
    for number in 1..=5 {
        let (code, kept) = code_for(number, NOW - Micros::from(number / 2));
        change.issue_code(&kept, &key.hash(&code)).await.expect("keeps");
    }
    change.commit().await.expect("commits");
    let mut change = begun(&store, NOW + DAY).await;
    assert_eq!(change.take_code(&code_for(1, NOW).0, &key).await.expect("reads"), Err(Reason::CodeExpired));
    drop(change);
    let own = [organisation().hsa];
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.device_codes(Some(&own), after, 2).await.expect("reads");
        let Some(last) = page.last() else { break };
        after = Some((last.issued, last.id));
        seen.extend(page.iter().map(|code| code.id.uuid().as_u128()));
    }
    assert_eq!(seen, [1, 3, 2, 5, 4]);
    assert!(store.device_codes(Some(&[]), None, 9).await.expect("reads").is_empty());
}

async fn an_organisation_that_is_added_is_on_record(bed: Bed) {
    let store = enrolled(&bed, &[]).await;
    let events = told(&store).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.kind, &*event.detail), (AuthEventKind::DataImported, "test organisation added"));
    assert_eq!(event.device_org, organisation().hsa.text());
    let mut change = begun(&store, NOW).await;
    change.add_organisation(&organisation()).await.expect_err("it is there");
    drop(change);
    assert!(told(&store).await.is_empty());
}

async fn devices_are_searched_sorted_and_paged(bed: Bed) {
    let store = enrolled(&bed, &[]).await;
    let other = HsaId::parse("SE2321000016-0001").expect("valid");
    let mut change = begun(&store, NOW).await;
    let second = Organisation { hsa: other.clone(), name: "Another".to_owned(), created: NOW };
    change.add_organisation(&second).await.expect("adds");
    for (number, name, hsa) in [
        (1_u8, "Avd 3 Åre", organisation().hsa),
        (2, "avd 4", organisation().hsa),
        (3, "100 % åtkomst", other.clone()),
        (4, "läkarens_dator", other.clone()),
    ] {
        let at = NOW + Micros::from(number);
        let device = Device {
            name: name.to_owned(),
            organisation: hsa,
            enrolled: at,
            not_after: NOW + Micros::from(10 - number) * DAY,
            ..whole(number)
        };
        change.enrol_device(&device).await.expect("enrols");
    }
    change.use_device(CertFingerprint([2; 32]), NOW).await.expect("notes");
    change.use_device(CertFingerprint([4; 32]), NOW - 5).await.expect("notes");
    change.revoke_device(whole(3).id, Why::Mistake).await.expect("revokes");
    change.commit().await.expect("commits");

    let all = WantedDevices {
        organisations: None,
        search: None,
        revoked: None,
        ends_before: None,
        order: DeviceOrder::Newest,
        after: None,
        limit: 10,
    };
    let found = async |wanted: WantedDevices| -> Vec<u8> {
        let page = store.device_page(&wanted).await.expect("reads");
        page.iter().map(|listed| listed.device.fingerprint.0[0]).collect()
    };
    let search = |text: &str| WantedDevices { search: Some(text.to_owned()), ..all.clone() };
    assert_eq!(found(all.clone()).await, [4, 3, 2, 1]);
    assert_eq!(found(WantedDevices { order: DeviceOrder::Expires, ..all.clone() }).await, [4, 3, 2, 1]);
    assert_eq!(found(WantedDevices { order: DeviceOrder::Unused, ..all.clone() }).await, [1, 3, 4, 2]);
    assert_eq!(found(search("AVD")).await, [2, 1]);
    assert_eq!(found(search("åre")).await, [1]);
    assert_eq!(found(search("%")).await, [3], "what stands for others elsewhere stands for itself");
    assert_eq!(found(search("s_d")).await, [4]);
    assert_eq!(found(search("0202")).await, [2], "a fingerprint's beginning");
    assert_eq!(found(search("03")).await, [3], "a serial number's beginning");
    assert_eq!(found(WantedDevices { organisations: Some(vec![other.clone()]), ..all.clone() }).await, [4, 3]);
    assert_eq!(found(WantedDevices { organisations: Some(Vec::new()), ..all.clone() }).await, [0; 0]);
    assert_eq!(found(WantedDevices { revoked: Some(true), ..all.clone() }).await, [3]);
    let ends = WantedDevices { ends_before: Some(NOW + 8 * DAY), ..all.clone() };
    assert_eq!(found(ends).await, [4], "one that is revoked is not counted");
    for order in [DeviceOrder::Newest, DeviceOrder::Expires, DeviceOrder::Unused] {
        let whole = found(WantedDevices { order, ..all.clone() }).await;
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page =
                store.device_page(&WantedDevices { order, after, limit: 1, ..all.clone() }).await.expect("reads");
            let Some(last) = page.last() else { break };
            after = Some((order.of(last), last.device.id));
            paged.push(last.device.fingerprint.0[0]);
        }
        assert_eq!(paged, whole, "{order:?}");
    }
    let pages = async |of: Option<&[HsaId]>, after: Option<&HsaId>| -> Vec<HsaId> {
        let page = store.organisation_page(of, after, 10).await.expect("reads");
        page.into_iter().map(|organisation| organisation.hsa).collect()
    };
    assert_eq!(pages(None, None).await, [other.clone(), organisation().hsa]);
    assert_eq!(pages(None, Some(&other)).await, [organisation().hsa]);
    assert_eq!(pages(Some(std::slice::from_ref(&other)), None).await, [other]);
}

async fn the_revocation_list_is_made_from_what_ended_before_its_time(bed: Bed) {
    let store = enrolled(&bed, &[1, 2, 3]).await;
    let before = store.crl_stamp(NOW).await.expect("reads");
    let at = NOW + 20 * DAY;
    let mut change = begun(&store, at).await;
    assert_eq!(change.next_crl_number().await.expect("reads"), 1);
    change.revoke_device(whole(1).id, Why::Stolen).await.expect("revokes");
    change.renew_device(whole(2).id, None, &certificate(9, at)).await.expect("is given");
    change.use_device(CertFingerprint([9; 32]), at).await.expect("counts");
    let ended = change.ended_certificates().await.expect("reads");
    assert_eq!(
        ended,
        [("01".to_owned(), at, Why::Stolen), ("02".to_owned(), at, Why::Superseded)],
        "a certificate that another took the place of, too"
    );
    let crl = Crl { number: 1, stamp: before.clone(), this_update: at, next_update: at + DAY, der: vec![1, 2, 3] };
    change.keep_crl(&crl).await.expect("keeps");
    change.commit().await.expect("commits");
    assert_eq!(store.crl().await.expect("reads"), Some(crl.clone()));
    let after = store.crl_stamp(at).await.expect("reads");
    assert_ne!(after, before);
    assert_eq!(store.crl_stamp(NOW + 31 * DAY).await.expect("reads"), before, "what has ended by itself needs no list");
    let mut change = begun(&store, at).await;
    assert_eq!(change.next_crl_number().await.expect("reads"), 2);
    change.keep_crl(&Crl { number: 2, stamp: after, der: vec![4], ..crl }).await.expect("keeps");
    change.commit().await.expect("commits");
    assert_eq!(store.crl().await.expect("reads").map(|crl| (crl.number, crl.der)), Some((2, vec![4])));
}

on_both![
    the_next_certificate_counts_from_its_first_use,
    a_device_that_shows_its_next_certificate_has_it,
    a_key_is_of_one_device_and_a_device_gets_so_many,
    a_code_enrols_once_and_each_refusal_is_told,
    an_expired_code_is_refused_and_codes_come_in_pages,
    an_organisation_that_is_added_is_on_record,
    devices_are_searched_sorted_and_paged,
    the_revocation_list_is_made_from_what_ended_before_its_time,
];
