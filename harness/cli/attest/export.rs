//! `tinyassay export`: results in the forms of other catalogues.

use crate::exit::Exit;
use crate::places::Places;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use evidence::{Digest, Results, SystemFiles, write_atomically};
use registry::RegisteredModel;
use report::export::{About, Context, EXPORTS};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tinyassay export quickstart --format cyclonedx --out bom.json
  tinyassay export quickstart --format huggingface --model signs32-cnn-pgd            for the head of its model card
  tinyassay export quickstart --format huggingface-eval --model signs32-cnn-pgd \\
    --dataset-id me/signs32 --date 2026-11-05T12:00:00Z --out .eval_results/signs32.yaml

The same report gives the same bytes; a date is in them only if it is given. Licence and provenance are those of the models that
are registered here with the digests of the report. The Hub shows results of `.eval_results` only for data sets that it lists as
benchmarks, whose own eval.yaml names the tasks.")]
pub(crate) struct ExportArgs {
    /// The folder of a report, or its name in reports/
    pub(crate) report: PathBuf,
    /// The form
    #[arg(long, value_name = "NAME", value_parser = formats())]
    pub(crate) format: String,
    /// This model alone [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Where it goes, in place of a file that is there [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// When the measures were taken, such as 2026-11-05T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) date: Option<String>,
    /// Where the report can be read
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) source: Option<String>,
    /// What the data set is called on the Hugging Face Hub [default: its name here]
    #[arg(long, value_name = "ID")]
    pub(crate) dataset_id: Option<String>,
}

fn formats() -> PossibleValuesParser {
    EXPORTS.iter().map(|export| PossibleValue::new(export.name).help(export.about)).collect::<Vec<_>>().into()
}

fn time(text: &str) -> Result<String, String> {
    match humantime::parse_rfc3339(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected a time in UTC such as 2026-11-05T12:00:00Z".to_owned()),
    }
}

fn url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_graphic() && !"<>\"{}|\\^`".contains(c);
    match rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(plain)) {
        true => Ok(text.to_owned()),
        false => Err("expected a URL such as https://example.com/report".to_owned()),
    }
}

/// Writes or prints the results in another form.
///
/// Errors: there is no such report or model, or the file cannot be written.
pub(crate) fn run(args: &ExportArgs) -> Result<Exit> {
    let places = Places::from_env();
    let folder = places.report(&args.report);
    let path = folder.join("results.json");
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(report::Error::NoReport { folder }.into());
        }
        text => text.with_context(|| format!("failed to read {}", path.display()))?,
    };
    let mut results = Results::from_json(&text).with_context(|| format!("failed to read {}", path.display()))?;
    if let Some(model) = &args.model {
        results = report::export::only(&results, model)?;
    }
    let Some(export) = report::export::find(&args.format) else { bail!("`{}` is no form", args.format) };
    let models: BTreeMap<String, About> =
        results.models.iter().filter_map(|model| about(&places, &model.name, model.digest)).collect();
    let unknown: Vec<&str> =
        results.models.iter().map(|model| &*model.name).filter(|name| !models.contains_key(*name)).collect();
    if !unknown.is_empty() {
        let names = unknown.join(", ");
        eprintln!(
            "note: without licence and provenance, as they are not registered here as they were reported: {names}"
        );
    }
    let context = Context {
        results: Some(Digest::of(text.as_bytes())),
        models,
        date: args.date.clone(),
        source: args.source.clone(),
        dataset_id: args.dataset_id.clone(),
    };
    let exported = (export.render)(&results, &context)?;
    match &args.out {
        None => print!("{exported}"),
        Some(path) => {
            write_atomically(&SystemFiles, path, exported.as_bytes())?;
            eprintln!("wrote {}", path.display());
        }
    }
    Ok(Exit::Pass)
}

/// What the manifest says of a model, if it is the one that the report is about.
fn about(places: &Places, name: &str, digest: Digest) -> Option<(String, About)> {
    let registered = places.registry().find_one(name).ok()?;
    let same = Digest::from(*registered.digest.as_bytes()) == digest;
    let RegisteredModel { manifest, .. } = registered;
    same.then(|| (name.to_owned(), About { licence: manifest.licence, provenance: manifest.provenance }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_and_urls_are_taken() {
        assert!(time("2026-11-05T12:00:00Z").is_ok() && url("https://example.com/a?b=c#d").is_ok());
        for text in ["", "yesterday", "2026-13-05T12:00:00Z", "2026-11-05T12:00:00Z\n"] {
            assert!(time(text).is_err(), "{text}");
        }
        for text in [
            "",
            "https://",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://a b",
            "https://a\n",
            "https://\u{e4}",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
