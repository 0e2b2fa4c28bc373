//! Evidence: what a run leaves behind, and what is worked out from it.
//!
//! Holds keys, blocks, the store, statistics, and the structs of `results.json` and `observations.json`. Everything in
//! `results.json` is a pure function of the plan's facts and the blocks. This crate must not know any attack by name,
//! nor ONNX.

mod analysis;
mod archive;
mod attack_summary;
mod block;
mod columns;
mod correlation;
mod corruption_columns;
mod corruption_summary;
mod detection;
mod digest;
mod error;
mod files;
mod flags;
mod gate;
mod keys;
mod latency;
mod masking;
mod observations;
mod paired;
mod probe_columns;
mod probe_summary;
mod published;
mod ranking;
mod results;
mod row_set;
mod static_cost;
mod statistics;
mod store;
mod summary;
mod verdict;
mod witnesses;

pub use analysis::{Analysis, Correlation, Measure, Order, PublishedOrder, Ranked, analyse};
pub use archive::{BlockFile, read_blocks, read_each_block, read_witnesses};
pub use block::{BLOCK_ROWS, BLOCK_SCHEMA_VERSION, Block, Outcome, WitnessFile};
pub use columns::{AttackColumns, AttackRow, CleanColumns, CleanRow, Verdict};
pub use correlation::{MOST_EXACT, Spearman, ranks, spearman};
pub use corruption_columns::CorruptionColumns;
pub use corruption_summary::CorruptionFacts;
pub use digest::Digest;
pub use error::Error;
pub use files::{Files, SystemFiles, is_temporary, remove_leftovers, write_atomically};
pub use flags::{Flag, FlagDoc};
pub use gate::{Baseline, Better, Gate, Limit, MaxDrop, Metric, MetricDoc, Names, On, Rule};
pub use keys::{BlockKey, Keyed, LARGEST_NUMBER, U64Text, canonical, key, keyed};
pub use latency::{
    BUSY_PROCESSORS, Busy, Clock, Distribution, EARLY_STOPPING_CONFIDENCE, EarlyStopping, Idleness, Latency,
    LatencyFlag, LatencyFlagDoc, Machine, ModelLatency, Protocol, Ratio, Snapshot, Subject, Timed, Window,
    WindowLatency, cpu_model, early_stopping, load_average, observe, queries_needed, take_turns, window,
};
pub use observations::{CheckObservation, Host, Observations};
pub use paired::{Paired, holm};
pub use probe_columns::{ProbeColumns, ProbeRow};
pub use probe_summary::ProbeFacts;
pub use published::{Published, PublishedModel};
pub use ranking::{PairedTest, Place, Ranking, SIGNIFICANCE, rank};
pub use results::{
    AttackResult, Bound, ClassResult, CorruptionResult, CorruptionResults, CurvePoint, DatasetFacts, Distances,
    ModelResult, ProbeResult, RESULTS_SCHEMA_VERSION, Results, RuntimeFacts, SeverityResult, Smallest, StageResult,
    ThreatFacts, WorstCase,
};
pub use row_set::RowSet;
pub use static_cost::{ActivationMemory, StaticCost};
pub use statistics::{CONFIDENCE, Interval, clopper_pearson, wilson};
pub use store::{Damage, Keep, Lookup, Store};
pub use summary::{AttackFacts, Facts, ModelBlocks, ModelFacts, summarise};
pub use verdict::{Decision, GateResult, GateVerdict};
pub use witnesses::{Witnesses, witness_digest};
