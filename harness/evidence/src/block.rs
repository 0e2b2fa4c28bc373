use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AttackColumns, AttackRow, BlockKey, CleanColumns, CleanRow, CorruptionColumns, Digest, Error, Keyed, ProbeColumns,
    ProbeRow, Witnesses, canonical, key, witness_digest,
};

/// Rows per block: a row belongs to slice `row / BLOCK_ROWS`, whatever else is evaluated.
pub const BLOCK_ROWS: usize = 250;

/// The version of the block's own layout; blocks of another version are not read.
pub const BLOCK_SCHEMA_VERSION: u32 = 1;

/// One check on rows of one slice of the data set: the unit of work, of resume and of proof.
///
/// On disk it is its own canonical JSON and a line feed, byte for byte, so that any change of the file is noticed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// [`BLOCK_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// SHA-256 of the canonical JSON of `key_material`.
    pub key: BlockKey,
    /// Everything that decides the outcome.
    pub key_material: Value,
    /// Absolute indices in the data set, increasing, all in one slice.
    pub rows: Vec<u64>,
    /// What was seen, as columns.
    pub outcome: Outcome,
    /// The file of confirmed inputs; `None` if there are none, or none were kept.
    pub witnesses: Option<WitnessFile>,
    /// SHA-256 of the canonical JSON of all other fields.
    pub outcome_digest: Digest,
}

/// The columns of a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "a block holds one outcome, and its columns are elsewhere")]
pub enum Outcome {
    /// The judge on the unchanged rows.
    Clean(CleanColumns),
    /// One attack on the rows.
    Attack(AttackColumns),
    /// One probe of the rows.
    Probe(ProbeColumns),
    /// The judge on the rows under one corruption.
    Corruption(CorruptionColumns),
}

/// What a block says about its file of confirmed inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessFile {
    /// SHA-256 of the compressed file.
    pub digest: Digest,
    /// Elements per row.
    pub row_len: u64,
    /// The rows in the file, in its order: exactly the block's attacked rows.
    pub rows: Vec<u64>,
}

impl Block {
    /// A block of clean predictions.
    ///
    /// Errors: [`Error::Block`] if the rows do not form a block.
    pub fn clean(keyed: Keyed, rows: &[CleanRow]) -> Result<Self, Error> {
        let columns = CleanColumns::of(rows);
        Self::new(keyed, rows.iter().map(|row| row.row).collect(), Outcome::Clean(columns))
    }

    /// A block of one check's outcomes.
    ///
    /// Errors: [`Error::Block`] if the rows do not form a block or contradict themselves.
    pub fn attack(keyed: Keyed, rows: &[AttackRow]) -> Result<Self, Error> {
        let columns = AttackColumns::of(rows);
        Self::new(keyed, rows.iter().map(|row| row.row).collect(), Outcome::Attack(columns))
    }

    /// A block of one probe's values.
    ///
    /// Errors: [`Error::Block`] if the rows do not form a block.
    pub fn probe(keyed: Keyed, rows: &[ProbeRow]) -> Result<Self, Error> {
        let mut columns = ProbeColumns::default();
        rows.iter().for_each(|row| columns.push(row));
        Self::new(keyed, rows.iter().map(|row| row.row).collect(), Outcome::Probe(columns))
    }

    /// A block of predictions of corrupted rows, of whose values `inputs` is the digest.
    ///
    /// Errors: [`Error::Block`] if the rows do not form a block.
    pub fn corruption(keyed: Keyed, rows: &[CleanRow], inputs: Digest) -> Result<Self, Error> {
        let columns = CorruptionColumns { predictions: CleanColumns::of(rows), inputs };
        Self::new(keyed, rows.iter().map(|row| row.row).collect(), Outcome::Corruption(columns))
    }

    fn new(keyed: Keyed, rows: Vec<u64>, outcome: Outcome) -> Result<Self, Error> {
        let block = Self {
            schema_version: BLOCK_SCHEMA_VERSION,
            key: keyed.key,
            key_material: keyed.material,
            rows,
            outcome,
            witnesses: None,
            outcome_digest: [0; 32].into(),
        };
        block.with_witnesses(None)
    }

    /// This block with another word about its witnesses, sealed and checked again.
    pub(crate) fn with_witnesses(self, witnesses: Option<WitnessFile>) -> Result<Self, Error> {
        let mut block = Self { witnesses, ..self };
        block.outcome_digest = block.digest_of_outcome()?;
        block.check()?;
        Ok(block)
    }

    /// Which slice of the data set the rows are in; `None` for a block of no rows.
    pub fn slice(&self) -> Option<u64> {
        self.rows.first().map(|row| row / BLOCK_ROWS as u64)
    }

    /// The columns, if this is a block of clean predictions.
    pub fn clean_columns(&self) -> Option<&CleanColumns> {
        match &self.outcome {
            Outcome::Clean(columns) => Some(columns),
            _ => None,
        }
    }

    /// The columns, if this is a block of an attack's outcomes.
    pub fn attack_columns(&self) -> Option<&AttackColumns> {
        match &self.outcome {
            Outcome::Attack(columns) => Some(columns),
            _ => None,
        }
    }

    /// The columns, if this is a block of a probe's values.
    pub fn probe_columns(&self) -> Option<&ProbeColumns> {
        match &self.outcome {
            Outcome::Probe(columns) => Some(columns),
            _ => None,
        }
    }

    /// The columns, if this is a block of predictions of corrupted rows.
    pub fn corruption_columns(&self) -> Option<&CorruptionColumns> {
        match &self.outcome {
            Outcome::Corruption(columns) => Some(columns),
            _ => None,
        }
    }

    /// Whether every attacked row has its witness in a file.
    pub(crate) fn has_all_witnesses(&self) -> bool {
        self.witnesses.is_some() || self.attacked().is_empty()
    }

