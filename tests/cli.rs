//! Every verb from the outside.

use crate::Test;
use crate::scratch::{self, SUITE, Scratch, ensure, same};
use libtest_mimic::Failed;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("help_of_every_verb", help_of_every_verb),
    ("version_and_usage_errors", version_and_usage_errors),
    ("models_come_and_go", models_come_and_go),
    ("model_check_says_what_holds", model_check_says_what_holds),
    ("models_are_built_from_the_zoo", models_are_built_from_the_zoo),
    ("data_sets_come_from_npz", data_sets_come_from_npz),
    ("data_sets_come_from_image_folders", data_sets_come_from_image_folders),
    ("built_in_data_is_there", built_in_data_is_there),
    ("doctor_says_what_is_installed", doctor_says_what_is_installed),
    ("the_self_check_holds_on_the_cpu", the_self_check_holds_on_the_cpu),
    ("a_dry_run_writes_nothing", a_dry_run_writes_nothing),
    ("a_report_folder_is_whole", a_report_folder_is_whole),
    ("a_cache_serves_other_suites", a_cache_serves_other_suites),
    ("witnesses_are_kept_unless_told", witnesses_are_kept_unless_told),
];

fn help_of_every_verb() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let cases: &[(&[&str], &[&str])] = &[
        (
            &[],
            &[
                "run ",
                "model ",
                "attack ",
                "leaderboard ",
                "report ",
                "data ",
                "train ",
                "latency ",
                "doctor ",
                "Exit codes:",
                "TINYASSAY_DATA",
                "suites/quickstart.yaml",
            ],
        ),
        (
            &["run"],
            &[
                "<SUITE>",
                "--out <DIR>",
                "--dry-run",
                "--jobs <N>",
                "--samples <N>",
                "--cache <DIR>",
                "--no-witnesses",
                "--provider",
            ],
        ),
        (
            &["train"],
            &["<DIR>", "--resume", "--threads <N>", "--provider", "--epochs <N>", "--work <DIR>", "--dry-run"],
        ),
        (&["model"], &["add ", "list ", "show ", "profile ", "verify ", "remove ", "check ", "build "]),
        (
            &["model", "add"],
            &[
                "<PATH>",
                "--name",
                "--dataset",
                "--output-kind",
                "--threshold <THRESHOLD>",
                "--layout",
                "--range",
                "--mean",
                "--std",
                "--scale",
                "--zero-point",
                "--labels",
                "--licence",
                "--provenance",
            ],
        ),
        (&["model", "list"], &["Lists"]),
        (&["model", "show"], &["<NAME>"]),
        (&["model", "verify"], &["[NAMES]"]),
        (&["model", "remove"], &["<NAME>"]),
        (&["model", "check"], &["<PATH>", "--range", "--inputs"]),
        (
            &["model", "build"],
            &[
                "[ARCH]",
                "mobilenet-tiny",
                "fc-autoencoder",
                "--width",
                "--expand",
                "--filters",
                "--classes",
                "--input <CxHxW>",
                "--seed",
                "--name",
                "--out <FILE>",
                "--force",
                "--dry-run",
                "--list",
                "Examples:",
            ],
        ),
        (&["data"], &["add ", "list ", "show ", "verify "]),
        (
            &["data", "add"],
            &[
                "<NAME>",
                "<FILES>",
                "--format",
                "--shape",
                "--layout",
                "--raw",
                "--split",
                "--classes",
                "npz, idx, cifar-bin or image-folder",
            ],
        ),
        (&["data", "list"], &["Lists"]),
        (&["data", "show"], &["<NAME>"]),
        (&["data", "verify"], &["[NAMES]"]),
        (&["attack"], &["show "]),
        (
            &["attack", "show"],
            &["<REPORT>", "--model <NAME>", "--attack <NAME>", "--row <N>", "--out <FILE>", "256 pixels"],
        ),
        (
            &["latency"],
            &["<NAME>", "--quick", "--threads <N>", "--reference <NAME>", "--json", "--provider", "Examples:", "662"],
        ),
        (&["doctor"], &["ONNX Runtime"]),
        (
            &["leaderboard"],
            &[
                "<REPORT>",
                "--format <FORMAT>",
                "--pareto <COLUMN,COLUMN>",
                "--sort <COLUMN>",
                "--out <FILE>",
                "--check",
                "Holm",
                "html:",
            ],
        ),
        (&["report"], &["<REPORT>", "--check", "Examples:"]),
    ];
    let mut wrong = Vec::new();
    for (verb, parts) in cases {
        let ran = scratch.run(verb.iter().chain(&["--help"]))?;
        let usage = format!("Usage: {}", ["tinyassay"].iter().chain(*verb).copied().collect::<Vec<_>>().join(" "));
        let parts: Vec<&str> = parts.iter().copied().chain([usage.as_str()]).collect();
        wrong.extend(ran.expect(0, &parts).err().and_then(|failed| failed.message().map(str::to_owned)));
    }
    ensure(wrong.is_empty(), wrong.join("\n"))
}

