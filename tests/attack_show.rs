//! Witnesses as tables and pictures.

use crate::Test;
use crate::scratch::{CLASSES, PIXELS, Ran, Scratch, ensure, tiny_rows};
use evidence::{Block, Witnesses, read_blocks, read_witnesses};
use graph::{Attrs, DType, Graph, Tensor, ValueType};
use libtest_mimic::Failed;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("pictures_show_sample_and_witness_exactly", pictures_show_sample_and_witness_exactly),
    ("witnesses_are_listed_and_picked", witnesses_are_listed_and_picked),
    ("what_cannot_be_shown_says_why", what_cannot_be_shown_says_why),
];

/// A data set of the first pixels of `tiny`, and what its picture must be.
struct Kind {
    /// The data set's name.
    name: &'static str,
    shape: &'static [usize],
    layout: &'static str,
    raw: bool,
    epsilon: &'static str,
    /// Of an element: column and line in its panel, and which byte of the pixel.
    place: fn(usize) -> (usize, usize, usize),
    /// Bytes of a pixel.
    bytes: usize,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "grey",
        shape: &[1, 4, 4],
        layout: "NCHW",
        raw: false,
        epsilon: "16/255",
        place: |at| (at % 4, at / 4, 0),
        bytes: 1,
    },
    Kind {
        name: "colour",
        shape: &[3, 2, 2],
        layout: "NCHW",
        raw: false,
        epsilon: "16/255",
        place: |at| (at % 2, at / 2 % 2, at / 4),
        bytes: 3,
    },
    Kind {
        name: "channels-last",
        shape: &[2, 2, 3],
        layout: "NHWC",
        raw: false,
        epsilon: "16/255",
        place: |at| (at / 3 % 2, at / 6, at % 3),
        bytes: 3,
    },
    Kind { name: "series", shape: &[12], layout: "flat", raw: true, epsilon: "16", place: |at| (at, 0, 0), bytes: 1 },
    // As the features of keywords: one channel, and no pixels.
    Kind {
        name: "features",
        shape: &[6, 2, 1],
        layout: "NHWC",
        raw: true,
        epsilon: "16",
        place: |at| (at % 2, at / 2, 0),
        bytes: 1,
    },
];

impl Kind {
    fn row_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Logits that count the brightness of each class's pixels.
    fn model(&self) -> Result<Vec<u8>, Failed> {
        let len = self.row_len();
        let mut graph = Graph::new("linear");
        let dims: Vec<usize> = [1].iter().chain(self.shape).copied().collect();
        let input = graph.input("input", ValueType::new(DType::F32, dims));
        let weights = (0..CLASSES * len).map(|at| if at % len % CLASSES == at / len { 1.0 } else { -0.25 });
        let weights = graph.constant("weights", Tensor::f32(&[CLASSES, len], weights));
        let row = graph.add("Flatten", &[input], Attrs::new().int("axis", 1))?;
        let logits = graph.add("Gemm", &[row, weights], Attrs::new().int("transB", 1))?;
        graph.set_outputs(vec![logits]);
        Ok(graph::encode_symbolic_batch(&graph))
    }

    /// Runs a suite on 40 rows of the data set.
    fn run(&self, scratch: &Scratch) -> Result<(), Failed> {
        let record = |(pixels, label): ([u8; PIXELS], u8)| [&[label][..], &pixels[..self.row_len()]].concat();
        scratch.write("raw/data.bin", tiny_rows().into_iter().flat_map(record).collect::<Vec<u8>>())?;
        let shape = self.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let add = ["data", "add", self.name, "--format", "cifar-bin", "--shape", &shape, "--classes", "a,b,c"];
        let raw = if self.raw { &["--raw"][..] } else { &[] };
        let files = ["--layout", self.layout, "raw/data.bin"];
        scratch.run(add.iter().chain(raw).chain(&files))?.expect(0, &[])?;
        scratch.write("raw/model.onnx", self.model()?)?;
        let add = ["model", "add", "raw/model.onnx", "--dataset", self.name, "--layout", self.layout];
        scratch.run(add)?.expect(0, &[])?;
        let Kind { name, epsilon, .. } = self;
        let suite = format!(
            "version: 1\nname: {name}\ndataset: {{ name: {name}, split: test, samples: 40 }}\nmodels: [model]\n\
             threat: {{ norm: linf, epsilon: {epsilon} }}\nattacks: [pgd-20]\nseed: 3\n"
        );
        scratch.write("suite.yaml", suite)?;
        scratch.run(["run", "suite.yaml"])?.expect(0, &[])
    }
}

