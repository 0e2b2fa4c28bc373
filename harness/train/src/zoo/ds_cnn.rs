//! DS-CNN of MLPerf Tiny's keyword spotting.
//!
//! Source: `keras_model.py` of keyword_spotting in github.com/mlcommons/tiny. Dropout does nothing in inference form. The
//! code pools 24 of the 25 rows that are left of 49; here all are pooled, as in the reference model that is published.

use super::net::{Conv, Error, KERAS, Net};
use super::{Architecture, Entry, Takes};
use graph::ValueId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const ENTRY: Entry = Entry {
    name: "ds-cnn",
    about: "the depthwise separable network of MLPerf Tiny's keyword spotting, on 10 MFCCs of 49 frames",
    options: &[],
    usual: Architecture::DsCnn(DsCnn {}),
    input: &[1, 49, 10],
    outputs: 12,
    takes: Takes::Images { smallest: [10, 4] },
};

/// The depthwise separable network of MLPerf Tiny's keyword spotting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DsCnn {}

const FILTERS: usize = 64;

impl DsCnn {
    pub(super) fn logits(&self, net: &mut Net, classes: usize) -> Result<ValueId, Error> {
        let mut x = net.begin(KERAS);
        x = net.conv_norm_relu("stem", x, Conv::rectangular(FILTERS, [10, 4]).stride(2))?;
        for block in 1..=4 {
            x = net.conv_norm_relu(&format!("block{block}.depthwise"), x, Conv::depthwise(FILTERS))?;
            x = net.conv_norm_relu(&format!("block{block}.pointwise"), x, Conv::new(FILTERS, 1))?;
        }
        x = net.pool(x)?;
        net.dense("classifier", x, classes)
    }
}