fn version_and_usage_errors() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let version = format!("tinyassay {}\n", env!("CARGO_PKG_VERSION"));
    let ran = scratch.run(["--version"])?;
    ensure(ran.code == Some(0) && ran.stdout == version, format!("--version says {:?}", ran.stdout))?;
    ensure(scratch.run([""; 0])?.code == Some(2), "no verb is not a usage error")?;
    for args in [&["rum"][..], &["run"], &["run", "x.yaml", "--jobs", "0"], &["run", "x.yaml", "--samples", "0"]] {
        let ran = scratch.run(args)?;
        ran.expect(2, &["error: "]).map_err(|_| ran.failed(&format!("{args:?}")))?;
    }
    scratch.run(["data", "add", "x", "--format", "tfrecord", "x"])?.expect(2, &["`tfrecord`", "image-folder"])
}

fn models_come_and_go() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    scratch.add_tiny_data()?;
    scratch.run(["model", "list"])?.expect(0, &["no models in models", "model add"])?;
    scratch.add_model("linear", &scratch::linear()?, &["--licence", "Apache-2.0", "--provenance", "a test"])?;
    let manifest = scratch.read("models/linear/manifest.yaml")?;
    for part in [
        "name: linear",
        "dtype: float32",
        "layout: NCHW",
        "shape: [1, 4, 4]",
        "classes: 3",
        "dataset: tiny",
        "licence: Apache-2.0",
        "a test",
    ] {
        ensure(manifest.contains(part), format!("the manifest has no `{part}`:\n{manifest}"))?;
    }
    let again = ["model", "add", "raw/linear.onnx", "--name", "linear", "--dataset", "tiny"];
    scratch.run(again)?.expect(2, &["`linear`", "exists already"])?;
    ensure(scratch.read("models/linear/manifest.yaml")? == manifest, "a refused add changed the manifest")?;
    scratch.run(["model", "list"])?.expect(0, &["linear", "tiny", "float32"])?;
    scratch
        .run(["model", "show", "linear"])?
        .expect(0, &["name: linear", "# digest: ", "# parameters: 48", "MACs of one row", ": 48"])?;
    // 16 pixels and 3 classes, no bias.
    let profile = [
        "MACs: 48\nconvention `default`: ",
        "parameters: 48; 192 bytes in the file, 48 at int8",
        "flash, estimated at int8 with batch norm folded: 72 bytes; 48 of weights, 0 of biases, 24 of",
        "76 bytes at the peak in the file's order",
    ];
    scratch.run(["model", "profile", "linear"])?.expect(0, &profile)?;
    let thop = ["MACs: 48\nconvention `thop` of version 0.1.1"];
    scratch.run(["model", "profile", "linear", "--convention", "thop"])?.expect(0, &thop)?;
    scratch.run(["model", "profile", "linear", "--convention", "tho"])?.expect(2, &["thop", "default"])?;
    scratch.run(["model", "profile", "linear", "--int8"])?.expect(0, &["a byte an element: 19 bytes at the peak"])?;
    let lipschitz = ["l2 by power iteration", "from linf to l1: ", "from l2 to l2: ", "from linf to linf: "];
    scratch.run(["model", "profile", "linear", "--lipschitz"])?.expect(0, &lipschitz)?;
    scratch.run(["model", "profile", "linear", "--lipschitz", "--int8"])?.expect(2, &["cannot be used with"])?;
    scratch.run(["model", "show", "linaer"])?.expect(2, &["`linaer`", "hint: "])?;
    scratch.run(["model", "verify"])?.expect(0, &["linear/model.onnx: verified"])?;
    scratch.write("models/linear/notes.txt", "mine")?;
    scratch.run(["model", "verify", "lin*"])?.expect(0, &["linear/notes.txt: not listed in the manifest"])?;
    scratch.run(["model", "remove", "linear"])?.expect(2, &["models/linear", "notes.txt"])?;
    std::fs::remove_file(scratch.path("models/linear/notes.txt"))?;
    scratch.run(["model", "remove", "linear"])?.expect(0, &["removed linear"])?;
    scratch.run(["model", "remove", "linear"])?.expect(2, &["models/linear", "no such model"])?;
    for name in ["../out", "a/b", "", ".hidden"] {
        let add = ["model", "add", "raw/linear.onnx", "--name", name, "--dataset", "tiny"];
        scratch.run(add)?.expect(2, &["error: "])?;
    }
    scratch.run(["model", "add", "raw/linear.onnx", "--dataset", "tinny"])?.expect(2, &["`tinny`", "tiny"])?;
    ensure(scratch.files("models")?.is_empty(), "refused models left files behind")
}

