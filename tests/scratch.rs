//! A folder of its own for every test, the program ready to run in it, and models and data of a few kB.

use graph::{Attrs, DType, Graph, Tensor, ValueType};
use libtest_mimic::Failed;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Rows of the data set `tiny`: three blocks, the last one not full.
pub(crate) const ROWS: usize = 600;
/// Classes of the data set `tiny`.
pub(crate) const CLASSES: usize = 3;
/// Pixels of a row of the data set `tiny`, which are 1x4x4.
pub(crate) const PIXELS: usize = 16;

/// A suite on `tiny` that ends in well under a second.
pub(crate) const SUITE: &str = "\
version: 1
name: tiny
dataset: { name: tiny, split: test, samples: 300 }
models: [linear, conv]
threat: { norm: linf, epsilon: 8/255 }
attacks:
  - fgsm
  - pgd: { name: pgd-5x2, steps: 5, step_size: 3/255, start: random, restarts: 2, loss: margin, keep: best }
seed: 3
";

/// An empty folder in which the program runs, removed at the end.
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
}

/// What a run of the program left.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Scratch {
    /// An empty folder.
    pub(crate) fn new() -> Result<Self, Failed> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    /// A folder with the data set `tiny`, the models `linear` and `conv` registered, and the suite `tiny.yaml`.
    pub(crate) fn tiny() -> Result<Self, Failed> {
        let scratch = Self::new()?;
        scratch.add_tiny_data()?;
        scratch.add_model("linear", &linear()?, &[])?;
        scratch.add_model("conv", &conv()?, &["--output-kind", "softmax"])?;
        scratch.write("tiny.yaml", SUITE)?;
        Ok(scratch)
    }

    /// Registers the data set `tiny`.
    pub(crate) fn add_tiny_data(&self) -> Result<(), Failed> {
        let (images, labels) = tiny_idx();
        self.write("raw/images", images)?;
        self.write("raw/labels", labels)?;
        let files = ["raw/images", "raw/labels"];
        self.run(["data", "add", "tiny", "--format", "idx", "--shape", "1,4,4"].into_iter().chain(files))?
            .expect(0, &[])
    }

    /// Registers a model for the data set `tiny`.
    pub(crate) fn add_model(&self, name: &str, onnx: &[u8], options: &[&str]) -> Result<(), Failed> {
        let file = format!("raw/{name}.onnx");
        self.write(&file, onnx)?;
        let args = ["model", "add", &file, "--name", name, "--dataset", "tiny"];
        self.run(args.iter().chain(options))?.expect(0, &[&format!("registered {name}")])
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders that it is in.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), Failed> {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().ok_or("a file has a folder")?)?;
        Ok(std::fs::write(path, bytes)?)
    }

    /// Reads a text file.
    pub(crate) fn read(&self, name: &str) -> Result<String, Failed> {
        std::fs::read_to_string(self.path(name)).map_err(|error| format!("read {name}: {error}").into())
    }

    /// Replaces `from`, which must be there, in a text file.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) -> Result<(), Failed> {
        let text = self.read(name)?;
        if !text.contains(from) {
            return Err(format!("{name} has no `{from}`:\n{text}").into());
        }
        self.write(name, text.replace(from, to))
    }

    /// A JSON file.
    pub(crate) fn json(&self, name: &str) -> Result<Value, Failed> {
        Ok(serde_json::from_str(&self.read(name)?)?)
    }

    /// The program in this folder, without data sets that need a download.
    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tinyassay"));
        command.current_dir(self.folder.path()).env_remove("TINYASSAY_DATA").args(args);
        // Tests run in GitHub Actions too, where gates would write into the job's own summary.
        for name in ["GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the program.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Ran, Failed> {
        Ok(self.command(args).output()?.into())
    }

    /// Runs `tiny.yaml` with these options and returns `results.json`.
    pub(crate) fn results(&self, options: &[&str]) -> Result<Value, Failed> {
        self.run(["run", "tiny.yaml", "--out", "out"].iter().chain(options))?.expect(0, &["report: out"])?;
        self.json("out/results.json")
    }

    /// Everything below a folder that must be the same in every run, by relative path.
    pub(crate) fn outcome(&self, folder: &str) -> Result<BTreeMap<String, Vec<u8>>, Failed> {
        let mut files = self.files(folder)?;
        files.retain(|name, _| name != "observations.json" && name != "SHA256SUMS" && !name.contains("damaged/"));
        Ok(files)
    }

    /// Runs `tiny.yaml` into `one`, `two` and `five` with as many workers, and again into `two` with half of its blocks gone: the
    /// outcome is the same.
    pub(crate) fn run_in_every_way(&self) -> Result<(), Failed> {
        for (folder, jobs) in [("one", "1"), ("two", "2"), ("five", "5")] {
            self.run(["run", "tiny.yaml", "--out", folder, "--jobs", jobs])?.expect(0, &[])?;
            same(&format!("--jobs {jobs}"), &self.outcome("one")?, &self.outcome(folder)?)?;
        }
        // As if the run had stopped before half of its blocks were written.
        let blocks: Vec<String> = self.files("two")?.into_keys().filter(|name| name.contains("evidence/")).collect();
        for block in blocks.iter().step_by(2) {
            std::fs::remove_file(self.path("two").join(block))?;
        }
        self.run(["run", "tiny.yaml", "--out", "two"])?.expect(0, &[])?;
        same("resumed", &self.outcome("one")?, &self.outcome("two")?)?;
        self.run(["run", "tiny.yaml", "--out", "two"])?.expect(0, &[])?;
        ensure(self.json("two/observations.json")?["blocks_computed"] == 0, "all blocks are there")
    }

    /// Every file below a folder, by relative path.
    pub(crate) fn files(&self, folder: &str) -> Result<BTreeMap<String, Vec<u8>>, Failed> {
        let root = self.path(folder);
        let (mut files, mut open) = (BTreeMap::new(), vec![root.clone()]);
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(&root)?.to_string_lossy().into_owned();
                    files.insert(name, std::fs::read(&path)?);
                }
            }
        }
        Ok(files)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// Fails unless the exit code is `code` and every part is said on standard output or standard error. A panic or a
    /// partial message never passes: what is refused must say `error:`.
    pub(crate) fn expect(&self, code: i32, parts: &[&str]) -> Result<(), Failed> {
        let missing: Vec<&&str> =
            parts.iter().filter(|part| !self.stdout.contains(**part) && !self.stderr.contains(**part)).collect();
        let unexplained = code == 2 && !self.stderr.contains("error: ");
        if self.code == Some(code) && missing.is_empty() && !unexplained {
            return Ok(());
        }
        Err(self.failed(&format!("expected exit code {code}, missing {missing:?}")))
    }

    /// A failure with everything that the program said.
    pub(crate) fn failed(&self, why: &str) -> Failed {
        let Self { code, stdout, stderr } = self;
        format!("{why}\nexit code {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}").into()
    }
}

