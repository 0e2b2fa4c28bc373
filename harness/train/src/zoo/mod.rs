//! Architectures as small builders that write graphs with fresh weights.
//!
//! Each is one file with its layers and its [`Entry`]; [`ZOO`] lists them. The graphs are in inference form: batch
//! normalisation stays a node of its own, with the statistics of an untrained network.

#[cfg(test)]
mod counting;
mod ds_cnn;
mod fc_autoencoder;
mod init;
mod mobilenet_tiny;
mod mobilenet_v1;
mod net;
mod resnet8;
mod small_cnn;
#[cfg(test)]
mod tests;

pub use ds_cnn::DsCnn;
pub use fc_autoencoder::FcAutoencoder;
pub use mobilenet_tiny::MobilenetTiny;
pub use mobilenet_v1::MobilenetV1;
pub use resnet8::Resnet8;
pub use small_cnn::SmallCnn;

use crate::Error;
use graph::Graph;
use net::Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

/// Every architecture.
pub const ZOO: &[Entry] = &[
    mobilenet_tiny::ENTRY,
    resnet8::ENTRY,
    ds_cnn::ENTRY,
    mobilenet_v1::ENTRY,
    fc_autoencoder::ENTRY,
    small_cnn::ENTRY,
];

/// No input has more elements: a tiny network's is far smaller, and products of dimensions cannot overflow.
const LARGEST_INPUT: usize = 1 << 22;
/// No network has more outputs.
const MOST_CLASSES: usize = 1 << 16;

/// An architecture with its options: `mobilenet-tiny: { width: 0.35, expand: 6 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Architecture {
    /// Inverted bottlenecks for 32x32 images, with a shortcut around every block.
    MobilenetTiny(MobilenetTiny),
    /// The residual network of MLPerf Tiny's image classification.
    Resnet8(Resnet8),
    /// The depthwise separable network of MLPerf Tiny's keyword spotting.
    DsCnn(DsCnn),
    /// The network of MLPerf Tiny's visual wake words.
    MobilenetV1(MobilenetV1),
    /// The dense autoencoder of MLPerf Tiny's anomaly detection.
    FcAutoencoder(FcAutoencoder),
    /// Three convolutions, to try things out on.
    SmallCnn(SmallCnn),
}

/// What is known of an architecture before it is built.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name in recipes and on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Its options, each with what it means.
    pub options: &'static [(&'static str, &'static str)],
    /// The network that was published.
    pub usual: Architecture,
    /// The input it was published for.
    pub input: &'static [usize],
    /// The outputs it was published with.
    pub outputs: usize,
    /// Which inputs it takes.
    pub takes: Takes,
}

/// Which inputs an architecture takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Images or spectrograms `[C, H, W]` of at least this height and width; gives a score for each class.
    Images {
        /// The smallest height and width.
        smallest: [usize; 2],
    },
    /// Any shape with more elements than this; gives the elements back.
    Features {
        /// The width of the bottleneck.
        bottleneck: usize,
    },
}

/// The entry with this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ZOO.iter().find(|entry| entry.name == name)
}

impl Architecture {
    /// Writes the network with initial weights drawn from `seed`: the same bits on every machine.
    ///
    /// Shapes: input `x` is `[batch, …input]`; the output is `logits` `[batch, classes]`, or `reconstruction`
    /// `[batch, elements of input]` for an autoencoder, whose `classes` must be that number. No other dimension depends
    /// on `batch`, so that `graph::encode_symbolic_batch` writes a file for any.
    /// Errors: an option, the input or the number of classes is outside of what the architecture allows.
    pub fn build(&self, input: &[usize], classes: usize, batch: usize, seed: u64) -> Result<Graph, Error> {
        self.check(input, classes, batch)?;
        let mut net = Net::new(&self.label(), input, batch, seed);
        let output = match self {
            Self::MobilenetTiny(options) => options.logits(&mut net, classes),
            Self::Resnet8(options) => options.logits(&mut net, classes),
            Self::DsCnn(options) => options.logits(&mut net, classes),
            Self::MobilenetV1(options) => options.logits(&mut net, classes),
            Self::FcAutoencoder(options) => options.reconstruction(&mut net),
            Self::SmallCnn(options) => options.logits(&mut net, classes),
        }
        .map_err(|error| match error {
            net::Error::TooLarge(reason) => {
                self.refuse(reason, "choose a smaller input, fewer classes or a narrower network")
            }
            net::Error::Graph(error) => Error::Graph(error),
        })?;
        let name = if self.reconstructs() { "reconstruction" } else { "logits" };
        Ok(net.finish(output, name))
    }

