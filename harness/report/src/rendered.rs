use evidence::Results;

use crate::{Beside, Error, FORMATS, robustness, scatter};

/// Every file of a report folder that follows from its results and from what stands beside them, by name. `None` is a figure
/// that there is nothing to draw for: such a file is not there.
///
/// Errors: a figure cannot be drawn.
pub fn rendered(results: &Results, beside: Beside<'_>) -> Result<Vec<(&'static str, Option<String>)>, Error> {
    let mut files = vec![(robustness::FILE, robustness::svg(results)?), (scatter::FILE, scatter::svg(results)?)];
    for format in FORMATS {
        if let Some(file) = format.file {
            files.push((file, Some((format.render)(results, beside)?)));
        }
    }
    Ok(files)
}
