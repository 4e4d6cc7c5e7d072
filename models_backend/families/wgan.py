"""Wasserstein GAN (Arjovsky et al. 2017, arXiv:1701.07875) with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import torch
from torch import Tensor

from ..contract.family import Batch, Claim, Loss, Preset, Proof
from ..contract.fields import Field
from ..kinds import adversarial as kind
from ..kinds.adversarial import Sampling
from ..networks.bodies import Auto, Conv, Mlp
from ..networks.critic import Discriminator
from ..objectives import adversarial


class GradientPenalty(msgspec.Struct, frozen=True, tag="gradient_penalty"):
    """The slope between real and made items is drawn to one (Gulrajani et al. 2017)."""

    title: ClassVar[str] = "Gradient penalty"
    weight: Annotated[float, Field("Weight", low=0.0, high=1000.0, scale="log")] = 10.0
    one_sided: Annotated[bool, Field("Penalise gradient norms above one only")] = False


class Clipping(msgspec.Struct, frozen=True, tag="clipping"):
    """Every weight is cut to a small interval after each step (Arjovsky et al. 2017): simple, and it wastes the critic."""

    bound: Annotated[float, Field("Largest absolute weight", low=1e-4, high=10.0, scale="log")] = 0.01


class Config(msgspec.Struct, frozen=True):
    """A generator against a critic that measures how far its items are from the data."""

    latent: kind.Latent = 32
    generator: kind.GeneratorBody = Auto()
    critic: Annotated[Auto | Mlp | Conv, Field("Network from item to score")] = Auto()
    generator_norm: kind.GeneratorNorm = "group"
    attention: kind.Attention = 0
    critic_norm: Annotated[Literal["none", "layer"], Field("Normalisation in the critic; never over a batch, for each item has "
                                                           "a slope of its own")] = "layer"  # fmt: skip
    constraint: Annotated[GradientPenalty | Clipping, Field("How the critic is kept 1-Lipschitz")] = GradientPenalty()
    critic_steps: Annotated[int, Field("Steps of the critic for each of the generator", low=1, high=100)] = 5
    shifts: kind.Shifts = False
    shifted_share: kind.ShiftedShare = 1.0
    at_levels: kind.AtLevels = True
    critic_rate: Annotated[float, Field("The critic's learning rate over the generator's", low=0.01, high=100.0,
                                        scale="log")] = 1.0  # fmt: skip
    beta1: kind.Beta1 = 0.0
    beta2: kind.Beta2 = 0.9


MLP_128 = {"type": "mlp", "width": 128, "depth": 3}
RING = {"latent": 8, "generator": MLP_128, "critic": MLP_128, "critic_norm": "none"}
RING_TRAINING = {"steps": 3000, "batch_size": 128, "threads": 1}


class WGAN(kind.Adversarial):
    """Each step yields the critic's loss several times, then the generator's against the stepped critic."""

    judge = "critic"
    title = "WGAN"
    glyph = "W"
    group = "Adversarial"
    summary = "A critic measures distance"
    paper = "Arjovsky et al. 2017, Wasserstein GAN, arXiv:1701.07875"
    names = ("Wasserstein GAN", "WGAN-GP")
    modalities = ("points", "image")
    latents = ("z",)
    trace = "path"
    health = ("critic_slope", "critic_memory", "mode_collapse")
    Config = Config
    Sampling = Sampling
    presets = (
        Preset("tiny", "Tiny",
               {"latent": 4, "generator": {"type": "auto", "width": 8, "depth": 0},
                "critic": {"type": "auto", "width": 8, "depth": 0}, "critic_steps": 2},
               {"steps": 40, "batch_size": 32, "learning_rate": 1e-3, "warmup": 0, "ema": 0.9, "decay": {"type": "constant"}},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small",
               {"latent": 32, "critic_steps": 3, "critic_rate": 4.0},
               {"steps": 4000, "batch_size": 64, "learning_rate": 2.5e-4, "warmup": 0, "clip": 0.0, "ema": 0.99,
                "decay": {"type": "linear", "final": 0.1}},
               note="Minutes on a laptop"),
        Preset("paper", "After the paper",
               {"latent": 128, "generator": {"type": "conv", "width": 64, "depth": 1},
                "critic": {"type": "conv", "width": 64, "depth": 1}, "generator_norm": "batch"},
               {"steps": 200_000, "batch_size": 64, "learning_rate": 1e-4, "warmup": 0, "clip": 0.0, "ema": 0.0,
                "decay": {"type": "constant"}},
               note="Gulrajani et al. 2017, algorithm 1: weight 10, 5 critic steps, Adam 1e-4; own networks; pictures"),
    )  # fmt: skip
    proofs = (
        Proof("ring", "points:density=8gaussians", "small", 6.0, (
            Claim("modes", ">=", 8, "modes of the ring with the gradient penalty"),
            Claim("critic_slope", ">=", 0.9, "the critic's slope between real and made points"),
            Claim("critic_slope", "<=", 1.1, "and not above"),
            Claim("within_3sd", ">=", 0.7, "points within three deviations of a mode"),
        ), RING, RING_TRAINING, count=2000),
        Proof("estimate", "points:density=8gaussians", "small", 2.0, (
            Claim("wasserstein", ">=", 0.7, "the critic's estimate where the generator cannot come near, against the exact W1",
                  "w1_model"),
            Claim("wasserstein", "<=", 1.3, "and not above", "w1_model"),
            Claim("critic_slope", ">=", 0.9, "the critic's slope"),
            Claim("critic_slope", "<=", 1.1, "and not above"),
            Claim("wasserstein", ">=", 2.0, "the estimate for the worse generator, against that for the better one",
                  "before/wasserstein"),
        ), RING | {"generator": {"type": "mlp", "width": 16, "depth": 0}, "critic": {"type": "mlp", "width": 64, "depth": 3}},
            RING_TRAINING | {"steps": 600}, count=2000, after="ring"),
        Proof("ring-clipped", "points:density=8gaussians", "small", 6.0, (
            Claim("w2", ">=", 1.5, "W2 of weight clipping in as many steps, against the penalty's: it is weaker", "before/w2"),
            Claim("critic_slope", "<=", 0.5, "its critic's slope is far from one: the estimate has no unit"),
        ), RING | {"constraint": {"type": "clipping", "bound": 0.01}}, RING_TRAINING, count=2000, after="ring"),
        Proof("digits", "digits", "small", 12.0, (
            Claim("classifier_accuracy", ">=", 0.97, "classifier on held-out real digits"),
            Claim("sure_ratio", ">=", 0.8, "items of which the reader is sure, over real ones"),
            Claim("least_class", ">=", 0.03, "rarest class"),
            Claim("near_copies", "<=", 0.03, "near-copies of training items (.01 for a perfect maker)"),
            Claim("fd", "<=", 4.0, "Frechet distance, against its floor", "fd_floor"),
        ), {"latent": 24, "generator": {"type": "conv", "width": 24, "depth": 1},
            "critic": {"type": "conv", "width": 24, "depth": 0}, "critic_rate": 2.0, "critic_steps": 2, "beta2": 0.99},
            {"steps": 7000, "batch_size": 64, "learning_rate": 1e-3, "ema": 0.998, "threads": 1}),
    )  # fmt: skip

    def judge_network(self) -> Any:
        c = self.config
        return Discriminator(c.critic, self.spec.shape, norm=c.critic_norm, offset=False, attention=c.attention)

    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        for _ in range(self.config.critic_steps if torch.is_grad_enabled() else 1):
            yield self.critic_loss(nets, batch)
            self._clip(nets["critic"])
        yield self.generator_loss(nets, batch)

    def critic_loss(self, nets: dict[str, Any], batch: Batch) -> Loss:
        """E f(G(z)) - E f(x) on fresh latents: minus the estimate of the distance, and what the constraint costs."""
        # Gulrajani et al. 2017, eq. 3
        with torch.no_grad():
            made = self.shown(self.made(nets, self.latents_of(batch), {}).float(), batch)
        real, critic = self.shown(batch.x, batch), nets["critic"]
        of_real, of_made = critic(torch.cat([real, made])).float().chunk(2)  # one pass: each item is judged by itself
        distance = of_real.mean() - of_made.mean()
        figures, loss = {"wasserstein": distance.detach()}, -distance
        constraint = self.config.constraint
        if isinstance(constraint, GradientPenalty) and torch.is_grad_enabled():
            slope = self.slopes(critic, real, made, batch.generator)
            figures["critic_slope"] = slope.detach().mean()
            loss = loss + constraint.weight * adversarial.slope_penalty(slope, constraint.one_sided)
        return Loss("critic", loss, figures)

    def generator_loss(self, nets: dict[str, Any], batch: Batch) -> Loss:
        """-E f(G(z)), against the critic as it now is."""
        made = self.made(nets, self.latents_of(batch), {})
        return Loss("generator", -nets["critic"](self.shown(made, batch)).float().mean())

    def slopes(self, critic: Any, real: Tensor, made: Tensor, generator: Any) -> Tensor:
        """The critic's slope (B,) at places between real and made items, in float32."""
        with torch.autocast(real.device.type, enabled=False):
            return adversarial.slopes(critic, adversarial.interpolates(real.float(), made, generator))

    def _clip(self, critic: Any) -> None:
        """Brings every weight back into its interval; looking on (no gradients) changes nothing."""
        if isinstance(self.config.constraint, Clipping) and torch.is_grad_enabled():
            with torch.no_grad():
                for weight in critic.parameters():
                    weight.clamp_(-self.config.constraint.bound, self.config.constraint.bound)

    def judged(self, nets: dict[str, Any], x: Tensor, made: Tensor, generator: Any) -> dict[str, Any]:
        """The critic's estimate of the distance on held-out items, and its slope between them and made ones."""
        critic = nets["critic"]
        with torch.enable_grad():
            slope = self.slopes(critic, x, made, generator).detach().mean()
        estimate = critic(x).float().mean() - critic(made).float().mean()
        return {"wasserstein": estimate.item(), "critic_slope": slope.item()}
