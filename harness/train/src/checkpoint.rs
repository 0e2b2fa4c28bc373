//! A training between two epochs, as bytes.

use crate::Error;
use graph::training::State;
use registry::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The first bytes of a file: what it is, and the version of its form.
const MAGIC: &[u8] = b"tinyassay checkpoint 1\n";
/// A digest ends the file.
const DIGEST_BYTES: usize = 32;

/// A training after a whole number of epochs: everything that the rest of it is a function of.
///
/// There is no state of a random generator: every draw is a function of seed, epoch and row.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// What the numbers depend on besides: the plan, the program, the machine.
    pub identity: Identity,
    /// How many epochs are complete.
    pub epoch: u32,
    /// What was measured after each of them, one JSON object each.
    pub metrics: Vec<String>,
    /// Parameters and running statistics.
    pub state: State,
    /// The optimiser's moments, none, one or two.
    pub moments: Vec<Vec<f32>>,
}

/// Facts by name, equal for trainings that have the same bits.
pub type Identity = BTreeMap<String, String>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    identity: Identity,
    epoch: u32,
    metrics: Vec<String>,
    parameters: usize,
    statistics: usize,
    moments: Vec<usize>,
}

impl Checkpoint {
    /// The bytes: a line that says what they are, the length of a JSON header and the header, the numbers as
    /// little-endian float32, and the SHA-256 of all before.
    pub fn encode(&self) -> Vec<u8> {
        let header = Header {
            identity: self.identity.clone(),
            epoch: self.epoch,
            metrics: self.metrics.clone(),
            parameters: self.state.parameters.len(),
            statistics: self.state.statistics.len(),
            moments: self.moments.iter().map(Vec::len).collect(),
        };
        let header = serde_json::to_vec(&header).expect("a header has string keys");
        let mut bytes = MAGIC.to_vec();
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        let vectors = [&self.state.parameters, &self.state.statistics].into_iter().chain(&self.moments);
        vectors.flatten().for_each(|value| bytes.extend(value.to_le_bytes()));
        let digest = Digest::of(&bytes);
        bytes.extend(digest.as_bytes());
        bytes
    }

    /// Reads what [`Checkpoint::encode`] wrote.
    ///
    /// Errors: [`Error::Checkpoint`] for anything else, a changed byte included.
    pub fn decode(bytes: &[u8]) -> Result<Checkpoint, Error> {
        let refuse = |reason: &str| Error::Checkpoint(reason.to_owned());
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| refuse("it is no checkpoint of this version"))?;
        let (body, digest) = bytes
            .split_at_checked(bytes.len() - DIGEST_BYTES.min(bytes.len()))
            .ok_or_else(|| refuse("it ends early"))?;
        if Digest::of(body).as_bytes() != digest {
            return Err(refuse("its bytes are not those that were written: the digest does not match"));
        }
        let rest = &rest[..rest.len() - DIGEST_BYTES];
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(|| refuse("it ends early"))?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (header, numbers) = rest.split_at_checked(length).ok_or_else(|| refuse("it ends early"))?;
        let header: Header = serde_json::from_slice(header).map_err(|error| Error::Checkpoint(error.to_string()))?;
        let (numbers, []) = numbers.as_chunks::<4>() else { return Err(refuse("it ends within a number")) };
        let mut numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let mut take = |count: usize| -> Vec<f32> { numbers.by_ref().take(count).collect() };
        let state = State { parameters: take(header.parameters), statistics: take(header.statistics) };
        let moments: Vec<Vec<f32>> = header.moments.iter().map(|&count| take(count)).collect();
        let complete = state.parameters.len() == header.parameters
            && state.statistics.len() == header.statistics
            && moments.iter().map(Vec::len).eq(header.moments);
        if !complete || numbers.next().is_some() {
            return Err(refuse("it has another number of values than its header says"));
        }
        Ok(Checkpoint { identity: header.identity, epoch: header.epoch, metrics: header.metrics, state, moments })
    }

    /// Whether a training with this identity would go on with the same bits.
    ///
    /// Errors: [`Error::Resume`] that names the first fact that differs.
    pub fn check(&self, identity: &Identity) -> Result<(), Error> {
        let names = self.identity.keys().chain(identity.keys());
        let value = |facts: &Identity, name: &str| facts.get(name).cloned().unwrap_or_else(|| "unknown".to_owned());
        for name in names {
            let (was, is) = (value(&self.identity, name), value(identity, name));
            if was != is {
                let reason =
                    format!("the checkpoint is of another training: `{name}` is {is} here, and was {was} there");
                let hint = "go on with what it was begun with, or remove the folder of the training to begin anew";
                return Err(Error::Resume { reason, hint: hint.to_owned() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        Checkpoint {
            identity: Identity::from([("plan".to_owned(), "abc".to_owned()), ("threads".to_owned(), "2".to_owned())]),
            epoch: 3,
            metrics: vec!["{\"epoch\":1}".to_owned()],
            state: State { parameters: vec![1.0, -0.0, f32::MIN_POSITIVE], statistics: vec![0.5, 1e30] },
            moments: vec![vec![0.25; 3]],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let none = Checkpoint { moments: Vec::new(), metrics: Vec::new(), ..sample() };
        for checkpoint in [sample(), none] {
            assert_eq!(Checkpoint::decode(&checkpoint.encode()).unwrap(), checkpoint);
        }
    }

    #[test]
    fn any_other_bytes_are_refused() {
        let bytes = sample().encode();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 4;
            assert!(Checkpoint::decode(&changed).is_err(), "byte {index}");
            assert!(Checkpoint::decode(&bytes[..index]).is_err(), "{index} bytes");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(Checkpoint::decode(&longer).is_err());
    }

    #[test]
    fn a_checkpoint_of_another_training_is_told_apart() {
        let mut identity = sample().identity;
        sample().check(&identity).unwrap();
        identity.insert("threads".to_owned(), "4".to_owned());
        let error = sample().check(&identity).unwrap_err().to_string();
        assert_eq!(
            error,
            "resume: the checkpoint is of another training: `threads` is 4 here, and was 2 there\nhint: go on with what it \
             was begun with, or remove the folder of the training to begin anew"
        );
    }
}
