"""The networks that are exported: families of torchvision and timm, small nets of our own, and one net for each operator."""

from collections.abc import Callable
from dataclasses import dataclass

import timm
import torch
import torchvision.models as tv
from torch import Tensor, nn

CLASSES = 10


@dataclass
class Case:
    """A network and the shape of its rows. `fixed`: it is exported with a fixed batch of 1 too."""

    name: str
    make: Callable[[], nn.Module]
    row: tuple[int, ...] = (3, 32, 32)
    fixed: bool = False


class Apply(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def around(*layers: nn.Module, channels: int = 16, then: int = 16) -> nn.Sequential:
    """A small picture classifier with `layers` in the middle, which get 16 channels of 8x8 and leave `then`."""
    stem = [nn.Conv2d(3, channels, 3, 2, 1), nn.BatchNorm2d(channels), nn.Tanh(), nn.Conv2d(channels, channels, 3, 2, 1)]
    return nn.Sequential(*stem, *layers, nn.Conv2d(then, 16, 1), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES))


def tokens(*layers: nn.Module, width: int = 16) -> nn.Sequential:
    """A small classifier with `layers` in the middle, which get 64 tokens of 16 and leave tokens of `width`."""
    stem = [nn.Conv2d(3, 16, 4, 4), nn.Flatten(2), Apply(lambda x: x.transpose(1, 2))]
    return nn.Sequential(*stem, *layers, Apply(lambda x: x.mean(1)), nn.Linear(width, CLASSES))


class UNet(nn.Module):
    """Down, up, joined by concatenation, then classified."""

    def __init__(self, up: nn.Module) -> None:
        super().__init__()
        block = lambda cin, cout: nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU())
        self.down, self.deep, self.up, self.join = block(3, 16), block(16, 32), up, block(16 + 32, 16)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x)
        deep = self.up(self.deep(nn.functional.max_pool2d(skip, 2)))
        return self.head(self.join(torch.cat([skip, deep], 1)))


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attention(x, x, x, need_weights=False)[0]


class Einsum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 16, 8) / 4)

    def forward(self, x: Tensor) -> Tensor:
        heads = torch.einsum("ntc,hcd->nhtd", x, self.weight)
        scores = torch.einsum("nhtd,nhsd->nhts", heads, heads).softmax(-1)
        return torch.einsum("nhts,nhsd->nthd", scores, heads).flatten(2)


def conv1d(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm1d(cout), nn.ReLU())


def ds_cnn_1d() -> nn.Module:
    blocks = [m for _ in range(3) for m in (conv1d(32, 32, 9, groups=32), conv1d(32, 32, 1))]
    return nn.Sequential(conv1d(40, 32, 5, 2), *blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, CLASSES))


def m5() -> nn.Module:
    """Convolutions on the waveform itself, with pooling."""
    layers = [conv1d(1, 16, 81, 4), nn.MaxPool1d(4), conv1d(16, 16, 3), nn.AvgPool1d(2), conv1d(16, 32, 3), nn.MaxPool1d(4, ceil_mode=True)]
    return nn.Sequential(*layers, Apply(lambda x: x.mean(2)), nn.Linear(32, CLASSES))


def vit() -> nn.Module:
    return timm.models.VisionTransformer(img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=4, num_classes=CLASSES)


def densenet() -> nn.Module:
    return tv.DenseNet(growth_rate=12, block_config=(2, 3, 2), num_init_features=16, num_classes=CLASSES)


