"""A judge of captioned pictures that is no part of the product: a small network of its own that tells colour, place and shape.

It is trained on other renderings of a set than any model is; what it says of real ones that it never saw is stated beside what
it says of samples.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import captioned_sets
import numpy as np
import torch
from captioned_sets import FACTORS
from torch import nn

#: Seeds that no model's data have.
TAUGHT, TESTED = 1001, 1002
PICTURES, ROUNDS, BATCH = 8000, 8, 100


class Judge(nn.Module):
    """Pictures (N, 3, 32, 32) in [-1, 1] -> scores of each factor."""

    def __init__(self, name: str):
        super().__init__()
        words = captioned_sets.SETS[name]
        sides = (3, 32, 64, 96, 128)
        self.name = name
        self.body = nn.Sequential(*(layer for a, b in pairwise(sides) for layer in _block(a, b)), nn.Flatten())
        self.heads = nn.ModuleList(nn.Linear(128 * 4, len(words.of(factor))) for factor in FACTORS)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        told = self.body(x)
        return [head(told) for head in self.heads]


def _block(a: int, b: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)


def _items(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.moveaxis(pictures, -1, 1).astype(np.float32) / 127.5 - 1)


@cache
def trained(name: str) -> Judge:
    """The judge of a set; the same on every call."""
    made = captioned_sets.make(name, PICTURES, TAUGHT)
    x, y = _items(made.pictures), torch.from_numpy(made.factors)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judge = Judge(name)
        optimiser = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=1e-2)
        falling = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=ROUNDS * PICTURES // BATCH)
        for _ in range(ROUNDS):
            for rows in torch.randperm(len(x)).split(BATCH):
                noisy = x[rows] + 0.1 * torch.rand(len(rows), 1, 1, 1) * torch.randn(len(rows), *x.shape[1:])
                loss = sum(nn.functional.cross_entropy(s, y[rows, i]) for i, s in enumerate(judge(noisy)))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                falling.step()
    return judge.eval()


def judged(name: str, pictures: np.ndarray, factors: np.ndarray) -> dict[str, float]:
    """Shares of pictures uint8 (N, 32, 32, 3) that show the factors (N, 3) asked for, and all of them ("joint")."""
    judge = trained(name)
    with torch.no_grad():
        seen = torch.stack([scores.argmax(1) for scores in judge(_items(pictures))], 1).numpy()
    right = seen == factors
    return {factor: float(right[:, i].mean()) for i, factor in enumerate(FACTORS)} | {"joint": float(right.all(1).mean())}


def on_real(name: str, count: int = 1000) -> dict[str, float]:
    """The same of real pictures that neither a model nor the judge has seen."""
    real = captioned_sets.make(name, count, TESTED, kept_back=True)
    return judged(name, real.pictures, real.factors)
