//! What decides the outcome of one block of a check, as far as the plan knows.

use crate::attacks::PlannedAttack;
use crate::corruptions::{PlannedCorruption, PlannedSeverity};
use crate::curve::PlannedCurve;
use crate::dataset::PlannedDomain;
use crate::models::PlannedModel;
use crate::plan::Plan;
use crate::probes::PlannedProbe;
use crate::slices::{Rows, Slice};
use attack::{AttackSpec, Budget, Norm};
use probe::ProbeSpec;
use registry::{Digest, InputSpec, OutputKind};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What decides the predictions of a model on some rows.
///
/// Names are not in it, so that a model, a data set or an entry may be renamed. The runtime's identity is for the executor to add.
#[derive(Clone, Debug, Serialize)]
pub struct PredictionKey<'a> {
    model: Digest,
    input: &'a InputSpec,
    output: &'a str,
    output_kind: OutputKind,
    classes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    labels: &'a [usize],
    dataset: Digest,
    rows: &'a Rows,
}

/// What decides the outcome of an attack on some rows of a model.
///
/// The runtime's identity, the revision of the graph emitter and the micro-batch are for the executor to add.
#[derive(Clone, Debug, Serialize)]
pub struct CheckKey<'a> {
    prediction: PredictionKey<'a>,
    attack: &'a AttackSpec,
    attack_revision: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<PredictionKey<'a>>,
    #[serde(skip_serializing_if = "PlannedCurve::is_none")]
    curve: &'a PlannedCurve,
    norm: Norm,
    epsilon: &'a str,
    domain: &'a PlannedDomain,
    grid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<Budget>,
    seed: String,
}

/// What decides the outcome of a probe on some rows of a model.
///
/// The runtime's identity, the revision of the graph emitter and the micro-batch are for the executor to add.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeKey<'a> {
    prediction: PredictionKey<'a>,
    probe: &'a ProbeSpec,
    probe_revision: u32,
    norm: Norm,
    epsilon: &'a str,
    domain: &'a PlannedDomain,
    grid: bool,
    seed: String,
}

/// What decides the predictions of a model on some rows under one corruption at one severity.
///
/// The runtime's identity is for the executor to add.
#[derive(Clone, Debug, Serialize)]
pub struct CorruptionKey<'a> {
    prediction: PredictionKey<'a>,
    corruption: &'a str,
    corruption_revision: u32,
    severity: u32,
    parameters: &'a BTreeMap<String, f64>,
    /// Left out where no random number is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<String>,
}

impl Plan {
    /// What decides a model's predictions on a slice.
    pub fn prediction_key_material<'a>(&self, model: &'a PlannedModel, slice: &'a Slice) -> PredictionKey<'a> {
        PredictionKey {
            model: model.digest,
            input: &model.input,
            output: &model.output.name,
            output_kind: model.output.kind,
            classes: model.output.classes,
            threshold: model.output.threshold,
            labels: &model.labels,
            dataset: self.dataset.digest,
            rows: &slice.rows,
        }
    }

    /// What decides the outcome of an attack on a model's slice.
    pub fn check_key_material<'a>(
        &'a self,
        model: &'a PlannedModel,
        attack: &'a PlannedAttack,
        slice: &'a Slice,
    ) -> CheckKey<'a> {
        CheckKey {
            prediction: self.prediction_key_material(model, slice),
            attack: &attack.spec,
            attack_revision: attack.revision,
            source: self.source_of(attack).map(|source| self.prediction_key_material(source, slice)),
            curve: &attack.curve,
            norm: self.threat.norm,
            epsilon: &self.threat.epsilon_fraction,
            domain: &self.domain,
            grid: model.grid,
            budget: self.threat.budget,
            seed: self.seed.to_string(),
        }
    }

    /// What decides the outcome of a probe on a model's slice.
    pub fn probe_key_material<'a>(
        &'a self,
        model: &'a PlannedModel,
        probe: &'a PlannedProbe,
        slice: &'a Slice,
    ) -> ProbeKey<'a> {
        ProbeKey {
            prediction: self.prediction_key_material(model, slice),
            probe: &probe.spec,
            probe_revision: probe.revision,
            norm: self.threat.norm,
            epsilon: &self.threat.epsilon_fraction,
            domain: &self.domain,
            grid: model.grid,
            seed: self.seed.to_string(),
        }
    }

    /// What decides a model's predictions on a slice under a corruption.
    pub fn corruption_key_material<'a>(
        &'a self,
        model: &'a PlannedModel,
        corruption: &'a PlannedCorruption,
        severity: &'a PlannedSeverity,
        slice: &'a Slice,
    ) -> CorruptionKey<'a> {
        CorruptionKey {
            prediction: self.prediction_key_material(model, slice),
            corruption: &corruption.name,
            corruption_revision: corruption.revision,
            severity: severity.severity,
            parameters: &severity.parameters,
            seed: corruption.random.then(|| self.seed.to_string()),
        }
    }
}

