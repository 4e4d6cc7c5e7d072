"""Conditional GAN (Mirza & Osindero 2014, arXiv:1411.1784), with a projection discriminator (Miyato & Koyama 2018,
arXiv:1802.05637) or an auxiliary classifier (Odena et al. 2017, arXiv:1610.09585)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor

from ..contract.family import Batch, Claim, Condition, Preset, Proof
from ..contract.fields import Field
from ..kinds import adversarial as kind
from ..kinds.adversarial import R1, Sampling
from ..networks.bodies import Auto
from ..networks.told import ClassifyingDiscriminator, ProjectingDiscriminator, ToldGenerator, any_class
from ..objectives.adversarial import Hinge


class Projection(msgspec.Struct, frozen=True, tag="projection"):
    """The score has a part that asks how well the item's features fit the class (Miyato & Koyama 2018)."""


class AuxiliaryClass(msgspec.Struct, frozen=True, tag="auxiliary_class"):
    """The discriminator also names the class, and both networks want it named rightly (Odena et al. 2017)."""

    title: ClassVar[str] = "Auxiliary class"
    weight: Annotated[float, Field("Weight of classification, for both networks", low=0.0, high=100.0)] = 1.0


class Config(msgspec.Struct, frozen=True):
    """A generator that is told a class, against a discriminator that is told it too, or names it."""

    latent: kind.Latent = 32
    embedding: Annotated[int, Field("Width of the generator's class embedding", low=1, high=1024)] = 32
    generator: kind.GeneratorBody = Auto()
    discriminator: kind.DiscriminatorBody = Auto()
    generator_norm: kind.GeneratorNorm = "group"
    attention: kind.Attention = 0
    judging: Annotated[
        Projection | AuxiliaryClass, Field("How the discriminator is conditioned on the class", title="Class conditioning")
    ] = Projection()
    game: kind.Game = Hinge()
    penalty: kind.Penalty = R1()
    spectral_norm: kind.SpectralNorm = False
    label_smoothing: kind.LabelSmoothing = 0.0
    label_flips: kind.LabelFlips = 0.0
    shifts: kind.Shifts = False
    shifted_share: kind.ShiftedShare = 1.0
    at_levels: kind.AtLevels = True
    discriminator_rate: kind.DiscriminatorRate = 1.0
    beta1: kind.Beta1 = 0.0
    beta2: kind.Beta2 = 0.99


CONV_24 = {"type": "conv", "width": 24, "depth": 1}
DIGITS = {"latent": 24, "generator": CONV_24, "discriminator": CONV_24 | {"depth": 0},
          "penalty": {"type": "r1", "gamma": 0.5, "every": 4}}  # fmt: skip
TRAINING = {"batch_size": 64, "learning_rate": 2e-3, "threads": 1}
FOLLOWED = (
    Claim("class_accuracy_ratio", ">=", 0.95, "digits that are read as the class asked for"),
    Claim("class_diversity", ">=", 0.5, "variety within a class, against that of real digits"),
)


