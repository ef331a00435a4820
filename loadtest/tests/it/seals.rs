//! Seals hold over what ClickHouse gives back, byte by byte: what was hashed is the table's own RowBinary.

use crate::shared::{Place, get, patient};
use crate::whole::until;
use contract::row::{AccessRow, AuthRow, Record, SealRow};
use contract::seal::{Root, Statement, Stream, verify};
use contract::wire::Input;
use http::StatusCode;
use loadtest::client::Protocol;
use loadtest::stack::people::ANNA;
use std::collections::BTreeMap;
use std::time::Duration;

/// The rows of a table, in this order, each with its bytes.
async fn rows<R: Record>(client: &clickhouse::Client, order: &str) -> Vec<(R, Vec<u8>)> {
    let sql = format!("SELECT {} FROM {} FINAL ORDER BY {order}", R::COLUMNS.join(", "), R::TABLE);
    let bytes = client.query(&sql).fetch_bytes("RowBinary").unwrap().collect().await.unwrap();
    let (mut input, mut rows) = (Input::new(&bytes), Vec::new());
    while input.remaining() > 0 {
        let start = bytes.len() - input.remaining();
        let row = R::take(&mut input).unwrap();
        rows.push((row, bytes.slice(start..bytes.len() - input.remaining()).to_vec()));
    }
    rows
}

/// A row's node, number and bytes.
type Sealed = (String, u64, Vec<u8>);

/// Whether every row is covered, and where each seal that does not hold says it stands.
fn check(seals: &[SealRow], access: &[Sealed], auth: &[Sealed]) -> (bool, Vec<String>) {
    let (mut chains, mut covered, mut broken) = (BTreeMap::new(), 0, Vec::new());
    for seal in seals {
        let table = if seal.stream == Stream::Access { access } else { auth };
        let mut root = Root::default();
        for (_, _, bytes) in table
            .iter()
            .filter(|(node, seq, _)| *node == *seal.node && (seal.first..=seal.last).contains(seq))
            .inspect(|_| covered += 1)
        {
            root.add(bytes);
        }
        let (root, leaves) = root.finish();
        let statement = Statement {
            node: seal.node.to_string(),
            stream: seal.stream,
            batch: seal.batch,
            first: seal.first,
            last: seal.last,
            root,
            leaves,
            previous: seal.previous,
            at: seal.ts,
        };
        let previous = chains.insert((seal.node.clone(), seal.stream), statement.chain()).unwrap_or([0; 32]);
        if !verify(&statement, &seal.key, &seal.signature) || previous != seal.previous {
            broken.push(format!("{} {} {}", seal.node, seal.stream, seal.batch));
        }
    }
    (covered == access.len() + auth.len(), broken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_is_under_a_seal_that_holds_and_a_changed_one_breaks_it() {
    let place = Place::start().await;
    let device = place.stack.device("mottagning").unwrap();
    let session = place.stack.log_in(&ANNA, &device).await.unwrap();
    for number in 0..8 {
        let path = format!("/api/patients/{}", patient(number).id.expose());
        let (status, _) = place.ask(&device, Protocol::Http1, get(&path, Some(&session))).await.unwrap();
        assert_eq!(status, StatusCode::OK);
    }
    let client = place.stack.clickhouse().unwrap();
    let (seals, mut access, auth) = until("all rows are sealed", Duration::from_secs(30), async || {
        let named = |node: &str, seq, bytes| (node.to_owned(), seq, bytes);
        let access: Vec<Sealed> = rows::<AccessRow>(&client, "node, seq")
            .await
            .into_iter()
            .map(|(row, bytes)| named(&row.node, row.seq, bytes))
            .collect();
        let auth: Vec<Sealed> = rows::<AuthRow>(&client, "node, seq")
            .await
            .into_iter()
            .map(|(row, bytes)| named(&row.node, row.seq, bytes))
            .collect();
        let seals: Vec<SealRow> =
            rows(&client, "node, stream, batch").await.into_iter().map(|(seal, _)| seal).collect();
        let (all, broken) = check(&seals, &access, &auth);
        if access.len() < 8 || !all {
            return Err(format!("{} and {} rows, {} seals", access.len(), auth.len(), seals.len()));
        }
        assert_eq!(broken, Vec::<String>::new());
        Ok((seals, access, auth))
    })
    .await;
    assert!([Stream::Access, Stream::Auth].iter().all(|stream| seals.iter().any(|seal| seal.stream == *stream)));
    // One bit of one row: its seal is the first that does not hold, for later ones chain to it.
    let changed = &mut access[3];
    *changed.2.last_mut().unwrap() ^= 1;
    let (node, seq) = (changed.0.clone(), changed.1);
    let covers = |seal: &&SealRow| {
        seal.stream == Stream::Access && *seal.node == *node && (seal.first..=seal.last).contains(&seq)
    };
    let batch = seals.iter().find(covers).unwrap().batch;
    assert_eq!(check(&seals, &access, &auth).1.first(), Some(&format!("{node} access {batch}")));
}
