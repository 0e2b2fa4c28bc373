//! Where models, data sets and reports are looked up.

use registry::{Datasets, Registry};
use std::path::{Path, PathBuf};

/// The folders of a run, relative to the current one unless the environment says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Registered models.
    pub(crate) models: PathBuf,
    /// Manifests of data sets that the user added.
    pub(crate) manifests: PathBuf,
    /// Downloaded data sets: `TINYASSAY_DATA`.
    pub(crate) data: Option<PathBuf>,
    /// Report folders.
    pub(crate) reports: PathBuf,
}

impl Places {
    /// The places for the current folder and environment.
    pub(crate) fn from_env() -> Self {
        let data = std::env::var_os("TINYASSAY_DATA").filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { models: "models".into(), manifests: "data".into(), data, reports: "reports".into() }
    }

    /// The folder of a report that is given as a path, or by its name in [`Places::reports`].
    pub(crate) fn report(&self, report: &Path) -> PathBuf {
        let named = self.reports.join(report);
        if !report.is_dir() && named.is_dir() { named } else { report.to_path_buf() }
    }

    /// The registered models.
    pub(crate) fn registry(&self) -> Registry {
        Registry::open(&self.models)
    }

    /// The data sets: built in, and the user's.
    pub(crate) fn datasets(&self) -> Datasets {
        Datasets::open(self.data.clone(), &self.manifests)
    }
}
