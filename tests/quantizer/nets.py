"""Three tiny float classifiers of CIFAR-10, trained for about a minute, and the files that they become."""

import torch
from torch import nn
from torch.nn import functional as F

BATCH = 128
SEED = 0


def layer(inputs, outputs, stride=1, kernel=3, groups=1):
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def head(channels):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(layer(inputs, outputs, stride), nn.ReLU(), layer(outputs, outputs))
        straight = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if straight else layer(inputs, outputs, stride, kernel=1)

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def separable(inputs, outputs, stride):
    depthwise = layer(inputs, inputs, stride, groups=inputs)
    return nn.Sequential(depthwise, nn.ReLU6(), layer(inputs, outputs, kernel=1), nn.ReLU6())


def cnn():
    body = [layer(3, 16), nn.ReLU(), nn.MaxPool2d(2), layer(16, 32), nn.LeakyReLU(0.1), nn.AvgPool2d(2)]
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(32 * 64, 32), nn.Sigmoid(), nn.Linear(32, 10))


def mobile():
    body = [layer(3, 16, stride=2), nn.ReLU6(), separable(16, 32, 1), separable(32, 64, 2), separable(64, 64, 1)]
    return nn.Sequential(*body, head(64))


def residual():
    body = [layer(3, 12, stride=2), nn.ReLU(), Residual(12, 12, 1), Residual(12, 24, 2), Residual(24, 32, 2)]
    return nn.Sequential(*body, head(32))


NETS = {"cnn": cnn, "mobile": mobile, "residual": residual}


def train(build, images, labels, epochs):
    """A net that has seen `images`, `[N, 3, 32, 32]` in [0, 1], `epochs` times."""
    torch.manual_seed(SEED)
    net = build()
    steps = epochs * (len(images) // BATCH)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.1, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            optimiser.zero_grad()
            F.cross_entropy(net(images[rows]), labels[rows]).backward()
            optimiser.step()
            schedule.step()
    return net.eval()


def export(net, path):
    """Writes the net as ONNX with a batch that is left open."""
    batch = torch.export.Dim("N", min=1, max=4096)
    torch.onnx.export(
        net,
        (torch.zeros(2, 3, 32, 32),),
        path,
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: batch},),
        opset_version=18,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
