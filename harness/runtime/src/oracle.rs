use crate::Error;
use crate::file_logits::{FileLogits, OpenFileLogits};
use crate::frozen::Compiled;
use crate::session::{self, Opening, Optimisation};
use attack::{Gradient, Loss, LossHead, Oracle, OracleError};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::TensorRef;
use std::collections::HashMap;
use std::sync::Arc;

/// White-box access to one model for one worker: logits, and gradients of each loss head with respect to canonical rows.
///
/// Every run has micro-batch rows, those that are missing being copies of the first, so that a row's numbers do not
/// depend on its neighbours. Infinite and NaN numbers are passed on, and counted by [`GradientOracle::non_finite`]:
/// what to do with such a row is for the attack to say.
#[derive(Debug)]
pub struct GradientOracle {
    model: Arc<Compiled>,
    shape: Vec<usize>,
    logits: Option<Session>,
    file: Option<Arc<FileLogits>>,
    file_logits: Option<OpenFileLogits>,
    gradients: HashMap<LossHead, Session>,
    x: Vec<f32>,
    weights: Vec<f32>,
    non_finite: u64,
}

impl GradientOracle {
    /// `file` is what answers where no gradient is asked for, if not the graph that is differentiated.
    pub(crate) fn new(model: Arc<Compiled>, file: Option<Arc<FileLogits>>) -> Self {
        let (rows, row_len) = (model.micro_batch, model.row.iter().product::<usize>());
        let shape = std::iter::once(rows).chain(model.row.iter().copied()).collect();
        let (x, weights) = (vec![0.0; rows * row_len], vec![0.0; rows * model.classes]);
        Self {
            model,
            shape,
            logits: None,
            file,
            file_logits: None,
            gradients: HashMap::new(),
            x,
            weights,
            non_finite: 0,
        }
    }

    /// How many rows so far had logits, a loss or a gradient that were not finite.
    pub fn non_finite(&self) -> u64 {
        self.non_finite
    }

    fn check(&self, x: ArrayView2<'_, f32>) -> Result<(), OracleError> {
        let (wanted, found) = (self.row_len(), x.ncols());
        if wanted == found {
            Ok(())
        } else {
            Err(OracleError(format!("rows must have {wanted} elements, found {found}")))
        }
    }

    fn run_logits(&mut self, chunk: ArrayView2<'_, f32>, logits: &mut Vec<f32>) -> Result<(), Error> {
        fill(&mut self.x, chunk);
        let session = match &mut self.logits {
            Some(session) => session,
            none => {
                none.insert(session::open(&self.model.logits, &Opening::new(self.model.provider, Optimisation::Own))?)
            }
        };
        let inputs: Vec<(&str, SessionInputValue<'_>)> = vec![("x", view(&self.shape, &self.x)?.into())];
        let outputs = session.run(inputs).map_err(|error| Error::ort("run the classifier", &error))?;
        // The classifier has one output, whatever the file calls it.
        let output = outputs.values().next().ok_or_else(|| Error::Model("the classifier gave nothing".to_owned()))?;
        let (_, found) = output.try_extract_tensor::<f32>().map_err(|error| Error::ort("read the logits", &error))?;
        logits.extend(&found[..chunk.nrows() * self.model.classes]);
        Ok(())
    }

    /// What the file itself says, where it is to be asked.
    fn logits_of_file(&mut self, x: ArrayView2<'_, f32>) -> Result<Option<Array2<f32>>, OracleError> {
        let Some(file) = &self.file else { return Ok(None) };
        let open = match &mut self.file_logits {
            Some(open) => open,
            none => none.insert(file.open().map_err(|error| OracleError(error.to_string()))?),
        };
        open.logits(x).map(Some)
    }

    fn run_gradient(
        &mut self,
        chunk: ArrayView2<'_, f32>,
        weights: ArrayView2<'_, f32>,
        head: LossHead,
        results: [&mut Vec<f32>; 3],
    ) -> Result<(), Error> {
        fill(&mut self.x, chunk);
        fill(&mut self.weights, weights);
        if !self.gradients.contains_key(&head) {
            let bytes = self.model.gradients.get(&head);
            let bytes = bytes.ok_or_else(|| Error::Model(format!("no gradient graph was planned for {head:?}")))?;
            let opening = Opening::new(self.model.provider, Optimisation::Own);
            self.gradients.insert(head, session::open(bytes, &opening)?);
        }
        let session = self.gradients.get_mut(&head).expect("it was inserted above");
        let classes = self.model.classes;
        let inputs: Vec<(&str, SessionInputValue<'_>)> = vec![
            ("x", view(&self.shape, &self.x)?.into()),
            ("weights", view(&[self.shape[0], classes], &self.weights)?.into()),
        ];
        let outputs = session.run(inputs).map_err(|error| Error::ort("run the gradient graph", &error))?;
        let widths = [("logits", classes), ("loss", 1), ("gradient", chunk.ncols())];
        let ranges = widths.map(|(name, width)| (name, chunk.nrows() * width));
        for ((name, count), result) in ranges.into_iter().zip(results) {
            result.extend(&floats(&outputs, name)?[..count]);
        }
        Ok(())
    }
}

impl Oracle for GradientOracle {
    fn classes(&self) -> usize {
        self.model.classes
    }

