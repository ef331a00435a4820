//! What a commit costs, for one caller and for many at once, on a real disk: in the directory that
//! `GRINDVAKT_BENCH_DIR` names, else under the build's own (a tmpfs would answer another question).

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gateway::journal::storage::Disk;
use gateway::journal::{Config, FrameKind, Journal, Metrics, Position};

const PAYLOAD: [u8; 200] = [7; 200];

fn open(dir: &tempfile::TempDir) -> Journal {
    let config = Config {
        segment_bytes: 64 << 20,
        budget_bytes: 64 << 30,
        high_water_bytes: 60 << 30,
        grace_s: 0,
        ..Config::new(dir.path(), [1; 16])
    };
    let metrics = Metrics::new(&prometheus::Registry::new()).expect("invariant: the registry is empty");
    Journal::open(config, Disk::storage(), metrics).expect("invariant: the directory is new").0
}

fn directory() -> tempfile::TempDir {
    let base = std::env::var_os("GRINDVAKT_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    tempfile::Builder::new().prefix("journal-bench-").tempdir_in(base).expect("invariant: the directory can be written")
}

/// `callers` tasks append and wait, `total` times altogether. Returns the time it took.
async fn commit_all(journal: &Journal, callers: u64, total: u64) -> Duration {
    let left = Arc::new(AtomicU64::new(total));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (journal, left) = (journal.clone(), Arc::clone(&left));
        tasks.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let ticket = journal.append(FrameKind::Intent, |out| out.extend_from_slice(&PAYLOAD));
                let receipt = ticket.expect("invariant: there is room").await;
                black_box(receipt.expect("invariant: the disk works").position());
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    start.elapsed()
}

fn commit(criterion: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("invariant: threads can be had");
    let mut group = criterion.benchmark_group("journal/commit");
    group.throughput(Throughput::Elements(1)).sample_size(20).measurement_time(Duration::from_secs(4));
    for callers in [1, 64, 1024] {
        let dir = directory();
        let journal = open(&dir);
        group.bench_function(BenchmarkId::from_parameter(callers), |bencher| {
            bencher.iter_custom(|total| {
                let time = runtime.block_on(commit_all(&journal, callers, total));
                journal.ack(journal.durable_end()).expect("invariant: the disk works");
                time
            });
        });
        journal.close();
    }
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("invariant: threads can be had");
    let dir = directory();
    let journal = open(&dir);
    runtime.block_on(commit_all(&journal, 1024, 100_000));
    let mut group = criterion.benchmark_group("journal/read");
    group.throughput(Throughput::Elements(100_000)).sample_size(20);
    group.bench_function("frames", |bencher| {
        bencher.iter(|| {
            let mut reader = journal.reader(Position::FIRST);
            let mut frames = 0;
            while reader.next().expect("invariant: the disk works").is_some() {
                frames += 1;
            }
            assert_eq!(frames, 100_000);
        });
    });
    group.finish();
    journal.close();
}

criterion_group!(benches, commit, read);
criterion_main!(benches);
