//! What shipping costs: reading, folding, numbering and sealing without a network, on one core; and, when
//! `GRINDVAKT_BENCH_CLICKHOUSE` names a ClickHouse (`http://user:key@127.0.0.1:8123/database`, with the tables made by
//! `auditor migrate`), the whole way into it. The journal lies in the directory that `GRINDVAKT_BENCH_DIR` names, else under
//! the build's own.

mod records;

use records::{BEGIN, intent, text};
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use contract::id::{NodeName, RequestId};
use contract::record::{Outcome, OutcomeKind};
use contract::seal::SealKey;
use contract::wire::Wire;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gateway::journal::storage::Disk;
use gateway::journal::{self, AppendError, FrameKind, Journal, Position};
use gateway::keys::SealKeys;
use gateway::shipper::{self, Shipper, measure};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zeroize::Zeroizing;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn directory() -> tempfile::TempDir {
    let base = std::env::var_os("GRINDVAKT_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    tempfile::Builder::new().prefix("shipper-bench-").tempdir_in(base).expect("invariant: the directory can be written")
}

/// A journal with so many requests, each an intent and an outcome: a row each. `offset` makes them others.
fn filled(dir: &tempfile::TempDir, rows: u64, offset: u64) -> Journal {
    let config = journal::Config {
        budget_bytes: 64 << 30,
        high_water_bytes: 60 << 30,
        ..journal::Config::new(dir.path(), [1; 16])
    };
    let metrics = journal::Metrics::new(&prometheus::Registry::new()).expect("invariant: the registry is empty");
    let (journal, _) = Journal::open(config, Disk::storage(), metrics).expect("invariant: the directory is new");
    let append = |kind, payload: Vec<u8>| {
        loop {
            match journal.append_lazy(kind, |out| out.extend_from_slice(&payload)) {
                Ok(_) => return,
                Err(AppendError::Busy) => std::thread::yield_now(),
                Err(error) => unreachable!("the journal refuses a frame: {error}"),
            }
        }
    };
    for number in 0..rows {
        let at = BEGIN + i64::try_from((offset + number) * 100).unwrap_or(0);
        let unique = u128::from(offset + number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) >> 66;
        let id = (u128::from(at.unsigned_abs() / 1000) << 80) | (0x7000_8000_u128 << 62) | unique;
        let request = RequestId::new(Uuid::from_u128(id));
        append(FrameKind::Intent, intent(number, at, request).to_bytes());
        let outcome =
            Outcome { request, at: at + 900, status: 200, bytes: 1024, duration_us: 900, kind: OutcomeKind::Complete };
        append(FrameKind::Outcome, outcome.to_bytes());
    }
    while journal.durable_end() < Position::new(2 * rows + 1) {
        std::thread::yield_now();
    }
    journal
}

fn seal_key() -> SealKey {
    let mut der = hex::decode("302e020100300506032b657004220420").unwrap_or_default();
    der.extend_from_slice(&[7; 32]);
    SealKey::from_pkcs8(&der).expect("invariant: a seed in PKCS#8 form")
}

fn node(number: u64) -> NodeName {
    NodeName::parse(&format!("bench{number}")).expect("invariant: a name")
}

fn form(criterion: &mut Criterion) {
    const ROWS: u64 = 100_000;
    let dir = directory();
    let journal = filled(&dir, ROWS, 0);
    let (node, key, tenant) = (node(0), seal_key(), text("SE2321000016-T"));
    let mut group = criterion.benchmark_group("shipper");
    group.sample_size(10).throughput(Throughput::Elements(ROWS));
    group.bench_function("read, fold, number and seal", |bencher| {
        bencher.iter(|| {
            let rows = measure::form(black_box(&journal), &node, &tenant, usize::try_from(ROWS).unwrap_or(0), &key);
            assert_eq!(rows, ROWS);
        });
    });
    group.finish();
}

/// Ships a backlog and returns how long that took.
fn ship(rows: u64, number: u64, target: &http::Uri, rows_max: usize) -> Duration {
    let dir = directory();
    let registry = prometheus::Registry::new();
    let authority = target.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let (login, host) = authority.rsplit_once('@').unwrap_or((":", authority));
    let (user, key) = login.split_once(':').unwrap_or((login, ""));
    let config = shipper::Config {
        node: node(number),
        tenant: text("SE2321000016-T"),
        clickhouse: shipper::ClickHouse {
            url: format!("{}://{host}", target.scheme_str().unwrap_or("http")),
            database: target.path().trim_start_matches('/').to_owned(),
            user: user.to_owned(),
            key: Zeroizing::new(key.to_owned()),
        },
        rows_max,
        wait: Duration::from_millis(10),
        ledger_path: dir.path().join("shipper.ledger"),
        witness: None,
    };
    let metrics = shipper::Metrics::new(&registry).expect("invariant: the registry is empty");
    let journal = filled(&dir, rows, number * rows);
    std::fs::create_dir_all(dir.path().join("keys")).expect("invariant: the disk takes a folder");
    let seal_keys =
        SealKeys::open(&Disk::storage(), dir.path(), &config.node).expect("invariant: the disk takes a key");
    let shipper = Shipper::open(journal, config, seal_keys, metrics).expect("invariant: nothing was shipped");
    let stop = CancellationToken::new();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("invariant: threads are free");
    let start = Instant::now();
    runtime.block_on(async {
        let work = shipper.run(stop.clone());
        let watch = async {
            while shipped(&registry) < rows {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let took = start.elapsed();
            stop.cancel();
            took
        };
        let ((), took) = tokio::join!(work, watch);
        took
    })
}

fn shipped(registry: &prometheus::Registry) -> u64 {
    let families = registry.gather();
    let rows = families.iter().filter(|family| family.name() == "audit_rows_shipped_total");
    let rows = rows.flat_map(prometheus::proto::MetricFamily::get_metric);
    #[expect(clippy::cast_sign_loss, reason = "a counter")]
    rows.map(|metric| metric.get_counter().get_value() as u64).sum()
}

fn whole(criterion: &mut Criterion) {
    const ROWS: u64 = 400_000;
    let Some(target) = std::env::var("GRINDVAKT_BENCH_CLICKHOUSE").ok().and_then(|url| url.parse::<http::Uri>().ok())
    else {
        return;
    };
    let mut group = criterion.benchmark_group("shipper into ClickHouse");
    group.sample_size(10).throughput(Throughput::Elements(ROWS)).warm_up_time(Duration::from_millis(1));
    group.measurement_time(Duration::from_secs(1));
    let mut number = u64::from(std::process::id()) << 8;
    for rows_max in [10_000, 100_000] {
        group.bench_function(format!("batches of {rows_max}"), |bencher| {
            bencher.iter_custom(|times| {
                (0..times)
                    .map(|_| {
                        number += 1;
                        ship(ROWS, number, &target, rows_max)
                    })
                    .sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, form, whole);
criterion_main!(benches);
