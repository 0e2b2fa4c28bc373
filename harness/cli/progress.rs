//! What is shown while something takes long: on standard error, and only where a person is looking.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use runtime::Provider;
use runtime::provision::{self, Settings, Step};
use std::time::Duration;

/// A bar over the rows of one model.
///
/// Panics: the template is ours and valid.
pub(crate) fn rows(label: &str, rows: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:28} {wide_bar} {pos}/{len} rows  {elapsed} (left {eta})");
    let bar = ProgressBar::new(rows).with_style(style.expect("the template is valid")).with_message(label.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
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
