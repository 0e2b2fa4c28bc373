"""Holds the probes against PyTorch on the same images: exact Jacobians and margins, and KL and ratios along the same steps."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from measure import ROOT
from strength import CLASSES, STANDARD, images, network

SAMPLES, BINS = 200, 15
EPSILON, STEP, STEPS = (1, 255), (1, 1020), 4
# Largest difference of a row, relative to the larger of its value and the median; of paths the median row counts, since one sign
# of a gradient near zero leads another way.
EXACT = 1e-4

PATH = f"steps: {STEPS}, step_size: {STEP[0]}/{STEP[1]}, start: none"
PROBES = {
    "jacobian-frobenius": "jacobian-frobenius",
    "jacobian-spectral": "jacobian-spectral",
    "logit-margin": "logit-margin",
    "first-order-radius": "first-order-radius",
    "calibration": "calibration",
    "kl": f"kl-instability: {{ name: kl, inner: cross-entropy, {PATH}, keep: last }}",
    "flips": f"label-flips: {{ name: flips, {PATH}, keep: last }}",
    "ratio-l1-linf": "lipschitz: { name: ratio-l1-linf, outputs: logits, numerator: l1, denominator: linf, inner: cross-entropy, "
    f"{PATH}, restarts: 1 }}",
    "ratio-l2-l2": "lipschitz: { name: ratio-l2-l2, outputs: probabilities, numerator: l2, denominator: l2, inner: cross-entropy, "
    f"{PATH}, restarts: 1 }}",
}
PATHS = {"kl", "ratio-l1-linf", "ratio-l2-l2"}


def ours(args: argparse.Namespace) -> tuple[dict[str, np.ndarray], dict]:
    """The value of every row by the name of its probe, and the results."""
    folder = args.work.resolve()
    folder.mkdir(parents=True, exist_ok=True)

    def call(*words: str) -> None:
        done = subprocess.run([args.program.resolve(), *words], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"error: tinyassay {' '.join(words)}: {done.stderr}")

    if not (folder / "models").exists():
        x, y = images(args.cifar, SAMPLES)
        np.savez(folder / "images.npz", x=x, y=y)
        call("data", "add", "images", "--format", "npz", "images.npz", "--shape", "3,32,32", "--classes", CLASSES)
        model = str(ROOT / "models" / STANDARD / "model.onnx")
        call("model", "add", model, "--name", STANDARD, "--dataset", "images", "--licence", "none")
    lines = ["version: 1", "name: probes", f"dataset: {{ name: images, split: test, samples: {SAMPLES} }}", f"models: [{STANDARD}]"]
    lines += [f"threat: {{ norm: linf, epsilon: {EPSILON[0]}/{EPSILON[1]} }}", "attacks: [fgsm]", "probes:"]
    lines += [f"  - {probe}" for probe in PROBES.values()] + ["seed: 0"]
    (folder / "probes.yaml").write_text("\n".join(lines) + "\n")
    report = folder / "report"
    subprocess.run(["rm", "-rf", report], check=True)
    call("run", "probes.yaml", "--out", str(report))
    results = json.loads((report / "results.json").read_text())["models"][0]
    names = {json.dumps({probe["probe"]: probe["parameters"]}, sort_keys=True): probe["name"] for probe in results["probes"]}
    values = {name: np.full(SAMPLES, np.nan) for name in PROBES}
    for file in (report / "evidence").glob("*.json"):
        block = json.loads(file.read_text())
        if columns := block["outcome"].get("probe"):
            name = names[json.dumps(block["key_material"]["check"]["probe"], sort_keys=True)]
            values[name][block["rows"]] = [np.nan if value is None else value for value in columns["value"]]
    return values, results


def jacobians(net: nn.Module, x: Tensor) -> Tensor:
    """`[N, K, D]`."""
    x = x.clone().requires_grad_(True)
    logits = net(x)
    rows = [torch.autograd.grad(logits[:, k].sum(), x, retain_graph=True)[0].flatten(1) for k in range(logits.shape[1])]
    return torch.stack(rows, 1)


def path(net: nn.Module, x: Tensor, y: Tensor) -> list[Tensor]:
    """The iterates of sign-gradient ascent of the cross-entropy in the L-inf ball, the sample first."""
    epsilon, step = EPSILON[0] / EPSILON[1], STEP[0] / STEP[1]
    at, iterates = x.clone(), [x]
    for _ in range(STEPS):
        at = at.detach().requires_grad_(True)
        gradient = torch.autograd.grad(nn.functional.cross_entropy(net(at), y, reduction="sum"), at)[0]
        at = (at.detach() + step * gradient.sign()).clamp(x - epsilon, x + epsilon).clamp(0, 1)
        iterates.append(at)
    return iterates


def theirs(net: nn.Module, x: Tensor, y: Tensor) -> tuple[dict[str, np.ndarray], float]:
    """The same by PyTorch, and the expected calibration error."""
    with torch.no_grad():
        logits = net(x).double()
    jacobian = jacobians(net, x).double()
    right = logits.argmax(1) == y
    own = logits.gather(1, y[:, None])
    others = logits.scatter(1, y[:, None], -torch.inf)
    margin = own[:, 0] - others.max(1).values
    slopes = (jacobian.gather(1, y[:, None, None].expand(-1, 1, jacobian.shape[2])) - jacobian).abs().sum(2)
    radii = (own - logits) / slopes.scatter(1, y[:, None], torch.inf)
    radii = radii.scatter(1, y[:, None], torch.inf).min(1).values * right
    confidence, _ = logits.softmax(1).max(1)
    gap = confidence - right.double()
    bins = torch.clamp((confidence * BINS).ceil().long(), 1, BINS) - 1
    ece = torch.zeros(BINS, dtype=torch.double).index_add(0, bins, gap).abs().sum().item() / len(x)

    iterates = path(net, x, y)
    with torch.no_grad():
        all_logits = [net(at).double() for at in iterates]
    last = all_logits[-1]
    log_p, log_q = logits.log_softmax(1), last.log_softmax(1)
    moved = [(at - x).double().flatten(1) for at in iterates[1:]]
    ratios = [(z - logits).abs().sum(1) / d.abs().max(1).values for z, d in zip(all_logits[1:], moved)]
    p = logits.softmax(1)
    squares = [(z.softmax(1) - p).norm(dim=1) / d.norm(dim=1) for z, d in zip(all_logits[1:], moved)]
    values = {
        "jacobian-frobenius": jacobian.flatten(1).norm(dim=1),
        "jacobian-spectral": torch.linalg.matrix_norm(jacobian, 2),
        "logit-margin": margin,
        "first-order-radius": radii,
        "calibration": gap,
        "kl": (log_p.exp() * (log_p - log_q)).sum(1),
        "flips": (logits.argmax(1) != last.argmax(1)).double(),
        "ratio-l1-linf": torch.stack(ratios).max(0).values,
        "ratio-l2-l2": torch.stack(squares).max(0).values,
    }
    return {name: value.numpy() for name, value in values.items()}, ece


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    data = os.environ.get("TINYASSAY_DATA", "")
    parser.add_argument("--cifar", type=Path, default=Path(data) / "cifar-10-batches-bin/test_batch.bin")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/tinyassay")
    parser.add_argument("--work", type=Path, default=ROOT / "target/peers-probes", help="folder for models, data and report (%(default)s)")
    parser.add_argument("--out", type=Path, help="folder for probes.json")
    args = parser.parse_args()
    args.device = "cpu"

    found, results = ours(args)
    x, y = images(args.cifar, SAMPLES)
    x, y = torch.from_numpy(x).float() / 255, torch.from_numpy(y)
    expected, ece = theirs(network(args, STANDARD), x, y)
    failures, rows = [], {}
    for name, value in expected.items():
        scale = np.maximum(np.abs(value), np.median(np.abs(value)) + 1e-12)
        difference = np.abs(found[name] - value) / scale
        rows[name] = {
            "mean": [float(found[name].mean()), float(value.mean())],
            "largest_difference": float(difference.max()),
            "median_difference": float(np.median(difference)),
        }
        counted = rows[name]["median_difference" if name in PATHS else "largest_difference"]
        mean = abs(found[name].mean() - value.mean()) / (abs(value.mean()) + 1e-12)
        if not counted <= EXACT or not mean <= EXACT:
            failures.append(f"{name}: rows differ by {counted:.2e}, means by {mean:.2e}; allowed {EXACT}")
    measured = next(probe["ece"] for probe in results["probes"] if probe["name"] == "calibration")
    if abs(measured - ece) > EXACT:
        failures.append(f"expected calibration error: {measured} and {ece}")
    record = {
        "id": "probes",
        "claim": "the probes' values are PyTorch's: exact ones row by row, those along an ascent in the median row and in the mean",
        "numbers": {
            "model": STANDARD,
            "images": SAMPLES,
            "pairs": "tinyassay, then PyTorch; differences are relative to the value or, where that is small, to the median",
            "probes": rows,
            "ece": [measured, ece],
        },
        "failures": failures,
    }
    print(json.dumps(record, indent=2))
    if args.out:
        (args.out / "probes.json").write_text(json.dumps(record, indent=2) + "\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
