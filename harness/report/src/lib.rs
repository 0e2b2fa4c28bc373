//! Reports: results in the forms that people and machines read.
//!
//! Holds the formats, one file each, the report folder and its `SHA256SUMS`. Everything is rendered from
//! [`evidence::Results`] but what is handed in beside it: the figure of how the models were trained, and latencies that were
//! observed. This crate must not know any attack by name, nor the engine.

pub mod attest;
pub mod audit;
mod board;
mod boards;
mod checks;
mod classes;
mod columns;
mod compare;
pub mod comparison;
mod corruptions;
mod curves;
pub mod document;
mod error;
pub mod export;
mod figure;
mod folder;
mod formats;
mod gates;
mod latency;
mod merge;
mod pareto;
mod pictures;
mod plan_table;
mod ranks;
mod rendered;
mod robustness;
#[cfg(test)]
mod sample;
mod scatter;
mod sources;
mod static_cost;
mod stored;
mod sums;
mod text;
mod transfer;

pub use boards::{BOARD_FORMATS, BoardFormat, Choice};
pub use curves::{Curve, Panels, Plot};
pub use error::Error;
pub use figure::Figure;
pub use folder::{Contents, SUITE, VERDICT, check_folder, render_again, write_folder};
pub use formats::{Beside, FORMATS, Format, leaderboard};
pub use gates::{
    SUMMARY_LIMIT, Subject, VERDICT_FORMATS, VerdictFormat, annotations, check_baselines, evaluate, verdict_format,
    verdict_summary,
};
pub use latency::latency;
pub use merge::{Merged, Origin, Source, merge};
pub use pictures::{Picture, read as read_pictures};
pub use rendered::rendered;
pub use stored::Stored;
pub use sums::{ATTESTATION, Mismatch, SUMS, sha256sums, verify};
