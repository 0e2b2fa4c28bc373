"""Holds the ensemble against the reference AutoAttack, and DeepFool and CW-L2 against Foolbox, on the same images.

Every part is kept in the work folder and is not computed again, so that parts may come from several machines.
"""

import argparse
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from measure import ROOT, cpu_name
from torch_net import OnnxNet

CLASSES = ",".join(map(str, range(10)))
STAGES = ["apgd-ce", "apgd-t", "fab-t", "square"]
STANDARD, ADVERSARIAL = "resnet8-cifar10-standard", "resnet8-cifar10-fgsm-rs"
# Model, epsilon, and how many of the first test images.
ENSEMBLES = [(STANDARD, "1/510", 500), (STANDARD, "1/255", 500), (ADVERSARIAL, "8/255", 1000)]
SEEDS = [0, 1, 2]
NEAREST = (STANDARD, 200)
# The case whose time is compared, on so many images.
TIMED = (ADVERSARIAL, "8/255", 200)
STAGE_POINTS, FINAL_POINTS, MEDIAN_RATIO, TIMES = 0.5, 0.3, 1.05, 3.0


def images(file: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images `[N, 3, 32, 32]` of a binary batch of CIFAR-10, and their labels."""
    records = np.fromfile(file, np.uint8).reshape(-1, 3073)[:count]
    if len(records) < count:
        sys.exit(f"error: failed to read {count} images of {file}: found {len(records)}")
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


class Ours:
    """A folder in which `tinyassay` knows the models and the images."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.folder, self.jobs = args.work / "tinyassay", args.jobs
        self.program = args.program.resolve()
        if not (self.folder / "data").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            x, y = images(args.cifar, max(count for *_, count in ENSEMBLES))
            np.savez(self.folder / "images.npz", x=x, y=y)
            self.call("data", "add", "images", "--format", "npz", "images.npz", "--shape", "3,32,32", "--classes", CLASSES)
        for name in (STANDARD, ADVERSARIAL):
            if not (self.folder / "models" / name).exists():
                file = ROOT / "models" / name / "model.onnx"
                self.call("model", "add", str(file), "--name", name, "--dataset", "images", "--licence", "none")

    def call(self, *words: str) -> str:
        done = subprocess.run([self.program, *words], cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"error: tinyassay {' '.join(words)}: {done.stderr}")
        return done.stdout

    def run(self, name: str, model: str, samples: int, threat: str, attacks: list[str], seed: int, fresh: bool = False) -> Path:
        """The report folder. A `fresh` run does not look at evidence that is there."""
        lines = ["version: 1", f"name: {name}", f"dataset: {{ name: images, split: test, samples: {samples} }}"]
        lines += [f"models: [{model}]", f"threat: {threat}", f"attacks: [{', '.join(attacks)}]", f"seed: {seed}"]
        (self.folder / f"{name}.yaml").write_text("\n".join(lines) + "\n")
        out = self.folder / "reports" / name
        if fresh:
            subprocess.run(["rm", "-rf", out], check=True)
        jobs = ["--jobs", str(self.jobs)] if self.jobs else []
        self.call("run", f"{name}.yaml", "--out", str(out), "--no-witnesses", *jobs)
        return out


def attack_columns(report: Path, samples: int, nearest: bool) -> np.ndarray:
    """For each row: whether it withstands (1.0), or how far the nearest adversarial input is."""
    values = np.full(samples, np.nan)
    for file in (report / "evidence").glob("*.json"):
        block = json.loads(file.read_text())
        if columns := block["outcome"].get("attack"):
            verdicts = [float(verdict == "unknown") for verdict in columns["verdict"]]
            found = columns.get("nearest") or [None] * len(verdicts)
            values[block["rows"]] = [v if v is not None else np.nan for v in found] if nearest else verdicts
    return values


def results(report: Path) -> dict:
    return json.loads((report / "results.json").read_text())["models"][0]


def our_ensemble(ours: Ours, case: tuple[str, str, int], seed: int) -> dict:
    model, epsilon, samples = case
    threat = f"{{ norm: linf, epsilon: {epsilon} }}"
    name = f"{model}-{epsilon.replace('/', '-')}-{seed}"
    report = ours.run(name, model, samples, threat, ["ensemble-standard"], seed)
    found = results(report)
    stages = {stage["name"]: stage["robust_accuracy"] for stage in found["attacks"][0]["stages"]}
    robust = attack_columns(report, samples, nearest=False)
    return {"clean": found["clean_accuracy"], "stages": stages, "robust": [int(v) for v in robust]}


def fraction(text: str) -> float:
    numerator, _, denominator = text.partition("/")
    return int(numerator) / int(denominator or 1)


def reference_ensemble(args: argparse.Namespace, case: tuple[str, str, int], seed: int) -> dict:
    sys.path.insert(0, str(args.autoattack))
    from autoattack import AutoAttack

    model, epsilon, samples = case
    net = network(args, model)
    x, y = tensors(args, samples)
    log = args.work / f"autoattack-{os.getpid()}.log"
    log.unlink(missing_ok=True)
    options = {"norm": "Linf", "eps": fraction(epsilon), "seed": seed, "version": "standard", "verbose": True}
    adversary = AutoAttack(net, device=args.device, log_path=str(log), **options)
    adversary.logger.log = lambda line: log.open("a").write(line + "\n")
    _, labels = adversary.run_standard_evaluation(x, y, bs=500, return_labels=True)
    text = log.read_text()
    log.unlink()
    clean = float(re.search(r"initial accuracy: ([\d.]+)%", text)[1]) / 100
    stages, last = {}, clean
    for stage in STAGES:  # It stops when no row is left.
        found = re.search(rf"robust accuracy after {stage.upper()}: ([\d.]+)%", text)
        last = stages[stage] = float(found[1]) / 100 if found else last
    return {"clean": clean, "stages": stages, "robust": (labels == y).int().tolist()}


def tensors(args: argparse.Namespace, samples: int) -> tuple[Tensor, Tensor]:
    x, y = images(args.cifar, samples)
    return torch.from_numpy(x).to(args.device).float() / 255, torch.from_numpy(y).to(args.device)


def network(args: argparse.Namespace, name: str) -> nn.Module:
    return OnnxNet(ROOT / "models" / name / "model.onnx").eval().requires_grad_(False).to(args.device)


def foolbox_distances(args: argparse.Namespace) -> dict:
    """The L2 distances of Foolbox's adversarial images; infinite where there is none."""
    import foolbox

    name, samples = NEAREST
    x, y = tensors(args, samples)
    model = foolbox.PyTorchModel(network(args, name), bounds=(0, 1), device=args.device)
    attacks = {
        "deepfool": foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=10, overshoot=0.02),
        "cw-l2": foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=9, steps=1000, stepsize=0.01, initial_const=0.01),
    }
    right = (model(x).argmax(1) == y).tolist()
    distances = {"right": right}
    for attack, run in attacks.items():
        _, x_adv, success = run(model, x, y, epsilons=None)
        length = (x_adv - x).flatten(1).double().norm(dim=1)
        distances[attack] = torch.where(success, length, torch.inf).tolist()
    return distances


