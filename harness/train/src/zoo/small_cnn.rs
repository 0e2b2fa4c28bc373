//! Three convolutions with batch normalisation: enough for small images, trained in minutes.

use super::net::{Conv, Error, Net, PYTORCH};
use super::{Architecture, Entry, Takes, count_problem};
use graph::ValueId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const ENTRY: Entry = Entry {
    name: "small-cnn",
    about: "three 3x3 convolutions and a dense layer, to try things out on",
    options: &[("filters", "filters of the first convolution; the next have twice and four times as many")],
    usual: Architecture::SmallCnn(SmallCnn { filters: 16 }),
    input: &[3, 32, 32],
    outputs: 10,
    takes: Takes::Images { smallest: [4, 4] },
};

/// Three convolutions, to try things out on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmallCnn {
    /// The filters of the first convolution; the next ones have twice and four times as many, at half and a quarter of the
    /// size.
    #[schemars(range(min = 1, max = 1024))]
    pub filters: usize,
}

impl SmallCnn {
    pub(super) fn problem(&self) -> Option<String> {
        count_problem("filters", self.filters, 1024)
    }

    pub(super) fn logits(&self, net: &mut Net, classes: usize) -> Result<ValueId, Error> {
        let mut x = net.begin(PYTORCH);
        for (index, stride) in [1, 2, 2].into_iter().enumerate() {
            let conv = Conv::new(self.filters << index, 3).stride(stride);
            x = net.conv_norm_relu(&format!("conv{}", index + 1), x, conv)?;
        }
        x = net.pool(x)?;
        net.dense("classifier", x, classes)
    }
}
