use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::files::remove_leftovers;
use crate::{Block, BlockKey, Digest, Error, Files, SystemFiles, Witnesses, read_witnesses, write_atomically};

/// A folder of blocks, `<key>.json` and `<key>.witness`, and perhaps a cache of the same form.
///
/// A block is written once and atomically. Nothing that is read is believed before it is checked; what fails is moved
/// to the folder's `damaged/` and counts as missing. Processes may share a folder: blocks are pure functions of their
/// keys, so whoever comes last writes the same bytes.
pub struct Store {
    folder: PathBuf,
    cache: Option<PathBuf>,
    files: Box<dyn Files>,
}

/// Whether a run keeps the confirmed inputs. Not part of any key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// A block without witnesses is as good as any.
    Verdicts,
    /// A block of a check without its witnesses counts as missing.
    Witnesses,
}

/// What [`Store::load`] met.
#[derive(Debug, Default)]
pub struct Lookup {
    /// The block, checked.
    pub found: Option<Block>,
    /// Files that were there and were not what they should be.
    pub damaged: Vec<Damage>,
}

/// A block that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The block's file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
    /// Where it is now, with its witnesses beside it.
    pub moved_to: PathBuf,
}

impl Store {
    /// Opens the folders, creating them if need be, and removes what killed runs left there half-written.
    pub fn open(folder: &Path, cache: Option<&Path>) -> Result<Self, Error> {
        Self::open_with(folder, cache, Box::new(SystemFiles))
    }

    /// [`Store::open`] with other files below.
    pub fn open_with(folder: &Path, cache: Option<&Path>, files: Box<dyn Files>) -> Result<Self, Error> {
        let store = Self { folder: folder.into(), cache: cache.map(Path::to_path_buf), files };
        for folder in store.folders() {
            fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
            remove_leftovers(folder)?;
        }
        Ok(store)
    }

    /// Looks for a block, first in the folder, then in the cache. What only the cache has is copied into the folder.
    ///
    /// Errors: only where the system refuses to read, move or copy.
    pub fn load(&self, key: &BlockKey, keep: Keep) -> Result<Lookup, Error> {
        let mut lookup = Lookup::default();
        for folder in self.folders() {
            match read(folder, key) {
                Ok(Some(file)) if keep == Keep::Verdicts || file.block.has_all_witnesses() => {
                    if folder != self.folder {
                        self.put(&self.folder, key, &file)?;
                    }
                    lookup.found = Some(file.block);
                    break;
                }
                Ok(_) => {}
                Err(Unreadable::System(error)) => return Err(error),
                Err(Unreadable::Damaged(why)) => lookup.damaged.push(set_aside(folder, key, why)?),
            }
        }
        Ok(lookup)
    }

    /// Writes a block, and its witnesses before it, to the folder and the cache. Returns it as written.
    ///
    /// Errors: [`Error::Io`] naming the file that could not be written, which then does not exist or is as before;
    /// [`Error::Witnesses`] and [`Error::Block`] if the witnesses are not those of the block.
    pub fn save(&self, block: Block, witnesses: Option<&Witnesses>) -> Result<Block, Error> {
        if let Some(witnesses) = witnesses {
            block.check_witnesses(witnesses)?;
        }
        let kept = witnesses.filter(|witnesses| !witnesses.rows().is_empty());
        let (bytes, described) = kept.map(Witnesses::encode).transpose()?.unzip();
        let block = block.with_witnesses(described)?;
        let file = BlockFile { text: block.encode()?.into_bytes(), block, witnesses: bytes };
        for folder in self.folders() {
            self.put(folder, &file.block.key, &file)?;
        }
        Ok(file.block)
    }

    /// The witnesses of a block that [`Store::load`] found; `None` if there are none, or none were kept.
    ///
    /// Errors: as for any file that is gone or damaged since.
    pub fn load_witnesses(&self, block: &Block) -> Result<Option<Witnesses>, Error> {
        read_witnesses(&self.folder, block)
    }

