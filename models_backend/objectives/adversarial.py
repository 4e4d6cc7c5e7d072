"""Adversarial losses on scores, the penalties that keep them steady, and a look ahead at the other player's steps.

Scores stay logits: log(sigmoid) is always taken as softplus, which neither saturates nor overflows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from . import twice

# ------------------------------------------------------------------------------------------------ games


class NonSaturating(msgspec.Struct, frozen=True, tag="non_saturating"):
    """The generator makes its items look real: its slope is largest where it does badly (Goodfellow et al. 2014)."""

    title: ClassVar[str] = "Non-saturating"


class Minimax(msgspec.Struct, frozen=True, tag="minimax"):
    """The generator undoes what the discriminator does, sign for sign: its slope dies where it does badly (eq. 1)."""


class Hinge(msgspec.Struct, frozen=True, tag="hinge"):
    """Scores beyond a margin of one count no more (Lim & Ye 2017, Miyato et al. 2018)."""


class LeastSquares(msgspec.Struct, frozen=True, tag="least_squares"):
    """Scores are drawn to 1 for real and 0 for made (Mao et al. 2017)."""

    title: ClassVar[str] = "Least squares"


Game = NonSaturating | Minimax | Hinge | LeastSquares
NON_SATURATING = NonSaturating()


def on_real(game: Game, score: Tensor) -> Tensor:
    """What each score (B,) of an item costs the discriminator that should call it real."""
    if isinstance(game, Hinge):
        return F.relu(1.0 - score)  # Miyato et al. 2018 (arXiv:1802.05957), eq. 16
    if isinstance(game, LeastSquares):
        return 0.5 * (score - 1.0).square()  # Mao et al. 2017 (arXiv:1611.04076), eq. 2 and 9, with b = c = 1, a = 0
    return F.softplus(-score)


def on_fake(game: Game, score: Tensor) -> Tensor:
    """What each score (B,) of an item costs the discriminator that should call it made."""
    if isinstance(game, Hinge):
        return F.relu(1.0 + score)
    if isinstance(game, LeastSquares):
        return 0.5 * score.square()
    return F.softplus(score)


def discriminator_loss(real: Tensor, fake: Tensor, smoothing: float = 0.0, game: Game = NON_SATURATING,
                       swapped: tuple[Tensor, Tensor] | None = None) -> Tensor:  # fmt: skip
    """Mean cost of scores (B,) of real and made items; for the original game -E log D(x) - E log(1 - D(G(z))).

    ``smoothing``: real labels are 1 - smoothing, those of made items stay 0. ``swapped``: two masks (B,) of the real and the
    made items whose labels are turned round."""
    # Goodfellow et al. 2014 (arXiv:1406.2661), eq. 1; one-sided smoothing: Salimans et al. 2016 (arXiv:1606.03498), 3.4
    of_real = (1.0 - smoothing) * on_real(game, real) + smoothing * on_fake(game, real)
    of_fake = on_fake(game, fake)
    if swapped is not None:
        of_real = torch.where(swapped[0], on_fake(game, real), of_real)
        of_fake = torch.where(swapped[1], on_real(game, fake), of_fake)
    return of_real.mean() + of_fake.mean()


def generator_loss(fake: Tensor, game: Game = NON_SATURATING) -> Tensor:
    """Mean cost of the scores (B,) of made items; for the non-saturating game -E log D(G(z))."""
    # Goodfellow et al. 2014, section 3
    if isinstance(game, Minimax):
        return -F.softplus(fake).mean()
    return -fake.mean() if isinstance(game, Hinge) else on_real(game, fake).mean()


def hinge_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))), halved; over logits of any shape."""
    # Lim & Ye 2017 (arXiv:1705.02894), eq. 10; halved as in Esser et al. 2021 (arXiv:2012.09841)
    return 0.5 * discriminator_loss(real, fake, game=Hinge())


def hinge_generator_loss(fake: Tensor) -> Tensor:
    """-E D(G(z)): linear, so that it never saturates."""
    return -fake.mean()


