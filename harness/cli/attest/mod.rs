//! `tinyassay attest`: signed statements about a report folder; and beside it keys, signatures of models, and exports.

mod export;
mod key;
mod model;

pub(crate) use export::{ExportArgs, run as export};
pub(crate) use key::{KeyVerb, run as key};
pub(crate) use model::{SignModelArgs, VerifyModelArgs, sign as sign_model, verify as verify_model};

use crate::exit::Exit;
use crate::places::Places;
use anyhow::Result;
use clap::Args;
use evidence::SystemFiles;
use report::attest::PrivateKey;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tinyassay key new ~/keys/release                           makes release and release.pub
  tinyassay attest reports/quickstart --key ~/keys/release   writes reports/quickstart/attestation/

Two statements (in-toto Statement v1, each in a DSSE envelope, signed with ECDSA on P-256):
  robustness.dsse.json   the results word for word, what the gates say, and the digest of SHA256SUMS, which lists every
                         other file of the report
  test-result.dsse.json  in-toto's test-result: every gate is a test that passed, warned (inconclusive) or failed; left out
                         where the report has no verdict.json

Their subjects are results.json and the files of the models, by digest. A signature says who says so; whether it is true,
only the evidence tells. The folder attestation/ is not in SHA256SUMS, which it signs.")]
pub(crate) struct AttestArgs {
    /// The folder of a report, or its name in reports/
    pub(crate) report: PathBuf,
    /// The private key to sign with
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
}

/// Signs a report folder.
///
/// Errors: the key cannot be used, the folder is no report, is not what its `SHA256SUMS` says, or has a private key in it.
pub(crate) fn run(args: &AttestArgs) -> Result<Exit> {
    let key = PrivateKey::read(&args.key)?;
    let folder = Places::from_env().report(&args.report);
    let written = report::attest::attest_folder(&folder, &key, &SystemFiles)?;
    for file in &written.files {
        println!("wrote {}", file.display());
    }
    println!("signed by key {}", written.keyid);
    if !written.has_test_result {
        println!(
            "no test-result.dsse.json: the report has no {}, so it has neither passed nor failed",
            report::VERDICT
        );
    }
    Ok(Exit::Pass)
}
