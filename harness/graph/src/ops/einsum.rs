//! Einsum. Spec: <https://onnx.ai/onnx/operators/onnx__Einsum.html>. Opset: 12.

use super::axes::bounded;
use super::axis_map::strides;
use super::binary::same_dtype;
use super::expand::expand_to;
use super::reshape::reshape_to;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, unchanged};
use crate::{Attrs, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Einsum",
    opsets: &[12],
    doc: "any number of operands; an index at most once in each, dimensions of one size; ellipses and implicit outputs",
    attrs: &["equation"],
    infer: |call| Ok(vec![ValueType::new(expect_float(call, 0)?, bounded(Sum::of(call)?.output_shape())?)]),
    eval,
    vjp: Vjp::Rule(vjp, &["Einsum", "Expand", "Reshape"]),
    macs,
    upgrade: unchanged,
    cases,
};

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// An equation resolved: every index a letter, ellipses written out.
struct Sum {
    operands: Vec<Vec<u8>>,
    output: Vec<u8>,
    /// The size of each letter that occurs.
    sizes: Vec<(u8, usize)>,
}

impl Sum {
    fn of(call: &Call<'_>) -> Result<Self, String> {
        let shapes: Vec<&[usize]> = (0..call.inputs.len()).map(|index| call.shape(index)).collect::<Result<_, _>>()?;
        (1..shapes.len()).try_for_each(|index| same_dtype(call, 0, index).map(drop))?;
        Self::read(call.attrs.get_text("equation", "")?, &shapes)
    }

    fn read(equation: &str, shapes: &[&[usize]]) -> Result<Self, String> {
        let equation: String = equation.chars().filter(|c| *c != ' ').collect();
        let (left, right) = match equation.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (equation.as_str(), None),
        };
        let terms: Vec<Term> = left.split(',').map(Term::read).collect::<Result<_, _>>()?;
        if terms.len() != shapes.len() {
            return Err(format!("equation `{equation}` has {} operands, the node {}", terms.len(), shapes.len()));
        }
        let rank = |(term, shape): (&Term, &&[usize])| {
            let rank = shape.len().checked_sub(term.before.len() + term.after.len());
            let fits = rank.filter(|&rank| term.ellipsis || rank == 0);
            fits.ok_or_else(|| format!("equation `{equation}` does not fit an operand of shape {shape:?}"))
        };
        let ranks: Vec<usize> = terms.iter().zip(shapes).map(rank).collect::<Result<_, _>>()?;
        let hidden = hidden(&terms, right, ranks.iter().copied().max().unwrap_or(0))?;
        let tail = |rank: usize| &hidden[hidden.len() - rank..];
        let operands: Vec<Vec<u8>> = terms.iter().zip(&ranks).map(|(term, &rank)| term.with(tail(rank))).collect();
        let output = match right.map(Term::read).transpose()? {
            Some(right) if !right.ellipsis && !hidden.is_empty() => {
                return Err(format!("equation `{equation}`: the output has no ellipsis"));
            }
            Some(right) => right.with(&hidden),
            None => [hidden.clone(), implicit(&terms)].concat(),
        };
        let sizes = sizes(&operands, shapes)?;
        if let Some(letter) = output.iter().find(|letter| !sizes.iter().any(|(known, _)| known == *letter)) {
            return Err(format!("equation `{equation}`: no operand has the index {}", char::from(*letter)));
        }
        Ok(Self { operands, output, sizes })
    }

    fn size(&self, letter: u8) -> usize {
        self.sizes.iter().find(|(known, _)| *known == letter).map_or(1, |(_, size)| *size)
    }

    fn output_shape(&self) -> Vec<usize> {
        self.output.iter().map(|&letter| self.size(letter)).collect()
    }

    /// How far one step along each letter moves in a tensor with these indices.
    fn steps(&self, indices: &[u8], letters: &[u8]) -> Vec<usize> {
        let shape: Vec<usize> = indices.iter().map(|&letter| self.size(letter)).collect();
        let strides = strides(&shape);
        let step = |letter| indices.iter().position(|index| index == letter).map_or(0, |axis| strides[axis]);
        letters.iter().map(step).collect()
    }
}

/// The indices of one tensor, around an ellipsis where it has one.
struct Term {
    before: Vec<u8>,
    ellipsis: bool,
    after: Vec<u8>,
}

