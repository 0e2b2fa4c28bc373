//! What the self-check compares.

use super::net::{self, CLASSES, ROW, STEP};
use super::{Check, doubles, labels, max_norm, open, same_bits, uniform};
use anyhow::Result;
use graph::{Executor, Graph, Interpreter, Tensor};
use runtime::{Device, Outputs, Provider, ResidentProgram};

/// Rows that are compared with the reference in double precision.
const ROWS: usize = 4;
/// Rows that ascend.
const CROWD: usize = 32;
/// Ascents in a row.
const ASCENTS: usize = 10;
/// Steps of gradient descent.
const DESCENTS: usize = 50;

/// Logits, loss and gradient against the interpreter in double precision.
pub(super) fn reference(provider: Provider) -> Result<Vec<Check>> {
    let graph = net::gradient(ROWS)?;
    let (x, weights) = (uniform(ROWS * ROW, 1), labels(ROWS));
    let outputs = open(&graph, provider, &[])?.run(&[("x", &x), ("weights", &weights)])?;
    let inputs = [Tensor::f32(&[ROWS, 3, 32, 32], doubles(&x)), Tensor::f32(&[ROWS, CLASSES], doubles(&weights))];
    let exact = Interpreter.compile(&graph)?.run(&inputs)?;
    let error = |name: &str, index: usize| Ok::<_, anyhow::Error>(max_norm(outputs.get(name)?, &exact[index].to_f64()));
    let forward = |check, error: f64| Check {
        check,
        found: format!("{error:.1e}"),
        allowed: "1e-5 of the largest",
        holds: error <= 1e-5,
    };
    let gradient = exact[2].to_f64();
    let rows = outputs.get("gradient")?.chunks(ROW).zip(gradient.chunks(ROW));
    let mut errors: Vec<f64> = rows.map(|(found, exact)| max_norm(found, exact)).collect();
    errors.sort_by(f64::total_cmp);
    // A row with a number within rounding of a ReLU's kink may differ; most have none.
    let (middle, worst) = (errors[(ROWS - 1) / 2], errors[ROWS - 1]);
    let gradient = Check {
        check: "gradient against double precision, each row",
        found: format!("median {middle:.1e}, worst {worst:.1e}"),
        allowed: "median 1e-4 of the row's largest",
        holds: middle <= 1e-4,
    };
    Ok(vec![
        forward("logits against double precision", error("logits", 0)?),
        forward("loss against double precision", error("loss", 1)?),
        gradient,
    ])
}

/// Whether a repetition gives the same bits, as it must on the CPU; a GPU may add in another order every time.
fn repeats(provider: Provider, check: &'static str, same: bool) -> Check {
    let found = if same { "the same bits" } else { "varies" }.to_owned();
    match provider {
        Provider::Cpu => Check { check, found, allowed: "the same bits", holds: same },
        Provider::Cuda => Check { check, found, allowed: "any rounding", holds: true },
    }
}

/// Two runs and two sessions of one graph: on the CPU they give the same bits.
pub(super) fn repetition(provider: Provider) -> Result<Vec<Check>> {
    let graph = net::gradient(CROWD)?;
    let (x, weights) = (uniform(CROWD * ROW, 2), labels(CROWD));
    let mut first = open(&graph, provider, &[])?;
    let mut second = open(&graph, provider, &[])?;
    let run = |program: &mut ResidentProgram| program.run(&[("x", &x), ("weights", &weights)]);
    let runs = [run(&mut first)?, run(&mut first)?, run(&mut second)?];
    let same = |a: &Outputs, b: &Outputs| -> Result<bool> {
        let pairs = ["logits", "loss", "gradient"].map(|name| Ok((a.get(name)?, b.get(name)?)));
        let pairs = pairs.into_iter().collect::<Result<Vec<_>, runtime::Error>>()?;
        Ok(pairs.into_iter().all(|(a, b)| same_bits(a, b)))
    };
    let (runs_agree, sessions_agree) = (same(&runs[0], &runs[1])?, same(&runs[0], &runs[2])?);
    Ok(vec![
        repeats(provider, "a gradient again", runs_agree),
        repeats(provider, "a gradient by another session", sessions_agree),
    ])
}

