use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Which of the evaluated rows have a property, in the order of the plan's rows. In text: how many rows there are, and one bit for
/// each in hexadecimal digits, the first row in the highest bit of the first digit: `5:d0` is yes, yes, no, yes, no.
///
/// So two models can be compared row by row without their evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RowSet(Vec<bool>);

impl RowSet {
    /// How many rows have the property.
    pub fn count(&self) -> u64 {
        self.0.iter().filter(|has| **has).count() as u64
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether nothing is recorded, as in results of versions that did not.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether each row has the property.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = bool> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<bool> for RowSet {
    fn from_iter<I: IntoIterator<Item = bool>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl fmt::Display for RowSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.0.len())?;
        self.0.chunks(4).try_for_each(|four| {
            let bits = four.iter().enumerate().map(|(at, has)| u32::from(*has) << (3 - at));
            write!(f, "{:x}", bits.sum::<u32>())
        })
    }
}

impl From<RowSet> for String {
    fn from(rows: RowSet) -> Self {
        rows.to_string()
    }
}

impl TryFrom<String> for RowSet {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl FromStr for RowSet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = || Error::RowSet(text.chars().take(40).collect());
        let (rows, digits) = text.split_once(':').ok_or_else(refuse)?;
        let count: usize = rows.parse().map_err(|_| refuse())?;
        if digits.len() != count.div_ceil(4) {
            return Err(refuse());
        }
        let mut bits = Vec::new();
        for digit in digits.chars() {
            let four = digit.to_digit(16).ok_or_else(refuse)?;
            bits.extend((0..4).map(|at| four >> (3 - at) & 1 == 1));
        }
        let spare = bits.split_off(count);
        let set = Self(bits);
        // One text for one set: no spare bits, no leading zeros, no capitals.
        match spare.contains(&true) || set.to_string() != text {
            true => Err(refuse()),
            false => Ok(set),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_up_to_nine_rows_comes_back() {
        for rows in 0..10_u32 {
            for bits in 0..1_u32 << rows {
                let set: RowSet = (0..rows).map(|row| bits >> row & 1 == 1).collect();
                assert_eq!(set.to_string().parse::<RowSet>().unwrap(), set);
                assert_eq!((set.count(), set.rows()), (u64::from(bits.count_ones()), u64::from(rows)));
            }
        }
        let set: RowSet = [true, true, false, true, false].into_iter().collect();
        assert_eq!(set.to_string(), "5:d0");
        assert_eq!(RowSet::default().to_string(), "0:");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "5:",
            "5:d",
            "5:d00",
            "5:d4",
            "5:D0",
            "05:d0",
            "+5:d0",
            "5:dä",
            "5:-0",
            "99999999999:",
            "-1:",
            "4: f",
        ] {
            assert!(text.parse::<RowSet>().is_err(), "{text}");
        }
    }
}