    fn folders(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.folder), self.cache.as_ref()].into_iter().flatten().map(PathBuf::as_path)
    }

    fn put(&self, folder: &Path, key: &BlockKey, file: &BlockFile) -> Result<(), Error> {
        if let Some(witnesses) = &file.witnesses {
            write_atomically(&*self.files, &witness_path(folder, key), witnesses)?;
        }
        write_atomically(&*self.files, &block_path(folder, key), &file.text)
    }
}

/// A block with the bytes that stand for it.
struct BlockFile {
    block: Block,
    text: Vec<u8>,
    witnesses: Option<Vec<u8>>,
}

enum Unreadable {
    Damaged(String),
    System(Error),
}

fn block_path(folder: &Path, key: &BlockKey) -> PathBuf {
    folder.join(format!("{key}.json"))
}

pub(crate) fn witness_path(folder: &Path, key: &BlockKey) -> PathBuf {
    folder.join(format!("{key}.witness"))
}

fn read(folder: &Path, key: &BlockKey) -> Result<Option<BlockFile>, Unreadable> {
    let Some(text) = read_if_there(&block_path(folder, key))? else { return Ok(None) };
    let block = Block::decode(&text).map_err(|e| Unreadable::Damaged(e.to_string()))?;
    if block.key != *key {
        return Err(Unreadable::Damaged(format!("it is block {}", block.key)));
    }
    let Some(described) = &block.witnesses else { return Ok(Some(BlockFile { block, text, witnesses: None })) };
    let witnesses = read_if_there(&witness_path(folder, key))?;
    match witnesses.as_deref().map(Digest::of) {
        Some(digest) if digest == described.digest => Ok(Some(BlockFile { block, text, witnesses })),
        Some(_) => Err(Unreadable::Damaged("the digest of its witnesses does not match".into())),
        None => Err(Unreadable::Damaged("its witnesses are missing".into())),
    }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Unreadable> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Unreadable::System(Error::io("read", path)(e))),
    }
}

