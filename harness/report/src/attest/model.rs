//! Signatures of models in the form of OpenSSF's model signing, version 1: a Sigstore bundle around an envelope around a
//! statement with the digest of every file.
//!
//! Source: <https://github.com/ossf/model-signing-spec>, and what the program `model_signing` 1.1.1 reads and writes.

use std::collections::BTreeMap;

use evidence::Digest;
use serde_json::{Value, json};

use crate::Error;
use crate::attest::{IN_TOTO, PrivateKey, PublicKey, Statement, Subject, dsse};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

const PREDICATE: &str = "https://model_signing/signature/v1.0";

/// What a model's signature says, once it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedModel {
    /// What the model was called; it says nothing of what it is.
    pub name: String,
    /// The digest of every file that was signed.
    pub files: BTreeMap<String, Digest>,
    /// Files and folders that were left out.
    pub ignored: Vec<String>,
    /// [`PublicKey::id`] of the key that signed.
    pub keyid: String,
}

/// The signature of a model's files, as JSON of one line. `ignored` are the files and folders that were left out.
pub fn sign_model(name: &str, files: &BTreeMap<String, Digest>, ignored: &[&str], key: &PrivateKey) -> String {
    // Paths are in the order of their components, as theirs: `a/b` stands before `a-b`.
    let mut sorted: Vec<(&String, &Digest)> = files.iter().collect();
    sorted.sort_by_key(|(path, _)| path.split('/').collect::<Vec<_>>());
    let resources = sorted
        .iter()
        .map(|(path, digest)| json!({ "name": path, "algorithm": "sha256", "digest": digest.to_string() }));
    let statement = Statement {
        subjects: vec![Subject::new(name, root(sorted.iter().map(|(_, digest)| **digest)))],
        predicate_type: PREDICATE.to_owned(),
        predicate: json!({
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": false,
                "ignore_paths": ignored,
            },
            "resources": resources.collect::<Vec<_>>(),
        }),
    };
    let bundle = json!({
        "mediaType": BUNDLE,
        "verificationMaterial": { "publicKey": { "hint": key.public().id() }, "tlogEntries": [] },
        "dsseEnvelope": dsse::envelope(IN_TOTO, statement.to_json().as_bytes(), key, ""),
    });
    bundle.to_string() + "\n"
}

/// Verifies a model's signature and reads what it says. The files themselves are for the caller to compare.
///
/// Errors: [`Error::Unverified`] if none of the keys signed it, [`Error::Signed`] for what is no such signature, or one of a kind
/// that is not read: digests of another kind than SHA-256, or of parts of files.
pub fn verify_model(text: &str, keys: &[PublicKey]) -> Result<SignedModel, Error> {
    let bundle: Value = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
    expect(&bundle["mediaType"], BUNDLE, "mediaType")?;
    let hint = bundle["verificationMaterial"]["publicKey"]["hint"].as_str();
    let verified = dsse::verify_value(&bundle["dsseEnvelope"], keys)?;
    expect(&Value::from(verified.payload_type), IN_TOTO, "payloadType")?;
    let keyid = verified.signers.into_iter().map(|signer| signer.keyid).next().unwrap_or_default();
    if hint.is_some_and(|hint| hint != keyid) {
        return Err(Error::Unverified("it names another key than the one that signed".to_owned()));
    }
    let statement = Statement::parse(&verified.payload)?;
    expect(&Value::from(statement.predicate_type), PREDICATE, "predicateType")?;
    let [subject] = &statement.subjects[..] else {
        return Err(refuse(format!("it has {} subjects, expected the model alone", statement.subjects.len())));
    };
    let serialization = &statement.predicate["serialization"];
    expect(&serialization["method"], "files", "method")?;
    expect(&serialization["hash_type"], "sha256", "hash_type")?;
    let resources = statement.predicate["resources"].as_array().ok_or_else(|| refuse("`resources` is no list"))?;
    let resources = resources.iter().map(resource).collect::<Result<Vec<_>, _>>()?;
    let found = root(resources.iter().map(|(_, digest)| *digest)).to_string();
    if subject.digest.get("sha256") != Some(&found) {
        return Err(refuse("the digest of the model is not that of its files' digests"));
    }
    let count = resources.len();
    let files: BTreeMap<String, Digest> = resources.into_iter().collect();
    if files.len() != count {
        return Err(refuse("a file is listed twice"));
    }
    let ignored = serialization["ignore_paths"].as_array().into_iter().flatten();
    let ignored = ignored.filter_map(|path| path.as_str().map(str::to_owned)).collect();
    Ok(SignedModel { name: subject.name.clone(), files, ignored, keyid })
}

