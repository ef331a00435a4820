//! Tests of the cutting and of the fence.
use super::{Error, Fence, Form, Shape, Statement};

fn fence() -> Fence {
    let table = ["url", "s3", "remote", "numbers", "FILE", "executable", "merge", "eval", "format"];
    let scalar = ["aiGenerate", "length"];
    Fence::new(table.into_iter().map(str::to_owned), scalar.into_iter().map(str::to_owned))
}

fn insert(sql: &str) -> Option<(String, String, String)> {
    match fence().read(sql.as_bytes()) {
        Ok(Statement::Insert { head, format, data }) => {
            Some((String::from_utf8_lossy(head).into_owned(), format, String::from_utf8_lossy(data).into_owned()))
        }
        _ => None,
    }
}

fn shape(sql: &str) -> Shape {
    match fence().read(sql.as_bytes()) {
        Ok(Statement::Other(shape)) => shape,
        other => unreachable!("{other:?}"),
    }
}

fn cut(head: &str, format: &str, data: &str) -> (String, String, String) {
    (head.to_owned(), format.to_owned(), data.to_owned())
}

#[test]
fn inserts_are_cut_where_their_data_begins() {
    assert_eq!(
        insert("INSERT INTO t(`a`,`b`) FORMAT RowBinary"),
        Some(cut("INSERT INTO t(`a`,`b`) ", "RowBinary", ""))
    );
    assert_eq!(
        insert("insert into d.format (a) format TSV\n1\n2\n"),
        Some(cut("insert into d.format (a) ", "TSV", "1\n2\n"))
    );
    assert_eq!(insert("INSERT INTO t VALUES (1), ('it''s')"), Some(cut("INSERT INTO t ", "Values", " (1), ('it''s')")));
    assert_eq!(
        insert("INSERT INTO t SETTINGS a=1 FORMAT JSONEachRow {\"a\":1}"),
        Some(cut("INSERT INTO t SETTINGS a=1 ", "JSONEachRow", "{\"a\":1}"))
    );
    assert_eq!(
        insert("/* x */ INSERT INTO t -- FORMAT A\n FORMAT B\r\n\n"),
        Some(cut("/* x */ INSERT INTO t -- FORMAT A\n ", "B", "\n"))
    );
    assert_eq!(insert("INSERT INTO t FORMAT Native '$# not sql"), Some(cut("INSERT INTO t ", "Native", "'$# not sql")));
}

#[test]
fn an_insert_from_a_select_carries_no_data() {
    assert_eq!(shape("INSERT INTO t SELECT 1 FORMAT Values").form, Form::Other);
    assert_eq!(shape("INSERT INTO t (a) WITH 1 AS x SELECT x").form, Form::Other);
}

#[test]
fn the_last_format_clause_counts() {
    assert_eq!(shape("SELECT 1 AS format FORMAT TSV").format.as_deref(), Some("TSV"));
    assert_eq!(shape("SELECT 'FORMAT CSV'").format, None);
    assert_eq!(shape("SELECT 1 FORMAT JSON SETTINGS max_threads=1;").format.as_deref(), Some("JSON"));
    assert_eq!(shape("(SELECT 1) UNION ALL (SELECT 2)").form, Form::Select);
    assert_eq!(shape("SHOW TABLES").form, Form::Other);
    assert!(shape("SELECT count() FROM t GROUP BY a WITH TOTALS").totals);
}

