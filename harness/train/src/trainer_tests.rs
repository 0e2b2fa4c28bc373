//! Trainings of a few seconds: what they leave, and what they do not depend on.

use crate::ascent::InnerAttack;
use crate::device_ascent::{DeviceAttack, X_ADV};
use crate::{Batches, Checkpoint, EpochMetrics, Error, Identity, Machine, Plan, Probes, Recipe, Trainer, plan};
use attack::Domain;
use graph::training::Network;
use graph::{Interpreter, Model, NoExternalData, Tensor};
use registry::Datasets;
use runtime::{Device, Provider};

const RECIPE: &str = "\
version: 1
architecture: { small-cnn: { filters: 4 } }
dataset: { name: signs32, split: train, samples: 100 }
augmentation: { crop: { padding: 2 }, flip: true }
objective: { standard: {} }
threat: { norm: linf, epsilon: 8/255 }
optimiser: { sgd: { momentum: 0.9, nesterov: false } }
weight_decay: { rate: 5e-4, on: weights }
learning_rate: 0.02
schedule: { linear: { end: 0 } }
epochs: 3
batch_size: 32
seed: 7
export: { fold_batch_norm: true }
";

const MACHINE: Machine = Machine { provider: Provider::Cpu, threads: 2 };

fn planned(changes: &[(&str, &str)]) -> Plan {
    let text = changes.iter().fold(RECIPE.to_owned(), |text, (good, other)| {
        assert_eq!(text.matches(good).count(), 1, "`{good}` must stand once in the recipe");
        text.replace(good, other)
    });
    let recipe = Recipe::parse("recipe.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let probes = Probes { names: &[], resolve: &|_, _| unreachable!("no probe is planned") };
    plan(&recipe, &Datasets::open(None, "none"), probes).unwrap_or_else(|error| panic!("{error}"))
}

fn identity() -> Identity {
    Identity::from([("threads".to_owned(), "2".to_owned())])
}

fn epochs(trainer: &mut Trainer<'_>, count: u32) -> Vec<EpochMetrics> {
    (0..count).map(|_| trainer.run_epoch(&mut |_| {}).unwrap()).collect()
}

const TRADES: (&str, &str) =
    ("{ standard: {} }", "{ trades: { beta: 6, steps: 2, step_size: 4/255, start: { gaussian: 0.001 } } }");

/// Every objective and optimiser: a checkpoint is all that the rest of a training depends on.
#[test]
fn a_resumed_training_ends_with_the_same_bits() {
    let adam = ("{ sgd: { momentum: 0.9, nesterov: false } }", "{ adam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } }");
    let plain = ("{ sgd: { momentum: 0.9, nesterov: false } }", "{ sgd: { momentum: 0, nesterov: false } }");
    let fgsm_rs = ("{ standard: {} }", "{ fgsm-rs: { step_size: 10/255 } }");
    let mart = ("{ standard: {} }", "{ mart: { beta: 5, steps: 2, step_size: 4/255, start: uniform } }");
    let norm = ("export: { fold_batch_norm: true }", "clip_norm: 1\nexport: { fold_batch_norm: false }");
    for changes in [vec![], vec![adam, norm], vec![plain], vec![fgsm_rs], vec![TRADES], vec![mart, adam]] {
        let plan = planned(&changes);
        let mut whole = Trainer::new(&plan, MACHINE).unwrap();
        let expected = epochs(&mut whole, 3);
        assert!(whole.is_complete());
        let mut first = Trainer::new(&plan, MACHINE).unwrap();
        let mut found = epochs(&mut first, 1);
        let bytes = first.checkpoint(identity(), vec!["{}".to_owned()]).unwrap().encode();
        drop(first);
        let checkpoint = Checkpoint::decode(&bytes).unwrap();
        let mut second = Trainer::new(&plan, MACHINE).unwrap();
        second.restore(&checkpoint, &identity()).unwrap();
        assert_eq!((second.epoch(), second.is_complete()), (1, false));
        found.extend(epochs(&mut second, 2));
        assert_eq!(found, expected, "{changes:?}");
        assert_eq!(second.export().unwrap(), whole.export().unwrap(), "{changes:?}");
        assert_eq!(second.state().unwrap(), whole.state().unwrap(), "{changes:?}");
        let numbers = |epoch: &EpochMetrics| epoch.loss.is_finite() && epoch.gradient_norm > 0.0;
        assert!(expected.iter().all(numbers), "{expected:?}");
    }
}

#[test]
fn a_checkpoint_of_another_training_or_network_is_refused() {
    let (small, large) = (planned(&[]), planned(&[("filters: 4", "filters: 5")]));
    let checkpoint = Trainer::new(&small, MACHINE).unwrap().checkpoint(identity(), Vec::new()).unwrap();
    let mut other = Trainer::new(&large, MACHINE).unwrap();
    assert!(matches!(other.restore(&checkpoint, &Identity::new()), Err(Error::Resume { .. })));
    assert!(matches!(other.restore(&checkpoint, &identity()), Err(Error::Checkpoint(_))));
}

#[test]
fn training_learns() {
    let changes = [
        ("filters: 4", "filters: 8"),
        ("samples: 100", "samples: 640"),
        ("learning_rate: 0.02", "learning_rate: 0.1"),
        ("epochs: 3", "epochs: 6"),
        ("flip: true", "flip: false"),
    ];
    let plan = planned(&changes);
    let metrics = epochs(&mut Trainer::new(&plan, MACHINE).unwrap(), 6);
    let (first, last) = (&metrics[0], &metrics[5]);
    assert!(last.loss < 0.9 * first.loss && last.train_accuracy > first.train_accuracy, "{first:?} {last:?}");
}

#[test]
fn a_training_that_diverges_stops_and_says_where() {
    let plan = planned(&[("learning_rate: 0.02", "learning_rate: 1e6")]);
    let mut trainer = Trainer::new(&plan, MACHINE).unwrap();
    let error = trainer.run_epoch(&mut |_| {}).unwrap_err().to_string();
    assert!(error.starts_with("go on training: epoch 1 diverged at step 2: the "), "{error}");
    assert!(error.contains("\nhint: lower `learning_rate`"), "{error}");
}

/// Folding is another way to write the same function.
#[test]
fn both_forms_of_export_compute_the_same() {
    let logits = |fold: &str| {
        let plan = planned(&[("fold_batch_norm: true", fold)]);
        let mut trainer = Trainer::new(&plan, MACHINE).unwrap();
        epochs(&mut trainer, 1);
        let model = Model::parse(&trainer.export().unwrap(), &NoExternalData).unwrap();
        let x = plan.data.rows(0..5).unwrap().x.into_iter().map(f64::from).collect::<Vec<f64>>();
        let outputs = Interpreter.run(&model.graph(5).unwrap(), &[Tensor::f32(&[5, 3, 32, 32], x)]).unwrap();
        (model.ops().contains_key("BatchNormalization"), outputs[0].to_f64())
    };
    let ((folded, a), (unfolded, b)) = (logits("fold_batch_norm: true"), logits("fold_batch_norm: false"));
    assert_eq!((folded, unfolded), (false, true));
    // Folded weights are rounded to float32 once more.
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + b.abs())), "{a:?} {b:?}");
}

