//! The folder of a training that is not finished: its checkpoint, metrics and plots.

use super::dynamics;
use anyhow::{Context, Result, bail};
use evidence::{SystemFiles, remove_leftovers, write_atomically};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use train::Checkpoint;

const CHECKPOINT: &str = "checkpoint";
pub(super) const METRICS: &str = "metrics.jsonl";

/// The folder, which one process at a time works in.
pub(super) struct Work {
    folder: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl Work {
    /// Takes a folder, creating it if need be.
    ///
    /// Errors: it can't be created, or another process works in it.
    pub(super) fn open(folder: &Path) -> Result<Work> {
        let failed = || format!("failed to open {}", folder.display());
        fs::create_dir_all(folder).with_context(failed)?;
        let lock = File::create(folder.join("lock")).with_context(failed)?;
        if lock.try_lock().is_err() {
            bail!(
                "another process is training in {}\nhint: wait for it, or choose a folder with --work",
                folder.display()
            );
        }
        remove_leftovers(folder)?;
        Ok(Work { folder: folder.to_owned(), _lock: lock })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The last checkpoint, if there is one.
    ///
    /// Errors: it can't be read, or its bytes are not those that were written.
    pub(super) fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        let path = self.folder.join(CHECKPOINT);
        match fs::read(&path) {
            Ok(bytes) => {
                Ok(Some(Checkpoint::decode(&bytes).with_context(|| format!("failed to use {}", path.display()))?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    /// Replaces the checkpoint, whole or not at all.
    pub(super) fn save(&self, checkpoint: &Checkpoint) -> Result<()> {
        Ok(write_atomically(&SystemFiles, &self.folder.join(CHECKPOINT), &checkpoint.encode())?)
    }

    /// Writes the metrics of all epochs so far, and their plots.
    pub(super) fn write_metrics(&self, metrics: &[String]) -> Result<()> {
        write_atomically(&SystemFiles, &self.folder.join(METRICS), lines(metrics).as_bytes())?;
        for (file, picture) in dynamics::pictures(metrics)? {
            write_atomically(&SystemFiles, &self.folder.join(file), &picture)?;
        }
        Ok(())
    }

    /// Notes how long an epoch took.
    pub(super) fn observe(&self, epoch: u32, train_seconds: f64, evaluation_seconds: f64) -> Result<()> {
        let path = self.folder.join("observations.jsonl");
        let line = json!({ "epoch": epoch, "train_seconds": train_seconds, "evaluation_seconds": evaluation_seconds });
        let mut file = OpenOptions::new().create(true).append(true).open(&path);
        file.as_mut()
            .map_err(|error| std::io::Error::new(error.kind(), error.to_string()))
            .and_then(|file| writeln!(file, "{line}"))
            .with_context(|| format!("failed to write {}", path.display()))
    }

    /// The folder itself, with a copy of the recipe in it: where a model that is not meant to stay is registered.
    pub(super) fn with_recipe(&self, model: &Path) -> Result<&Path> {
        let recipe = registry::Training::RECIPE;
        fs::copy(model.join(recipe), self.folder.join(recipe))
            .with_context(|| format!("failed to copy the recipe to {}", self.folder.display()))?;
        Ok(&self.folder)
    }
}

/// The text of `metrics.jsonl`.
pub(super) fn lines(metrics: &[String]) -> String {
    metrics.iter().map(|line| format!("{line}\n")).collect()
}
