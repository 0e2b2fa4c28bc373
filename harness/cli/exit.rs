//! Exit codes, and how errors are shown.

use std::process::ExitCode;

/// What a run of the program says to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Pass = 0,
    /// Something that was checked does not hold.
    Failed = 1,
    /// The command line, a suite, a manifest or a file is not valid.
    Usage = 2,
    /// A panic: a defect of ours.
    Internal = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Prints an error with its causes.
pub(crate) fn explain(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    Exit::Usage.into()
}

/// Makes a panic say that it is a defect and ask for a report.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        eprintln!("internal error: {info}");
        eprintln!("hint: this is a defect of tinyassay; please report it with the command line and the files it read");
        std::process::exit(Exit::Internal as i32);
    }));
}
