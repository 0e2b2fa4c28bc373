//! Checks of every value that can be judged alone or beside another.

use super::document::{Document, ObjectiveForm, OptimiserForm, ScheduleForm};
use registry::yaml::{Located, Problem};

/// The version of the format that this program reads.
const VERSION: u64 = 1;

pub(super) fn check(document: &Document) -> Result<(), Problem> {
    let version = &document.version;
    if version.value != VERSION {
        let text =
            format!("version {} of the format is not known; this program reads version {VERSION}", version.value);
        return Err(Problem::new(text).at(version.place));
    }
    for (key, value) in [("epochs", &document.epochs), ("batch_size", &document.batch_size)] {
        at_least_one(key, value)?;
    }
    objective(&document.objective)?;
    optimiser(&document.optimiser)?;
    learning_rate(document)?;
    document.threads.iter().try_for_each(|threads| at_least_one("threads", threads))?;
    if let Some(samples) = &document.dataset.samples {
        at_least_one("samples", samples)?;
    }
    if let Some(decay) = &document.weight_decay {
        within("rate", &decay.rate, "0 to 1", |rate| (0.0..=1.0).contains(&rate))?;
    }
    if let Some(norm) = &document.clip_norm {
        within("clip_norm", norm, "more than 0", |norm| norm > 0.0)?;
    }
    if let Some(momentum) = &document.statistics_momentum {
        within("statistics_momentum", momentum, "more than 0 and at most 1", |m| m > 0.0 && m <= 1.0)?;
    }
    if let Some(crop) = document.augmentation.as_ref().and_then(|augmentation| augmentation.crop.as_ref())
        && crop.padding.value > 64
    {
        return Err(
            Problem::new(format!("`padding` is {}, and at most 64 makes sense", *crop.padding)).at(crop.padding.place)
        );
    }
    if let Some(evaluate) = &document.evaluate {
        at_least_one("samples", &evaluate.samples)?;
        at_least_one("every", &evaluate.every)?;
    }
    Ok(())
}

fn objective(form: &Located<ObjectiveForm>) -> Result<(), Problem> {
    let smoothing = match &form.value {
        ObjectiveForm::Standard(form) => &form.label_smoothing,
        ObjectiveForm::FgsmRs(form) => &form.label_smoothing,
        ObjectiveForm::Pgd(form) => {
            at_least_one("steps", &form.steps)?;
            &form.label_smoothing
        }
        ObjectiveForm::Trades(form) | ObjectiveForm::Mart(form) => {
            at_least_one("steps", &form.steps)?;
            within("beta", &form.beta, "at least 0", |beta| beta >= 0.0)?;
            &None
        }
    };
    smoothing.iter().try_for_each(|smoothing| {
        within("label_smoothing", smoothing, "at least 0 and less than 1", |s| (0.0..1.0).contains(&s))
    })
}

fn optimiser(form: &Located<OptimiserForm>) -> Result<(), Problem> {
    let fraction = |key, value| within(key, value, "at least 0 and less than 1", |v| (0.0..1.0).contains(&v));
    match &form.value {
        OptimiserForm::Sgd(form) => {
            fraction("momentum", &form.momentum)?;
            if form.nesterov && form.momentum.value == 0.0 {
                let problem = Problem::new("`nesterov` needs a `momentum` above 0");
                return Err(problem.hint("write `nesterov: false`, or `momentum: 0.9`").at(form.momentum.place));
            }
            Ok(())
        }
        OptimiserForm::Adam(form) | OptimiserForm::Adamw(form) => {
            fraction("beta1", &form.beta1)?;
            fraction("beta2", &form.beta2)?;
            within("epsilon", &form.epsilon, "more than 0", |epsilon| epsilon > 0.0)
        }
    }
}

fn learning_rate(document: &Document) -> Result<(), Problem> {
    let (peak, epochs) = (&document.learning_rate, document.epochs.value);
    within("learning_rate", peak, "more than 0", |rate| rate > 0.0)?;
    match &document.schedule.value {
        ScheduleForm::Constant => {}
        ScheduleForm::Steps(form) => {
            within("factor", &form.factor, "more than 0 and at most 1", |factor| factor > 0.0 && factor <= 1.0)?;
            let after = &form.after_epochs;
            if after.is_empty() || !after.windows(2).all(|pair| pair[0] < pair[1]) {
                let problem = Problem::new("`after_epochs` must be rising numbers, at least one");
                return Err(problem.at(after.place));
            }
        }
        ScheduleForm::Cosine(form) | ScheduleForm::Linear(form) => {
            within("end", &form.end, "0 to `learning_rate`", |end| (0.0..=peak.value).contains(&end))?;
        }
    }
    match &document.warmup_epochs {
        Some(warmup) if warmup.value >= epochs && warmup.value > 0 => {
            let text = format!("`warmup_epochs` is {}, and there are {epochs} epochs in all", warmup.value);
            Err(Problem::new(text).at(warmup.place))
        }
        _ => Ok(()),
    }
}

fn within(key: &str, value: &Located<f64>, allowed: &str, fits: impl Fn(f64) -> bool) -> Result<(), Problem> {
    if value.is_finite() && fits(value.value) {
        return Ok(());
    }
    Err(Problem::new(format!("`{key}` is {}, and must be {allowed}", value.value)).at(value.place))
}

fn at_least_one<T: Copy + Default + PartialEq>(key: &str, value: &Located<T>) -> Result<(), Problem> {
    if value.value != T::default() {
        return Ok(());
    }
    Err(Problem::new(format!("`{key}` is 0, and at least 1 is needed")).at(value.place))
}
