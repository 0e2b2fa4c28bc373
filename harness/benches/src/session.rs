use crate::{Batch, Crew, Request, dump};
use anyhow::{Context, Result, bail, ensure};
use attack::{Budget, Domain, Loss, LossHead, Norm, Picture, Setting, ThreatModel};
use graph::{Dim, Head, InputMap, Model, NoExternalData};
use runtime::{ModelBytes, ModelSpec, OutputKind, Prepared, Provider};
use serde_json::{Value, json};
use std::time::Instant;

/// One model and the crew that answers requests about it.
#[derive(Debug)]
pub struct PeerSession {
    crew: Crew,
    batch: Option<Batch>,
    loaded: bool,
}

/// A model that can't be run, and every node of it that is not supported.
#[derive(Debug)]
pub struct Refusal {
    /// Why, as a fragment that follows "failed to …".
    pub reason: String,
    /// The operators of nodes that are not supported, and why not.
    pub unsupported: Vec<(String, String)>,
}

impl Refusal {
    /// One line for whoever speaks the protocol.
    pub fn json(&self) -> Value {
        let unsupported: Vec<Value> =
            self.unsupported.iter().map(|(op, reason)| json!({ "op": op, "reason": reason })).collect();
        json!({ "error": self.reason, "unsupported": unsupported })
    }
}

/// Why a file can't be run, in full.
pub fn describe(onnx: &[u8], error: &anyhow::Error) -> Refusal {
    let problems = Model::parse(onnx, &NoExternalData).map(|model| model.unsupported()).unwrap_or_default();
    let op = |problem: graph::Error| match problem {
        graph::Error::Unsupported { op, reason, .. } | graph::Error::Node { op, reason, .. } => (op, reason),
        other => (String::new(), other.to_string()),
    };
    Refusal { reason: format!("{error:#}"), unsupported: problems.into_iter().map(op).collect() }
}

impl PeerSession {
    /// Prepares a file of one float input and one output for every loss head, its input taken as it is.
    ///
    /// Errors: the file can't be run or differentiated; [`describe`] has more.
    pub fn open(onnx: Vec<u8>, classes: usize, workers: usize) -> Result<Self> {
        let spec = spec(&onnx, classes)?;
        let heads = [LossHead::CrossEntropy, LossHead::Margin, LossHead::Linear];
        let prepared = Prepared::new(ModelBytes::new(onnx), spec, &heads, Provider::Cpu)?;
        Ok(Self { crew: Crew::open(prepared, workers)?, batch: None, loaded: false })
    }

    /// What is said once, before the first request.
    ///
    /// Errors: the model can't be differentiated.
    pub fn greeting(&self) -> Result<Value> {
        let prepared = self.crew.prepared();
        let gradient = graph::gradient_graph(prepared.classifier(), Head::CrossEntropy)?;
        Ok(json!({
            "ready": true,
            "micro_batch": prepared.micro_batch(),
            "macs": prepared.macs(),
            "parameters": prepared.parameters(),
            "nodes": {
                "file": prepared.nodes(),
                "classifier": prepared.classifier().nodes().len(),
                "gradient": gradient.graph.nodes().len(),
            },
            "notes": prepared.notes(),
            "onnxruntime": runtime::identity(Provider::Cpu)?.onnxruntime,
        }))
    }

