use super::*;
use graph::check::Splitmix;
use graph::{
    Cost, Interpreter, Memory, MemoryRules, Model, NoExternalData, Norm, Tensor, encode_symbolic_batch, fold_batch_norm,
};
use runtime::{ModelBytes, ModelSpec, OutputKind, Prepared, Provider};

fn build(architecture: Architecture) -> Graph {
    let Entry { input, outputs, .. } = architecture.entry();
    architecture.build(input, *outputs, 1, 0).unwrap()
}

fn cost(architecture: Architecture) -> Cost {
    build(architecture).cost()
}

fn tiny(width: f64, expand: usize) -> Architecture {
    Architecture::MobilenetTiny(MobilenetTiny { width, expand })
}

/// Every architecture as it was published, and forms whose shapes differ from those.
fn all() -> Vec<Architecture> {
    let others = [tiny(0.1, 2), Architecture::Resnet8(Resnet8 { filters: 3 })];
    let others = others.into_iter().chain([Architecture::MobilenetV1(MobilenetV1 { width: 0.1 })]);
    ZOO.iter().map(|entry| entry.usual).chain(others).collect()
}

/// Two inputs for each architecture: the published one, and one of odd sizes.
fn inputs(architecture: Architecture) -> Vec<Vec<usize>> {
    let usual = architecture.entry().input.to_vec();
    let other = match architecture.entry().takes {
        Takes::Images { smallest: [height, width] } => vec![2, height + 1, width + 3],
        Takes::Features { .. } => vec![2, 3, 5],
    };
    vec![usual, other]
}

fn outputs(architecture: Architecture, input: &[usize]) -> usize {
    if architecture.reconstructs() { input.iter().product() } else { 3 }
}

/// The "computed" columns, and the small-scale extras, whose MACs are rounded to 0.01 M there.
///
/// Source: the counts published by Mousavi et al. 2023 and the three counting scripts that agree on them.
#[test]
fn mobilenet_tiny_has_the_published_counts() {
    for (width, expand, macs, params) in [
        (0.35, 6, 15_979_008, 404_330),
        (0.65, 6, 45_080_576, 1_087_882),
        (1.0, 6, 90_681_088, 2_278_986),
        (0.35, 10, 23_733_760, 523_338),
        (0.35, 20, 43_120_640, 820_858),
        (0.35, 29, 60_568_832, 1_088_626),
        (0.35, 28, 58_630_144, 1_058_874),
    ] {
        let cost = cost(tiny(width, expand));
        assert_eq!((cost.macs_torchprofile, cost.params_without_bn), (macs, params), "{width} {expand}");
        assert_eq!(cost.macs, macs - 1280, "{width} {expand}");
    }
    for (width, params, macs) in
        [(0.1, 92_682, 608), (0.2, 196_538, 882), (0.25, 245_002, 960), (0.5, 701_146, 2870), (0.75, 1_384_986, 6114)]
    {
        let cost = cost(tiny(width, 6));
        let rounded = (cost.macs_torchprofile + 5_000) / 10_000;
        assert_eq!((cost.params_without_bn, rounded), (params, macs), "{width}");
    }
}

#[test]
fn mobilenet_tiny_is_linear_in_its_expansion() {
    for expand in [1, 2, 3, 13, 64] {
        let (cost, e) = (cost(tiny(0.35, expand)), expand as u64);
        assert_eq!(cost.params_without_bn, 225_818 + 29_752 * e, "{expand}");
        assert_eq!(cost.macs_torchprofile, 4_346_880 + 1_938_688 * e, "{expand}");
    }
}

#[test]
fn mobilenet_tiny_has_the_published_batch_norm_parameters() {
    for (width, main_path) in [(0.35, 14_080), (0.65, 23_456), (1.0, 34_112)] {
        let graph = build(tiny(width, 6));
        let shortcuts: usize = graph
            .values()
            .iter()
            .filter(|value| value.name().ends_with("shortcut.norm.scale"))
            .map(|value| value.ty().len())
            .sum();
        let cost = graph.cost();
        assert_eq!(cost.params_trainable - cost.params_without_bn, main_path + 2 * shortcuts as u64, "{width}");
        assert_eq!(cost.params - cost.params_trainable, main_path + 2 * shortcuts as u64, "{width}");
    }
}

