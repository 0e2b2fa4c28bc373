//! `tinyassay key`: keys to sign with.

use crate::exit::Exit;
use anyhow::Result;
use clap::{Args, Subcommand};
use report::attest::PrivateKey;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyVerb {
    /// Makes a private key and its public half
    New(NewKeyArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tinyassay key new ~/keys/release    writes ~/keys/release and ~/keys/release.pub

FILE is the private key (ECDSA on P-256, PKCS#8 in PEM), which only its owner can read; it has no password. Keep it where
nothing is published: folders of reports and models are refused. FILE.pub is for those who verify. openssl reads both.")]
pub(crate) struct NewKeyArgs {
    /// Where the private key goes
    pub(crate) file: PathBuf,
    /// Writes over keys that are there
    #[arg(long)]
    pub(crate) force: bool,
}

/// Runs one verb.
///
/// Errors: a file is there, or cannot be written.
pub(crate) fn run(verb: &KeyVerb) -> Result<Exit> {
    let KeyVerb::New(args) = verb;
    let key = PrivateKey::generate()?;
    let public = key.write(&args.file, args.force)?;
    println!("private key: {} (keep it to yourself)", args.file.display());
    println!("public key:  {}", public.display());
    println!("key id:      {}", key.public().id());
    Ok(Exit::Pass)
}
