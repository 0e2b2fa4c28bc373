//! MobileNetV1 of MLPerf Tiny's visual wake words.
//!
//! Source: `vww_model.py` of visual_wake_words in github.com/mlcommons/tiny.

use super::net::{Conv, Error, KERAS, Net};
use super::{Architecture, Entry, Takes, width_problem};
use graph::ValueId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const ENTRY: Entry = Entry {
    name: "mobilenet-v1",
    about: "the network of MLPerf Tiny's visual wake words",
    options: &[("width", "a factor on the channels of every layer, then rounded down")],
    usual: Architecture::MobilenetV1(MobilenetV1 { width: 0.25 }),
    input: &[3, 96, 96],
    outputs: 2,
    takes: Takes::Images { smallest: [32, 32] },
};

/// The network of MLPerf Tiny's visual wake words.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MobilenetV1 {
    /// A factor on the channels of every layer, which are then rounded down. Published: 0.25.
    #[schemars(range(min = 0, max = 8))]
    pub width: f64,
}

/// Of each block: channels at width 1, stride.
const BLOCKS: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

impl MobilenetV1 {
    pub(super) fn problem(&self) -> Option<String> {
        let narrow = || format!("`width` {} leaves no channel of the 32 of the first layer", self.width);
        width_problem(self.width).or_else(|| (self.scaled(32) == 0).then(narrow))
    }

    pub(super) fn logits(&self, net: &mut Net, classes: usize) -> Result<ValueId, Error> {
        let mut x = net.begin(KERAS);
        x = net.conv_norm_relu("stem", x, Conv::new(self.scaled(32), 3).stride(2))?;
        for (index, (channels, stride)) in BLOCKS.into_iter().enumerate() {
            let depthwise = Conv::depthwise(net.channels(x)).stride(stride);
            x = net.conv_norm_relu(&format!("block{}.depthwise", index + 1), x, depthwise)?;
            let pointwise = Conv::new(self.scaled(channels), 1);
            x = net.conv_norm_relu(&format!("block{}.pointwise", index + 1), x, pointwise)?;
        }
        x = net.pool(x)?;
        net.dense("classifier", x, classes)
    }

    fn scaled(&self, channels: usize) -> usize {
        (self.width * channels as f64) as usize
    }
}
