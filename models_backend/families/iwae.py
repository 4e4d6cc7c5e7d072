"""Importance-weighted autoencoder (Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519), with the doubly reparameterised
gradient (Tucker et al. 2019, arXiv:1810.04152)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import msgspec
import torch
from torch import Tensor

from models_backend.contract.family import Batch, Claim, Loss, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds import variational
from models_backend.networks.bodies import Auto
from models_backend.objectives import variational as elbo

#: Draws of the bounds that are told of held-out items.
BOUNDS = (1, 5, 50)


class Reparameterised(msgspec.Struct, frozen=True, tag="reparameterised"):
    """The gradient of the bound as it stands; what it teaches the encoder drowns in noise as draws grow (Rainforth 2018)."""

    title: ClassVar[str] = "Of the bound as it stands"


class DoublyReparameterised(msgspec.Struct, frozen=True, tag="doubly_reparameterised"):
    """The same gradient on the mean, of less noise the more draws there are; nothing at a perfect posterior (Tucker 2019)."""

    title: ClassVar[str] = "Doubly reparameterised (DReG)"


class Config(msgspec.Struct, frozen=True):
    """A variational autoencoder trained on a tighter bound."""

    latent: variational.Latent = 16
    encoder: variational.Encoder = Auto()
    decoder: variational.Decoder = Auto()
    likelihood: variational.Likelihood = variational.LearnedGaussian()
    draws: Annotated[int, Field("Latents drawn for each item; 1 is the VAE, more make the bound tighter", low=1, high=1000,
                                scale="log")] = 8  # fmt: skip
    gradient: Annotated[Reparameterised | DoublyReparameterised, Field("How the encoder learns from the bound")] = (
        DoublyReparameterised()
    )


LINEAR = {"type": "mlp", "width": 8, "depth": 0}
PERCEPTRON = {"type": "mlp", "width": 256, "depth": 2}
DIGITS = {"encoder": PERCEPTRON, "decoder": PERCEPTRON, "likelihood": {"type": "learned_gaussian", "floor": 0.25}}


class IWAE(variational.Variational):
    """The VAE's networks under log 1/k sum w, w = p(x, z) / q(z|x) at k draws of z: the KL is not written out."""

    title = "Importance-weighted AE"
    glyph = "Σw"
    summary = "A tighter bound by k draws"
    paper = "Burda, Grosse & Salakhutdinov 2016, Importance Weighted Autoencoders, arXiv:1509.00519"
    names = ("IWAE", "importance-weighted autoencoder")
    Config = Config
    presets = (
        Preset("tiny", "Tiny",
               {"latent": 4, "draws": 3, "encoder": {"type": "auto", "width": 8, "depth": 0},
                "decoder": {"type": "auto", "width": 8, "depth": 0}},
               {"steps": 60, "batch_size": 32, "learning_rate": 2e-3, "clip": 100.0, "warmup": 5, "ema": 0.9},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"latent": 16, "draws": 8},
               {"steps": 4000, "batch_size": 64, "learning_rate": 1e-3, "clip": 100.0, "ema": 0.995},
               note="Minutes on a laptop"),
        Preset("paper", "As published",
               {"latent": 50, "draws": 50, "encoder": {"type": "mlp", "width": 200, "depth": 2},
                "decoder": {"type": "mlp", "width": 200, "depth": 2}, "gradient": {"type": "reparameterised"}},
               {"steps": 9_840_000, "batch_size": 20, "learning_rate": 1e-3, "warmup": 0, "clip": 0.0, "ema": 0.0,
                "optimiser": {"type": "adamw", "eps": 1e-4}},
               note="Burda 2016, one stochastic layer, k = 50; its rate falls in steps of its own"),
    )  # fmt: skip
    proofs = (
        Proof("linear", "points:density=two-gaussians", "small", 2.0, (
            Claim("ppca_gap", "<=", 0.02, "linear networks reach the exact pPCA marginal, nats apart"),
            Claim("bound_50", "<=", 0.99, "the bound of 50 draws stays below it, in nats", "ppca_nats"),
        ), {"latent": 1, "draws": 5, "encoder": LINEAR, "decoder": LINEAR},
            {"steps": 2000, "batch_size": 128, "learning_rate": 0.01, "ema": 0.99}),
        Proof("digits-1", "digits", "small", 3.0, (
            Claim("log_likelihood", ">=", 1.0, "one draw: held-out nats, above the best linear model's", "ppca_nats"),
        ), {"draws": 1, **DIGITS}, {"steps": 1500}),
        Proof("digits", "digits", "small", 4.0, (
            Claim("log_likelihood", ">=", 1.0, "eight draws: held-out nats, above those of one", "before/log_likelihood"),
            Claim("gain_5", ">=", 0.5, "nats that the bound of 5 draws is tighter than that of 1"),
            Claim("gain_50", ">=", 0.5, "nats that the bound of 50 draws is tighter than that of 5"),
            Claim("active_units", ">=", 8, "latent dimensions in use"),
        ), {"draws": 8, **DIGITS}, {"steps": 1500}, after="digits-1"),
    )  # fmt: skip

    def objective(self, progress: float) -> None:
        return None  # the KL is not written out: nothing weighs it

    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        net, k = nets["vae"], self.config.draws
        mean, logvar = net.encode(batch.x)
        z = elbo.reparameterised(mean.expand(k, *mean.shape), logvar.expand(k, *logvar.shape), batch.generator)
        held = isinstance(self.config.gradient, DoublyReparameterised) and z.requires_grad
        log_w = self._weigh(net, batch.x, z, *((mean.detach(), logvar.detach()) if held else (mean, logvar)))
        value = elbo.doubly_reparameterised(log_w, z) if held else elbo.importance_bound(log_w).mean()
        yield Loss("vae", -value, self._figures(net, log_w, mean, logvar))

    def _weigh(self, net: Any, x: Tensor, z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
        """log p(x, z) / q(z|x) (k, B) at latents z (k, B, L)."""
        again = x.expand(len(z), *x.shape).flatten(0, 1)
        log_p = self.log_p(net, again, z.flatten(0, 1), {}).unflatten(0, z.shape[:2])
        return log_p + elbo.standard_normal_log_density(z) - elbo.gaussian_log_density(z, mean, logvar)

    def _figures(self, net: Any, log_w: Tensor, mean: Tensor, logvar: Tensor) -> dict[str, Any]:
        log_w = log_w.detach()
        share = torch.softmax(log_w, 0)
        return {"bound": elbo.importance_bound(log_w).mean(), "elbo": log_w.mean(),
                "kl": elbo.gaussian_kl(mean, logvar).detach().sum(1).mean(),
                "draws_that_count": (1 / share.square().sum(0)).mean(), "scale": net.log_scale.detach().exp()}  # fmt: skip

    def log_weights(self, net: Any, x: Tensor, draws: int, generator: Any) -> Tensor:
        mean, logvar = net.encode(x)
        many = [elbo.reparameterised(mean, logvar, generator) for _ in range(draws)]
        return torch.cat([self._weigh(net, x, z[None], mean, logvar) for z in many])

    def diagnostics(self, nets: dict[str, Any], x: Tensor, generator: Any) -> dict[str, Any]:
        """As of every relative, with the bounds of k draws, ``bound_<k>``, all from the same draws, and by how much each is
        tighter than the one before, ``gain_<k>``."""
        told = super().diagnostics(nets, x, generator)
        log_w = self.log_weights(nets["vae"], x, max(BOUNDS), generator)
        bounds = [elbo.importance_bound(log_w.unflatten(0, (-1, k)).transpose(0, 1)).mean().item() for k in BOUNDS]
        told |= {f"bound_{k}": bound for k, bound in zip(BOUNDS, bounds, strict=True)}
        return told | {f"gain_{k}": after - before for k, (before, after) in zip(BOUNDS[1:], pairwise(bounds), strict=True)}