/// The blocks of an attack with their witnesses.
fn kept(scratch: &Scratch, report: &str, wanted: impl Fn(&Block) -> bool) -> Result<Vec<Witnesses>, Failed> {
    let folder = scratch.path(report).join("evidence");
    let blocks = read_blocks(&folder)?.into_iter().filter(|block| block.attack_columns().is_some() && wanted(block));
    blocks.filter_map(|block| read_witnesses(&folder, &block).transpose()).map(|read| Ok(read?)).collect()
}

/// Width, height and the bytes of a PNG, line by line.
fn decode(scratch: &Scratch, file: &str) -> Result<(usize, usize, Vec<u8>), Failed> {
    let file = std::io::BufReader::new(std::fs::File::open(scratch.path(file))?);
    let mut reader = png::Decoder::new(file).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("a picture that is too large")?];
    let info = reader.next_frame(&mut pixels)?;
    Ok((info.width as usize, info.height as usize, pixels))
}

fn pictures_show_sample_and_witness_exactly() -> Result<(), Failed> {
    for kind in KINDS {
        let scratch = Scratch::new()?;
        kind.run(&scratch)?;
        let report = format!("reports/{}", kind.name);
        let witnesses = kept(&scratch, &report, |_| true)?;
        let witnesses: Vec<(u64, &[f32])> = witnesses.iter().flat_map(Witnesses::iter).collect();
        ensure(witnesses.len() > 1, format!("{}: {} witnesses test little", kind.name, witnesses.len()))?;
        let (row, adversarial) = witnesses[witnesses.len() / 2];
        let ran = scratch.run(["attack", "show", &report, "--row", &row.to_string(), "--out", "x.png"])?;
        ran.expect(0, &["wrote x.png", if kind.raw { "are no pictures" } else { "between the levels of 8 bits" }])?;
        ensure(ran.stdout.contains("are no pictures") == kind.raw, "what is said of grey")?;
        check_picture(&scratch, kind, row, adversarial).map_err(|failed| ran.failed(&format!("{failed:?}")))?;
    }
    Ok(())
}

