//! Which blocks are executed again.

use crate::needed::Needed;
use evidence::Digest;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;

/// How many blocks are executed again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sample {
    /// So many per cent of them, at least one.
    Share(f64),
    /// So many.
    Blocks(usize),
    All,
}

/// What the choice is drawn from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seed {
    Number(u64),
    /// A number that nobody knew before.
    Random,
}

impl FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a share such as 5%, a number of blocks such as 3, or all; found `{text}`");
        if text == "all" {
            return Ok(Self::All);
        }
        match text.strip_suffix('%') {
            Some(share) => {
                let share: f64 = share.parse().map_err(|_| expected())?;
                if share > 0.0 && share <= 100.0 { Ok(Self::Share(share)) } else { Err(expected()) }
            }
            None => text.parse().ok().filter(|blocks| *blocks > 0).map(Self::Blocks).ok_or_else(expected),
        }
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "random" => Ok(Self::Random),
            _ => {
                text.parse().map(Self::Number).map_err(|_| format!("expected a whole number or random; found `{text}`"))
            }
        }
    }
}

impl Seed {
    /// The number; without a seed one that the results decide.
    pub(super) fn number(seed: Option<Self>, results: &str) -> u64 {
        match seed {
            Some(Self::Number(number)) => number,
            Some(Self::Random) => RandomState::new().hash_one(std::process::id()),
            None => {
                let digest = *Digest::of(results.as_bytes()).bytes();
                digest[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
            }
        }
    }
}

impl Sample {
    /// The blocks whose digests with the seed are the smallest, in the order of the plan: fewer of them are a part of more.
    pub(super) fn choose<'a>(&self, needed: &'a [Needed], seed: u64) -> Vec<&'a Needed> {
        let count = match *self {
            Self::All => needed.len(),
            Self::Blocks(count) => count.min(needed.len()),
            Self::Share(share) => ((needed.len() as f64 * share / 100.0).ceil() as usize).clamp(1, needed.len().max(1)),
        };
        let digest = |at: &usize| Digest::of(format!("tinyassay verify {seed} {}", needed[*at].key).as_bytes());
        let mut order: Vec<usize> = (0..needed.len()).collect();
        order.sort_by_cached_key(|at| (digest(at), *at));
        order.truncate(count);
        order.sort_unstable();
        order.into_iter().map(|at| &needed[at]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needed::Check;

    fn needed(count: usize) -> Vec<Needed> {
        let of = |slice: usize| Needed {
            model: 0,
            check: Check::Clean,
            slice,
            rows: Vec::new(),
            key: slice.to_string(),
            name: slice.to_string(),
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn shares_counts_and_all_are_read_and_nothing_else() {
        assert_eq!("5%".parse(), Ok(Sample::Share(5.0)));
        assert_eq!("0.5%".parse(), Ok(Sample::Share(0.5)));
        assert_eq!("3".parse(), Ok(Sample::Blocks(3)));
        assert_eq!("all".parse(), Ok(Sample::All));
        for text in ["", "0", "0%", "101%", "-1", "NaN%", "inf%", "5 %", "every"] {
            assert!(text.parse::<Sample>().is_err(), "{text}");
        }
        assert_eq!(("7".parse(), "random".parse()), (Ok(Seed::Number(7)), Ok(Seed::Random)));
        assert!("-7".parse::<Seed>().is_err());
    }

    #[test]
    fn a_choice_is_the_seeds_alone_and_fewer_are_a_part_of_more() {
        let needed = needed(40);
        let choose =
            |sample: Sample, seed| -> Vec<usize> { sample.choose(&needed, seed).iter().map(|one| one.slice).collect() };
        for (sample, count) in [
            (Sample::Share(5.0), 2),
            (Sample::Share(0.1), 1),
            (Sample::Share(100.0), 40),
            (Sample::Blocks(7), 7),
            (Sample::Blocks(90), 40),
            (Sample::All, 40),
        ] {
            assert_eq!(choose(sample, 1).len(), count, "{sample:?}");
        }
        let (few, more) = (choose(Sample::Blocks(5), 1), choose(Sample::Blocks(9), 1));
        assert!(few.iter().all(|slice| more.contains(slice)) && few.is_sorted());
        assert_ne!(few, choose(Sample::Blocks(5), 2));
        assert!(Sample::Share(5.0).choose(&[], 1).is_empty());
    }

    #[test]
    fn without_a_seed_the_results_decide() {
        assert_eq!(Seed::number(None, "a"), Seed::number(None, "a"));
        assert_ne!(Seed::number(None, "a"), Seed::number(None, "b"));
        assert_eq!(Seed::number(Some(Seed::Number(7)), "a"), 7);
        assert_ne!(Seed::number(Some(Seed::Random), "a"), Seed::number(Some(Seed::Random), "a"));
    }
}
