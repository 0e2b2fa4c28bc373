//! `tinyassay model profile`: what every layer costs, and the activations' memory over time.

use crate::args::ProfileArgs;
use crate::exit::Exit;
use crate::model_build::grouped;
use crate::places::Places;
use crate::{model_lipschitz, prepare, static_cost, table};
use anyhow::{Context, Result};
use graph::{Convention, Flash, Graph, Memory, MemoryRules, MemoryStep, Model, Node};

/// Prints the table of layers, the totals and the memory.
///
/// Errors: no such model, a digest does not match, or the file can't be read.
pub(crate) fn run(places: &Places, args: &ProfileArgs) -> Result<Exit> {
    let registered = places.registry().find_one(&args.name)?;
    let bytes = prepare::load(&registered)?;
    let read = || format!("failed to read model `{}`", args.name);
    let model = Model::parse(&bytes.model, &bytes).with_context(read)?;
    let (graph, rows) = model.smallest().with_context(read)?;
    if args.lipschitz {
        println!("{}", model_lipschitz::render(&graph, rows, &registered.manifest.output)?);
        return Ok(Exit::Pass);
    }
    let rules = MemoryRules { int8: args.int8 || model.is_quantized(), in_place_depthwise: args.in_place_depthwise };
    let convention = Convention::find(&args.convention).context("the command line takes no other convention")?;
    let flash = static_cost::flash(&model, &graph).with_context(read)?;
    println!("{}", render(&model, &graph, rows, rules, convention, flash, args.best_order));
    Ok(Exit::Pass)
}

/// Characters of the longest name; of longer ones the end is shown.
const NAME: usize = 32;
/// Characters of the longest bar.
const BAR: u64 = 24;

fn render(
    model: &Model,
    graph: &Graph,
    rows: usize,
    rules: MemoryRules,
    convention: &Convention,
    flash: Flash,
    best_order: bool,
) -> String {
    let memory = graph.memory(rules);
    let (peak, best) = (Memory::peak(&memory.file), Memory::peak(&memory.best));
    let (listed, highest) = if best_order { (&memory.best, best) } else { (&memory.file, peak) };
    let layers = listed.iter().map(|step| layer(graph, &graph.nodes()[step.node], step, convention, highest));
    let mut text = table::render(["layer", "operator", "output", "MACs", "params", "bytes alive", "over time"], layers);
    let of_rows = if rows == 1 { String::new() } else { format!(" of {rows} rows, the fewest that the file takes") };
    let width = if rules.int8 { "a byte an element" } else { "in the file's types" };
    text += &format!("\nMACs{of_rows}: {}", grouped(graph.count(convention)));
    text += &format!("\nconvention `{}`{}: {}", convention.name, version(convention), convention.counts);
    text += &format!(
        "\nparameters: {}; {} bytes in the file, {} at int8 (one a weight, four a bias; scales and code are not counted)",
        grouped(graph.cost().params),
        grouped(model.parameter_bytes()),
        grouped(graph.parameter_bytes_int8())
    );
    text += &format!("\n{}", flash_line(flash, model.is_quantized()));
    text += &format!("\nactivations{of_rows}, {width}: {} bytes at the peak in the file's order", grouped(peak));
    let (found, sure) =
        (grouped(best), if memory.is_optimal { "the best order" } else { "the best order that was found" });
    text += &format!("; {found} in {sure}; no order needs less than {}", grouped(memory.lower_bound));
    if best < peak && !best_order {
        text += "\nhint: --best-order lists the layers in that order";
    }
    text
}

fn version(convention: &Convention) -> String {
    convention.version.map(|version| format!(" of version {version}")).unwrap_or_default()
}

/// What a device keeps, and of what that is made.
fn flash_line(flash: Flash, is_quantized: bool) -> String {
    let Flash { weights, biases, scales } = flash;
    let (kind, scaled) = match is_quantized {
        true => ("as the file has it", "scales and zero points"),
        false => ("estimated at int8 with batch norm folded", "multipliers and shifts, eight bytes a channel"),
    };
    let parts = [weights, biases, scales].map(grouped);
    format!(
        "flash, {kind}: {} bytes; {} of weights, {} of biases, {} of {scaled}; code and the runtime's own structures are not counted",
        grouped(flash.total()),
        parts[0],
        parts[1],
        parts[2]
    )
}

fn layer(graph: &Graph, node: &Node, step: &MemoryStep, convention: &Convention, peak: u64) -> [String; 7] {
    let params = graph.node_parameters(node).iter().map(|id| graph.value(*id).ty().len() as u64).sum();
    let blank_at_zero = |count: u64| if count == 0 { String::new() } else { grouped(count) };
    let bar = "█".repeat((step.bytes * BAR).div_ceil(peak.max(1)) as usize);
    [
        shortened(node.name()),
        node.op().name.to_owned(),
        graph.shape(node.outputs()[0]).iter().map(usize::to_string).collect::<Vec<_>>().join("x"),
        blank_at_zero(graph.node_count(node, convention)),
        blank_at_zero(params),
        grouped(step.bytes),
        if step.bytes == peak { format!("{bar} peak") } else { bar },
    ]
}

/// The end of a long name, which tells more than its beginning.
pub(crate) fn shortened(name: &str) -> String {
    let length = name.chars().count();
    if length <= NAME {
        name.to_owned()
    } else {
        format!("…{}", name.chars().skip(length + 1 - NAME).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_lose_their_beginning() {
        assert_eq!(shortened("model/conv2d"), "model/conv2d");
        let long = shortened(&"é".repeat(40));
        assert_eq!((long.chars().count(), long.chars().next()), (NAME, Some('…')));
    }
}
