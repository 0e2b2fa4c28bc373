//! One reader per file format: bytes that were verified in, values and labels out.

mod cifar_bin;
mod idx;
pub(crate) mod image_folder;
mod npy;
mod npz;

use crate::dataset::Contents;
use crate::{DatasetManifest, Format, RowRange};

/// Reads the files of one split, in the order of their names; `rows` are those of its files that it is made of, if not all.
///
/// Errors: which file, what was found and what is allowed.
pub(crate) fn read(
    manifest: &DatasetManifest,
    rows: Option<RowRange>,
    files: &[(String, Vec<u8>)],
) -> Result<Contents, String> {
    match manifest.format {
        Format::CifarBin | Format::Generated => cifar_bin::read(manifest, files),
        Format::Idx => idx::read(manifest, files),
        Format::ImageFolder => image_folder::read(manifest, files),
        Format::Npy => npy::read(manifest, rows, files),
        Format::Npz => npz::read(manifest, files),
    }
}
