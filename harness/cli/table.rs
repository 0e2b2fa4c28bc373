//! Tables for the terminal.

use tabled::builder::Builder;
use tabled::settings::Style;

/// Renders rows under a header.
pub(crate) fn render<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut builder = Builder::default();
    builder.push_record(header);
    rows.into_iter().for_each(|row| builder.push_record(row));
    builder.build().with(Style::rounded()).to_string()
}
