//! DSSE v1.0.2: an envelope of bytes, what they are, and signatures of both.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

use crate::Error;
use crate::attest::{PrivateKey, PublicKey};

/// What was signed, and by which of the keys that were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What the bytes are, as a media type.
    pub payload_type: String,
    /// The bytes, exactly as they were signed.
    pub payload: Vec<u8>,
    /// The keys that signed them, one or more.
    pub signers: Vec<Signer>,
    /// Signatures that are of no key that was given.
    pub others: usize,
}

/// A key that signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// [`PublicKey::id`].
    pub keyid: String,
    /// Whether the envelope calls the key so. Nothing that is signed depends on it, and other programs have other names or
    /// none; an envelope of this program in which it does not hold was changed.
    pub named: bool,
}

/// What is signed for bytes of this type: both, and their lengths, so that no two pairs have the same text.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut text = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    text.extend_from_slice(payload);
    text
}

/// The envelope with the signature of one key, as JSON of one line.
pub fn sign(payload_type: &str, payload: &[u8], key: &PrivateKey) -> String {
    envelope(payload_type, payload, key, &key.public().id()).to_string() + "\n"
}

/// The same as a value, with the signature's `keyid`.
pub(super) fn envelope(payload_type: &str, payload: &[u8], key: &PrivateKey, keyid: &str) -> Value {
    let signature = STANDARD.encode(key.sign(&pae(payload_type, payload)));
    json!({
        "payload": STANDARD.encode(payload),
        "payloadType": payload_type,
        "signatures": [{ "keyid": keyid, "sig": signature }],
    })
}

/// Verifies the signatures of an envelope. Its bytes are not looked at before one of them holds.
///
/// Fields that DSSE does not name are ignored, as it demands.
///
/// Errors: [`Error::Signed`] for text that is no envelope, [`Error::Unverified`] if none of the keys signed it.
pub fn verify(text: &str, keys: &[PublicKey]) -> Result<Verified, Error> {
    let envelope: Value = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
    verify_value(&envelope, keys)
}

/// The same of an envelope that stands in another document.
pub(super) fn verify_value(envelope: &Value, keys: &[PublicKey]) -> Result<Verified, Error> {
    let payload_type = text(envelope, "payloadType")?.to_owned();
    let payload = decode(text(envelope, "payload")?, "payload")?;
    let signatures = envelope["signatures"].as_array().ok_or_else(|| refuse("`signatures` is no list"))?;
    if signatures.is_empty() {
        return Err(refuse("it has no signature"));
    }
    let message = pae(&payload_type, &payload);
    let (mut signers, mut others) = (Vec::<Signer>::new(), 0);
    for signature in signatures {
        let bytes = decode(text(signature, "sig")?, "sig")?;
        let named = match &signature["keyid"] {
            Value::Null => None,
            Value::String(name) => Some(name),
            _ => return Err(refuse("`keyid` is no text")),
        };
        match keys.iter().find(|key| key.verifies(&message, &bytes)).map(PublicKey::id) {
            Some(keyid) if signers.iter().any(|signer| signer.keyid == keyid) => {}
            Some(keyid) => signers.push(Signer { named: named == Some(&keyid), keyid }),
            None => others += 1,
        }
    }
    if signers.is_empty() {
        return Err(Error::Unverified(unverified(signatures, keys)));
    }
    Ok(Verified { payload_type, payload, signers, others })
}

/// Why no signature holds, as far as the names of keys tell.
fn unverified(signatures: &[Value], keys: &[PublicKey]) -> String {
    let names: Vec<&str> = signatures.iter().filter_map(|signature| signature["keyid"].as_str()).collect();
    let known = keys.iter().any(|key| names.contains(&key.id().as_str()));
    match known {
        true => "the content is not what the key signed".to_owned(),
        false => "no key that was given signed this content".to_owned(),
    }
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::Signed { what: "envelope", reason: reason.into() }
}

fn text<'a>(object: &'a Value, field: &str) -> Result<&'a str, Error> {
    object[field].as_str().ok_or_else(|| refuse(format!("`{field}` is missing or no text")))
}

