//! Who says so: signed statements in the folder, where there are any.

use super::step::{Step, count};
use anyhow::Result;
use report::attest::{Attested, PublicKey, ROBUSTNESS, STATEMENTS, disagreements, verify_envelope};
use report::{ATTESTATION, SUMS};
use std::path::Path;

/// How the files of statements end.
const ENDING: &str = ".dsse.json";

/// A public key, and what it is called here.
pub(super) struct Key {
    name: String,
    key: PublicKey,
}

impl Key {
    /// Errors: the file cannot be read, or holds no public key.
    pub(super) fn read(path: &Path) -> Result<Self> {
        Ok(Self { name: path.display().to_string(), key: PublicKey::read(path)? })
    }
}

/// Every statement against the key, and the folder against what is stated.
pub(super) fn check(folder: &Path, key: Option<&Key>) -> Step {
    let mut step = Step::new("signature");
    let (statements, others): (Vec<String>, Vec<String>) =
        entries(folder).into_iter().partition(|name| name.ends_with(ENDING));
    for other in others {
        step.wrong
            .push(format!("{ATTESTATION}/{other}: it is no signed statement, and {SUMS} does not list what is there"));
    }
    match (key, statements.is_empty()) {
        (None, true) => step.unchecked.push("not signed: who made the report is not known".to_owned()),
        (Some(key), true) => step.wrong.push(format!(
            "{ATTESTATION}: there is no statement that {} could have signed: the report is not signed",
            key.name
        )),
        (None, false) => step.unchecked.push(format!(
            "{} in {ATTESTATION}/: name with --key the public key of whoever should have signed",
            count(statements.len(), "signed statement")
        )),
        (Some(key), false) => of_key(folder, &statements, key, &mut step),
    }
    step
}

fn of_key(folder: &Path, statements: &[String], key: &Key, step: &mut Step) {
    let mut binds_all = false;
    for file in statements {
        let file = format!("{ATTESTATION}/{file}");
        let text = std::fs::read_to_string(folder.join(&file)).map_err(|error| format!("failed to read it: {error}"));
        let attested = text.and_then(|text| {
            verify_envelope(&text, std::slice::from_ref(&key.key)).map_err(|error| format!("failed to {error}"))
        });
        match attested {
            Ok(attested) => {
                // It is the one that holds every file.
                binds_all |= attested.statement.predicate_type == ROBUSTNESS;
                of_statement(folder, &file, &attested, step);
            }
            Err(reason) => step.wrong.push(format!("{file}: {reason}")),
        }
    }
    step.checked = format!("{} with {} ({})", count(statements.len(), "signed statement"), key.name, key.key.id());
    if !binds_all {
        let file = STATEMENTS.iter().find(|(kind, _)| *kind == ROBUSTNESS).map_or("", |(_, file)| *file);
        step.wrong
            .push(format!("{ATTESTATION}/{file}: no signed statement has the digest of {SUMS}, which holds all files"));
    }
}

fn of_statement(folder: &Path, file: &str, attested: &Attested, step: &mut Step) {
    if attested.signers.iter().any(|signer| !signer.named) {
        step.wrong.push(format!("{file}: it calls the key otherwise than this program does, so it was changed"));
    }
    if attested.others > 0 {
        step.notes.push(format!("{file}: {} of other keys beside", count(attested.others, "signature")));
    }
    match disagreements(folder, &attested.statement) {
        Ok(found) => step.wrong.extend(found.into_iter().map(|what| format!("{file}: {what}"))),
        Err(error) => step.wrong.push(format!("{file}: the folder cannot be held against it: failed to {error}")),
    }
}

/// The names of what is in the folder of statements, in order.
fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join(ATTESTATION)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