/// Fails with a list of the files that differ.
pub(crate) fn same(
    what: &str,
    wanted: &BTreeMap<String, Vec<u8>>,
    found: &BTreeMap<String, Vec<u8>>,
) -> Result<(), Failed> {
    let names = wanted.keys().chain(found.keys());
    let differ: Vec<&String> = names.filter(|name| wanted.get(*name) != found.get(*name)).collect();
    if differ.is_empty() {
        Ok(())
    } else {
        Err(format!("{what}: these files differ or are missing: {differ:?}").into())
    }
}

/// Fails with `otherwise` unless it holds.
pub(crate) fn ensure(holds: bool, otherwise: impl Into<String>) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise.into().into()) }
}

/// The pixels of `tiny`: noise, brighter where the index has the class as remainder by 3.
pub(crate) fn tiny_rows() -> Vec<([u8; PIXELS], u8)> {
    let mut state = 7u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 24
    };
    let rows = (0..ROWS).map(|row| {
        let class = row % CLASSES;
        let pixel = |pixel: usize| (noise() * 3 / 4 + if pixel % CLASSES == class { 60 } else { 0 }) as u8;
        let pixels: Vec<u8> = (0..PIXELS).map(pixel).collect();
        (pixels.try_into().expect("there are 16"), class as u8)
    });
    rows.collect()
}

/// `tiny` as the two files of the MNIST format.
fn tiny_idx() -> (Vec<u8>, Vec<u8>) {
    let header = |magic: u32, dims: &[u32]| -> Vec<u8> {
        [magic].iter().chain(dims).flat_map(|number| number.to_be_bytes()).collect()
    };
    let mut images = header(0x803, &[ROWS as u32, 4, 4]);
    let mut labels = header(0x801, &[ROWS as u32]);
    for (pixels, label) in tiny_rows() {
        images.extend(pixels);
        labels.push(label);
    }
    (images, labels)
}

