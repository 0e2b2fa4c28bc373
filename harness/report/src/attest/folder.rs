//! Statements about a report folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use evidence::{Digest, Files, GateVerdict, Results, write_atomically};
use serde_json::Value;

use crate::attest::robustness::{self, ROBUSTNESS};
use crate::attest::test_result::{self, TEST_RESULT};
use crate::attest::{IN_TOTO, PrivateKey, PublicKey, Signer, Statement, Subject, dsse, refuse_secrets};
use crate::text::plain;
use crate::{ATTESTATION, Error, Mismatch, SUITE, SUMS, VERDICT, sums};

/// The statements that a report folder can have: what the predicate is, and the file in [`ATTESTATION`].
pub const STATEMENTS: [(&str, &str); 2] =
    [(ROBUSTNESS, "robustness.dsse.json"), (TEST_RESULT, "test-result.dsse.json")];

/// What statements say of a report folder is a function of these.
pub(super) struct Report {
    pub(super) results: Results,
    pub(super) results_value: Value,
    results_digest: Digest,
    /// The digest of the list of digests.
    pub(super) sums: Digest,
    pub(super) suite: Option<Digest>,
    pub(super) verdict: Option<GateVerdict>,
    pub(super) verdict_value: Option<Value>,
}

/// A statement whose signature holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Attested {
    /// What is said.
    pub statement: Statement,
    /// Who says it: keys that were given, one or more.
    pub signers: Vec<Signer>,
    /// Signatures beside theirs, of keys that were not given.
    pub others: usize,
}

/// What [`attest_folder`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The envelopes.
    pub files: Vec<PathBuf>,
    /// Whether there is one about gates.
    pub has_test_result: bool,
    /// [`PublicKey::id`] of the key.
    pub keyid: String,
}

/// Signs a report folder: writes an envelope for each statement into its folder [`ATTESTATION`], in place of what is there.
///
/// One has the results word for word, and binds every file by the digest of `SHA256SUMS`. The other is about the gates, and
/// is left out without a `verdict.json`: a report that nothing was asked of has neither passed nor failed.
///
/// Errors: [`Error::Attest`] where the folder is no report or not what its `SHA256SUMS` says, [`Error::Secret`] where a
/// private key is in it.
pub fn attest_folder(folder: &Path, key: &PrivateKey, files: &dyn Files) -> Result<Written, Error> {
    refuse_secrets(folder)?;
    let mismatches = sums::verify(folder)?;
    if let Some(first) = mismatches.first() {
        let (Mismatch::Changed(name) | Mismatch::Missing(name) | Mismatch::Unlisted(name)) = first;
        let (name, others) = (plain(name), mismatches.len() - 1);
        let reason = format!(
            "it is not what its {SUMS} says: `{name}` and {others} others differ\nhint: run the suite again; what is done is found again"
        );
        return Err(Error::Attest { folder: folder.into(), reason });
    }
    let statements = Report::read(folder)?.statements();
    let place = folder.join(ATTESTATION);
    fs::create_dir_all(&place).map_err(Error::io("create folder", &place))?;
    remove_statements(folder)?;
    let mut written = Vec::new();
    for (file, statement) in &statements {
        let path = place.join(file);
        write_atomically(files, &path, dsse::sign(IN_TOTO, statement.to_json().as_bytes(), key).as_bytes())?;
        written.push(path);
    }
    let has_test_result = statements.iter().any(|(_, statement)| statement.predicate_type == TEST_RESULT);
    Ok(Written { files: written, has_test_result, keyid: key.public().id() })
}

/// Verifies the signatures of an envelope, and reads the statement in it.
///
/// Errors: [`Error::Unverified`] if none of the keys signed it, [`Error::Signed`] for what is no envelope of a statement.
pub fn verify_envelope(text: &str, keys: &[PublicKey]) -> Result<Attested, Error> {
    let verified = dsse::verify(text, keys)?;
    if verified.payload_type != IN_TOTO {
        let reason = format!("its content is `{}`, expected `{IN_TOTO}`", verified.payload_type);
        return Err(Error::Signed { what: "envelope", reason });
    }
    let statement = Statement::parse(&verified.payload)?;
    Ok(Attested { statement, signers: verified.signers, others: verified.others })
}