/// The layer table of width 0.35 and expansion 6: parameters and MACs without batch norm, and the shape behind the layer.
#[test]
fn mobilenet_tiny_has_the_published_layers() {
    let graph = build(tiny(0.35, 6));
    for (layer, params, macs, shape) in [
        ("stem", 432, 442_368, [16, 32]),
        ("stage0.0", 400, 409_600, [8, 32]),
        ("stage1.0", 1_200, 1_228_800, [8, 32]),
        ("stage1.1", 1_200, 1_228_800, [8, 32]),
        ("stage2.0", 1_712, 733_184, [16, 16]),
        ("stage2.1", 3_936, 1_007_616, [16, 16]),
        ("stage2.2", 3_936, 1_007_616, [16, 16]),
        ("stage3.0", 5_088, 620_544, [24, 8]),
        ("stage3.1", 8_208, 525_312, [24, 8]),
        ("stage3.2", 8_208, 525_312, [24, 8]),
        ("stage3.3", 8_208, 525_312, [24, 8]),
        ("stage4.0", 10_128, 648_192, [32, 8]),
        ("stage4.1", 14_016, 897_024, [32, 8]),
        ("stage4.2", 14_016, 897_024, [32, 8]),
        ("stage5.0", 20_416, 621_568, [56, 4]),
        ("stage5.1", 40_656, 650_496, [56, 4]),
        ("stage5.2", 40_656, 650_496, [56, 4]),
        ("stage6.0", 65_744, 1_051_904, [112, 4]),
        ("head", 143_360, 2_293_760, [1280, 4]),
        ("classifier", 12_810, 12_800, [10, 0]),
    ] {
        let of_layer = |name: &str| name == layer || name.starts_with(&format!("{layer}."));
        let nodes: Vec<_> = graph.nodes().iter().filter(|node| of_layer(node.name())).collect();
        let found_macs: u64 = nodes.iter().map(|node| graph.node_macs(node)).sum();
        let constants = graph.values().iter().filter(|value| value.data().is_some() && of_layer(value.name()));
        let found: usize =
            constants.filter(|value| !value.name().contains(".norm.")).map(|value| value.ty().len()).sum();
        assert_eq!((found, found_macs), (params, macs), "{layer}");
        let last = graph.shape(nodes.last().unwrap().outputs()[0]);
        let [channels, size] = shape;
        assert_eq!(last, if size == 0 { vec![1, channels] } else { vec![1, channels, size, size] }, "{layer}");
    }
}

/// No activation follows the last 1x1 of a block, its shortcut or its sum.
#[test]
fn mobilenet_tiny_clips_where_it_should() {
    let graph = build(tiny(0.35, 6));
    let producer = |id: graph::ValueId| graph.producer(id).map_or("x", |node| node.name());
    for node in graph.nodes() {
        let source = producer(node.inputs()[0].unwrap());
        let clipped = source.ends_with(".relu6");
        let part = node.name().rsplit('.').next().unwrap();
        match node.op().name {
            "Clip" => assert!(
                ["stem.norm", "head.norm"].contains(&source)
                    || source.ends_with(".expand.norm")
                    || source.ends_with(".depthwise.norm"),
                "{source}"
            ),
            "Conv" if part == "project" => assert!(clipped, "{}", node.name()),
            "Conv" if part == "expand" || node.name() == "head" => assert!(source.ends_with(".add"), "{}", node.name()),
            "Conv" if part == "depthwise" => assert!(clipped, "{}", node.name()),
            "Add" => assert!(source.ends_with(".project.norm"), "{source}"),
            _ => {}
        }
    }
}

/// Total and trainable parameters as Keras prints them, MACs of convolutions and dense layers.
#[test]
fn mlperf_tiny_nets_have_the_published_counts() {
    for (architecture, total, trainable, macs) in [
        (Architecture::Resnet8(Resnet8 { filters: 16 }), 78_666, 78_186, 12_501_632),
        (Architecture::Resnet8(Resnet8 { filters: 26 }), 205_306, 204_526, 32_562_192),
        (Architecture::DsCnn(DsCnn {}), 24_908, 23_756, 2_656_768),
        (Architecture::MobilenetV1(MobilenetV1 { width: 0.25 }), 221_794, 216_322, 7_489_664),
        (Architecture::FcAutoencoder(FcAutoencoder {}), 269_992, 267_928, 264_192),
    ] {
        let cost = cost(architecture);
        assert_eq!((cost.params, cost.params_trainable, cost.macs), (total, trainable, macs), "{architecture}");
    }
}

