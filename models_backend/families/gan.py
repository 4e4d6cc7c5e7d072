"""Generative adversarial network (Goodfellow et al. 2014, arXiv:1406.2661), built as DCGAN (arXiv:1511.06434)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
import torch
from torch import Tensor, nn

from ..contract.family import Batch, Claim, Family, Loss, Preset, Proof, Sharing
from ..contract.fields import Field
from ..contract.messages import TroubleError
from ..contract.trace import Step
from ..networks.bodies import Auto, Body, Conv, Mlp, body_problems
from ..networks.critic import Discriminator, Generator
from ..objectives import adversarial
from ..objectives.coverage import coverage, recall, spread
from ..samplers.latent_path import latent_path, origin


class NoPenalty(msgspec.Struct, frozen=True, tag="none"):
    """The plain game: it may forget modes."""


class R1(msgspec.Struct, frozen=True, tag="r1"):
    """Penalty on the discriminator's slope at real items: the game converges (Mescheder et al. 2018)."""

    gamma: Annotated[float, Field("Weight", low=0.0, high=1000.0, scale="log")] = 1.0
    every: Annotated[int, Field("Steps between penalties, each weighing that much more", low=1, high=64)] = 1


class Config(msgspec.Struct, frozen=True):
    """A generator against a discriminator."""

    latent: Annotated[int, Field("Dimensions of the latent", low=1, high=2048)] = 32
    generator: Annotated[Auto | Mlp | Conv, Field("Network from latent to item")] = Auto()
    discriminator: Annotated[Auto | Mlp | Conv, Field("Network from item to real-or-fake")] = Auto()
    generator_norm: Annotated[Literal["none", "group", "batch"], Field("Normalisation in a convolutional generator")] = "group"
    penalty: Annotated[NoPenalty | R1, Field("What keeps the discriminator's slope in check")] = R1()
    spectral_norm: Annotated[bool, Field("Bound every layer of the discriminator to slope one (Miyato et al. 2018)")] = False
    label_smoothing: Annotated[
        float, Field("Real items are called real only this far short of certainty", low=0.0, high=0.5)
    ] = 0.0
    batch_spread: Annotated[bool, Field("Show the discriminator how much a batch varies, against lost modes "
                                        "(Karras et al. 2018)")] = False  # fmt: skip
    shifts: Annotated[bool, Field("Shift real and made pictures before the discriminator: helps small data sets "
                                  "(Zhao et al. 2020)")] = False  # fmt: skip
    discriminator_rate: Annotated[float, Field("The discriminator's learning rate over the generator's: two time scales "
                                               "(Heusel et al. 2017)", low=0.01, high=100.0, scale="log")] = 1.0  # fmt: skip
    beta1: Annotated[float, Field("Adam's memory of slopes, for both networks", low=0.0, high=0.999)] = 0.0
    beta2: Annotated[float, Field("Adam's memory of squared slopes", low=0.0, high=0.99999)] = 0.99


class Sampling(msgspec.Struct, frozen=True):
    """Drawing latents and making items in one pass."""

    truncation: Annotated[float, Field("Length of the drawn latents; below 1 safer and less varied", low=0.0, high=2.0)] = 1.0
    path_places: Annotated[int, Field("Places on the path between two latents in the trajectory panel", low=2, high=256)] = 24
    path_origin: Annotated[int, Field("Seed of the latent at which every path starts", low=0, high=2**31 - 1)] = 0


MLP_128 = {"type": "mlp", "width": 128, "depth": 3}
RING = {"latent": 8, "generator": MLP_128, "discriminator": MLP_128}
#: The setting in which the plain game is known to collapse (Metz et al. 2017, arXiv:1611.02163, section 3.1).
PLAIN = {"latent": 8, "generator": {"type": "mlp", "width": 128, "depth": 2}, "penalty": {"type": "none"},
         "discriminator": {"type": "mlp", "width": 128, "depth": 2}, "discriminator_rate": 0.1,
         "beta1": 0.5, "beta2": 0.999}  # fmt: skip


