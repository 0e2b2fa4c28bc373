//! MobileNet-tiny: NetAug's MobileNetV2 with the strides of CIFAR, and a shortcut around every block.
//!
//! Source: Mousavi, Zoljodi and Daneshtalab 2023; the layer table is the one that gives the counts they published.

use super::net::{Conv, Error, Net, PYTORCH};
use super::{Architecture, Entry, Takes, count_problem, width_problem};
use graph::ValueId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const ENTRY: Entry = Entry {
    name: "mobilenet-tiny",
    about: "inverted bottlenecks for 32x32 images, a shortcut around every block (Mousavi et al. 2023)",
    options: &[
        ("width", "a factor on the channels of every stage, then rounded to multiples of 8"),
        ("expand", "how many times wider than its input the middle of a block is"),
    ],
    usual: Architecture::MobilenetTiny(MobilenetTiny { width: 0.35, expand: 6 }),
    input: &[3, 32, 32],
    outputs: 10,
    takes: Takes::Images { smallest: [8, 8] },
};

/// Inverted bottlenecks for 32x32 images, with a shortcut around every block.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MobilenetTiny {
    /// A factor on the channels of every stage, which are then rounded to multiples of 8.
    #[schemars(range(min = 0, max = 8))]
    pub width: f64,
    /// How many times wider than its input the middle of a block is, but in the last stage, where it is 6.
    #[schemars(range(min = 1, max = 64))]
    pub expand: usize,
}

/// How wide the middle of a block is.
enum Middle {
    /// As its input: no expansion at all.
    Narrow,
    /// `expand` times its input.
    Expand,
    /// 6 times its input, whatever `expand` says.
    Six,
}

/// Of each stage: the middle of its blocks, channels before scaling, blocks, stride of the first block.
const STAGES: [(Middle, usize, usize, usize); 7] = [
    (Middle::Narrow, 16, 1, 1),
    (Middle::Expand, 24, 2, 1),
    (Middle::Expand, 32, 3, 2),
    (Middle::Expand, 64, 4, 2),
    (Middle::Expand, 96, 3, 1),
    (Middle::Expand, 160, 3, 2),
    (Middle::Six, 320, 1, 1),
];

impl MobilenetTiny {
    pub(super) fn problem(&self) -> Option<String> {
        width_problem(self.width).or_else(|| count_problem("expand", self.expand, 64))
    }

    pub(super) fn logits(&self, net: &mut Net, classes: usize) -> Result<ValueId, Error> {
        let scaled = |channels: usize| make_divisible(self.width * channels as f64);
        let mut x = net.begin(PYTORCH);
        x = net.conv_norm("stem", x, Conv::new(scaled(32), 3))?;
        x = net.relu6("stem", x)?;
        for (stage, (middle, channels, blocks, first_stride)) in STAGES.iter().enumerate() {
            for index in 0..*blocks {
                let stride = if index == 0 { *first_stride } else { 1 };
                let factor = match middle {
                    Middle::Narrow => None,
                    Middle::Expand => Some(self.expand),
                    Middle::Six => Some(6),
                };
                x = block(net, &format!("stage{stage}.{index}"), x, factor, scaled(*channels), stride)?;
            }
        }
        x = net.conv_norm("head", x, Conv::new(scaled(1280).max(1280), 1))?;
        x = net.relu6("head", x)?;
        x = net.pool(x)?;
        net.dense("classifier", x, classes)
    }
}

/// An inverted bottleneck. Its shortcut is the identity where shapes allow it, else a 1x1 convolution.
fn block(
    net: &mut Net,
    name: &str,
    x: ValueId,
    factor: Option<usize>,
    channels: usize,
    stride: usize,
) -> Result<ValueId, Error> {
    let part = |part: &str| format!("{name}.{part}");
    let inputs = net.channels(x);
    let mut y = x;
    if let Some(factor) = factor {
        y = net.conv_norm(&part("expand"), y, Conv::new(make_divisible((factor * inputs) as f64), 1))?;
        y = net.relu6(&part("expand"), y)?;
    }
    y = net.conv_norm(&part("depthwise"), y, Conv::depthwise(net.channels(y)).stride(stride))?;
    y = net.relu6(&part("depthwise"), y)?;
    y = net.conv_norm(&part("project"), y, Conv::new(channels, 1))?;
    let shortcut = if stride == 1 && inputs == channels {
        x
    } else {
        net.conv_norm(&part("shortcut"), x, Conv::new(channels, 1).stride(stride))?
    };
    net.add(name, y, shortcut)
}

/// The nearest multiple of 8, at least 8, and not less than nine tenths.
///
/// Source: `make_divisible` of NetAug and of TensorFlow's MobileNetV2.
fn make_divisible(channels: f64) -> usize {
    let rounded = (((channels + 4.0) / 8.0).floor() * 8.0).max(8.0);
    (if rounded < 0.9 * channels { rounded + 8.0 } else { rounded }) as usize
}