fn model_check_says_what_holds() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let parts =
        ["opset 21", "operators: ", "Gemm 1", "rows do not influence each other", "CrossEntropy", "can be evaluated"];
    scratch.run(["model", "check", "raw/linear.onnx"])?.expect(0, &parts)?;
    scratch.run(["model", "check", "conv"])?.expect(0, &["Conv 1", "was cut", "softmax `", "can be evaluated"])?;
    scratch.run(["model", "check", "models/conv"])?.expect(0, &["can be evaluated"])?;
    scratch.run(["model", "check", "nowhere.onnx"])?.expect(2, &["no such file", "nowhere.onnx"])?;
    scratch.run(["model", "check", "conv", "--inputs", "0"])?.expect(2, &["--inputs must be at least 1"])?;
    for range in [["1", "1"], ["1", "0"], ["0", "inf"], ["nan", "1"]] {
        let args = ["model", "check", "conv", "--range", range[0], range[1]];
        scratch.run(args)?.expect(2, &["--range must be two finite numbers"])?;
    }
    Ok(())
}

fn models_are_built_from_the_zoo() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let build = |args: &[&str]| scratch.run(["model", "build"].iter().chain(args));
    let list = build(&["--list"])?;
    for entry in train::zoo::ZOO {
        list.expect(0, &[entry.name, entry.about])?;
    }
    let counts = ["expand: 6", "input 3x32x32, 10 outputs", "404,330", "15,977,728", "15,979,008", "torchprofile"];
    build(&["mobilenet-tiny", "--dry-run"])?.expect(0, &counts)?;
    build(&["resnet8", "--dry-run"])?.expect(0, &["78,666", "78,186", "12,501,632"])?;
    build(&["fc-autoencoder", "--input", "5x128", "--dry-run"])?.expect(0, &["269,992", "640 outputs"])?;
    for (args, parts) in [
        (&[][..], &["<ARCH>"][..]),
        (&["resnet9"], &["resnet9", "resnet8"]),
        (&["--list", "resnet8"], &["--list"]),
        (&["resnet8", "--width", "1"], &["failed to build resnet8", "no option `width`", "hint: ", "`filters`"]),
        (&["ds-cnn", "--expand", "6"], &["no option `expand`", "hint: "]),
        (&["mobilenet-tiny", "--width", "-1"], &["`width` must be more than 0 and at most 8, found -1", "hint: "]),
        (&["mobilenet-v1", "--input", "3x28x28"], &["at least 32 high and 32 wide, found 3x28x28", "hint: "]),
        (&["resnet8", "--input", "3x"], &["3x32x32"]),
        (&["fc-autoencoder", "--classes", "10"], &["640 elements", "hint: "]),
        (&["small-cnn", "--name", "../net"], &["`../net`", "--out"]),
        (&["small-cnn", "--out", "nowhere/net.onnx"], &["nowhere/net.onnx"]),
    ] {
        build(args)?.expect(2, parts)?;
    }
    ensure(scratch.files(".")?.is_empty(), "listing, dry runs or refused networks left files behind")?;
    let net = ["small-cnn", "--filters", "2", "--input", "1x4x4", "--classes", "3"];
    build(&net)?.expect(0, &["wrote small-cnn-f2.onnx", "seed 0"])?;
    let first = scratch.files(".")?;
    let other = [&net[..], &["--seed", "1"]].concat();
    build(&other)?.expect(2, &["failed to write small-cnn-f2.onnx: it exists already", "hint: ", "--force"])?;
    same("a refused build", &first, &scratch.files(".")?)?;
    build(&[&net[..], &["--force"]].concat())?.expect(0, &["wrote small-cnn-f2.onnx"])?;
    same("the same network", &first, &scratch.files(".")?)?;
    build(&[&other[..], &["--force"]].concat())?.expect(0, &["seed 1"])?;
    ensure(first != scratch.files(".")?, "another seed gives the same file")?;
    build(&[&net[..], &["--name", "mine"]].concat())?.expect(0, &["wrote mine.onnx"])?;
    scratch
        .run(["model", "check", "mine.onnx", "--inputs", "4"])?
        .expect(0, &["BatchNormalization 3", "can be evaluated"])
}

