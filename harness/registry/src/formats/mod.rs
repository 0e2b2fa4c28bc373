//! One reader per file format: bytes that were verified in, values and labels out.

mod cifar_bin;
mod idx;
pub(crate) mod image_folder;
mod npz;

use crate::dataset::Contents;
use crate::{DatasetManifest, Format};

/// Reads the files of one split, in the order of their names.
///
/// Errors: which file, what was found and what is allowed.
pub(crate) fn read(manifest: &DatasetManifest, files: &[(String, Vec<u8>)]) -> Result<Contents, String> {
    match manifest.format {
        Format::CifarBin | Format::Generated => cifar_bin::read(manifest, files),
        Format::Idx => idx::read(manifest, files),
        Format::ImageFolder => image_folder::read(manifest, files),
        Format::Npz => npz::read(manifest, files),
    }
}
