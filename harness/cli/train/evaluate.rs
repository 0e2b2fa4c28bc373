//! What is measured after an epoch: the network as it would be exported, judged, attacked and probed as in a suite.

use crate::parallel;
use anyhow::{Context, Result};
use attack::{Budget, LossHead, Picture, Predictor, Rows, Setting, ThreatModel, argmax};
use graph::InputMap;
use ndarray::ArrayView2;
use probe::ProbeSpec;
use registry::{Dataset, Samples};
use runtime::{GradientOracle, ModelBytes, ModelSpec, OutputKind, Prepared, ShippedModel};
use std::collections::BTreeMap;
use std::sync::Mutex;
use train::{Evaluation, Machine, Plan, Probes};

/// The probes of a recipe are those of suites.
pub(super) const PROBES: Probes<'static> =
    Probes { names: &["kl-instability", "kl-instability-max", "lipschitz-l1-linf"], resolve: &resolve };

fn resolve(name: &str, threat: &ThreatModel) -> Result<serde_json::Value, String> {
    let spec = probe_spec(name, threat).map_err(|error| format!("{error:#}"))?;
    serde_json::to_value(spec).map_err(|error| error.to_string())
}

fn probe_spec(name: &str, threat: &ThreatModel) -> Result<ProbeSpec> {
    let preset = probe::preset(name).with_context(|| format!("there is no probe `{name}`"))?;
    let spec = preset.resolve(threat)?;
    spec.check(threat)?;
    Ok(spec)
}

/// Measures a network on the rows of a plan.
pub(super) struct Evaluator<'a> {
    plan: &'a Plan,
    evaluation: &'a Evaluation,
    data: &'a Dataset,
    machine: Machine,
    probes: Vec<(&'a str, ProbeSpec)>,
}

/// The tools of one worker.
struct Tools {
    judge: ShippedModel,
    oracle: GradientOracle,
}

/// What some rows gave.
#[derive(Default)]
struct Found {
    rows: usize,
    correct: usize,
    robust: usize,
    /// One sum and one count for each probe.
    probes: Vec<(f64, usize)>,
}

impl<'a> Evaluator<'a> {
    /// `None` where the plan measures nothing.
    ///
    /// Errors: a probe has no numbers for the threat model.
    pub(super) fn new(plan: &'a Plan, machine: Machine) -> Result<Option<Self>> {
        let (Some(evaluation), Some(data)) = (&plan.evaluation, &plan.measured) else { return Ok(None) };
        let probes = evaluation.probes.iter().map(|probe| {
            let threat = plan.threat_model.as_ref().context("a probe needs a threat model")?;
            Ok((probe.name.as_str(), probe_spec(&probe.name, threat)?))
        });
        Ok(Some(Self { plan, evaluation, data, machine, probes: probes.collect::<Result<_>>()? }))
    }

    /// The metrics by name.
    ///
    /// Errors: the network can't be prepared, or a run fails.
    pub(super) fn measure(&self, onnx: Vec<u8>) -> Result<BTreeMap<String, f64>> {
        let plan = self.plan;
        let spec = ModelSpec {
            input: "x".to_owned(),
            map: InputMap::identity(&plan.input),
            output: "logits".to_owned(),
            classes: plan.classes,
            kind: OutputKind::Logits,
        };
        let prepared = Prepared::new(ModelBytes::new(onnx), spec, &self.heads(), self.machine.provider)?;
        let chunk = 4 * prepared.micro_batch();
        let rows: Vec<usize> = (0..self.evaluation.dataset.rows).collect();
        let tasks: Vec<&[usize]> = rows.chunks(chunk).collect();
        let tools = || Ok(Tools { judge: prepared.predictor()?, oracle: prepared.oracle()? });
        let found = Mutex::new(Vec::new());
        parallel::for_each(
            self.machine.threads,
            &tasks,
            tools,
            |tools, rows| self.rows(tools, rows),
            |index, part| {
                found.lock().expect("no thread panics while it holds the lock").push((index, part));
                Ok(())
            },
        )?;
        let mut found = found.into_inner().expect("no thread panics while it holds the lock");
        // Sums of floats depend on their order.
        found.sort_by_key(|(index, _)| *index);
        Ok(self.means(found.into_iter().map(|(_, part)| part)))
    }

    fn heads(&self) -> Vec<LossHead> {
        let attacks = self.evaluation.attack.iter().flat_map(|attack| attack.spec.heads(self.plan.classes));
        let mut heads: Vec<LossHead> = attacks.chain(self.probes.iter().flat_map(|(_, probe)| probe.heads())).collect();
        heads.sort();
        heads.dedup();
        heads
    }

    fn rows(&self, tools: &mut Tools, rows: &[usize]) -> Result<Found> {
        let Samples { x, labels, digests } = self.data.rows_at(rows)?;
        let x = ArrayView2::from_shape((rows.len(), self.data.row_len()), &x)?;
        let scores = tools.judge.predict(x)?;
        let right = |row: &usize| argmax(scores.row(*row).as_slice().unwrap_or_default()).0 == labels[*row];
        let correct: Vec<usize> = (0..rows.len()).filter(right).collect();
        let mut found = Found { rows: rows.len(), correct: correct.len(), ..Found::default() };
        let Some(threat) = &self.plan.threat_model else { return Ok(found) };
        let setting = Setting {
            threat,
            domain: self.plan.domain(),
            grid: false,
            picture: Picture::new(&self.plan.input, false),
            seed: self.plan.seed,
            budget: Budget::default(),
        };
        if let Some(attack) = self.evaluation.attack.as_ref().filter(|_| !correct.is_empty()) {
            let taken = x.select(ndarray::Axis(0), &correct);
            let labels: Vec<usize> = correct.iter().map(|&row| labels[row]).collect();
            let digests: Vec<[u8; 32]> = correct.iter().map(|&row| digests[row]).collect();
            let rows = Rows { x: taken.view(), labels: &labels, digests: &digests };
            let outcomes = attack::run(&attack.spec, &rows, &setting, &mut tools.oracle, &mut tools.judge)?;
            found.robust = outcomes.iter().filter(|row| !row.broken).count();
        }
        for (_, probe) in &self.probes {
            let rows = Rows { x, labels: &labels, digests: &digests };
            let values: Vec<f64> = probe::run(probe, &rows, &setting, &mut tools.oracle)?
                .into_iter()
                .filter_map(|row| row.value)
                .collect();
            found.probes.push((values.iter().sum(), values.len()));
        }
        Ok(found)
    }

    fn means(&self, parts: impl Iterator<Item = Found>) -> BTreeMap<String, f64> {
        let mut sum = Found { probes: vec![(0.0, 0); self.probes.len()], ..Found::default() };
        for part in parts {
            sum.rows += part.rows;
            sum.correct += part.correct;
            sum.robust += part.robust;
            for (sum, part) in sum.probes.iter_mut().zip(part.probes) {
                *sum = (sum.0 + part.0, sum.1 + part.1);
            }
        }
        let part = |count: usize| count as f64 / sum.rows.max(1) as f64;
        let mut metrics = BTreeMap::from([("natural_accuracy".to_owned(), part(sum.correct))]);
        if self.evaluation.attack.is_some() {
            metrics.insert("robust_accuracy".to_owned(), part(sum.robust));
        }
        for ((name, _), (total, count)) in self.probes.iter().zip(&sum.probes) {
            if *count > 0 {
                metrics.insert(name.replace('-', "_"), total / *count as f64);
            }
        }
        metrics
    }
}