class GAN(Family):
    """Two networks: each step yields the discriminator's loss, then the generator's against the stepped discriminator."""

    title = "GAN"
    glyph = "G"
    group = "Adversarial"
    summary = "A forger against a judge"
    paper = "Goodfellow et al. 2014, Generative Adversarial Networks, arXiv:1406.2661"
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
        Preset("paper", "As published",
               {"latent": 100, "generator": {"type": "conv", "width": 128, "depth": 0},
                "discriminator": {"type": "conv", "width": 64, "depth": 0}, "generator_norm": "batch",
                "penalty": {"type": "none"}, "beta1": 0.5, "beta2": 0.999},
               {"steps": 100_000, "batch_size": 128, "learning_rate": 2e-4, "warmup": 0, "clip": 0.0, "ema": 0.0,
                "decay": {"type": "constant"}},
               note="DCGAN (Radford et al. 2016, section 4): batch norm, Adam 2e-4 with beta1 0.5, no penalty; pictures only"),
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
            Claim("sure", ">=", 0.8, "digits of which the classifier is sure (p > .9)"),
            Claim("least_class", ">=", 0.03, "rarest class"),
            Claim("near_copies", "<=", 0.03, "near-copies of training items (.01 for a perfect maker)"),
            Claim("fd", "<=", 3.0, "Frechet distance, against its floor", "fd_floor"),
        ), {"latent": 24, "generator": {"type": "conv", "width": 24, "depth": 1},
            "discriminator": {"type": "conv", "width": 24, "depth": 0},
            "penalty": {"type": "r1", "gamma": 0.5, "every": 4}},
            {"steps": 6000, "batch_size": 64, "learning_rate": 2e-3}),
    )  # fmt: skip

    def networks(self) -> dict[str, Any]:
        c = self.config
        bounded = self.spec.modality == "image"
        return {
            "discriminator": Discriminator(c.discriminator, self.spec.shape, c.spectral_norm, c.batch_spread),
            "generator": Generator(c.generator, c.latent, self.spec.shape, c.generator_norm, bounded),
        }

    def problems(self) -> list[str]:
        bodies: dict[str, Body] = {"generator": self.config.generator, "discriminator": self.config.discriminator}
        found = [p for name, body in bodies.items() for p in body_problems(body, self.spec.shape, name)]
        if self.config.shifts and self.spec.modality != "image":
            found.append("shifts: only pictures can be shifted; turn it off for points")
        return found

    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.latent,)

    def sharing(self, network: str) -> Sharing:
        """Two time scales (Heusel et al. 2017, arXiv:1706.08500)."""
        rate = self.config.discriminator_rate if network == "discriminator" else 1.0
        return Sharing(rate, (self.config.beta1, self.config.beta2))

    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        yield self.discriminator_loss(nets, batch)
        yield self.generator_loss(nets, batch)

    def discriminator_loss(self, nets: dict[str, Any], batch: Batch) -> Loss:
        """The judge's side, with the penalty where it is due."""
        judge = nets["discriminator"]
        with torch.no_grad():
            made = nets["generator"](self._latents(batch)).float()
        real = judge(self._shown(batch.x, batch)).float()
        fake = judge(self._shown(made, batch)).float()
        figures = {"d_real": real.detach().sigmoid().mean(), "d_fake": fake.detach().sigmoid().mean(),
                   "d_accuracy": adversarial.accuracy(real.detach(), fake.detach())}  # fmt: skip
        loss = adversarial.discriminator_loss(real, fake, self.config.label_smoothing)
        penalty = self.config.penalty
        if isinstance(penalty, R1) and penalty.gamma > 0 and batch.step % penalty.every == 0 and torch.is_grad_enabled():
            slope = self._slope(judge, batch)
            figures["r1"] = slope.detach()
            loss = loss + 0.5 * penalty.gamma * penalty.every * slope
        return Loss("discriminator", loss, figures)

    def generator_loss(self, nets: dict[str, Any], batch: Batch) -> Loss:
        """The forger's side, against the judge as it now is."""
        made = nets["generator"](self._latents(batch))
        return Loss("generator", adversarial.generator_loss(nets["discriminator"](self._shown(made, batch)).float()))

    def _slope(self, judge: nn.Module, batch: Batch) -> Tensor:
        """R1 in float32: half precision loses the small slopes that it is about."""
        with torch.autocast(batch.x.device.type, enabled=False):
            return adversarial.r1_penalty(judge, self._shown(batch.x, batch).float())

    def _latents(self, batch: Batch) -> Tensor:
        return torch.randn((len(batch.x), self.config.latent), generator=batch.generator, device=batch.x.device)

    def _shown(self, x: Tensor, batch: Batch) -> Tensor:
        """What the judge sees: items, shifted if that is on (real and made alike)."""
        return adversarial.shifted(x, batch.generator) if self.config.shifts else x

    def sample(self, nets: dict[str, Any], noise: Tensor, conditions: dict[str, Any], sampling: Sampling,
               on_step: Callable[[Step], None], generator: Any, start: float | None = None) -> Tensor:  # fmt: skip
        """Items of the latents ``noise`` in one pass, with the path to them for who watches."""
        if start is not None:
            raise TroubleError("a GAN has no way back from an item to its latent, so no branch can start at one",
                               kept="the sample is unchanged", advice="sample again with another seed instead")  # fmt: skip
        first = origin(sampling.path_origin, noise)[None].expand_as(noise)
        return latent_path(lambda z: self.decode(nets, z, sampling), sampling.truncation * first,
                           sampling.truncation * noise, sampling.path_places, on_step)  # fmt: skip

    def decode(self, nets: dict[str, Any], z: Tensor, sampling: Sampling) -> Tensor:
        return nets["generator"](z).float()

    def diagnostics(self, nets: dict[str, Any], x: Tensor, generator: Any) -> dict[str, Any]:
        """How the judge sees held-out items, and how much of the data the forger's items cover."""
        z = torch.randn((len(x), self.config.latent), generator=generator, device=x.device)
        made, judge = nets["generator"](z).float(), nets["discriminator"]
        return {
            "d_held_out": judge(x).float().sigmoid().mean().item(),
            "coverage": coverage(x, made),
            "recall": recall(x, made),
            "spread": spread(made) / max(spread(x), 1e-12),
        }