    /// Answers one request.
    ///
    /// Errors: it can't be done; the session goes on.
    pub fn answer(&mut self, request: &Request) -> Result<Value> {
        match request {
            Request::Load(path) => {
                let (x, labels) = dump::rows(path, self.crew.prepared().spec().classes)?;
                let batch = Batch::new(x, labels)?;
                let rows = batch.labels.len();
                (self.batch, self.loaded) = (Some(batch), true);
                Ok(json!({ "rows": rows }))
            }
            Request::Forward { rows, repeats } => {
                let (crew, batch) = self.batch(*rows)?;
                timed(*repeats, || crew.forward(batch, *rows).map(drop))
            }
            Request::Gradient { rows, repeats } => {
                let (crew, batch) = self.batch(*rows)?;
                let loss = Loss::cross_entropy(&batch.labels[..*rows], crew.prepared().spec().classes);
                timed(*repeats, || crew.gradient(&batch.x, &loss, *rows).map(drop))
            }
            Request::Pgd20 { rows, epsilon } => {
                let (crew, batch) = self.batch(*rows)?;
                let threat = ThreatModel { norm: Norm::Linf, epsilon: epsilon.clone() };
                let spec = attack::preset("pgd-20").context("find the preset `pgd-20`")?.resolve(&threat)?;
                let domain = Domain { lower: 0.0, upper: 1.0, grid: None };
                let setting = Setting {
                    budget: Budget::default(),
                    threat: &threat,
                    domain,
                    grid: false,
                    picture: Picture::line(crew.prepared().spec().map.row_len()),
                    seed: 0,
                };
                let start = Instant::now();
                let effort = crew.attack(&spec, batch, &setting, *rows)?;
                Ok(json!({
                    "seconds": [start.elapsed().as_secs_f64()],
                    "broken": effort.broken,
                    "backwards": effort.backwards,
                    "judge_forwards": effort.judge_forwards,
                }))
            }
            Request::Dump { input, output } => Ok(json!({ "rows": dump::write(&mut self.crew, input, output)? })),
        }
    }

    /// At least this many rows: those that were loaded, or random ones with the model's own predictions as labels.
    fn batch(&mut self, rows: usize) -> Result<(&mut Crew, &Batch)> {
        let found = self.batch.as_ref().map_or(0, |batch| batch.labels.len());
        if self.loaded {
            ensure!(found >= rows, "use {rows} rows: {found} were loaded");
        } else if found < rows {
            let row_len = self.crew.prepared().spec().map.row_len();
            self.batch = Some(Batch::random(rows, row_len, self.crew.judge())?);
        }
        Ok((&mut self.crew, self.batch.as_ref().context("make rows")?))
    }
}