#[test]
fn what_reaches_outside_is_refused() {
    for sql in [
        "SELECT * FROM url('http://x')",
        "SELECT file('/etc/passwd')",
        "SELECT `file` ('/etc/passwd')",
        "SELECT FiLe/* */('/etc/passwd')",
        "SELECT \"url\"\n--x\n('/etc/passwd')",
        "SELECT url\u{a0}('x')",
        "SELECT 1.file('x')",
        "SELECT * FROM eval('SELECT 1')",
        "SELECT aiGenerate('x', 'y'), AIGENERATE('z')",
        "INSERT INTO t SELECT * FROM s3('x')",
        "INSERT INTO FUNCTION remote('h', d.t) VALUES",
        "INSERT INTO t FROM INFILE 'x' FORMAT TSV",
        "SELECT 1 INTO OUTFILE 'x'",
        "CREATE TABLE t (a Int8) ENGINE = URL('http://x', 'TSV')",
        "CREATE TABLE t (a Int8) ENGINE File(TSV)",
        "CREATE TABLE t (a Int8) ENGINE=`MySQL`('h')",
        "CREATE DATABASE d ENGINE = PostgreSQL('h')",
        "CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '/')",
        "CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(HTTP(URL 'http://x')) LAYOUT(FLAT()) LIFETIME(1)",
        "CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(CLICKHOUSE(HOST 'h' TABLE 't')) LAYOUT(FLAT()) LIFETIME(1)",
        "CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(EXECUTABLE(COMMAND 'id')) LAYOUT(FLAT()) LIFETIME(1)",
    ] {
        assert!(matches!(fence().read(sql.as_bytes()), Err(Error::Outside(_))), "{sql}");
    }
}

#[test]
fn what_a_second_lexer_could_get_wrong_is_refused() {
    for sql in [
        "SELECT $a$ ' $a$, file('x') --'",
        "# c\nSELECT 1",
        "SELECT /* /* */ ' */ 1",
        "SELECT \u{2018}a\u{2019}",
        "SELECT `f\\x69le`('x')",
        "SELECT * FROM {f:Identifier}('x')",
    ] {
        assert!(matches!(fence().read(sql.as_bytes()), Err(Error::Unsupported(_))), "{sql}");
    }
    assert_eq!(fence().read(b"SELECT 'a"), Err(Error::NotClosed));
    assert_eq!(fence().read(b"SELECT 1 /* a"), Err(Error::NotClosed));
}

#[test]
fn settings_that_protect_the_server_are_fixed_in_a_text_too() {
    for sql in [
        "INSERT INTO t SETTINGS input_format_record_errors_file_path = 'x' FORMAT TSV",
        "INSERT INTO t SELECT 1 SETTINGS max_threads = 1, `s3_max_connections`=1",
        "SELECT 1 SETTINGS READONLY = 0",
    ] {
        assert_eq!(fence().read(sql.as_bytes()), Err(Error::Fixed), "{sql}");
    }
}

#[test]
fn ordinary_statements_pass() {
    assert!(shape("SELECT 1 SETTINGS max_threads = 1").settings);
    assert!(!shape("SELECT name FROM system.settings WHERE readonly = 1").settings);
    for sql in [
        "SELECT format('{}', a), user FROM t WHERE user = 'x' SETTINGS max_threads = 1",
        "SELECT 'file(', url FROM numbers(3) WHERE a = 'it\\'s file(' -- url(",
        "SELECT engine FROM system.tables WHERE engine = 'URL' AND engine LIKE 'x' ORDER BY engine DESC",
        "SELECT name, engine FROM system.tables",
        "CREATE TABLE t (a Int8) ENGINE = ReplacingMergeTree(v) ORDER BY a",
        "CREATE TABLE t (a Int8) ENGINE Memory",
        "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 't' DB 'd')) LAYOUT(FLAT()) LIFETIME(1)",
        "SELECT {p:String}, merge FROM d.t FINAL",
        "INSERT INTO {t:Identifier} (a, b) VALUES",
    ] {
        assert!(fence().read(sql.as_bytes()).is_ok(), "{sql}");
    }
    assert_eq!(shape("CREATE OR REPLACE FUNCTION f AS x -> x + 1").form, Form::SqlFunction);
    assert_eq!(shape("CREATE FUNCTION IF NOT EXISTS f AS x -> x + 1").form, Form::SqlFunction);
    assert_eq!(shape("CREATE FUNCTION f LANGUAGE WASM FROM 'x'").form, Form::Other);
    assert_eq!(shape("CREATE USER x").form, Form::Other);
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(sql: Vec<u8>) {
        let _ = fence().read(&sql);
    }
}
