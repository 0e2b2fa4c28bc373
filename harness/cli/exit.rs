//! Exit codes, and how errors are shown.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a run of the program says to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done, and every gate passes.
    Pass = 0,
    /// Something that was checked does not hold, such as a gate.
    Failed = 1,
    /// The command line, a suite, a manifest or a file is not valid, or gates cannot be evaluated.
    Usage = 2,
    /// A run began and could not be completed: a full disk, a failure of ONNX Runtime. Run it again to resume. Or no gate fails and
    /// one is inconclusive: neither what it asks for nor the opposite was shown.
    Incomplete = 3,
    /// A panic: a defect of ours.
    Internal = 70,
}

impl From<evidence::Decision> for Exit {
    fn from(decision: evidence::Decision) -> Self {
        match decision {
            evidence::Decision::Pass => Exit::Pass,
            evidence::Decision::Fail => Exit::Failed,
            evidence::Decision::Inconclusive => Exit::Incomplete,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Marks an error as one that interrupted work which had begun.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("failed to complete the run; the blocks that are done are kept, run the same command again to resume")]
pub(crate) struct Interrupted;

/// Marks an error as one that stopped a training.
#[derive(Debug, Clone)]
pub(crate) struct Stopped {
    /// How many epochs are complete.
    pub(crate) complete: usize,
    /// The folder of the training.
    pub(crate) folder: PathBuf,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stopped { complete, folder } = self;
        match complete {
            0 => f.write_str("failed to complete the first epoch"),
            _ => write!(
                f,
                "failed to complete epoch {}; the one before is kept in {}, and `--resume` goes on from there",
                complete + 1,
                folder.display()
            ),
        }
    }
}

impl std::error::Error for Stopped {}

/// Prints an error with its causes.
pub(crate) fn explain(error: &anyhow::Error) -> ExitCode {
    // A closed standard error is no reason to fail in another way.
    let _ = writeln!(std::io::stderr(), "error: {}", told(error));
    if error.is::<Interrupted>() || error.is::<Stopped>() { Exit::Incomplete.into() } else { Exit::Usage.into() }
}

/// The error and its causes on one line, less those that the text before them ends with. The libraries' messages are
/// fragments that follow "failed to".
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text += ": ";
            text += &cause;
        }
    }
    if is_fragment(error) && !text.starts_with("failed to ") { format!("failed to {text}") } else { text }
}

fn is_fragment(error: &anyhow::Error) -> bool {
    error.is::<attack::Error>()
        || error.is::<evidence::Error>()
        || error.is::<graph::Error>()
        || error.is::<registry::Error>()
        || error.is::<report::Error>()
        || error.is::<runtime::Error>()
        || error.is::<suite::Error>()
        || error.is::<train::Error>()
}

/// Makes a panic say that it is a defect and ask for a report. A reader that closed the pipe early is no defect.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        if text.contains("Broken pipe") {
            std::process::exit(Exit::Pass as i32);
        }
        let hint = "this is a defect of tinyassay; please report it with the command line and the files it read";
        let _ = writeln!(std::io::stderr(), "internal error: {text}\nhint: {hint}");
        std::process::exit(Exit::Internal as i32);
    }));
}

#[cfg(test)]
mod tests {
    use super::told;
    use anyhow::Context;

    #[test]
    fn errors_are_told_once_and_as_sentences() {
        let cuda = || "tpu".parse::<runtime::Provider>().unwrap_err();
        let reason = cuda().to_string();
        assert_eq!(told(&cuda().into()), format!("failed to {reason}"));
        assert_eq!(told(&anyhow::anyhow!("no fragment")), "no fragment");
        let wrapped = Err::<(), _>(cuda()).context("failed to prepare").unwrap_err();
        assert_eq!(told(&wrapped), format!("failed to prepare: {reason}"));
        let not_a_folder = evidence::Store::open("Cargo.toml/evidence".as_ref(), None).err().unwrap();
        assert_eq!(told(&not_a_folder.into()).matches("os error").count(), 1);
    }
}