/// Where a statement and a report folder differ, in words; empty if the folder is what was signed. Of the files, those are
/// compared that the statement names itself; it is `SHA256SUMS`, whose digest it has, that the others are to be held against
/// (see [`crate::verify`]).
///
/// Errors: the folder has no results, or they cannot be read.
pub fn disagreements(folder: &Path, statement: &Statement) -> Result<Vec<String>, Error> {
    let ours = Report::read(folder)?.statements();
    let Some((_, ours)) = ours.iter().find(|(_, ours)| ours.predicate_type == statement.predicate_type) else {
        let known = STATEMENTS.iter().any(|(kind, _)| *kind == statement.predicate_type);
        return Ok(vec![match known {
            true => format!("the statement is about gates, and the folder has no {VERDICT}"),
            false => format!("a predicate `{}` cannot be compared with a report", statement.predicate_type),
        }]);
    };
    let mut differ = Vec::new();
    for subject in &statement.subjects {
        match ours.subjects.iter().find(|ours| ours.name == subject.name) {
            None => differ.push(format!("`{}` was signed, and the report is not about it", subject.name)),
            Some(ours) if ours != subject => differ.push(format!("`{}` is not what was signed", subject.name)),
            Some(_) => {}
        }
    }
    let unsigned = ours.subjects.iter().filter(|ours| statement.subjects.iter().all(|one| one.name != ours.name));
    differ.extend(unsigned.map(|ours| format!("`{}` was not signed", ours.name)));
    let fields = |value: &Value| value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default();
    let mut names: Vec<String> = fields(&statement.predicate);
    names.extend(fields(&ours.predicate));
    names.sort();
    names.dedup();
    let changed = names.into_iter().filter(|name| statement.predicate[name] != ours.predicate[name]);
    differ.extend(changed.map(|name| format!("`{name}` of the statement is not what the report says")));
    Ok(differ)
}

