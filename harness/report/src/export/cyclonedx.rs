//! A CycloneDX 1.6 bill of materials: models with their measures, and the data set.
//!
//! Source: <https://cyclonedx.org/docs/1.6/json/>.

use evidence::{Digest, ModelResult, Results};
use serde_json::{Map, Value, json};

use crate::Error;
use crate::attest::uri_part;
use crate::export::metric::{Metric, metrics, rows};
use crate::export::{About, Context, check_names};

/// Licences that are known by their SPDX identifier; others are given by name. The whole list of SPDX is long, and a licence that
/// is not on this one loses nothing but a link.
const SPDX: &[&str] = &[
    "0BSD",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC-BY-4.0",
    "CC-BY-NC-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "ISC",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "ODbL-1.0",
    "PDDL-1.0",
    "Unlicense",
    "Zlib",
];

/// The bill of all models of the results.
pub(super) fn render(results: &Results, context: &Context) -> Result<String, Error> {
    check_names(results)?;
    let models = results.models.iter().map(|model| component(results, model, context.models.get(&model.name)));
    let components: Vec<Value> = models.chain([dataset(results)]).collect();
    let mut bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial_number(results, context),
        "version": 1,
        "metadata": metadata(results, context),
        "components": components,
    });
    if let Some(url) = &context.source {
        bom["externalReferences"] = json!([{ "type": "evidence", "url": url }]);
    }
    let text = serde_json::to_string_pretty(&bom).map_err(|error| Error::Export(error.to_string()))?;
    Ok(text + "\n")
}

/// A UUID of version 8 (RFC 9562: what is hashed, and how, is the program's own affair) from the results and the models that are
/// listed: the same bill has the same number, on every machine.
fn serial_number(results: &Results, context: &Context) -> String {
    let mut text = format!("tinyassay cyclonedx 1\n{}\n", results.plan_digest);
    text += &context.results.map(|digest| digest.to_string()).unwrap_or_default();
    for model in &results.models {
        text += &format!("\n{}", model.name);
    }
    let digest = Digest::of(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.bytes()[..16]);
    (bytes[6], bytes[8]) = (bytes[6] & 0x0f | 0x80, bytes[8] & 0x3f | 0x80);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn metadata(results: &Results, context: &Context) -> Value {
    let runtime = &results.runtime;
    let mut metadata = json!({
        "lifecycles": [{ "phase": "post-build" }],
        "tools": {
            "components": [
                {
                    "type": "application",
                    "name": "tinyassay",
                    "version": results.tinyassay,
                    "purl": format!("pkg:generic/tinyassay@{}", uri_part(&results.tinyassay)),
                },
                {
                    "type": "library",
                    "name": "onnxruntime",
                    "version": runtime.onnxruntime,
                    "properties": properties(&[
                        ("library-sha256", runtime.library_sha256.clone()),
                        ("provider", runtime.provider.clone()),
                        ("instruction-set", runtime.instruction_set.clone()),
                        ("optimisation", runtime.optimisation.clone()),
                    ]),
                },
            ],
        },
        "properties": properties(&[
            ("suite", results.suite.clone()),
            ("plan-sha256", results.plan_digest.to_string()),
            ("results-sha256", context.results.map(|digest| digest.to_string()).unwrap_or_default()),
        ]),
    });
    if let Some(date) = &context.date {
        metadata["timestamp"] = date.as_str().into();
    }
    metadata
}

/// Names of our own, without those that have no value.
fn properties(pairs: &[(&str, String)]) -> Vec<Value> {
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| json!({ "name": format!("tinyassay:{name}"), "value": value })).collect()
}

const DATASET: &str = "dataset";

