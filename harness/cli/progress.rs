//! What is shown while something takes long: on standard error, and only where a person is looking.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use runtime::Provider;
use runtime::provision::{self, Settings, Step};
use std::time::Duration;
use train::StepReport;

/// A bar over the rows of one model.
///
/// Panics: the template is ours and valid.
pub(crate) fn rows(label: &str, rows: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:28} {wide_bar} {pos}/{len} rows  {elapsed} (left {eta})");
    let bar = ProgressBar::new(rows).with_style(style.expect("the template is valid")).with_message(label.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A bar over the windows of a measurement. It is drawn between windows alone: a thread that draws would be measured too.
///
/// Panics: the template is ours and valid.
pub(crate) fn windows(label: &str, windows: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:28} {wide_bar} {pos}/{len} windows  {elapsed} (left {eta})");
    ProgressBar::new(windows).with_style(style.expect("the template is valid")).with_message(label.to_owned())
}

/// A bar over the steps of one epoch.
pub(crate) struct Steps {
    bar: ProgressBar,
}

impl Steps {
    /// Panics: the template is ours and valid.
    pub(crate) fn new(steps: u32) -> Self {
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}");
        let bar = ProgressBar::new(steps.into()).with_style(style.expect("the template is valid"));
        Self { bar }
    }

    /// Shows a step. `left` is the time that the rest of the training takes at this pace.
    pub(crate) fn show(&self, step: &StepReport, epochs: u32, images_per_second: f64, left: Duration) {
        self.bar.set_prefix(format!("epoch {}/{epochs}", step.epoch));
        self.bar.set_position(step.step.into());
        let percent = |name: &str, value: Option<f64>| match value {
            Some(value) => format!("{name} {:.0} %  ", 100.0 * value),
            None => String::new(),
        };
        self.bar.set_message(format!(
            "loss {:.3}  {}{}{images_per_second:.0} images/s  left {}",
            step.loss,
            percent("train", step.accuracy),
            percent("robust", step.robust_accuracy),
            humantime::format_duration(Duration::from_secs(left.as_secs()))
        ));
    }

    /// Shows that something else than a step takes its time.
    pub(crate) fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Makes ONNX Runtime and a provider available, and says so where that means a download.
///
/// Errors: they can't be had; the message has the remedy.
pub(crate) fn runtime(provider: Provider) -> Result<()> {
    provider.require_hardware()?;
    let settings = Settings::from_env().with_build(provider.build());
    let library = provision::provision(&settings, &mut |step: Step| match step {
        Step::Waiting { lock } => eprintln!("waiting for another process to fetch ONNX Runtime ({})", lock.display()),
        Step::SetAside { to } => eprintln!("warning: the cached ONNX Runtime was damaged and is now {}", to.display()),
        Step::Downloading { package, version, size, installer } => {
            eprintln!("downloading {package} {version} ({size}) with {installer}")
        }
        _ => {}
    })?;
    runtime::env_from(library)?;
    Ok(provider.require()?)
}
