use crate::{Error, ModelBytes, ModelSpec, Provider, ShippedModel};
use ndarray::{ArrayView1, Axis};
use ort::value::DynValue;

/// The registered bytes, unmodified, at batch 1 and ONNX Runtime's default optimisation, with an input that is ready: what
/// latency is measured on.
///
/// The input is in the file's own layout and type, made once and as the judge makes it. A run allocates the outputs and
/// releases them again; on a GPU it takes the input there and the outputs back.
#[derive(Debug)]
pub struct TimedModel {
    model: ShippedModel,
    input: DynValue,
}

impl TimedModel {
    /// Opens a session of its own. `row` is canonical; `threads` share the work of one operator, and do not spin.
    ///
    /// Errors: as [`ShippedModel::new`]; the file has a fixed batch other than 1; or the row has another length.
    pub fn new(
        bytes: &ModelBytes,
        spec: &ModelSpec,
        row: ArrayView1<'_, f32>,
        threads: usize,
        provider: Provider,
    ) -> Result<Self, Error> {
        let model = ShippedModel::with_threads(bytes, spec, 1, provider, threads)?;
        if model.batch() != 1 {
            let batch = model.batch();
            return Err(Error::Model(format!(
                "latency is that of one row, and the file takes {batch} at once\nhint: export it with a batch of 1, or with one \
                 that is left open"
            )));
        }
        if row.len() != spec.map.row_len() {
            let (wanted, found) = (spec.map.row_len(), row.len());
            return Err(Error::Model(format!("a row must have {wanted} elements, found {found}")));
        }
        let input = model.input(row.insert_axis(Axis(0)))?;
        Ok(Self { model, input })
    }

    /// One inference.
    ///
    /// Errors: the run fails.
    pub fn run(&mut self) -> Result<(), Error> {
        self.model.run(&self.input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OutputKind;
    use crate::handmade::{FLOAT, File};
    use graph::InputMap;
    use ndarray::Array1;

    fn file(batch: &str) -> ModelBytes {
        let file = File::new().input("in", FLOAT, &[batch, "4"]).output("out", FLOAT, &[batch, "3"]);
        let weights = [0.5, -1.0, 0.25, 1.5, -0.75, 0.125, -0.5, 1.0, 2.0, -0.25, 0.75, -1.5];
        ModelBytes::new(file.floats("w", &[4, 3], &weights).node("MatMul", &["in", "w"], "out").bytes())
    }

    fn spec() -> ModelSpec {
        let map = InputMap::identity(&[4]);
        ModelSpec { input: "in".into(), map, output: "out".into(), classes: 3, kind: OutputKind::Logits }
    }

    #[test]
    fn one_row_at_a_time_with_any_number_of_threads() {
        let row = Array1::from_elem(4, 0.5);
        for batch in ["N", "1"] {
            for threads in [1, 2] {
                let mut model = TimedModel::new(&file(batch), &spec(), row.view(), threads, Provider::Cpu).unwrap();
                assert_eq!(model.model.batch(), 1, "{batch} {threads}");
                model.run().unwrap();
                model.run().unwrap();
            }
        }
    }

    #[test]
    fn files_of_more_rows_and_rows_of_another_length_are_refused() {
        let refused = |batch: &str, len: usize| {
            let row = Array1::from_elem(len, 0.5);
            TimedModel::new(&file(batch), &spec(), row.view(), 1, Provider::Cpu).unwrap_err().to_string()
        };
        let text = refused("5", 4);
        assert!(text.contains("takes 5 at once") && text.contains("hint: "), "{text}");
        assert!(refused("N", 3).contains("4 elements, found 3"));
    }
}
