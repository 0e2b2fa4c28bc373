"""What thop, fvcore, ptflops and torchprofile count on networks of the zoo and on single operators, as JSON.

Tinyassay's table of counting conventions is held against this record to the unit: `train/src/zoo/counting.rs` builds the
same networks and operators. Nothing is timed, and no weight matters.
"""

import argparse
import copy
import json
import logging
import platform
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from nets import Residual, folded

ROOT = Path(__file__).resolve().parents[3]


def conv(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1, act: type | None = nn.ReLU, bias: bool = True) -> nn.Sequential:
    """A convolution, batch norm, and an activation. Keras has a bias in front of batch norm, MobileNet-tiny has none."""
    layers = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=bias), nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, *([act()] if act else []))


def head(channels: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]


def resnet8() -> nn.Module:
    blocks = []
    for cin, cout, stride in [(16, 16, 1), (16, 32, 2), (32, 64, 2)]:
        body = nn.Sequential(conv(cin, cout, 3, stride), conv(cout, cout, 3, act=None))
        shortcut = nn.Identity() if stride == 1 else nn.Conv2d(cin, cout, 1, stride)
        blocks.append(Residual(body, shortcut, nn.ReLU()))
    return nn.Sequential(conv(3, 16, 3), *blocks, *head(64, 10))


def mobilenet_tiny(factor: float = 0.35, expand: int = 6) -> nn.Module:
    """MobileNetV2 with a shortcut around every block, a 1x1 convolution where the identity does not fit."""

    def wide(channels: float) -> int:
        rounded = max(8, int(channels + 4) // 8 * 8)
        return rounded if rounded >= 0.9 * channels else rounded + 8

    def unit(cin: int, cout: int, kernel: int, **options) -> nn.Sequential:
        return conv(cin, cout, kernel, bias=False, **options)

    cin = wide(factor * 32)
    layers: list[nn.Module] = [unit(3, cin, 3, act=nn.ReLU6)]
    stages = [(1, 16, 1, 1), (expand, 24, 2, 1), (expand, 32, 3, 2), (expand, 64, 4, 2), (expand, 96, 3, 1)]
    for times, channels, count, first in [*stages, (expand, 160, 3, 2), (6, 320, 1, 1)]:
        for stride in [first] + [1] * (count - 1):
            cout, hidden = wide(factor * channels), cin if times == 1 else wide(times * cin)
            body = [] if times == 1 else [unit(cin, hidden, 1, act=nn.ReLU6)]
            body += [unit(hidden, hidden, 3, stride=stride, groups=hidden, act=nn.ReLU6), unit(hidden, cout, 1, act=None)]
            shortcut = nn.Identity() if stride == 1 and cin == cout else unit(cin, cout, 1, stride=stride, act=None)
            layers.append(Residual(nn.Sequential(*body), shortcut, nn.Identity()))
            cin = cout
    return nn.Sequential(*layers, unit(cin, 1280, 1, act=nn.ReLU6), *head(1280, 10))


def ds_cnn() -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(1, 64, (10, 4), 2), nn.BatchNorm2d(64), nn.ReLU())
    blocks = [m for _ in range(4) for m in (conv(64, 64, 3, groups=64), conv(64, 64, 1))]
    return nn.Sequential(nn.ZeroPad2d((1, 1, 4, 5)), stem, *blocks, *head(64, 12))


def mobilenet_v1(factor: float = 0.25) -> nn.Module:
    widths = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    cin = int(factor * 32)
    layers = [conv(3, cin, 3, 2)]
    for channels, stride in widths:
        cout = int(factor * channels)
        layers += [conv(cin, cin, 3, stride, cin), conv(cin, cout, 1)]
        cin = cout
    return nn.Sequential(*layers, *head(cin, 2))


NETS = {
    "resnet8": (resnet8, (3, 32, 32)),
    "mobilenet-tiny": (mobilenet_tiny, (3, 32, 32)),
    "ds-cnn": (ds_cnn, (1, 49, 10)),
    "mobilenet-v1": (mobilenet_v1, (3, 96, 96)),
}


class Call(nn.Module):
    """A function as a network."""

    def __init__(self, call: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x)