impl Term {
    fn read(text: &str) -> Result<Self, String> {
        let (before, after) = text.split_once("...").unwrap_or((text, ""));
        let term = Self { before: before.into(), ellipsis: text.contains("..."), after: after.into() };
        let letters = || term.before.iter().chain(&term.after);
        if let Some(other) = letters().find(|letter| !letter.is_ascii_alphabetic()) {
            return Err(format!("`{text}`: {:?} is not an index", char::from(*other)));
        }
        let twice = letters().enumerate().any(|(at, letter)| letters().skip(at + 1).any(|other| other == letter));
        if twice { Err(format!("`{text}`: an index twice in one tensor is not supported")) } else { Ok(term) }
    }

    fn with(&self, hidden: &[u8]) -> Vec<u8> {
        let hidden = if self.ellipsis { hidden } else { &[] };
        [&self.before, hidden, &self.after].concat()
    }
}

/// Letters for the axes of the longest ellipsis, that the equation does not use.
fn hidden(terms: &[Term], right: Option<&str>, count: usize) -> Result<Vec<u8>, String> {
    let used = |letter: &u8| {
        terms.iter().any(|term| term.before.contains(letter) || term.after.contains(letter))
            || right.is_some_and(|right| right.contains(char::from(*letter)))
    };
    let free: Vec<u8> = LETTERS.iter().copied().filter(|letter| !used(letter)).take(count).collect();
    if free.len() == count { Ok(free) } else { Err("has more axes than there are letters".to_owned()) }
}

/// The indices that occur once, in the order of the alphabet.
fn implicit(terms: &[Term]) -> Vec<u8> {
    let mut all: Vec<u8> = terms.iter().flat_map(|term| term.before.iter().chain(&term.after)).copied().collect();
    all.sort_unstable();
    let once = |letter: &&u8| all.iter().filter(|other| other == letter).count() == 1;
    all.iter().filter(once).copied().collect()
}

fn sizes(operands: &[Vec<u8>], shapes: &[&[usize]]) -> Result<Vec<(u8, usize)>, String> {
    let mut sizes: Vec<(u8, usize)> = Vec::new();
    for (indices, shape) in operands.iter().zip(shapes) {
        for (&letter, &size) in indices.iter().zip(*shape) {
            match sizes.iter().find(|(known, _)| *known == letter) {
                Some((_, other)) if *other != size => {
                    return Err(format!("the index {} has sizes {other} and {size}", char::from(letter)));
                }
                Some(_) => (),
                None => sizes.push((letter, size)),
            }
        }
    }
    Ok(sizes)
}

/// For two operands the terms that are summed; more are taken in one by one, one more product each.
fn macs(call: &Call<'_>) -> u64 {
    let terms = |sum: Sum| sum.sizes.iter().fold(1_u64, |product, (_, size)| product.saturating_mul(*size as u64));
    let products = call.inputs.len().saturating_sub(1) as u64;
    Sum::of(call).map_or(0, terms).saturating_mul(products)
}

/// Walks all indices, those of the output slowest, each operand by its own strides.
fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let sum = Sum::of(call)?;
    let summed = sum.sizes.iter().map(|(letter, _)| *letter).filter(|letter| !sum.output.contains(letter));
    let letters: Vec<u8> = sum.output.iter().copied().chain(summed).collect();
    // A few small operands can have more terms than can ever be summed.
    let sizes = bounded(letters.iter().map(|&letter| sum.size(letter)).collect())?;
    let steps: Vec<Vec<usize>> = sum.operands.iter().map(|indices| sum.steps(indices, &letters)).collect();
    let data: Vec<&[f64]> = (0..steps.len()).map(|index| call.tensor(index)?.floats()).collect::<Result<_, _>>()?;
    let shape = sum.output_shape();
    let mut y = vec![0.0; shape.iter().product()];
    let terms: usize = sizes[shape.len()..].iter().product();
    let mut counter = vec![0; letters.len()];
    let mut at = vec![0; data.len()];
    for y in &mut y {
        for _ in 0..terms {
            *y += data.iter().zip(&at).map(|(data, &at)| data[at]).product::<f64>();
            advance(&mut counter, &sizes, |axis, back| {
                for (at, steps) in at.iter_mut().zip(&steps) {
                    *at = *at + steps[axis] - if back { steps[axis] * sizes[axis] } else { 0 };
                }
            });
        }
    }
    Ok(vec![Tensor::float(call.tensor(0)?.dtype(), &shape, y)])
}

