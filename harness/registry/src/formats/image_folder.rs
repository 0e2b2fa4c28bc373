use crate::DatasetManifest;
use crate::dataset::{Contents, Values};
use image::{ColorType, ImageReader};
use std::io::Cursor;

/// File name endings of images that are read.
pub(crate) const ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "bmp"];

/// Reads images whose last folder is their class.
pub(crate) fn read(manifest: &DatasetManifest, files: &[(String, Vec<u8>)]) -> Result<Contents, String> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let class = class_of(name).ok_or_else(|| format!("`{name}` is not in the folder of a class"))?;
        let label = manifest.classes.iter().position(|known| known == class);
        let label = label.ok_or_else(|| format!("`{name}`: `{class}` is not among the classes"))?;
        let (shape, image) = decode(bytes).map_err(|reason| format!("`{name}`: {reason}"))?;
        if shape[..] != manifest.shape {
            return Err(format!("`{name}` is {shape:?}, all images must be {:?}", manifest.shape));
        }
        pixels.extend_from_slice(&image);
        labels.push(label as u64);
    }
    Ok(Contents { values: Values::U8(pixels), labels })
}

/// The last folder on the way to a file.
pub(crate) fn class_of(name: &str) -> Option<&str> {
    name.rsplit('/').nth(1)
}

/// Decodes an 8-bit grey or RGB image into channels, height, width.
///
/// Errors: it is no image, or has another colour type: 16 bits or an alpha channel would not survive unchanged.
pub(crate) fn decode(bytes: &[u8]) -> Result<([usize; 3], Vec<u8>), String> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    let image = reader.decode().map_err(|error| error.to_string())?;
    let channels = match image.color() {
        ColorType::L8 => 1,
        ColorType::Rgb8 => 3,
        other => return Err(format!("its pixels are {other:?}, only 8-bit grey and RGB are read")),
    };
    let (width, height) = (image.width() as usize, image.height() as usize);
    let interleaved = image.into_bytes();
    let planar = (0..channels).flat_map(|c| interleaved.iter().skip(c).step_by(channels).copied()).collect();
    Ok(([channels, height, width], planar))
}
