//! Reports: results in the forms that people and machines read.
//!
//! Holds the formats, one file each, the report folder and its `SHA256SUMS`. Everything is rendered from
//! [`evidence::Results`]; this crate must not know any attack by name, nor the engine.

mod board;
mod curves;
mod error;
mod folder;
mod formats;
mod plan_table;
#[cfg(test)]
mod sample;
mod sums;
mod text;

pub use curves::{Curve, Plot};
pub use error::Error;
pub use folder::{check_folder, write_folder};
pub use formats::{FORMATS, Format, leaderboard};
pub use sums::{Mismatch, SUMS, sha256sums, verify};
