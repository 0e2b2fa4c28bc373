use crate::DatasetManifest;
use crate::dataset::{Contents, Values};

/// Reads records of one label byte and the bytes of one row.
///
/// Source: <https://www.cs.toronto.edu/~kriz/cifar.html>, "Binary version".
pub(crate) fn read(manifest: &DatasetManifest, files: &[(String, Vec<u8>)]) -> Result<Contents, String> {
    let record = manifest.row_len() + 1;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        if bytes.len() % record != 0 {
            return Err(format!("`{name}` has {} bytes, which is no multiple of a record's {record}", bytes.len()));
        }
        pixels.reserve(bytes.len());
        for record in bytes.chunks_exact(record) {
            labels.push(u64::from(record[0]));
            pixels.extend_from_slice(&record[1..]);
        }
    }
    Ok(Contents { values: Values::U8(pixels), labels })
}
