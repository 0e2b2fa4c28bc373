"""Does Tinyassay evaluate what ONNX Runtime's quantizer writes? See README.md."""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch.nn import functional as F

import nets
import variants

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/tinyassay"
CLAIM = (
    "files of ONNX Runtime's quantizer, QDQ and QOperator, keep their own clean accuracy, and PGD-20 on each finds at "
    "least what PGD-20 on its float twin transfers; dynamic quantization is refused with a hint"
)
EPSILON = "1/255"
STEPS = 20
CALIBRATION = 256
TRANSFER_SLACK = 2
"""Rows by which transfer may be ahead: both searches are random, and a row on the edge falls to one start and not another."""


def cifar10(*files):
    folder = Path(os.environ["TINYASSAY_DATA"]) / "cifar-10-batches-bin"
    raw = np.concatenate([np.fromfile(folder / f"{name}.bin", np.uint8).reshape(-1, 3073) for name in files])
    return raw[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / np.float32(255), raw[:, 0].astype(np.int64)


def tinyassay(*arguments, check=True):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    if check and done.returncode != 0:
        sys.exit(f"tinyassay {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def float_net(name, epochs):
    """The trained net and its prepared float file; what a run before has left is used again."""
    weights, file = Path(f"{name}.pt"), Path(f"{name}.onnx")
    if not (weights.exists() and file.exists()):
        images, labels = cifar10("data_batch_1", "data_batch_2")
        net = nets.train(nets.NETS[name], torch.tensor(images), torch.tensor(labels), epochs)
        nets.export(net, file)
        torch.save(net.state_dict(), weights)
    net = nets.NETS[name]()
    net.load_state_dict(torch.load(weights))
    return net.eval(), variants.prepare(file)


def adversarial(net, images, labels):
    """PGD-20 as the preset `pgd-20` has it: uniform start, steps of epsilon/4 on the cross-entropy, best iterate."""
    epsilon = float(np.float32(eval_fraction(EPSILON)))
    torch.manual_seed(nets.SEED)
    clean, labels = torch.tensor(images), torch.tensor(labels)
    lower, upper = (clean - epsilon).clamp(0, 1), (clean + epsilon).clamp(0, 1)
    x = lower + (upper - lower) * torch.rand_like(clean)
    best, best_loss = clean.clone(), torch.full((len(clean),), -torch.inf)
    for step in range(STEPS + 1):
        x.requires_grad_(True)
        loss = F.cross_entropy(net(x), labels, reduction="none")
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        better = loss.detach() > best_loss
        best[better], best_loss[better] = x.detach()[better], loss.detach()[better]
        x = torch.minimum(torch.maximum(x.detach() + epsilon / 4 * gradient.sign(), lower), upper)
    return best.numpy()


def eval_fraction(text):
    numerator, denominator = text.split("/")
    return int(numerator) / int(denominator)


def predictions(file, images):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": batch})[0] for batch in np.array_split(images, 8)]).argmax(1)


def evaluate(name, files, samples):
    """By model, clean accuracy and robust accuracy as `tinyassay run` finds them."""
    for model, file in files.items():
        tinyassay("model", "add", file, "--name", model, "--dataset", "cifar10")
    suite = Path(f"{name}.yaml")
    suite.write_text(
        f"version: 1\nname: {name}\ndataset: {{ name: cifar10, split: test, samples: {samples} }}\n"
        f"models: [{', '.join(files)}]\nthreat: {{ norm: linf, epsilon: {EPSILON} }}\nattacks: [pgd-20]\nseed: 0\n"
    )
    tinyassay("run", suite, "--out", f"reports/{name}", "--no-witnesses")
    return {model["name"]: model for model in json.loads(Path(f"reports/{name}/results.json").read_text())["models"]}


def check_net(name, samples, epochs, failures):
    net, prepared = float_net(name, epochs)
    calibration, _ = cifar10("data_batch_3")
    files = {f"{name}-float": prepared}
    for variant in variants.VARIANTS:
        files[f"{name}-{variant}"] = Path(f"{name}-{variant}.onnx")
        variants.quantize(prepared, variant, files[f"{name}-{variant}"], calibration[:CALIBRATION])
    images, labels = (part[:samples] for part in cifar10("test_batch"))
    transferred = adversarial(net, images, labels)
    results = evaluate(name, files, samples)
    table = {}
    for model, file in files.items():
        right = predictions(file, images) == labels
        fooled = predictions(file, transferred) != labels
        attack = results[model]["attacks"][0]
        row = {
            "clean_percent": percent(results[model]["clean_accuracy"]),
            "clean_in_python_percent": percent(right.mean()),
            "robust_percent": percent(attack["robust_accuracy"]),
            "robust_to_transfer_percent": percent((right & ~fooled).mean()),
            "found": attack["found"],
            "confirmed": attack["confirmed"],
            "rejected": attack["rejected"],
        }
        table[model] = row
        print(f"{model:44} {row}", flush=True)
        if row["clean_percent"] != row["clean_in_python_percent"]:
            failures.append(f"{model}: clean accuracy is not the file's own")
        if row["robust_percent"] > row["robust_to_transfer_percent"] + 100 * TRANSFER_SLACK / samples:
            failures.append(f"{model}: transfer from the float twin finds more")
    return table


def percent(share):
    return round(100 * float(share), 2)


def check_dynamic(name, failures):
    """A planning error that names node and operator and says what to do."""
    target = Path(f"{name}-{variants.DYNAMIC}.onnx")
    variants.quantize(Path(f"{name}.onnx"), variants.DYNAMIC, target, None)
    model = f"{name}-{variants.DYNAMIC}"
    tinyassay("model", "add", target, "--name", model, "--dataset", "cifar10")
    suite = Path(f"{model}.yaml")
    suite.write_text(
        f"version: 1\nname: {model}\ndataset: {{ name: cifar10, split: test, samples: 10 }}\nmodels: [{model}]\n"
        f"threat: {{ norm: linf, epsilon: {EPSILON} }}\nattacks: [pgd-20]\nseed: 0\n"
    )
    done = tinyassay("run", suite, "--out", f"reports/{model}", check=False)
    for part in ["node `", "operator `", "hint: re-export"]:
        if done.returncode != 2 or part not in done.stderr:
            failures.append(f"{model}: exit {done.returncode}, `{part}` is expected in: {done.stderr}")
    return {"exit": done.returncode, "message": done.stderr.strip()}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--work", type=Path, default=ROOT / "target/quantizer/work", help="where files are kept")
    arguments.add_argument("--samples", type=int, default=500, help="test images, the first by index")
    arguments.add_argument("--epochs", type=int, default=3)
    arguments.add_argument("--nets", nargs="*", default=list(nets.NETS))
    arguments = arguments.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    os.chdir(arguments.work)
    for old in ["models", "reports"]:
        subprocess.run(["rm", "-rf", old], check=True)
    failures, tables, dynamic = [], {}, {}
    for name in arguments.nets:
        tables[name] = check_net(name, arguments.samples, arguments.epochs, failures)
        dynamic[name] = check_dynamic(name, failures)
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    report = {
        "claim": CLAIM,
        "commit": subprocess.run(git, capture_output=True, text=True).stdout.strip(),
        "failures": failures,
        "holds": not failures,
        "id": "quantizer",
        "machine": {"cores": os.cpu_count(), "system": f"{platform.system().lower()} {platform.machine()}"},
        "numbers": {
            "dynamic": dynamic,
            "epsilon": EPSILON,
            "samples": arguments.samples,
            "tables": tables,
            "versions": {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__.split("+")[0]},
        },
    }
    target = ROOT / "reports/acceptance/quantizer.json"
    target.write_text(json.dumps(report, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    print("\n".join(failures) or "holds")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
