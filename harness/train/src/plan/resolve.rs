//! From a recipe to a plan.

use super::evaluation::{self, Probes, no_threat};
use super::{Export, Objective, Optimiser, Plan, PlannedDataset, PlannedThreat, WeightDecay};
use crate::recipe::document::{DecayOn, Document, OptimiserForm, ScheduleForm};
use crate::{Augmentation, Error, LearningRate, Recipe, Schedule};
use attack::Norm;
use registry::yaml::Problem;
use registry::{Dataset, Datasets, Layout};

/// Looks up everything that a recipe names and checks that it fits together. `probes` are what the caller
/// can measure.
///
/// Errors: data, a preset or a probe that is not there, an architecture that does not fit the data, a batch that is
/// larger than the data. Each names the line of the recipe.
pub fn plan(recipe: &Recipe, datasets: &Datasets, probes: Probes<'_>) -> Result<Plan, Error> {
    resolve(recipe.document(), datasets, probes).map_err(Error::planning(recipe.source()))
}

fn resolve(document: &Document, datasets: &Datasets, probes: Probes<'_>) -> Result<Plan, Problem> {
    let threat = document.threat.clone();
    let objective = Objective::resolve(&document.objective)?;
    if objective.inner().is_some() && threat.is_none() {
        return Err(no_threat("an adversarial objective").at(document.objective.place));
    }
    if objective.inner().is_some() && threat.as_ref().is_some_and(|threat| threat.norm == Norm::L1) {
        let text = "an adversarial objective moves inputs in linf or l2, and `threat` is in l1";
        let hint = "train in another norm; suites measure in l1 too";
        return Err(Problem::new(text).hint(hint).at(document.objective.place));
    }
    let name = &document.dataset.name;
    let asked = datasets.asked(name, &document.dataset.split, document.dataset.samples.as_ref())?;
    let batch_size = document.batch_size.value as usize;
    let steps = asked.samples / batch_size;
    if steps == 0 {
        let text = format!("`batch_size` is {batch_size}, and there are {} rows", asked.samples);
        return Err(Problem::new(text).hint("a batch is at most as large as the data").at(document.batch_size.place));
    }
    let data = asked.load()?;
    if data.layout != Layout::Nchw {
        let text =
            format!("data set `{}` has rows in another order than NCHW, which can't be learnt from yet", data.name);
        return Err(Problem::new(text).at(name.place));
    }
    network(document, &data)?;
    let (evaluation, measured) = match &document.evaluate {
        Some(section) => {
            let (evaluation, data) = evaluation::resolve(section, name, threat.as_ref(), probes, datasets)?;
            (Some(evaluation), Some(data))
        }
        None => (None, None),
    };
    let augmentation = document.augmentation.as_ref().map_or_else(Augmentation::default, |section| Augmentation {
        crop_padding: section.crop.as_ref().map_or(0, |crop| crop.padding.value),
        flip: section.flip,
    });
    Ok(Plan {
        architecture: document.architecture.value,
        input: data.shape.clone(),
        classes: data.classes.len(),
        dataset: PlannedDataset {
            name: data.name.clone(),
            split: data.split.clone(),
            digest: data.digest,
            rows: asked.samples,
        },
        augmentation,
        objective,
        threat: threat.as_ref().map(|threat| PlannedThreat { norm: threat.norm, epsilon: threat.epsilon.fraction() }),
        optimiser: optimiser(&document.optimiser),
        weight_decay: document.weight_decay.as_ref().map_or(WeightDecay { rate: 0.0, all: false }, |decay| {
            WeightDecay { rate: decay.rate.value, all: decay.on == DecayOn::All }
        }),
        clip_norm: document.clip_norm.as_ref().map(|norm| norm.value),
        learning_rate: LearningRate {
            peak: document.learning_rate.value,
            schedule: schedule(&document.schedule),
            warmup_epochs: document.warmup_epochs.as_ref().map_or(0, |epochs| epochs.value),
            epochs: document.epochs.value,
            steps_per_epoch: u32::try_from(steps).unwrap_or(u32::MAX),
        },
        statistics_momentum: document.statistics_momentum.as_ref().map_or(0.1, |momentum| momentum.value),
        batch_size,
        seed: document.seed.value,
        evaluation,
        export: Export { fold_batch_norm: document.export.fold_batch_norm },
        threads: document.threads.as_ref().map(|threads| threads.value as usize),
        data,
        measured,
        threat_model: threat,
    })
}

/// Whether the network can be built for the data.
fn network(document: &Document, data: &Dataset) -> Result<(), Problem> {
    let architecture = &document.architecture;
    if architecture.reconstructs() {
        let text = format!("`{}` gives back its input, and only classifiers can be trained yet", architecture.name());
        return Err(Problem::new(text).at(architecture.place));
    }
    let built = architecture.build(&data.shape, data.classes.len(), 1, document.seed.value);
    let what = format!("the network does not fit data set `{}`", data.name);
    built.map(drop).map_err(|error| Problem::caused_by(what, error).at(architecture.place))
}

fn optimiser(form: &OptimiserForm) -> Optimiser {
    let (form, decoupled) = match form {
        OptimiserForm::Sgd(form) => {
            return Optimiser::Sgd { momentum: form.momentum.value, nesterov: form.nesterov };
        }
        OptimiserForm::Adam(form) => (form, false),
        OptimiserForm::Adamw(form) => (form, true),
    };
    let (beta1, beta2, epsilon) = (form.beta1.value, form.beta2.value, form.epsilon.value);
    Optimiser::Adam { beta1, beta2, epsilon, decoupled }
}

fn schedule(form: &ScheduleForm) -> Schedule {
    match form {
        ScheduleForm::Constant => Schedule::Constant,
        ScheduleForm::Steps(form) => {
            Schedule::Steps { after_epochs: form.after_epochs.value.clone(), factor: form.factor.value }
        }
        ScheduleForm::Cosine(form) => Schedule::Cosine { end: form.end.value },
        ScheduleForm::Linear(form) => Schedule::Linear { end: form.end.value },
    }
}