fn data_sets_come_from_npz() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let rows = scratch::tiny_rows();
    let pixels: Vec<u8> = rows.iter().flat_map(|(pixels, _)| *pixels).collect();
    let x = ndarray::Array4::from_shape_vec((rows.len(), 1, 4, 4), pixels)?;
    let y: ndarray::Array1<i64> = rows.iter().map(|(_, label)| i64::from(*label)).collect();
    let mut writer = ndarray_npy::NpzWriter::new_compressed(std::fs::File::create(scratch.path("tiny.npz"))?);
    writer.add_array("x", &x)?;
    writer.add_array("y", &y)?;
    writer.finish()?;
    let add = |name: &str, shape: &str| {
        scratch.run(["data", "add", name, "--format", "npz", "--shape", shape, "--classes", "a,b,c", "tiny.npz"])
    };
    add("twin", "1,4,5")?.expect(2, &["[600, 1, 4, 4]"])?;
    ensure(!scratch.path("data/twin.yaml").exists(), "a refused data set was registered")?;
    add("twin", "1,4,4")?.expect(0, &["registered data set twin"])?;
    add("twin", "1,4,4")?.expect(2, &["`twin`", "exists already"])?;
    scratch.run(["data", "list"])?.expect(0, &["twin", "test 600", "available"])?;
    scratch.run(["data", "show", "twin"])?.expect(0, &["600 samples", "a ", "200"])?;
    scratch.run(["data", "verify", "twin"])?.expect(0, &["twin/tiny.npz: verified"])?;
    let tiny = Scratch::tiny()?;
    tiny.run(["run", "tiny.yaml"])?.expect(0, &[])?;
    let npz = std::path::absolute(scratch.path("tiny.npz"))?;
    let npz = npz.to_str().ok_or("a path that is not UTF-8")?;
    tiny.run(["data", "add", "twin", "--format", "npz", "--shape", "1,4,4", npz])?.expect(0, &[])?;
    tiny.edit("tiny.yaml", "name: tiny,", "name: twin,")?;
    for model in ["linear", "conv"] {
        tiny.edit(&format!("models/{model}/manifest.yaml"), "dataset: tiny", "dataset: twin")?;
    }
    let idx = tiny.json("reports/tiny/results.json")?;
    let npz = tiny.results(&[])?;
    ensure(idx["models"] == npz["models"], "the same rows from idx and npz give other numbers")
}