/// Standard or URL-safe base64, never a mixture of both.
fn decode(text: &str, field: &str) -> Result<Vec<u8>, Error> {
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(text).map_err(|error| refuse(format!("`{field}` is no base64: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::key::tests::key;

    const TYPE: &str = "http://example.com/HelloWorld";

    #[test]
    fn the_test_vector_of_the_specification() {
        assert_eq!(pae(TYPE, b"hello world"), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
        // Lengths are those of bytes.
        assert_eq!(pae("\u{e4}", "\u{20ac}".as_bytes()), "DSSEv1 2 \u{e4} 3 \u{20ac}".as_bytes());
    }

    #[test]
    fn no_two_pairs_are_signed_alike() {
        let pairs = [("a", b"b 1 c".as_slice()), ("a 5 b", b"c"), ("", b"a"), ("a", b""), ("a", b"b")];
        let texts: std::collections::BTreeSet<_> = pairs.iter().map(|(kind, body)| pae(kind, body)).collect();
        assert_eq!(texts.len(), pairs.len());
    }

    #[test]
    fn what_is_signed_comes_back_with_its_signer() {
        for body in [b"".as_slice(), b"hello world", &[0, 255, 254, 62, 63, 251, 240]] {
            let text = sign(TYPE, body, &key());
            let verified = verify(&text, &[PrivateKey::generate().unwrap().public(), key().public()]).unwrap();
            assert_eq!((verified.payload_type.as_str(), verified.payload.as_slice()), (TYPE, body));
            let signer = Signer { keyid: key().public().id(), named: true };
            assert_eq!((verified.signers, verified.others), (vec![signer], 0));
            assert_eq!(text, sign(TYPE, body, &key()), "the same bytes have the same signature");
        }
    }

    #[test]
    fn another_key_verifies_nothing() {
        let text = sign(TYPE, b"hello", &key());
        for keys in [vec![], vec![PrivateKey::generate().unwrap().public()]] {
            assert!(matches!(verify(&text, &keys), Err(Error::Unverified(_))));
        }
    }

    /// Every bit of every byte of the envelope: it is refused, or it says that the key has another name.
    #[test]
    fn every_flipped_bit_is_found() {
        let text = sign(TYPE, b"hello world", &key());
        let (mut renamed, mut refused) = (0, 0);
        for position in 0..text.trim_end().len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[position] ^= 1 << bit;
                let Ok(flipped) = String::from_utf8(bytes) else { continue };
                match verify(&flipped, &[key().public()]) {
                    Ok(verified) if verified.signers.iter().all(|signer| !signer.named) => renamed += 1,
                    Ok(verified) => panic!("{flipped}: {verified:?}"),
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(refused > 1000 && renamed > 64, "{refused} {renamed}");
    }

    #[test]
    fn every_flipped_bit_of_payload_and_signature_is_found() {
        let body = b"{\"result\":\"PASSED\"}";
        let envelope: Value = serde_json::from_str(&sign(TYPE, body, &key())).unwrap();
        let signature = decode(envelope["signatures"][0]["sig"].as_str().unwrap(), "sig").unwrap();
        for bit in 0..8 * body.len() {
            let mut changed = body.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut envelope = envelope.clone();
            envelope["payload"] = STANDARD.encode(changed).into();
            assert!(matches!(verify_value(&envelope, &[key().public()]), Err(Error::Unverified(_))));
        }
        for bit in 0..8 * signature.len() {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut envelope = envelope.clone();
            envelope["signatures"][0]["sig"] = STANDARD.encode(changed).into();
            assert!(matches!(verify_value(&envelope, &[key().public()]), Err(Error::Unverified(_))));
        }
    }

    #[test]
    fn both_alphabets_are_read() {
        let body = [0xfb, 0xff, 0xfe, 0x3e, 0x3f];
        let envelope: Value = serde_json::from_str(&sign(TYPE, &body, &key())).unwrap();
        let mut other = envelope.clone();
        for place in ["/payload", "/signatures/0/sig"] {
            let text = other.pointer_mut(place).unwrap();
            *text = text.as_str().unwrap().replace('+', "-").replace('/', "_").into();
        }
        assert!(other["payload"].as_str().unwrap().contains(['-', '_']));
        let keys = [key().public()];
        assert_eq!(verify_value(&other, &keys).unwrap(), verify_value(&envelope, &keys).unwrap());
        other["payload"] = "-+==".into();
        assert!(matches!(verify_value(&other, &keys), Err(Error::Signed { .. })), "a mixture");
    }

    #[test]
    fn several_signatures_are_told_apart() {
        let (second, third) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        let mut all: Value = serde_json::from_str(&sign(TYPE, b"text", &key())).unwrap();
        for (key, keyid) in [(&second, Some("")), (&third, None), (&third, Some("somebody"))] {
            let mut signature = envelope(TYPE, b"text", key, keyid.unwrap_or_default())["signatures"][0].clone();
            if keyid.is_none() {
                signature.as_object_mut().unwrap().remove("keyid");
            }
            all["signatures"].as_array_mut().unwrap().push(signature);
        }
        let ids = |keys: &[PublicKey]| {
            let verified = verify_value(&all, keys).unwrap();
            (verified.signers.iter().map(|signer| signer.keyid.clone()).collect::<Vec<_>>(), verified.others)
        };
        let [one, two, three] = [key().public(), second.public(), third.public()];
        assert_eq!(ids(std::slice::from_ref(&two)), (vec![two.id()], 3));
        assert_eq!(ids(&[three.clone(), one.clone()]), (vec![one.id(), three.id()], 1));
        assert_eq!(ids(&[one.clone(), two.clone(), three.clone()]).1, 0);
        let named: Vec<bool> =
            verify_value(&all, &[one, two, three]).unwrap().signers.iter().map(|signer| signer.named).collect();
        assert_eq!(named, [true, false, false], "an absent or empty name hinders nothing");
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        let good: Value = serde_json::from_str(&sign(TYPE, b"text", &key())).unwrap();
        let keys = [key().public()];
        let mut more = good.clone();
        more["extension"] = 1.into();
        assert!(verify_value(&more, &keys).is_ok(), "unknown fields are ignored");
        let changes = [
            ("/payload", json!(1)),
            ("/payload", json!("a")),
            ("/payload", json!("aGk=\n")),
            // The last digit has bits that stand for nothing.
            ("/payload", json!("aGl=")),
            ("/payloadType", json!(null)),
            ("/signatures", json!([])),
            ("/signatures", json!({})),
            ("/signatures", json!([7])),
            ("/signatures/0/sig", json!("?")),
            ("/signatures/0/keyid", json!(3)),
        ];
        for (place, value) in changes {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap() = value;
            assert!(matches!(verify_value(&bad, &keys), Err(Error::Signed { .. })), "{place}: {bad}");
        }
        for text in ["", "{", "[]", "7", "\u{0}", &format!("{good}{good}")] {
            assert!(matches!(verify(text, &keys), Err(Error::Signed { .. })), "{text}");
        }
    }
}
