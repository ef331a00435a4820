//! What it costs to write a record in its bytes, as the journal takes it, and to read it again, as the shipper does.

mod records;

use contract::id::RequestId;
use contract::record::{Intent, Outcome, OutcomeKind};
use contract::wire::Wire;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use records::{BEGIN, intent, text};
use std::hint::black_box;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn record(criterion: &mut Criterion) {
    let request = RequestId::new(Uuid::from_u128(0x0197_5a3c_0000_7000_8000_0000_0000_0001));
    let mut intent = intent(7, BEGIN, request);
    intent.asked.registry = text("provregistret");
    let outcome =
        Outcome { request, at: BEGIN + 900, status: 200, bytes: 1024, duration_us: 900, kind: OutcomeKind::Complete };
    let bytes = intent.to_bytes();
    let mut buffer = Vec::with_capacity(4096);
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode an intent", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            black_box(&intent).encode(&mut buffer);
            black_box(buffer.len())
        });
    });
    group.bench_function("decode an intent", |bencher| {
        bencher.iter(|| Intent::from_bytes(black_box(&bytes)).map(|intent| intent.patients.len()));
    });
    group.throughput(Throughput::Bytes(outcome.to_bytes().len() as u64));
    group.bench_function("encode an outcome", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            black_box(&outcome).encode(&mut buffer);
            black_box(buffer.len())
        });
    });
    group.finish();
}

criterion_group!(benches, record);
criterion_main!(benches);
