"""Does Tinyassay evaluate what ONNX Runtime's quantizer writes? See README.md."""

import argparse
import json
import math
import os
import platform
import shutil
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
    "files of ONNX Runtime's quantizer, QDQ and QOperator, have the clean accuracy that they have in Python, and PGD-20 on "
    "each finds, up to chance, at least what PGD-20 on its float twin transfers; dynamic quantization is refused with a hint"
)
EPSILON = "2/255"
STEPS = 20
CALIBRATION = 256
SIGNIFICANCE = 0.01
"""Both searches start at random, and rows on the edge fall to one start and not to another, on the float net too. So
transfer counts as ahead where the rows that it alone fools are too many for chance: a one-sided sign test at this level."""


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
    report = Path(f"reports/{name}")
    tinyassay("run", suite, "--out", report, "--no-witnesses")
    return {model["name"]: model for model in json.loads((report / "results.json").read_text())["models"]}


def attacked(name, digest, samples):
    """Which rows of a model PGD-20 fooled, by the blocks of its report."""
    fooled = np.zeros(samples, bool)
    for file in Path(f"reports/{name}/evidence").glob("*.json"):
        block = json.loads(file.read_text())
        outcome = block["outcome"].get("attack")
        if outcome and block["key_material"]["check"]["prediction"]["model"] == digest:
            fooled[block["rows"]] = [adversarial is not None for adversarial in outcome["adversarial_class"]]
    return fooled


def chance(ours, theirs):
    """The probability of at least `theirs` heads in `ours + theirs` throws of a fair coin."""
    throws = ours + theirs
    return sum(math.comb(throws, heads) for heads in range(theirs, throws + 1)) / 2**throws


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
        direct = attacked(name, results[model]["digest"], samples)
        if direct.sum() != attack["attacked"]:
            failures.append(f"{model}: the blocks and the results disagree")
        alone = int((direct & right & ~fooled).sum()), int((right & fooled & ~direct).sum())
        row = {
            "clean_percent": percent(results[model]["clean_accuracy"]),
            "clean_in_python_percent": percent(right.mean()),
            "robust_percent": percent(attack["robust_accuracy"]),
            "robust_to_transfer_percent": percent((right & ~fooled).mean()),
            "fooled_by_pgd_alone": alone[0],
            "fooled_by_transfer_alone": alone[1],
            "found": attack["found"],
            "confirmed": attack["confirmed"],
            "rejected": attack["rejected"],
        }
        table[model] = row
        print(f"{model:44} {row}", flush=True)
        if row["clean_percent"] != row["clean_in_python_percent"]:
            failures.append(f"{model}: clean accuracy is not the file's own")
        if chance(*alone) < SIGNIFICANCE:
            failures.append(f"{model}: transfer from the float twin finds more, {alone[1]} rows alone against {alone[0]}")
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
    shutil.rmtree("models", ignore_errors=True)
    failures, tables, dynamic = [], {}, {}
    for name in arguments.nets:
        tables[name] = check_net(name, arguments.samples, arguments.epochs, failures)
        dynamic[name] = check_dynamic(name, failures)
    rows = [row for table in tables.values() for row in table.values()]
    leads = [row["fooled_by_transfer_alone"] - row["fooled_by_pgd_alone"] for row in rows]
    ahead = [lead for lead in leads if lead > 0]
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
            "significance": SIGNIFICANCE,
            "tables": tables,
            "transfer_ahead": {"files": len(ahead), "of": len(rows), "most_rows": max(ahead, default=0)},
            "versions": {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__.split("+")[0]},
        },
    }
    target = ROOT / "reports/acceptance/quantizer.json"
    target.write_text(json.dumps(report, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    print("\n".join(failures) or "holds")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