/// Moves a block and its witnesses to `damaged/` under the first free number.
fn set_aside(folder: &Path, key: &BlockKey, why: String) -> Result<Damage, Error> {
    let damaged = folder.join("damaged");
    fs::create_dir_all(&damaged).map_err(Error::io("create folder", &damaged))?;
    let path = block_path(folder, key);
    let moved_to = (1u32..)
        .map(|number| damaged.join(format!("{key}.{number}.json")))
        .find_map(|free| match OpenOptions::new().write(true).create_new(true).open(&free) {
            Ok(_) => Some(Ok(free)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => None,
            Err(e) => Some(Err(Error::io("write", &free)(e))),
        })
        .expect("a number is free")?;
    move_if_there(&path, &moved_to)?;
    move_if_there(&witness_path(folder, key), &moved_to.with_extension("witness"))?;
    Ok(Damage { path, why, moved_to })
}

/// Another process may have moved it first.
fn move_if_there(from: &Path, to: &Path) -> Result<(), Error> {
    match fs::rename(from, to) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("move", from)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::{Failing, names};
    use crate::{AttackRow, CleanRow, Verdict, keyed, witness_digest};
    use serde_json::json;
    use std::sync::atomic::AtomicUsize;

    const VALUES: [f32; 4] = [0.0, 0.25, 1.0 / 3.0, 1.0];

    /// A block of three rows, one of them attacked, and its witnesses.
    fn sample() -> (Block, Witnesses) {
        let attacked = AttackRow {
            row: 1,
            verdict: Verdict::Attacked,
            adversarial_class: Some(7),
            distance: Some(8.0 / 255.0),
            found: 2,
            confirmed: 1,
            rejected: 1,
            forwards: 20,
            backwards: 20,
            judge_forwards: 2,
            witness: Some(witness_digest(&VALUES)),
            ..AttackRow::wrong(1)
        };
        let unknown = AttackRow { row: 2, verdict: Verdict::Unknown, ..AttackRow::wrong(2) };
        let keyed = keyed(&json!({ "check": { "steps": 20 }, "rows": [0, 1, 2] })).unwrap();
        let block = Block::attack(keyed, &[AttackRow::wrong(0), attacked, unknown]).unwrap();
        let mut witnesses = Witnesses::new(4);
        witnesses.push(1, &VALUES).unwrap();
        (block, witnesses)
    }

    fn found(store: &Store, key: &BlockKey, keep: Keep) -> Option<Block> {
        let lookup = store.load(key, keep).unwrap();
        assert_eq!(lookup.damaged, []);
        lookup.found
    }

    #[test]
    fn what_is_saved_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let (block, witnesses) = sample();
        assert_eq!(found(&store, &block.key, Keep::Verdicts), None);
        let saved = store.save(block, Some(&witnesses)).unwrap();
        assert_eq!(found(&store, &saved.key, Keep::Witnesses).as_ref(), Some(&saved));
        assert_eq!(store.load_witnesses(&saved).unwrap(), Some(witnesses));
        assert_eq!(names(folder.path()), [format!("{}.json", saved.key), format!("{}.witness", saved.key)]);
    }

    #[test]
    fn a_block_without_witnesses_is_missing_to_who_wants_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let (block, witnesses) = sample();
        let bare = store.save(block, None).unwrap();
        assert_eq!(found(&store, &bare.key, Keep::Verdicts).as_ref(), Some(&bare));
        assert_eq!(found(&store, &bare.key, Keep::Witnesses), None);
        assert_eq!(store.load_witnesses(&bare).unwrap(), None);
        let full = store.save(bare.clone(), Some(&witnesses)).unwrap();
        assert_eq!((full.key, &full.outcome), (bare.key, &bare.outcome));
        assert_eq!(found(&store, &full.key, Keep::Witnesses), Some(full));
    }

    #[test]
    fn a_block_that_cannot_have_witnesses_needs_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let clean = CleanRow { label: 1, prediction: 1, ..CleanRow::right(0) };
        let clean = Block::clean(keyed(&json!("clean")).unwrap(), &[clean]).unwrap();
        let robust = Block::attack(keyed(&json!("robust")).unwrap(), &[AttackRow::wrong(0)]).unwrap();
        for (block, witnesses) in [(clean, None), (robust, Some(Witnesses::new(4)))] {
            let saved = store.save(block, witnesses.as_ref()).unwrap();
            assert_eq!(found(&store, &saved.key, Keep::Witnesses), Some(saved));
        }
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn witnesses_of_another_block_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let mut other = Witnesses::new(4);
        other.push(1, &[0.5; 4]).unwrap();
        for wrong in [Witnesses::new(4), other] {
            assert!(store.save(sample().0, Some(&wrong)).is_err());
        }
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn any_flipped_byte_of_either_file_sets_the_block_aside() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let (block, witnesses) = sample();
        let key = store.save(block.clone(), Some(&witnesses)).unwrap().key;
        let paths = [block_path(folder.path(), &key), witness_path(folder.path(), &key)];
        let sound = paths.each_ref().map(|path| fs::read(path).unwrap());
        let mut number = 0;
        for which in 0..2 {
            for i in (0..sound[which].len()).step_by(if which == 0 { 13 } else { 1 }) {
                paths.iter().zip(&sound).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
                let mut bytes = sound[which].clone();
                bytes[i] ^= 1 << (i % 8);
                fs::write(&paths[which], bytes).unwrap();
                let lookup = store.load(&key, Keep::Verdicts).unwrap();
                number += 1;
                assert!(lookup.found.is_none(), "file {which} byte {i}");
                assert!(lookup.damaged[0].moved_to.ends_with(format!("damaged/{key}.{number}.json")));
                assert!(lookup.damaged[0].moved_to.exists() && !paths[0].exists() && !paths[1].exists());
            }
        }
        store.save(block, Some(&witnesses)).unwrap();
        assert_eq!(paths.each_ref().map(|path| fs::read(path).unwrap()), sound);
    }

    #[test]
    fn lost_witnesses_and_foreign_blocks_are_damage_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let (block, witnesses) = sample();
        let key = store.save(block.clone(), Some(&witnesses)).unwrap().key;
        fs::remove_file(witness_path(folder.path(), &key)).unwrap();
        let lost = store.load(&key, Keep::Verdicts).unwrap();
        assert_eq!(lost.damaged[0].why, "its witnesses are missing");
        store.save(block, None).unwrap();
        let other = crate::key(&json!("another")).unwrap();
        fs::rename(block_path(folder.path(), &key), block_path(folder.path(), &other)).unwrap();
        let foreign = store.load(&other, Keep::Verdicts).unwrap();
        assert_eq!(foreign.damaged[0].why, format!("it is block {key}"));
    }

    #[test]
    fn a_write_that_fails_anywhere_leaves_no_block() {
        let (block, witnesses) = sample();
        let full = {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path(), None).unwrap();
            let key = store.save(block.clone(), Some(&witnesses)).unwrap().key;
            [witness_path(folder.path(), &key), block_path(folder.path(), &key)].map(|p| fs::read(p).unwrap().len())
        };
        for room in (0..full[0] + full[1]).step_by(7) {
            let folder = tempfile::tempdir().unwrap();
            let failing = Failing { room: AtomicUsize::new(room), ..Failing::after(0) };
            let store = Store::open_with(folder.path(), None, Box::new(failing)).unwrap();
            let error = store.save(block.clone(), Some(&witnesses)).unwrap_err().to_string();
            let file = if room < full[0] { "witness" } else { "json" };
            assert!(error.contains(&format!("{}.{file}", block.key)), "{error}");
            assert!(!block_path(folder.path(), &block.key).exists());
            assert!(names(folder.path()).iter().all(|name| name.ends_with(".witness")), "room {room}");
            let store = Store::open(folder.path(), None).unwrap();
            assert_eq!(found(&store, &block.key, Keep::Verdicts), None);
        }
    }

    #[test]
    fn the_cache_serves_other_folders() {
        let [cache, one, two] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let (block, witnesses) = sample();
        let first = Store::open(one.path(), Some(cache.path())).unwrap();
        let saved = first.save(block, Some(&witnesses)).unwrap();
        let second = Store::open(two.path(), Some(cache.path())).unwrap();
        assert_eq!(found(&second, &saved.key, Keep::Witnesses).as_ref(), Some(&saved));
        assert_eq!(names(two.path()), names(one.path()));
        let alone = Store::open(two.path(), None).unwrap();
        assert_eq!(found(&alone, &saved.key, Keep::Witnesses), Some(saved));
    }

    #[test]
    fn a_damaged_block_is_named_and_taken_from_the_cache() {
        let [cache, folder] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let store = Store::open(folder.path(), Some(cache.path())).unwrap();
        let saved = store.save(sample().0, None).unwrap();
        fs::write(block_path(folder.path(), &saved.key), b"{}").unwrap();
        let lookup = store.load(&saved.key, Keep::Verdicts).unwrap();
        assert_eq!((lookup.found.as_ref(), lookup.damaged.len()), (Some(&saved), 1));
        assert_eq!(found(&store, &saved.key, Keep::Verdicts), Some(saved));
    }

    #[test]
    fn many_writers_and_readers_share_a_folder() {
        let [cache, folder] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let work = || {
            for _ in 0..20 {
                let store = Store::open(folder.path(), Some(cache.path())).unwrap();
                let (block, witnesses) = sample();
                let saved = store.save(block, Some(&witnesses)).unwrap();
                assert_eq!(found(&store, &saved.key, Keep::Witnesses), Some(saved));
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
        assert_eq!(names(folder.path()).len(), 2);
        assert_eq!(names(folder.path()), names(cache.path()));
    }

    #[test]
    fn opening_removes_what_a_killed_run_left() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".abc.json.0123456789abcdef.tmp"), b"half").unwrap();
        Store::open(folder.path(), None).unwrap();
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
