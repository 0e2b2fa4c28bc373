use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Rows of a file, `0..10000`: from the first up to but without the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRange {
    /// The first row.
    pub start: usize,
    /// The row after the last.
    pub end: usize,
}

impl RowRange {
    /// How many rows these are; there is at least one.
    #[allow(clippy::len_without_is_empty, reason = "there are no empty ranges")]
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// As indices.
    pub fn indices(self) -> Range<usize> {
        self.start..self.end
    }
}

impl fmt::Display for RowRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

impl FromStr for RowRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pair = text.split_once("..").and_then(|(start, end)| Some((start.parse().ok()?, end.parse().ok()?)));
        match pair {
            Some((start, end)) if start < end => Ok(Self { start, end }),
            _ => Err(format!("`{text}` is no range of rows, such as `0..10000`, with at least one row")),
        }
    }
}

impl Serialize for RowRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RowRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::RowRange;

    #[test]
    fn ranges_are_read_as_they_are_written() {
        for (start, end) in [(0, 1), (10_000, 20_000), (0, usize::MAX)] {
            let range = RowRange { start, end };
            assert_eq!((range.to_string().parse(), range.len()), (Ok(range), end - start));
        }
        for wrong in ["", "1", "1..", "..2", "2..2", "3..2", "-1..2", "0..1..2", "a..b", "0..99999999999999999999"] {
            assert!(wrong.parse::<RowRange>().unwrap_err().contains("no range of rows"), "{wrong}");
        }
    }
}
