//! Keys that follow each other, and those that only claim to.

use super::super::finding::{Findings, Kind};
use super::{Keyring, Standing};
use aws_lc_rs::signature::Ed25519KeyPair;
use contract::id::NodeName;
use contract::seal::{Edge, SealKey, SignedHandOver, Stream};

fn keys(count: usize) -> Vec<SealKey> {
    let random = aws_lc_rs::rand::SystemRandom::new();
    (0..count)
        .map(|_| SealKey::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap())
        .collect()
}

/// From `old` to `new`, from these batches on.
fn to(old: &SealKey, new: &SealKey, access: u64, auth: u64) -> SignedHandOver {
    let node = NodeName::parse("gw1").unwrap();
    let edge = |batch| Edge { batch, previous: [1; 32] };
    SignedHandOver::new(&node, old, new.public(), edge(access), edge(auth), 7)
}

fn ring(roots: &[&SealKey], hand_overs: &[SignedHandOver]) -> (Keyring, Vec<Kind>) {
    let mut findings = Findings::default();
    let roots: Vec<_> = roots.iter().map(|key| key.public()).collect();
    let ring = Keyring::new(&roots, hand_overs, &mut findings);
    (ring, findings.listed.into_iter().map(|finding| finding.kind).collect())
}

/// The first and the last batch of `access_log` up to 30 for which a key holds.
fn holds(ring: &Keyring, key: &SealKey) -> Option<(u64, u64)> {
    let holds = |batch: &u64| ring.standing(&key.public(), Stream::Access, *batch) == Standing::Holds;
    Some(((1..=30).find(holds)?, (1..=30).rfind(holds)?))
}

#[test]
fn each_key_holds_from_its_hand_over_to_the_next() {
    let k = keys(4);
    let chain = [to(&k[1], &k[2], 20, 8), to(&k[0], &k[1], 10, 4)];
    for roots in [vec![&k[0]], vec![&k[1], &k[0]], vec![&k[0], &k[1]], vec![&k[2], &k[1], &k[0]]] {
        let (ring, found) = ring(&roots, &chain);
        assert_eq!(found, []);
        assert_eq!(holds(&ring, &k[0]), Some((1, 9)));
        assert_eq!(holds(&ring, &k[1]), Some((10, 19)));
        assert_eq!(holds(&ring, &k[2]), Some((20, 30)));
        assert_eq!(ring.standing(&k[1].public(), Stream::Auth, 7), Standing::Holds);
        assert_eq!(ring.standing(&k[1].public(), Stream::Auth, 8), Standing::OutOfTerm);
        assert_eq!(ring.standing(&k[3].public(), Stream::Auth, 8), Standing::Foreign);
        assert_eq!(ring.between(Stream::Access, 9, 10).count(), 1);
        assert_eq!(ring.between(Stream::Access, 5, 30).count(), 2);
        assert_eq!(ring.between(Stream::Access, 10, 19).count(), 0);
    }
    // Twice without a batch in between.
    let (ring, found) = ring(&[&k[0]], &[to(&k[0], &k[1], 10, 4), to(&k[1], &k[2], 10, 4)]);
    assert_eq!((found, holds(&ring, &k[1]), holds(&ring, &k[2])), (vec![], None, Some((10, 30))));
}

#[test]
fn a_key_that_the_operator_believes_needs_no_hand_over_to_it() {
    let k = keys(3);
    // The old key was taken out of the settings with the rows under it.
    let (ring, found) = ring(&[&k[1]], &[to(&k[0], &k[1], 10, 4), to(&k[1], &k[2], 20, 9)]);
    assert_eq!((found, holds(&ring, &k[1]), holds(&ring, &k[2])), (vec![], Some((1, 19)), Some((20, 30))));
}

#[test]
fn a_forged_hand_over_is_named_and_not_followed() {
    let k = keys(3);
    let mut forged = to(&k[0], &k[1], 10, 4);
    forged.said.new = k[2].public();
    let (broken, found) = ring(&[&k[0]], &[forged]);
    assert_eq!(
        (found, holds(&broken, &k[0]), holds(&broken, &k[2])),
        (vec![Kind::HandOverBroken], Some((1, 30)), None)
    );
    // Signed well, by somebody.
    let (foreign, found) = ring(&[&k[0]], &[to(&k[1], &k[2], 10, 4)]);
    assert_eq!((found, holds(&foreign, &k[2])), (vec![Kind::HandOverForeign], None));
    // Somebody's to a key that is believed changes nothing about that key.
    let (harmless, found) = ring(&[&k[0]], &[to(&k[1], &k[0], 10, 4)]);
    assert_eq!((found, holds(&harmless, &k[0])), (vec![], Some((1, 30))));
}

#[test]
fn of_two_hand_overs_of_one_key_neither_is_believed() {
    let k = keys(3);
    let fork = [to(&k[0], &k[1], 10, 4), to(&k[0], &k[2], 15, 4)];
    let (forked, found) = ring(&[&k[0]], &fork);
    assert_eq!(found, [Kind::HandOverForked; 2]);
    assert_eq!((holds(&forked, &k[0]), holds(&forked, &k[1]), holds(&forked, &k[2])), (Some((1, 9)), None, None));
    // The operator can say which one is right.
    let (told, found) = ring(&[&k[0], &k[1]], &fork);
    assert_eq!(found, [Kind::HandOverForked; 2]);
    assert_eq!((holds(&told, &k[1]), holds(&told, &k[2])), (Some((1, 30)), None));
    // The same one twice cannot come: equal rows are read once.
    let same = to(&k[0], &k[1], 10, 4);
    assert_eq!(same, to(&k[0], &k[1], 10, 4));
}

#[test]
fn circles_and_claims_on_the_past_come_to_an_end() {
    let k = keys(3);
    let circle = [to(&k[0], &k[1], 10, 4), to(&k[1], &k[0], 20, 8)];
    for roots in [vec![&k[0]], vec![&k[0], &k[1]]] {
        let (ring, found) = ring(&roots, &circle);
        assert_eq!(found, [Kind::HandOverForked]);
        assert_eq!((holds(&ring, &k[0]), holds(&ring, &k[1])), (Some((1, 9)), Some((10, 19))));
    }
    let (ring_of_self, found) = ring(&[&k[0]], &[to(&k[0], &k[0], 10, 4)]);
    assert_eq!((found, holds(&ring_of_self, &k[0])), (vec![Kind::HandOverForked], Some((1, 9))));
    let (back, found) = ring(&[&k[0]], &[to(&k[0], &k[1], 10, 4), to(&k[1], &k[2], 9, 4)]);
    assert_eq!((found, holds(&back, &k[2])), (vec![Kind::HandOverMisplaced], None));
}