FAMILIES = [
    Case("mobilenet_v2", lambda: tv.mobilenet_v2(num_classes=CLASSES, width_mult=0.5), fixed=True),
    Case("mobilenet_v3_small", lambda: tv.mobilenet_v3_small(num_classes=CLASSES)),
    Case("shufflenet_v2_x0_5", lambda: tv.shufflenet_v2_x0_5(num_classes=CLASSES), fixed=True),
    Case("squeezenet1_1", lambda: tv.squeezenet1_1(num_classes=CLASSES)),
    Case("mnasnet0_5", lambda: tv.mnasnet0_5(num_classes=CLASSES)),
    Case("efficientnet_lite0", lambda: timm.create_model("efficientnet_lite0", num_classes=CLASSES), (3, 48, 48)),
    Case("tf_efficientnet_lite0", lambda: timm.create_model("tf_efficientnet_lite0", num_classes=CLASSES), (3, 48, 48)),
    Case("densenet", densenet),
    Case("regnet_x_400mf", lambda: tv.regnet_x_400mf(num_classes=CLASSES)),
    Case("regnet_y_400mf", lambda: tv.regnet_y_400mf(num_classes=CLASSES)),
    Case("resnet18", lambda: tv.resnet18(num_classes=CLASSES)),
    Case("vit", vit, fixed=True),
    Case("convnext_atto", lambda: timm.create_model("convnext_atto", num_classes=CLASSES)),
    Case("ghostnet_050", lambda: timm.create_model("ghostnet_050", num_classes=CLASSES)),
    Case("mobileone_s0", lambda: timm.create_model("mobileone_s0", num_classes=CLASSES)),
    Case("unet-transpose", lambda: UNet(nn.ConvTranspose2d(32, 32, 2, 2)), fixed=True),
    Case("unet-nearest", lambda: UNet(nn.Upsample(scale_factor=2))),
    Case("unet-bilinear", lambda: UNet(nn.Upsample(scale_factor=2, mode="bilinear"))),
    Case("ds-cnn-1d", ds_cnn_1d, (40, 49), fixed=True),
    Case("m5-1d", m5, (1, 1000)),
]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "prelu": lambda: nn.PReLU(16),
    "elu": nn.ELU,
    "selu": nn.SELU,
    "celu": lambda: nn.CELU(0.7),
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "gelu": nn.GELU,
    "gelu-tanh": lambda: nn.GELU("tanh"),
    "leaky-relu": lambda: nn.LeakyReLU(0.1),
    "log-sigmoid": nn.LogSigmoid,
}

OPERATORS: list[Case] = [
    Case("group-norm", lambda: around(nn.GroupNorm(4, 16))),
    Case("instance-norm", lambda: around(nn.InstanceNorm2d(16, affine=True))),
    Case("layer-norm", lambda: tokens(nn.LayerNorm(16))),
    Case("rms-norm", lambda: tokens(nn.RMSNorm(16))),
    Case("local-response-norm", lambda: around(nn.LocalResponseNorm(5, alpha=0.1))),
    Case("pixel-shuffle", lambda: around(nn.PixelShuffle(2), then=4)),
    Case("pixel-unshuffle", lambda: around(nn.PixelUnshuffle(2), then=64)),
    Case("channel-shuffle", lambda: around(nn.ChannelShuffle(4))),
    Case("upsample-nearest", lambda: around(nn.Upsample(scale_factor=3))),
    Case("upsample-bilinear", lambda: around(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True))),
    Case("upsample-bicubic", lambda: around(nn.Upsample(scale_factor=2, mode="bicubic"))),
    Case("reflect-pad", lambda: around(nn.ReflectionPad2d(1))),
    Case("adaptive-pool", lambda: around(nn.AdaptiveAvgPool2d(2))),
    Case("max-pool-ceil", lambda: around(nn.MaxPool2d(3, 2, ceil_mode=True))),
    Case("lp-pool", lambda: around(Apply(torch.abs), nn.LPPool2d(2, 2))),
    Case("global-max", lambda: around(Apply(lambda x: x * x.amax((2, 3), keepdim=True)))),
    Case("glu", lambda: around(nn.GLU(1), then=8)),
    Case("split", lambda: around(Apply(lambda x: torch.cat(torch.split(x, [3, 5, 8], 1)[::-1], 1)))),
    Case("roll", lambda: around(Apply(lambda x: torch.roll(x, 3, 2)))),
    Case("flip", lambda: around(Apply(lambda x: x + x.flip(3)))),
    Case("power", lambda: around(Apply(lambda x: (1 + x.abs()) ** 1.5))),
    Case("std", lambda: around(Apply(lambda x: x / (x.std((2, 3), keepdim=True) + 0.1)))),
    Case("l2-normalize", lambda: tokens(Apply(lambda x: nn.functional.normalize(x, dim=-1)))),
    Case("logsumexp", lambda: tokens(Apply(lambda x: x - x.logsumexp(-1, keepdim=True)))),
    Case("trigonometry", lambda: tokens(Apply(lambda x: torch.cat([x.sin(), x.cos(), x.atan()], -1)), width=48)),
    Case("attention", lambda: tokens(SelfAttention()), fixed=True),
    Case("einsum", lambda: tokens(Einsum(), width=32)),
    Case("cumsum", lambda: tokens(Apply(lambda x: torch.cumsum(x, 1) / 8))),
    Case("topk", lambda: tokens(Apply(lambda x: torch.topk(x, 5, dim=1).values))),
    Case("sort", lambda: tokens(Apply(lambda x: torch.sort(x, dim=1).values[:, ::3]))),
    Case("batch-norm-1d", lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, CLASSES)), (3, 8, 8)),
]

CASES = FAMILIES + [Case(name, lambda act=act: around(act())) for name, act in ACTIVATIONS.items()] + OPERATORS