class ConditionalGAN(kind.Contest):
    """Both networks are told the class of each item: made items are asked for in the classes of the batch."""

    title = "Conditional GAN"
    glyph = "C"
    group = "Adversarial"
    summary = "A GAN that follows classes"
    paper = "Mirza & Osindero 2014, Conditional Generative Adversarial Nets, arXiv:1411.1784"
    names = ("cGAN", "ACGAN", "projection discriminator")
    classes_needed = (2, 0)
    modalities = ("points", "image")
    conditions = (Condition("class", help="What to make; nothing asked: each item its own class at random"),)
    latents = ("z",)
    trace = "path"
    health = ("adversarial_balance", "mode_collapse")
    Config = Config
    Sampling = Sampling
    presets = (
        Preset("tiny", "Tiny",
               {"latent": 4, "embedding": 4, "generator": {"type": "auto", "width": 8, "depth": 0},
                "discriminator": {"type": "auto", "width": 8, "depth": 0}, "game": {"type": "non_saturating"}},
               {"steps": 60, "batch_size": 32, "learning_rate": 1e-3, "warmup": 0, "ema": 0.9, "decay": {"type": "constant"}},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small",
               {"latent": 32}, {"steps": 6000, "batch_size": 64, "learning_rate": 1e-3, "warmup": 0, "clip": 0.0,
                                "ema": 0.995, "decay": {"type": "linear", "final": 0.1}},
               note="Minutes on a laptop"),
        Preset("paper", "After the paper",
               {"latent": 128, "embedding": 128, "generator": {"type": "conv", "width": 64, "depth": 1},
                "discriminator": {"type": "conv", "width": 64, "depth": 1}, "generator_norm": "batch",
                "penalty": {"type": "none"}, "spectral_norm": True, "beta1": 0.0, "beta2": 0.9},
               {"steps": 450_000, "batch_size": 64, "learning_rate": 2e-4, "warmup": 0, "clip": 0.0, "ema": 0.0,
                "decay": {"type": "linear", "final": 0.0}},
               note="Miyato & Koyama 2018, section 4: hinge, spectral norm, projection, Adam 2e-4; own networks; pictures"),
    )  # fmt: skip
    proofs = (
        Proof("digits", "digits", "small", 5.0, (
            *FOLLOWED,
            Claim("sure_ratio", ">=", 0.85, "items of which the reader is sure, over real ones"),
            Claim("near_copies", "<=", 0.05, "near-copies of training items (.01 for a perfect maker)"),
            Claim("fd", "<=", 3.0, "Frechet distance, against its floor", "fd_floor"),
        ), DIGITS, TRAINING | {"steps": 1200}),
        Proof("digits-auxiliary", "digits", "small", 4.0, FOLLOWED,
              DIGITS | {"judging": {"type": "auxiliary_class"}}, TRAINING | {"steps": 1000}),
    )  # fmt: skip

    # networks -----------------------------------------------------------------------------------------
    def generator_network(self) -> Any:
        c, count = self.config, len(self.spec.classes)
        return ToldGenerator(self.generator_body(c.embedding), count, c.embedding)

    def judge_network(self) -> Any:
        c = self.config
        chosen = ProjectingDiscriminator if isinstance(c.judging, Projection) else ClassifyingDiscriminator
        return chosen(len(self.spec.classes), c.discriminator, self.spec.shape, c.spectral_norm, c.attention)

    def problems(self) -> list[str]:
        found = super().problems()
        if len(self.spec.classes) < 2:
            found.append("the data have no classes to tell apart; put pictures into one folder a class, or choose GAN")
        return found

    # classes ------------------------------------------------------------------------------------------
    def made(self, nets: dict[str, Any], z: Tensor, conditions: dict[str, Any]) -> Tensor:
        return nets["generator"](z, self.wanted(z, conditions))

    def wanted(self, z: Tensor, conditions: dict[str, Any]) -> Tensor:
        """The class (B,) that each latent is asked for; one that is left open is read off the latent itself."""
        free = any_class(z, len(self.spec.classes))
        asked = conditions.get("class")
        return free if asked is None else torch.where(asked < len(self.spec.classes), asked, free)

    def asking(self, judge: Callable[..., Tensor], batch: Batch) -> Callable[[Tensor], Tensor]:
        if isinstance(self.config.judging, AuxiliaryClass):
            return judge
        return lambda x: judge(x, batch.conditions["class"])

    def weighed(self, judge: Any, x: Tensor, batch: Batch) -> tuple[Tensor, Tensor | float]:
        judging = self.config.judging
        if not isinstance(judging, AuxiliaryClass):
            return super().weighed(judge, x, batch)
        score, named = judge.verdict(x)
        # Odena et al. 2017, eq. 3: both networks gain when the class is named rightly, of real and of made items
        cost = F.cross_entropy(named.float(), batch.conditions["class"], ignore_index=len(self.spec.classes), reduction="sum")
        return score.float(), judging.weight * cost / len(x)

    def judged(self, nets: dict[str, Any], x: Tensor, made: Tensor, generator: Any) -> dict[str, Any]:
        """Nothing: the classes of held-out items are not told here, and without them the judge cannot judge."""
        return {}