fn data_sets_come_from_image_folders() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    for (index, (pixels, label)) in scratch::tiny_rows().into_iter().take(30).enumerate() {
        let class = ["left", "middle", "right"][usize::from(label)];
        scratch.write(&format!("pictures/{class}/{index:03}.bmp"), bitmap(&pixels))?;
    }
    let add = ["data", "add", "pictures", "--format", "image-folder", "pictures"];
    scratch.run(add)?.expect(0, &["registered data set pictures"])?;
    scratch.run(["data", "show", "pictures"])?.expect(0, &["30 samples", "left", "middle", "right", "10"])?;
    scratch.run(["data", "verify"])?.expect(0, &["pictures/left/000.bmp: verified"])?;
    scratch.write("pictures/left/000.bmp", "no picture")?;
    scratch.run(["data", "verify", "pictures"])?.expect(1, &["pictures/left/000.bmp: FAILED"])?;
    scratch.run(["data", "verify", "pictrues"])?.expect(2, &["`pictrues`", "hint: "])
}

/// A grey picture of 4x4 pixels as a 24-bit BMP file.
fn bitmap(pixels: &[u8; scratch::PIXELS]) -> Vec<u8> {
    let word = |number: u32| number.to_le_bytes();
    let short = |number: u16| number.to_le_bytes();
    let mut file = b"BM".to_vec();
    [54 + 48, 0, 54, 40, 4, 4].into_iter().for_each(|number| file.extend(word(number)));
    [1, 24].into_iter().for_each(|number| file.extend(short(number)));
    [0, 48, 2835, 2835, 0, 0].into_iter().for_each(|number| file.extend(word(number)));
    for row in pixels.chunks(4).rev() {
        row.iter().for_each(|&pixel| file.extend([pixel; 3]));
    }
    file
}

fn built_in_data_is_there() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let list = scratch.run(["data", "list"])?;
    list.expect(0, &["signs32", "cifar10", "TINYASSAY_DATA is not set"])?;
    let signs = list.stdout.lines().find(|line| line.starts_with("signs32")).unwrap_or_default();
    ensure(signs.ends_with("available"), format!("signs32 needs nothing, yet: {signs}"))?;
    scratch.run(["data", "show", "signs32"])?.expect(0, &["2000 samples", "4000 samples", "stop"])?;
    scratch.run(["data", "verify"])?.expect(0, &["signs32/signs32/test: verified"])?;
    scratch.run(["data", "show", "cifar10"])?.expect(0, &["TINYASSAY_DATA is not set", "https://"])
}

fn the_self_check_holds_on_the_cpu() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let parts = ["gradient against double precision", "resident parameters", "10 checks, 0 failed", "ascents/s"];
    scratch.run(["doctor", "--self-check", "--json", "check.json"])?.expect(0, &parts)?;
    let found: serde_json::Value = serde_json::from_slice(&std::fs::read(scratch.path("check.json"))?)?;
    ensure(found["provider"] == "cpu" && found["checks"].as_array().is_some_and(|checks| checks.len() == 10), "json")?;
    scratch.run(["doctor", "--json", "check.json"])?.expect(2, &["--self-check"])
}

fn doctor_says_what_is_installed() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.run(["doctor"])?.expect(
        0,
        &["ONNX Runtime", "SHA-256", "cpu ", "cuda ", "Cache", "TINYASSAY_DATA = not set", "signs32", "linear"],
    )?;
    scratch.write("models/broken/manifest.yaml", "name: broken\n")?;
    scratch.run(["doctor"])?.expect(0, &["broken: failed to read"])
}