def balance(reconstruction: Tensor, adversarial: Tensor, last: Tensor, most: float = 1e4) -> Tensor:
    """How much the adversarial loss must weigh to move the ``last`` weight as far as the reconstruction does; detached."""
    # Esser et al. 2021 (arXiv:2012.09841), eq. 7
    (towards,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
    (against,) = torch.autograd.grad(adversarial, last, retain_graph=True)
    return (towards.norm() / (against.norm() + 1e-4)).clamp(0.0, most).detach()


def feature_distance(real: Tensor, fake: Tensor) -> Tensor:
    """|E f(x) - E f(G(z))|^2 of features (B, F)."""
    # Salimans et al. 2016 (arXiv:1606.03498), section 3.1
    return (real.mean(0) - fake.mean(0)).square().sum()


def belief(game: Game, score: Tensor) -> Tensor:
    """Scores (B,) as shares of certainty that an item is real; one half where nothing can be told."""
    return score.clamp(0.0, 1.0) if isinstance(game, LeastSquares) else score.sigmoid()


def accuracy(real: Tensor, fake: Tensor, middle: float = 0.0) -> Tensor:
    """Share of items that the scores put on the right side of ``middle``; 0.5 is what a perfect generator leaves."""
    return 0.5 * ((real > middle).float().mean() + (fake < middle).float().mean())


def middle(game: Game) -> float:
    """The score between real and made."""
    return 0.5 if isinstance(game, LeastSquares) else 0.0


# ------------------------------------------------------------------------------------------------ slopes

Judge = Callable[[Tensor], Tensor]


def slopes(judge: Judge, x: Tensor) -> Tensor:
    """|grad_x judge(x)| of each item, (B,), through which gradients flow on to the judge's weights."""
    x = x.detach().requires_grad_(True)
    with twice.differentiable():
        said = judge(x).sum()
    (slope,) = torch.autograd.grad(said, x, create_graph=True)
    return slope.flatten(1).square().sum(1).clamp_min(1e-24).sqrt()


def r1_penalty(discriminator: Judge, x: Tensor) -> Tensor:
    """E |grad_x D(x)|^2 on real items, of the logit; multiply by gamma / 2."""
    # Mescheder et al. 2018 (arXiv:1801.04406), eq. 9
    x = x.detach().requires_grad_(True)
    with twice.differentiable():
        said = discriminator(x).sum()
    (slope,) = torch.autograd.grad(said, x, create_graph=True)
    return slope.flatten(1).square().sum(1).mean()


def interpolates(real: Tensor, fake: Tensor, generator: torch.Generator | None) -> Tensor:
    """A random place on the line between each pair of items (B, ...)."""
    # Gulrajani et al. 2017 (arXiv:1704.00028), algorithm 1, line 6
    share = torch.rand((len(real), *[1] * (real.ndim - 1)), generator=generator, device=real.device)
    return share * real + (1.0 - share) * fake


def slope_penalty(slope: Tensor, one_sided: bool = False) -> Tensor:
    """E (|grad f| - 1)^2 of slopes (B,); one-sided only those above one count."""
    # Gulrajani et al. 2017, eq. 3; one-sided: Petzka et al. 2018 (arXiv:1709.08894), eq. 8
    off = slope - 1.0
    return (off.clamp_min(0.0) if one_sided else off).square().mean()


# ------------------------------------------------------------------------------------------------ looking ahead


def unrolled(
    judge: nn.Module, loss: Callable[[Callable[..., Tensor]], Tensor], steps: int, rate: float
) -> Callable[..., Tensor]:
    """The judge as it will be after ``steps`` gradient steps on ``loss`` (a function of the judge). The weights of ``judge``
    stay as they are, and what it will say can be differentiated through the steps."""
    # Metz et al. 2017 (arXiv:1611.02163), eq. 4 to 7
    names, weights = zip(*judge.named_parameters(), strict=True)
    for _ in range(steps):
        now = loss(_with(judge, names, weights))
        gradients = torch.autograd.grad(now, weights, create_graph=True, allow_unused=True, materialize_grads=True)
        weights = tuple(w - rate * g for w, g in zip(weights, gradients, strict=True))
    return _with(judge, names, weights)


def _with(judge: nn.Module, names: tuple[str, ...], weights: tuple[Tensor, ...]) -> Callable[..., Tensor]:
    def ask(*given: Tensor) -> Tensor:
        with twice.differentiable():
            return functional_call(judge, dict(zip(names, weights, strict=True)), given)

    return ask


# ------------------------------------------------------------------------------------------------ what the judge is shown


def at_levels(x: Tensor, levels: Tensor) -> Tensor:
    """Values of any shape moved to the nearest of ``levels`` (rising), with the gradient of x."""
    # Bengio et al. 2013 (arXiv:1308.3432), the straight-through estimator
    x = x.float()
    nearest = levels[torch.bucketize(x.detach(), 0.5 * (levels[1:] + levels[:-1]))]
    return x + (nearest - x).detach()


def shifted(x: Tensor, generator: torch.Generator | None, share: float = 0.125, often: float = 1.0) -> Tensor:
    """Each picture (B, C, H, W) moved by up to ``share`` of its side, edges repeated; gradients flow through. ``often``: the
    share of pictures that are moved, the others stay."""
    # Zhao et al. 2020 (arXiv:2006.10738), "translation"; edges repeat so that no false border appears
    b, _, h, w = x.shape
    chosen = None if often >= 1 else torch.rand((b, 1), generator=generator, device=x.device) < often
    rows = _moved(b, h, share, generator, x.device, chosen)
    columns = _moved(b, w, share, generator, x.device, chosen)
    item = torch.arange(b, device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[item, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _moved(batch: int, side: int, share: float, generator: torch.Generator | None, device: torch.device,
           chosen: Tensor | None) -> Tensor:  # fmt: skip
    most = max(1, round(side * share))
    move = torch.randint(-most, most + 1, (batch, 1), generator=generator, device=device)
    move = move if chosen is None else move * chosen
    return (torch.arange(side, device=device)[None] + move).clamp(0, side - 1)