/// The digest of the model: over the digests of its files, one after the other.
fn root(digests: impl Iterator<Item = Digest>) -> Digest {
    Digest::of(&digests.flat_map(|digest| *digest.bytes()).collect::<Vec<u8>>())
}

fn resource(value: &Value) -> Result<(String, Digest), Error> {
    expect(&value["algorithm"], "sha256", "algorithm")?;
    let name = value["name"].as_str().ok_or_else(|| refuse("a file without a name"))?;
    let digest = value["digest"].as_str().and_then(|text| text.parse().ok());
    Ok((name.to_owned(), digest.ok_or_else(|| refuse(format!("`{name}` has no SHA-256 digest")))?))
}

fn expect(found: &Value, expected: &str, field: &str) -> Result<(), Error> {
    match found.as_str() {
        Some(text) if text == expected => Ok(()),
        _ => Err(refuse(format!("`{field}` is {found}, and this version reads `{expected}`"))),
    }
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::Signed { what: "model signature", reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::key::tests::key;

    fn files() -> BTreeMap<String, Digest> {
        let names = ["manifest.yaml", "model.onnx", "a-b", "a/b"];
        names.iter().map(|name| ((*name).to_owned(), Digest::of(name.as_bytes()))).collect()
    }

    fn payload(bundle: &Value) -> Value {
        let verified = dsse::verify_value(&bundle["dsseEnvelope"], &[key().public()]).unwrap();
        serde_json::from_slice(&verified.payload).unwrap()
    }

    /// The bundle with another payload, signed by the same key.
    fn signed(payload: &Value) -> String {
        let mut bundle: Value = serde_json::from_str(&sign_model("net", &files(), &[], &key())).unwrap();
        bundle["dsseEnvelope"] = dsse::envelope(IN_TOTO, payload.to_string().as_bytes(), &key(), "");
        bundle.to_string()
    }

    #[test]
    fn a_signature_says_what_was_signed() {
        let text = sign_model("net", &files(), &["model.sig"], &key());
        let signed = verify_model(&text, &[PrivateKey::generate().unwrap().public(), key().public()]).unwrap();
        assert_eq!(signed.files, files());
        assert_eq!(
            (signed.name.as_str(), signed.ignored, signed.keyid),
            ("net", vec!["model.sig".to_owned()], key().public().id())
        );
        let other = PrivateKey::generate().unwrap();
        assert!(matches!(verify_model(&text, &[other.public()]), Err(Error::Unverified(_))));
    }

    /// The digest of a model is that of the digests of its files, in the order of their paths' components.
    #[test]
    fn the_digest_of_the_model_is_that_of_its_files() {
        let bundle = serde_json::from_str(&sign_model("net", &files(), &[], &key())).unwrap();
        let payload = payload(&bundle);
        let names: Vec<&str> = payload["predicate"]["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["a/b", "a-b", "manifest.yaml", "model.onnx"]);
        let bytes: Vec<u8> = names.iter().flat_map(|name| *Digest::of(name.as_bytes()).bytes()).collect();
        assert_eq!(payload["subject"][0]["digest"]["sha256"], Digest::of(&bytes).to_string());
    }

    #[test]
    fn the_bundle_as_text() {
        let files = files().into_iter().filter(|(name, _)| name == "model.onnx").collect();
        let bundle: Value = serde_json::from_str(&sign_model("net", &files, &["model.sig"], &key())).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&payload(&bundle)).unwrap(), @r#"
        {
          "_type": "https://in-toto.io/Statement/v1",
          "predicate": {
            "resources": [
              {
                "algorithm": "sha256",
                "digest": "d7c4b743081e6ccdf263598ab3a94f5df38c9f2aec014973c0806819d7762f26",
                "name": "model.onnx"
              }
            ],
            "serialization": {
              "allow_symlinks": false,
              "hash_type": "sha256",
              "ignore_paths": [
                "model.sig"
              ],
              "method": "files"
            }
          },
          "predicateType": "https://model_signing/signature/v1.0",
          "subject": [
            {
              "digest": {
                "sha256": "ea891bbd435fc431096e644054535d16f6bb7879157435c0055f16cb51f894f9"
              },
              "name": "net"
            }
          ]
        }
        "#);
        assert_eq!(bundle["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
        assert_eq!(
            bundle["verificationMaterial"],
            json!({ "publicKey": { "hint": key().public().id() }, "tlogEntries": [] })
        );
    }

    /// Made by `model_signing` 1.1.1 with the key of the tests, of a folder with `a/b` and `model.onnx`, each of which holds its own
    /// name: `tests/model-signing/run.sh` makes such signatures anew.
    #[test]
    fn a_signature_of_model_signing_is_read() {
        let signed = verify_model(include_str!("model_signing.sig"), &[key().public()]).unwrap();
        let names = ["a/b", "model.onnx"];
        let wanted: BTreeMap<String, Digest> =
            names.iter().map(|name| ((*name).to_owned(), Digest::of(name.as_bytes()))).collect();
        assert_eq!(signed.files, wanted);
        assert!(signed.ignored.contains(&"model.sig".to_owned()), "{:?}", signed.ignored);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let text = sign_model("net", &files(), &["model.sig"], &key());
        let mut refused = 0;
        for position in 0..text.trim_end().len() {
            let mut bytes = text.clone().into_bytes();
            bytes[position] ^= 1 << (position % 7);
            let flipped = String::from_utf8(bytes).expect("seven bits are ASCII");
            match verify_model(&flipped, &[key().public()]) {
                Err(_) => refused += 1,
                // What a signature is not made of, and may be missing: the fields `keyid` and `tlogEntries`, which are empty, and the
                // place of the key's name, which signatures of older programs have not.
                Ok(signed) => assert_eq!(signed, verify_model(&text, &[key().public()]).unwrap(), "{flipped}"),
            }
        }
        let names = ["keyid", "tlogEntries", "verificationMaterial", "publicKey", "hint"].concat().len();
        assert_eq!(refused + names, text.trim_end().len());
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let bundle: Value = serde_json::from_str(&sign_model("net", &files(), &[], &key())).unwrap();
        let good = payload(&bundle);
        assert!(verify_model(&signed(&good), &[key().public()]).is_ok());
        let twice = good["predicate"]["resources"][0].clone();
        let changes = [
            ("/predicateType", json!("https://model_signing/Digests/v0.1")),
            ("/subject", json!([good["subject"][0], good["subject"][0]])),
            ("/subject/0/digest/sha256", json!("00")),
            ("/predicate/serialization/method", json!("shards")),
            ("/predicate/serialization/hash_type", json!("blake3")),
            ("/predicate/resources", json!({})),
            ("/predicate/resources/0/algorithm", json!("blake3")),
            ("/predicate/resources/0/digest", json!("00")),
            ("/predicate/resources/0/name", json!(7)),
            ("/predicate/resources/1", twice),
        ];
        for (place, value) in changes {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap() = value;
            assert!(matches!(verify_model(&signed(&bad), &[key().public()]), Err(Error::Signed { .. })), "{place}");
        }
        let mut other = bundle.clone();
        other["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2".into();
        assert!(matches!(verify_model(&other.to_string(), &[key().public()]), Err(Error::Signed { .. })));
        let mut other = bundle;
        other["verificationMaterial"]["publicKey"]["hint"] = "00".into();
        assert!(matches!(verify_model(&other.to_string(), &[key().public()]), Err(Error::Unverified(_))));
    }
}
