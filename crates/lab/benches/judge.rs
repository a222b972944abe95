//! How many buckets the judge evaluates in a second on one core.
//!
//! A bucket is a minute of both arms; its evaluation adds it to all six signals, with their promises and
//! dispersions, as every look does for every settled bucket. A look is what is said at the end of them.
#![allow(missing_docs, reason = "the macro of criterion makes a function without one")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use perch_core::judge::sequential::{Judge, Method};
use perch_lab::grid::Set;
use perch_lab::judged::{Judged, buckets};

/// A healthy canary at 100 requests a second: nothing is cut short.
fn evaluation(c: &mut Criterion) {
    let rows = Set::Tuned.rows();
    let trace = rows[4].trace(1, 1);
    let judged = Judged::new("normal", Method::normal());
    let (basis, buckets) = (judged.basis(&trace), buckets(&trace));
    let new = || Judge::new(&basis, &judged.method);

    let mut group = c.benchmark_group("judge");
    group.throughput(Throughput::Elements(buckets.len() as u64));
    group.bench_function("buckets", |b| {
        let push_all = |mut judge: Judge<'_>| {
            buckets.iter().for_each(|bucket| judge.push(black_box(bucket)));
            black_box(judge.is_end())
        };
        b.iter_batched(new, push_all, BatchSize::SmallInput);
    });
    group.bench_function("buckets with a look at each", |b| {
        b.iter(|| Judge::at_each_of(&basis, &judged.method, black_box(&buckets)));
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("one look at the end of 15 buckets", |b| {
        b.iter(|| Judge::at_end_of(&basis, &judged.method, black_box(&buckets)));
    });
    group.finish();
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
