//! Numbers of models that are no shares of rows: probes, corruptions, costs; and latencies, which are of another run.

use evidence::{Bound, ModelLatency, ModelResult, ProbeResult, Results};

use super::ModelPair;
use crate::Stored;
use crate::text::bound_name;

/// One number of both models. There is no test of it.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasurePair {
    /// The pair: its place in [`super::Comparison::models`].
    pub pair: usize,
    /// What it is, such as a probe's name with `(mean)`.
    pub name: String,
    /// What it is measured in.
    pub units: String,
    /// What it says about the truth.
    pub bound: Bound,
    /// The baseline's.
    pub baseline: f64,
    /// The candidate's.
    pub candidate: f64,
}

/// One latency of both models, each observed in its own run.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyPair {
    /// The pair: its place in [`super::Comparison::models`].
    pub pair: usize,
    /// The name of the measurement.
    pub name: String,
    /// Nanoseconds of an inference of the baseline.
    pub baseline_ns: f64,
    /// Of the candidate.
    pub candidate_ns: f64,
    /// Whether processor, threads, batch, provider and ONNX Runtime are the same.
    pub is_same_machine: bool,
    /// Names of the flags that either was given.
    pub flags: Vec<String>,
}

impl MeasurePair {
    /// The candidate's over the baseline's; `None` where that is no number.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.candidate / self.baseline).filter(|ratio| ratio.is_finite())
    }
}

impl LatencyPair {
    /// The candidate's over the baseline's; `None` where that is no number.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.candidate_ns / self.baseline_ns).filter(|ratio| ratio.is_finite())
    }
}

type Cost = (&'static str, &'static str, Bound, fn(&ModelResult) -> Option<u64>);

const COSTS: &[Cost] = &[
    ("MACs", "", Bound::Exact, |model| model.macs),
    ("params", "", Bound::Exact, |model| model.parameters),
    ("weights in the file", "bytes", Bound::Exact, |model| Some(model.cost.as_ref()?.weight_bytes)),
    ("flash", "bytes", Bound::Estimate, |model| Some(model.cost.as_ref()?.flash_bytes)),
    ("activations at the peak", "bytes", Bound::Exact, |model| Some(model.cost.as_ref()?.activations.file_order_bytes)),
];

pub(super) fn measures(reports: [&Results; 2], pairs: &[ModelPair], only: &mut [Vec<String>; 2]) -> Vec<MeasurePair> {
    let mut measures = Vec::new();
    for (pair, names) in pairs.iter().enumerate() {
        let Some([a, b]) = names.of(reports) else { continue };
        let mut add = |name: String, units: &str, bound, values: [Option<f64>; 2]| {
            if let [Some(baseline), Some(candidate)] = values {
                measures.push(MeasurePair { pair, name, units: units.to_owned(), bound, baseline, candidate });
            }
        };
        for probe in &a.probes {
            if let Some(other) = beside(probe, b, reports) {
                add(format!("{} (mean)", probe.name), &probe.units, probe.bound, [probe.mean, other.mean]);
            }
        }
        for (at, [one, other]) in [[a, b], [b, a]].into_iter().enumerate() {
            let alone = one.probes.iter().filter(|probe| beside(probe, other, reports).is_none());
            only[at].extend(alone.map(|probe| format!("probe {} on {}, or its parameters", probe.name, names.name())));
        }
        if let (Some(x), Some(y)) = (&a.corruptions, &b.corruptions) {
            let ids = |of: &evidence::CorruptionResults| -> Vec<(String, Vec<u32>)> {
                let severities =
                    |one: &evidence::CorruptionResult| one.severities.iter().map(|at| at.severity).collect();
                of.corruptions.iter().map(|one| (one.name.clone(), severities(one))).collect()
            };
            if ids(x) == ids(y) {
                let name = "accuracy on corrupted rows (mean)".to_owned();
                add(name, "share of rows", Bound::Exact, [Some(x.mean_accuracy), Some(y.mean_accuracy)]);
            }
        }
        for (name, units, bound, of) in COSTS {
            add((*name).to_owned(), units, *bound, [a, b].map(|model| of(model).map(|count| count as f64)));
        }
    }
    measures
}

/// The same probe of the other model.
fn beside<'a>(probe: &ProbeResult, other: &'a ModelResult, [a, b]: [&Results; 2]) -> Option<&'a ProbeResult> {
    let same = |one: &&ProbeResult| {
        one.name == probe.name
            && one.probe == probe.probe
            && one.parameters == probe.parameters
            && one.units == probe.units
    };
    other.probes.iter().find(same).filter(|_| a.threat == b.threat)
}

pub(super) fn latency(stored: [&Stored; 2], pairs: &[ModelPair]) -> Vec<LatencyPair> {
    let [a, b] = stored.map(|stored| stored.observations.as_ref().map_or(&[][..], |observed| &observed.latency));
    let mut found = Vec::new();
    for one in a {
        let Some(other) = b.iter().find(|other| other.name == one.name) else { continue };
        let is_same_machine = one.machine == other.machine && one.protocol == other.protocol;
        for (pair, names) in pairs.iter().enumerate() {
            let find = |models: &[ModelLatency], name: &str| models.iter().find(|model| model.model == name).cloned();
            let sides = [find(&one.models, &names.baseline), find(&other.models, &names.candidate)];
            let [Some(baseline), Some(candidate)] = sides else { continue };
            let flags = [&one.flags, &other.flags, &baseline.flags, &candidate.flags];
            let mut flags: Vec<String> = flags.into_iter().flatten().map(|flag| flag.doc().name.to_owned()).collect();
            flags.sort();
            flags.dedup();
            found.push(LatencyPair {
                pair,
                name: one.name.clone(),
                baseline_ns: baseline.latency_ns,
                candidate_ns: candidate.latency_ns,
                is_same_machine,
                flags,
            });
        }
    }
    found
}

impl MeasurePair {
    /// What it says about the truth, in words.
    pub(super) fn bound_name(&self) -> &'static str {
        bound_name(self.bound)
    }
}