    /// Holds witnesses against the digests of the rows.
    pub(crate) fn check_witnesses(&self, witnesses: &Witnesses) -> Result<(), Error> {
        let digests = self.attack_columns().into_iter().flat_map(|columns| columns.witness.iter().flatten());
        let expected = self.attacked().into_iter().zip(digests.copied());
        let same = witnesses.iter().map(|(row, values)| (row, witness_digest(values))).eq(expected);
        same.then_some(()).ok_or_else(|| Error::Witnesses(format!("they are not those of block {}", self.key)))
    }

    /// The file's text.
    pub(crate) fn encode(&self) -> Result<String, Error> {
        Ok(canonical(self)? + "\n")
    }

    /// Reads a file's bytes and believes nothing: layout, key, digest, and that these are the very bytes that
    /// [`Block::encode`] writes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let block: Self = serde_json::from_slice(bytes).map_err(|e| Error::Block(e.to_string()))?;
        block.check()?;
        if block.outcome_digest != block.digest_of_outcome()? {
            return Err(Error::Block("the digest of its outcome does not match".into()));
        }
        if block.encode()?.as_bytes() != bytes {
            return Err(Error::Block("its bytes are not canonical JSON and a line feed".into()));
        }
        Ok(block)
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Block(reason));
        if self.schema_version != BLOCK_SCHEMA_VERSION {
            return refuse(format!("schema version {} is not {BLOCK_SCHEMA_VERSION}", self.schema_version));
        }
        if self.key != key(&self.key_material)? {
            return refuse("its key is not that of its key material".into());
        }
        if !self.rows.is_sorted_by(|a, b| a < b) {
            return refuse("its rows are not increasing".into());
        }
        let last = self.rows.last().map(|row| row / BLOCK_ROWS as u64);
        if self.slice() != last {
            return refuse(format!("its rows are in more than one slice of {BLOCK_ROWS}"));
        }
        match &self.outcome {
            Outcome::Clean(columns) => columns.check(self.rows.len())?,
            Outcome::Attack(columns) => columns.check(self.rows.len())?,
            Outcome::Probe(columns) => columns.check(self.rows.len())?,
            Outcome::Corruption(columns) => columns.check(self.rows.len())?,
        }
        match &self.witnesses {
            Some(file) if file.rows != self.attacked() => {
                refuse("its witnesses are not those of its attacked rows".into())
            }
            _ => Ok(()),
        }
    }

    /// The rows that have a witness.
    fn attacked(&self) -> Vec<u64> {
        let witness = self.attack_columns().map_or(&[][..], |columns| &columns.witness);
        self.rows.iter().zip(witness).filter_map(|(&row, digest)| digest.map(|_| row)).collect()
    }

    fn digest_of_outcome(&self) -> Result<Digest, Error> {
        let mut value = serde_json::to_value(self).map_err(|e| Error::Canonical(e.to_string()))?;
        if let Some(fields) = value.as_object_mut() {
            fields.remove("outcome_digest");
        }
        Ok(Digest::of(canonical(&value)?.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, keyed};
    use serde_json::json;

    fn row(row: u64) -> CleanRow {
        CleanRow { label: 1, prediction: (row % 3) as u32, margin: Some(0.1 * row as f64), ..CleanRow::right(row) }
    }

    fn key_of(check: &str) -> Keyed {
        keyed(&json!({ "check": check })).unwrap()
    }

    #[test]
    fn comes_back_exactly() {
        let margins = [Some(1.0 / 3.0), Some(f64::NAN), None, Some(f64::INFINITY), Some(-0.0), Some(1e-310)];
        let rows: Vec<_> = (250..).zip(margins).map(|(index, margin)| CleanRow { margin, ..row(index) }).collect();
        let block = Block::clean(key_of("clean"), &rows).unwrap();
        assert_eq!(Block::decode(block.encode().unwrap().as_bytes()).unwrap(), block);
        let kept = [Some(1.0 / 3.0), None, None, None, Some(0.0), Some(1e-310)];
        assert_eq!(block.clean_columns().unwrap().margin, kept);
        assert_eq!(block.slice(), Some(1));
    }

    #[test]
    fn rows_of_one_slice_only() {
        let block = |rows: &[u64]| Block::clean(key_of("clean"), &rows.iter().map(|&r| row(r)).collect::<Vec<_>>());
        assert!(block(&[]).is_ok());
        assert!(block(&[0, 249]).is_ok());
        for rows in [[249, 250], [3, 3], [4, 3]] {
            assert!(block(&rows).is_err(), "{rows:?}");
        }
    }

    #[test]
    fn a_verdict_without_its_witness_is_refused() {
        let attacked = AttackRow { verdict: Verdict::Attacked, ..AttackRow::wrong(3) };
        assert!(Block::attack(key_of("a"), &[attacked]).is_err());
        let silent = AttackRow { confirmed: 1, ..AttackRow::wrong(3) };
        assert!(Block::attack(key_of("a"), &[silent]).is_err());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let block = Block::clean(key_of("clean"), &[row(7), row(8)]).unwrap();
        let bytes = block.encode().unwrap().into_bytes();
        for i in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[i] ^= 1 << bit;
                assert!(Block::decode(&damaged).is_err(), "byte {i} bit {bit}");
            }
        }
    }

    #[test]
    fn every_truncation_and_any_addition_is_noticed() {
        let bytes = Block::clean(key_of("clean"), &[row(7)]).unwrap().encode().unwrap().into_bytes();
        for end in 0..bytes.len() {
            assert!(Block::decode(&bytes[..end]).is_err(), "{end}");
        }
        assert!(Block::decode(&[&bytes[..], b"\n"].concat()).is_err());
    }
}
