use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::{Digest, Error, WitnessFile};

/// Part of the format: another level gives other bytes.
const LEVEL: u32 = 6;

/// The confirmed adversarial inputs of a block, as canonical tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Witnesses {
    /// Elements of one row.
    row_len: usize,
    /// Absolute indices, increasing.
    rows: Vec<u64>,
    /// `rows.len() * row_len` values.
    values: Vec<f32>,
}

/// The digest of one witness: SHA-256 over its values as little-endian f32.
pub fn witness_digest(values: &[f32]) -> Digest {
    Digest::of(&little_endian(values))
}

impl Witnesses {
    /// No witnesses yet, for rows of `row_len` elements.
    pub fn new(row_len: usize) -> Self {
        Self { row_len, rows: Vec::new(), values: Vec::new() }
    }

    /// Adds the witness of `row`. Rows come in increasing order.
    pub fn push(&mut self, row: u64, values: &[f32]) -> Result<(), Error> {
        if values.len() != self.row_len {
            let (found, wanted) = (values.len(), self.row_len);
            return Err(Error::Witnesses(format!("row {row} has {found} values instead of {wanted}")));
        }
        if self.rows.last().is_some_and(|&last| last >= row) {
            return Err(Error::Witnesses(format!("row {row} is out of order")));
        }
        self.rows.push(row);
        self.values.extend_from_slice(values);
        Ok(())
    }

    /// The rows that have a witness, increasing.
    pub fn rows(&self) -> &[u64] {
        &self.rows
    }

    /// The witness of the `index`-th of [`Witnesses::rows`].
    pub fn values(&self, index: usize) -> &[f32] {
        &self.values[index * self.row_len..][..self.row_len]
    }

    /// Row and witness, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[f32])> {
        self.rows.iter().enumerate().map(|(i, &row)| (row, self.values(i)))
    }

    /// The file's bytes, and what the block says about them.
    pub(crate) fn encode(&self) -> Result<(Vec<u8>, WitnessFile), Error> {
        let failed = |e: std::io::Error| Error::Witnesses(format!("compression: {e}"));
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
        encoder.write_all(&little_endian(&self.values)).map_err(failed)?;
        let bytes = encoder.finish().map_err(failed)?;
        let file = WitnessFile { digest: Digest::of(&bytes), row_len: self.row_len as u64, rows: self.rows.clone() };
        Ok((bytes, file))
    }

    /// Reads no more than the block promises, however much the compressed bytes may hold.
    pub(crate) fn decode(bytes: &[u8], file: &WitnessFile) -> Result<Self, Error> {
        let expected = (file.rows.len() as u64).checked_mul(file.row_len).and_then(|n| n.checked_mul(4));
        let expected = expected.ok_or_else(|| Error::Witnesses(format!("{} values per row", file.row_len)))?;
        let mut raw = Vec::new();
        let read = ZlibDecoder::new(bytes).take(expected.saturating_add(1)).read_to_end(&mut raw);
        read.map_err(|e| Error::Witnesses(format!("decompression: {e}")))?;
        if raw.len() as u64 != expected {
            return Err(Error::Witnesses(format!("{} bytes where {expected} were promised", raw.len())));
        }
        let values = raw.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        Ok(Self { row_len: file.row_len as usize, rows: file.rows.clone(), values })
    }
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Witnesses {
        let mut witnesses = Witnesses::new(3);
        witnesses.push(4, &[0.0, -0.0, 1.5]).unwrap();
        witnesses.push(9, &[f32::MIN_POSITIVE, 0.1, 254.0 / 255.0]).unwrap();
        witnesses
    }

    #[test]
    fn come_back_bit_for_bit() {
        let (bytes, file) = sample().encode().unwrap();
        let back = Witnesses::decode(&bytes, &file).unwrap();
        let bits = |w: &Witnesses| w.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!((back.rows(), bits(&back)), (sample().rows(), bits(&sample())));
        assert_eq!(back.iter().map(|(row, _)| row).collect::<Vec<_>>(), [4, 9]);
    }

    #[test]
    fn no_witness_is_a_file_too() {
        let (bytes, file) = Witnesses::new(3072).encode().unwrap();
        assert_eq!(Witnesses::decode(&bytes, &file).unwrap().rows(), &[] as &[u64]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut witnesses = sample();
        assert!(witnesses.push(10, &[1.0]).is_err());
        assert!(witnesses.push(9, &[1.0; 3]).is_err());
        let (bytes, file) = witnesses.encode().unwrap();
        let promises = |rows: Vec<u64>, row_len| WitnessFile { digest: file.digest, row_len, rows };
        for wrong in [promises(vec![4], 3), promises(vec![4, 9], 4), promises(vec![4, 9], u64::MAX)] {
            assert!(Witnesses::decode(&bytes, &wrong).is_err(), "{wrong:?}");
        }
        assert!(Witnesses::decode(&bytes[..bytes.len() - 1], &file).is_err());
    }

    #[test]
    fn the_digest_of_one_witness_is_pinned() {
        assert_eq!(witness_digest(&[1.0]), Digest::of(&[0, 0, 0x80, 0x3f]));
    }
}
