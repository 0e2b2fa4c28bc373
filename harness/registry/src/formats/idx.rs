use crate::DatasetManifest;
use crate::dataset::{Contents, Values};

const BYTE: u8 = 8;

/// Reads an image file and a label file of unsigned bytes; the one with a single dimension holds the labels.
///
/// Source: the IDX format of the MNIST database: two zero bytes, element type, number of dimensions, then each
/// dimension and the elements, big-endian.
pub(crate) fn read(manifest: &DatasetManifest, files: &[(String, Vec<u8>)]) -> Result<Contents, String> {
    let (mut images, mut labels) = (None, None);
    for (name, bytes) in files {
        let (dims, elements) = parse(bytes).map_err(|reason| format!("`{name}`: {reason}"))?;
        let slot = if dims.len() == 1 { &mut labels } else { &mut images };
        if slot.replace((name, dims, elements)).is_some() {
            return Err(format!("`{name}`: there must be one file of images and one of labels"));
        }
    }
    let (Some((name, dims, pixels)), Some((_, _, labels))) = (images, labels) else {
        return Err("there must be one file of images and one of labels".to_owned());
    };
    let without_ones = |dims: &[usize]| dims.iter().copied().filter(|dim| *dim != 1).collect::<Vec<_>>();
    if without_ones(&dims[1..]) != without_ones(&manifest.shape) {
        return Err(format!("`{name}` has rows of {:?}, the manifest says {:?}", &dims[1..], manifest.shape));
    }
    Ok(Contents { values: Values::U8(pixels.to_vec()), labels: labels.iter().map(|label| u64::from(*label)).collect() })
}

fn parse(bytes: &[u8]) -> Result<(Vec<usize>, &[u8]), String> {
    let [0, 0, kind, rank, rest @ ..] = bytes else {
        return Err("it does not begin as an IDX file does".to_owned());
    };
    if *kind != BYTE || *rank == 0 {
        return Err(format!("has element type {kind} and {rank} dimensions, only unsigned bytes (8) are read"));
    }
    let Some((header, elements)) = rest.split_at_checked(usize::from(*rank) * 4) else {
        return Err("it ends inside its header".to_owned());
    };
    let dims: Vec<usize> =
        header.chunks_exact(4).map(|dim| u32::from_be_bytes([dim[0], dim[1], dim[2], dim[3]]) as usize).collect();
    let wanted = dims.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim));
    if wanted != Some(elements.len()) {
        return Err(format!("has {} elements, its header says {dims:?}", elements.len()));
    }
    Ok((dims, elements))
}
