//! Results in the forms of other people's catalogues, one file per form and one line each in the table.
//!
//! Each is a pure function of the results and of what is handed in beside them: no clock, no chance. What a form has no place
//! for is left out, never bent.

mod cyclonedx;
mod huggingface;
mod huggingface_eval;
mod metric;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Digest, Results};

use crate::Error;

/// A form of another catalogue.
pub struct Export {
    /// What a user calls it.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// The text.
    pub render: fn(&Results, &Context) -> Result<String, Error>,
}

/// All forms.
pub const EXPORTS: &[Export] = &[
    Export {
        name: "cyclonedx",
        about: "a bill of materials of models and data with their measures (CycloneDX 1.6, JSON)",
        render: cyclonedx::render,
    },
    Export {
        name: "huggingface",
        about: "the `model-index` in the head of a model card on the Hugging Face Hub (YAML)",
        render: huggingface::render,
    },
    Export {
        name: "huggingface-eval",
        about: "a file of the folder `.eval_results` of a model on the Hugging Face Hub (YAML)",
        render: huggingface_eval::render,
    },
];

/// What an export needs that results do not hold.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The digest of `results.json`, which tells one report from another.
    pub results: Option<Digest>,
    /// What is known of models beside their digests, by name.
    pub models: BTreeMap<String, About>,
    /// When the measures were taken, as RFC 3339; left out without one.
    pub date: Option<String>,
    /// Where the report can be read, as a URL; left out without one.
    pub source: Option<String>,
    /// What the data set is called on the Hub [default: its name here].
    pub dataset_id: Option<String>,
}

/// What the manifest of a model says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Its licence.
    pub licence: Option<String>,
    /// Where it comes from.
    pub provenance: Option<String>,
}

/// The export of this name.
pub fn find(name: &str) -> Option<&'static Export> {
    EXPORTS.iter().find(|export| export.name == name)
}

/// The results of one model alone.
///
/// Errors: [`Error::Export`] with the names of the models that there are.
pub fn only(results: &Results, model: &str) -> Result<Results, Error> {
    let mut one = results.clone();
    one.models.retain(|found| found.name == model);
    if one.models.is_empty() {
        let names: Vec<&str> = results.models.iter().map(|model| model.name.as_str()).collect();
        return Err(Error::Export(format!("the report has no model `{model}`\nhint: it has {}", names.join(", "))));
    }
    Ok(one)
}

/// Two models of one name could not be told apart.
fn check_names(results: &Results) -> Result<(), Error> {
    let names: BTreeSet<&str> = results.models.iter().map(|model| model.name.as_str()).collect();
    match names.len() == results.models.len() {
        true => Ok(()),
        false => Err(Error::Export("two models of the report have one name".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{detectors, example, model, results, with_corruptions, with_probes};

    pub(super) fn context() -> Context {
        let about = |licence: &str| About { licence: Some(licence.into()), provenance: Some("MLPerf Tiny".into()) };
        Context {
            results: Some(Digest::of(b"results")),
            models: [
                ("resnet8-cifar10".to_owned(), about("Apache-2.0")),
                ("alone".to_owned(), about("my own: \"x\"\n")),
            ]
            .into(),
            ..Context::default()
        }
    }

    #[test]
    fn names_are_unique_and_found() {
        for export in EXPORTS {
            assert!(find(export.name).unwrap().about == export.about && !export.about.is_empty());
        }
        assert!(find("bibtex").is_none());
    }

    #[test]
    fn every_export_takes_anything_and_says_the_same_again() {
        let all = [
            example(),
            with_probes(),
            with_corruptions(),
            detectors(),
            results(vec![]),
            results(vec![model("alone", 7, &[])]),
        ];
        for export in EXPORTS {
            for results in &all {
                for context in [context(), Context::default()] {
                    let text = (export.render)(results, &context).unwrap();
                    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}", export.name);
                    assert_eq!(text, (export.render)(results, &context).unwrap(), "{}", export.name);
                    for model in &results.models {
                        assert!(text.contains(&model.name), "{}: {text}", export.name);
                    }
                }
            }
        }
    }

    #[test]
    fn a_date_and_a_source_are_there_if_they_are_given() {
        let given = Context {
            date: Some("2026-11-05T12:00:00Z".into()),
            source: Some("https://example.com/report".into()),
            ..context()
        };
        for export in EXPORTS {
            let (with, without) = ((export.render)(&example(), &given), (export.render)(&example(), &context()));
            let (with, without) = (with.unwrap(), without.unwrap());
            assert!(with.contains("https://example.com/report"), "{}", export.name);
            assert!(!without.contains("example.com") && !without.contains("2026-"), "{}", export.name);
            assert!(with.contains("2026-11-05") || export.name == "huggingface", "{}", export.name);
        }
    }

    /// Every measure of the results is in every form, with all its digits.
    #[test]
    fn no_number_is_lost() {
        for results in [example(), with_corruptions(), detectors()] {
            for model in &results.models {
                let one = only(&results, &model.name).unwrap();
                let attacks = model.attacks.iter().flat_map(|attack| [Some(attack.robust_accuracy), attack.auc]);
                let limits = model.attacks.iter().flat_map(|attack| [attack.ci_low, attack.ci_high]);
                let values =
                    [Some(model.clean_accuracy), model.clean_auc, model.worst_case.as_ref().map(|w| w.robust_accuracy)];
                let mean = model.corruptions.as_ref().map(|all| all.mean_accuracy);
                let values: Vec<f64> = values.into_iter().chain([mean]).chain(attacks).flatten().collect();
                for export in EXPORTS {
                    let text = (export.render)(&one, &context()).unwrap();
                    let limits = limits.clone().chain([model.ci_low, model.ci_high]);
                    for value in values.iter().copied().chain(limits) {
                        assert!(
                            text.contains(&value.to_string()),
                            "{}: {value} of {}\n{text}",
                            export.name,
                            model.name
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn one_model_is_taken_out_and_its_absence_is_said() {
        assert_eq!(only(&example(), "resnet8-cifar10").unwrap().models.len(), 1);
        let error = only(&example(), "resnet").unwrap_err().to_string();
        assert!(error.contains("hint: it has resnet8-cifar10-int8, resnet8-cifar10"), "{error}");
        let twice = results(vec![model("a", 7, &[]), model("a", 8, &[])]);
        assert!(EXPORTS.iter().all(|export| (export.render)(&twice, &context()).is_err()));
    }
}
