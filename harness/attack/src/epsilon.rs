use crate::Error;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A non-negative exact number from text, `8/255`, `0.031` or `1e-3`: a radius or a step size.
///
/// It keeps the user's text to show, and compares by value. Numerator and denominator, reduced, are at most 2^53, so
/// that both are exact in f64.
#[derive(Debug, Clone)]
pub struct Epsilon {
    numerator: u64,
    denominator: u64,
    text: String,
}

const LARGEST: u128 = 1 << 53;

impl Epsilon {
    /// The numerator of the reduced fraction.
    pub fn numerator(&self) -> u64 {
        self.numerator
    }

    /// The denominator of the reduced fraction, never zero.
    pub fn denominator(&self) -> u64 {
        self.denominator
    }

    /// The nearest f64.
    pub fn to_f64(&self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.numerator == 0
    }

    /// The reduced fraction, the same text for equal values: `8/255`, `31/1000`, `2`.
    pub fn fraction(&self) -> String {
        match self.denominator {
            1 => self.numerator.to_string(),
            denominator => format!("{}/{denominator}", self.numerator),
        }
    }

    /// Numerator and denominator.
    pub(crate) fn ratio(&self) -> (u128, u128) {
        (u128::from(self.numerator), u128::from(self.denominator))
    }

    /// This divided by a whole number, exactly.
    pub fn divided_by(&self, divisor: u64) -> Result<Epsilon, Error> {
        let numerator = u128::from(self.numerator);
        let denominator = u128::from(self.denominator) * u128::from(divisor);
        let mut quotient = reduced(numerator, denominator)
            .map_err(|reason| Error::Epsilon { text: format!("({self})/{divisor}"), reason })?;
        quotient.text = quotient.fraction();
        Ok(quotient)
    }

    /// This times a whole number, exactly.
    pub fn times(&self, factor: u64) -> Result<Epsilon, Error> {
        let numerator = u128::from(self.numerator) * u128::from(factor);
        let denominator = u128::from(self.denominator);
        let mut product = reduced(numerator, denominator)
            .map_err(|reason| Error::Epsilon { text: format!("{factor} ({self})"), reason })?;
        product.text = product.fraction();
        Ok(product)
    }
}

/// The largest f64 that is surely at most the square of a fraction, exact where that is a small whole number.
pub(crate) fn square_below((numerator, denominator): (u128, u128)) -> f64 {
    if numerator == 0 {
        return 0.0;
    }
    if numerator % denominator == 0 && numerator / denominator < 1 << 26 {
        let whole = (numerator / denominator) as f64;
        return whole * whole;
    }
    // One unit for each rounding: of the numerator, of the quotient, and of a denominator that is not exact in f64.
    let mut below = (numerator as f64 / denominator as f64).next_down().next_down();
    if denominator > LARGEST {
        below = below.next_down();
    }
    (below * below).next_down()
}

/// The largest f64 that is surely at most a fraction, exact where that is a whole number. Both are at most 2^53.
pub(crate) fn below((numerator, denominator): (u128, u128)) -> f64 {
    let quotient = numerator as f64 / denominator as f64;
    if numerator % denominator == 0 { quotient } else { quotient.next_down() }
}

impl FromStr for Epsilon {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let trimmed = text.trim();
        let parsed = match trimmed.split_once('/') {
            Some((numerator, denominator)) => fraction(numerator.trim(), denominator.trim()),
            None => decimal(trimmed),
        };
        let mut epsilon = parsed.map_err(|reason| Error::Epsilon { text: text.to_owned(), reason })?;
        epsilon.text = trimmed.to_owned();
        Ok(epsilon)
    }
}

const NONSENSE: &str = "expected a fraction or a decimal such as 8/255, 0.031 or 1e-3";
const NEGATIVE: &str = "it must not be negative";
const TOO_FINE: &str = "numerator and denominator must fit 2^53 when reduced; write it as a fraction, such as 8/255";

fn fraction(numerator: &str, denominator: &str) -> Result<Epsilon, &'static str> {
    let numerator = whole(numerator)?;
    match whole(denominator)? {
        0 => Err("its denominator is zero"),
        denominator => reduced(numerator, denominator),
    }
}

