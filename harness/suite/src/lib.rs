//! From what the user wrote to what runs: YAML to [`Suite`] to [`Plan`].
//!
//! A plan has every number and every digest; whoever executes it reads no default. The crate opens no session and runs no
//! model.

mod attacks;
mod corruptions;
mod cost;
mod curve;
mod dataset;
mod document;
mod entry;
mod error;
mod gates;
mod grid;
mod input_map;
mod key;
mod latency;
mod long_form;
mod models;
mod named;
mod plan;
#[cfg(test)]
mod planning;
#[cfg(test)]
mod planning_errors;
mod probes;
mod published;
#[cfg(test)]
mod reading_errors;
mod schema;
mod slices;
mod suite;
mod summary;
mod transfer;
mod vocabulary;

pub use attacks::{AttackForm, Attacks, EnsembleForm, PlannedAttack};
pub use corruptions::{CorruptionsSection, PlannedCorruption, PlannedSeverity};
pub use cost::{Costs, PlannedCost, StaticCost};
pub use curve::{PlannedCurve, PlannedLevel, Radii};
pub use dataset::{PlannedDataset, PlannedDomain};
pub use document::{
    Choice, CurveSection, DatasetSection, Document, PublishedForm, PublishedSection, ThreatSection, Unread,
};
pub use entry::{Entry, Kind};
pub use error::Error;
pub use gates::{BaselineForm, FlagsForm, GateForm, Gates, GatesDocument, Measurable, gates_schema_json};
pub use grid::attack_domain;
pub use input_map::input_map;
pub use key::{
    CheckKey, CorruptionKey, PredictionKey, ProbeKey, recorded_check_key, recorded_corruption_key,
    recorded_prediction_key, recorded_probe_key,
};
pub use latency::{LatencyForm, PlannedLatency};
pub use long_form::LongForm;
pub use models::PlannedModel;
pub use named::Named;
pub use plan::{Plan, PlannedSuite, PlannedThreat, plan};
pub use probes::{PlannedProbe, Probes};
pub use published::{PlannedPublished, PublishedModel};
pub use schema::schema_json;
pub use slices::{BLOCK_ROWS, Rows, Slice};
pub use suite::Suite;
pub use summary::{CLEAN_FORWARDS, EntrySummary, ModelSummary, Summary};
pub use transfer::TransferForm;
