"""The networks that are measured: random He weights, batch-norm statistics from data, folded for PyTorch."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def conv(cin: int, cout: int, kernel: int | tuple, stride: int = 1, groups: int = 1, act: type | None = nn.ReLU) -> nn.Sequential:
    pad = tuple(k // 2 for k in (kernel if isinstance(kernel, tuple) else (kernel, kernel)))
    layers = [nn.Conv2d(cin, cout, kernel, stride, pad, groups=groups, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, *([act()] if act else []))


class Residual(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut, self.act = body, shortcut, act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.shortcut(x) + self.body(x))


def head(channels: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]


def resnet8() -> nn.Module:
    """MLPerf Tiny's image classifier: three residual stages of 16, 32 and 64 channels."""
    blocks = []
    for cin, cout, stride in [(16, 16, 1), (16, 32, 2), (32, 64, 2)]:
        body = nn.Sequential(conv(cin, cout, 3, stride), conv(cout, cout, 3, act=None))
        shortcut = nn.Identity() if stride == 1 else nn.Conv2d(cin, cout, 1, stride)
        blocks.append(Residual(body, shortcut, nn.ReLU()))
    return nn.Sequential(conv(3, 16, 3), *blocks, *head(64, 10))


def mobilenet_v2() -> nn.Module:
    """MobileNetV2 of width 0.35 with the strides that are usual for 32x32 pictures."""

    def width(channels: int) -> int:
        wanted = 0.35 * channels
        rounded = max(8, int(wanted + 4) // 8 * 8)
        return rounded if rounded >= 0.9 * wanted else rounded + 8

    layers: list[nn.Module] = [conv(3, width(32), 3, act=nn.ReLU6)]
    cin = width(32)
    stages = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expand, channels, count, first in stages:
        for stride in [first] + [1] * (count - 1):
            cout, hidden = width(channels), cin * expand
            block = [conv(cin, hidden, 1, act=nn.ReLU6)] if expand > 1 else []
            block += [conv(hidden, hidden, 3, stride, hidden, nn.ReLU6), conv(hidden, cout, 1, act=None)]
            body = nn.Sequential(*block)
            layers.append(Residual(body, nn.Identity(), nn.Identity()) if stride == 1 and cin == cout else body)
            cin = cout
    return nn.Sequential(*layers, conv(cin, 1280, 1, act=nn.ReLU6), *head(1280, 10))


def ds_cnn(channels: int, kernel: int | tuple, classes: int) -> nn.Module:
    """MLPerf Tiny's keyword spotter: a strided convolution and four depthwise-separable blocks of 64 channels."""
    blocks = [m for _ in range(4) for m in (conv(64, 64, 3, groups=64), conv(64, 64, 1))]
    return nn.Sequential(conv(channels, 64, kernel, 2), *blocks, *head(64, classes))


NETS = {
    "resnet8": (resnet8, (3, 32, 32)),
    "mobilenetv2-0.35": (mobilenet_v2, (3, 32, 32)),
    "ds-cnn": (lambda: ds_cnn(1, (10, 4), 12), (1, 49, 10)),
    "ds-cnn-32": (lambda: ds_cnn(3, 3, 10), (3, 32, 32)),
}


@torch.no_grad()
def build(name: str, batch: int) -> tuple[nn.Module, Tensor, Tensor]:
    """A network in eval mode, rows in [0, 1), and its own predictions on them.

    The last layer is scaled so that class 0 leads every row by about 5 while logits vary by 0.1: the softmax stays far
    from saturation, and an attack works on nearly every row to the last step.
    """
    torch.manual_seed(0)
    make, row = NETS[name]
    net, x = make(), torch.rand(batch, *row)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # The running statistics are the mean over all batches.
    net.train()(torch.rand(batch, *row))
    net.eval()
    last = net[-1]
    logits = net(x)
    last.weight /= 10 * logits.std(0).mean()
    last.bias.copy_(last.bias * 0 - (net(x) - last.bias).mean(0))
    last.bias[0] += 5
    return net, x, net(x).argmax(1)


def folded(net: nn.Module) -> nn.Module:
    """A copy as fast as PyTorch can have it: batch norm folded, no gradient with respect to parameters."""
    net = copy.deepcopy(net)
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            for at in range(len(module) - 1):
                if isinstance(module[at], nn.Conv2d) and isinstance(module[at + 1], nn.BatchNorm2d):
                    module[at], module[at + 1] = fuse_conv_bn_eval(module[at], module[at + 1]), nn.Identity()
    return net.requires_grad_(False)
