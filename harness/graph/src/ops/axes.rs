//! Axis numbers and sizes as files give them, checked before anything is computed from them.

use super::Call;
use crate::graph::elements;

/// A possibly negative axis as an index.
///
/// Errors: it is outside `-rank..rank`.
pub(super) fn axis(value: i64, rank: usize) -> Result<usize, String> {
    let from_front = if value < 0 { value.saturating_add_unsigned(rank as u64) } else { value };
    match usize::try_from(from_front) {
        Ok(index) if index < rank => Ok(index),
        _ => Err(format!("axis {value} is out of range for rank {rank}")),
    }
}

/// Possibly negative axes as indices, in the given order.
///
/// Errors: one is out of range or named twice.
pub(super) fn axes(values: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    let mut resolved = Vec::with_capacity(values.len());
    for &value in values {
        let index = axis(value, rank)?;
        if resolved.contains(&index) {
            return Err(format!("axis {value} is named twice in {values:?}"));
        }
        resolved.push(index);
    }
    Ok(resolved)
}

/// The shape, if a tensor of it fits into memory.
///
/// Errors: it has too many elements.
pub(super) fn bounded(shape: Vec<usize>) -> Result<Vec<usize>, String> {
    elements(&shape)?;
    Ok(shape)
}

/// A dimension that a file gives.
///
/// Errors: it is negative.
pub(super) fn dimension(value: i64) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("the dimension {value} is negative"))
}

/// A yes-or-no attribute.
///
/// Errors: it has another type.
pub(super) fn flag(call: &Call<'_>, name: &str, default: bool) -> Result<bool, String> {
    Ok(call.attrs.get_int(name, default.into())? != 0)
}