def our_distances(ours: Ours) -> dict:
    name, samples = NEAREST
    found = {}
    for attack in ("deepfool", "cw-l2"):
        report = ours.run(f"nearest-{attack}", name, samples, "{ norm: l2, epsilon: 0.5 }", [attack], 0)
        distances = attack_columns(report, samples, nearest=True)
        found[attack] = [math.inf if math.isnan(d) else d for d in distances]
    return found


def timed(args: argparse.Namespace, ours: Ours) -> dict:
    """The whole ensemble in turns, two threads each."""
    model, epsilon, samples = TIMED
    args.device = "cpu"
    threat = f"{{ norm: linf, epsilon: {epsilon} }}"
    torch.set_num_threads(2)
    ours.jobs = 2
    reference_ensemble(args, (model, "1", 2), 0)  # What is loaded at its first call is not counted.
    rounds = []
    for at in range(args.rounds):

        def reference() -> float:
            start = time.perf_counter()
            reference_ensemble(args, TIMED, 0)
            return time.perf_counter() - start

        def tinyassay() -> float:
            report = ours.run("timed", model, samples, threat, ["ensemble-standard"], 0, fresh=True)
            observed = json.loads((report / "observations.json").read_text())
            return observed["wall_seconds"]

        tools = [("reference", reference), ("tinyassay", tinyassay)]
        rounds.append({name: round(run(), 2) for name, run in (tools if at % 2 else tools[::-1])})
        print(f"round {at}: {rounds[-1]}", file=sys.stderr, flush=True)
    return {"case": TIMED, "threads": 2, "rounds": rounds, "cpu": cpu_name()}


