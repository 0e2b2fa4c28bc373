use serde::{Deserialize, Serialize};

use crate::{CleanColumns, Digest, Error};

/// What the judge makes of corrupted rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorruptionColumns {
    /// The predictions, of corrupted rows in place of clean ones.
    pub predictions: CleanColumns,
    /// SHA-256 of the corrupted rows as little-endian float32, one after the other in the order of the block's rows: what
    /// another implementation of the same corruption is held against.
    pub inputs: Digest,
}

impl CorruptionColumns {
    pub(crate) fn check(&self, rows: usize) -> Result<(), Error> {
        self.predictions.check(rows)
    }
}
