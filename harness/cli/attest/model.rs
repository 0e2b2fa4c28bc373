//! Signatures of registered models.

use crate::exit::Exit;
use crate::places::Places;
use anyhow::{Context, Result};
use clap::Args;
use evidence::{Digest, SystemFiles, write_atomically};
use registry::{RegisteredModel, SIGNATURE};
use report::attest::{PrivateKey, PublicKey};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tinyassay model sign resnet8 --key ~/keys/release         writes models/resnet8/model.sig
  tinyassay model verify resnet8 --key ~/keys/release.pub   checks it

Signed is every file in the model's folder, the manifest too, but not model.sig itself, the folder training/, and what git
keeps there. The form is that of OpenSSF's model signing, version 1, and its own program verifies the signature:

  pip install model-signing pyopenssl
  model_signing verify key models/resnet8 --signature models/resnet8/model.sig --public_key ~/keys/release.pub")]
pub(crate) struct SignModelArgs {
    /// A registered name or a model folder
    pub(crate) name: String,
    /// The private key to sign with
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tinyassay model verify                                    digests of all registered models
  tinyassay model verify resnet8 --key ~/keys/release.pub   and that the key signed exactly these files

A signature that `model_signing sign key models/NAME --signature models/NAME/model.sig` made with a key on P-256 is
verified as well. Exit code 1 says that something does not hold.")]
pub(crate) struct VerifyModelArgs {
    /// Names or globs [default: all]
    pub(crate) names: Vec<String>,
    /// A public key; each model must be signed by it, or by one of several. Without one, signatures are not checked
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
}

/// Signs a model.
///
/// Errors: the key cannot be used; the model's files are not what its manifest says; a private key or a link is in the folder.
pub(crate) fn sign(places: &Places, args: &SignModelArgs) -> Result<Exit> {
    let key = PrivateKey::read(&args.key)?;
    let model = places.registry().find_one(&args.name)?;
    model.load()?;
    report::attest::refuse_secrets(&model.folder)?;
    let files = digests(&model, &RegisteredModel::UNSIGNED.map(str::to_owned))?;
    let bundle = report::attest::sign_model(&model.manifest.name, &files, &RegisteredModel::UNSIGNED, &key);
    let path = model.folder.join(SIGNATURE);
    write_atomically(&SystemFiles, &path, bundle.as_bytes())?;
    println!("wrote {}, which signs {}", path.display(), files.keys().cloned().collect::<Vec<_>>().join(", "));
    println!("signed by key {}", key.public().id());
    Ok(Exit::Pass)
}

/// Checks a model's signature, and says what was found; whether all is well. Without keys it only says that there is one.
///
/// Errors: the folder cannot be read.
pub(crate) fn verify(model: &RegisteredModel, keys: &[PublicKey]) -> Result<bool> {
    let (name, path) = (&model.manifest.name, model.folder.join(SIGNATURE));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
    };
    match (text, keys) {
        (None, []) => Ok(true),
        (None, _) => {
            println!("{name}: FAILED: it is not signed; `tinyassay model sign` signs it");
            Ok(false)
        }
        (Some(_), []) => {
            println!("{name}/{SIGNATURE}: not checked; --key names a public key to check it with");
            Ok(true)
        }
        (Some(text), keys) => check(model, &text, keys),
    }
}

fn check(model: &RegisteredModel, text: &str, keys: &[PublicKey]) -> Result<bool> {
    let name = &model.manifest.name;
    let signed = match report::attest::verify_model(text, keys) {
        Ok(signed) => signed,
        Err(error) => {
            println!("{name}/{SIGNATURE}: FAILED to {error}");
            return Ok(false);
        }
    };
    let mut ignored = signed.ignored.clone();
    ignored.push(SIGNATURE.to_owned());
    let there = digests(model, &ignored)?;
    // Without its manifest nobody knows how a file is used.
    let manifest = "manifest.yaml".to_owned();
    let needed: Vec<&String> = model.manifest.files.keys().chain([&manifest]).collect();
    let wrong = differences(&signed.files, &there, &needed);
    for line in &wrong {
        println!("{name}/{line}");
    }
    if wrong.is_empty() {
        println!("{name}/{SIGNATURE}: signed by key {}, {} files", signed.keyid, signed.files.len());
    }
    Ok(wrong.is_empty())
}

/// What was signed and is not there, is there and was not signed, or is there and different. A file that the manifest lists must
/// have been signed, whatever the signature leaves out.
fn differences(signed: &BTreeMap<String, Digest>, there: &BTreeMap<String, Digest>, listed: &[&String]) -> Vec<String> {
    let mut lines = Vec::new();
    for (file, digest) in signed {
        match there.get(file) {
            Some(found) if found == digest => {}
            Some(_) => lines.push(format!("{}: FAILED: it is not what was signed", file.escape_debug())),
            None => lines.push(format!("{}: FAILED: it was signed and is not there", file.escape_debug())),
        }
    }
    let needed = listed.iter().copied().chain(there.keys());
    let mut unsigned: Vec<&String> = needed.filter(|file| !signed.contains_key(*file)).collect();
    unsigned.sort();
    unsigned.dedup();
    lines.extend(unsigned.iter().map(|file| format!("{}: FAILED: it was not signed", file.escape_debug())));
    lines
}

fn digests(model: &RegisteredModel, ignored: &[String]) -> Result<BTreeMap<String, Digest>> {
    let digests = model.folder_digests(ignored)?;
    Ok(digests.into_iter().map(|(name, digest)| (name, Digest::from(*digest.as_bytes()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_named() {
        let map = |files: &[(&str, &[u8])]| -> BTreeMap<String, Digest> {
            files.iter().map(|(name, bytes)| ((*name).to_owned(), Digest::of(bytes))).collect()
        };
        let signed = map(&[("manifest.yaml", b"m"), ("a", b"a"), ("gone", b"g")]);
        let there = map(&[("manifest.yaml", b"m"), ("a", b"b"), ("\u{1b}new", b"n")]);
        let listed = ["a".to_owned(), "left-out.onnx".to_owned()];
        assert_eq!(
            differences(&signed, &there, &listed.iter().collect::<Vec<_>>()),
            [
                "a: FAILED: it is not what was signed",
                "gone: FAILED: it was signed and is not there",
                "\\u{1b}new: FAILED: it was not signed",
                "left-out.onnx: FAILED: it was not signed",
            ]
        );
        assert!(differences(&signed, &signed, &[]).is_empty());
    }
}
