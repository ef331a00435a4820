//! WebSockets: a backend that speaks first and at once, and an end from either side.

use super::{Behind, Bench, LIMIT, number};
use crate::rude::{Heard, Rude, Then, Visit};
use crate::shared::request_id;
use crate::whole::until;
use loadtest::client::socket::{Socket, Upgrade};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const ROUNDS: usize = 20;

pub(super) fn accept(heard: &Heard, more: &[u8]) -> Vec<u8> {
    // Heads are kept in lower case; the key is not.
    let key = heard.key.as_deref().unwrap_or_default();
    let mut bytes = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    )
    .into_bytes();
    bytes.extend_from_slice(more);
    bytes
}

const HELLO: &[u8] = b"\x81\x05hello";
const GOOD_BYE: &[u8] = b"\x88\x02\x03\xe8";

fn script(visit: &mut Visit, heard: &Heard) -> Then {
    match heard.what() {
        // Head and first frame in one piece, then silence.
        "greets" => {
            visit.say(accept(heard, HELLO));
            visit.until_closed();
        }
        "leaves" => {
            visit.say(accept(heard, &[HELLO, GOOD_BYE].concat()));
            visit.fall_silent();
            visit.until_closed();
        }
        // Without a good-bye.
        "drops" => visit.say(accept(heard, HELLO)),
        "refuses" => visit.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        _ => visit.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nplain"),
    }
    Then::Close
}

async fn open(bench: &Bench, what: &str) -> Upgrade {
    let (name, value) = bench.session.header();
    let at = format!("/socket/ws/{what}/{}", number());
    Socket::open(&bench.place.stack.target(), &bench.device, &at, Some((name, &value))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_frame_arrives_and_either_side_may_end_a_socket() {
    let backend = Rude::open(script);
    let bench = Bench::start(vec![Behind::raw("socket", &[backend.address()])]).await;
    let mut ids = Vec::new();
    for round in 0..ROUNDS {
        for what in ["greets", "leaves", "drops"] {
            let name = format!("{what}, round {round}");
            let closed = backend.closed();
            let Upgrade::Open(mut socket, headers) = open(&bench, what).await else { panic!("{name}: refused") };
            let heard = socket.hear(LIMIT).await;
            assert!(matches!(&heard, Ok(Some(text)) if text == "hello"), "{name}: {heard:?}");
            match what {
                "greets" if round % 2 == 0 => socket.close().await,
                // Without a good-bye.
                "greets" => drop(socket),
                "leaves" => assert!(matches!(socket.hear(LIMIT).await, Ok(None)), "{name}"),
                _ => assert!(!matches!(socket.hear(LIMIT).await, Ok(Some(_))), "{name}"),
            }
            until("the backend's connection is closed, too", LIMIT, async || {
                if backend.closed() > closed { Ok(()) } else { Err(name.clone()) }
            })
            .await;
            ids.push((name, request_id(&headers)));
        }
    }
    for (name, id) in ids {
        let row = bench.row(&id).await;
        assert_eq!(row["status"], 101, "{name}: {row}");
        let outcome = row["outcome"].as_str().unwrap();
        assert!(matches!(outcome, "complete" | "aborted"), "{name}: {row}");
    }
    for (what, status) in [("refuses", 403), ("ignores", 200)] {
        let Upgrade::Refused(got, headers) = open(&bench, what).await else { panic!("{what}: open") };
        assert_eq!(got.as_u16(), status, "{what}");
        assert_eq!(bench.row(&request_id(&headers)).await["status"], status, "{what}");
    }
}
