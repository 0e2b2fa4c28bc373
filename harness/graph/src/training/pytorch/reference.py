"""Writes reference.json: three training steps of PyTorch, in float64, for each of a few recipes.

usage: python reference.py > reference.json

The network is `residual` of ../tests.rs. Its parameters and statistics are listed in the order of first use; the test
feeds them to step graphs and compares losses, gradient norms, parameters and statistics. Written with the versions that
the file names.
"""

import json
import sys

import numpy
import torch
import torch.nn.functional as F
from torch import nn

BATCH, CLASSES, STEPS = 4, 3, 3
RATES = [0.125, 0.0625, 0.03125]


def exact(value):
    """As a float32 holds it."""
    return float(numpy.float32(value))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        norm = lambda channels: nn.BatchNorm2d(channels, eps=exact(1e-3), momentum=0.1)
        self.stem, self.stem_norm = nn.Conv2d(2, 4, 3, padding=1), norm(4)
        self.depthwise = nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4, bias=False)
        self.depthwise_norm = norm(4)
        self.project, self.project_norm = nn.Conv2d(4, 5, 1, bias=False), norm(5)
        self.shortcut = nn.Conv2d(4, 5, 1, stride=2)
        self.dense = nn.Linear(5, 3)

    def forward(self, x):
        stem = F.relu(self.stem_norm(self.stem(x)))
        y = F.relu6(self.depthwise_norm(self.depthwise(stem)))
        y = self.project_norm(self.project(y)) + self.shortcut(stem)
        return self.dense(F.relu(y).mean(dim=(2, 3)))


def statistics(model):
    norms = [model.stem_norm, model.depthwise_norm, model.project_norm]
    return [value for norm in norms for value in (norm.running_mean, norm.running_var)]


def flat(tensors):
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).tolist()


def standard(model, x, x_adv, y, smoothing):
    logits = model(x)
    return F.cross_entropy(logits, y, label_smoothing=smoothing)


def trades(model, x, x_adv, y, beta):
    """github.com/yaodongyu/TRADES, trades.py."""
    logits = model(x)
    divergence = nn.KLDivLoss(reduction="sum")(F.log_softmax(model(x_adv), dim=1), F.softmax(logits, dim=1))
    return F.cross_entropy(logits, y) + beta * (1.0 / len(x)) * divergence


def mart(model, x, x_adv, y, beta):
    """github.com/YisenWang/MART, mart.py."""
    kl = nn.KLDivLoss(reduction="none")
    logits, logits_adv = model(x), model(x_adv)
    adv_probs = F.softmax(logits_adv, dim=1)
    tmp1 = torch.argsort(adv_probs, dim=1)[:, -2:]
    new_y = torch.where(tmp1[:, -1] == y, tmp1[:, -2], tmp1[:, -1])
    loss_adv = F.cross_entropy(logits_adv, y) + F.nll_loss(torch.log(1.0001 - adv_probs + 1e-12), new_y)
    nat_probs = F.softmax(logits, dim=1)
    true_probs = torch.gather(nat_probs, 1, (y.unsqueeze(1)).long()).squeeze()
    loss_robust = (1.0 / len(x)) * torch.sum(
        torch.sum(kl(torch.log(adv_probs + 1e-12), nat_probs), dim=1) * (1.0000001 - true_probs)
    )
    return loss_adv + float(beta) * loss_robust


LOSSES = {"standard": standard, "trades": trades, "mart": mart}
SGD = {"momentum": 0.9, "nesterov": False}
ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-6}
RECIPES = [
    {"objective": "standard", "number": 0.0, "optimiser": "sgd", **SGD, "momentum": 0.0, "decay": 0.0},
    {"objective": "standard", "number": 0.1, "optimiser": "sgd", **SGD, "decay": 0.01, "decay_all": True},
    {"objective": "trades", "number": 6.0, "optimiser": "sgd", **SGD, "nesterov": True, "decay": 0.01, "clip": 0.5},
    {"objective": "mart", "number": 5.0, "optimiser": "adam", **ADAM, "decay": 0.01, "decay_all": True},
    {"objective": "trades", "number": 1.0, "optimiser": "adamw", **ADAM, "decay": 0.1, "clip": 100.0},
]


def optimiser(model, recipe):
    weights = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() == 1]
    decay = recipe["decay"]
    groups = [
        {"params": weights, "weight_decay": decay},
        {"params": rest, "weight_decay": decay if recipe.get("decay_all") else 0.0},
    ]
    if recipe["optimiser"] == "sgd":
        return torch.optim.SGD(groups, lr=RATES[0], momentum=recipe["momentum"], nesterov=recipe["nesterov"])
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe["optimiser"]]
    return kind(groups, lr=RATES[0], betas=(recipe["beta1"], recipe["beta2"]), eps=recipe["epsilon"])


def grid(shape, low, high, steps=64.0):
    """Random numbers that float32 and a short text hold exactly."""
    draws = torch.rand(shape, dtype=torch.float64) * (high - low) + low
    return (draws * steps).round() / steps


def train(recipe, initial, x, x_adv, labels):
    model = Residual().double().train()
    state = initial.copy()
    with torch.no_grad():
        for tensor in [*model.parameters(), *statistics(model)]:
            count = tensor.numel()
            tensor.copy_(torch.tensor(state[:count], dtype=torch.float64).reshape(tensor.shape))
            state = state[count:]
    steps, losses, norms = optimiser(model, recipe), [], []
    for step in range(STEPS):
        for group in steps.param_groups:
            group["lr"] = RATES[step]
        steps.zero_grad()
        loss = LOSSES[recipe["objective"]](model, x[step], x_adv[step], labels[step], recipe["number"])
        loss.backward()
        clip = recipe.get("clip")
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), clip if clip else float("inf"))))
        steps.step()
        losses.append(float(loss.detach()))
    return {
        **recipe,
        "losses": losses,
        "norms": norms,
        "parameters": flat(model.parameters()),
        "statistics": flat(statistics(model)),
    }


def main():
    torch.manual_seed(0)
    model = Residual().double()
    parameters = [grid(p.shape, -0.6, 0.6) for p in model.parameters()]
    seen = [grid(s.shape, 0.5, 1.5) if index % 2 else grid(s.shape, -0.5, 0.5) for index, s in enumerate(statistics(model))]
    x = grid((STEPS, BATCH, 2, 6, 6), -1, 1)
    x_adv = x + grid(x.shape, -0.25, 0.25)
    labels = torch.randint(0, CLASSES, (STEPS, BATCH))
    document = {
        "versions": {"python": sys.version.split()[0], "torch": torch.__version__, "numpy": numpy.__version__},
        "rates": RATES,
        "x": x.reshape(STEPS, -1).tolist(),
        "x_adv": x_adv.reshape(STEPS, -1).tolist(),
        "labels": labels.tolist(),
        "parameters": flat(parameters),
        "statistics": flat(seen),
    }
    initial = document["parameters"] + document["statistics"]
    document["runs"] = [train(recipe, initial, x, x_adv, labels) for recipe in RECIPES]
    json.dump(document, sys.stdout, separators=(",", ":"))
    print()


main()
