"""A codebook that follows the data by running means (van den Oord et al. 2017, arXiv:1711.00937, appendix A.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Rounds of k-means on the first batch.
ROUNDS = 10


class Codebook(nn.Module):
    """``codes`` vectors of ``width`` numbers. Buffers only: no optimiser moves them, ``learn`` does.

    ``vectors`` (K, D); ``counts`` (K,) and ``sums`` (K, D) are running totals of the vectors that chose each code. A code
    whose count falls below ``revive`` of an even share is put onto a vector of the batch (Dhariwal et al. 2020,
    arXiv:2005.00341)."""

    def __init__(self, codes: int, width: int, decay: float = 0.99, revive: float = 0.1):
        super().__init__()
        self.decay, self.revive = decay, revive
        vectors = torch.randn(codes, width)
        self.register_buffer("vectors", vectors)
        self.register_buffer("counts", torch.ones(codes))
        self.register_buffer("sums", vectors.clone())
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    @property
    def size(self) -> int:
        return len(self.vectors)

    def nearest(self, z: Tensor) -> Tensor:
        """Index (N,) of the nearest code of each vector (N, D)."""
        return _nearest(z, self.vectors)

    def likely(self, z: Tensor, temperature: float) -> Tensor:
        """Probabilities (N, codes) of each code for vectors (N, D): the nearer the likelier. A temperature of 1 is the mean
        squared distance to the nearest."""
        # Lee et al. 2022 (arXiv:2203.01941), section 3.2.3: soft targets and stochastic codes
        with torch.autocast(z.device.type, enabled=False):
            apart = torch.cdist(z.float(), self.vectors.float()).square()
        unit = apart.min(1).values.mean().clamp_min(1e-12)
        return (-apart / (temperature * unit)).softmax(1)

    def forward(self, index: Tensor) -> Tensor:
        """Codes of indices of any shape (..., D)."""
        return self.vectors[index]

    @torch.no_grad()
    def begin(self, z: Tensor, generator: torch.Generator | None = None) -> None:
        """Places the codes by k-means on the first vectors (N, D) they see."""
        centres = _spread(z, self.size, generator)
        for _ in range(ROUNDS):
            index = _nearest(z, centres)
            counts, sums = _totals(z, index, self.size)
            centres = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp_min(1), centres)
        self._place(torch.ones_like(self.counts, dtype=torch.bool), centres, len(z) / self.size)
        self.started.fill_(True)

    @torch.no_grad()
    def learn(self, z: Tensor, generator: torch.Generator | None = None) -> None:
        """Moves every code towards the mean of the vectors (N, D) that choose it; idle codes go where vectors are."""
        z = z.float()
        if not self.started:
            self.begin(z, generator)
        counts, sums = _totals(z, self.nearest(z), self.size)
        # van den Oord et al. 2017, eq. 6 to 8
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        self.vectors.copy_(self.sums / self.counts.clamp_min(1e-6)[:, None])
        even = float(self.counts.mean())
        idle = self.counts < self.revive * even
        self._place(idle, _some(z, self.size, generator), even)

    def _place(self, which: Tensor, vectors: Tensor, count: float) -> None:
        """Puts the codes ``which`` (K,) onto ``vectors`` (K, D), as if an even share had chosen them."""
        self.vectors.copy_(torch.where(which[:, None], vectors, self.vectors))
        self.counts.copy_(torch.where(which, torch.full_like(self.counts, count), self.counts))
        self.sums.copy_(torch.where(which[:, None], vectors * count, self.sums))


def straight_through(z: Tensor, codes: Tensor) -> Tensor:
    """The codes, with the gradient of z."""
    return z + (codes - z).detach()


def _nearest(z: Tensor, vectors: Tensor) -> Tensor:
    # |z - e|^2 without |z|^2, which is the same for every code
    with torch.autocast(z.device.type, enabled=False):
        z, vectors = z.float(), vectors.float()
        return (vectors.square().sum(1) - 2 * z @ vectors.T).argmin(1)


def _totals(z: Tensor, index: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """(how many chose each code (K,), their sums (K, D))."""
    with torch.autocast(z.device.type, enabled=False):
        chosen = nn.functional.one_hot(index, size).to(z.dtype)
        return chosen.sum(0), chosen.T @ z


def _some(z: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """``count`` of the vectors at random, each once before any comes twice."""
    rounds = -(-count // len(z))
    order = torch.cat([torch.randperm(len(z), generator=generator, device=z.device) for _ in range(rounds)])
    return z[order[:count]]


def _spread(z: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """``count`` of the vectors, each likelier the farther it lies from those taken before."""
    # k-means++ (Arthur & Vassilvitskii 2007)
    if len(z) <= count:
        return _some(z, count, generator)
    taken = [int(torch.randint(len(z), (1,), generator=generator, device=z.device))]
    apart = (z - z[taken[0]]).square().sum(1)
    while len(taken) < count:
        taken.append(int(torch.multinomial(apart + 1e-12, 1, generator=generator)))
        apart = torch.minimum(apart, (z - z[taken[-1]]).square().sum(1))
    return z[taken]