fn component(results: &Results, model: &ModelResult, about: Option<&About>) -> Value {
    let files = files(results, &model.name);
    let reference = format!("model/{}", model.name);
    let mut component = json!({
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": model.name,
        "properties": properties(&[
            ("digest", model.digest.to_string()),
            ("macs", model.macs.map(|macs| macs.to_string()).unwrap_or_default()),
            ("parameters", model.parameters.map(|count| count.to_string()).unwrap_or_default()),
        ]),
        "modelCard": card(results, model),
    });
    // One file is the model itself; of several, each is a part with a digest of its own.
    match &files[..] {
        [] => {}
        [(_, digest)] => component["hashes"] = hashes(digest),
        several => {
            let part = |(name, digest): &(String, String)| json!({ "type": "file", "bom-ref": format!("{reference}/{name}"), "name": name, "hashes": hashes(digest) });
            component["components"] = several.iter().map(part).collect();
        }
    }
    if let Some(licence) = about.and_then(|about| about.licence.as_deref()) {
        component["licenses"] = licence_choice(licence);
    }
    if let Some(provenance) = about.and_then(|about| about.provenance.as_deref()) {
        component["pedigree"] = json!({ "notes": provenance });
    }
    component
}

/// The files that the plan pins.
fn files(results: &Results, model: &str) -> Vec<(String, String)> {
    let models = results.plan.get("models").and_then(Value::as_array);
    let found = models.into_iter().flatten().find(|planned| planned["name"] == model);
    let files = found.and_then(|planned| planned["files"].as_object()).into_iter().flatten();
    files.filter_map(|(name, digest)| Some((name.clone(), digest.as_str()?.to_owned()))).collect()
}

fn hashes(sha256: &str) -> Value {
    json!([{ "alg": "SHA-256", "content": sha256 }])
}

fn licence_choice(licence: &str) -> Value {
    let key = if SPDX.contains(&licence) { "id" } else { "name" };
    let licence: Map<String, Value> = [(key.to_owned(), licence.into())].into_iter().collect();
    json!([{ "license": licence }])
}

fn dataset(results: &Results) -> Value {
    let data = &results.dataset;
    let mut component = json!({
        "type": "data",
        "bom-ref": DATASET,
        "name": data.name,
        "description": rows(results),
        "data": [{ "type": "dataset", "name": format!("{}, split {}", data.name, data.split) }],
        // It is no digest of one file, so it is none of `hashes`.
        "properties": properties(&[("digest", data.digest.to_string()), ("split", data.split.clone())]),
    });
    if let Some(licence) = &data.licence {
        component["licenses"] = licence_choice(licence);
    }
    component
}

fn card(results: &Results, model: &ModelResult) -> Value {
    let metrics = metrics(results, model);
    let cautions = metrics.iter().filter_map(|metric| {
        let caution = metric.caution().filter(|_| !metric.inconclusive.is_empty())?;
        Some(format!("{}: {caution}", metric.name))
    });
    let mut limitations = vec![
        "Confidence limits are those of 95 % (Clopper-Pearson), and speak of the choice of rows alone.".to_owned(),
        "Empirical robust accuracy is what the attacks left: an upper bound on the true one on these rows, and no proof."
            .to_owned(),
    ];
    limitations.extend(cautions);
    limitations.extend(model.notes.iter().cloned());
    json!({
        "modelParameters": { "task": "classification", "datasets": [{ "ref": DATASET }] },
        "quantitativeAnalysis": {
            "performanceMetrics": metrics.iter().map(|metric| performance(results, metric)).collect::<Vec<_>>(),
        },
        "considerations": { "technicalLimitations": limitations },
    })
}