IMAGE = (6, 8, 10)
# One operator each, by the name of its case in counting.rs. Sizes are such that no two ways to count agree by chance.
OPERATORS = {
    "conv": (nn.Conv2d(6, 9, 3), IMAGE),
    "conv-no-bias": (nn.Conv2d(6, 9, 3, bias=False), IMAGE),
    "conv-groups": (nn.Conv2d(6, 9, (3, 5), stride=2, groups=3), IMAGE),
    "conv-1d": (nn.Conv1d(6, 9, 3), (6, 11)),
    "conv-transpose": (nn.ConvTranspose2d(6, 9, 3, stride=2), IMAGE),
    "conv-transpose-groups": (nn.ConvTranspose2d(6, 6, 3, stride=2, groups=3), IMAGE),
    "conv-transpose-groups-wider": (nn.ConvTranspose2d(6, 9, 3, stride=2, groups=3), IMAGE),
    "dense": (nn.Linear(7, 5), (7,)),
    "dense-no-bias": (nn.Linear(7, 5, bias=False), (7,)),
    "dense-3d": (nn.Linear(7, 5), (4, 7)),
    "matmul": (Call(lambda x: torch.matmul(x, x.transpose(1, 2))), (4, 7)),
    "einsum": (Call(lambda x: torch.einsum("ncp,ncq->npq", x, x)), (4, 7)),
    "batch-norm": (nn.BatchNorm2d(6), IMAGE),
    "instance-norm": (nn.InstanceNorm2d(6, affine=True), IMAGE),
    "layer-norm": (nn.LayerNorm(10), IMAGE),
    "relu": (nn.ReLU(), IMAGE),
    "relu6": (nn.ReLU6(), IMAGE),
    "hardtanh": (nn.Hardtanh(), IMAGE),
    "leaky-relu": (nn.LeakyReLU(0.1), IMAGE),
    "prelu": (nn.PReLU(6), IMAGE),
    "elu": (nn.ELU(), IMAGE),
    "selu": (nn.SELU(), IMAGE),
    "gelu": (nn.GELU(), IMAGE),
    "hard-sigmoid": (nn.Hardsigmoid(), IMAGE),
    "sigmoid": (nn.Sigmoid(), IMAGE),
    "tanh": (nn.Tanh(), IMAGE),
    "softplus": (nn.Softplus(), IMAGE),
    "softmax": (nn.Softmax(-1), (4, 7)),
    "log-softmax": (nn.LogSoftmax(-1), (4, 7)),
    "max-pool": (nn.MaxPool2d(2), IMAGE),
    "average-pool": (nn.AvgPool2d(2), IMAGE),
    "average-pool-1d": (nn.AvgPool1d(2), (6, 8)),
    "global-average-pool": (nn.AdaptiveAvgPool2d(1), IMAGE),
    "global-average-pool-1d": (nn.AdaptiveAvgPool1d(1), (6, 8)),
    "global-max-pool": (nn.AdaptiveMaxPool2d(1), IMAGE),
    "mean": (Call(lambda x: x.mean((2, 3))), IMAGE),
    "sum": (Call(lambda x: x.sum((2, 3))), IMAGE),
    "add": (Call(lambda x: x + x), IMAGE),
    "mul": (Call(lambda x: x * x), IMAGE),
    "sub": (Call(lambda x: x - x), IMAGE),
    "div": (Call(lambda x: x / x), IMAGE),
    "concat": (Call(lambda x: torch.cat([x, x], 1)), IMAGE),
    "pad": (nn.ZeroPad2d(1), IMAGE),
    "resize-nearest": (nn.Upsample(scale_factor=2, mode="nearest"), IMAGE),
    "resize-nearest-1d": (nn.Upsample(scale_factor=2, mode="nearest"), (6, 8)),
    "resize-linear": (nn.Upsample(scale_factor=2, mode="linear"), (6, 8)),
    "resize-bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE),
    "resize-bicubic": (nn.Upsample(scale_factor=2, mode="bicubic"), IMAGE),
}


def thop_counts(net: nn.Module, x: Tensor) -> int:
    import thop

    return round(thop.profile(net, (x,), verbose=False)[0])


def fvcore_counts(net: nn.Module, x: Tensor) -> int:
    from fvcore.nn import FlopCountAnalysis

    return round(FlopCountAnalysis(net, (x,)).unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def ptflops_counts(net: nn.Module, x: Tensor) -> int:
    from ptflops import get_model_complexity_info

    options = {"as_strings": False, "print_per_layer_stat": False, "backend": "pytorch"}
    return int(get_model_complexity_info(net, tuple(x.shape[1:]), **options)[0])


def torchprofile_counts(net: nn.Module, x: Tensor) -> int:
    from torchprofile import profile_macs

    return int(profile_macs(net, (x,)))


TOOLS = {
    "thop": thop_counts,
    "fvcore": fvcore_counts,
    "ptflops": ptflops_counts,
    "torchprofile": torchprofile_counts,
}


def counts(net: nn.Module, row: tuple[int, ...]) -> dict[str, int]:
    """What each tool counts for one row. The tools leave hooks behind, so that each gets a copy."""
    return {tool: count(copy.deepcopy(net).eval(), torch.zeros(1, *row)) for tool, count in TOOLS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "reports/acceptance/counts.json")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    networks = []
    for name, (make, row) in NETS.items():
        net = make().eval()
        networks.append({"net": name, "row": row, "counts": counts(net, row), "folded": counts(folded(net), row)})
    operators = [
        {"case": name, "module": "a function" if isinstance(net, Call) else repr(net), "row": row, "counts": counts(nn.Sequential(net), row)}
        for name, (net, row) in OPERATORS.items()
    ]
    record = {
        "id": "counts",
        "claim": "what each tool counts for one row of a network as it is and with batch norm folded, and for single operators",
        "numbers": {"networks": networks, "operators": operators},
        "versions": {name: version(name) for name in (*TOOLS, "torch")} | {"python": platform.python_version()},
    }
    for entry in networks:
        print(entry["net"], entry["counts"], "folded", entry["folded"], file=sys.stderr)
    for entry in operators:
        print(entry["case"], entry["counts"], file=sys.stderr)
    args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