class Parts:
    """What is known already, one file a part."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def has(self, name: str) -> bool:
        return (self.folder / f"{name}.json").exists()

    def take(self, record: Path) -> None:
        """The verdicts of the reference that a record has, which cost hours."""
        for name, part in json.loads(record.read_text())["verdicts"].items():
            if name.startswith("reference") and not self.has(name):
                withstand = {int(row) for row in part.pop("withstand").split()}
                part["robust"] = [int(row in withstand) for row in range(part.pop("rows"))]
                (self.folder / f"{name}.json").write_text(json.dumps(part))

    def get(self, name: str, compute: Callable[[], dict]) -> dict:
        file = self.folder / f"{name}.json"
        if not self.has(name):
            print(f"{name} ...", file=sys.stderr, flush=True)
            start = time.perf_counter()
            found = compute() | {"versions": {"torch": torch.__version__, "python": platform.python_version()}}
            unfinished = file.with_suffix(".partial")
            unfinished.write_text(json.dumps(found))
            unfinished.rename(file)
            print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        return json.loads(file.read_text())


def ensemble_table(parts: dict[str, dict], failures: list[str]) -> list[dict]:
    table, only = [], {"tinyassay": 0, "reference": 0}
    for case in ENSEMBLES:
        for seed in SEEDS:
            names = [key(side, case, seed) for side in ("ours", "reference")]
            if not all(name in parts for name in names):
                continue  # With `--known` only.
            ours, theirs = (parts[name] for name in names)
            a, b = np.array(ours["robust"], bool), np.array(theirs["robust"], bool)
            counts = {"tinyassay": int((~a & b).sum()), "reference": int((a & ~b).sum())}
            row = {"model": case[0], "epsilon": case[1], "images": case[2], "seed": seed, "only_broken_by": counts}
            row["clean_percent"] = [round(100 * side["clean"], 2) for side in (ours, theirs)]
            for stage in STAGES:
                if not all(stage in side["stages"] for side in (ours, theirs)):
                    continue  # An older record has the last alone.
                row[stage] = [round(100 * side["stages"][stage], 2) for side in (ours, theirs)]
                allowed = FINAL_POINTS if stage == STAGES[-1] else STAGE_POINTS
                if abs(row[stage][0] - row[stage][1]) > allowed + 1e-9:
                    failures.append(f"{case[0]} at {case[1]}, seed {seed}: {row[stage]} % after {stage}")
            table.append(row)
            only = {side: only[side] + counts[side] for side in only}
    if only["tinyassay"] < only["reference"]:
        failures.append(f"rows that only one breaks: {only}")
    return table


def distance_table(ours: dict, theirs: dict, failures: list[str]) -> dict:
    right, table = np.array(theirs["right"]), {}
    for attack in ("deepfool", "cw-l2"):
        a, b = np.array(ours[attack])[right], np.array(theirs[attack])[right]
        ratio = float(np.median(a) / np.median(b))
        both = np.isfinite(a) & np.isfinite(b)
        table[attack] = {
            "rows": int(right.sum()),
            "found": [int(np.isfinite(side).sum()) for side in (a, b)],
            "median": [round(float(np.median(side)), 6) for side in (a, b)],
            "median_ratio": round(ratio, 4),
            "median_of_row_ratios": round(float(np.median(a[both] / b[both])), 4),
        }
        if not ratio <= MEDIAN_RATIO:
            failures.append(f"{attack}: the median is {ratio:.3f} of Foolbox's")
    return table


def key(side: str, case: tuple[str, str, int], seed: int) -> str:
    return f"{side}-{case[0]}-{case[1].replace('/', '-')}-{case[2]}-{seed}"


def verdicts(part: dict) -> dict:
    """An ensemble's part as it is recorded: rows that withstand by their indices."""
    robust = part["robust"]
    withstand = " ".join(str(row) for row, withstands in enumerate(robust) if withstands)
    kept = {name: part[name] for name in ("clean", "stages", "versions") if name in part}
    return kept | {"rows": len(robust), "withstand": withstand}