    fn row_len(&self) -> usize {
        self.model.row.iter().product()
    }

    fn micro_batch(&self) -> usize {
        self.model.micro_batch
    }

    fn logits(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        self.check(x)?;
        let logits = match self.logits_of_file(x)? {
            Some(logits) => logits,
            None => {
                let mut logits = Vec::with_capacity(x.nrows() * self.classes());
                for chunk in x.axis_chunks_iter(Axis(0), self.micro_batch()) {
                    self.run_logits(chunk, &mut logits).map_err(|error| OracleError(error.to_string()))?;
                }
                matrix(x.nrows(), self.classes(), logits)
            }
        };
        self.non_finite += logits.rows().into_iter().filter(|row| !row.iter().all(|z| z.is_finite())).count() as u64;
        Ok(logits)
    }

    fn gradient(&mut self, x: ArrayView2<'_, f32>, loss: &Loss) -> Result<Gradient, OracleError> {
        self.check(x)?;
        let (rows, classes) = (x.nrows(), self.classes());
        let all = &loss.weights;
        if all.dim() != (rows, classes) {
            let (found, wanted) = (all.dim(), (rows, classes));
            return Err(OracleError(format!("the loss must have weights {wanted:?}, found {found:?}")));
        }
        let (mut logits, mut losses, mut gradient) = (Vec::new(), Vec::new(), Vec::with_capacity(x.len()));
        let micro_batch = self.micro_batch();
        let chunks = x.axis_chunks_iter(Axis(0), micro_batch);
        for (chunk, weights) in chunks.zip(all.axis_chunks_iter(Axis(0), micro_batch)) {
            let results = [&mut logits, &mut losses, &mut gradient];
            let run = self.run_gradient(chunk, weights, loss.head, results);
            run.map_err(|error| OracleError(error.to_string()))?;
        }
        let result = Gradient {
            logits: matrix(rows, classes, logits),
            loss: Array1::from_vec(losses),
            gradient: matrix(rows, self.row_len(), gradient),
        };
        self.non_finite += (0..rows).filter(|&row| !is_finite(&result, row)).count() as u64;
        Ok(result)
    }
}

fn is_finite(result: &Gradient, row: usize) -> bool {
    let rows = [result.logits.row(row), result.loss.slice(s![row..=row]), result.gradient.row(row)];
    rows.iter().all(|row| row.iter().fold(true, |finite, value| finite & value.is_finite()))
}

fn matrix(rows: usize, columns: usize, elements: Vec<f32>) -> Array2<f32> {
    Array2::from_shape_vec((rows, columns), elements).expect("every run gives micro-batch rows")
}

/// Copies the rows to the front of the buffer and the first of them over the rest. There is at least one.
fn fill(buffer: &mut [f32], rows: ArrayView2<'_, f32>) {
    let padding = std::iter::repeat(rows.row(0));
    let sources = rows.rows().into_iter().chain(padding);
    for (target, source) in buffer.chunks_exact_mut(rows.ncols()).zip(sources) {
        match source.as_slice() {
            Some(source) => target.copy_from_slice(source),
            None => target.iter_mut().zip(source).for_each(|(target, &source)| *target = source),
        }
    }
}

fn view<'a>(shape: &[usize], buffer: &'a [f32]) -> Result<TensorRef<'a, f32>, Error> {
    TensorRef::from_array_view((shape.to_vec(), buffer)).map_err(|error| Error::ort("make a tensor", &error))
}

fn floats<'a>(outputs: &'a SessionOutputs<'_>, name: &str) -> Result<&'a [f32], Error> {
    let output = outputs.get(name).ok_or_else(|| Error::Model(format!("the gradient graph gave no `{name}`")))?;
    let found = output.try_extract_tensor::<f32>();
    found.map(|(_, elements)| elements).map_err(|error| Error::ort("read the gradient", &error))
}