/// Many steps whose state stays on the provider, against the same on the CPU with the state carried over the host.
pub(super) fn descent(provider: Provider) -> Result<Vec<Check>> {
    let graph = net::descent(CROWD)?;
    let start: Vec<f32> = uniform(ROW * CLASSES, 3).iter().map(|value| (value - 0.5) * 0.02).collect();
    let batches: Vec<Vec<f32>> = (0..DESCENTS).map(|step| uniform(CROWD * ROW, 100 + step as u64)).collect();
    let targets = labels(CROWD);
    let resident = || -> Result<(Vec<f32>, Vec<f32>)> {
        let mut program = open(&graph, provider, &[("next_parameters", "parameters")])?;
        program.set("parameters", &start)?;
        program.set("targets", &targets)?;
        let losses = batches.iter().map(|x| program.run(&[("x", x)])?.scalar("loss"));
        let losses = losses.collect::<Result<_, runtime::Error>>()?;
        Ok((program.get("parameters")?, losses))
    };
    let mut host = open(&graph, Provider::Cpu, &[])?;
    let mut parameters = start.clone();
    let mut losses = Vec::new();
    for x in &batches {
        let mut outputs = host.run(&[("parameters", &parameters), ("x", x), ("targets", &targets)])?;
        losses.push(outputs.scalar("loss")?);
        parameters = outputs.take("next_parameters")?;
    }
    let ((found, found_losses), again) = (resident()?, resident()?);
    let error = max_norm(&found, &doubles(&parameters)).max(max_norm(&found_losses, &doubles(&losses)));
    let same = same_bits(&found, &again.0) && same_bits(&found_losses, &again.1);
    Ok(vec![
        Check {
            check: "50 steps of descent with resident parameters against the host's",
            found: format!("{error:.1e}"),
            allowed: "1e-4 of the largest",
            holds: error <= 1e-4,
        },
        repeats(provider, "the same steps again", same),
    ])
}

/// Ascents inside a graph, whose result another program reads on the device, against ascents on the host.
pub(super) fn ascent(provider: Provider) -> Result<Vec<Check>> {
    let (start, weights) = (uniform(CROWD * ROW, 4), labels(CROWD));
    let epsilon = 8.0 / 255.0;
    let lower: Vec<f32> = start.iter().map(|x| (x - epsilon).max(0.0)).collect();
    let upper: Vec<f32> = start.iter().map(|x| (x + epsilon).min(1.0)).collect();
    let device = Device::new(provider)?;
    let on_device = |graph: &Graph, carried: &[(&str, &str)]| -> Result<ResidentProgram> {
        Ok(ResidentProgram::open_on(&device, &provider.profile().lower(graph)?, 1, carried)?)
    };
    let mut program = on_device(&net::ascent(CROWD)?, &[("x_next", "x_adv")])?;
    program.read_from("x", "x_adv")?;
    for (name, values) in [("x", &start), ("lower", &lower), ("upper", &upper), ("weights", &weights)] {
        program.set(name, values)?;
    }
    let mut host = open(&net::gradient(CROWD)?, provider, &[])?;
    let mut x = start;
    let (mut first, mut kept) = (0.0, Vec::new());
    for step in 0..ASCENTS {
        let outputs = program.run(&[])?;
        if step == 0 {
            first = outputs.get("loss")?.iter().sum::<f32>();
            kept = program.get("x")?;
        }
        let outputs = host.run(&[("x", &x), ("weights", &weights)])?;
        let gradient = outputs.get("gradient")?;
        for (index, x) in x.iter_mut().enumerate() {
            let sign = if gradient[index] == 0.0 { 0.0 } else { gradient[index].signum() };
            *x = (*x + sign * STEP).max(lower[index]).min(upper[index]);
        }
        if step == 0 {
            // What was read then is what it still is.
            let share = share_of_equal(&kept, &x);
            anyhow::ensure!(share > 0.5, "one ascent agrees with the host in {:.1} % only", 100.0 * share);
        }
    }
    let mut reader = on_device(&net::gradient(CROWD)?, &[])?;
    reader.read_from("x", "x_adv")?;
    let last = reader.run(&[])?.get("loss")?.iter().sum::<f32>();
    let share = share_of_equal(&program.get("x")?, &x);
    Ok(vec![
        Check {
            check: "10 ascents with resident inputs against the host's",
            found: format!("{:.2} % of the elements are equal", 100.0 * share),
            allowed: "99 %",
            holds: share >= 0.99,
        },
        Check {
            check: "the loss that another program finds there, against that at the start",
            found: format!("{last:.3} after {first:.3}"),
            allowed: "larger",
            holds: last > first,
        },
    ])
}

/// The share of elements that differ by less than float32's rounding of one step.
fn share_of_equal(a: &[f32], b: &[f32]) -> f64 {
    let equal = a.iter().zip(b).filter(|(a, b)| (*a - *b).abs() < 1e-6).count();
    equal as f64 / a.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cpu_must_repeat_itself() {
        let judged = |provider, same| (repeats(provider, "check", same).found, repeats(provider, "check", same).holds);
        assert_eq!(judged(Provider::Cpu, true), ("the same bits".to_owned(), true));
        assert_eq!(judged(Provider::Cpu, false), ("varies".to_owned(), false));
        assert_eq!(judged(Provider::Cuda, true), ("the same bits".to_owned(), true));
        assert_eq!(judged(Provider::Cuda, false), ("varies".to_owned(), true));
    }
}
