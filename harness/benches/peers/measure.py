"""Times forward, gradient step and PGD-20 of Tinyassay and of other tools, in turns, on the same rows and threads."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nets import NETS, build, folded

EPSILON, STEP, STEPS = 8 / 255, 2 / 255, 20
BUSY = 0.05  # The share of the machine that others may use before a measurement is refused.
IDLE_SECONDS = 0.05  # Between turns: PyTorch's threads spin for a while after work.
TURN_SECONDS = 0.3  # About how long one turn repeats a short call.
ROOT = Path(__file__).resolve().parents[3]


class Worker:
    """`peer-worker` on one model."""

    def __init__(self, model: Path, classes: int, threads: int) -> None:
        command = [ROOT / "target/release/peer-worker", model, "--classes", str(classes), "--workers", str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.greeting = self._read()

    def ask(self, line: str) -> dict:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict:
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "peer-worker ended"}
        if "error" in answer:
            sys.exit(f"error: failed to {answer['error']}")
        return answer

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def busy_seconds() -> float:
    """CPU seconds of everybody since the machine started, all cores together."""
    fields = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def others_share(seconds: float) -> float:
    """The share of all cores that others use while this process sleeps."""
    before = busy_seconds()
    time.sleep(seconds)
    return (busy_seconds() - before) / seconds / os.cpu_count()


def gradient_of(model: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def gradient(x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        loss = nn.functional.cross_entropy(model(x), y, reduction="sum")
        return torch.autograd.grad(loss, x)[0]

    return gradient


def pgd_of(model: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The loop without any library around it; returns what the model says of the last iterate."""
    gradient = gradient_of(model)

    def pgd(x: Tensor, y: Tensor) -> Tensor:
        low, high = (x - EPSILON).clamp_(min=0), (x + EPSILON).clamp_(max=1)
        x_adv = low + (high - low) * torch.rand_like(x)
        for _ in range(STEPS):
            x_adv = torch.clamp(x_adv + STEP * gradient(x_adv, y).sign_(), low, high)
        with torch.inference_mode():
            return model(x_adv)

    return pgd


