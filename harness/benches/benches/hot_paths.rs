//! The hot paths: a gradient step, a forward, the projection to the ball, and the judge.

use attack::{Domain, Judge, Loss, LossHead, Norm, Oracle, Proposal, ThreatModel};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tinyassay_benches::{Batch, conv_net, dense_net};

const PIXELS: Domain = Domain { lower: 0.0, upper: 1.0, grid: None };

fn networks(criterion: &mut Criterion) {
    for net in [conv_net(), dense_net()].map(|net| net.expect("the network is well formed")) {
        let prepared = net.prepare(&[LossHead::CrossEntropy]).expect("ONNX Runtime runs the network");
        let mut oracle = prepared.oracle().expect("ONNX Runtime is there");
        let mut predictor = prepared.predictor().expect("ONNX Runtime opens the network");
        let rows = prepared.micro_batch();
        let batch = Batch::random(rows, prepared.spec().map.row_len(), &mut predictor).expect("the network runs");
        let loss = Loss::cross_entropy(&batch.labels, prepared.spec().classes);
        let threat = ThreatModel { norm: Norm::Linf, epsilon: "8/255".parse().expect("valid") };
        let ball = |x: &[f32]| threat.ball(x, &PIXELS, false).expect("rows are in the domain");
        let x: Vec<Vec<f32>> = batch.x.rows().into_iter().map(|row| row.to_vec()).collect();
        let balls: Vec<_> = x.iter().map(|x| ball(x)).collect();
        let proposals: Vec<Proposal<'_>> = (balls.iter().zip(&batch.labels).zip(&x))
            .map(|((ball, &label), x_adv)| Proposal { ball, label, x_adv, anywhere: None })
            .collect();

        let mut group = criterion.benchmark_group(net.name);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function("forward", |bencher| bencher.iter(|| oracle.logits(batch.x.view()).expect("it runs")));
        group.bench_function("gradient", |bencher| {
            bencher.iter(|| oracle.gradient(batch.x.view(), &loss).expect("it runs"));
        });
        group.bench_function("judge", |bencher| {
            bencher.iter(|| Judge::new(&mut predictor).rule(&proposals).expect("it runs"));
        });
        group.finish();
    }
}

fn projection(criterion: &mut Criterion) {
    let x: Vec<f32> = (0..3072).map(|index| (index % 256) as f32 / 255.0).collect();
    let far: Vec<f32> = x.iter().rev().copied().collect();
    let mut group = criterion.benchmark_group("projection");
    group.throughput(Throughput::Elements(x.len() as u64));
    for (name, norm, epsilon) in [("linf", Norm::Linf, "8/255"), ("l2", Norm::L2, "1/2")] {
        let threat = ThreatModel { norm, epsilon: epsilon.parse().expect("valid") };
        let ball = threat.ball(&x, &PIXELS, false).expect("the row is in the domain");
        let mut x_adv = far.clone();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                x_adv.copy_from_slice(black_box(&far));
                ball.project(&mut x_adv);
            });
        });
        group.bench_function(format!("{name}-ball"), |bencher| {
            bencher.iter(|| threat.ball(black_box(&x), &PIXELS, false).expect("the row is in the domain"));
        });
    }
    group.finish();
}

criterion_group!(benches, networks, projection);
criterion_main!(benches);