fn performance(results: &Results, metric: &Metric) -> Value {
    let under = metric.under.as_ref().map(|under| format!("; under {under}")).unwrap_or_default();
    let mut entry = json!({
        "type": metric.name,
        "value": metric.value.to_string(),
        "slice": format!("{}{under}", rows(results)),
    });
    if let Some([low, high]) = metric.limits {
        entry["confidenceInterval"] = json!({ "lowerBound": low.to_string(), "upperBound": high.to_string() });
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::only;
    use crate::export::tests::context;
    use crate::sample::{example, model, results};

    #[test]
    fn one_model_as_text() {
        let mut one = only(&example(), "resnet8-cifar10").unwrap();
        one.models[0].attacks.truncate(1);
        one.plan = serde_json::from_value(json!({
            "models": [{ "name": "resnet8-cifar10", "files": { "model.onnx": Digest::of(b"onnx").to_string() } }],
        }))
        .unwrap();
        insta::assert_snapshot!(render(&one, &context()).unwrap(), @r#"
        {
          "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
          "bomFormat": "CycloneDX",
          "components": [
            {
              "bom-ref": "model/resnet8-cifar10",
              "hashes": [
                {
                  "alg": "SHA-256",
                  "content": "87e93f89f2be0db364e8be052f79f389e6c2da239831922e24513288af522a43"
                }
              ],
              "licenses": [
                {
                  "license": {
                    "id": "Apache-2.0"
                  }
                }
              ],
              "modelCard": {
                "considerations": {
                  "technicalLimitations": [
                    "Confidence limits are those of 95 % (Clopper-Pearson), and speak of the choice of rows alone.",
                    "Empirical robust accuracy is what the attacks left: an upper bound on the true one on these rows, and no proof."
                  ]
                },
                "modelParameters": {
                  "datasets": [
                    {
                      "ref": "dataset"
                    }
                  ],
                  "task": "classification"
                },
                "quantitativeAnalysis": {
                  "performanceMetrics": [
                    {
                      "confidenceInterval": {
                        "lowerBound": "0.86519134",
                        "upperBound": "0.87839124"
                      },
                      "slice": "cifar10, split test, 10000 rows (the first 10000 by index)",
                      "type": "clean accuracy",
                      "value": "0.8719"
                    },
                    {
                      "confidenceInterval": {
                        "lowerBound": "0.19554784",
                        "upperBound": "0.21142527"
                      },
                      "slice": "cifar10, split test, 10000 rows (the first 10000 by index); under fgsm, linf of at most 8/255 (pixels in 0..1)",
                      "type": "empirical robust accuracy, fgsm",
                      "value": "0.2034"
                    },
                    {
                      "confidenceInterval": {
                        "lowerBound": "0.00130038",
                        "upperBound": "0.0032083"
                      },
                      "slice": "cifar10, split test, 10000 rows (the first 10000 by index); under all attacks together, linf of at most 8/255 (pixels in 0..1)",
                      "type": "empirical robust accuracy, all attacks together",
                      "value": "0.0021"
                    }
                  ]
                }
              },
              "name": "resnet8-cifar10",
              "pedigree": {
                "notes": "MLPerf Tiny"
              },
              "properties": [
                {
                  "name": "tinyassay:digest",
                  "value": "2b42bddaf85258fb46bc63884af5c5f34e3bc4465ca32197a07eea2027be79b0"
                },
                {
                  "name": "tinyassay:macs",
                  "value": "12501632"
                },
                {
                  "name": "tinyassay:parameters",
                  "value": "78666"
                }
              ],
              "type": "machine-learning-model"
            },
            {
              "bom-ref": "dataset",
              "data": [
                {
                  "name": "cifar10, split test",
                  "type": "dataset"
                }
              ],
              "description": "cifar10, split test, 10000 rows (the first 10000 by index)",
              "licenses": [
                {
                  "license": {
                    "id": "MIT"
                  }
                }
              ],
              "name": "cifar10",
              "properties": [
                {
                  "name": "tinyassay:digest",
                  "value": "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
                },
                {
                  "name": "tinyassay:split",
                  "value": "test"
                }
              ],
              "type": "data"
            }
          ],
          "metadata": {
            "lifecycles": [
              {
                "phase": "post-build"
              }
            ],
            "properties": [
              {
                "name": "tinyassay:suite",
                "value": "resnet8-linf"
              },
              {
                "name": "tinyassay:plan-sha256",
                "value": "64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525"
              },
              {
                "name": "tinyassay:results-sha256",
                "value": "c099142bc3186ded72786ba27e9ea6d2da240fb9fd3fe79b479ecf8e734b2850"
              }
            ],
            "tools": {
              "components": [
                {
                  "name": "tinyassay",
                  "purl": "pkg:generic/tinyassay@0.1.0",
                  "type": "application",
                  "version": "0.1.0"
                },
                {
                  "name": "onnxruntime",
                  "properties": [
                    {
                      "name": "tinyassay:library-sha256",
                      "value": "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3"
                    },
                    {
                      "name": "tinyassay:provider",
                      "value": "cpu"
                    },
                    {
                      "name": "tinyassay:instruction-set",
                      "value": "avx2"
                    },
                    {
                      "name": "tinyassay:optimisation",
                      "value": "all"
                    }
                  ],
                  "type": "library",
                  "version": "1.31.1"
                }
              ]
            }
          },
          "serialNumber": "urn:uuid:a3359de0-ab79-8ae6-8811-0242407d15db",
          "specVersion": "1.6",
          "version": 1
        }
        "#);
    }

    fn bom(results: &Results, context: &Context) -> Value {
        serde_json::from_str(&render(results, context).unwrap()).unwrap()
    }

    #[test]
    fn references_are_unique_and_files_have_their_digests() {
        let mut two = results(vec![model("a", 7, &[]), model("dataset", 7, &[])]);
        let digest = |byte: &str| byte.repeat(32);
        two.plan = serde_json::from_value(json!({
            "models": [
                { "name": "a", "files": { "model.onnx": digest("ab"), "weights.bin": digest("cd") } },
                { "name": "dataset", "files": { "model.onnx": digest("ef") } },
            ],
        }))
        .unwrap();
        let bom = bom(&two, &context());
        let components = bom["components"].as_array().unwrap();
        let parts = components.iter().chain(components[0]["components"].as_array().unwrap());
        let references: std::collections::BTreeSet<&str> =
            parts.clone().map(|part| part["bom-ref"].as_str().unwrap()).collect();
        assert_eq!(references.len(), parts.count());
        assert_eq!(components[0]["components"][1]["hashes"][0]["content"], digest("cd"));
        assert!(components[0].get("hashes").is_none());
        assert_eq!(components[1]["hashes"][0]["content"], digest("ef"));
    }

    #[test]
    fn the_serial_number_is_that_of_the_content() {
        let serial = |results: &Results, context: &Context| bom(results, context)["serialNumber"].clone();
        let all = serial(&example(), &context());
        let text = all.as_str().unwrap();
        // urn:uuid:, then 8-4-4-4-12 digits; version 8, variant 10.
        assert_eq!(text.len(), 45);
        assert_eq!((&text[23..24], "89ab".contains(&text[28..29])), ("8", true), "{text}");
        assert_eq!(all, serial(&example(), &context()));
        let others = [
            serial(&only(&example(), "resnet8-cifar10").unwrap(), &context()),
            serial(&example(), &Context { results: Some(Digest::of(b"other")), ..context() }),
        ];
        assert!(others.iter().all(|other| *other != all) && others[0] != others[1]);
    }

    #[test]
    fn licences_are_identifiers_where_they_are_known() {
        assert_eq!(licence_choice("MIT"), json!([{ "license": { "id": "MIT" } }]));
        assert_eq!(licence_choice("mine"), json!([{ "license": { "name": "mine" } }]));
    }

    #[test]
    fn what_is_inconclusive_is_said() {
        let mut results = example();
        results.models[0].attacks[1].inconclusive = vec![evidence::Flag::ZeroGradient];
        let bom = bom(&results, &context());
        let said = |model: usize| bom["components"][model]["modelCard"]["considerations"].to_string();
        let name = evidence::Flag::ZeroGradient.name();
        assert!(said(0).contains(&format!("pgd-20: upper bound; inconclusive: {name}")), "{}", said(0));
        assert!(said(0).contains("all attacks together") && !said(1).contains(name));
    }
}
