"""Hierarchical variational autoencoder: levels of latents, told from the top down (ladder VAE, Sonderby et al. 2016,
arXiv:1602.02282), with residual posteriors (NVAE, Vahdat & Kautz 2020, arXiv:2007.03898)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from torch import Tensor

from models_backend.contract.family import Claim, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds import variational
from models_backend.networks.autoencoder import Draw
from models_backend.networks.bodies import Auto
from models_backend.networks.ladder import LadderAutoencoder
from models_backend.objectives import variational as elbo


class Config(msgspec.Struct, frozen=True):
    """A variational autoencoder whose latents have a prior that is learned: that of the level above."""

    levels: Annotated[int, Field("Levels of latents, each conditioned on those above it", low=1, high=16)] = 2
    latent: Annotated[int, Field("Dimensions of each level's latent", low=1, high=1024)] = 8
    width: Annotated[int, Field("Width of the features between levels", low=4, high=4096)] = 128
    encoder: variational.Encoder = Auto()
    decoder: variational.Decoder = Auto()
    likelihood: variational.Likelihood = variational.LearnedGaussian()
    beta: variational.Beta = 1.0
    annealing: variational.Annealing = variational.WarmUp()
    free_bits: Annotated[
        float,
        Field("KL of a level that costs nothing, against posterior collapse", low=0.0, high=100.0, unit="nats"),
    ] = 0.0


RING = "points:density=8gaussians,count=20000"
SMALL, LARGE = {"type": "mlp", "width": 64, "depth": 2}, {"type": "mlp", "width": 256, "depth": 2}
POINTS = {"width": 64, "encoder": SMALL, "decoder": SMALL, "free_bits": 0.5}
DIGITS = {"levels": 2, "latent": 16, "encoder": LARGE, "decoder": LARGE, "free_bits": 1.0,
          "likelihood": {"type": "learned_gaussian", "floor": 0.25}}  # fmt: skip
FAST = {"steps": 3000, "batch_size": 128, "learning_rate": 2e-3}


class HierarchicalVAE(variational.Variational):
    """Latents (B, levels * latent), the top level first, white: see ``networks.ladder``."""

    title = "Hierarchical VAE"
    glyph = "z²"
    summary = "Plan first, then details"
    paper = "Sonderby et al. 2016, Ladder Variational Autoencoders, arXiv:1602.02282"
    names = ("HVAE", "LVAE", "ladder VAE")
    Config = Config
    presets = (
        Preset("tiny", "Tiny",
               {"latent": 2, "width": 16, "encoder": {"type": "auto", "width": 8, "depth": 0},
                "decoder": {"type": "auto", "width": 8, "depth": 0}},
               {"steps": 60, "batch_size": 32, "learning_rate": 2e-3, "clip": 100.0, "warmup": 5, "ema": 0.9},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"levels": 2, "latent": 8},
               {"steps": 4000, "batch_size": 128, "learning_rate": 1e-3, "clip": 100.0, "ema": 0.995},
               note="Minutes on a laptop"),
        Preset("paper", "After the paper",
               {"levels": 5, "latent": 32, "width": 512, "encoder": {"type": "mlp", "width": 512, "depth": 2},
                "decoder": {"type": "mlp", "width": 512, "depth": 2}, "annealing": {"type": "warm_up", "share": 0.1}},
               {"steps": 500_000, "batch_size": 256, "learning_rate": 1e-3, "clip": 100.0, "ema": 0.999},
               note="Sonderby 2016: five levels; latents of one size for theirs of 64 to 4, and no batch normalisation"),
    )  # fmt: skip
    proofs = (
        Proof("one", RING, "small", 2.0, (
            Claim("active_units", ">=", 2, "one level of 4: latent dimensions in use"),
        ), {**POINTS, "levels": 1, "latent": 4}, FAST),
        Proof("two", RING, "small", 2.0, (
            Claim("elbo", ">=", 0.95, "two levels of 2: held-out bound, against 0.95 x one level's (below 0)", "before/elbo"),
            Claim("log_likelihood", ">=", 0.95, "held-out nats by 64 draws, in the same way", "before/log_likelihood"),
            Claim("least_level_kl", ">=", 0.1, "nats that the idler level says"),
        ), {**POINTS, "levels": 2, "latent": 2}, FAST, after="one"),
        Proof("digits", "digits", "small", 4.0, (
            Claim("log_likelihood", ">=", 1.0, "held-out nats, above the best linear model's", "ppca_nats"),
            Claim("least_level_kl", ">=", 0.1, "nats that the idler level says"),
            Claim("reconstruction_accuracy_ratio", ">=", 0.9, "held-out digits still read as themselves through the latents"),
            Claim("least_class", ">=", 0.03, "rarest class among prior samples"),
        ), DIGITS, {"steps": 1500}),
    )  # fmt: skip

    def networks(self) -> dict[str, Any]:
        c = self.config
        net = LadderAutoencoder(c.encoder, c.decoder, self.spec.shape, c.levels, c.latent, c.width, *self.likelihood_width())
        return {"vae": net}

    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.levels * self.config.latent,)

    def inferred(self, net: Any, x: Tensor, conditions: dict[str, Any], draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
        return net.encode(x, draw)

    def charged(self, kl: Tensor, progress: float) -> Tensor:
        return self.kl_weight(progress) * elbo.with_free_bits(self.by_level(kl), self.config.free_bits)

    def by_level(self, kl: Tensor) -> Tensor:
        """KL of each dimension (..., levels * latent) -> of each level (..., levels), the top one first."""
        return kl.unflatten(-1, (self.config.levels, self.config.latent)).sum(-1)

    def figures(self, net: Any, log_p: Tensor, kl: Tensor, progress: float) -> dict[str, Any]:
        return super().figures(net, log_p, kl, progress) | self._named(self.by_level(kl.detach().mean(0)))

    def diagnostics(self, nets: dict[str, Any], x: Tensor, generator: Any) -> dict[str, Any]:
        """As of every relative, with the KL of each level, ``kl_level_1`` at the top, and the least of them."""
        told = super().diagnostics(nets, x, generator)
        levels = self.by_level(x.new_tensor(told["kl_per_dimension"]))
        return told | {k: v.item() for k, v in self._named(levels).items()} | {"least_level_kl": levels.min().item()}

    def _named(self, levels: Tensor) -> dict[str, Tensor]:
        return {f"kl_level_{i}": nats for i, nats in enumerate(levels, 1)}
