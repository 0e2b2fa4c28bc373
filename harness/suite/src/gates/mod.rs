//! Gates: from what is written, in a suite or in a file of gates, to rules with every number and name.

mod document;
mod file;
mod measurable;
mod resolve;
mod rule;
#[cfg(test)]
mod tests;

pub use document::{BaselineForm, FlagsForm, GateForm, GatesDocument};
pub use file::{Gates, gates_schema_json};
pub use measurable::Measurable;
pub(crate) use resolve::resolve;
pub(crate) use rule::check;