def main() -> None:
    data = os.environ.get("TINYASSAY_DATA", "")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--autoattack", type=Path, required=True, help="a checkout of github.com/fra31/auto-attack")
    parser.add_argument("--cifar", type=Path, default=Path(data) / "cifar-10-batches-bin/test_batch.bin")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/tinyassay")
    parser.add_argument("--device", default="cpu", help="PyTorch's, for all but times (%(default)s)")
    parser.add_argument("--jobs", type=int, help="Tinyassay's, for all but times")
    parser.add_argument("--rounds", type=int, default=3, help="of times (%(default)s)")
    parser.add_argument("--only", help="compute the parts whose name has this in it, and stop")
    parser.add_argument("--recorded", type=Path, help="a strength.json whose verdicts of the reference are taken")
    parser.add_argument("--known", action="store_true", help="compute nothing, report the parts that are there")
    parser.add_argument("--work", type=Path, default=ROOT / "target/peers-strength", help="where parts are kept (%(default)s)")
    parser.add_argument("--out", type=Path, help="folder for strength.json")
    args = parser.parse_args()
    args.work = args.work.resolve()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    parts, ours = Parts(args.work / "parts"), Ours(args)
    if args.recorded:
        parts.take(args.recorded)

    work = {"ours-nearest": partial(our_distances, ours), "reference-nearest": partial(foolbox_distances, args)}
    for case in ENSEMBLES:
        for seed in SEEDS:
            work[key("ours", case, seed)] = partial(our_ensemble, ours, case, seed)
            work[key("reference", case, seed)] = partial(reference_ensemble, args, case, seed)
    work["times"] = partial(timed, args, ours)
    wanted = [name for name in work if (args.only or "") in name and (parts.has(name) or not args.known)]
    done = {name: parts.get(name, work[name]) for name in wanted}
    if args.only:
        return

    failures: list[str] = []
    numbers = {"pairs": "tinyassay, then the reference", "ensemble": ensemble_table(done, failures)}
    if {"ours-nearest", "reference-nearest"} <= done.keys():
        numbers["nearest_l2"] = distance_table(done["ours-nearest"], done["reference-nearest"], failures)
    if "times" in done:
        ratio = statistics.median(turn["reference"] / turn["tinyassay"] for turn in done["times"]["rounds"])
        numbers["times"] = {"times_ours_median": round(ratio, 2), **done["times"]}
        if ratio < TIMES:
            failures.append(f"the reference takes {ratio:.2f} times as long, expected at least {TIMES}")
    record = {
        "id": "strength",
        "claim": "the standard ensemble is as strong as the reference AutoAttack and three times as fast; DeepFool and CW-L2 come as near as Foolbox's",
        "missing": [name for name in work if name not in done],
        "numbers": numbers,
        "failures": failures,
        "verdicts": {name: verdicts(part) for name, part in done.items() if "robust" in part},
    }
    print(json.dumps(record, indent=2))
    if args.out:
        (args.out / "strength.json").write_text(json.dumps(record, indent=2) + "\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
