//! What the graph crate counts on the zoo's networks, against what other tools count on the same networks in PyTorch.

use super::{Architecture, find};
use graph::{CONVENTIONS, Convention, Graph, fold_batch_norm};
use serde_json::Value;

/// What the tools count, as `harness/benches/peers/counts.py` found it.
fn networks() -> Vec<Value> {
    let record: Value = serde_json::from_str(include_str!("../../../../reports/acceptance/counts.json")).unwrap();
    record["numbers"]["networks"].as_array().unwrap().clone()
}

fn build(name: &str) -> (Architecture, Graph) {
    let entry = find(name).unwrap();
    (entry.usual, entry.usual.build(entry.input, entry.outputs, 1, 0).unwrap())
}

/// To the unit, with batch normalisation in the file and folded, as the tools count it in and folded in PyTorch.
#[test]
fn conventions_count_what_the_tools_count() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for network in networks() {
        let name = network["net"].as_str().unwrap();
        let (_, graph) = build(name);
        assert_eq!(serde_json::to_value(find(name).unwrap().input).unwrap(), network["row"], "{name}");
        let folded = fold_batch_norm(&graph).unwrap();
        for (form, graph) in [("counts", &graph), ("folded", &folded)] {
            for (tool, counted) in network[form].as_object().unwrap() {
                let ours = graph.count(Convention::find(tool).unwrap());
                checked += 1;
                if Some(ours) != counted.as_u64() {
                    wrong.push(format!("{name} ({form}): {tool} counts {counted}, here it is {ours}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(checked, 4 * 2 * (CONVENTIONS.len() - 1));
}

/// The published counts of MobileNet-tiny are torchprofile's of the network without batch normalisation.
#[test]
fn without_batch_normalisation_torchprofile_is_the_count_of_results() {
    let torchprofile = Convention::find("torchprofile").unwrap();
    for entry in super::ZOO {
        let (architecture, graph) = build(entry.name);
        let folded = fold_batch_norm(&graph).unwrap();
        assert_eq!(folded.count(torchprofile), graph.cost().macs_torchprofile, "{architecture}");
    }
}

/// The int8 files of MLPerf Tiny's reference models in bytes. They have the same weights and biases, and the description of the
/// graph. Where layers are convolutions they have 24 bytes of scales a channel for the 8 of the estimate, so that it is less; the
/// autoencoder's dense layers are scaled as a whole there, and the estimate, which scales every channel, is 3 % more.
#[test]
fn flash_is_what_the_published_files_have_beside_descriptions() {
    for (name, published) in
        [("resnet8", 98_496), ("ds-cnn", 53_936), ("mobilenet-v1", 333_288), ("fc-autoencoder", 276_976)]
    {
        let (_, graph) = build(name);
        let flash = graph.flash_int8().unwrap();
        let folded = fold_batch_norm(&graph).unwrap().cost().params;
        let (without_scales, total) = (flash.weights + flash.biases, flash.total());
        assert!(without_scales < published && 2 * total > published, "{name}: {flash:?}");
        assert_eq!(total < published, name != "fc-autoencoder", "{name}: {flash:?}");
        assert_eq!(flash.weights + flash.biases / 4, folded, "{name}: {flash:?}");
    }
}
