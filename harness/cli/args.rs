//! The command line as clap reads it.

use crate::attest::{AttestArgs, ExportArgs, KeyVerb, SignModelArgs, VerifyModelArgs};
use crate::gate::{GateArgs, TellArgs};
use crate::leaderboard::LeaderboardArgs;
use crate::render::ReportArgs;
use crate::verify::VerifyArgs;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use runtime::Provider;
use std::path::PathBuf;

/// Benchmarks tiny neural networks: attacks the ONNX file that ships, and leaves evidence that others can re-check.
#[derive(Debug, Parser)]
#[command(name = "tinyassay", version, max_term_width = 100, after_long_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const AFTER_HELP: &str = "\
Start here:
  tinyassay run suites/quickstart.yaml        a leaderboard in under a minute, nothing to download but ONNX Runtime
  tinyassay model check path/to/model.onnx    can my file be evaluated?
  tinyassay train models/signs32-cnn-trades   what a recipe says, in minutes
  tinyassay doctor                            what is installed, which data are there

Exit codes:
  0  done, and every gate passes      1  a check or a gate failed
  2  invalid usage, suite, model or data, or gates that cannot be evaluated
  3  a gate is inconclusive, or a run was interrupted by an error (run it again to resume)
  70 a defect of tinyassay

Environment:
  TINYASSAY_DATA     folder with data sets (cifar-10-batches-bin/, mnist/, ...)
  TINYASSAY_CACHE    where ONNX Runtime is kept (default: the user's cache folder)
  TINYASSAY_OFFLINE  set to 1 to forbid downloads
  ORT_DYLIB_PATH     an ONNX Runtime library of your own, 1.24 or newer
  TINYASSAY_CUDA_LIBS     folders with the libraries of CUDA 13 and cuDNN 9, separated by `:`
                          (searched before the packages of python3 and the system's own)
  TINYASSAY_CUDA_OPTIONS  options of the CUDA provider that differ, as KEY=VALUE,...; results name them";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Runs a suite: attacks its models and writes a report folder
    Run(Box<RunArgs>),
    /// Registers, lists, shows, profiles, verifies, signs, removes, checks and builds models
    #[command(subcommand)]
    Model(ModelVerb),
    /// Shows what attacks found
    #[command(subcommand)]
    Attack(AttackVerb),
    /// Holds a report against gates: pass, fail or inconclusive, for people and CI servers
    Gate(Box<GateArgs>),
    /// Ranks the models of any set of reports among each other
    Leaderboard(LeaderboardArgs),
    /// Renders every format of a report folder again, or checks that they are as they should be
    Report(ReportArgs),
    /// Adds, lists, shows and verifies data sets
    #[command(subcommand)]
    Data(DataVerb),
    /// Trains the network of a recipe and registers it
    Train(TrainArgs),
    /// Measures how long one inference takes on this machine, several models in turns
    Latency(LatencyArgs),
    /// Signs a report folder: writes statements about it that anybody with the public key can verify
    Attest(AttestArgs),
    /// Makes keys to sign with
    #[command(subcommand)]
    Key(KeyVerb),
    /// Writes the results of a report in the form of another catalogue
    Export(ExportArgs),
    /// Checks a report folder without trust in whoever made it
    Verify(VerifyArgs),
    /// Compares two reports on the same rows: a baseline and a candidate
    Compare(crate::comparison::CompareArgs),
    /// Writes one document about a report for a reviewer: HTML, Markdown, PDF
    Audit(crate::audit::AuditArgs),
    /// Shows ONNX Runtime, providers, data sets and cache; or computes known results on a provider
    Doctor(DoctorArgs),
}

#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
The run is made of blocks (one check on 250 rows of one model). A block is written once it is complete; run the same
command again to resume after an interruption, or with more samples to extend it.

Gates of the suite are evaluated once the report is written, and the exit code is theirs: 0 pass, 1 fail,
3 inconclusive. `tinyassay gate` evaluates them again, or others.")]
pub(crate) struct RunArgs {
    /// The suite, a YAML file (see suites/README.md)
    pub(crate) suite: PathBuf,
    /// The report folder [default: reports/NAME, by the name of the suite]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Validates the suite, builds every gradient graph, prints plan and cost, and stops
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Worker threads; results do not depend on it [default: the number of cores, on a GPU 4 at most]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// Evaluates this many samples instead of what the suite says
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<std::num::NonZeroU32>,
    /// A folder of blocks shared between suites
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Does not keep the adversarial inputs that were found
    #[arg(long)]
    pub(crate) no_witnesses: bool,
    /// Execution provider
    #[arg(long, value_enum, default_value_t = ProviderArg::Cpu)]
    pub(crate) provider: ProviderArg,
    #[command(flatten)]
    pub(crate) telling: TellArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ProviderArg {
    /// The CPU provider
    Cpu,
    /// The CUDA provider, on the first NVIDIA GPU: never in part on the CPU without saying so
    Cuda,
}

impl From<ProviderArg> for Provider {
    fn from(arg: ProviderArg) -> Self {
        match arg {
            ProviderArg::Cpu => Provider::Cpu,
            ProviderArg::Cuda => Provider::Cuda,
        }
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
Examples:
  tinyassay latency resnet8                        five windows of 10 s, as in MLPerf Tiny
  tinyassay latency int8-twin --reference resnet8  how many times as long as the float file?
  tinyassay latency 'signs32-*' --quick --json     windows of 1 s, as JSON

The registered file runs on one row at a time, in a session of its own. Only the run is timed:
making the input and reading the output are not. A window is inferences one after the other, after
10 that are not counted; it ends once both its seconds are over and 10 inferences are made. Models
take turns, window by window, so that what slows the machine down slows all of them: latencies are
this machine's, ratios come nearer to those of other machines.

Latency is a second over the median rate of the windows; p50, p90 and p99 are LoadGen's percentiles
of all inferences. Flags say when the machine was not idle (other processes took more than a tenth
of a processor), when windows differ by more than 5 %, when there are too few inferences (64 for an
estimate of p90, 662 for one of p99), and when the windows are not those of MLPerf Tiny.
In a suite: `cost: [latency]`.")]
pub(crate) struct LatencyArgs {
    /// Registered names, globs over them, or model folders
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Windows of 1 s instead of 10 s: not MLPerf's protocol
    #[arg(long)]
    pub(crate) quick: bool,
    /// Threads that share the work of one operator
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: u32,
    /// A model that the others are compared with; it is measured too
    #[arg(long, value_name = "NAME")]
    pub(crate) reference: Option<String>,
    /// Prints JSON, as observations.json has it, instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Execution provider
    #[arg(long, value_enum, default_value_t = ProviderArg::Cpu)]
    pub(crate) provider: ProviderArg,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DoctorArgs {
    /// The execution provider whose build of ONNX Runtime is looked at
    #[arg(long, value_enum, default_value_t = ProviderArg::Cpu)]
    pub(crate) provider: ProviderArg,
    /// Computes gradients and training steps of a built-in network on the provider, compares them with the reference in
    /// double precision, and measures how fast they are
    #[arg(long)]
    pub(crate) self_check: bool,
    /// Writes the results of the self-check to this file
    #[arg(long, value_name = "FILE", requires = "self_check")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
DIR holds recipe.yaml; the model is registered beside it. After every epoch the training is kept in DIR/training, so that
a kill at any moment loses one epoch at most; on the CPU with the same threads, a resumed training ends with the same
bytes as one that was never stopped.")]
pub(crate) struct TrainArgs {
    /// The folder of the model, such as models/NAME, with a recipe.yaml in it
    #[arg(value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Goes on from the last checkpoint
    #[arg(long)]
    pub(crate) resume: bool,
    /// Threads of a step, on which its last bits may depend [default: the recipe's, or the number of cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
    /// Execution provider
    #[arg(long, value_enum, default_value_t = ProviderArg::Cpu)]
    pub(crate) provider: ProviderArg,
    /// Another number of epochs than the recipe's, to try it out; the model is then not registered in its place
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<std::num::NonZeroU32>,
    /// The folder of checkpoint, metrics and plots [default: DIR/training]
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
    /// Validates the recipe, builds the graphs of a step, prints the plan, and stops
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelVerb {
    /// Registers an ONNX file: copies it into models/ with a manifest and digests
    Add(Box<AddModelArgs>),
    /// Lists the registered models
    List,
    /// Shows one model's manifest, operators and MACs
    Show {
        /// A registered name or a model folder
        name: String,
    },
    /// Shows what every layer costs, and the activations' memory over time
    Profile(ProfileArgs),
    /// Checks the digests of registered models, and with a key their signatures
    Verify(VerifyModelArgs),
    /// Signs a registered model, in the form that OpenSSF's model_signing verifies
    Sign(SignModelArgs),
    /// Removes a registered model
    Remove {
        /// The registered name
        name: String,
    },
    /// Says whether an ONNX file can be evaluated: operators, row independence, gradients
    Check(CheckArgs),
    /// Writes a network of the zoo as an ONNX file with fresh weights, or shows what it would cost
    Build(Box<BuildArgs>),
}

#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
Memory is what is alive while a layer runs: its inputs, its outputs and what later layers still read. Views share their input's buffer,
and elementwise operators, which runtimes fuse into the layer before, overwrite an input that nobody else reads. It is a lower bound
for an allocator, which cannot always leave no gaps.

Tools count differently: on ResNet-8 of MLPerf Tiny, 12.5 million by `default` are 12.8 by thop and 12.9 by ptflops, on other networks the gap
is wider. --convention counts as one of them does, from what the file says: batch normalisation that was folded into a layer before the
export is not in the file any more and counts nothing, and layers are taken as modules of torch.nn.

Flash is weights, biases, and what scales the integers; of a float file it is an estimate of its int8 form.")]
pub(crate) struct ProfileArgs {
    /// A registered name or a model folder
    pub(crate) name: String,
    /// How to count the column MACs and its sum
    #[arg(long, value_parser = conventions(), default_value = "default")]
    pub(crate) convention: String,
    /// Counts a byte for every element of an activation, as a quantized network has them; always so for quantized files
    #[arg(long)]
    pub(crate) int8: bool,
    /// Depthwise convolutions overwrite their input, channel by channel
    #[arg(long)]
    pub(crate) in_place_depthwise: bool,
    /// Lists the layers in the best order that was found instead of the file's
    #[arg(long)]
    pub(crate) best_order: bool,
    /// Shows upper bounds on Lipschitz constants instead, of every layer and of the logits in the file's input
    #[arg(long, conflicts_with_all = ["int8", "in_place_depthwise", "best_order"])]
    pub(crate) lipschitz: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AddModelArgs {
    /// The ONNX file; external data beside it is taken along
    pub(crate) path: PathBuf,
    /// The name to register it under [default: the file's stem]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The data set that it classifies
    #[arg(long)]
    pub(crate) dataset: String,
    /// What its last layer gives. score: an autoencoder's reconstruction, whose mean squared error tells anomalies
    #[arg(long, value_parser = ["logits", "softmax", "sigmoid", "score"], default_value = "logits")]
    pub(crate) output_kind: String,
    /// Of output kind score: the error above which a row is anomalous (class 1), not normal (class 0)
    #[arg(long)]
    pub(crate) threshold: Option<f64>,
    /// The layout of its input [default: guessed from the shape]
    #[arg(long, value_parser = ["NCHW", "NHWC", "flat"])]
    pub(crate) layout: Option<String>,
    /// What a pixel of the data set, in [0, 1], becomes at its input: two numbers
    #[arg(long, num_args = 2, value_names = ["LOW", "HIGH"], allow_negative_numbers = true)]
    pub(crate) range: Option<Vec<f64>>,
    /// Channel means subtracted after the range is applied, comma-separated
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    pub(crate) mean: Option<Vec<f64>>,
    /// Channel deviations divided by after that, comma-separated
    #[arg(long, value_delimiter = ',')]
    pub(crate) std: Option<Vec<f64>>,
    /// Quantization scale of an integer input
    #[arg(long)]
    pub(crate) scale: Option<f64>,
    /// Zero point of an integer input
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) zero_point: Option<i64>,
    /// For each class of the data set, the output that is right, comma-separated [default: the same number]
    #[arg(long, value_delimiter = ',')]
    pub(crate) labels: Option<Vec<usize>>,
    /// Its licence
    #[arg(long, default_value = "unknown")]
    pub(crate) licence: String,
    /// Where it comes from
    #[arg(long, default_value = "unknown")]
    pub(crate) provenance: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// An ONNX file, a model folder or a registered name
    pub(crate) path: PathBuf,
    /// The range of the random inputs, in the units of the file's own input [default: all values of an integer type, the
    /// manifest's range, or 0 1]
    #[arg(long, num_args = 2, value_names = ["LOW", "HIGH"], allow_negative_numbers = true)]
    pub(crate) range: Option<Vec<f64>>,
    /// Random inputs to compare gradients on
    #[arg(long, default_value_t = 32)]
    pub(crate) inputs: usize,
    /// Execution provider
    #[arg(long, value_enum, default_value_t = ProviderArg::Cpu)]
    pub(crate) provider: ProviderArg,
}

#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
Examples:
  tinyassay model build --list                                   architectures, options, usual inputs
  tinyassay model build mobilenet-tiny --dry-run                 what it costs; writes nothing
  tinyassay model build mobilenet-tiny --width 0.65 --expand 6   writes mobilenet-tiny-w0.65-e6.onnx
  tinyassay model build resnet8 --input 3x64x64 --classes 100 --out net.onnx
  tinyassay model build ds-cnn --seed 7 --out kws.onnx           other initial weights

The file takes `x` with any batch and gives `logits` (the autoencoder: `reconstruction`). Batch
normalisation is not folded. Weights are drawn from the seed, the same on every machine.
`tinyassay model check FILE` tries the file, `tinyassay model add FILE` registers it.")]
pub(crate) struct BuildArgs {
    /// The architecture
    #[arg(required_unless_present = "list", value_parser = architectures())]
    pub(crate) arch: Option<String>,
    /// A factor on the channels of every layer (mobilenet-tiny, mobilenet-v1)
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) width: Option<f64>,
    /// How many times wider than its input the middle of a block is (mobilenet-tiny)
    #[arg(long)]
    pub(crate) expand: Option<usize>,
    /// The filters of the first layer (resnet8, small-cnn)
    #[arg(long)]
    pub(crate) filters: Option<usize>,
    /// The number of outputs [default: as published]
    #[arg(long)]
    pub(crate) classes: Option<usize>,
    /// The shape of one input, such as 3x32x32 [default: as published]
    #[arg(long, value_name = "CxHxW", value_parser = Dimensions::parse)]
    pub(crate) input: Option<Dimensions>,
    /// What the initial weights are drawn from
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// The network's name in the file [default: the architecture and its options]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Where to write it [default: NAME.onnx]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replaces a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Prints parameters and multiply-accumulates, and stops
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Lists the architectures with their options, and stops
    #[arg(long, exclusive = true)]
    pub(crate) list: bool,
}

fn conventions() -> PossibleValuesParser {
    let value = |convention: &graph::Convention| PossibleValue::new(convention.name).help(convention.counts);
    graph::CONVENTIONS.iter().map(value).collect::<Vec<_>>().into()
}

fn architectures() -> PossibleValuesParser {
    train::zoo::ZOO.iter().map(|entry| PossibleValue::new(entry.name).help(entry.about)).collect::<Vec<_>>().into()
}

/// A shape as one word: `3x32x32`.
#[derive(Debug, Clone)]
pub(crate) struct Dimensions(pub(crate) Vec<usize>);

impl Dimensions {
    fn parse(text: &str) -> Result<Self, String> {
        let sizes: Result<Vec<usize>, _> = text.split(['x', ',']).map(str::parse).collect();
        sizes.map(Self).map_err(|_| "expected whole numbers with `x` between them, such as 3x32x32".to_owned())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum AttackVerb {
    /// Lists the adversarial inputs that a report keeps, or draws one
    Show(ShowAttackArgs),
}

#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
Without --row it lists them. With a row, and a model and an attack where several are left, it writes a PNG of three panels:
the sample, the adversarial input, and their difference, magnified so that its largest element is black or white on
mid-grey. Each element is a block of pixels, and a panel is at least 256 pixels high. Rows that are no pictures of one or
three channels are shown in grey, from their least to their largest value.

Only witnesses whose digests are those of their blocks are shown, beside the very data of the run.")]
pub(crate) struct ShowAttackArgs {
    /// The folder of a report, or its name in reports/
    pub(crate) report: PathBuf,
    /// Only this model
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Only this attack
    #[arg(long, value_name = "NAME")]
    pub(crate) attack: Option<String>,
    /// Draws the witness of this row, by its index in the data set
    #[arg(long, value_name = "N")]
    pub(crate) row: Option<u64>,
    /// Where the picture goes, in place of a file that is there [default: MODEL-ATTACK-ROW.png]
    #[arg(long, value_name = "FILE", requires = "row")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataVerb {
    /// Writes a manifest with digests for files of your own
    Add(AddDataArgs),
    /// Lists the data sets, and whether their files are there
    List,
    /// Shows one data set
    Show {
        /// Its name
        name: String,
    },
    /// Checks the digests of data sets
    Verify {
        /// Names [default: all that are there]
        names: Vec<String>,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AddDataArgs {
    /// The name to register it under
    pub(crate) name: String,
    /// npy, npz, idx, cifar-bin or image-folder
    #[arg(long)]
    pub(crate) format: String,
    /// The files (idx, npy: one of images and one of labels) or the folder
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Dimensions of one sample, comma-separated, such as 3,32,32 (not for image folders)
    #[arg(long, value_delimiter = ',')]
    pub(crate) shape: Option<Vec<usize>>,
    /// The order of its axes
    #[arg(long, value_parser = ["NCHW", "NHWC", "flat"], default_value = "NCHW")]
    pub(crate) layout: String,
    /// The numbers are no pixels: no unit interval, epsilon is in their own units
    #[arg(long)]
    pub(crate) raw: bool,
    /// The split that the files are
    #[arg(long, default_value = "test")]
    pub(crate) split: String,
    /// npy: a split for each of these ranges of rows, comma-separated, such as severity-1=0..10000 [default: one split of all]
    #[arg(long, value_name = "SPLIT=START..END", value_delimiter = ',', conflicts_with = "split")]
    pub(crate) rows: Vec<String>,
    /// Class names, comma-separated [default: the folder names, else 0, 1, ...]
    #[arg(long, value_delimiter = ',')]
    pub(crate) classes: Option<Vec<String>>,
    /// The licence of the data
    #[arg(long, default_value = "unknown")]
    pub(crate) licence: String,
}
