//! Evidence that is only read: nothing is created, moved or removed, as [`crate::Store`] does for a run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::store::witness_path;
use crate::{Block, Digest, Error, Witnesses};

/// All blocks of a folder, each checked, in the order of their keys.
///
/// Errors: [`Error::Io`] if the folder or a file cannot be read; [`Error::Damaged`] for a block that is not what it was
/// when it was written.
pub fn read_blocks(folder: &Path) -> Result<Vec<Block>, Error> {
    read_each_block(folder)?.into_iter().map(|file| file.block).collect()
}

/// A file of a block.
#[derive(Debug)]
pub struct BlockFile {
    /// Where it is.
    pub path: PathBuf,
    /// The block, checked, or what is wrong with the file.
    pub block: Result<Block, Error>,
}

/// Every file of a block in a folder, damaged or not, in the order of their names.
///
/// Errors: [`Error::Io`] if the folder cannot be read.
pub fn read_each_block(folder: &Path) -> Result<Vec<BlockFile>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(Error::io("read", folder))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let block = read_block(&path);
        BlockFile { path, block }
    };
    Ok(paths.into_iter().map(read).collect())
}

fn read_block(path: &Path) -> Result<Block, Error> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let damaged = |reason: String| Error::Damaged { path: path.into(), reason };
    let block = Block::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
    if path.file_stem().is_some_and(|stem| stem.to_str() != Some(&block.key.to_string())) {
        return Err(damaged(format!("it is block {}", block.key)));
    }
    Ok(block)
}

/// The witnesses of a block of this folder; `None` if there are none, or none were kept.
///
/// Errors: [`Error::Io`] if the file is gone or cannot be read; [`Error::Damaged`] if it, or one witness in it, does not
/// have the digest that the block names.
pub fn read_witnesses(folder: &Path, block: &Block) -> Result<Option<Witnesses>, Error> {
    let Some(described) = &block.witnesses else { return Ok(None) };
    let path = witness_path(folder, &block.key);
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    let damaged = |reason: String| Error::Damaged { path: path.clone(), reason };
    if Digest::of(&bytes) != described.digest {
        return Err(damaged("the digest does not match".into()));
    }
    let witnesses = Witnesses::decode(&bytes, described).map_err(|error| damaged(error.to_string()))?;
    block.check_witnesses(&witnesses).map_err(|error| damaged(error.to_string()))?;
    Ok(Some(witnesses))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::names;
    use crate::{AttackRow, Keep, Store, Verdict, keyed, witness_digest};
    use serde_json::json;

    const VALUES: [f32; 2] = [0.25, 1.0 / 3.0];

    fn saved(folder: &Path, keep: bool) -> Block {
        let attacked = AttackRow {
            verdict: Verdict::Attacked,
            adversarial_class: Some(1),
            found: 1,
            confirmed: 1,
            witness: Some(witness_digest(&VALUES)),
            ..AttackRow::wrong(3)
        };
        let mut witnesses = Witnesses::new(2);
        witnesses.push(3, &VALUES).unwrap();
        let block = Block::attack(keyed(&json!({ "keep": keep })).unwrap(), &[attacked]).unwrap();
        Store::open(folder, None).unwrap().save(block, keep.then_some(&witnesses)).unwrap()
    }

    #[test]
    fn what_a_store_wrote_comes_back_and_nothing_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (with, without) = (saved(folder.path(), true), saved(folder.path(), false));
        fs::write(folder.path().join(".half.json.0.tmp"), b"{").unwrap();
        let before = names(folder.path());
        let mut expected = vec![with.clone(), without.clone()];
        expected.sort_by_key(|block| block.key.to_string());
        assert_eq!(read_blocks(folder.path()).unwrap(), expected);
        assert_eq!(read_witnesses(folder.path(), &with).unwrap().unwrap().values(0), VALUES);
        assert_eq!(read_witnesses(folder.path(), &without).unwrap(), None);
        assert_eq!(names(folder.path()), before);
    }

    #[test]
    fn damage_is_named_and_left_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (block, other) = (saved(folder.path(), true), saved(folder.path(), false));
        let [json, witness] = ["json", "witness"].map(|kind| folder.path().join(format!("{}.{kind}", block.key)));
        let bytes = fs::read(&witness).unwrap();
        for bad in [&bytes[1..], b""] {
            fs::write(&witness, bad).unwrap();
            let error = read_witnesses(folder.path(), &block).unwrap_err();
            assert!(matches!(&error, Error::Damaged { path, .. } if *path == witness), "{error}");
        }
        fs::remove_file(&witness).unwrap();
        assert!(matches!(read_witnesses(folder.path(), &block), Err(Error::Io { .. })));
        let text = fs::read_to_string(&json).unwrap();
        for bad in [text.replace("attacked", "unknown"), text.replace(' ', "  ") + " "] {
            fs::write(&json, bad).unwrap();
            let error = read_blocks(folder.path()).unwrap_err();
            assert!(matches!(&error, Error::Damaged { path, .. } if *path == json), "{error}");
            let each = read_each_block(folder.path()).unwrap();
            let found: Vec<_> = each.iter().map(|file| (file.path == json, file.block.is_err())).collect();
            let damaged_first = block.key.to_string() < other.key.to_string();
            let expected = [(damaged_first, damaged_first), (!damaged_first, !damaged_first)];
            assert_eq!(found, expected, "the others are read all the same");
        }
        fs::write(&json, &text).unwrap();
        fs::rename(&json, folder.path().join("0.json")).unwrap();
        assert!(matches!(read_blocks(folder.path()), Err(Error::Damaged { .. })), "under another key");
        assert!(Store::open(folder.path(), None).unwrap().load(&block.key, Keep::Verdicts).unwrap().found.is_none());
    }
}