#[test]
fn the_table_is_sound() {
    for entry in ZOO {
        let usual = entry.usual;
        assert_eq!((usual.name(), find(entry.name).map(|found| found.name)), (entry.name, Some(entry.name)));
        let tagged = serde_json::to_value(usual).unwrap();
        let fields: Vec<&String> = tagged[entry.name].as_object().unwrap().keys().collect();
        let mut names: Vec<&str> = entry.options.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert_eq!(names, fields, "{}", entry.name);
        assert_eq!(serde_json::from_value::<Architecture>(tagged).unwrap(), usual);
        assert!(!entry.about.is_empty() && entry.options.iter().all(|(_, meaning)| !meaning.is_empty()));
        assert_eq!(build(usual).shape(build(usual).outputs()[0]), [1, entry.outputs], "{}", entry.name);
    }
    let schema = serde_json::to_string(&schemars::schema_for!(Architecture)).unwrap();
    assert!(ZOO.iter().all(|entry| schema.contains(&format!("\"{}\"", entry.name))), "{schema}");
}

#[test]
fn recipes_name_every_option_and_no_other() {
    let read = serde_json::from_str::<Architecture>;
    assert_eq!(read(r#"{ "mobilenet-tiny": { "width": 0.35, "expand": 6 } }"#).unwrap(), tiny(0.35, 6));
    assert_eq!(read(r#"{ "ds-cnn": {} }"#).unwrap(), Architecture::DsCnn(DsCnn {}));
    for wrong in [
        r#"{ "mobilenet-tiny": { "width": 0.35 } }"#,
        r#"{ "mobilenet-tiny": { "width": 0.35, "expand": 6, "classes": 10 } }"#,
        r#"{ "mobilenet-tiny": { "width": 0.35, "expand": 6.5 } }"#,
        r#"{ "ds-cnn": { "filters": 64 } }"#,
        r#"{ "resnet9": { "filters": 64 } }"#,
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn options_change_one_by_one() {
    let usual = ZOO[0].usual;
    let changed = usual.with_options(&[("expand", json!(10))]).unwrap();
    assert_eq!((changed, changed.label().as_str()), (tiny(0.35, 10), "mobilenet-tiny-w0.35-e10"));
    assert_eq!(changed.to_string(), "mobilenet-tiny { width: 0.35, expand: 10 }");
    assert_eq!(ds_cnn::ENTRY.usual.label(), "ds-cnn");
    for (architecture, change, part) in [
        (usual, ("filters", json!(3)), "its options: `width`, `expand`"),
        (ds_cnn::ENTRY.usual, ("width", json!(1)), "this architecture has no options"),
        (usual, ("expand", json!(6.5)), "6.5"),
    ] {
        let error = architecture.with_options(&[change]).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("\nhint: "), "{error}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_limit_and_remedy() {
    let usual = |name: &str| find(name).unwrap().usual;
    let huge = usize::MAX;
    for (architecture, input, classes, batch, parts) in [
        (usual("mobilenet-v1"), &[3, 28, 28][..], 10, 1, ["at least 32 high and 32 wide, found 3x28x28", "`resnet8`"]),
        (usual("ds-cnn"), &[1, 49, 3], 12, 1, ["at least 10 high and 4 wide", "pad or enlarge"]),
        (usual("resnet8"), &[784], 10, 1, ["channels x height x width, found 784", "3x32x32"]),
        (usual("resnet8"), &[0, 32, 32], 10, 1, ["1 to 4194304 elements, found 0x32x32", "3x32x32"]),
        (usual("resnet8"), &[huge, huge, 4], 10, 1, ["1 to 4194304 elements", "3x32x32"]),
        (usual("resnet8"), &[], 10, 1, ["found nothing", "3x32x32"]),
        (usual("resnet8"), &[3, 32, 32], 1, 1, ["2 to 65536 classes, found 1", "data set"]),
        (usual("resnet8"), &[3, 32, 32], huge, 1, ["2 to 65536 classes", "data set"]),
        (usual("resnet8"), &[3, 32, 32], 10, 0, ["the batch is 0", "1 or more"]),
        (usual("fc-autoencoder"), &[640], 10, 1, ["gives back the 640 elements", "`small-cnn`"]),
        (usual("fc-autoencoder"), &[2, 4], 8, 1, ["bottleneck, 8, found 2x4", "640"]),
        (usual("fc-autoencoder"), &[1 << 20], 1 << 20, 1, ["`encoder.0.weight`", "narrower"]),
        (tiny(0.0, 6), &[3, 32, 32], 10, 1, ["`width` must be more than 0 and at most 8, found 0", "width: 0.35"]),
        (tiny(f64::NAN, 6), &[3, 32, 32], 10, 1, ["found NaN", "width: 0.35"]),
        (tiny(0.35, 0), &[3, 32, 32], 10, 1, ["`expand` must be 1 to 64, found 0", "expand: 6"]),
        (Architecture::Resnet8(Resnet8 { filters: 9999 }), &[3, 32, 32], 10, 1, ["1 to 1024, found 9999", "16"]),
        (Architecture::SmallCnn(SmallCnn { filters: 0 }), &[3, 32, 32], 10, 1, ["1 to 1024, found 0", "16"]),
        (Architecture::MobilenetV1(MobilenetV1 { width: 0.01 }), &[3, 96, 96], 2, 1, ["leaves no channel", "0.25"]),
    ] {
        let error = architecture.build(input, classes, batch, 0).unwrap_err().to_string();
        let told = parts.iter().all(|part| error.contains(part)) && error.contains("\nhint: ");
        assert!(told && error.starts_with(&format!("build {}", architecture.name())), "{error}");
    }
}

#[test]
fn padding_is_that_of_the_framework() {
    let pads = |architecture: Architecture, input: &[usize], node: &str| {
        let graph = architecture.build(input, 3, 1, 0).unwrap();
        let node = graph.nodes().iter().find(|found| found.name() == node).unwrap();
        let shape = graph.shape(node.outputs()[0])[2..].to_vec();
        (format!("{:?}", node.attrs().get("pads").unwrap()), shape)
    };
    let resnet8 = find("resnet8").unwrap().usual;
    let at = |sizes: [usize; 2]| pads(resnet8, &[3, sizes[0], sizes[1]], "stack2.conv1");
    assert_eq!(at([32, 32]), ("Ints([0, 0, 1, 1])".to_owned(), vec![16, 16]), "even sizes");
    assert_eq!(at([33, 32]), ("Ints([1, 0, 1, 1])".to_owned(), vec![17, 16]), "an odd height");
    let stem = pads(find("ds-cnn").unwrap().usual, &[1, 49, 10], "stem");
    assert_eq!(stem, ("Ints([4, 1, 5, 1])".to_owned(), vec![25, 5]));
    let halving = pads(tiny(0.35, 6), &[3, 32, 32], "stage2.0.depthwise");
    assert_eq!(halving, ("Ints([1, 1, 1, 1])".to_owned(), vec![16, 16]));
}

/// The constants of a graph by name.
fn parameters(graph: &Graph) -> std::collections::BTreeMap<String, Tensor> {
    let constants = graph.values().iter().filter_map(|value| Some((value.name().to_owned(), value.data()?.clone())));
    constants.collect()
}

#[test]
fn initial_weights_have_the_moments_they_should() {
    for architecture in all() {
        for (name, tensor) in parameters(&build(architecture)) {
            let (shape, values) = (tensor.shape().to_vec(), tensor.floats().unwrap());
            assert!(values.iter().all(|value| f64::from(*value as f32) == *value), "{name} is not float32");
            if !name.ends_with(".weight") {
                let expected = match name.rsplit('.').next().unwrap() {
                    "scale" | "var" => 1.0,
                    "high" => 6.0,
                    _ => 0.0,
                };
                assert!(values.iter().all(|value| *value == expected), "{name}");
                continue;
            }
            let groups = if shape[1..2] == [1] { shape[0] } else { 1 };
            let variance = match shape[..] {
                [filters, _, height, width] if name.contains("depthwise") => {
                    2.0 * groups as f64 / (filters * height * width) as f64
                }
                [filters, _, height, width] => 2.0 / (filters * height * width) as f64,
                [_, inputs] => 1.0 / (3 * inputs) as f64,
                _ => panic!("{name} has shape {shape:?}"),
            };
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let second = values.iter().map(|value| value * value).sum::<f64>() / count;
            // Five standard errors: hundreds of tensors, and a normal variance has relative error sqrt(2 / n).
            assert!(mean.abs() <= 5.0 * (variance / count).sqrt(), "{architecture} {name}: mean {mean}");
            let off = (second / variance - 1.0).abs();
            assert!(off <= 5.0 * (2.0 / count).sqrt(), "{architecture} {name}: {second}, expected {variance}");
        }
    }
}

#[test]
fn a_seed_gives_the_same_bits_everywhere() {
    use sha2::Digest;
    let net = |seed| find("resnet8").unwrap().usual.build(&[3, 32, 32], 10, 1, seed).unwrap();
    let mut hash = sha2::Sha256::new();
    for (name, tensor) in parameters(&net(0)) {
        hash.update(name.as_bytes());
        tensor.floats().unwrap().iter().for_each(|value| hash.update((*value as f32).to_le_bytes()));
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "b031dca3f9220c24ed5c1688225e68b624f080e3ad8a513f0bd1c7f77e97ab06");
    assert_eq!(encode_symbolic_batch(&net(7)), encode_symbolic_batch(&net(7)));
    let (first, second) = (parameters(&net(0)), parameters(&net(1)));
    for (name, tensor) in first.iter().filter(|(name, _)| name.ends_with(".weight")) {
        assert_ne!(tensor, &second[name], "{name} does not depend on the seed");
    }
}

#[test]
fn a_parameter_depends_on_its_name_and_not_on_its_neighbours() {
    let (narrow, deep) = (parameters(&build(tiny(0.35, 6))), parameters(&build(tiny(0.35, 10))));
    let same = |name: &str| narrow[name] == deep[name];
    assert!(same("stem.weight") && same("stage2.0.shortcut.weight") && same("classifier.weight"));
    assert_ne!(
        narrow["stage5.1.project.weight"].floats().unwrap()[..9],
        narrow["stage5.2.project.weight"].floats().unwrap()[..9]
    );
}

fn read(bytes: &[u8], batch: usize) -> Graph {
    Model::parse(bytes, &NoExternalData).unwrap().graph(batch).unwrap()
}

#[test]
fn files_load_at_every_batch_with_readable_names() {
    for architecture in all() {
        for input in inputs(architecture) {
            let outputs = outputs(architecture, &input);
            let bytes = encode_symbolic_batch(&architecture.build(&input, outputs, 1, 0).unwrap());
            for batch in [1, 2, 5] {
                let graph = read(&bytes, batch);
                assert_eq!(graph.shape(graph.outputs()[0]), [batch, outputs], "{architecture} {input:?}");
            }
            let built = architecture.build(&input, outputs, 5, 0).unwrap();
            assert_eq!(encode_symbolic_batch(&built), bytes, "{architecture}: the file depends on the batch");
            let graph = read(&bytes, 1);
            let name = |id: graph::ValueId| graph.value(id).name().to_owned();
            let expected = if architecture.reconstructs() { "reconstruction" } else { "logits" };
            assert_eq!((name(graph.inputs()[0]), name(graph.outputs()[0])), ("x".to_owned(), expected.to_owned()));
            let renamed = graph
                .values()
                .iter()
                .filter(|value| value.data().is_some())
                .find(|value| value.name().rsplit('.').next().is_none_or(|last| last.parse::<usize>().is_ok()));
            assert!(renamed.is_none(), "{architecture}: two parameters of one name: {renamed:?}");
            let norms =
                |graph: &Graph| graph.nodes().iter().filter(|node| node.op().name == "BatchNormalization").count();
            assert!(norms(&graph) > 0 && norms(&fold_batch_norm(&graph).unwrap()) == 0, "{architecture}");
        }
    }
}

/// Preparing a model runs it in ONNX Runtime, compares it with our own graph, and refuses rows that influence each other.
#[test]
fn onnx_runtime_runs_every_architecture_row_by_row() {
    for architecture in all() {
        for input in inputs(architecture) {
            let classes = outputs(architecture, &input);
            let graph = architecture.build(&input, classes, 1, 0).unwrap();
            let output = graph.value(graph.outputs()[0]).name().to_owned();
            let map = graph::InputMap::identity(&input);
            let spec = ModelSpec { input: "x".to_owned(), map, output, classes, kind: OutputKind::Logits };
            let bytes = ModelBytes::new(encode_symbolic_batch(&graph));
            let prepared = Prepared::new(bytes, spec, &[attack::LossHead::CrossEntropy], Provider::Cpu);
            let prepared = prepared.unwrap_or_else(|error| panic!("{architecture} {input:?}: failed to {error}"));
            assert_eq!(prepared.cost(), graph.cost(), "{architecture}");
            assert_eq!(prepared.parameters(), graph.cost().params, "{architecture}");
        }
    }
}

/// ResNet-8 at its first sum: the shortcut, the sum's other term and the result, 16 planes of 32x32 floats each. In int8 a quarter.
/// No order of any network needs less than its largest step, and none that was found more than the file's.
#[test]
fn activations_take_the_memory_that_they_take_by_hand() {
    let bytes = |architecture: Architecture, int8: bool, in_place_depthwise: bool| {
        let memory = build(architecture).memory(MemoryRules { int8, in_place_depthwise });
        let [file, best] = [&memory.file, &memory.best].map(|steps| Memory::peak(steps));
        assert!(memory.lower_bound <= best && best <= file && memory.is_optimal, "{architecture}: {file}, {best}");
        (file, best)
    };
    for entry in ZOO {
        let plain = bytes(entry.usual, true, false);
        assert!(
            bytes(entry.usual, true, true) <= plain && bytes(entry.usual, false, false) == (4 * plain.0, 4 * plain.1)
        );
    }
    let resnet8 = Architecture::Resnet8(Resnet8 { filters: 16 });
    assert_eq!(bytes(resnet8, false, false), (3 * 16 * 1024 * 4, 3 * 16 * 1024 * 4));
    // Width 0.35, expansion 6: the depthwise layer of stage 1 has 48 planes of 32x32 on both sides, and the block's 8 beside them.
    assert_eq!(bytes(tiny(0.35, 6), true, false).1, (48 + 48 + 8) * 1024);
}

/// Logits of two images, one a small step from the other, are no further apart than every bound allows.
#[test]
fn every_architecture_has_upper_bounds_on_its_lipschitz_constants() {
    for architecture in all() {
        let graph = fold_batch_norm(&build(architecture)).unwrap();
        let shape = graph.shape(graph.inputs()[0]).to_vec();
        let lipschitz = graph.lipschitz();
        let mut draws = Splitmix::new(9);
        let x = draws.tensor(&shape, 0.0, 1.0);
        let step = draws.tensor(&shape, -0.03, 0.03).to_f64();
        let moved = Tensor::f32(&shape, x.to_f64().iter().zip(&step).map(|(x, step)| x + step));
        let run = |x: Tensor| Interpreter.run(&graph, &[x]).unwrap().remove(0).to_f64();
        let apart: Vec<f64> = run(x).iter().zip(run(moved)).map(|(a, b)| a - b).collect();
        let length = |norm: Norm, x: &[f64]| match norm {
            Norm::L1 => x.iter().map(|x| x.abs()).sum(),
            Norm::L2 => x.iter().map(|x| x * x).sum::<f64>().sqrt(),
            Norm::Linf => x.iter().fold(0.0, |largest: f64, x| largest.max(x.abs())),
        };
        for (input, output) in Norm::ALL.into_iter().flat_map(|input| Norm::ALL.map(|output| (input, output))) {
            let bound = lipschitz.bound(input, output).unwrap();
            let (found, step) = (length(output, &apart), length(input, &step));
            assert!(found > 0.0 && found <= bound * step, "{architecture} {input} {output}: {found} {bound} {step}");
        }
    }
}

/// How widths alone order the six published networks, next to the published empirical Lipschitz constants.
///
/// Source: Mousavi et al. 2023, eq. 5 and tables 1 and 2. The widths are those of the layer table that gives the published
/// counts. The published order is another one: the two with the largest expansions are not where the widths put them.
#[test]
fn widths_order_the_published_networks_much_as_their_lipschitz_constants() {
    let rows: [(f64, usize, f64, [f64; 2]); 6] = [
        (0.35, 6, 67.24, [448.0, 2608.0]),
        (0.65, 6, 80.77, [808.0, 4728.0]),
        (1.0, 6, 85.03, [1216.0, 7136.0]),
        (0.35, 10, 73.4, [448.0, 4112.0]),
        (0.35, 20, 71.26, [448.0, 7872.0]),
        (0.35, 29, 82.88, [448.0, 11256.0]),
    ];
    let mut found = Vec::new();
    for (width, expand, published, [base, middle]) in rows {
        let bound = build(tiny(width, expand)).width_bound().unwrap();
        assert_eq!((bound.blocks, bound.base_width, bound.middle_width), (17, base / 17.0, middle / 17.0));
        found.push((bound.ln(), published));
    }
    let rank = |of: fn(&(f64, f64)) -> f64, row: &(f64, f64)| found.iter().filter(|other| of(other) < of(row)).count();
    let squares: f64 =
        found.iter().map(|row| (rank(|row| row.0, row) as f64 - rank(|row| row.1, row) as f64).powi(2)).sum();
    assert_eq!(squares, 8.0, "Spearman's rank correlation is 1 - 6 · 8 / 210 = 0.77");
}
