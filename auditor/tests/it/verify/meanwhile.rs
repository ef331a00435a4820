//! What happens while `auditor verify` looks: a proxy before ClickHouse lets it happen at the right moment.

use super::log::{BATCHES, ROWS, log_to, part};
use super::{Place, each, key, kinds_of};
use contract::id::NodeName;
use contract::row::{Packed, SealKeyRow};
use contract::seal::{Edge, SignedHandOver};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Stands between the auditor and ClickHouse, and does something before the question with these words goes on that is asked for
/// the nth time.
fn before_question(place: &Place, words: &str, nth: u32, act: impl FnOnce() + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (engine, words) = (place.engine.address.clone(), words.to_owned());
    let act: Act = Arc::new(Mutex::new((nth, Some(Box::new(act)))));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(&engine).unwrap();
            let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ended = std::io::copy(&mut from_server, &mut to_client);
                let _closed = to_client.shutdown(std::net::Shutdown::Both);
            });
            let (act, words) = (Arc::clone(&act), words.clone());
            std::thread::spawn(move || forward(client, server, words.as_bytes(), &act));
        }
    });
    format!("http://{address}")
}

type Act = Arc<Mutex<(u32, Option<Box<dyn FnOnce() + Send>>)>>;

fn forward(mut client: TcpStream, mut server: TcpStream, words: &[u8], act: &Act) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let piece = &bytes[..count];
        if piece.windows(words.len()).any(|part| part == words) {
            let mut act = act.lock().unwrap();
            act.0 = act.0.saturating_sub(1);
            if act.0 == 0
                && let Some(act) = act.1.take()
            {
                act();
            }
        }
        if server.write_all(piece).is_err() {
            return;
        }
    }
}

#[test]
fn a_gateway_may_ship_and_change_its_key_meanwhile() {
    let (old, new) = (key(), key());
    let place = Place::new(&old);
    let last = BATCHES + 3;
    let key_of = |batch| if batch < last { &old } else { &new };
    let (rows, seals) = log_to(last, key_of, auditor::clock::now(), None);
    place.insert(&part(&rows, |row| row.batch <= BATCHES));
    place.insert(&part(&seals, |seal| seal.batch <= BATCHES));
    let previous = seals.read().unwrap()[usize::try_from(last - 2).unwrap()].statement().chain();
    let auth = Edge { batch: 1, previous: [0; 32] };
    let edge = Edge { batch: last, previous };
    let node = NodeName::parse("gw1").unwrap();
    let mut hand_over = Packed::default();
    hand_over.push(&SealKeyRow::from(&SignedHandOver::new(
        &node,
        &old,
        new.public(),
        edge,
        auth,
        auditor::clock::now(),
    )));
    let sender = place.sender();
    // When it asks what lies beyond the last seal.
    let beyond = format!("node = 'gw1' AND seq BETWEEN {} AND", BATCHES * ROWS + 1);
    let proxy = before_question(&place, &beyond, 1, move || {
        for batch in BATCHES + 1..=last {
            if batch == last {
                sender.insert(&hand_over);
            }
            sender.insert(&part(&rows, |row| row.batch == batch));
            sender.insert(&part(&seals, |seal| seal.batch == batch));
        }
    });
    let (intact, report) = place.verify_at(Some(&proxy), &[]);
    assert!(intact, "{report}");
    let seen = ["rows", "seals", "waiting"].map(|key| report[key].as_u64());
    assert_eq!(seen, [last * ROWS, last, 0].map(Some));
    let never = report["never_sealed"].as_array().unwrap();
    assert!(never.len() == 2 && never.iter().all(|of| of["stream"] == "auth"), "the auditor's own as well: {report}");
    let until = &report["sealed_until"];
    assert_eq!((&until[0]["batch"], &until[0]["number"]), (&last.into(), &(last * ROWS).into()), "{report}");
}

#[test]
fn a_gateway_that_catches_up_with_old_rows_has_a_moment_for_their_seal() {
    let key = key();
    let place = Place::new(&key);
    // Some quarter of an hour old.
    let (rows, seals) = log_to(2, |_| &key, auditor::clock::now(), None);
    place.insert(&part(&rows, |_| true));
    place.insert(&part(&seals, |seal| seal.batch == 1));
    let (sender, late) = (place.sender(), part(&seals, |seal| seal.batch == 2));
    let beyond = format!("node = 'gw1' AND seq BETWEEN {} AND", ROWS + 1);
    // It comes when they have been seen once without it.
    let proxy = before_question(&place, &beyond, 2, move || sender.insert(&late));
    let (intact, report) = place.verify_at(Some(&proxy), &[]);
    assert!(intact && report["rows"] == 2 * ROWS && report["waiting"] == 0, "{report}");
    place.engine.run("ALTER TABLE access_seal DELETE WHERE batch = 2");
    let (_, report) = place.verify(&[]);
    assert_eq!(kinds_of(&report), each("unsealed", [2]), "it does not wait for ever");
}