fn network(plan: &Plan, batch: usize) -> Network {
    Network::new(&plan.architecture.build(&plan.input, plan.classes, batch, plan.seed).unwrap()).unwrap()
}

const DOMAIN: Domain = Domain { lower: 0.0, upper: 1.0, grid: None };

#[test]
fn the_inner_attack_stays_in_its_balls_and_does_not_depend_on_threads() {
    let fgsm_rs = ("{ standard: {} }", "{ fgsm-rs: { step_size: 10/255 } }");
    let l2 = ("threat: { norm: linf, epsilon: 8/255 }", "threat: { norm: l2, epsilon: 0.5 }");
    for changes in [vec![TRADES], vec![fgsm_rs], vec![TRADES, l2]] {
        let plan = planned(&changes);
        let state = network(&plan, 1).initial();
        let mut batches = Batches::new(&plan.data, 100, 32, plan.augmentation, plan.seed);
        batches.begin(0);
        let batch = batches.fill(1);
        let attacked = |threads: usize| {
            let mut attack = InnerAttack::new(&plan, network(&plan, 16), threads).unwrap();
            let first = attack.attack(&state, &batch, 0).unwrap().to_vec();
            let place = attack.attack(&state, &batch, 0).unwrap().as_ptr();
            assert_eq!(attack.attack(&state, &batch, 0).unwrap().as_ptr(), place, "the buffer is used again");
            assert_ne!(attack.attack(&state, &batch, 1).unwrap(), first, "another epoch starts elsewhere");
            first
        };
        let x_adv = attacked(1);
        assert_eq!(attacked(3), x_adv, "{changes:?}");
        let threat = plan.threat_model.clone().unwrap();
        for (x, x_adv) in batch.x.chunks(3072).zip(x_adv.chunks(3072)) {
            let ball = threat.ball(x, &DOMAIN, false).unwrap();
            assert!(ball.contains(x_adv) && x != x_adv, "{changes:?}");
        }
    }
}

/// The attack of a device, run on the CPU's: the same steps from the same starts. Kinks and rounding move single elements.
#[test]
fn both_inner_attacks_do_the_same() {
    let pgd = ("{ standard: {} }", "{ pgd: { steps: 3, step_size: 2/255, start: uniform } }");
    let l2 = ("threat: { norm: linf, epsilon: 8/255 }", "threat: { norm: l2, epsilon: 0.5 }");
    let l2_steps = ("step_size: 4/255", "step_size: 0.2");
    for changes in [vec![TRADES], vec![pgd], vec![TRADES, l2, l2_steps]] {
        let plan = planned(&changes);
        let state = network(&plan, 1).initial();
        let mut batches = Batches::new(&plan.data, 100, 32, plan.augmentation, plan.seed);
        batches.begin(0);
        let batch = batches.fill(0);
        let mut frozen = InnerAttack::new(&plan, network(&plan, 16), 2).unwrap();
        let expected = frozen.attack(&state, &batch, 0).unwrap();
        let device = Device::new(Provider::Cpu).unwrap();
        device.put("parameters", &[state.parameters.len()], &state.parameters).unwrap();
        device.put("statistics", &[state.statistics.len()], &state.statistics).unwrap();
        let mut attack = DeviceAttack::new(&plan, &network(&plan, 32), &device, 2).unwrap().unwrap();
        attack.attack(&batch, 0).unwrap();
        let found = device.get(X_ADV).unwrap();
        let moved = |x_adv: &[f32]| -> f64 {
            x_adv.iter().zip(batch.x).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / x_adv.len() as f64
        };
        let apart = found.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / found.len() as f64;
        assert!(apart < 0.02 * moved(expected), "{changes:?}: {apart} of {}", moved(expected));
    }
}
