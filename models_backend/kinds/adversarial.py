"""The body of every family in which a generator learns from a network that judges its items.

``Adversarial``: latents, the way from latent to item, two time scales, what is told of held-out items. ``Contest``: the
losses of those whose judge tells real from made. A family's file subclasses one of them and declares itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import torch
from torch import Tensor

from models_backend.contract.family import Batch, Family, Loss, Sharing
from models_backend.contract.fields import Field, When
from models_backend.contract.messages import TroubleError
from models_backend.contract.trace import Step
from models_backend.networks.bodies import Auto, Body, Conv, Mlp, attention_problems, body_problems
from models_backend.networks.critic import Generator
from models_backend.objectives import adversarial
from models_backend.objectives.coverage import coverage, recall, spread
from models_backend.samplers.latent_path import InterpolationPoints, InterpolationSeed, latent_path, origin

#: Fields of a family's Config.
Latent = Annotated[int, Field("Dimensions of the latent", low=1, high=2048)]
GeneratorBody = Annotated[Auto | Mlp | Conv, Field("Network from latent to item")]
Attention = Annotated[
    int, Field("Side of the maps with self-attention in convolutional networks; 0 none "
               "(Zhang et al. 2019)", low=0, high=64)
]  # fmt: skip
GeneratorNorm = Annotated[Literal["none", "group", "batch"], Field("Normalisation in a convolutional generator")]
Shifts = Annotated[
    bool, Field("Random translation of real and generated pictures (DiffAugment, Zhao et al. 2020): helps small data sets")
]
ShiftedShare = Annotated[
    float, Field("Share of the pictures that are shifted: below .8 the generator does not take shifts for the data's own "
                 "(Karras et al. 2020)", low=0.0, high=1.0, when=When("shifts", (True,), "shifts are off"))
]  # fmt: skip
AtLevels = Annotated[
    bool, Field("Show made pictures at the grey levels that the data hold, where these are few, as they will be kept; "
                "gradients pass straight through", title="At the data's levels", needs="image")
]  # fmt: skip
Beta1 = Annotated[float, Field("Adam's decay of the first moment, for both networks", low=0.0, high=0.999)]
Beta2 = Annotated[float, Field("Adam's decay of the second moment", low=0.0, high=0.99999)]
#: Those of a discriminator that tells real from made.
DiscriminatorBody = Annotated[Auto | Mlp | Conv, Field("Network from item to real-or-fake")]
DiscriminatorRate = Annotated[
    float, Field("The discriminator's learning rate over the generator's: two time scales (Heusel et al. 2017)",
                 low=0.01, high=100.0, scale="log")
]  # fmt: skip
SpectralNorm = Annotated[bool, Field("Spectral normalisation of the discriminator's layers (Miyato et al. 2018)")]
LabelSmoothing = Annotated[
    float, Field("One-sided label smoothing: how far the target of real items lies below 1", low=0.0, high=0.5)
]
LabelFlips = Annotated[float, Field("Share of items, real and generated, with flipped labels", low=0.0, high=0.5)]
Game = Annotated[
    adversarial.Game, Field("Loss of the two networks on the scores of real and generated items", title="Adversarial loss")
]


class NoPenalty(msgspec.Struct, frozen=True, tag="none"):
    """The plain game: it may forget modes."""


class R1(msgspec.Struct, frozen=True, tag="r1"):
    """Penalty on the discriminator's slope at real items: the game converges (Mescheder et al. 2018)."""

    gamma: Annotated[float, Field("Weight", low=0.0, high=1000.0, scale="log")] = 1.0
    every: Annotated[int, Field("Steps between penalties, each weighing that much more", low=1, high=64)] = 1


Penalty = Annotated[NoPenalty | R1, Field("Penalty on the discriminator's gradient", title="Gradient penalty")]


class Sampling(msgspec.Struct, frozen=True):
    """Drawing latents and making items in one pass."""

    truncation: Annotated[
        float, Field("Scale of the latents (truncation trick); below 1 safer and less varied", low=0.0, high=2.0)
    ] = 1.0
    interpolation_points: InterpolationPoints = 24
    interpolation_seed: InterpolationSeed = 0