def forward_of(model: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def forward(x: Tensor, _: Tensor) -> Tensor:
        with torch.inference_mode():
            return model(x)

    return forward


def torchattacks_pgd(net: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    import torchattacks

    return torchattacks.PGD(net, eps=EPSILON, alpha=STEP, steps=STEPS, random_start=True)


def foolbox_pgd(net: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    import foolbox

    model = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.LinfPGD(steps=STEPS, abs_stepsize=STEP, random_start=True)
    return lambda x, y: attack(model, x, y, epsilons=EPSILON)


def contenders(net: nn.Module, worker: Worker, x: Tensor, y: Tensor, compiled: bool) -> dict[str, dict[str, Callable]]:
    """For each task, what each tool does for `repeats` calls: a function to their seconds."""
    rows, plain, last = len(x), folded(net), folded(net).to(memory_format=torch.channels_last)
    x_last = x.contiguous(memory_format=torch.channels_last)

    def timed(call: Callable, x: Tensor) -> Callable[[int], list[float]]:
        def run(repeats: int) -> list[float]:
            seconds = []
            for _ in range(repeats):
                start = time.perf_counter()
                call(x, y)
                seconds.append(time.perf_counter() - start)
            return seconds

        return run

    def asked(line: str) -> Callable[[int], list[float]]:
        return lambda repeats: worker.ask(f"{line} {repeats}")["seconds"]

    def attacked(repeats: int) -> list[float]:
        return [worker.ask(f"pgd20 {rows} 8/255")["seconds"][0] for _ in range(repeats)]

    models = {"torch eager": (plain, x), "torch eager, channels last": (last, x_last)}
    if compiled:
        models["torch.compile"] = (torch.compile(plain, dynamic=False), x)
    tasks = {"forward": (forward_of, asked(f"forward {rows}")), "gradient": (gradient_of, asked(f"gradient {rows}"))}
    tasks["pgd-20"] = (pgd_of, attacked)
    table = {}
    for task, (of, ours) in tasks.items():
        table[task] = {"tinyassay": ours} | {name: timed(of(model), rows) for name, (model, rows) in models.items()}
    table["pgd-20"]["foolbox"] = timed(foolbox_pgd(plain), x)
    table["pgd-20"]["torchattacks"] = timed(torchattacks_pgd(plain), x)
    return table


def repeats_of(tools: dict[str, Callable]) -> dict[str, int]:
    """Warms every tool up, and says how many calls make a turn: one where it is long, else some after a first to drop."""
    calls = {name: round(TURN_SECONDS / run(2)[1]) for name, run in tools.items()}
    return {name: 1 if count < 2 else 1 + min(20, count) for name, count in calls.items()}


def rounds_of(tools: dict[str, Callable], repeats: dict[str, int], rounds: int) -> dict[str, list[float]]:
    """The tools in turns, each round beginning with another. A turn is the median of its calls."""
    names, seconds = list(tools), {name: [] for name in tools}
    for at in range(rounds):
        for name in names[at % len(names) :] + names[: at % len(names)]:
            time.sleep(IDLE_SECONDS)
            turn = tools[name](repeats[name])
            seconds[name].append(statistics.median(turn[1:] or turn))
    return seconds


def agreement(net: nn.Module, worker: Worker, x: Tensor, y: Tensor, folder: Path) -> dict[str, float]:
    """How far the two sides' logits and gradients are from each other: they must be the same network."""
    cotangents = np.zeros((len(x), net[-1].out_features), np.float32)
    np.savez(folder / "in.npz", x=x.numpy(), labels=y.numpy(), cotangents=cotangents)
    worker.ask(f"dump {folder / 'in.npz'} {folder / 'out.npz'}")
    worker.ask(f"load {folder / 'in.npz'}")
    found = np.load(folder / "out.npz")
    with torch.no_grad():
        logits = net(x)
    wanted = gradient_of(net)(x, y).flatten(1).numpy()
    distance = np.linalg.norm(found["cross_entropy_gradient"] - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    return {
        "logits_max_difference": float(np.abs(found["logits"] - logits.numpy()).max()),
        "gradient_median_relative_l2": float(np.median(distance)),
    }


def measure(name: str, args: argparse.Namespace) -> dict:
    print(f"measuring {name}", file=sys.stderr, flush=True)
    net, x, y = build(name, args.batch)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = {"input_names": ["x"], "output_names": ["logits"], "dynamic_axes": {"x": {0: "N"}, "logits": {0: "N"}}}
            torch.onnx.export(net, (x[:2],), file, opset_version=17, dynamo=False, **names)
        worker = Worker(file, net[-1].out_features, args.threads)
        agree = agreement(folded(net), worker, x, y, Path(folder))
        table = contenders(net, worker, x, y, args.compile)
        repeats = {task: repeats_of(tools) for task, tools in table.items()}
        busy, own, start = busy_seconds(), time.process_time() + worker.cpu_seconds(), time.perf_counter()
        seconds = {task: rounds_of(tools, repeats[task], args.rounds) for task, tools in table.items()}
        spent = time.perf_counter() - start
        others = busy_seconds() - busy - (time.process_time() + worker.cpu_seconds() - own)
        effort = worker.ask(f"pgd20 {args.batch} 8/255")
        broken = int((pgd_of(folded(net))(x, y).argmax(1) != y).sum())
        worker.close()
    tasks = {task: summary(task, tools, args.batch, effort["backwards"]) for task, tools in seconds.items()}
    return {
        "net": name,
        "row": list(x.shape[1:]),
        "worker": worker.greeting,
        "agreement": agree,
        "broken": {"tinyassay": effort["broken"], "torch eager": broken, "rows": args.batch},
        "others_share_of_cpu": round(max(0.0, others) / spent / os.cpu_count(), 3),
        "tasks": tasks,
    }


def summary(task: str, tools: dict[str, list[float]], rows: int, row_steps: int) -> dict[str, dict]:
    """Per tool: median, 20th percentile, microseconds a row (PGD: a row and step), and how many times as long as ours.

    Ours leaves rows that are broken; the others take every step on every row. So PGD is compared by the row and step.
    """
    result = {}
    for name, turns in tools.items():
        units = (row_steps if name == "tinyassay" else rows * STEPS) if task == "pgd-20" else rows
        median, p20 = statistics.median(turns), float(np.percentile(turns, 20))
        result[name] = {"seconds_median": median, "seconds_p20": p20, "units": units, "us_per_unit": 1e6 * median / units}
        result[name]["turns"] = [round(turn, 6) for turn in turns]
    ours = result["tinyassay"]
    for row in result.values():
        row["times_ours_median"] = round(row["us_per_unit"] / ours["us_per_unit"], 3)
        row["times_ours_p20"] = round(row["seconds_p20"] / row["units"] / (ours["seconds_p20"] / ours["units"]), 3)
    return result


def markdown(record: dict) -> str:
    numbers, machine = record["numbers"], record["machine"]
    lines = [
        "# Tinyassay and its peers",
        "",
        f"Batch {numbers['batch']}, {numbers['threads']} threads on both sides, {numbers['rounds']} rounds in turns; {machine['cpu']}, "
        f"{machine['cores']} cores. " + ", ".join(f"{name} {number}" for name, number in record["versions"].items()) + ".",
        "Microseconds a row (forward, gradient) or a row and step (PGD-20); median and 20th percentile of the rounds. The "
        "last columns say how many times as long as Tinyassay a tool takes. PGD-20 of Tinyassay includes its judge.",
        "",
        "| net | task | tool | µs, median | µs, p20 | times, median | times, p20 |",
        "|---|---|---|---|---|---|---|",
    ]
    for net in numbers["nets"]:
        for task, tools in net["tasks"].items():
            for name, row in tools.items():
                p20 = 1e6 * row["seconds_p20"] / row["units"]
                ratios = f"{row['times_ours_median']:.2f} | {row['times_ours_p20']:.2f}"
                lines.append(f"| {net['net']} | {task} | {name} | {row['us_per_unit']:.1f} | {p20:.1f} | {ratios} |")
    lines.append("")
    for net in numbers["nets"]:
        broken, agree = net["broken"], net["agreement"]
        lines.append(
            f"- {net['net']}: {net['worker']['macs']:,} MACs, micro-batch {net['worker']['micro_batch']}; PGD-20 broke "
            f"{broken['tinyassay']} of {broken['rows']} rows (PyTorch {broken['torch eager']}); gradients agree to "
            f"{agree['gradient_median_relative_l2']:.0e} (median, relative); others used {net['others_share_of_cpu']:.1%} of the CPU."
        )
    return "\n".join(lines) + "\n"


def cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", default=",".join(NETS), help="comma-separated, of: %(default)s")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="leave torch.compile out")
    parser.add_argument("--busy", action="store_true", help="measure although the machine is not idle; nothing is written")
    parser.add_argument("--out", type=Path, help="folder for peers.json and peers.md; reports/acceptance for a full run")
    args = parser.parse_args()
    nets = args.nets.split(",")
    if unknown := [name for name in nets if name not in NETS]:
        parser.error(f"no net {', '.join(unknown)}; there are {', '.join(NETS)}")
    load_before, share = os.getloadavg(), others_share(3)
    if share > BUSY:
        print(f"WARNING: others use {share:.0%} of the CPU; load average {load_before[0]:.2f}", file=sys.stderr)
        if not args.busy:
            sys.exit("error: the machine is not idle, ratios would mean nothing\nhint: wait, or try things out with --busy")
    torch.set_num_threads(args.threads)
    start = time.perf_counter()
    measured = [measure(name, args) for name in nets]
    record = {
        "id": "peers",
        "claim": "the gradient step and PGD-20 against PyTorch, Foolbox and torchattacks, in turns on the same threads",
        "numbers": {"batch": args.batch, "threads": args.threads, "rounds": args.rounds, "nets": measured},
        "commit": subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True
        ).stdout.strip(),
        "seconds": round(time.perf_counter() - start),
        "machine": {
            "system": f"{platform.system().lower()} {platform.machine()}",
            "cpu": cpu_name(),
            "cores": os.cpu_count(),
            "load_average": {"before": load_before, "after": os.getloadavg()},
            "others_share_of_cpu_before": round(share, 3),
        },
        "versions": {name: version(name) for name in ("torch", "foolbox", "torchattacks")}
        | {"onnxruntime": measured[0]["worker"]["onnxruntime"], "python": platform.python_version()},
    }
    table = markdown(record)
    print(table)
    full = nets == list(NETS) and args.rounds >= 7 and args.batch == 256 and args.compile and not args.busy
    if out := args.out or (ROOT / "reports/acceptance" if full else None):
        out.mkdir(parents=True, exist_ok=True)
        (out / "peers.json").write_text(json.dumps(record, indent=2) + "\n")
        (out / "peers.md").write_text(table)


if __name__ == "__main__":
    main()