fn decimal(text: &str) -> Result<Epsilon, &'static str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Err(if decimal(rest).is_ok() { NEGATIVE } else { NONSENSE });
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| NONSENSE)?),
        None => (text, 0),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if before.is_empty() && after.is_empty() {
        return Err(NONSENSE);
    }
    let after = after.trim_end_matches('0');
    // The leading zero stands for the empty digits of `.5` and `0.0`.
    let digits = whole(&format!("0{before}{after}"))?;
    let power = i64::from(exponent) - after.len() as i64;
    let scale = u32::try_from(power.unsigned_abs()).ok().and_then(|power| 10u128.checked_pow(power));
    match (digits, scale) {
        (0, _) => reduced(0, 1),
        (_, None) => Err(TOO_FINE),
        (digits, Some(scale)) if power >= 0 => reduced(digits.checked_mul(scale).ok_or(TOO_FINE)?, 1),
        (digits, Some(scale)) => reduced(digits, scale),
    }
}

fn whole(text: &str) -> Result<u128, &'static str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Err(if whole(rest).is_ok() { NEGATIVE } else { NONSENSE });
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NONSENSE);
    }
    text.parse().map_err(|_| TOO_FINE)
}

fn reduced(numerator: u128, denominator: u128) -> Result<Epsilon, &'static str> {
    let (mut a, mut b) = (numerator, denominator);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let (numerator, denominator) = (numerator / a, denominator / a);
    if numerator > LARGEST || denominator > LARGEST {
        return Err(TOO_FINE);
    }
    Ok(Epsilon { numerator: numerator as u64, denominator: denominator as u64, text: String::new() })
}

impl fmt::Display for Epsilon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl PartialEq for Epsilon {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Epsilon {}

impl PartialOrd for Epsilon {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Epsilon {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = u128::from(self.numerator) * u128::from(other.denominator);
        left.cmp(&(u128::from(other.numerator) * u128::from(self.denominator)))
    }
}

impl Serialize for Epsilon {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Epsilon {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| match error {
            Error::Epsilon { text, reason } => de::Error::custom(format!("`{text}`: {reason}")),
            other => de::Error::custom(other),
        })
    }
}

impl JsonSchema for Epsilon {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An exact number: a fraction (`8/255`) or a decimal (`0.031`, `1e-3`).",
            "anyOf": [
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?(/[0-9]+)?$" },
                { "type": "number", "minimum": 0 }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fractions_and_decimals_exactly() {
        let table: &[(&str, u64, u64)] = &[
            ("8/255", 8, 255),
            (" 16 / 510 ", 8, 255),
            ("0.031", 31, 1000),
            ("1e-3", 1, 1000),
            ("2.5E+1", 25, 1),
            ("0", 0, 1),
            ("0.0", 0, 1),
            ("0/7", 0, 1),
            ("0e999", 0, 1),
            (".5", 1, 2),
            ("3.", 3, 1),
            ("1", 1, 1),
            ("0.10000000000000000000000", 1, 10),
            ("9007199254740992", 1 << 53, 1),
        ];
        for (text, numerator, denominator) in table {
            let epsilon: Epsilon = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((epsilon.numerator(), epsilon.denominator()), (*numerator, *denominator), "{text}");
            assert_eq!(epsilon.to_string(), text.trim());
        }
    }

    #[test]
    fn refuses_what_is_not_an_exact_non_negative_number() {
        let table: &[(&str, &str)] = &[
            ("-1", NEGATIVE),
            ("-8/255", NEGATIVE),
            ("8/-255", NEGATIVE),
            ("1/0", "its denominator is zero"),
            ("0/0", "its denominator is zero"),
            ("", NONSENSE),
            (".", NONSENSE),
            ("/", NONSENSE),
            ("e5", NONSENSE),
            ("nan", NONSENSE),
            ("inf", NONSENSE),
            ("+1", NONSENSE),
            ("--1", NONSENSE),
            ("1/2/3", NONSENSE),
            ("8/255.0", NONSENSE),
            ("0x10", NONSENSE),
            ("1e", NONSENSE),
            ("1_000", NONSENSE),
            ("٣", NONSENSE),
            ("1e-40", TOO_FINE),
            ("1e99999999", TOO_FINE),
            ("9007199254740993", TOO_FINE),
            ("340282366920938463463374607431768211456", TOO_FINE),
        ];
        for (text, reason) in table {
            match text.parse::<Epsilon>() {
                Err(Error::Epsilon { reason: found, .. }) => assert_eq!(found, *reason, "`{text}`"),
                other => panic!("`{text}`: {other:?}"),
            }
        }
    }

    #[test]
    fn compares_and_divides_by_value() {
        let parse = |text: &str| text.parse::<Epsilon>().expect("valid");
        assert_eq!(parse("0.031"), parse("31/1000"));
        assert!(parse("0.031") < parse("8/255"));
        assert_eq!(parse("8/255").divided_by(4).expect("small"), parse("2/255"));
        assert_eq!(parse("8/255").divided_by(4).expect("small").to_string(), "2/255");
        assert!(parse("1/9007199254740992").divided_by(4).is_err());
    }
}
