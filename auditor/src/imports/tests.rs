use super::*;
use proptest::prelude::*;

fn csv(feed: Feed, text: &str) -> Result<Rows, Vec<Place>> {
    read(feed, text.as_bytes(), Format::Csv)
}

fn read(feed: Feed, text: &[u8], format: Format) -> Result<Rows, Vec<Place>> {
    let told = |faults: Faults| faults.told.into_iter().map(|f| (f.line, f.column, f.field, f.what)).collect();
    feed.read(text, format).map_err(told)
}

/// Line, column, field, and what is wrong.
type Place = (u64, u64, &'static str, What);

const A: &str = "SE2321000016-A001";
const B: &str = "SE2321000016-B001";

#[test]
fn tables_as_programs_and_spreadsheets_write_them_say_the_same() {
    let rows = csv(Feed::Employments, &format!("hsa,last_day\n{A},2026-11-30\n{B},\n")).expect("a table");
    assert_eq!(rows.len(), 2);
    let others = [
        format!("\u{feff}last_day;hsa\r\n2026-11-30;{A}\r\n;{B}\r\n"),
        format!("\"hsa\",\"last_day\"\n\"{A}\",\"2026-11-30\"\n{B},\"\""),
    ];
    for other in others {
        assert_eq!(csv(Feed::Employments, &other).expect("a table"), rows);
    }
    let json = format!("[\n{{\"hsa\":\"{A}\",\"last_day\":\"2026-11-30\"}},\n{{\"hsa\":\"{B}\",\"last_day\":null}}]");
    assert_eq!(read(Feed::Employments, json.as_bytes(), Format::Json).expect("a table"), rows);
    let Rows::Employments(rows) = rows else { panic!("of another feed") };
    // The last day is one of work.
    assert_eq!(rows[0].1.over, contract::instant::parse("2026-12-01").ok());
}

#[test]
fn each_fault_is_told_with_its_place() {
    let head = "hsa,name,provider_hsa,valid_from,valid_to\n";
    let cases: [(String, Place); 9] = [
        (format!("{head}x,N,{B},2026-01-01,\n"), (2, 1, "hsa", What::Value)),
        (format!("{head}{A},,{B},2026-01-01,\n"), (2, 2, "name", What::Missing)),
        (format!("{head}{A},N,{B},,\n"), (2, 4, "valid_from", What::Missing)),
        (format!("{head}{A},N,{B},2026-02-30,\n"), (2, 4, "valid_from", What::Value)),
        (format!("{head}{A},N,{B},2026-02-02,2026-02-01\n"), (2, 5, "valid_to", What::Backwards)),
        (format!("{head}{A},N,{B}\n"), (2, 0, "", What::Form)),
        (format!("{head}{A},N,{B},2026-01-01,\n{A},M,{B},2026-05-01,\n"), (3, 0, "", What::Overlap)),
        ("hsa,name,provider_hsa,valid_from,until,valid_to\n".to_owned(), (1, 5, "", What::Unknown)),
        ("hsa,name,provider_hsa,valid_from\n".to_owned(), (1, 0, "valid_to", What::Missing)),
    ];
    for (text, fault) in cases {
        assert_eq!(csv(Feed::Units, &text), Err(vec![fault]), "{text}");
    }
    let twice = format!("hsa,last_day\n{A},\n{A},2026-01-01\n");
    assert_eq!(csv(Feed::Employments, &twice), Err(vec![(3, 0, "", What::Double)]));
    assert_eq!(read(Feed::Employments, b"hsa,last_day\n\xff,\n", Format::Csv), Err(vec![(2, 0, "", What::Form)]));
}

#[test]
fn a_span_ends_with_its_last_day_and_the_next_begins() {
    let head = "hsa,name,provider_hsa,valid_from,valid_to\n";
    let rows = format!("{head}{A},N,{B},2026-01-01,2026-04-30\n{A},M,{B},2026-05-01,\n");
    assert!(csv(Feed::Units, &rows).is_ok());
}

#[test]
fn json_says_where_it_is_wrong_and_repeats_nothing() {
    let at = |text: &str| read(Feed::Employments, text.as_bytes(), Format::Json);
    assert_eq!(at("[\n{\"hsa\":\n}]"), Err(vec![(3, 1, "", What::Form)]));
    let braces = format!("[{{\"last_day\":\"\\\"{{\"}},\n{{\"hsa\":\"{A}\"}},\n{{\"hsa\":\"\"}}]");
    assert_eq!(
        at(&braces).map_err(|faults| faults.iter().map(|fault| (fault.0, fault.2)).collect::<Vec<_>>()),
        Err(vec![(1, "hsa"), (1, "last_day"), (3, "hsa")])
    );
    assert_eq!(at("{}").map_err(|faults| faults[0].3), Err(What::Form));
    let second = format!("[{{\"hsa\":\"{A}\"}},\n\n{{\"hsa\":7}}]");
    assert_eq!(at(&second).map_err(|faults| (faults[0].0, faults[0].3)), Err((3, What::Form)));
    let unknown = format!("[{{\"hsa\":\"{A}\",\"secret\":\"x\"}}]");
    assert_eq!(at(&unknown), Err(vec![(1, 0, "", What::Unknown)]));
    let twice =
        format!("[{{\"hsa\":\"{A}\",\"last_day\":null}},\n{{\"hsa\":\"{A}\",\"last_day\":null,\"hsa\":\"{B}\"}}]");
    assert_eq!(at(&twice), Err(vec![(2, 0, "", What::Double)]), "neither of two is taken");
    let told = Feed::Employments.read(unknown.as_bytes(), Format::Json).expect_err("refused").to_string();
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn a_hundred_faults_are_told_and_all_are_counted() {
    let rows = "x,\n".repeat(250);
    let faults = Feed::Employments.read(format!("hsa,last_day\n{rows}").as_bytes(), Format::Csv).expect_err("refused");
    assert_eq!((faults.count, faults.told.len()), (250, 100));
    assert!(faults.to_string().ends_with("and 150 more"));
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..300), head in any::<bool>()) {
        for feed in Feed::ALL {
            let mut whole = if head { format!("{}\n", feed.columns().join(",")).into_bytes() } else { Vec::new() };
            whole.extend_from_slice(&text);
            for format in [Format::Csv, Format::Json] {
                if let Err(faults) = feed.read(&whole, format) {
                    prop_assert!(faults.count > 0);
                }
            }
        }
    }
}