/// A new graph with the input of the `tiny` models.
fn tiny_graph() -> (Graph, graph::ValueId) {
    let mut graph = Graph::new("tiny");
    let input = graph.input("input", ValueType::new(DType::F32, [1, 1, 4, 4]));
    (graph, input)
}

fn finish(mut graph: Graph, output: graph::ValueId, name: &str) -> Vec<u8> {
    graph.rename(output, name);
    graph.set_outputs(vec![output]);
    graph::encode_symbolic_batch(&graph)
}

/// Logits that count the brightness of each class's pixels, with `first` as the very first weight.
fn linear_with(first: f64, between: &[(&str, Attrs)]) -> Result<Vec<u8>, Failed> {
    let (mut graph, input) = tiny_graph();
    let mut weights: Vec<f64> =
        (0..CLASSES * PIXELS).map(|at| if at % PIXELS % CLASSES == at / PIXELS { 1.0 } else { -0.25 }).collect();
    weights[0] = first;
    let weights = graph.constant("weights", Tensor::f32(&[CLASSES, PIXELS], weights));
    let mut row = graph.add("Flatten", &[input], Attrs::new().int("axis", 1))?;
    for (index, (op, attrs)) in between.iter().enumerate() {
        let name = format!("the-{}-{index}", op.to_lowercase());
        row = graph.add_node(&name, op, &[Some(row)], attrs.clone(), 1)?[0];
    }
    let logits = graph.add("Gemm", &[row, weights], Attrs::new().int("transB", 1))?;
    Ok(finish(graph, logits, "logits"))
}

/// A linear classifier of `tiny`.
pub(crate) fn linear() -> Result<Vec<u8>, Failed> {
    linear_with(1.0, &[])
}

/// The linear classifier with logits so far apart that the softmax of f32 saturates.
pub(crate) fn saturated() -> Result<Vec<u8>, Failed> {
    let (mut graph, row, weights) = tiny_row()?;
    let factor = graph.constant("factor", Tensor::f32(&[1], vec![1e5]));
    let logits = graph.add("Gemm", &[row, weights], Attrs::new().int("transB", 1))?;
    let logits = graph.add("Mul", &[logits, factor], Attrs::new())?;
    Ok(finish(graph, logits, "logits"))
}

/// The linear classifier behind a quantizer of 8 steps, flat between them: a sum of steep ramps.
pub(crate) fn staircase() -> Result<Vec<u8>, Failed> {
    const STEPS: usize = 8;
    let (mut graph, row, weights) = tiny_row()?;
    let axes = graph.constant("axes", Tensor::ints([2]));
    let thresholds: Vec<f64> = (0..STEPS).map(|step| -1e6 * (step as f64 + 0.5) / STEPS as f64).collect();
    let thresholds = graph.constant("thresholds", Tensor::f32(&[STEPS], thresholds));
    let steepness = graph.constant("steepness", Tensor::f32(&[1], vec![1e6]));
    let low = graph.constant("low", Tensor::f32(&[], vec![0.0]));
    let high = graph.constant("high", Tensor::f32(&[], vec![1.0]));
    let each = graph.add("Unsqueeze", &[row, axes], Attrs::new())?;
    let each = graph.add("Mul", &[each, steepness], Attrs::new())?;
    let each = graph.add("Add", &[each, thresholds], Attrs::new())?;
    let each = graph.add("Clip", &[each, low, high], Attrs::new())?;
    let quantized = graph.add("ReduceMean", &[each, axes], Attrs::new().int("keepdims", 0))?;
    let logits = graph.add("Gemm", &[quantized, weights], Attrs::new().int("transB", 1))?;
    Ok(finish(graph, logits, "logits"))
}

/// The pixels as one row, and the weights of the linear classifier.
fn tiny_row() -> Result<(Graph, graph::ValueId, graph::ValueId), Failed> {
    let (mut graph, input) = tiny_graph();
    let weight = |at: usize| if at % PIXELS % CLASSES == at / PIXELS { 1.0 } else { -0.25 };
    let weights: Vec<f64> = (0..CLASSES * PIXELS).map(weight).collect();
    let weights = graph.constant("weights", Tensor::f32(&[CLASSES, PIXELS], weights));
    let row = graph.add("Flatten", &[input], Attrs::new().int("axis", 1))?;
    Ok((graph, row, weights))
}

