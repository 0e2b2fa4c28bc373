"""Exports networks with PyTorch's exporters and holds Tinyassay's logits and gradients against PyTorch in float64."""

import argparse
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nets import CASES, CLASSES, Case

ROOT = Path(__file__).resolve().parents[2]
EXPORTERS = {"torchscript-13": 13, "torchscript-17": 17, "dynamo-18": 18, "dynamo-22": 22}
HEADS = ("cross_entropy", "margin", "linear")
LOGITS = 1e-4  # Of the largest logit of the row: hundreds of units of float32, for the sums of a network.
MEDIAN = 1e-5  # Relative L2 of a gradient, median over rows; or twice that of PyTorch in float32, where a network is ill-conditioned.
WORST = 1e-2  # Relative L2 that 99 % of the rows must keep, apart from those at a kink.
SHARE = 0.99
KINK_MOVES = (3e-7, 1e-6, 3e-6)  # How far a row is moved to see whether it is at a kink: what float32 rounds by, amplified.


def pictures(rows: int, row: tuple[int, ...]) -> Tensor:
    """Coarse patches with some noise, in [0, 1): of noise alone all rows look the same to a network."""
    patches = torch.rand(rows, row[0], *(max(1, size // 8) for size in row[1:]))
    return 0.8 * nn.functional.interpolate(patches, row[1:]) + 0.2 * torch.rand(rows, *row)


def randomised(case: Case, x: Tensor) -> nn.Module:
    """The network with random weights; statistics, gains and offsets are all far from 1 and 0."""
    torch.manual_seed(0)
    net = case.make()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() < 2 or parameter.numel() < 200:
                parameter += 0.1 * torch.randn_like(parameter)
        norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.momentum = None  # The running statistics are those of this batch.
        net.train()(x)
        for norm in norms:
            norm.running_mean += 0.1 * norm.running_var.sqrt() * torch.randn_like(norm.running_mean)
            norm.running_var *= 1 + torch.rand_like(norm.running_var)  # Above 1, or gradients explode with depth.
    return net.eval()


def losses(logits: Tensor, labels: Tensor, cotangents: Tensor) -> dict[str, Tensor]:
    """The three heads, as Tinyassay defines them: all are maximised."""
    own = logits.gather(1, labels[:, None])[:, 0]
    rival = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    entropy = nn.functional.cross_entropy(logits, labels, reduction="none")
    return dict(zip(HEADS, (entropy, rival - own, (logits * cotangents).sum(1)), strict=True))


def gradients(net: nn.Module, x: Tensor, labels: Tensor, cotangents: Tensor) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    x = x.detach().requires_grad_()
    logits = net(x)
    heads = losses(logits, labels, cotangents)
    grads = {name: torch.autograd.grad(loss.sum(), x, retain_graph=True)[0].flatten(1).numpy() for name, loss in heads.items()}
    return logits.detach().numpy(), grads


def distance(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Relative L2 of each row."""
    return np.linalg.norm(found - wanted, axis=1) / np.maximum(np.linalg.norm(wanted, axis=1), 1e-30)


def at_kink(net: nn.Module, row: Tensor, label: Tensor, cotangent: Tensor, head: str, error: float) -> bool:
    """Whether the gradient in float64 jumps near the row by about as much as the error."""
    moves = torch.cat([size * (2 * torch.rand(8, *row.shape[1:], dtype=row.dtype) - 1) for size in KINK_MOVES])
    near = torch.cat([row, row + moves])
    count = len(near)
    _, found = gradients(net, near, label.expand(count), cotangent.expand(count, -1))
    return bool(distance(found[head][1:], found[head][:1]).max() > error / 4)


@contextmanager
def silence() -> Iterator[None]:
    """Nothing is written to the standard streams, whole graphs from C++ included."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            os.close(kept[0])
            os.close(kept[1])


def export(net: nn.Module, x: Tensor, kind: str, fixed: bool, file: Path) -> None:
    names = {"input_names": ["x"], "output_names": ["logits"], "opset_version": EXPORTERS[kind]}
    rows = x[:1] if fixed else x[:2]
    with silence():
        if kind.startswith("torchscript"):
            axes = None if fixed else {"x": {0: "N"}, "logits": {0: "N"}}
            torch.onnx.export(net, (rows,), file, dynamo=False, dynamic_axes=axes, **names)
        else:
            shapes = None if fixed else ({0: torch.export.Dim("N")},)
            torch.onnx.export(net, (rows,), file, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False, **names)


def ask(file: Path, folder: Path) -> dict:
    """What peer-worker makes of a file: its greeting, or why it refuses."""
    command = [ROOT / "target/release/peer-worker", file, "--classes", str(CLASSES)]
    line = f"dump {folder / 'in.npz'} {folder / 'out.npz'}\n"
    try:
        done = subprocess.run(command, input=line, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return {"error": "take more than ten minutes"}
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return next((answer for answer in answers if "error" in answer), None) or (answers[0] if len(answers) == 2 else {"error": done.stderr})


def rounded(number: float | np.floating) -> float:
    """Two digits: more would change from machine to machine."""
    return float(f"{number:.1e}")


def compare(net: nn.Module, x: Tensor, labels: Tensor, cotangents: Tensor, wanted: tuple, float32: dict, file: Path) -> dict:
    """Numbers of one file, and what does not hold."""
    found, (logits, grads) = np.load(file), wanted
    scale = np.abs(logits).max(1, keepdims=True)
    result = {name: rounded((np.abs(found[name] - logits) / scale).max()) for name in ("logits", "scores")}
    wrong = [f"{name} differ by {result[name]:.1e}" for name in ("logits", "scores") if not result[name] <= LOGITS]
    for head in HEADS:
        errors = distance(found[f"{head}_gradient"].astype(np.float64), grads[head])
        far = [i for i in range(len(errors)) if not errors[i] <= WORST]
        kinks = [i for i in far if at_kink(net, x[i : i + 1], labels[i : i + 1], cotangents[i : i + 1], head, errors[i])]
        fine = 1 - (len(far) - len(kinks)) / len(errors)
        result[head] = {"median": rounded(np.median(errors)), "max": rounded(errors.max()), "far": len(far), "at_kinks": len(kinks)}
        result[head]["pytorch_float32_median"] = float32[head]
        if not result[head]["median"] <= max(MEDIAN, 2 * float32[head]):
            wrong.append(f"{head}: median {result[head]['median']:.1e}")
        if fine < SHARE:
            wrong.append(f"{head}: {len(far) - len(kinks)} of {len(errors)} rows above {WORST}, not at a kink")
    return result | {"status": "wrong" if wrong else "ok", "wrong": wrong}


def check_case(case: Case, kinds: list[str], rows: int) -> list[dict]:
    torch.manual_seed(1)
    x, labels = pictures(rows, case.row), torch.randint(CLASSES, (rows,))
    cotangents = torch.randn(rows, CLASSES)
    net = randomised(case, x)
    double, x64, cotangents64 = randomised(case, x).double(), x.double(), cotangents.double()
    wanted = gradients(double, x64, labels, cotangents64)
    single = gradients(net, x, labels, cotangents)[1]
    float32 = {head: rounded(np.median(distance(single[head].astype(np.float64), wanted[1][head]))) for head in HEADS}
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "in.npz", x=x.numpy(), labels=labels.numpy(), cotangents=cotangents.numpy())
        for kind, fixed in [(kind, fixed) for kind in kinds for fixed in ([False, True] if case.fixed else [False])]:
            result = {"net": case.name, "exporter": kind, "batch": "1" if fixed else "N"}
            file = folder / "model.onnx"
            try:
                export(net, x, kind, fixed, file)
            except Exception as error:  # An exporter fails in many ways, none of which is ours.
                reason = (str(error).strip() or repr(error)).splitlines()[0][:200]
                results.append(result | {"status": "not exported", "reason": f"{type(error).__name__}: {reason}"})
                continue
            answer = ask(file, folder)
            if missing := answer.get("unsupported"):
                ops = sorted({f"{m['op']}: {m['reason']}" for m in missing})
                results.append(result | {"status": "not supported", "reason": answer["error"], "missing": ops})
            elif "error" in answer:
                results.append(result | {"status": "refused", "reason": answer["error"]})
            else:
                result |= {key: answer[key] for key in ("nodes", "micro_batch", "notes")}
                results.append(result | compare(double, x64, labels, cotangents64, wanted, float32, folder / "out.npz"))
    return results


def cell(result: dict) -> str:
    if "missing" in result:
        return "lacks " + ", ".join(sorted({text.split(":")[0] for text in result["missing"]}))
    worst = max(result[head]["median"] for head in HEADS) if "linear" in result else 0
    return {"ok": f"{worst:.0e}", "wrong": f"WRONG {worst:.0e}"}.get(result["status"], result["status"])


def table(results: list[dict], kinds: list[str]) -> str:
    found = {(r["net"], r["exporter"], r["batch"]): cell(r) for r in results}
    lines = ["| net | batch | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 2) + "|"]
    for net, batch in dict.fromkeys((r["net"], r["batch"]) for r in results):
        lines.append(f"| {net} | {batch} | " + " | ".join(found.get((net, kind, batch), "") for kind in kinds) + " |")
    return "\n".join(lines)


def failures(results: list[dict]) -> list[str]:
    """One line for each net and way to fail, with the files that do."""
    files: dict[str, list[str]] = {}
    for r in results:
        what = "; ".join(r.get("missing") or r.get("wrong") or []) or r.get("reason", "")
        if r["status"] != "ok":
            files.setdefault(f"{r['net']}: {r['status']}: {what}", []).append(r["exporter"] + (" batch 1" if r["batch"] == "1" else ""))
    return [f"{line} ({', '.join(kinds)})" for line, kinds in files.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", help="comma-separated; all unless told: " + ", ".join(case.name for case in CASES))
    parser.add_argument("--exporters", default=",".join(EXPORTERS), help="comma-separated, of: %(default)s")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--out", type=Path, help="where the record goes; reports/acceptance/exporters.json for a full run")
    args = parser.parse_args()
    kinds, cases = args.exporters.split(","), {case.name: case for case in CASES}
    names = args.nets.split(",") if args.nets else list(cases)
    if unknown := [name for name in names if name not in cases] + [kind for kind in kinds if kind not in EXPORTERS]:
        parser.error(f"unknown: {', '.join(unknown)}")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    start, results = time.perf_counter(), []
    for name in names:
        results += check_case(cases[name], kinds, args.rows)
        print(f"{name}: " + ", ".join(cell(r) for r in results if r["net"] == name), file=sys.stderr, flush=True)
    missing = Counter(op for r in results for op in {m.split(":")[0] for m in r.get("missing", [])})
    counts, failed = Counter(r["status"] for r in results), failures(results)
    print(table(results, kinds) + "\n\nMedian relative L2 of the worst head. " + ", ".join(f"{n} {s}" for s, n in counts.items()))
    print("Operators that are missing, and in how many files: " + (", ".join(f"{op} {n}" for op, n in missing.most_common()) or "none"))
    print("\n".join(f"- {line}" for line in failed))
    # What an exporter refuses to write says nothing of Tinyassay.
    ours = [line for line in failed if ": not exported: " not in line]
    record = {
        "id": "exporters",
        "claim": "files of PyTorch's exporters give PyTorch's logits and gradients",
        "holds": not ours,
        "failures": ours,
        "numbers": {
            "rows": args.rows,
            "counts": counts,
            "missing": missing,
            "tolerances": {"logits": LOGITS, "median": MEDIAN, "worst": WORST, "share": SHARE},
            "files": results,
        },
        "commit": subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True).stdout.strip(),
        "seconds": round(time.perf_counter() - start),
        "machine": {"system": f"{platform.system().lower()} {platform.machine()}"},
        "versions": {name: version(name) for name in ("torch", "torchvision", "timm", "onnx", "onnxscript")},
    }
    full = names == list(cases) and kinds == list(EXPORTERS)
    if out := args.out or (ROOT / "reports/acceptance/exporters.json" if full else None):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(record, indent=1) + "\n")
    sys.exit(1 if ours else 0)


if __name__ == "__main__":
    main()