/// Removes what was said of an earlier report in the folder.
pub(crate) fn remove_statements(folder: &Path) -> Result<(), Error> {
    for (_, file) in STATEMENTS {
        let path = folder.join(ATTESTATION).join(file);
        match fs::remove_file(&path) {
            Err(error) if !is_absent(&error) => return Err(Error::io("remove", &path)(error)),
            _ => {}
        }
    }
    Ok(())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl Report {
    fn read(folder: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            match fs::read(&path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if is_absent(&error) => Ok(None),
                Err(error) => Err(Error::io("read", &path)(error)),
            }
        };
        let need = |name: &str| read(name)?.ok_or_else(|| Error::NoReport { folder: folder.into() });
        let refuse =
            |name: &str, reason: String| Error::Attest { folder: folder.into(), reason: format!("{name}: {reason}") };
        let value = |name: &str, bytes: &[u8]| {
            serde_json::from_slice::<Value>(bytes).map_err(|error| refuse(name, error.to_string()))
        };
        let text =
            |name: &str, bytes: Vec<u8>| String::from_utf8(bytes).map_err(|error| refuse(name, error.to_string()));
        let results = need("results.json")?;
        let (results_digest, results_value) = (Digest::of(&results), value("results.json", &results)?);
        let verdict = read(VERDICT)?;
        Ok(Self {
            results_digest,
            results_value,
            results: Results::from_json(&text("results.json", results)?)?,
            sums: Digest::of(&need(SUMS)?),
            suite: read(SUITE)?.map(|bytes| Digest::of(&bytes)),
            verdict_value: verdict.as_ref().map(|bytes| value(VERDICT, bytes)).transpose()?,
            verdict: verdict
                .map(|bytes| Ok::<_, Error>(GateVerdict::from_json(&text(VERDICT, bytes)?)?))
                .transpose()?,
        })
    }

    /// Every statement, with the name of its file.
    fn statements(&self) -> Vec<(&'static str, Statement)> {
        let statement = |kind: &str| {
            let predicate = match kind {
                ROBUSTNESS => robustness::predicate(self),
                _ => test_result::predicate(self, self.verdict.as_ref()?),
            };
            Some(Statement { subjects: self.subjects(), predicate_type: kind.to_owned(), predicate })
        };
        STATEMENTS.iter().filter_map(|(kind, file)| Some((*file, statement(kind)?))).collect()
    }

    /// The results, and every file of every model as the plan pins it.
    fn subjects(&self) -> Vec<Subject> {
        let mut subjects = vec![Subject::new("results.json", self.results_digest)];
        let models = self.results.plan.get("models").and_then(Value::as_array);
        for model in models.into_iter().flatten() {
            let files = model["files"].as_object().into_iter().flatten();
            let name = model["name"].as_str().unwrap_or_default();
            subjects.extend(
                files.map(|(file, digest)| Subject::new(format!("{name}/{file}"), digest.as_str().unwrap_or_default())),
            );
        }
        subjects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::key::tests::{key, private_pem};
    use crate::sample::{example, observations};
    use crate::{Contents, write_folder};
    use evidence::{Decision, GateResult, SystemFiles};
    use serde_json::json;

    fn gate(name: &str, model: &str, decision: Decision) -> GateResult {
        GateResult {
            gate: name.to_owned(),
            metric: "robust_accuracy".to_owned(),
            model: model.to_owned(),
            decision,
            message: "measured 0.2034".to_owned(),
            measured: Some(0.2034),
            ci_low: None,
            ci_high: None,
            threshold: Some(0.4),
            p: None,
            file: "suite.yaml".to_owned(),
            line: 7,
        }
    }

    fn verdict() -> GateVerdict {
        let gates = vec![
            gate("robust_accuracy of fgsm at least 0.4", "resnet8-cifar10", Decision::Fail),
            gate("clean_accuracy at least 0.8", "resnet8-cifar10", Decision::Pass),
            gate("clean_accuracy at least 0.8", "a\u{1b}b", Decision::Inconclusive),
        ];
        GateVerdict::of("resnet8-linf", gates)
    }

    /// A report of two models, whose files the plan pins, and a block.
    fn report(verdict: Option<&GateVerdict>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("evidence")).unwrap();
        fs::write(folder.path().join("evidence/0.json"), "block").unwrap();
        write(folder.path(), verdict);
        folder
    }

    fn write(folder: &Path, verdict: Option<&GateVerdict>) {
        let mut results = example();
        let files = |name: &str| json!({ "model.onnx": Digest::of(name.as_bytes()).to_string() });
        let models = results.models.iter().map(|model| json!({ "name": model.name, "files": files(&model.name) }));
        let models: Vec<Value> = models.collect();
        results.plan.insert("models".to_owned(), models.into());
        let (results, observations) = (&results, &observations());
        let suite = b"version: 1\n";
        let contents = Contents { results, observations, training: None, suite, verdict, pictures: &[] };
        write_folder(folder, &contents, &SystemFiles).unwrap();
    }

    fn attest(folder: &Path) -> Result<Written, Error> {
        attest_folder(folder, &key(), &SystemFiles)
    }

    fn read(folder: &Path, file: &str) -> Attested {
        let text = fs::read_to_string(folder.join(ATTESTATION).join(file)).unwrap();
        verify_envelope(&text, &[key().public()]).unwrap()
    }

    #[test]
    fn what_was_signed_is_what_the_report_says() {
        let report = report(Some(&verdict()));
        let written = attest(report.path()).unwrap();
        assert_eq!((written.files.len(), written.has_test_result), (2, true));
        assert_eq!(written.keyid, key().public().id());
        assert_eq!(sums::verify(report.path()).unwrap(), [], "signing leaves the signed files as they are");
        for (kind, file) in STATEMENTS {
            let attested = read(report.path(), file);
            assert_eq!(attested.statement.predicate_type, kind);
            assert_eq!(attested.signers, [Signer { keyid: key().public().id(), named: true }]);
            assert_eq!(disagreements(report.path(), &attested.statement).unwrap(), Vec::<String>::new());
        }
        let results: Value = serde_json::from_slice(&fs::read(report.path().join("results.json")).unwrap()).unwrap();
        let predicate = read(report.path(), "robustness.dsse.json").statement.predicate;
        assert_eq!(predicate["results"], results);
        assert_eq!(predicate["verdict"]["decision"], "fail");
        // Signed again, the files are the same, byte for byte.
        let before: Vec<_> = written.files.iter().map(|file| fs::read(file).unwrap()).collect();
        let after: Vec<_> = attest(report.path()).unwrap().files.iter().map(|file| fs::read(file).unwrap()).collect();
        assert_eq!(before, after);
    }

    #[test]
    fn the_statement_about_gates_as_text() {
        let report = report(Some(&verdict()));
        attest(report.path()).unwrap();
        let statement = read(report.path(), "test-result.dsse.json").statement;
        let value: Value = serde_json::from_str(&statement.to_json()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap(), @r#"
        {
          "_type": "https://in-toto.io/Statement/v1",
          "predicate": {
            "configuration": [
              {
                "annotations": {
                  "suite": "resnet8-linf"
                },
                "digest": {
                  "sha256": "09bfcc6a14b83e2192b8673677725c84883ee9cd0c70e45c9ec09daa8f2b2847"
                },
                "name": "suite.yaml"
              },
              {
                "annotations": {
                  "digest-of": "the canonical JSON of `plan` in results.json",
                  "suite": "resnet8-linf"
                },
                "digest": {
                  "sha256": "64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525"
                },
                "name": "plan"
              },
              {
                "annotations": {
                  "samples": 10000,
                  "selection": "the first 10000 by index"
                },
                "digest": {
                  "sha256": "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
                },
                "name": "data set cifar10, split test"
              },
              {
                "name": "tinyassay",
                "uri": "pkg:generic/tinyassay@0.1.0"
              },
              {
                "annotations": {
                  "instruction-set": "avx2",
                  "optimisation": "all",
                  "provider": "cpu"
                },
                "digest": {
                  "sha256": "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3"
                },
                "name": "onnxruntime",
                "uri": "pkg:generic/onnxruntime@1.31.1"
              }
            ],
            "failedTests": [
              "robust_accuracy of fgsm at least 0.4, model resnet8-cifar10"
            ],
            "passedTests": [
              "clean_accuracy at least 0.8, model resnet8-cifar10"
            ],
            "result": "FAILED",
            "warnedTests": [
              "clean_accuracy at least 0.8, model a\u001bb"
            ]
          },
          "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
          "subject": [
            {
              "digest": {
                "sha256": "4fc3e6375310ae050d7ea8d4d9dc2fb1c4a8618cf29b07c9a400c5be49be2759"
              },
              "name": "results.json"
            },
            {
              "digest": {
                "sha256": "251c4d47ebc8b55ffc29e12f8e0f10a09a2c8c88266da99c20d9f9d43282c765"
              },
              "name": "resnet8-cifar10-int8/model.onnx"
            },
            {
              "digest": {
                "sha256": "2b42bddaf85258fb46bc63884af5c5f34e3bc4465ca32197a07eea2027be79b0"
              },
              "name": "resnet8-cifar10/model.onnx"
            }
          ]
        }
        "#);
    }

    #[test]
    fn the_result_is_that_of_the_gates() {
        for (decision, result) in
            [(Decision::Pass, "PASSED"), (Decision::Inconclusive, "WARNED"), (Decision::Fail, "FAILED")]
        {
            let report = report(Some(&GateVerdict::of("s", vec![gate("g", "m", decision)])));
            attest(report.path()).unwrap();
            let predicate = read(report.path(), "test-result.dsse.json").statement.predicate;
            assert_eq!(predicate["result"], result);
            let counts =
                ["passedTests", "warnedTests", "failedTests"].map(|list| predicate[list].as_array().unwrap().len());
            assert_eq!(counts.iter().sum::<usize>(), 1);
            assert_eq!(counts[decision as usize], 1);
        }
    }

    #[test]
    fn a_report_without_gates_has_neither_passed_nor_failed() {
        let report = report(Some(&verdict()));
        attest(report.path()).unwrap();
        write(report.path(), None);
        assert_eq!(
            fs::read_dir(report.path().join(ATTESTATION)).unwrap().count(),
            0,
            "a new report has no old statement"
        );
        let written = attest(report.path()).unwrap();
        assert!(!written.has_test_result && written.files.len() == 1);
        assert!(read(report.path(), "robustness.dsse.json").statement.predicate.get("verdict").is_none());
    }

    #[test]
    fn a_changed_report_is_not_signed_and_disagrees_with_what_was() {
        let edits = [
            ("results.json", "0.2034", "0.9034", "`results.json` is not what was signed"),
            ("verdict.json", "0.2034", "0.9034", "`verdict`"),
            ("suite.yaml", "version: 1", "version: 2", "`configuration`"),
            (SUMS, "0", "1", "`report`"),
        ];
        for (file, from, to, said) in edits {
            let report = report(Some(&verdict()));
            attest(report.path()).unwrap();
            let statements = STATEMENTS.map(|(_, file)| read(report.path(), file).statement);
            let path = report.path().join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{file}");
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
            assert!(attest(report.path()).is_err(), "{file}");
            let differ = statements.map(|statement| disagreements(report.path(), &statement).unwrap()).concat();
            assert!(differ.iter().any(|text| text.contains(said)), "{file}: {differ:?}");
        }
    }

    #[test]
    fn subjects_that_are_more_or_fewer_are_named() {
        let report = report(None);
        attest(report.path()).unwrap();
        let statement = read(report.path(), "robustness.dsse.json").statement;
        assert_eq!(statement.subjects.len(), 3);
        let mut fewer = statement.clone();
        fewer.subjects.pop();
        assert_eq!(disagreements(report.path(), &fewer).unwrap(), ["`resnet8-cifar10/model.onnx` was not signed"]);
        let mut more = statement.clone();
        more.subjects.push(Subject::new("extra", "00"));
        let differ = disagreements(report.path(), &more).unwrap();
        assert_eq!(differ, ["`extra` was signed, and the report is not about it"]);
        for kind in [TEST_RESULT, "https://example.com/other"] {
            let other = Statement { predicate_type: kind.to_owned(), ..statement.clone() };
            assert_eq!(disagreements(report.path(), &other).unwrap().len(), 1);
        }
    }

    #[test]
    fn no_secret_and_no_other_folder_is_signed() {
        let report = report(None);
        let place = report.path().join(ATTESTATION);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("k"), private_pem()).unwrap();
        assert!(matches!(attest(report.path()), Err(Error::Secret { .. })));
        let empty = tempfile::tempdir().unwrap();
        assert!(attest(empty.path()).is_err() && attest(&empty.path().join("absent")).is_err());
        fs::write(empty.path().join(SUMS), "").unwrap();
        assert!(matches!(attest(empty.path()), Err(Error::NoReport { .. })));
    }

    #[test]
    fn an_envelope_of_something_else_is_no_statement() {
        let text = dsse::sign("text/plain", b"{}", &key());
        assert!(matches!(verify_envelope(&text, &[key().public()]), Err(Error::Signed { .. })));
        let text = dsse::sign(IN_TOTO, b"{}", &key());
        assert!(matches!(verify_envelope(&text, &[key().public()]), Err(Error::Signed { .. })));
    }
}
