//! The keys that seal: each is followed to the next by what it signed.

use super::log::{ROWS, log_of, log_to};
use super::{Place, each, key, kinds_of};
use contract::id::NodeName;
use contract::row::{Packed, SealKeyRow};
use contract::seal::{Edge, SealKey, SignedHandOver};

#[test]
fn a_key_is_followed_to_the_next_by_what_it_signed() {
    let (old, new, thief) = (key(), key(), key());
    let place = Place::new(&old);
    let now = auditor::clock::now();
    let (rows, seals) = log_of(|batch| if batch < 11 { &old } else { &new }, now, None);
    place.insert(&rows);
    place.insert(&seals);
    let node = NodeName::parse("gw1").unwrap();
    let tenth = seals.read().unwrap()[9].statement().chain();
    let auth = Edge { batch: 1, previous: [0; 32] };
    let hand_over = |key: &SealKey, new: &SealKey, batch, previous| {
        SignedHandOver::new(&node, key, new.public(), Edge { batch, previous }, auth, now)
    };
    let told = |all: &[SignedHandOver]| {
        place.engine.run("TRUNCATE TABLE seal_key");
        let mut rows = Packed::default();
        for signed in all {
            rows.push(&SealKeyRow::from(signed));
        }
        place.insert(&rows);
    };
    let right = hand_over(&old, &new, 11, tenth);
    assert_eq!(kinds_of(&place.verify(&[]).1), each("seal_foreign", 11..=20));
    // The gateway says it again whenever it starts.
    told(&[right.clone(), right.clone()]);
    place.insert(&{
        let mut again = Packed::default();
        again.push(&SealKeyRow::from(&right));
        again
    });
    let (intact, report) = place.verify(&[]);
    assert!(intact, "{report}");
    // Also of what came after it alone.
    assert!(place.verify(&["--since", "2020-01-01"]).0);

    let forged = SignedHandOver { signature: hand_over(&thief, &new, 11, tenth).signature, ..right.clone() };
    told(&[forged]);
    assert_eq!(kinds_of(&place.verify(&[]).1), [each("hand_over_broken", [0]), each("seal_foreign", 11..=20)].concat());
    told(&[right.clone(), hand_over(&old, &thief, 15, [7; 32])]);
    let wanted = [each("hand_over_forked", [0, 0]), each("seal_foreign", 11..=20)].concat();
    assert_eq!(kinds_of(&place.verify(&[]).1), wanted);
    told(&[hand_over(&old, &new, 11, [7; 32])]);
    assert_eq!(kinds_of(&place.verify(&[]).1), each("hand_over_misplaced", [0]));
    told(&[hand_over(&old, &new, 9, tenth)]);
    let (_, report) = place.verify(&[]);
    let wanted = [each("hand_over_misplaced", [0]), each("seal_out_of_term", [9, 10])].concat();
    assert_eq!(kinds_of(&report), wanted);
    let finding = &report["findings"][1];
    assert_eq!(finding["key"].as_str(), Some(contract::seal::key_id(&old.public()).as_str()));
    told(&[right, hand_over(&thief, &old, 3, [7; 32]), hand_over(&thief, &key(), 3, [7; 32])]);
    // A stranger's two hand-overs: the one to a key that is believed does no harm.
    assert_eq!(kinds_of(&place.verify(&[]).1), each("hand_over_foreign", [0]));
    // The key may stand in the settings.
    let text = std::fs::read_to_string(place.installation.path("auditor.toml")).unwrap();
    let with_key =
        text.replace("file = \"state/gateway/seal.pub\"", &format!("key = \"{}\"", hex::encode(old.public())));
    assert_ne!(text, with_key);
    std::fs::write(place.installation.path("auditor.toml"), with_key).unwrap();
    assert_eq!(kinds_of(&place.verify(&[]).1), each("hand_over_foreign", [0]));
    let output = place.installation.run(&["verify"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("comes from a key that is not this node's"), "{text}");
}

#[test]
fn a_hand_over_tells_of_what_was_taken_away_before_it() {
    let (old, new) = (key(), key());
    let place = Place::new(&old);
    let now = auditor::clock::now();
    let (rows, seals) = log_to(10, |batch| if batch < 6 { &old } else { &new }, now, None);
    place.insert(&rows);
    place.insert(&seals);
    let previous = seals.read().unwrap()[4].statement().chain();
    let node = NodeName::parse("gw1").unwrap();
    let auth = Edge { batch: 1, previous: [0; 32] };
    let mut hand_over = Packed::default();
    hand_over.push(&SealKeyRow::from(&SignedHandOver::new(
        &node,
        &old,
        new.public(),
        Edge { batch: 6, previous },
        auth,
        now,
    )));
    place.insert(&hand_over);
    assert!(place.verify(&[]).0);
    let cut = |from: u64| {
        for table in ["access_log", "access_seal"] {
            place.engine.run(&format!("ALTER TABLE {table} DELETE WHERE batch >= {from}"));
        }
    };
    // Nothing has been sealed with the new key yet.
    cut(6);
    assert!(place.verify(&[]).0);
    for from in [4, 1] {
        cut(from);
        let (intact, report) = place.verify(&[]);
        assert!(!intact);
        assert_eq!(kinds_of(&report), each("seal_missing", [from]));
        let finding = &report["findings"][0];
        assert_eq!(finding["first"].as_u64(), Some((from - 1) * ROWS + 1));
        assert!(finding["key"].is_string() && finding["to"].is_string(), "{finding}");
    }
    // Whoever asks only for what came later is not told.
    assert!(place.verify(&["--since", "2199-01-01"]).0);
}
