//! The dense autoencoder of MLPerf Tiny's anomaly detection.
//!
//! Source: `keras_model.py` of anomaly_detection in github.com/mlcommons/tiny.

use super::net::{Error, KERAS, Net};
use super::{Architecture, Entry, Takes};
use graph::ValueId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const ENTRY: Entry = Entry {
    name: "fc-autoencoder",
    about: "the dense autoencoder of MLPerf Tiny's anomaly detection: it gives back its input",
    options: &[],
    usual: Architecture::FcAutoencoder(FcAutoencoder {}),
    input: &[640],
    outputs: 640,
    takes: Takes::Features { bottleneck: BOTTLENECK },
};

/// The dense autoencoder of MLPerf Tiny's anomaly detection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FcAutoencoder {}

const HIDDEN: usize = 128;
const BOTTLENECK: usize = 8;

impl FcAutoencoder {
    pub(super) fn reconstruction(&self, net: &mut Net) -> Result<ValueId, Error> {
        let mut x = net.begin(KERAS);
        if net.rank(x) > 2 {
            x = net.flatten(x)?;
        }
        let features = net.channels(x);
        for (side, widths) in
            [("encoder", [HIDDEN; 4].as_slice()), ("bottleneck", &[BOTTLENECK]), ("decoder", &[HIDDEN; 4])]
        {
            for (index, width) in widths.iter().enumerate() {
                let name = if side == "bottleneck" { side.to_owned() } else { format!("{side}.{index}") };
                x = net.dense(&name, x, *width)?;
                x = net.norm(&name, x)?;
                x = net.relu(&name, x)?;
            }
        }
        net.dense("output", x, features)
    }
}
