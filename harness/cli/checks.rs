//! Every block that a plan wants: what decides its outcome, and what it runs on. Running a suite and executing a part of it
//! again ask for the same here.

use crate::clean;
use crate::corrupted::Cell;
use crate::engine::{Subject, Wanted};
use anyhow::{Context, Result};
use attack::Setting;
use evidence::{Keyed, RuntimeFacts, keyed};
use runtime::Prepared;
use serde::Serialize;
use suite::{Plan, PlannedAttack, PlannedProbe, Slice};

/// The checks of a plan. Models go by their index in it.
pub(crate) struct Checks<'a> {
    pub(crate) plan: &'a Plan,
    /// The models of the plan and then the sources that are not among them.
    pub(crate) all: &'a [Prepared],
    /// What computes them.
    pub(crate) runtime: RuntimeFacts,
}

/// Everything that decides the outcome of a block: what the plan knows and what only the runtime knows.
#[derive(Serialize)]
struct KeyMaterial<'a, T: Serialize> {
    check: T,
    runtime: &'a RuntimeFacts,
    graph_revision: u32,
    micro_batch: usize,
    /// Whether attacks read the logits of the file itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    file_logits: bool,
    observed: u32,
}

impl<'a> Checks<'a> {
    /// A model on the rows of the plan.
    pub(crate) fn subject(&self, model: usize) -> Subject<'a> {
        let planned = &self.plan.models[model];
        Subject {
            name: &planned.name,
            prepared: &self.all[model],
            dataset: &self.plan.data,
            label_map: &planned.labels,
        }
    }

    /// What an attack on a model may do.
    pub(crate) fn setting(&self, model: usize) -> Setting<'a> {
        let plan = self.plan;
        Setting {
            threat: &plan.threat_model,
            domain: plan.attack_domain(),
            grid: plan.models[model].grid,
            picture: plan.picture(),
            seed: plan.seed,
            budget: plan.threat.budget.unwrap_or_default(),
        }
    }

    /// The model whose gradients and logits guide an attack on a model: its source, or that model itself.
    ///
    /// Errors: the plan lacks the source, which is a defect.
    pub(crate) fn guide(&self, model: usize, attack: &PlannedAttack) -> Result<&'a Prepared> {
        let Some(source) = attack.source.as_deref() else { return Ok(&self.all[model]) };
        let planned = self.plan.models.iter().chain(&self.plan.sources);
        let found = planned.zip(self.all).find(|(model, _)| model.name == source);
        Ok(found.context("a plan has every source: this is a defect")?.1)
    }

    /// The blocks of clean predictions, one for each slice of the plan, as all that follow.
    ///
    /// Errors: a key cannot be written, as of all that follow.
    pub(crate) fn clean(&self, model: usize) -> Result<Vec<Wanted>> {
        let planned = &self.plan.models[model];
        self.wanted(&self.all[model], |slice| self.plan.prediction_key_material(planned, slice))
    }

    /// The blocks of an attack.
    pub(crate) fn attack(&self, model: usize, attack: &PlannedAttack) -> Result<Vec<Wanted>> {
        let planned = &self.plan.models[model];
        self.wanted(self.guide(model, attack)?, |slice| self.plan.check_key_material(planned, attack, slice))
    }

    /// The blocks of a probe.
    pub(crate) fn probe(&self, model: usize, probe: &PlannedProbe) -> Result<Vec<Wanted>> {
        let planned = &self.plan.models[model];
        self.wanted(&self.all[model], |slice| self.plan.probe_key_material(planned, probe, slice))
    }

    /// Every corruption of a model at every severity.
    pub(crate) fn cells(&self, model: usize) -> Result<Vec<Cell>> {
        let (plan, planned) = (self.plan, &self.plan.models[model]);
        let cells = plan.corrupted().map(|(one, at)| {
            let known = probe::corruption(&one.name).context("a plan names known corruptions: this is a defect")?;
            let key = |slice| plan.corruption_key_material(planned, one, at, slice);
            Ok(Cell { corruption: known, severity: at.severity, wanted: self.wanted(&self.all[model], key)? })
        });
        cells.collect()
    }

    /// `guide` is the model whose graph the check runs on.
    fn wanted<T: Serialize>(&self, guide: &Prepared, check: impl Fn(&'a Slice) -> T) -> Result<Vec<Wanted>> {
        let slices = self.plan.slices.iter().map(|slice| {
            let keyed: Keyed = keyed(&KeyMaterial {
                check: check(slice),
                runtime: &self.runtime,
                graph_revision: graph::REVISION,
                micro_batch: guide.micro_batch(),
                file_logits: guide.has_file_logits(),
                observed: clean::OBSERVED,
            })?;
            Ok(Wanted { keyed, rows: slice.rows.iter().collect() })
        });
        slices.collect()
    }
}