/// Counts on by one; tells each axis that moves, and whether it went back to the start.
fn advance(counter: &mut [usize], sizes: &[usize], mut moved: impl FnMut(usize, bool)) {
    for axis in (0..counter.len()).rev() {
        counter[axis] += 1;
        let back = counter[axis] == sizes[axis];
        moved(axis, back);
        if !back {
            return;
        }
        counter[axis] = 0;
    }
}

/// For each operand the sum of the cotangent with the others, stretched along the indices that it alone has.
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (sum, cotangent) = (back.ask(Sum::of)?, back.cotangent());
    let count = sum.operands.len();
    let mut results = vec![None; count];
    for index in (0..count).filter(|&index| back.wants[index]).collect::<Vec<_>>() {
        let others: Vec<usize> = (0..count).filter(|&other| other != index).collect();
        let known = |letter: &u8| {
            sum.output.contains(letter) || others.iter().any(|&other| sum.operands[other].contains(letter))
        };
        let own = &sum.operands[index];
        let left = std::iter::once(&sum.output).chain(others.iter().map(|&other| &sum.operands[other]));
        let left: Vec<String> = left.map(|indices| text(indices)).collect();
        let kept: Vec<u8> = own.iter().copied().filter(known).collect();
        let equation = format!("{}->{}", left.join(","), text(&kept));
        let factors: Vec<ValueId> = [cotangent].into_iter().chain(others.iter().map(|&at| back.input(at))).collect();
        let product = back.graph.add("Einsum", &factors, Attrs::new().text("equation", &equation))?;
        let column: Vec<usize> = own.iter().map(|l| if known(l) { sum.size(*l) } else { 1 }).collect();
        let product = reshape_to(back, product, &column)?;
        let shape = back.shape(index);
        results[index] = Some(expand_to(back, product, &shape)?);
    }
    Ok(results)
}

fn text(indices: &[u8]) -> String {
    indices.iter().copied().map(char::from).collect()
}

fn cases() -> Vec<Case> {
    let case = |name, equation: &str, shapes: &[&[usize]]| {
        let random = |shape: &&[usize]| CaseInput::Random(shape.to_vec(), -1.0, 1.0);
        Case::new(name, Attrs::new().text("equation", equation), shapes.iter().map(random).collect())
    };
    vec![
        case("a matrix product", "ij,jk->ik", &[&[2, 3], &[3, 4]]).macs(24),
        case("attention scores", "bhqd,bhkd->bhqk", &[&[2, 2, 3, 2], &[2, 2, 4, 2]]).macs(96),
        case("attention values", "bhqk,bkhd->bqhd", &[&[2, 2, 3, 4], &[2, 4, 2, 2]]).macs(96),
        case("an outer product", "i, j -> i j", &[&[2], &[3]]).macs(6),
        case("a scalar", "i,i->", &[&[4], &[4]]).macs(4),
        case("a scalar operand", ",ij->ji", &[&[], &[2, 3]]).macs(6),
        case("a permutation", "abc->cab", &[&[2, 3, 4]]),
        case("sums of rows", "ij->i", &[&[2, 3]]),
        case("an index that one operand sums", "ij,k->k", &[&[2, 3], &[4]]).macs(24),
        case("an implicit product", "ij,jk", &[&[2, 3], &[3, 4]]).macs(24),
        case("an implicit permutation", "ba", &[&[2, 3]]),
        case("both cases of letters", "aB,Bc->ca", &[&[2, 3], &[3, 2]]).macs(12),
        case("three operands", "ij,jk,k->i", &[&[2, 3], &[3, 2], &[2]]).macs(24),
        case("ellipses", "...ij,...jk->...ik", &[&[2, 2, 3], &[2, 3, 4]]).macs(48),
        case("an ellipsis of one operand", "b...i,ij->b...j", &[&[2, 2, 2, 3], &[3, 2]]).macs(48),
        case("an implicit ellipsis", "...i,i", &[&[2, 3], &[3]]).macs(6),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Graph, Interpreter};

    #[test]
    fn more_terms_than_can_be_summed_are_refused() {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F32, [1 << 16]));
        let attrs = Attrs::new().text("equation", "a,b,c,d->");
        let error = graph.add("Einsum", &[x; 4], attrs).and_then(|y| {
            graph.set_outputs(vec![y]);
            Interpreter.run(&graph, &[Tensor::f32(&[1 << 16], vec![1.0; 1 << 16])])
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("is too large"), "{error}");
    }
}
