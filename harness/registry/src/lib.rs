//! Models and data sets: manifests, digests, loaders.
//!
//! A byte that leaves this crate has been compared with the digest that its manifest pins. The crate knows nothing of
//! ONNX beyond file names, and it never touches the network: a data set that is not there is an error that says where
//! to get it.

mod asked;
mod dataset;
mod dataset_manifest;
mod datasets;
mod digest;
mod error;
mod folder;
mod formats;
mod glob;
mod input_affine;
mod model_manifest;
mod models;
mod name;
mod row_range;
mod signed;
pub mod signs32;
mod trained;
mod training;
pub mod yaml;

pub use asked::Asked;
pub use dataset::{Dataset, PixelDomain, Quantization, Samples};
pub use dataset_manifest::{Arrays, DataUnits, DatasetManifest, Format, Split};
pub use datasets::{Datasets, NewDataset};
pub use digest::Digest;
pub use error::{Error, Listed};
pub use folder::{FileCheck, FileState, FolderFiles};
pub use glob::{is_glob, matches as glob_matches};
pub use input_affine::{InputAffine, InputQuantize};
pub use model_manifest::{ElementType, InputSpec, Layout, ModelManifest, OutputKind, OutputSpec, Units};
pub use models::{NewModel, RegisteredModel, Registry, Verification};
pub use row_range::RowRange;
pub use signed::SIGNATURE;
pub use trained::write_trained;
pub use training::{Training, TrainingData, TrainingRuntime};