fn timed(repeats: usize, mut run: impl FnMut() -> Result<()>) -> Result<Value> {
    let mut seconds = Vec::with_capacity(repeats);
    for _ in 0..repeats {
        let start = Instant::now();
        run()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(json!({ "seconds": seconds }))
}

/// The file's own input and output.
fn spec(onnx: &[u8], classes: usize) -> Result<ModelSpec> {
    let model = Model::parse(onnx, &NoExternalData)?;
    let ([input], [output]) = (model.inputs(), model.outputs()) else {
        let (inputs, outputs) = (model.inputs().len(), model.outputs().len());
        bail!("use the model: expected one input and one output, found {inputs} and {outputs}");
    };
    ensure!(
        input.dtype.is_float(),
        "use the model: input `{}` must be float, the file has {}",
        input.name,
        input.dtype
    );
    let row = input.dims.iter().skip(1).map(|dim| match dim {
        Dim::Fixed(size) => Ok(*size),
        Dim::Symbolic(name) => bail!("use the model: dimension `{name}` of input `{}` must be a number", input.name),
    });
    Ok(ModelSpec {
        input: input.name.clone(),
        map: InputMap::identity(&row.collect::<Result<Vec<_>>>()?),
        output: output.name.clone(),
        classes,
        kind: OutputKind::Logits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conv_net, dense_net};
    use ndarray::{Array1, Array2, array};
    use ndarray_npy::{NpzReader, NpzWriter};
    use std::fs::File;

    fn ask(session: &mut PeerSession, line: &str) -> Value {
        session.answer(&line.parse().expect(line)).unwrap_or_else(|error| json!({ "error": format!("{error:#}") }))
    }

    #[test]
    fn both_networks_are_measured_whatever_the_workers() {
        for net in [conv_net(), dense_net()].map(|net| net.expect("it is well formed")) {
            for workers in [1, 3] {
                let mut session = PeerSession::open(net.onnx.clone(), 10, workers).expect("it opens");
                let greeting = session.greeting().expect("it can be differentiated");
                assert_eq!(greeting["ready"], true);
                assert!(greeting["nodes"]["gradient"].as_u64() > greeting["nodes"]["file"].as_u64(), "{greeting}");
                for line in ["forward 21 2", "gradient 21 2"] {
                    assert_eq!(ask(&mut session, line)["seconds"].as_array().map(Vec::len), Some(2), "{line}");
                }
                // Nothing is broken without room to move, and nothing is asked either.
                let still = ask(&mut session, "pgd20 21 0");
                assert_eq!((&still["broken"], &still["backwards"]), (&json!(0), &json!(0)));
                let tiny = ask(&mut session, "pgd20 21 1/100000");
                assert_eq!(tiny["backwards"], json!((21 - tiny["broken"].as_u64().expect("a count")) * 20), "{tiny}");
            }
        }
    }

    #[test]
    fn a_dump_holds_what_an_oracle_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let (input, output) = (folder.path().join("in.npz"), folder.path().join("out.npz"));
        let x = Array2::from_shape_fn((7, 784), |(row, column)| ((row * 31 + column * 7) % 256) as f32 / 255.0);
        let labels = array![0i64, 1, 2, 3, 4, 5, 9];
        let cotangents = Array2::from_shape_fn((7, 10), |(row, class)| (row as f32 - class as f32) / 10.0);
        let mut npz = NpzWriter::new(File::create(&input).expect("a file"));
        npz.add_array("x", &x).expect("written");
        npz.add_array("labels", &labels).expect("written");
        npz.add_array("cotangents", &cotangents).expect("written");
        npz.finish().expect("written");
        let mut session = PeerSession::open(dense_net().expect("a net").onnx, 10, 2).expect("it opens");
        let line = format!("dump {} {}", input.display(), output.display());
        assert_eq!(ask(&mut session, &line), json!({ "rows": 7 }));
        let mut npz = NpzReader::new(File::open(&output).expect("a file")).expect("an archive");
        let mut read = |name: &str| -> Array2<f32> { npz.by_name(name).expect(name) };
        let (scores, logits, gradient) = (read("scores"), read("logits"), read("linear_gradient"));
        assert!((&scores - &logits).iter().all(|difference| difference.abs() < 1e-4));
        assert_eq!(gradient.dim(), (7, 784));
        let loss: Array1<f32> = npz.by_name("linear_loss").expect("a loss");
        for (row, loss) in loss.iter().enumerate() {
            assert!((logits.row(row).dot(&cotangents.row(row)) - loss).abs() < 1e-4);
        }
        let line = format!("load {}", input.display());
        assert_eq!(ask(&mut session, &line), json!({ "rows": 7 }));
        assert_eq!(ask(&mut session, "forward 8 1")["error"], "use 8 rows: 7 were loaded");
        assert!(ask(&mut session, "load nowhere.npz")["error"].as_str().is_some_and(|e| e.starts_with("read nowhere")));
    }

    #[test]
    fn a_file_that_cannot_be_run_is_refused_with_the_reason() {
        let net = conv_net().expect("it is well formed");
        let error = PeerSession::open(net.onnx.clone(), 11, 1).expect_err("ten classes");
        assert!(describe(&net.onnx, &error).reason.contains("declared with 11 classes"), "{error:#}");
        let error = PeerSession::open(b"no model".to_vec(), 10, 1).expect_err("no model");
        let refusal = describe(b"no model", &error);
        assert!(refusal.reason.starts_with("decode ONNX") && refusal.unsupported.is_empty(), "{refusal:?}");
        assert!(PeerSession::open(net.onnx, 10, 0).is_err());
    }
}
