//! What a row costs under each preset: rows that withstand, so that every search runs to its end.

use attack::{AttackSpec, Budget, Domain, Norm, PRESETS, Picture, Setting, ThreatModel};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use tinyassay_benches::{Batch, dense_net};

/// Rows that are searched side by side.
const ROWS: usize = 32;

/// The first norm that a preset has, at a radius in which nothing breaks.
fn resolve(preset: &attack::Preset) -> Option<(AttackSpec, ThreatModel)> {
    let radii = [(Norm::Linf, "1/25500"), (Norm::L2, "1/2550"), (Norm::Linf, "0.031")];
    let threats = radii.map(|(norm, epsilon)| ThreatModel { norm, epsilon: epsilon.parse().expect("valid") });
    threats.into_iter().find_map(|threat| {
        let spec = preset.resolve(&threat).ok()?;
        spec.check(&threat).ok().map(|()| (spec, threat))
    })
}

fn presets(criterion: &mut Criterion) {
    let net = dense_net().expect("the network is well formed");
    let row_len = net.row.iter().product();
    let mut group = criterion.benchmark_group("attacks");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10).measurement_time(Duration::from_secs(2));
    for preset in PRESETS {
        let (spec, threat) = resolve(preset).expect("every preset has a norm");
        let prepared = net.prepare(&spec.heads(10)).expect("ONNX Runtime runs the network");
        let mut oracle = prepared.attack_oracle().expect("ONNX Runtime is there");
        let mut judge = prepared.predictor().expect("ONNX Runtime opens the network");
        let batch = Batch::random(ROWS, row_len, &mut judge).expect("the network runs");
        let domain = Domain { lower: 0.0, upper: 1.0, grid: None };
        let (picture, budget) = (Picture::line(row_len), Budget::default());
        let setting = Setting { threat: &threat, domain, grid: false, picture, seed: 0, budget };
        group.bench_function(preset.name, |bencher| {
            bencher.iter(|| {
                attack::run(&spec, &batch.attacked(0..ROWS), &setting, &mut oracle, &mut judge).expect("it runs")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, presets);
criterion_main!(benches);