class Adversarial(Family):
    """Networks: "generator" and the one named by ``judge``, after which two fields of ``Config`` are named: its body
    (``<judge>``) and its share of the learning rate (``<judge>_rate``). The others: latent, generator, generator_norm,
    attention, shifts, shifted_share, at_levels, beta1, beta2."""

    judge: ClassVar[str] = "discriminator"

    # networks -----------------------------------------------------------------------------------------
    def networks(self) -> dict[str, Any]:
        return {self.judge: self.judge_network(), "generator": self.generator_network()}

    def generator_network(self) -> Any:
        """A fresh network from latents to items."""
        return self.generator_body()

    def judge_network(self) -> Any:
        """A fresh network from items to scores."""
        raise NotImplementedError

    def generator_body(self, told: int = 0, doublings: int = 0) -> Generator:
        """The network of ``Config.generator`` from latents, and ``told`` numbers beside them, to items; their side doubles
        so often while it trains."""
        c = self.config
        bounded = self.spec.modality == "image"
        return Generator(c.generator, c.latent + told, self.spec.shape, c.generator_norm, bounded, c.attention, doublings)

    def problems(self) -> list[str]:
        bodies: dict[str, Body] = {"generator": self.config.generator, self.judge: getattr(self.config, self.judge)}
        found = [p for name, body in bodies.items() for p in body_problems(body, self.spec.shape, name)]
        found += [p for name, body in bodies.items()
                  for p in attention_problems(body, self.spec.shape, self.config.attention, name)]  # fmt: skip
        if self.config.shifts and self.spec.modality != "image":
            found.append("shifts: only pictures can be shifted; turn it off for points")
        return found

    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.latent,)

    def sharing(self, network: str) -> Sharing:
        """Two time scales (Heusel et al. 2017, arXiv:1706.08500)."""
        rate = getattr(self.config, f"{self.judge}_rate") if network == self.judge else 1.0
        return Sharing(rate, (self.config.beta1, self.config.beta2))

    # training -----------------------------------------------------------------------------------------
    def latents_of(self, batch: Batch) -> Tensor:
        """Fresh latents (B, L), one for each item of the batch."""
        return torch.randn((len(batch.x), self.config.latent), generator=batch.generator, device=batch.x.device)

    def made(self, nets: dict[str, Any], z: Tensor, conditions: dict[str, Any]) -> Tensor:
        """Items (B, *shape) of latents (B, L) under what is asked for."""
        return nets["generator"](z)

    def shown(self, x: Tensor, batch: Batch) -> Tensor:
        """What the judge sees: items as they are kept, shifted if that is on (real and made alike)."""
        x = self.kept(x)
        if not self.config.shifts:
            return x
        return adversarial.shifted(x, batch.generator, often=self.config.shifted_share)

    def kept(self, x: Tensor) -> Tensor:
        """Items at the levels that the data hold, if that is on and these are few."""
        if not self.config.at_levels or not self.spec.levels:
            return x
        return adversarial.at_levels(x, torch.tensor(sorted(self.spec.levels), device=x.device) / 127.5 - 1)

    # sampling -----------------------------------------------------------------------------------------
    def sample(self, nets: dict[str, Any], noise: Tensor, conditions: dict[str, Any], sampling: Sampling,
               on_step: Callable[[Step], None], generator: Any, start: float | None = None) -> Tensor:  # fmt: skip
        """Items of the latents ``noise`` in one pass, with the path to them for who watches."""
        if start is not None:
            raise TroubleError("a GAN has no way back from an item to its latent, so no branch can start at one",
                               kept="the sample is unchanged", advice="sample again with another seed instead")  # fmt: skip
        first = origin(sampling.interpolation_seed, noise)[None].expand_as(noise)
        return latent_path(lambda z: self.made(nets, z, conditions).float(), sampling.truncation * first,
                           sampling.truncation * noise, sampling.interpolation_points, on_step)  # fmt: skip

    def decode(self, nets: dict[str, Any], z: Tensor, sampling: Sampling) -> Tensor:
        return self.made(nets, z, {}).float()

    def diagnostics(self, nets: dict[str, Any], x: Tensor, generator: Any) -> dict[str, Any]:
        """How the judge sees held-out items, and how much of the data the generator's items cover."""
        z = torch.randn((len(x), self.config.latent), generator=generator, device=x.device)
        made = self.kept(self.made(nets, z, {}).float())
        return self.judged(nets, x, made, generator) | {
            "coverage": coverage(x, made), "recall": recall(x, made), "spread": spread(made) / max(spread(x), 1e-12),
        }  # fmt: skip

    def judged(self, nets: dict[str, Any], x: Tensor, made: Tensor, generator: Any) -> dict[str, Any]:
        """Figures of the judge on held-out and made items (B, *shape)."""
        return {}


