//! What CI runs, in one release profile.

use anyhow::{Context, Result, bail};
use std::process::Command;
use std::time::Instant;

/// Runs every step and stops at the first that fails.
///
/// Errors: a step failed or could not be started; the message names it.
pub(crate) fn run() -> Result<()> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    cargo(&["test", "--release", "--workspace"], &[])?;
    cargo(&["doc", "--release", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    step("generate --check", || crate::generate::run(true))?;
    step("models --check", || crate::models::generate(true))?;
    step("accept --small", || crate::accept::run(None, true))?;
    println!("check: all steps passed");
    Ok(())
}

fn cargo(args: &[&str], env: &[(&str, &str)]) -> Result<()> {
    step(&format!("cargo {}", args.join(" ")), || {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let status = Command::new(cargo).args(args).envs(env.iter().copied()).status().context("start cargo")?;
        if !status.success() {
            bail!("{status}");
        }
        Ok(())
    })
}

fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("check: {name}");
    let start = Instant::now();
    work().with_context(|| format!("check step failed: {name}"))?;
    eprintln!("check: {name}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