fn check_picture(scratch: &Scratch, kind: &Kind, row: u64, adversarial: &[f32]) -> Result<(), Failed> {
    let pixels = &tiny_rows()[row as usize].0[..kind.row_len()];
    let sample: Vec<f32> = pixels.iter().map(|p| f32::from(*p) / if kind.raw { 1.0 } else { 255.0 }).collect();
    let (mut low, mut high) = (0.0, 1.0);
    if kind.raw {
        let all = || sample.iter().chain(adversarial).copied();
        (low, high) = (all().fold(f32::INFINITY, f32::min), all().fold(f32::NEG_INFINITY, f32::max));
    }
    let level = |x: f32| ((f64::from(x) - f64::from(low)) / f64::from(high - low) * 255.0).round() as u8;
    let (width, height, found) = decode(scratch, "x.png")?;
    let places: Vec<_> = (0..kind.row_len()).map(kind.place).collect();
    let columns = places.iter().map(|place| place.0).max().ok_or("an element")? + 1;
    let lines = places.iter().map(|place| place.1).max().ok_or("an element")? + 1;
    let (across, down) = ((width - 16) / 3 / columns, height / lines);
    ensure(height >= 256 && height == lines * down && width == 3 * columns * across + 16, "the size of the picture")?;
    let delta = |at: usize| f64::from(adversarial[at]) - f64::from(sample[at]);
    let largest = (0..kind.row_len()).map(|at| delta(at).abs()).fold(0.0, f64::max);
    let (mut black, mut white) = (false, false);
    for (at, (column, line, byte)) in places.into_iter().enumerate() {
        let delta = delta(at);
        for (y, x) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
            let pixel = |panel: usize| {
                let left = panel * (columns * across + 8) + column * across + x;
                found[((line * down + y) * width + left) * kind.bytes + byte]
            };
            // A sample of pixels is shown as its own bytes.
            let own = if kind.raw { level(sample[at]) } else { pixels[at] };
            let seen = [pixel(0), pixel(1)];
            ensure(seen == [own, level(adversarial[at])], format!("{} at {at}: {seen:?}", kind.name))?;
            let grey = pixel(2);
            let wanted = 127.5 + 127.5 * delta / largest;
            let close = (f64::from(grey) - wanted).abs() < 0.5 + 1e-6;
            ensure(close, format!("{} at {at}: {delta} is {grey}, not {wanted}", kind.name))?;
            (black, white) = (black || grey == 0, white || grey == 255);
        }
    }
    ensure(black || white, "the largest difference is full scale")
}

fn witnesses_are_listed_and_picked() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&[])?;
    let show = |args: &[&str]| -> Result<Ran, Failed> { scratch.run(["attack", "show", "out"].iter().chain(args)) };
    let all = kept(&scratch, "out", |_| true)?.iter().map(|witnesses| witnesses.rows().len()).sum::<usize>();
    let ran = show(&[])?;
    ran.expect(0, &["model", "attack", "row", "label", "adversarial class", "distance (linf)", "linear", "conv"])?;
    let count = ran.stdout.lines().filter(|line| line.contains(" linear ") || line.contains(" conv ")).count();
    ensure(count == all && ran.stdout.contains(&format!("{all} witnesses")), format!("{count} of {all} are listed"))?;
    let fgsm = |block: &Block| {
        let check = &block.key_material["check"];
        check["attack"].get("fgsm").is_some() && check["prediction"]["output_kind"] == "logits"
    };
    let witnesses = kept(&scratch, "out", fgsm)?;
    let rows: Vec<u64> = witnesses.iter().flat_map(|witnesses| witnesses.rows().to_vec()).collect();
    let one = ["--model", "linear", "--attack", "fgsm"];
    let ran = show(&one)?;
    ran.expect(0, &[&format!("{} witnesses", rows.len())])?;
    ensure(!ran.stdout.contains("conv") && !ran.stdout.contains("pgd"), "the table is of what is asked for")?;
    let row = rows.last().ok_or("fgsm breaks a row")?.to_string();
    // The name of the file says what is in it.
    ran_alone(&scratch, &[&one[..], &["--row", &row]].concat())?;
    let (_, height, _) = decode(&scratch, &format!("linear-fgsm-{row}.png"))?;
    ensure(height == 256, "four lines of 64 pixels")?;
    show(&["--row", &row])?
        .expect(2, &["witnesses, and one at a time is drawn", "hint: say with --model", "pgd-5x2"])?;
    ensure(
        scratch.files("out")?.keys().all(|name| !name.ends_with(".png") || name.starts_with("pictures/")),
        "nothing enters the report",
    )
}

fn ran_alone(scratch: &Scratch, args: &[&str]) -> Result<(), Failed> {
    let ran = scratch.run(["attack", "show", "out"].iter().chain(args))?;
    ran.expect(0, &["wrote ", "magnified", "epsilon is 8/255", "distance 0.03"])
}

