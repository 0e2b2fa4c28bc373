//! ResNet-8 of MLPerf Tiny's image classification.
//!
//! Source: `keras_model.py` of image_classification in github.com/mlcommons/tiny.

use super::net::{Conv, Error, KERAS, Net};
use super::{Architecture, Entry, Takes, count_problem};
use graph::ValueId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const ENTRY: Entry = Entry {
    name: "resnet8",
    about: "the residual network of MLPerf Tiny's image classification",
    options: &[("filters", "filters of the first stack; the next have twice and four times as many")],
    usual: Architecture::Resnet8(Resnet8 { filters: 16 }),
    input: &[3, 32, 32],
    outputs: 10,
    takes: Takes::Images { smallest: [4, 4] },
};

/// The residual network of MLPerf Tiny's image classification.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resnet8 {
    /// The filters of the first stack; the next ones have twice and four times as many. Published: 16, and 26 since 2026.
    #[schemars(range(min = 1, max = 1024))]
    pub filters: usize,
}

impl Resnet8 {
    pub(super) fn problem(&self) -> Option<String> {
        count_problem("filters", self.filters, 1024)
    }

    pub(super) fn logits(&self, net: &mut Net, classes: usize) -> Result<ValueId, Error> {
        let mut x = net.begin(KERAS);
        x = net.conv_norm_relu("stem", x, Conv::new(self.filters, 3))?;
        for (index, stride) in [1, 2, 2].into_iter().enumerate() {
            x = stack(net, &format!("stack{}", index + 1), x, self.filters << index, stride)?;
        }
        x = net.pool(x)?;
        net.dense("classifier", x, classes)
    }
}

/// Two convolutions with a shortcut: the identity, or where the stride is 2 a 1x1 convolution without batch norm.
fn stack(net: &mut Net, name: &str, x: ValueId, filters: usize, stride: usize) -> Result<ValueId, Error> {
    let shortcut = match stride {
        1 => x,
        _ => net.conv(&format!("{name}.shortcut"), x, Conv::new(filters, 1).stride(stride))?,
    };
    let mut y = net.conv_norm_relu(&format!("{name}.conv1"), x, Conv::new(filters, 3).stride(stride))?;
    y = net.conv_norm(&format!("{name}.conv2"), y, Conv::new(filters, 3))?;
    y = net.add(name, shortcut, y)?;
    net.relu(name, y)
}
