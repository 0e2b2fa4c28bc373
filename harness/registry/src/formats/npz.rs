use crate::DatasetManifest;
use crate::dataset::{Contents, Values};
use ndarray::{ArrayD, OwnedRepr};
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpzError, ReadableElement};
use std::io::Cursor;

type Reader<'a> = NpzReader<Cursor<&'a [u8]>>;

/// Dimensions and elements in row-major order.
type Elements<T> = (Vec<usize>, Vec<T>);

/// Reads the arrays of rows (uint8, int8 or float32) and labels (any integer type) that the manifest names.
pub(crate) fn read(manifest: &DatasetManifest, files: &[(String, Vec<u8>)]) -> Result<Contents, String> {
    let [(name, bytes)] = files else { return Err("there must be one npz file".to_owned()) };
    let fail = |reason: String| format!("`{name}`: {reason}");
    let mut reader = NpzReader::new(Cursor::new(bytes.as_slice())).map_err(|error| fail(error.to_string()))?;
    let arrays = manifest.arrays.clone().unwrap_or_default();
    let (shape, values) = rows(&mut reader, &arrays.x).map_err(fail)?;
    let labels = labels(&mut reader, &arrays.y).map_err(fail)?;
    let without_ones = |dims: &[usize]| dims.iter().copied().filter(|dim| *dim != 1).collect::<Vec<_>>();
    if shape.is_empty() || without_ones(&shape[1..]) != without_ones(&manifest.shape) {
        return Err(fail(format!("array `{}` is {shape:?}, its rows must be {:?}", arrays.x, manifest.shape)));
    }
    if shape[0] != labels.len() {
        return Err(fail(format!("`{}` has {} rows, `{}` {} labels", arrays.x, shape[0], arrays.y, labels.len())));
    }
    if matches!(values, Values::I8(_)) && manifest.units == crate::DataUnits::Unit {
        return Err(fail(format!("array `{}` is int8, which needs `units: raw`", arrays.x)));
    }
    Ok(Contents { values, labels })
}

fn rows(reader: &mut Reader<'_>, name: &str) -> Result<(Vec<usize>, Values), String> {
    if let Some((shape, values)) = array::<u8>(reader, name)? {
        return Ok((shape, Values::U8(values)));
    }
    if let Some((shape, values)) = array::<i8>(reader, name)? {
        return Ok((shape, Values::I8(values)));
    }
    match array::<f32>(reader, name)? {
        Some((shape, values)) => Ok((shape, Values::F32(values))),
        None => Err(format!("array `{name}` must be uint8, int8 or float32")),
    }
}

fn labels(reader: &mut Reader<'_>, name: &str) -> Result<Vec<u64>, String> {
    let refuse = |label: i64| format!("array `{name}` has label {label}, which is negative");
    macro_rules! try_type {
        ($type:ty) => {
            if let Some((shape, labels)) = array::<$type>(reader, name)? {
                if shape.iter().filter(|dim| **dim != 1).count() > 1 {
                    return Err(format!("array `{name}` is {shape:?}, there must be one label per row"));
                }
                return labels.iter().map(|label| u64::try_from(*label).map_err(|_| refuse(*label as i64))).collect();
            }
        };
    }
    try_type!(u8);
    try_type!(i64);
    try_type!(i32);
    try_type!(u16);
    try_type!(i16);
    try_type!(i8);
    try_type!(u32);
    try_type!(u64);
    Err(format!("array `{name}` must hold integers"))
}

/// One array in logical (row-major) order; `None` when its element type is another one.
fn array<T: ReadableElement + Clone>(reader: &mut Reader<'_>, name: &str) -> Result<Option<Elements<T>>, String> {
    let present = reader.names().map_err(|error| error.to_string())?;
    if !present.iter().any(|entry| entry == name) {
        return Err(format!("there is no array `{name}`, the arrays are {}", present.join(", ")));
    }
    match reader.by_name::<OwnedRepr<T>, ndarray::IxDyn>(name) {
        Ok(array) => {
            let array: ArrayD<T> = array;
            Ok(Some((array.shape().to_vec(), array.iter().cloned().collect())))
        }
        Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_))) => Ok(None),
        Err(error) => Err(format!("array `{name}`: {error}")),
    }
}
