"""Holds training steps of Tinyassay against PyTorch's: the same numbers from the same start, and the time of each."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from measure import BUSY, IDLE_SECONDS, ROOT, busy_seconds, cpu_name, others_share
from torch_net import OnnxNet

EPSILON, BETA = 8 / 255, 6.0
NETS = {
    "resnet8": "resnet8: { filters: 16 }",
    "mobilenet-tiny-0.35": "mobilenet-tiny: { width: 0.35, expand: 6 }",
}
OPTIMISERS = {
    "sgd": "sgd: { momentum: 0.9, nesterov: true }",
    "adam": "adam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }",
}
OBJECTIVES = {
    "standard": "standard: {}",
    "fgsm-rs": "fgsm-rs: { step_size: 16/255 }",
    "trades": f"trades: {{ beta: {BETA}, steps: 10, step_size: 2/255, start: {{ gaussian: 0.001 }} }}",
}
LEARNING_RATE = {"sgd": 0.01, "adam": 1e-3}
WEIGHT_DECAY = 5e-4


def recipe(net: str, objective: str, optimiser: str, batch: int) -> str:
    """No augmentation, one learning rate, pictures that the program draws itself."""
    return f"""version: 1
architecture: {{ {NETS[net]} }}
dataset: {{ name: signs32, split: train }}
objective: {{ {OBJECTIVES[objective]} }}
{"threat: { norm: linf, epsilon: 8/255 }" if objective != "standard" else ""}
optimiser: {{ {OPTIMISERS[optimiser]} }}
weight_decay: {{ rate: {WEIGHT_DECAY}, on: all }}
learning_rate: {LEARNING_RATE[optimiser]}
schedule: constant
epochs: 1
batch_size: {batch}
seed: 1
export: {{ fold_batch_norm: false }}
"""


class Worker:
    """`train-worker` on one recipe, in a folder of its own, one JSON object a line each way."""

    def __init__(self, folder: Path, text: str, threads: int) -> None:
        self.network = folder / "network.onnx"
        (folder / "recipe.yaml").write_text(text)
        command = [ROOT / "target/release/train-worker", folder / "recipe.yaml", "--network", self.network]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([*command, "--threads", str(threads)], **pipes)

    def ask(self, request: dict) -> dict:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "train-worker ended"}
        if "error" in answer:
            sys.exit(f"error: failed to {answer['error']}")
        return answer

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Peer:
    """The same training in PyTorch eager."""

    def __init__(self, file: Path, optimiser: str, dtype: torch.dtype = torch.float32) -> None:
        self.net, self.dtype = OnnxNet(file, dtype), dtype
        parameters, rate = list(self.net.parameters()), LEARNING_RATE[optimiser]
        if optimiser == "sgd":
            self.optimiser = torch.optim.SGD(parameters, rate, 0.9, weight_decay=WEIGHT_DECAY, nesterov=True)
        else:
            self.optimiser = torch.optim.Adam(parameters, rate, weight_decay=WEIGHT_DECAY)

    def step(self, objective: str, fed: dict[str, Tensor]) -> float:
        x, labels, start = (fed.get(name) for name in ("x", "labels", "start"))
        x = x.to(self.dtype)
        if objective == "trades":
            x_adv = self.attack(x, start.to(self.dtype), 10, 2 / 255, self.divergence(x))
            self.net.train()
            logits, adversarial = self.net(x), self.net(x_adv)
            divergence = F.kl_div(F.log_softmax(adversarial, 1), F.softmax(logits, 1), reduction="sum") / len(x)
            loss = F.cross_entropy(logits, labels) + BETA * divergence
        else:
            if objective == "fgsm-rs":
                ascended = lambda logits: F.cross_entropy(logits, labels, reduction="sum")  # noqa: E731
                x = self.attack(x, start.to(self.dtype), 1, 16 / 255, ascended)
            self.net.train()
            loss = F.cross_entropy(self.net(x), labels)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def divergence(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """From the clean probabilities, in eval mode. They are computed once: an attack does not change them."""
        self.net.eval()
        with torch.no_grad():
            clean = F.softmax(self.net(x), 1)
        return lambda logits: F.kl_div(F.log_softmax(logits, 1), clean, reduction="sum")

    def attack(self, x: Tensor, start: Tensor, steps: int, size: float, ascended: Callable[[Tensor], Tensor]) -> Tensor:
        """Projected ascent in eval mode."""
        self.net.eval()
        parameters = list(self.net.parameters())
        for parameter in parameters:
            parameter.requires_grad_(False)
        low, high = (x - EPSILON).clamp_(min=0), (x + EPSILON).clamp_(max=1)
        x_adv = start
        for _ in range(steps):
            x_adv = x_adv.detach().requires_grad_()
            gradient = torch.autograd.grad(ascended(self.net(x_adv)), x_adv)[0]
            x_adv = torch.clamp(x_adv.detach() + size * gradient.sign(), low, high)
        for parameter in parameters:
            parameter.requires_grad_(True)
        return x_adv.detach()


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / max(np.linalg.norm(wanted), 1e-30))


def snapshot(peer: Peer) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy().copy() for name, tensor in peer.net.tensors.items()}


def tensors(file: Path) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in np.load(file).items()}


def agreement(net: str, objective: str, optimiser: str, steps: int, rows: int, threads: int) -> dict:
    """From the same parameters, batches and random starts: the loss of every step, the state after the first and last."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        worker = Worker(folder, recipe(net, objective, optimiser, rows), threads)
        losses = np.array(worker.ask({"record": {"steps": steps, "folder": name}})["losses"])
        worker.close()
        peer, double = Peer(worker.network, optimiser), Peer(worker.network, optimiser, torch.float64)
        wanted, exact, states, exactly = [], [], {}, {}
        initial, first, last = (np.load(folder / f"{when}.npz") for when in ("initial", "first", "last"))
        start = snapshot(peer)
        if set(start) != set(initial) or any((start[name] != initial[name]).any() for name in start):
            sys.exit(f"error: {net} does not start where its file says")
        for at in range(steps):
            fed = tensors(folder / f"step-{at}.npz")
            wanted.append(peer.step(objective, fed))
            exact.append(double.step(objective, fed))
            if at in (0, steps - 1):
                states[at], exactly[at] = snapshot(peer), snapshot(double)
        buffers = {name for name, tensor in peer.net.tensors.items() if not isinstance(tensor, torch.nn.Parameter)}
        whole = lambda state, names: np.concatenate([state[name].ravel() for name in sorted(names)])  # noqa: E731
        parameters = set(start) - buffers
        moved = lambda state: whole(state, parameters) - whole(start, parameters)  # noqa: E731
        differences = [float(abs(a - b) / abs(b)) for a, b in zip(losses, wanted)]
        return {
            "objective": objective,
            "optimiser": optimiser,
            "rows": rows,
            "loss_relative_difference_first": differences[0],
            "loss_relative_difference_last": differences[-1],
            "loss_relative_difference_largest": max(differences),
            "losses": [round(float(loss), 6) for loss in wanted],
            "update_relative_l2_first": relative(moved(first), moved(states[0])),
            "parameters_relative_l2_first": relative(whole(first, parameters), whole(states[0], parameters)),
            "parameters_relative_l2_last": relative(whole(last, parameters), whole(states[steps - 1], parameters)),
            "statistics_relative_l2_first": relative(whole(first, buffers), whole(states[0], buffers)),
            "statistics_relative_l2_last": relative(whole(last, buffers), whole(states[steps - 1], buffers)),
            # How far float32 itself is from float64 in PyTorch: training amplifies the rounding of a step.
            "torch_float32_against_float64": {
                f"{what}_{when}": difference
                for when, at in (("first", 0), ("last", steps - 1))
                for what, difference in (
                    ("loss_relative_difference", abs(wanted[at] - exact[at]) / abs(exact[at])),
                    ("parameters_relative_l2", relative(whole(states[at], parameters), whole(exactly[at], parameters))),
                    ("statistics_relative_l2", relative(whole(states[at], buffers), whole(exactly[at], buffers))),
                )
            },
        }


