"""VAE-GAN (Larsen et al. 2016, arXiv:1512.09300): an autoencoder whose likeness is what a discriminator sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import torch
from torch import Tensor

from models_backend.contract.family import Batch, Claim, Loss, Preset, Proof, Sharing
from models_backend.contract.fields import Field
from models_backend.kinds import variational
from models_backend.networks.bodies import Auto, Conv, Mlp, body_problems
from models_backend.networks.critic import Discriminator
from models_backend.objectives import adversarial
from models_backend.objectives import variational as elbo


class Config(msgspec.Struct, frozen=True):
    """A variational autoencoder and a discriminator."""

    latent: variational.Latent = 16
    encoder: variational.Encoder = Auto()
    decoder: variational.Decoder = Auto()
    discriminator: Annotated[Auto | Mlp | Conv, Field("Network from item to real-or-made")] = Auto()
    features: Annotated[
        float, Field("Weight of the feature-matching loss, on the discriminator's last features", low=0.0, high=100.0)
    ] = 1.0
    pixels: Annotated[float, Field("Weight of the pixel reconstruction loss; the paper has none", low=0.0, high=100.0)] = 0.1
    adversary: Annotated[float, Field("Weight of the decoder's adversarial loss", low=0.0, high=100.0)] = 1.0
    discriminator_rate: Annotated[
        float, Field("The discriminator's learning rate over the autoencoder's", low=0.01, high=10.0, scale="log")
    ] = 0.5
    likelihood: variational.Likelihood = variational.LearnedGaussian()
    beta: variational.Beta = 1.0
    annealing: variational.Annealing = variational.WarmUp()
    free_bits: variational.FreeBits = 0.0


class VAEGAN(variational.Variational):
    """Networks: "vae", stepped on KL, likeness and deceit, and "discriminator", on real, rebuilt and drawn items. The encoder
    hears nothing of the deceit (algorithm 1)."""

    title = "VAE-GAN"
    glyph = "zG"
    summary = "A VAE with a discriminator"
    paper = "Larsen et al. 2016, Autoencoding beyond pixels, arXiv:1512.09300"
    names = ("VAE/GAN",)
    health = ("posterior_collapse", "adversarial_balance")
    Config = Config
    presets = (
        Preset("tiny", "Tiny",
               {"latent": 4, "encoder": {"type": "auto", "width": 8, "depth": 0},
                "decoder": {"type": "auto", "width": 8, "depth": 0}, "discriminator": {"type": "auto", "width": 8, "depth": 0}},
               {"steps": 60, "batch_size": 32, "learning_rate": 1e-3, "clip": 100.0, "warmup": 5, "ema": 0.9},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {}, {"steps": 4000, "batch_size": 64, "learning_rate": 1e-3, "clip": 100.0, "ema": 0.995},
               note="Minutes on a laptop"),
        Preset("paper", "After the paper",
               {"latent": 128, "encoder": {"type": "conv", "width": 64, "depth": 0},
                "decoder": {"type": "conv", "width": 64, "depth": 0},
                "discriminator": {"type": "conv", "width": 32, "depth": 0}, "pixels": 0.0, "annealing": {"type": "full"}},
               {"steps": 100_000, "batch_size": 64, "learning_rate": 3e-4, "clip": 0.0, "ema": 0.0,
                "optimiser": {"type": "rmsprop"}},
               note="Larsen 2016 on faces of 64 px, with networks of this studio"),
    )  # fmt: skip
    proofs = (
        Proof("digits", "digits", "small", 8.0, (
            Claim("sure_ratio", ">=", 0.7, "items of which the reader is sure, over real ones"),
            Claim("least_class", ">=", 0.03, "rarest class among prior samples"),
            Claim("reconstruction_accuracy_ratio", ">=", 0.9, "held-out digits still read as themselves through the latent"),
            Claim("active_units", ">=", 6, "latent dimensions in use"),
        ), {"latent": 10, "pixels": 0.5, "beta": 2.5}),
    )  # fmt: skip

    def networks(self) -> dict[str, Any]:
        judge = Discriminator(self.config.discriminator, self.spec.shape, bound=True)
        return super().networks() | {"discriminator": judge}

    def sharing(self, network: str) -> Sharing:
        return Sharing(self.config.discriminator_rate, (0.5, 0.99)) if network == "discriminator" else Sharing()

    def problems(self) -> list[str]:
        return super().problems() + body_problems(self.config.discriminator, self.spec.shape, "discriminator")

    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        net, judge, c, x = nets["vae"], nets["discriminator"], self.config, batch.x
        z, mean, logvar = self.inferred(net, x, {}, lambda m, v: elbo.reparameterised(m, v, batch.generator))
        kl, log_p = elbo.gaussian_kl(mean, logvar), self.log_p(net, x, z, {})
        drawn = torch.randn(z.shape, generator=batch.generator, device=z.device)
        made = [self.decoded(net, latent, {}) for latent in (z.detach(), drawn)]  # the encoder hears nothing of these
        fooled = torch.stack([adversarial.generator_loss(judge(item).float()) for item in made]).mean()
        alike = self.likeness(judge, x, self.decoded(net, z, {}))
        value = self.charged(kl, batch.progress) + c.features * alike - c.pixels * log_p.mean() + c.adversary * fooled
        yield Loss("vae", value, self.figures(net, log_p, kl, batch.progress) | {"likeness": alike.detach()})
        yield self._judged(judge, x, [item.detach() for item in made])

    def likeness(self, judge: Any, x: Tensor, again: Tensor) -> Tensor:
        """-log N(D(x) | D(again), I) without its constant, in the discriminator's last features (equations 7 and 8)."""
        real, rebuilt = judge.describe(x).float(), judge.describe(again).float()
        return 0.5 * (real.detach() - rebuilt).square().flatten(1).sum(1).mean()

    def _judged(self, judge: Any, x: Tensor, made: list[Tensor]) -> Loss:
        real, fakes = judge(x).float(), [judge(item).float() for item in made]
        value = torch.stack([adversarial.discriminator_loss(real, fake) for fake in fakes]).mean()
        figures = {"d_real": real.sigmoid().mean().detach(), "d_fake": torch.cat(fakes).sigmoid().mean().detach()}
        return Loss("discriminator", value, figures)

    def diagnostics(self, nets: dict[str, Any], x: Tensor, generator: Any) -> dict[str, Any]:
        seen = nets["discriminator"](x).float().sigmoid().mean().item()
        return super().diagnostics(nets, x, generator) | {"d_held_out": seen}