fn what_cannot_be_shown_says_why() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let show = |args: &[&str]| -> Result<Ran, Failed> { scratch.run(["attack", "show"].iter().chain(args)) };
    show(&["nowhere"])?.expect(2, &["nowhere/results.json", "hint: name the folder"])?;
    scratch.run(["run", "tiny.yaml", "--no-witnesses"])?.expect(0, &[])?;
    let bare = kept(&scratch, "reports/tiny", |_| true)?;
    ensure(bare.is_empty(), "witnesses in spite of --no-witnesses")?;
    show(&["reports/tiny"])?.expect(2, &["kept no witnesses (--no-witnesses)", "hint: run the suite again"])?;
    scratch.run(["run", "tiny.yaml"])?.expect(0, &[])?;
    show(&["tiny"])?.expect(0, &["witnesses"])?;
    show(&["tiny", "--model", "lin"])?.expect(2, &["no `lin` among its models", "linear, conv"])?;
    show(&["tiny", "--attack", "pgd"])?.expect(2, &["no `pgd` among its attacks", "fgsm, pgd-5x2"])?;
    show(&["tiny", "--row", "300"])?.expect(2, &["row 300 has no witness: the report is not about it"])?;
    let rows = kept(&scratch, "reports/tiny", |_| true)?;
    let free = (0..300).find(|row| rows.iter().all(|witnesses| !witnesses.rows().contains(row))).ok_or("a row")?;
    show(&["tiny", "--row", &free.to_string()])?.expect(2, &[&format!("row {free} has no witness: "), " there"])?;
    show(&["tiny", "--out", "x.png"])?.expect(2, &["--row"])?;

    // A witness that was changed, one that is gone, a block that was changed.
    let files = scratch.files("reports/tiny/evidence")?;
    let (name, bytes) = files.iter().find(|(name, _)| name.ends_with(".witness")).ok_or("a witness")?;
    let path = format!("reports/tiny/evidence/{name}");
    let key = name.trim_end_matches(".witness");
    let folder = scratch.path("reports/tiny/evidence");
    let block = read_blocks(&folder)?.into_iter().find(|block| block.key.to_string() == key).ok_or("its block")?;
    let row = block.witnesses.as_ref().and_then(|file| file.rows.first()).ok_or("a row")?.to_string();
    let check = &block.key_material["check"];
    let attack = if check["attack"].get("fgsm").is_some() { "fgsm" } else { "pgd-5x2" };
    let model = if check["prediction"]["output_kind"] == "softmax" { "conv" } else { "linear" };
    let one = ["tiny", "--model", model, "--attack", attack, "--row", &row, "--out", "x.png"];
    show(&one)?.expect(0, &["wrote x.png"])?;
    std::fs::remove_file(scratch.path("x.png"))?;
    scratch.write(&path, &bytes[1..])?;
    show(&one)?.expect(2, &[name, "the digest does not match", "hint: run the suite again"])?;
    std::fs::remove_file(scratch.path(&path))?;
    show(&one)?.expect(2, &["failed to read", name])?;
    scratch.write(&path, bytes)?;
    let block = format!("{}.json", path.trim_end_matches(".witness"));
    scratch.edit(&block, "\"attacked\"", "\"unknown\"")?;
    show(&one)?.expect(2, &[&format!("{key}.json"), "hint: run the suite again"])?;
    std::fs::remove_file(scratch.path(&block))?;
    show(&one)?.expect(2, &["has no block of", "hint: run the suite again"])?;
    ensure(!scratch.path("x.png").exists(), "a picture of what was refused")?;
    scratch.run(["run", "tiny.yaml"])?.expect(0, &[])?;
    show(&one)?.expect(0, &["wrote x.png"])?;

    // The same bytes in another layout are another data set.
    scratch.edit("data/tiny.yaml", "NCHW", "NHWC")?;
    show(&one)?.expect(2, &["data set `tiny` has changed", "the report is about", "hint: bring back"])?;
    std::fs::remove_file(scratch.path("data/tiny.yaml"))?;
    show(&one)?.expect(2, &["tiny"])
}
