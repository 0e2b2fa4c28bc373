//! `tinyassay model profile --lipschitz`: upper bounds on the Lipschitz constants of layers and of the logits.

use crate::model_profile::shortened;
use crate::table;
use anyhow::{Context, Result};
use graph::{Graph, LayerBound, Norm};
use registry::{OutputKind, OutputSpec};

/// The pairs of norms that are shown, the first that of the paper's empirical constant.
const PAIRS: [(Norm, Norm); 3] = [(Norm::Linf, Norm::L1), (Norm::L2, Norm::L2), (Norm::Linf, Norm::Linf)];

/// The table of layers and the bounds of the logits, or of an autoencoder's reconstruction.
///
/// Errors: the graph has no such output, or its ending can't be cut.
pub(crate) fn render(graph: &Graph, rows: usize, output: &OutputSpec) -> Result<String> {
    let (logits, cut) = logits(graph, output)?;
    let lipschitz = logits.lipschitz();
    let layers = lipschitz.layers().into_iter().map(|layer| {
        let LayerBound { node, op, l2_upper, l2_estimate, linf_upper } = layer;
        let estimate = l2_estimate.map(number).unwrap_or_default();
        [shortened(&node), op.to_owned(), number(l2_upper), estimate, number(linf_upper)]
    });
    let header = ["layer", "operator", "l2 upper bound", "l2 by power iteration", "linf upper bound"];
    let mut text = table::render(header, layers);
    let of_rows = if rows == 1 { String::new() } else { format!(" of {rows} rows, the fewest that the file takes") };
    let what = if output.kind == OutputKind::Score { "reconstruction" } else { "logits" };
    text +=
        &format!("\nupper bounds on the Lipschitz constant of the {what}{of_rows} in the file's input, in its units:");
    for (input, output) in PAIRS {
        match lipschitz.bound(input, output) {
            Ok(bound) => text += &format!("\n  from {input} to {output}: {}", number(bound)),
            Err(error) => {
                text += &format!("\n  none: failed to {error}");
                break;
            }
        }
    }
    text += &cut.map(|cut| format!("\nbatch normalisation is folded; {cut} was cut")).unwrap_or_default();
    if let Some(width) = logits.width_bound() {
        text += &format!(
            "\nby widths alone, good for ordering networks of one family: ln L = {:.3} ({} blocks, {:.1} channels between and {:.1} \
             inside of them)",
            width.ln(),
            width.blocks,
            width.base_width,
            width.middle_width
        );
    }
    Ok(text)
}

/// The graph that attacks see, but for the input, which stays in the file's units.
fn logits(graph: &Graph, output: &OutputSpec) -> Result<(Graph, Option<graph::OutputCut>)> {
    let found = graph.outputs().iter().copied().find(|id| graph.value(*id).name() == output.name);
    let mut selected = graph.clone();
    selected.set_outputs(vec![found.with_context(|| format!("the file has no output `{}`", output.name))?]);
    let folded = graph::fold_batch_norm(&selected.pruned().0)?;
    let (logits, cut) = match output.kind {
        OutputKind::Logits | OutputKind::Softmax => graph::cut_softmax(&folded)?,
        OutputKind::Sigmoid => graph::cut_sigmoid(&folded)?,
        OutputKind::Score => (folded, None),
    };
    Ok((logits.pruned().0, cut))
}

/// Four digits behind the point, or four in all where that would be long.
fn number(x: f64) -> String {
    if x != 0.0 && !(1e-3..1e6).contains(&x) { format!("{x:.3e}") } else { format!("{x:.4}") }
}