fn a_dry_run_writes_nothing() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let before = scratch.files(".")?;
    let parts = ["plan tiny (", "linf, epsilon 8/255", "pgd-5x2: pgd with", "steps 5", "forwards", "linear", "conv"];
    scratch.run(["run", "tiny.yaml", "--dry-run"])?.expect(0, &parts)?;
    scratch.run(["run", "tiny.yaml", "--dry-run", "--samples", "7"])?.expect(0, &["7 samples"])?;
    same("a dry run", &before, &scratch.files(".")?)
}

fn a_report_folder_is_whole() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch
        .run(["run", "tiny.yaml", "--samples", "60"])?
        .expect(0, &["report: reports/tiny", "clean", "worst case", "%"])?;
    let files = scratch.files("reports/tiny")?;
    let sums = scratch.read("reports/tiny/SHA256SUMS")?;
    let mut listed: Vec<&str> = Vec::new();
    for line in sums.lines() {
        let (digest, name) = line.split_once("  ").ok_or("a line of SHA256SUMS without a name")?;
        let bytes = files.get(name).ok_or_else(|| format!("SHA256SUMS lists {name}, which is not there"))?;
        ensure(registry::Digest::of(bytes).to_string() == digest, format!("SHA256SUMS: wrong digest of {name}"))?;
        listed.push(name);
    }
    let mut there: Vec<&str> = files.keys().map(String::as_str).filter(|name| *name != "SHA256SUMS").collect();
    listed.sort_unstable();
    there.sort_unstable();
    ensure(listed == there, format!("SHA256SUMS lists {listed:?}, there are {there:?}"))?;
    ensure(there.contains(&"report.md") && there.contains(&"observations.json"), format!("there are {there:?}"))?;
    let results = scratch.json("reports/tiny/results.json")?;
    ensure(results["dataset"]["samples"] == 60 && results["models"][1]["notes"][0].is_string(), results.to_string())
}

fn a_cache_serves_other_suites() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.write("other.yaml", SUITE.replace("name: tiny\n", "name: other\n").replace("  - fgsm\n", ""))?;
    scratch.run(["run", "tiny.yaml", "--cache", "cache"])?.expect(0, &[])?;
    scratch.run(["run", "other.yaml", "--cache", "cache"])?.expect(0, &[])?;
    let observations = scratch.json("reports/other/observations.json")?;
    ensure(observations["blocks_computed"] == 0 && observations["blocks_reused"] == 8, observations.to_string())?;
    let (first, second) = (scratch.files("reports/tiny")?, scratch.files("reports/other")?);
    for (name, bytes) in second.iter().filter(|(name, _)| name.starts_with("evidence/")) {
        ensure(first.get(name) == Some(bytes), format!("{name} differs from the cache's"))?;
    }
    Ok(())
}

fn witnesses_are_kept_unless_told() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let witnesses = |folder: &str| -> Result<usize, Failed> {
        Ok(scratch.files(folder)?.keys().filter(|name| name.ends_with(".witness")).count())
    };
    scratch.run(["run", "tiny.yaml", "--out", "bare", "--no-witnesses"])?.expect(0, &[])?;
    scratch.run(["run", "tiny.yaml", "--out", "full"])?.expect(0, &[])?;
    ensure(
        witnesses("bare")? == 0 && witnesses("full")? == 8,
        format!("{} {}", witnesses("bare")?, witnesses("full")?),
    )?;
    ensure(scratch.read("bare/results.json")? == scratch.read("full/results.json")?, "witnesses change results")?;
    scratch.run(["run", "tiny.yaml", "--out", "bare"])?.expect(0, &[])?;
    same("witnesses wanted later", &scratch.outcome("full")?, &scratch.outcome("bare")?)
}
