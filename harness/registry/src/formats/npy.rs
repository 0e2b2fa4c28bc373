use crate::dataset::{Contents, Values};
use crate::{DatasetManifest, RowRange};

/// Headers are a few dozen bytes; what says more is not one.
const LONGEST_HEADER: usize = 1 << 16;

/// Reads an array of images (uint8) and one of labels (integers), told apart by their dimensions, and of both the rows that
/// are asked for. CIFAR-10-C has its five severities one after the other in such files.
///
/// Nothing is allocated on the word of a header: elements are a slice of the file, as long as the dimensions say.
pub(crate) fn read(
    manifest: &DatasetManifest,
    rows: Option<RowRange>,
    files: &[(String, Vec<u8>)],
) -> Result<Contents, String> {
    let (mut images, mut labels) = (None, None);
    for (name, bytes) in files {
        let array = Array::parse(bytes).map_err(|reason| format!("`{name}`: {reason}"))?;
        let slot = if array.shape.len() == 1 { &mut labels } else { &mut images };
        if slot.replace((name, array)).is_some() {
            return Err(format!("`{name}`: there must be one file of images and one of labels"));
        }
    }
    let (Some((name, images)), Some((labels_name, labels))) = (images, labels) else {
        return Err("there must be one file of images and one of labels, which has one dimension".to_owned());
    };
    let (Some(&count), Some(row)) = (images.shape.first(), images.shape.get(1..)) else {
        return Err(format!("`{name}` has no dimensions"));
    };
    if row != manifest.shape {
        return Err(format!("`{name}` has rows of {row:?}, the manifest says {:?}", manifest.shape));
    }
    if images.kind != "u1" {
        return Err(format!("`{name}` has elements of type `{}`, images must be uint8 (`|u1`)", images.kind));
    }
    if labels.shape != [count] {
        return Err(format!("`{name}` has {count} rows, `{labels_name}` {:?} labels", labels.shape));
    }
    let rows = rows.map_or(0..count, RowRange::indices);
    if rows.end > count {
        return Err(format!("rows {}..{} were asked for, `{name}` has {count}", rows.start, rows.end));
    }
    let per_row = manifest.row_len();
    let values = Values::U8(images.elements[rows.start * per_row..rows.end * per_row].to_vec());
    let labels = labels.integers(rows).map_err(|reason| format!("`{labels_name}`: {reason}"))?;
    Ok(Contents { values, labels })
}

/// An array as its file has it.
struct Array<'a> {
    /// Its element type without the byte order: `u1`, `i8`.
    kind: &'a str,
    /// Its dimensions.
    shape: Vec<usize>,
    /// Its elements in row-major order, little-endian.
    elements: &'a [u8],
}

impl<'a> Array<'a> {
    /// Source: the NPY format, `numpy/lib/format.py`, versions 1.0 to 3.0.
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("it does not begin as an npy file does")?;
        let (length, rest) = match rest {
            [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
            [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
            [version, _, ..] if *version > 3 => {
                return Err(format!("it has version {version} of the format, not 1 to 3"));
            }
            _ => return Err("it ends inside its header".to_owned()),
        };
        if length > LONGEST_HEADER {
            return Err(format!("its header is said to have {length} bytes, more than {LONGEST_HEADER}"));
        }
        let (header, elements) = rest.split_at_checked(length).ok_or("it ends inside its header")?;
        let header = std::str::from_utf8(header).map_err(|_| "its header is not text")?;
        let kind = kind(entry(header, "descr")?)?;
        match entry(header, "fortran_order")? {
            order if order.starts_with("False") => {}
            order if order.starts_with("True") => {
                return Err("its elements are in Fortran order; save `numpy.ascontiguousarray` of it".to_owned());
            }
            _ => return Err("its header has no `fortran_order` of True or False".to_owned()),
        }
        let shape = shape(entry(header, "shape")?)?;
        let size = kind[1..].parse::<usize>().map_err(|_| format!("its element type `{kind}` has no size"))?;
        let wanted = shape.iter().try_fold(size, |product, dim| product.checked_mul(*dim));
        if wanted != Some(elements.len()) {
            return Err(format!("has {} bytes of elements, its header says {shape:?} of `{kind}`", elements.len()));
        }
        Ok(Self { kind, shape, elements })
    }

    /// These elements of an array of labels.
    fn integers(&self, rows: std::ops::Range<usize>) -> Result<Vec<u64>, String> {
        let (signed, size) = match self.kind {
            "u1" | "u2" | "u4" | "u8" => (false, usize::from(self.kind.as_bytes()[1] - b'0')),
            "i1" | "i2" | "i4" | "i8" => (true, usize::from(self.kind.as_bytes()[1] - b'0')),
            kind => return Err(format!("has elements of type `{kind}`, labels must be integers")),
        };
        let label = |bytes: &[u8]| {
            let negative = signed && bytes.last().is_some_and(|byte| *byte > 127);
            let value = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            if negative { Err("has a negative label".to_owned()) } else { Ok(value) }
        };
        self.elements.chunks_exact(size).skip(rows.start).take(rows.len()).map(label).collect()
    }
}

/// What follows a key of the header, a Python dictionary such as
/// `{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }`.
fn entry<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let missing = || format!("its header has no `{key}`");
    let (_, after) = header.split_once(&format!("'{key}'")).ok_or_else(missing)?;
    after.trim_start().strip_prefix(':').map(str::trim_start).ok_or_else(missing)
}

/// The element type in front of its closing quote. Elements of one byte have no order; the others must be little-endian.
fn kind(entry: &str) -> Result<&str, String> {
    let quoted = entry.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(quoted, _)| quoted);
    let simple = |kind: &&str| kind.len() == 2 && kind.is_ascii() && kind.as_bytes()[1].is_ascii_digit();
    let (order, kind) = match quoted {
        Some(quoted) if quoted.is_ascii() && quoted.len() == 3 => quoted.split_at(1),
        _ => return Err("its header has no simple element type, such as `|u1`".to_owned()),
    };
    match order {
        "|" | "<" | "=" if simple(&kind) => Ok(kind),
        ">" if kind.ends_with('1') => Ok(kind),
        _ => Err(format!("its element type `{order}{kind}` is not read; little-endian integers are")),
    }
}

/// A tuple of whole numbers.
fn shape(entry: &str) -> Result<Vec<usize>, String> {
    let inside = entry.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(inside, _)| inside);
    let inside = inside.ok_or("its header has no `shape` in parentheses")?;
    let dims = inside.split(',').map(str::trim).filter(|dim| !dim.is_empty());
    dims.map(|dim| dim.parse().map_err(|_| format!("its `shape` has `{dim}`, which is no whole number"))).collect()
}
