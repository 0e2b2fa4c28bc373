use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{Digest, Error};

/// Canonical JSON has only f64 numbers: from here on, neighbouring integers look alike, so such numbers must be text.
pub const LARGEST_NUMBER: f64 = 9_007_199_254_740_992.0;

/// The name of a block: SHA-256 of the canonical JSON of everything that decides its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockKey(pub Digest);

impl fmt::Display for BlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BlockKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Self(text.parse()?))
    }
}

/// A key together with what it was made of, which the block keeps for auditors.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyed {
    /// The key.
    pub key: BlockKey,
    /// The key material, as it reads after one trip through canonical JSON.
    pub material: Value,
}

/// The key of `parts`.
///
/// Errors: as [`canonical`].
pub fn key<T: Serialize + ?Sized>(parts: &T) -> Result<BlockKey, Error> {
    Ok(keyed(parts)?.key)
}

/// The key of `parts`, and its material.
///
/// Errors: as [`canonical`].
pub fn keyed<T: Serialize + ?Sized>(parts: &T) -> Result<Keyed, Error> {
    let (text, material) = canonical_with_value(parts)?;
    Ok(Keyed { key: BlockKey(Digest::of(text.as_bytes())), material })
}

/// The RFC 8785 JSON of `value`.
///
/// Errors: [`Error::Canonical`] for NaN, infinities and numbers of [`LARGEST_NUMBER`] or more, which canonical JSON
/// would merge with their neighbours. Wrap seeds and the like in [`U64Text`].
pub fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    Ok(canonical_with_value(value)?.0)
}

fn canonical_with_value<T: Serialize + ?Sized>(value: &T) -> Result<(String, Value), Error> {
    let text = serde_json_canonicalizer::to_string(&value).map_err(|e| Error::Canonical(e.to_string()))?;
    let value = serde_json::from_str(&text).map_err(|e| Error::Canonical(e.to_string()))?;
    refuse_large_numbers(&value)?;
    Ok((text, value))
}

fn refuse_large_numbers(value: &Value) -> Result<(), Error> {
    match value {
        Value::Number(number) if number.as_f64().is_none_or(|n| n.abs() >= LARGEST_NUMBER) => {
            Err(Error::Canonical(format!("number {number} is not below 2^53 in magnitude: it must be text")))
        }
        Value::Array(items) => items.iter().try_for_each(refuse_large_numbers),
        Value::Object(fields) => fields.values().try_for_each(refuse_large_numbers),
        _ => Ok(()),
    }
}

/// A 64-bit number that is text in JSON, so that no digit is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct U64Text(pub u64);

impl Serialize for U64Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_key_is_pinned() {
        let parts = json!({ "b": [1.0, 0.1, 1e-7], "a": "8/255", "seed": U64Text(u64::MAX) });
        let text = r#"{"a":"8/255","b":[1,0.1,1e-7],"seed":"18446744073709551615"}"#;
        assert_eq!(canonical(&parts).unwrap(), text);
        assert_eq!(
            key(&parts).unwrap().to_string(),
            "195c15300f69baeeb368cf9c6f4fadbfda28793c2f4bab69fe25d07c055e0df8"
        );
    }

    #[test]
    fn the_order_of_fields_and_the_type_of_numbers_do_not_matter() {
        let one: Value = serde_json::from_str(r#"{"x": 1, "y": {"b": 2.0, "a": 3}}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"y": {"a": 3.0, "b": 2}, "x": 1e0}"#).unwrap();
        assert_eq!(key(&one).unwrap(), key(&two).unwrap());
    }

    #[test]
    fn any_change_changes_the_key() {
        let variants = [
            json!({"x": 1}),
            json!({"x": 2}),
            json!({"x": "1"}),
            json!({"y": 1}),
            json!({"x": [1]}),
            json!({"x": null}),
        ];
        for (i, a) in variants.iter().enumerate() {
            for b in &variants[i + 1..] {
                assert_ne!(key(a).unwrap(), key(b).unwrap(), "{a} and {b}");
            }
        }
    }

    #[test]
    fn material_has_the_same_key_again() {
        #[derive(Serialize)]
        struct Parts {
            step: f32,
            offset: f64,
            zero: f64,
        }
        let first = keyed(&Parts { step: 0.1, offset: 1.0 / 3.0, zero: -0.0 }).unwrap();
        assert_eq!(keyed(&first.material).unwrap(), first);
    }

    #[test]
    fn numbers_that_would_lose_digits_are_refused() {
        for bad in [json!(u64::MAX), json!({"seed": 9_007_199_254_740_993u64}), json!([[i64::MIN]]), json!(1e300)] {
            let error = key(&bad).unwrap_err().to_string();
            assert!(error.contains("must be text"), "{error}");
        }
        assert!(key(&json!(9_007_199_254_740_991u64)).is_ok());
        for bad in [f64::NAN, f64::INFINITY] {
            assert!(key(&bad).is_err(), "{bad}");
        }
        assert!(key(&f32::NEG_INFINITY).is_err());
    }
}
