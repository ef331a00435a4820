//! What a witness says of seals that are there, were replaced, or are gone.

use super::super::finding::{Finding, Findings, Kind};
use super::Witness;
use aws_lc_rs::signature::Ed25519KeyPair;
use contract::id::NodeName;
use contract::row::SealRow;
use contract::seal::{Root, SealKey, Stream, statement};

fn seal(key: &SealKey, batch: u64, row: &str) -> SealRow {
    let mut root = Root::default();
    root.add(row.as_bytes());
    let node = NodeName::parse("gw1").unwrap();
    let at = i64::try_from(batch).unwrap() * 1_000;
    SealRow::new(statement(&node, Stream::Access, batch, batch * 10, root, [0; 32], at), key)
}

fn key() -> SealKey {
    let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    SealKey::from_pkcs8(der.as_ref()).unwrap()
}

fn witness(text: &[u8]) -> Witness {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seals.ndjson");
    std::fs::write(&path, text).unwrap();
    Witness::read(&[path]).unwrap()
}

fn held(witness: &Witness, seals: &[SealRow], since: i64) -> (Vec<(Kind, Option<u64>)>, usize) {
    let mut findings = Findings::default();
    let mut copies = witness.of(Stream::Access, "gw1");
    let without = seals.iter().filter(|seal| !copies.meet(seal, &mut findings)).count();
    copies.finish(Stream::Access, "gw1", since, &mut findings);
    (findings.listed.into_iter().map(|Finding { kind, batch, .. }| (kind, batch)).collect(), without)
}

#[test]
fn what_is_gone_or_another_is_named_and_what_is_new_is_not() {
    let key = key();
    let seals: Vec<_> = (1..=6).map(|batch| seal(&key, batch, "a row")).collect();
    let lines: Vec<Vec<u8>> = seals[..5].iter().map(|seal| seal.copy().line().unwrap()).collect();
    let mut text = lines.concat();
    // After a crash lines come again, and one may be cut off.
    text.extend_from_slice(&lines[2][..80]);
    text.push(b'\n');
    text.extend(lines[2..].concat());
    let witness = witness(&text);
    assert_eq!((witness.len(), witness.unreadable), (5, 1));
    assert_eq!(witness.nodes(Stream::Access).collect::<Vec<_>>(), ["gw1"]);
    assert_eq!(witness.nodes(Stream::Auth).count(), 0);
    assert_eq!(held(&witness, &seals, 0), (vec![], 1));
    let mut changed = seals.clone();
    changed[3] = seal(&key, 4, "another row");
    changed.remove(1);
    assert_eq!(held(&witness, &changed, 0).0, [(Kind::SealReplaced, Some(4)), (Kind::SealGone, Some(2))]);
    // Only what is looked at.
    assert_eq!(held(&witness, &changed[2..], 4_000).0, [(Kind::SealReplaced, Some(4))]);
    assert_eq!(held(&witness, &[], 5_000).0, [(Kind::SealGone, Some(5))]);
}

#[test]
fn two_copies_that_contradict_each_other_are_a_finding() {
    let key = key();
    let (one, other) = (seal(&key, 1, "a row"), seal(&key, 1, "another row"));
    let witness = witness(&[one.copy().line().unwrap(), other.copy().line().unwrap()].concat());
    assert_eq!(held(&witness, &[one], 0).0, [(Kind::SealReplaced, Some(1))]);
}

#[test]
fn a_file_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seals.ndjson");
    assert!(Witness::read(std::slice::from_ref(&path)).is_err());
    for text in [&b""[..], b"{}\n", &[b'x'; 10_000], &[0; 10_000]] {
        std::fs::write(&path, text).unwrap();
        assert!(Witness::read(std::slice::from_ref(&path)).is_err());
    }
    assert_eq!(Witness::read(&[]).unwrap().len(), 0);
}