def timing(net: str, objective: str, rows: int, rounds: int, threads: int) -> dict:
    """Single steps in turns. The first of each warms up and is dropped."""
    seconds: dict[str, list[float]] = {"tinyassay": [], "torch eager": []}
    with tempfile.TemporaryDirectory() as name:
        worker = Worker(Path(name), recipe(net, objective, "sgd", rows), threads)
        worker.ask({"record": {"steps": 1, "folder": name}})
        fed, peer = tensors(Path(name) / "step-0.npz"), Peer(worker.network, "sgd")
        busy, own, begun = busy_seconds(), 0.0, time.perf_counter()
        for at in range(rounds + 1):
            for tool in list(seconds) if at % 2 else list(seconds)[::-1]:
                time.sleep(IDLE_SECONDS)
                if tool == "tinyassay":
                    took = worker.ask({"step": {}})["seconds"]
                else:
                    begin = time.perf_counter()
                    peer.step(objective, fed)
                    took = time.perf_counter() - begin
                own += took * threads
                if at:
                    seconds[tool].append(took)
        others = max(0.0, busy_seconds() - busy - own) / (time.perf_counter() - begun)
        worker.close()
    ours, torchs = (np.array(turns) for turns in seconds.values())
    return {
        "objective": objective,
        "rows": rows,
        "seconds_median": {tool: statistics.median(turns) for tool, turns in seconds.items()},
        "torch_over_ours_median": round(float(np.median(torchs) / np.median(ours)), 3),
        "torch_over_ours_p20": round(float(np.percentile(torchs, 20) / np.percentile(ours, 20)), 3),
        "others_cores_estimate": round(others, 2),
        "turns": {tool: [round(turn, 4) for turn in turns] for tool, turns in seconds.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", default=",".join(NETS), help="comma-separated, of: %(default)s")
    parser.add_argument("--steps", type=int, default=20, help="steps that must agree")
    parser.add_argument("--rows", type=int, default=64, help="batch size of the steps that must agree")
    parser.add_argument("--batch", type=int, default=128, help="batch size of the steps that are timed")
    parser.add_argument("--rounds", type=int, default=7, help="timed steps; 0 leaves the timing out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--busy", action="store_true", help="time although the machine is not idle; nothing is written")
    parser.add_argument("--out", type=Path, help="folder for training.json; reports/acceptance for a full run")
    args = parser.parse_args()
    share = others_share(3) if args.rounds else 0.0
    if share > BUSY and not args.busy:
        sys.exit(f"error: others use {share:.0%} of the CPU, ratios would mean nothing\nhint: wait, or --rounds 0, or --busy")
    torch.set_num_threads(args.threads)
    nets = []
    for name in args.nets.split(","):
        agree, times = [], []
        for objective, optimiser in [("standard", "sgd"), ("fgsm-rs", "sgd"), ("trades", "sgd"), ("standard", "adam")]:
            print(f"comparing {name}, {objective}, {optimiser}", file=sys.stderr, flush=True)
            agree.append(agreement(name, objective, optimiser, args.steps, args.rows, args.threads))
            print(json.dumps({k: v for k, v in agree[-1].items() if k != "losses"}), file=sys.stderr)
        for objective in OBJECTIVES if args.rounds else ():
            print(f"timing {name}, {objective}", file=sys.stderr, flush=True)
            times.append(timing(name, objective, args.batch, args.rounds, args.threads))
            print(json.dumps({k: v for k, v in times[-1].items() if k != "turns"}), file=sys.stderr)
        nets.append({"net": name, "agreement": agree, "timing": times})
    record = {
        "id": "training",
        "claim": "training steps equal PyTorch's, and how long each takes, in turns on the same threads",
        "numbers": {"threads": args.threads, "nets": nets},
        "versions": {"torch": version("torch"), "python": platform.python_version()},
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "others_share_of_cpu_before": round(share, 3)},
    }
    text = json.dumps(record, indent=1) + "\n"
    if args.out and not args.busy:
        (args.out / "training.json").write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
