//! What the server does not do, and for whom.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::server::{ADMIN, INSERT, READ, Server, User};
use super::{Line, code, count, database};

#[tokio::test]
async fn what_reaches_outside_or_changes_the_server_is_refused() {
    let server = Server::start();
    let client = server.client(ADMIN);
    let client = database(&client).await;
    let file = server.directory().join("outside");
    std::fs::write(&file, "secret\n").expect("a file");
    let file = file.display();
    for sql in [
        format!("SELECT file('{file}')"),
        format!("SELECT * FROM file('{file}', 'LineAsString')"),
        format!("SELECT * FROM `file`('{file}', 'LineAsString')"),
        format!("INSERT INTO t.lines SELECT 1, line FROM file('{file}', 'LineAsString')"),
        format!("INSERT INTO t.lines FROM INFILE '{file}' FORMAT TSV"),
        format!("INSERT INTO FUNCTION file('{file}.out', 'TSV', 'a String') VALUES ('x')"),
        format!("CREATE TABLE t.f (a String) ENGINE = File('TSV', '{file}')"),
        format!("SELECT 1 INTO OUTFILE '{file}.out'"),
        "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')".to_owned(),
        "SELECT * FROM remote('127.0.0.2', system.one)".to_owned(),
        "CREATE TABLE t.u (a String) ENGINE = URL('http://127.0.0.1:1/', 'TSV')".to_owned(),
        "CREATE VIEW t.v AS SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')".to_owned(),
        "SELECT * FROM executable('id', 'TSV', 'a String')".to_owned(),
        "SELECT * FROM eval('SELECT 1')".to_owned(),
        "SELECT aiGenerate('x', 'y')".to_owned(),
        "SET max_threads = 1".to_owned(),
        "SYSTEM FLUSH LOGS".to_owned(),
        "BACKUP TABLE t.lines TO Disk('a', 'b')".to_owned(),
        "KILL QUERY WHERE 1".to_owned(),
        "CREATE USER somebody".to_owned(),
        "ATTACH TABLE t.x FROM '/' (a Int8) ENGINE = MergeTree ORDER BY a".to_owned(),
        "CREATE TABLE t.d (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '/tmp/')"
            .to_owned(),
    ] {
        // A question mark in a text is a bind to the client.
        assert_eq!(code(client.query(&sql.replace('?', "??")).execute().await), 497, "{sql}");
    }
    assert!(!server.directory().join("outside.out").exists());
    assert_eq!(count(&client).await, 0);
}

#[tokio::test]
async fn each_role_may_do_its_own() {
    let server = Server::start();
    let admin = server.client(ADMIN);
    let admin = database(&admin).await;
    let line = Line { n: 1, s: "x".to_owned() };

    let gateway = server.client(INSERT).with_database("t");
    let mut insert = gateway.insert::<Line>("lines").await.expect("an insert");
    insert.write(&line).await.expect("written");
    insert.end().await.expect("inserted");
    assert_eq!(count(&gateway).await, 1);
    for sql in [
        "DROP TABLE t.lines",
        "INSERT INTO t.lines SELECT * FROM t.lines",
        "ALTER TABLE t.lines DELETE WHERE 1",
        "TRUNCATE TABLE t.lines",
        "TRUNCATE TABLE t.lines SETTINGS max_threads = 1",
    ] {
        assert_eq!(code(gateway.query(sql).execute().await), 497, "{sql}");
    }

    let reader = server.client(READ).with_database("t");
    assert_eq!(count(&reader).await, 1);
    let mut insert = reader.insert::<Line>("lines").await.expect("the columns may be read");
    let written = insert.write(&line).await;
    assert_eq!(code(written.and(insert.end().await)), 497);

    for wrong in [
        User { name: "admin", key: "wrong-wrong-wrong" },
        User { name: "nobody", key: ADMIN.key },
        User { name: "look", key: ADMIN.key },
    ] {
        assert_eq!(code(server.client(wrong).query("SELECT 1").fetch_one::<u8>().await), 516);
    }
    assert_eq!(count(&admin).await, 1);
}

#[test]
fn a_data_directory_has_one_process() {
    let server = Server::start();
    let second = server.second_start(&["--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    let text = String::from_utf8_lossy(&second.stderr);
    assert!(text.contains("in use by another process"), "{text}");
    // The first one goes on.
    assert!(server.get("/ping").ends_with("Ok.\n"));
}

#[test]
fn only_loopback_is_listened_on() {
    let server = Server::start();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let refused = server.second_start(&["--listen", address]);
        assert_eq!(refused.status.code(), Some(78));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("loopback"));
    }
}

#[tokio::test]
async fn a_full_server_says_so_at_once() {
    let server = Server::start_with(&["--max-queries", "1"]);
    let client = database(&server.client(ADMIN)).await;
    // An insert with an open body holds the only place. The server asks for the body when it has it.
    let mut holder = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
    let head = server.head(
        "POST",
        "/?query=INSERT%20INTO%20t.lines%20FORMAT%20TSV",
        "Expect: 100-continue\r\nContent-Length: 4\r\n",
    );
    holder.write_all(head.as_bytes()).expect("sent");
    let mut reader = BufReader::new(holder.try_clone().expect("a second handle"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("asked for the body");
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");

    let mut others: FuturesUnordered<_> = (0..10).map(|_| client.query("SELECT 1").fetch_one::<u8>()).collect();
    // One place, four may wait: six of ten are turned away while nothing moves.
    for _ in 0..6 {
        assert_eq!(code(others.next().await.expect("an answer")), 202);
    }
    holder.write_all(b"1\tx\n").expect("sent");
    while let Some(answer) = others.next().await {
        assert_eq!(answer.expect("its turn came"), 1);
    }
    assert_eq!(count(&client).await, 1);
}
