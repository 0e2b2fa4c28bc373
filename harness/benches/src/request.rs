use anyhow::{Context, Result, bail, ensure};
use attack::Epsilon;
use std::path::PathBuf;
use std::str::FromStr;

/// One line of the protocol of `peer-worker`.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// `load FILE.npz`: take the rows `x` and `labels` of this file from now on.
    Load(PathBuf),
    /// `forward ROWS REPEATS`: logits.
    Forward {
        /// How many rows.
        rows: usize,
        /// How often.
        repeats: usize,
    },
    /// `gradient ROWS REPEATS`: the gradient of cross-entropy, with logits and loss.
    Gradient {
        /// How many rows.
        rows: usize,
        /// How often.
        repeats: usize,
    },
    /// `pgd20 ROWS EPSILON`: 20 steps of projected gradient ascent with the judge.
    Pgd20 {
        /// How many rows.
        rows: usize,
        /// The radius in L-inf, exact text such as `8/255`.
        epsilon: Epsilon,
    },
    /// `dump IN.npz OUT.npz`: logits and gradients of every loss head of the rows of a file.
    Dump {
        /// `x`, `labels` (int64) and `cotangents`.
        input: PathBuf,
        /// Where the results go.
        output: PathBuf,
    },
}

impl FromStr for Request {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words[..] {
            ["load", file] => Self::Load(file.into()),
            ["forward", rows, repeats] => Self::Forward { rows: count(rows)?, repeats: count(repeats)? },
            ["gradient", rows, repeats] => Self::Gradient { rows: count(rows)?, repeats: count(repeats)? },
            ["pgd20", rows, epsilon] => Self::Pgd20 { rows: count(rows)?, epsilon: epsilon.parse()? },
            ["dump", input, output] => Self::Dump { input: input.into(), output: output.into() },
            _ => bail!(
                "understand `{line}`: expected `load FILE`, `forward ROWS REPEATS`, `gradient ROWS REPEATS`, \
                 `pgd20 ROWS EPSILON` or `dump IN OUT`"
            ),
        })
    }
}

fn count(text: &str) -> Result<usize> {
    let count = text.parse().with_context(|| format!("read `{text}` as a count"))?;
    ensure!(count > 0, "read `{text}` as a count: expected at least 1");
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_understood_or_refused_with_the_reason() {
        let epsilon = "8/255".parse().expect("valid");
        let table = [
            ("load a.npz", Request::Load("a.npz".into())),
            ("forward 256 3", Request::Forward { rows: 256, repeats: 3 }),
            (" gradient  1 1 ", Request::Gradient { rows: 1, repeats: 1 }),
            ("pgd20 256 8/255", Request::Pgd20 { rows: 256, epsilon }),
            ("dump a b", Request::Dump { input: "a".into(), output: "b".into() }),
        ];
        for (line, expected) in table {
            assert_eq!(line.parse::<Request>().expect(line), expected);
        }
        let table = [
            ("", "understand ``: expected"),
            ("forward 3", "understand `forward 3`: expected"),
            ("forward 0 1", "read `0` as a count: expected at least 1"),
            ("forward -1 1", "read `-1` as a count"),
            ("pgd20 1 a", "read `a` as an exact number"),
        ];
        for (line, expected) in table {
            let error = format!("{:#}", line.parse::<Request>().expect_err(line));
            assert!(error.starts_with(expected), "{line}: {error}");
        }
    }
}
