//! What an insert leaves behind when something breaks off in the middle: nothing, or all of it.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use clickhouse::Compression;

use super::server::{ADMIN, Server};
use super::{Line, count, database};

/// Rows as tab separated values.
fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.fold(String::new(), |mut lines, n| {
        let _ = writeln!(lines, "{n}\tline");
        lines
    })
}

/// Bytes of an insert of 20,000 lines, as chunks; the last, empty chunk is left to the caller.
fn chunked_insert(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
    let head = server.head("POST", "/?query=INSERT%20INTO%20t.lines%20FORMAT%20TSV", "Transfer-Encoding: chunked\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    for part in 0..20 {
        let lines = lines(part * 1000..(part + 1) * 1000);
        stream.write_all(format!("{:x}\r\n{lines}\r\n", lines.len()).as_bytes()).expect("sent");
    }
    stream
}

// Two threads, so that the client's own tasks close their connection while the test waits for the server's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_connection_commits_nothing() {
    let server = Server::start();
    let client = database(&server.client(ADMIN)).await;
    drop(chunked_insert(&server));
    let mut cut = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
    let head = server.head("POST", "/?query=INSERT%20INTO%20t.lines%20FORMAT%20TSV", "Content-Length: 1000\r\n");
    cut.write_all(format!("{head}1\twhole line\n2\twhole line\n").as_bytes()).expect("sent");
    drop(cut);
    // A compressed body that stops between two blocks.
    let lz4 = client.with_compression(Compression::Lz4);
    let mut insert = lz4.insert::<Line>("lines").await.expect("an insert");
    for n in 0..50_000 {
        insert.write(&Line { n, s: "line".to_owned() }).await.expect("written");
    }
    drop(insert);
    // An end waits for the statements that run: afterwards nothing of them can come any more.
    let server = server.restart();
    assert_eq!(count(&server.client(ADMIN)).await, 0);

    let mut whole = chunked_insert(&server);
    whole.write_all(b"0\r\n\r\n").expect("sent");
    let mut answer = String::new();
    BufReader::new(&whole).read_line(&mut answer).expect("an answer");
    assert_eq!(answer, "HTTP/1.1 200 OK\r\n");
    assert_eq!(count(&server.client(ADMIN)).await, 20_000);
}

#[tokio::test]
async fn a_batch_with_a_bad_row_commits_nothing() {
    let server = Server::start();
    let client = server.client(ADMIN);
    let client = database(&client).await;
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
    let mut lines = lines(0..200_000);
    lines.push_str("not a number\tline\n");
    let head = server.head(
        "POST",
        "/?query=INSERT%20INTO%20t.lines%20FORMAT%20TSV",
        &format!("Connection: close\r\nContent-Length: {}\r\n", lines.len()),
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(lines.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("x-clickhouse-exception-code: 27"), "{answer}");
    assert_eq!(count(&client).await, 0);
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let server = Server::start();
    let client = server.client(ADMIN);
    let client = database(&client).await;
    for batch in 0..5 {
        let mut insert = client.insert::<Line>("lines").await.expect("an insert");
        for n in 0..1000 {
            insert.write(&Line { n: batch * 1000 + n, s: "line".to_owned() }).await.expect("written");
        }
        insert.end().await.expect("inserted");
    }
    let server = server.kill_and_restart();
    assert_eq!(count(&server.client(ADMIN)).await, 5000);
}

#[tokio::test]
async fn a_running_insert_is_finished_before_the_end() {
    let server = Server::start();
    database(&server.client(ADMIN)).await;
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
    let head = server.head(
        "POST",
        "/?query=INSERT%20INTO%20t.lines%20FORMAT%20TSV",
        "Expect: 100-continue\r\nContent-Length: 7\r\n",
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("asked for the body");
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    server.terminate();
    stream.write_all(b"1\tline\n").expect("sent");
    let mut answer = String::new();
    reader.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("HTTP/1.1 200 OK"), "{answer}");
    let server = server.restart();
    assert_eq!(count(&server.client(ADMIN)).await, 1);
}