class Contest(Adversarial):
    """A judge that tells real from made. ``Config`` has game, penalty, spectral_norm, label_smoothing, label_flips."""

    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        yield self.discriminator_loss(nets, batch)
        yield self.generator_loss(nets, batch)

    def asking(self, judge: Callable[..., Tensor], batch: Batch) -> Callable[[Tensor], Tensor]:
        """The judge as a function of items alone, told what else the batch says of them."""
        return judge

    def weighed(self, judge: Any, x: Tensor, batch: Batch) -> tuple[Tensor, Tensor | float]:
        """Scores (B,) of items, and what else they cost both networks."""
        return self.asking(judge, batch)(x).float(), 0.0

    def discriminator_loss(self, nets: dict[str, Any], batch: Batch) -> Loss:
        """The judge's side, with the penalty where it is due."""
        judge = nets["discriminator"]
        with torch.no_grad():
            made = self.made(nets, self.latents_of(batch), batch.conditions).float()
        real, cost_of_real = self.weighed(judge, self.shown(batch.x, batch), batch)
        fake, cost_of_fake = self.weighed(judge, self.shown(made, batch), batch)
        figures = self._figures(real.detach(), fake.detach())
        loss = self.told_apart(real, fake, self._flips(batch))
        loss = loss + cost_of_real + cost_of_fake
        penalty = self.config.penalty
        if isinstance(penalty, R1) and penalty.gamma > 0 and batch.step % penalty.every == 0 and torch.is_grad_enabled():
            slope = self._slope(self.asking(judge, batch), batch)
            figures["r1"] = slope.detach()
            loss = loss + 0.5 * penalty.gamma * penalty.every * slope
        return Loss("discriminator", loss, figures)

    def told_apart(self, real: Tensor, fake: Tensor, swapped: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """What the scores (B,) of real and made items cost the judge."""
        return adversarial.discriminator_loss(real, fake, self.config.label_smoothing, self.config.game, swapped)

    def _flips(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Which of the real and of the made items (B,) the judge is told the wrong label of."""
        share, size = self.config.label_flips, (2, len(batch.x))
        if not share:
            return None
        real, fake = torch.rand(size, generator=batch.generator, device=batch.x.device) < share
        return real, fake

    def generator_loss(self, nets: dict[str, Any], batch: Batch) -> Loss:
        """The forger's side, against the judge as it now is."""
        made = self.made(nets, self.latents_of(batch), batch.conditions)
        return Loss("generator", self.fooling(nets, self.shown(made, batch), batch))

    def fooling(self, nets: dict[str, Any], made: Tensor, batch: Batch) -> Tensor:
        """What made items, as they are shown, cost the generator."""
        fake, cost = self.weighed(nets["discriminator"], made, batch)
        return adversarial.generator_loss(fake, self.config.game) + cost

    def _figures(self, real: Tensor, fake: Tensor) -> dict[str, Any]:
        game = self.config.game
        believed = {"d_real": adversarial.belief(game, real).mean(), "d_fake": adversarial.belief(game, fake).mean()}
        return believed | {"d_accuracy": adversarial.accuracy(real, fake, adversarial.middle(game))}

    def _slope(self, ask: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        """R1 in float32: half precision loses the small slopes that it is about."""
        with torch.autocast(batch.x.device.type, enabled=False):
            return adversarial.r1_penalty(ask, self.shown(batch.x, batch).float())

    def judged(self, nets: dict[str, Any], x: Tensor, made: Tensor, generator: Any) -> dict[str, Any]:
        return {"d_held_out": adversarial.belief(self.config.game, nets["discriminator"](x).float()).mean().item()}
