use crate::ops::{OPS, Op, REWRITES, Vjp};
use crate::quantized::{QUANTIZED, Quantized};

/// The table of supported operators, in Markdown.
pub fn supported_ops_table() -> String {
    let rewrites = REWRITES.iter().map(|op| cells(op.name, op.opsets, "yes", op.attrs, op.doc));
    let mut rows: Vec<String> = OPS.iter().map(|op| row(op)).chain(rewrites).collect();
    rows.push("| Constant | 7, 9, 11, 12, 13, 19, 21, 23, 24 | none needed | `value`, `value_float`, `value_floats`, `value_int`, `value_ints` | read as a constant |".to_owned());
    rows.extend(QUANTIZED.iter().map(quantized_row));
    rows.sort();
    let mut table = "| operator | opsets | gradient | attributes | notes |\n|---|---|---|---|---|\n".to_owned();
    for row in rows {
        table.push_str(&row);
        table.push('\n');
    }
    table
}

fn row(op: &Op) -> String {
    let gradient = match op.vjp {
        Vjp::Rule(..) => "yes",
        Vjp::Constant => "piecewise constant",
    };
    cells(op.name, op.opsets, gradient, op.attrs, op.doc)
}

fn cells(name: &str, opsets: &[i64], gradient: &str, attrs: &[&str], doc: &str) -> String {
    let opsets: Vec<String> = opsets.iter().map(i64::to_string).collect();
    let attributes: Vec<String> = attrs.iter().map(|attr| format!("`{attr}`")).collect();
    let (opsets, attributes) = (opsets.join(", "), attributes.join(", "));
    format!("| {name} | {opsets} | {gradient} | {attributes} | {} |", doc.replace('|', "\\|"))
}

fn quantized_row(quantized: &Quantized) -> String {
    let Quantized { name, op, .. } = quantized;
    format!("| {name} | {} | as {op} | as {op} | {} |", quantized.opsets(), quantized.doc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_a_row_of_five_cells() {
        let table = supported_ops_table();
        for op in OPS {
            assert!(table.contains(&format!("\n| {} | ", op.name)), "{}", op.name);
        }
        for line in table.lines() {
            assert_eq!(line.replace("\\|", "").matches('|').count(), 6, "{line}");
        }
    }
}
