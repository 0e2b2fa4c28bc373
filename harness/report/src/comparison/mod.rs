//! Two reports beside each other: a baseline and a candidate, model by model and check by check.
//!
//! Shares of rows are compared on the same rows or not at all. This module knows no attack and no probe by name.

mod agreement;
mod checks;
mod document;
mod json;
mod measures;
mod pairing;

use evidence::{Interval, Paired};

use crate::{Error, Stored};

pub use agreement::Agreement;
pub use document::document;
pub use json::json;
pub use measures::{LatencyPair, MeasurePair};
pub use pairing::ModelPair;

/// What two reports say of each other. Differences are the candidate's number less the baseline's.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The names of the suites: of the baseline, of the candidate.
    pub suites: [String; 2],
    /// What has to be the same for numbers to be comparable, and whether it is.
    pub agreements: Vec<Agreement>,
    /// Which model stands beside which.
    pub models: Vec<ModelPair>,
    /// Every shared check on every pair: regressions first, then improvements, then what cannot be told apart, each by size.
    pub checks: Vec<CheckPair>,
    /// Probes and costs, in the order of the baseline.
    pub measures: Vec<MeasurePair>,
    /// Latencies that were observed in both runs.
    pub latency: Vec<LatencyPair>,
    /// What is in one of them only: in the baseline, in the candidate.
    pub only: [Vec<String>; 2],
}

/// One check on a pair of models.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckPair {
    /// The pair: its place in [`Comparison::models`].
    pub pair: usize,
    /// `clean`, the name of an attack, or `worst case`.
    pub check: String,
    /// The baseline's share of rows.
    pub baseline: Share,
    /// The candidate's.
    pub candidate: Share,
    /// The paired test, or why there is none.
    pub test: Result<Test, String>,
    /// Names of flags that make one of the two inconclusive.
    pub doubts: Vec<String>,
}

/// A share of rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// `count / total`.
    pub share: f64,
    /// Lower 95 % confidence limit (Clopper-Pearson).
    pub ci_low: f64,
    /// Upper 95 % confidence limit (Clopper-Pearson).
    pub ci_high: f64,
    /// Rows that are right.
    pub count: u64,
    /// Rows.
    pub total: u64,
}

/// Two models on the same rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// Rows by which of them has them: `a` is the candidate, `b` the baseline.
    pub rows: Paired,
    /// The candidate's share less the baseline's.
    pub difference: f64,
    /// Tango's 95 % interval of the difference, of this pair alone.
    pub interval: Interval,
    /// Two-sided p-value of McNemar's exact test.
    pub p: f64,
    /// The same after Holm's correction for every test of the comparison.
    pub p_holm: f64,
}

/// What a test says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// The candidate is worse.
    Regression,
    /// The candidate is better.
    Improvement,
    /// Neither was shown.
    Undecided,
    /// There is no test.
    NotCompared,
}

impl Word {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Improvement => "improvement",
            Self::Undecided => "cannot be told apart",
            Self::NotCompared => "not compared",
        }
    }
}

impl CheckPair {
    /// What the test says.
    pub fn word(&self) -> Word {
        match &self.test {
            Err(_) => Word::NotCompared,
            Ok(test) if test.p_holm >= evidence::SIGNIFICANCE => Word::Undecided,
            Ok(test) if test.difference < 0.0 => Word::Regression,
            Ok(_) => Word::Improvement,
        }
    }
}

impl Comparison {
    /// How many checks end with this word.
    pub fn count(&self, word: Word) -> usize {
        self.checks.iter().filter(|check| check.word() == word).count()
    }
}

/// Compares two reports. `map` names models of the baseline with those of the candidate that stand beside them; others are
/// paired by name, and a single model of each whatever the names.
///
/// Errors: [`Error::Compare`] if `map` names a model that is not there or one twice, if no model can be paired, or if a report
/// contradicts itself.
pub fn compare(baseline: &Stored, candidate: &Stored, map: &[(String, String)]) -> Result<Comparison, Error> {
    let reports = [&baseline.results, &candidate.results];
    let models = pairing::pair(reports, map)?;
    let mut only = pairing::only(reports, &models);
    let checks = checks::compare(reports, &models, &mut only)?;
    Ok(Comparison {
        suites: reports.map(|results| results.suite.clone()),
        agreements: agreement::agreements(reports),
        checks,
        measures: measures::measures(reports, &models, &mut only),
        latency: measures::latency([baseline, candidate], &models),
        models,
        only,
    })
}

#[cfg(test)]
mod tests;