    /// Its line of the table.
    pub fn entry(&self) -> &'static Entry {
        match self {
            Self::MobilenetTiny(_) => &mobilenet_tiny::ENTRY,
            Self::Resnet8(_) => &resnet8::ENTRY,
            Self::DsCnn(_) => &ds_cnn::ENTRY,
            Self::MobilenetV1(_) => &mobilenet_v1::ENTRY,
            Self::FcAutoencoder(_) => &fc_autoencoder::ENTRY,
            Self::SmallCnn(_) => &small_cnn::ENTRY,
        }
    }

    /// Its name, without options.
    pub fn name(&self) -> &'static str {
        self.entry().name
    }

    /// Its options by name, in the order of its entry.
    pub fn options(&self) -> Vec<(&'static str, Value)> {
        let tagged = serde_json::to_value(self).expect("an architecture has string keys and finite numbers");
        let value = |name: &str| tagged[self.name()][name].clone();
        self.entry().options.iter().map(|(name, _)| (*name, value(name))).collect()
    }

    /// The same architecture with some options changed.
    ///
    /// Errors: it has no such option, or the option is a number of another kind.
    pub fn with_options(&self, changes: &[(&str, Value)]) -> Result<Self, Error> {
        let mut options = self.options();
        for (name, value) in changes {
            match options.iter_mut().find(|(known, _)| known == name) {
                Some((_, option)) => *option = value.clone(),
                None => return Err(self.no_option(name)),
            }
        }
        let options: Map<String, Value> = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        serde_json::from_value(json!({ self.name(): options }))
            .map_err(|error| self.refuse(error.to_string(), &format!("the published network is {self}")))
    }

    fn no_option(&self, name: &str) -> Error {
        let known: Vec<String> = self.entry().options.iter().map(|(name, _)| format!("`{name}`")).collect();
        let hint = match known.as_slice() {
            [] => "leave it out: this architecture has no options".to_owned(),
            known => format!("its options: {}", known.join(", ")),
        };
        self.refuse(format!("there is no option `{name}`"), &hint)
    }

    /// A name for files: `mobilenet-tiny-w0.35-e6`.
    pub fn label(&self) -> String {
        let options = self.options().into_iter().map(|(name, value)| format!("-{}{value}", &name[..1]));
        std::iter::once(self.name().to_owned()).chain(options).collect()
    }

    /// Whether the network gives back its input, rather than scores of classes.
    pub fn reconstructs(&self) -> bool {
        matches!(self.entry().takes, Takes::Features { .. })
    }

    fn check(&self, input: &[usize], classes: usize, batch: usize) -> Result<(), Error> {
        self.check_options()?;
        self.check_input(input)?;
        let features: usize = input.iter().product();
        match self.entry().takes {
            Takes::Features { .. } if classes != features => {
                let reason = format!("it gives back the {features} elements of its input, not {classes} classes");
                Err(self.refuse(reason, "to tell classes apart, choose a classifier such as `small-cnn`"))
            }
            Takes::Images { .. } if !(2..=MOST_CLASSES).contains(&classes) => {
                let reason = format!("it needs 2 to {MOST_CLASSES} classes, found {classes}");
                Err(self.refuse(reason, "give the number of classes of the data set"))
            }
            _ if batch == 0 => Err(self.refuse("the batch is 0".to_owned(), "give a batch of 1 or more")),
            _ => Ok(()),
        }
    }

    fn check_options(&self) -> Result<(), Error> {
        let problem = match self {
            Self::MobilenetTiny(options) => options.problem(),
            Self::Resnet8(options) => options.problem(),
            Self::MobilenetV1(options) => options.problem(),
            Self::SmallCnn(options) => options.problem(),
            Self::DsCnn(_) | Self::FcAutoencoder(_) => None,
        };
        let usual = self.entry().usual;
        problem.map_or(Ok(()), |reason| Err(self.refuse(reason, &format!("the published network is {usual}"))))
    }

    fn check_input(&self, input: &[usize]) -> Result<(), Error> {
        let found = if input.is_empty() { "nothing".to_owned() } else { dimensions(input) };
        let usual = dimensions(self.entry().input);
        let elements = input.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
        if elements.is_none_or(|elements| !(1..=LARGEST_INPUT).contains(&elements)) || input.is_empty() {
            let reason = format!("its input must have 1 to {LARGEST_INPUT} elements, found {found}");
            return Err(self.refuse(reason, &format!("the published network takes {usual}")));
        }
        match (self.entry().takes, input) {
            (Takes::Images { smallest: [height, width] }, [_, rows, columns]) => {
                if *rows >= height && *columns >= width {
                    return Ok(());
                }
                let reason = format!("its input must be at least {height} high and {width} wide, found {found}");
                Err(self.refuse(reason, &self.roomier([*rows, *columns])))
            }
            (Takes::Images { .. }, _) => {
                let reason = format!("its input must be channels x height x width, found {found}");
                Err(self.refuse(reason, &format!("the published network takes {usual}")))
            }
            (Takes::Features { bottleneck }, _) if elements.is_some_and(|elements| elements > bottleneck) => Ok(()),
            (Takes::Features { bottleneck }, _) => {
                let reason =
                    format!("its input must have more elements than its bottleneck, {bottleneck}, found {found}");
                Err(self.refuse(reason, &format!("the published network takes {usual}")))
            }
        }
    }

    /// What takes a smaller image than this architecture.
    fn roomier(&self, size: [usize; 2]) -> String {
        let fits = |entry: &&Entry| match entry.takes {
            Takes::Images { smallest } => size[0] >= smallest[0] && size[1] >= smallest[1],
            Takes::Features { .. } => false,
        };
        let names: Vec<String> = ZOO.iter().filter(fits).map(|entry| format!("`{}`", entry.name)).collect();
        match names.as_slice() {
            [] => "pad or enlarge the images".to_owned(),
            names => format!("pad or enlarge the images, or choose among {}", names.join(", ")),
        }
    }

    fn refuse(&self, reason: String, hint: &str) -> Error {
        Error::Architecture { architecture: self.name().to_owned(), reason, hint: hint.to_owned() }
    }
}

/// `mobilenet-tiny { width: 0.35, expand: 6 }`.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<String> = self.options().into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        match options.as_slice() {
            [] => f.write_str(self.name()),
            options => write!(f, "{} {{ {} }}", self.name(), options.join(", ")),
        }
    }
}

/// `3x32x32`.
pub fn dimensions(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// What is wrong with a factor on the channels of every layer.
fn width_problem(width: f64) -> Option<String> {
    let allowed = width > 0.0 && width <= 8.0;
    (!allowed).then(|| format!("`width` must be more than 0 and at most 8, found {width}"))
}

/// What is wrong with a whole-number option.
fn count_problem(name: &str, count: usize, most: usize) -> Option<String> {
    (!(1..=most).contains(&count)).then(|| format!("`{name}` must be 1 to {most}, found {count}"))
}