/// [`CheckKey`] of a plan that is there only as `results.json` records it: the plan, and one each of its models, attacks
/// and slices. So evidence is found again without the suite and the models.
///
/// What the plan lacks, as one of another version may, is null, which is in no key.
pub fn recorded_check_key(plan: &Value, model: &Value, attack: &Value, slice: &Value) -> Value {
    let mut key = json!({
        "prediction": recorded_prediction_key(plan, model, slice),
        "attack": attack["spec"],
        "attack_revision": attack["revision"],
        "norm": plan["threat"]["norm"],
        "epsilon": plan["threat"]["epsilon_fraction"],
        "domain": plan["domain"],
        "grid": model["grid"],
        "seed": plan["seed"],
    });
    let all = ["models", "sources"].iter().filter_map(|section| plan[section].as_array()).flatten();
    let is_source = |model: &&Value| attack["source"].is_string() && model["name"] == attack["source"];
    insert(
        &mut key,
        "source",
        all.into_iter().find(is_source).map(|source| recorded_prediction_key(plan, source, slice)),
    );
    insert(&mut key, "curve", attack.get("curve").cloned());
    insert(&mut key, "budget", plan["threat"].get("budget").cloned());
    key
}

/// [`ProbeKey`] of a plan as it is recorded; see [`recorded_check_key`].
pub fn recorded_probe_key(plan: &Value, model: &Value, probe: &Value, slice: &Value) -> Value {
    json!({
        "prediction": recorded_prediction_key(plan, model, slice),
        "probe": probe["spec"],
        "probe_revision": probe["revision"],
        "norm": plan["threat"]["norm"],
        "epsilon": plan["threat"]["epsilon_fraction"],
        "domain": plan["domain"],
        "grid": model["grid"],
        "seed": plan["seed"],
    })
}

/// [`CorruptionKey`] of a plan as it is recorded; see [`recorded_check_key`]. `severity` is one of those of `corruption`.
pub fn recorded_corruption_key(
    plan: &Value,
    model: &Value,
    corruption: &Value,
    severity: &Value,
    slice: &Value,
) -> Value {
    let mut key = json!({
        "prediction": recorded_prediction_key(plan, model, slice),
        "corruption": corruption["name"],
        "corruption_revision": corruption["revision"],
        "severity": severity["severity"],
        "parameters": severity["parameters"],
    });
    let seed = (corruption["random"] == true).then(|| plan["seed"].clone());
    insert(&mut key, "seed", seed);
    key
}

/// [`PredictionKey`] of a plan as it is recorded; see [`recorded_check_key`].
pub fn recorded_prediction_key(plan: &Value, model: &Value, slice: &Value) -> Value {
    let mut key = json!({
        "model": model["digest"],
        "input": model["input"],
        "output": model["output"]["name"],
        "output_kind": model["output"]["kind"],
        "classes": model["output"]["classes"],
        "labels": model["labels"],
        "dataset": plan["dataset"]["digest"],
        "rows": slice["rows"],
    });
    insert(&mut key, "threshold", model["output"].get("threshold").cloned());
    key
}

/// What is left out of a key where there is none.
fn insert(key: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(key), Some(value)) = (key.as_object_mut(), value) {
        key.insert(name.to_owned(), value);
    }
}
