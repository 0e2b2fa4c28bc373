use super::*;
use crate::OrtExecutor;
use graph::check::Splitmix;
use graph::{Attrs, Executor, Tensor, ValueType};

fn f32s<const N: usize>(shape: [usize; N]) -> ValueType {
    ValueType::new(DType::F32, shape)
}

fn add(graph: &mut Graph, op: &str, inputs: &[ValueId], attrs: Attrs, name: &str) -> ValueId {
    let id = graph.add(op, inputs, attrs).unwrap();
    graph.rename(id, name);
    id
}

fn floats(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}

fn random(count: usize, random: &mut Splitmix) -> Vec<f32> {
    (0..count).map(|_| random.uniform(-1.0, 1.0) as f32).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// `next = total + x`, and `sum`, of which only the second goes to the host.
fn counter() -> Graph {
    let mut graph = Graph::new("counter");
    let total = graph.input("total", f32s([3]));
    let x = graph.input("x", f32s([3]));
    let next = add(&mut graph, "Add", &[total, x], Attrs::new(), "next");
    let sum = add(&mut graph, "ReduceSum", &[next], Attrs::new().int("keepdims", 0), "sum");
    graph.set_outputs(vec![next, sum]);
    graph
}

/// One step of gradient descent on the squares of `x parameters - y`.
fn descent() -> Graph {
    let mut graph = Graph::new("descent");
    let w = graph.input("parameters", f32s([64, 8]));
    let x = graph.input("x", f32s([32, 64]));
    let y = graph.input("y", f32s([32, 8]));
    let rate = graph.input("learning_rate", f32s([]));
    let scores = graph.add("MatMul", &[x, w], Attrs::new()).unwrap();
    let error = graph.add("Sub", &[scores, y], Attrs::new()).unwrap();
    let squares = graph.add("Mul", &[error, error], Attrs::new()).unwrap();
    let loss = add(&mut graph, "ReduceSum", &[squares], Attrs::new().int("keepdims", 0), "loss");
    let xt = graph.add("Transpose", &[x], Attrs::new().ints("perm", [1, 0])).unwrap();
    let gradient = graph.add("MatMul", &[xt, error], Attrs::new()).unwrap();
    let step = graph.add("Mul", &[gradient, rate], Attrs::new()).unwrap();
    let next = add(&mut graph, "Sub", &[w, step], Attrs::new(), "next_parameters");
    graph.set_outputs(vec![next, loss]);
    graph
}

const CARRIED: &[(&str, &str)] = &[("next_parameters", "parameters")];

fn open_counter() -> ResidentProgram {
    let mut program = ResidentProgram::open(&counter(), Provider::Cpu, 1, &[("next", "total")]).unwrap();
    program.set("total", &[0.0; 3]).unwrap();
    program
}

#[test]
fn a_counter_counts_as_the_host_does() {
    let mut program = open_counter();
    let mut source = Splitmix::new(1);
    let mut total = [0.0_f32; 3];
    for _ in 0..300 {
        let x = random(3, &mut source);
        let outputs = program.run(&[("x", &x)]).unwrap();
        total.iter_mut().zip(&x).for_each(|(total, x)| *total += x);
        assert_eq!(bits(&program.get("total").unwrap()), bits(&total));
        assert!((outputs.scalar("sum").unwrap() - total.iter().sum::<f32>()).abs() < 1e-4);
        assert_eq!(outputs.names().collect::<Vec<_>>(), ["sum"]);
    }
}

/// The same graph, with its state carried over the host after each step.
#[test]
fn descent_equals_the_loop_over_the_host_bit_for_bit_whatever_the_threads() {
    let graph = descent();
    let mut source = Splitmix::new(2);
    let start = random(64 * 8, &mut source);
    let batches: Vec<[Vec<f32>; 2]> =
        (0..60).map(|_| [random(32 * 64, &mut source), random(32 * 8, &mut source)]).collect();
    let rate = [0.003];
    let mut host = OrtExecutor::new().compile(&graph).unwrap();
    let mut parameters = start.clone();
    let mut losses = Vec::new();
    for [x, y] in &batches {
        let inputs = [
            Tensor::f32(&[64, 8], floats(&parameters)),
            Tensor::f32(&[32, 64], floats(x)),
            Tensor::f32(&[32, 8], floats(y)),
            Tensor::f32(&[], floats(&rate)),
        ];
        let outputs = host.run(&inputs).unwrap();
        parameters = outputs[0].to_f64().iter().map(|&value| value as f32).collect();
        losses.push(outputs[1].to_f64()[0] as f32);
    }
    assert!(losses[59] < 0.5 * losses[0], "{losses:?}");
    for threads in [1, 2, 3] {
        let mut program = ResidentProgram::open(&graph, Provider::Cpu, threads, CARRIED).unwrap();
        program.set("parameters", &start).unwrap();
        program.set("learning_rate", &rate).unwrap();
        let found: Vec<f32> =
            batches.iter().map(|[x, y]| program.run(&[("x", x), ("y", y)]).unwrap().scalar("loss").unwrap()).collect();
        assert_eq!(bits(&found), bits(&losses), "{threads} threads");
        assert_eq!(bits(&program.get("parameters").unwrap()), bits(&parameters), "{threads} threads");
    }
}

/// `x_next = x + parameter` twice makes what the second program takes; the parameter is the second's state.
#[test]
fn programs_on_one_device_hand_tensors_on() {
    let mut ascent = Graph::new("ascent");
    let x = ascent.input("x", f32s([3]));
    let parameter = ascent.input("parameter", f32s([3]));
    let next = add(&mut ascent, "Add", &[x, parameter], Attrs::new(), "x_next");
    ascent.set_outputs(vec![next]);
    let mut training = Graph::new("training");
    let parameter = training.input("parameter", f32s([3]));
    let x_adv = training.input("x_adv", f32s([3]));
    let next = add(&mut training, "Mul", &[parameter, x_adv], Attrs::new(), "next");
    training.set_outputs(vec![next]);

    let device = Device::new(Provider::Cpu).unwrap();
    let mut ascent = ResidentProgram::open_on(&device, &ascent, 1, &[("x_next", "x_adv")]).unwrap();
    ascent.read_from("x", "x_adv").unwrap();
    let mut training = ResidentProgram::open_on(&device, &training, 1, &[("next", "parameter")]).unwrap();
    training.set("parameter", &[2.0, 3.0, 4.0]).unwrap();
    let mut parameter = [2.0_f32, 3.0, 4.0];
    for batch in 0..3 {
        let clean = [1.0, 0.5, batch as f32];
        ascent.set("x", &clean).unwrap();
        for _ in 0..2 {
            assert_eq!(ascent.run(&[]).unwrap().names().count(), 0);
        }
        training.run(&[]).unwrap();
        for (parameter, clean) in parameter.iter_mut().zip(clean) {
            *parameter *= clean + *parameter + *parameter;
        }
        assert_eq!(bits(&ascent.get("parameter").unwrap()), bits(&parameter));
        assert_eq!(bits(&device.get("parameter").unwrap()), bits(&parameter));
    }
    device.remove("x_adv");
    assert!(training.run(&[]).unwrap_err().to_string().contains("`x_adv` was never set"));
}

/// The binding's own interface gives two owners of one buffer here, and the first sees the second run.
#[test]
fn what_a_run_gave_does_not_change_in_later_runs() {
    let mut program = open_counter();
    let mut seen: Vec<(Held, Vec<u32>)> = Vec::new();
    let mut outputs: Vec<(Outputs, u32)> = Vec::new();
    for step in 1..20 {
        let found = program.run(&[("x", &[step as f32, 0.25, -1.0])]).unwrap();
        let sum = found.scalar("sum").unwrap().to_bits();
        outputs.push((found, sum));
        let tensor = program.device().lock().read("total", "total", &[3]).unwrap();
        let now = bits(&tensor.to_host().unwrap());
        seen.push((tensor, now));
        for (tensor, then) in &seen {
            assert_eq!(&bits(&tensor.to_host().unwrap()), then, "after step {step}");
        }
        assert!(outputs.iter().all(|(outputs, sum)| outputs.scalar("sum").unwrap().to_bits() == *sum));
    }
    let places: BTreeSet<usize> = seen.iter().map(|(tensor, _)| tensor.tensor().data_ptr() as usize).collect();
    assert_eq!(places.len(), seen.len(), "tensors that are held at the same time lie apart");
}

/// ONNX Runtime gives the input's own buffer back where a graph passes it through.
#[test]
fn inputs_that_are_passed_through_outlive_the_run() {
    let mut graph = Graph::new("through");
    let x = graph.input("x", f32s([2]));
    let y = add(&mut graph, "Neg", &[x], Attrs::new(), "y");
    graph.set_outputs(vec![x, y]);
    let device = Device::new(Provider::Cpu).unwrap();
    let mut program = ResidentProgram::open_on(&device, &graph, 1, &[("x", "kept")]).unwrap();
    for step in 0..50 {
        let values = vec![step as f32, 0.5];
        let outputs = program.run(&[("x", &values)]).unwrap();
        drop(values);
        assert_eq!(outputs.get("y").unwrap(), [-(step as f32), -0.5]);
        assert_eq!(device.get("kept").unwrap(), [step as f32, 0.5]);
    }
    program.read_from("x", "kept").unwrap();
    program.run(&[]).unwrap();
    program.run(&[]).unwrap();
    assert_eq!(device.get("kept").unwrap(), [49.0, 0.5]);
}

#[test]
fn numbers_that_are_none_are_passed_on() {
    let mut program = open_counter();
    let outputs = program.run(&[("x", &[f32::NAN, f32::INFINITY, -0.0])]).unwrap();
    let total = program.get("total").unwrap();
    assert!(total[0].is_nan() && total[1] == f32::INFINITY && outputs.scalar("sum").unwrap().is_nan());
}

#[test]
fn wrong_uses_are_refused_by_name_and_change_nothing() {
    let mut program = open_counter();
    program.set("total", &[1.0, 2.0, 3.0]).unwrap();
    let x: (&str, &[f32]) = ("x", &[1.0; 3]);
    let refused = |result: Result<Outputs, Error>, part: &str| {
        let text = result.unwrap_err().to_string();
        assert!(text.starts_with("use the program: ") && text.contains(part), "{text}");
    };
    refused(program.run(&[("z", &[1.0])]), "no input `z`, the inputs are `total`, `x`");
    refused(program.run(&[("x", &[1.0])]), "input `x` is [3], 3 numbers, found 1");
    refused(program.run(&[x, x]), "input `x` is given twice");
    refused(program.run(&[]), "input `x` has no numbers");
    assert!(program.set("z", &[1.0]).unwrap_err().to_string().contains("no input `z`"));
    assert!(program.set("total", &[1.0]).unwrap_err().to_string().contains("3 numbers, found 1"));
    assert!(program.get("x").unwrap_err().to_string().contains("the device has no `x`"));
    let outputs = program.run(&[x]).unwrap();
    assert!(outputs.get("next").unwrap_err().to_string().contains("no output `next`, the outputs are `sum`"));
    assert_eq!(program.get("total").unwrap(), [2.0, 3.0, 4.0]);
    program.device().put("other", &[1], &[1.0]).unwrap();
    program.read_from("x", "other").unwrap();
    refused(program.run(&[]), "input `x` is [3], the device's `other` is [1]");
}

#[test]
fn pairs_that_can_not_be_carried_are_refused() {
    let open = |carried: &[(&str, &str)]| {
        ResidentProgram::open(&counter(), Provider::Cpu, 1, carried).expect_err("refused").to_string()
    };
    assert!(open(&[("nothing", "total")]).contains("no output `nothing`"));
    assert!(open(&[("next", "nothing")]).contains("no input `nothing`"));
    assert!(open(&[("sum", "total")]).contains("can't become input `total` [3]"));
    assert!(open(&[("next", "total"), ("next", "x")]).contains("carried twice"));
    let mut graph = Graph::new("whole");
    let x = graph.input("x", ValueType::new(DType::I64, [2]));
    let y = graph.add("Neg", &[x], Attrs::new()).unwrap();
    graph.set_outputs(vec![y]);
    let text = ResidentProgram::open(&graph, Provider::Cpu, 1, &[]).err().unwrap().to_string();
    assert!(text.contains("`x` is int64"), "{text}");
}
