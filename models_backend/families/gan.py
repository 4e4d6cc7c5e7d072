"""Generative adversarial network (Goodfellow et al. 2014, arXiv:1406.2661), built as DCGAN (arXiv:1511.06434)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import msgspec
import torch
from torch import Tensor

from ..contract.family import Batch, Claim, Loss, Preset, Proof
from ..contract.fields import Field
from ..kinds import adversarial as kind
from ..kinds.adversarial import R1, Sampling
from ..networks import growing
from ..networks.bodies import Auto, growing_problems
from ..networks.critic import Discriminator
from ..objectives import adversarial
from ..objectives.adversarial import NonSaturating


class Fooling(msgspec.Struct, frozen=True, tag="fooling"):
    """Its items shall score as real ones do."""


class FeatureMatching(msgspec.Struct, frozen=True, tag="feature_matching"):
    """Its items shall have, on average, the features of real ones (Salimans et al. 2016, section 3.1)."""

    title: ClassVar[str] = "Feature matching"
    fooling: Annotated[float, Field("Weight of scoring as real, beside it", low=0.0, high=100.0)] = 0.0


class Present(msgspec.Struct, frozen=True, tag="present"):
    """It plays against the discriminator as it now is."""


class Unrolled(msgspec.Struct, frozen=True, tag="unrolled"):
    """It plays against the discriminator as it will be, and knows how its items change that (Metz et al. 2017)."""

    steps: Annotated[int, Field("Steps of the discriminator to look ahead", low=1, high=20)] = 5
    rate: Annotated[float, Field("Rate of these steps", low=1e-5, high=10.0, scale="log")] = 0.1


class Whole(msgspec.Struct, frozen=True, tag="whole"):
    """They have their full size from the first step."""


class Growing(msgspec.Struct, frozen=True, tag="growing"):
    """They begin small and double in even stages, and both networks grow with them (Karras et al. 2018)."""

    first: Annotated[int, Field("Side to begin with; 0 takes the smallest that becomes the whole by doubling", low=0, high=256,
                                unit="px")] = 0  # fmt: skip
    fading: Annotated[float, Field("Share of each stage in which its new level fades in", low=0.01, high=0.9)] = 0.5


class Config(msgspec.Struct, frozen=True):
    """A generator against a discriminator."""

    latent: kind.Latent = 32
    generator: kind.GeneratorBody = Auto()
    discriminator: kind.DiscriminatorBody = Auto()
    generator_norm: kind.GeneratorNorm = "group"
    attention: kind.Attention = 0
    game: kind.Game = NonSaturating()
    penalty: kind.Penalty = R1()
    spectral_norm: kind.SpectralNorm = False
    label_smoothing: kind.LabelSmoothing = 0.0
    label_flips: kind.LabelFlips = 0.0
    goal: Annotated[Fooling | FeatureMatching, Field("Objective of the generator")] = Fooling()
    opponent: Annotated[Present | Unrolled, Field("Which discriminator the generator plays against")] = Present()
    batch_likeness: Annotated[int, Field("Features of minibatch discrimination; 0 none "
                                         "(Salimans et al. 2016)", low=0, high=256,
                                         title="Minibatch discrimination")] = 0  # fmt: skip
    batch_spread: Annotated[bool, Field("Minibatch standard deviation as a feature, against mode collapse "
                                        "(Karras et al. 2018)",
                                        title="Minibatch deviation")] = False  # fmt: skip
    growing: Annotated[Whole | Growing, Field("Progressive growing of the pictures")] = Whole()
    shifts: kind.Shifts = False
    shifted_share: kind.ShiftedShare = 1.0
    at_levels: kind.AtLevels = True
    discriminator_rate: kind.DiscriminatorRate = 1.0
    beta1: kind.Beta1 = 0.0
    beta2: kind.Beta2 = 0.99


MLP_128 = {"type": "mlp", "width": 128, "depth": 3}
RING = {"latent": 8, "generator": MLP_128, "discriminator": MLP_128}
#: The setting in which the plain game is known to collapse (Metz et al. 2017, arXiv:1611.02163, section 3.1).
PLAIN = {"latent": 8, "generator": {"type": "mlp", "width": 128, "depth": 2}, "penalty": {"type": "none"},
         "discriminator": {"type": "mlp", "width": 128, "depth": 2}, "discriminator_rate": 0.1,
         "beta1": 0.5, "beta2": 0.999}  # fmt: skip


class GAN(kind.Contest):
    """Two networks: each step yields the discriminator's loss, then the generator's against the stepped discriminator."""

    title = "GAN"
    glyph = "G"
    group = "Adversarial"
    summary = "Generator vs. discriminator"
    paper = "Goodfellow et al. 2014, Generative Adversarial Networks, arXiv:1406.2661"
    names = ("generative adversarial network", "DCGAN")
    modalities = ("points", "image")
    latents = ("z",)
    trace = "path"
    health = ("adversarial_balance", "mode_collapse", "discriminator_memory")
    Config = Config
    Sampling = Sampling
    presets = (
        Preset("tiny", "Tiny",
               {"latent": 4, "generator": {"type": "auto", "width": 8, "depth": 0},
                "discriminator": {"type": "auto", "width": 8, "depth": 0}},
               {"steps": 60, "batch_size": 32, "learning_rate": 1e-3, "warmup": 0, "ema": 0.9, "decay": {"type": "constant"}},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small",
               {"latent": 32}, {"steps": 6000, "batch_size": 64, "learning_rate": 1e-3, "warmup": 0, "clip": 0.0,
                                "ema": 0.995, "decay": {"type": "linear", "final": 0.1}},
               note="Minutes on a laptop"),
        Preset("paper", "After the paper",
               {"latent": 100, "generator": {"type": "conv", "width": 128, "depth": 0},
                "discriminator": {"type": "conv", "width": 64, "depth": 0}, "generator_norm": "batch",
                "penalty": {"type": "none"}, "beta1": 0.5, "beta2": 0.999},
               {"steps": 100_000, "batch_size": 128, "learning_rate": 2e-4, "warmup": 0, "clip": 0.0, "ema": 0.0,
                "decay": {"type": "constant"}},
               note="DCGAN (Radford et al. 2016, section 4): batch norm, Adam 2e-4, beta1 0.5, no penalty; own networks"),
    )  # fmt: skip
    proofs = (
        Proof("ring", "points:density=8gaussians", "small", 4.0, (
            Claim("modes", ">=", 8, "modes of the ring with R1"),
            Claim("within_3sd", ">=", 0.85, "points within three deviations of a mode"),
            Claim("w2", "<=", 1.5, "W2 to held-out points, against its floor", "w2_floor"),
            Claim("health_mode_collapse", "<=", 0, "the health monitor sees no collapse"),
        ), {**RING, "penalty": {"type": "r1", "gamma": 0.1}}, {"steps": 4000, "batch_size": 256}, count=2000),
        Proof("ring-plain", "points:density=8gaussians", "small", 2.0, (
            Claim("modes", "<=", 4, "modes of the ring that the plain game keeps when the generator outruns its judge"),
            Claim("health_mode_collapse", ">=", 2, "the health monitor calls this collapse bad (2)"),
        ), PLAIN, {"steps": 1500, "batch_size": 128, "ema": 0.0, "decay": {"type": "constant"}}, count=2000),
        Proof("digits", "digits", "small", 8.0, (
            Claim("classifier_accuracy", ">=", 0.97, "classifier on held-out real digits"),
            Claim("sure_ratio", ">=", 0.85, "items of which the reader is sure, over real ones"),
            Claim("least_class", ">=", 0.03, "rarest class"),
            Claim("near_copies", "<=", 0.05, "near-copies of training items (.01 for a perfect maker)"),
            Claim("fd", "<=", 3.0, "Frechet distance, against its floor", "fd_floor"),
        ), {"latent": 24, "generator": {"type": "conv", "width": 32, "depth": 2},
            "discriminator": {"type": "conv", "width": 24, "depth": 1},
            "penalty": {"type": "r1", "gamma": 1.0, "every": 4}, "shifts": True, "shifted_share": 0.15},
            {"steps": 6000, "batch_size": 64, "learning_rate": 2e-3, "ema": 0.999}),
    )  # fmt: skip

    # networks -----------------------------------------------------------------------------------------
    def generator_network(self) -> Any:
        return self.generator_body(doublings=self.doublings)

    def judge_network(self) -> Any:
        c = self.config
        return Discriminator(c.discriminator, self.spec.shape, c.spectral_norm, c.batch_spread, attention=c.attention,
                             kernels=c.batch_likeness, doublings=self.doublings)  # fmt: skip

    def problems(self) -> list[str]:
        c, found = self.config, super().problems()
        if isinstance(c.growing, Growing):
            bodies = {"generator": c.generator, "discriminator": c.discriminator}
            found += growing_problems(bodies, self.spec.shape, c.growing.first)
        return found

    # growing ------------------------------------------------------------------------------------------
    @property
    def doublings(self) -> int:
        """How often the side of pictures doubles while the networks train."""
        chosen = self.config.growing
        grows = isinstance(chosen, Growing) and self.spec.modality == "image"
        return growing.doublings(chosen.first, self.spec.shape) if grows else 0

    def objective(self, progress: float) -> float | None:
        """How often the side of pictures has doubled."""
        if not self.doublings:
            return None
        return growing.doubled_at(progress, self.doublings, self.config.growing.fading)

    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        if not self.doublings:
            yield from super().losses(nets, batch)
            return
        if torch.is_grad_enabled():
            for net in nets.values():
                growing.grow(net, self.objective(batch.progress))
        side = max(self.spec.shape[1:]) >> nets["generator"].body.stage.levels()[-1]
        for loss in super().losses(nets, replace(batch, x=self.seen(nets, batch.x))):
            loss.figures["side"] = float(side)
            yield loss

    def seen(self, nets: dict[str, Any], x: Tensor) -> Tensor:
        """Real items, no sharper than the generator can make them by now."""
        return nets["generator"].body.stage.seen(x) if self.doublings else x

    def diagnostics(self, nets: dict[str, Any], x: Tensor, generator: Any) -> dict[str, Any]:
        return super().diagnostics(nets, self.seen(nets, x), generator)

    # the game -----------------------------------------------------------------------------------------

    def fooling(self, nets: dict[str, Any], made: Tensor, batch: Batch) -> Tensor:
        goal, judge = self.config.goal, nets["discriminator"]
        cost = made.new_zeros(())
        if isinstance(goal, FeatureMatching):
            real = judge.describe(self.shown(batch.x, batch)).detach()
            cost = adversarial.feature_distance(real.float(), judge.describe(made).float())
        weight = goal.fooling if isinstance(goal, FeatureMatching) else 1.0
        if not weight:
            return cost
        score = self._opponent(judge, made, batch)(made).float()
        return cost + weight * adversarial.generator_loss(score, self.config.game)

    def _opponent(self, judge: Any, made: Tensor, batch: Batch) -> Any:
        """The discriminator that the generator plays against; looking on (no gradients) it is the present one."""
        ahead = self.config.opponent
        if not isinstance(ahead, Unrolled) or not torch.is_grad_enabled():
            return judge
        real = self.shown(batch.x, batch)
        return adversarial.unrolled(judge, lambda j: self.told_apart(j(real).float(), j(made).float()), ahead.steps, ahead.rate)