/// The linear classifier with a weight that is not a number.
pub(crate) fn not_a_number() -> Result<Vec<u8>, Failed> {
    linear_with(f64::NAN, &[])
}

/// The linear classifier behind a rounding of its input to integers, which has no gradient.
pub(crate) fn rounding() -> Result<Vec<u8>, Failed> {
    let cast = |to: DType| Attrs::new().int("to", to.onnx().into());
    linear_with(1.0, &[("Cast", cast(DType::I32)), ("Cast", cast(DType::F32))])
}

/// A convolution, ReLU, mean over the picture, a dense layer and a softmax.
pub(crate) fn conv() -> Result<Vec<u8>, Failed> {
    let (mut graph, input) = tiny_graph();
    let wave = |count: usize, period: usize| (0..count).map(move |at| (at * 5 % period) as f64 / period as f64 - 0.4);
    let kernel = graph.constant("kernel", Tensor::f32(&[6, 1, 3, 3], wave(54, 11)).rounded());
    let dense = graph.constant("dense", Tensor::f32(&[CLASSES, 6 * PIXELS], wave(CLASSES * 6 * PIXELS, 13)).rounded());
    let pads = Attrs::new().ints("pads", [1, 1, 1, 1]);
    let features = graph.add("Conv", &[input, kernel], pads)?;
    let features = graph.add("Relu", &[features], Attrs::new())?;
    let row = graph.add("Flatten", &[features], Attrs::new().int("axis", 1))?;
    let logits = graph.add("Gemm", &[row, dense], Attrs::new().int("transB", 1))?;
    let probabilities = graph.add("Softmax", &[logits], Attrs::new().int("axis", -1))?;
    Ok(finish(graph, probabilities, "probabilities"))
}

/// Fields of protocol buffers, for files that no writer of ONNX writes.
pub(crate) mod proto {
    /// A length-delimited field.
    pub(crate) fn bytes(field: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![field << 3 | 2];
        let mut length = bytes.len();
        while length > 127 {
            out.push(length as u8 | 128);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend(bytes);
        out
    }

    /// A field that is a small number.
    pub(crate) fn number(field: u8, number: u8) -> Vec<u8> {
        vec![field << 3, number]
    }

    /// A node: inputs, outputs, name and operator.
    pub(crate) fn node(inputs: &[&str], outputs: &[&str], name: &str, op: &str) -> Vec<u8> {
        let inputs = inputs.iter().flat_map(|input| bytes(1, input.as_bytes()));
        let outputs = outputs.iter().flat_map(|output| bytes(2, output.as_bytes()));
        inputs.chain(outputs).chain(bytes(3, name.as_bytes())).chain(bytes(4, op.as_bytes())).collect()
    }

    /// A float32 port whose first dimension is open.
    fn port(name: &str, rest: &[u8]) -> Vec<u8> {
        let fixed = rest.iter().flat_map(|&dim| bytes(1, &number(1, dim)));
        let shape: Vec<u8> = bytes(1, &bytes(2, b"N")).into_iter().chain(fixed).collect();
        let tensor = [number(1, 1), bytes(2, &shape)].concat();
        [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
    }

    /// A float32 tensor whose elements are in another file.
    pub(crate) fn external(name: &str, dims: &[u8], location: &str) -> Vec<u8> {
        let dims = dims.iter().flat_map(|&dim| number(1, dim));
        let entry = [bytes(1, b"location"), bytes(2, location.as_bytes())].concat();
        dims.chain(number(2, 1))
            .chain(bytes(8, name.as_bytes()))
            .chain(bytes(13, &entry))
            .chain(number(14, 1))
            .collect()
    }

    /// A model from the input `input`, 1x4x4, to the output `logits`, 3, of operator set 21.
    pub(crate) fn model(nodes: &[Vec<u8>], initializers: &[Vec<u8>]) -> Vec<u8> {
        let nodes = nodes.iter().flat_map(|node| bytes(1, node));
        let initializers = initializers.iter().flat_map(|tensor| bytes(5, tensor));
        let ports = [bytes(11, &port("input", &[1, 4, 4])), bytes(12, &port("logits", &[3]))].concat();
        let graph: Vec<u8> = nodes.chain(bytes(2, b"handmade")).chain(initializers).chain(ports).collect();
        [number(1, 10), bytes(7, &graph), bytes(8, &number(2, 21))].concat()
    }
}
