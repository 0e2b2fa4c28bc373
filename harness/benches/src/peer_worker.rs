//! `peer-worker MODEL.onnx --classes K --workers W`: runs one model the way Tinyassay does, for a script that measures
//! it side by side with other tools.
//!
//! It prints one line of JSON when it is ready, then answers every line of standard input (see [`Request`]) with one
//! line of JSON: the seconds of each repeat, or an `error`.

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use tinyassay_benches::{PeerSession, Request, describe};

/// Runs one model the way Tinyassay does, and answers requests on standard input with lines of JSON.
#[derive(Debug, Parser)]
#[command(name = "peer-worker", version)]
struct Args {
    /// The ONNX file: one float input in [0, 1], one output of logits.
    model: PathBuf,
    /// How many classes it has.
    #[arg(long, value_name = "K")]
    classes: usize,
    /// How many threads, each with its own sessions.
    #[arg(long, value_name = "W", default_value_t = 1)]
    workers: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match serve(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: failed to {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the model could be run.
fn serve(args: &Args) -> Result<bool> {
    let onnx = std::fs::read(&args.model).with_context(|| format!("read {}", args.model.display()))?;
    let opened = PeerSession::open(onnx.clone(), args.classes, args.workers).and_then(|session| {
        let greeting = session.greeting()?;
        Ok((session, greeting))
    });
    let mut session = match opened {
        Ok((session, greeting)) => {
            say(&greeting)?;
            session
        }
        Err(error) => {
            say(&describe(&onnx, &error).json())?;
            return Ok(false);
        }
    };
    for line in std::io::stdin().lock().lines() {
        let answer = line?.parse::<Request>().and_then(|request| session.answer(&request));
        say(&answer.unwrap_or_else(|error| json!({ "error": format!("{error:#}") })))?;
    }
    Ok(true)
}

fn say(line: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
