//! WebSockets stay open, also those that are opened while the gateway is busy.

use crate::shared::{Place, from_registry, get, patient};
use loadtest::client::socket::{Socket, Upgrade};
use loadtest::client::{Connection, Protocol, read_all};
use loadtest::stack::people::ANNA;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_secs(20);
const BUSY: usize = 8;
const SOCKETS: usize = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_is_opened_on_a_busy_gateway_stays_open() {
    let place = Place::start().await;
    let device = place.stack.device("mottagning").unwrap();
    let session = place.stack.log_in(&ANNA, &device).await.unwrap();
    let target = place.stack.target();
    let path = format!("/api/patients/{}", patient(0).id.expose());
    let done = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for _ in 0..BUSY {
        let mut connection = Connection::open(&target, &device, Protocol::Http1).await.unwrap();
        let (session, path, done) = (session.clone(), path.clone(), Arc::clone(&done));
        load.spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let response = connection.send(get(&path, Some(&session)), LIMIT).await.unwrap();
                assert!(from_registry(&response));
                read_all(response, 1 << 20).await.unwrap();
            }
        });
    }
    let (name, value) = session.header();
    let mut closed = Vec::new();
    for count in 0..SOCKETS {
        let Upgrade::Open(mut socket, _) = Socket::open(&target, &device, "/ws", Some((name, &value))).await.unwrap()
        else {
            panic!("the upgrade is refused");
        };
        let text = count.to_string();
        let heard = match socket.say(&text).await {
            Ok(()) => socket.hear(LIMIT).await,
            Err(error) => Err(error),
        };
        if !matches!(&heard, Ok(Some(heard)) if *heard == text) {
            closed.push(format!("{heard:?}"));
        }
    }
    done.store(true, Ordering::Relaxed);
    while let Some(worker) = load.join_next().await {
        worker.unwrap();
    }
    assert!(closed.is_empty(), "{} of {SOCKETS} sockets were closed: {:?}", closed.len(), closed.first());
}
