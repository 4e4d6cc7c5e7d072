"""Variational autoencoder (Kingma & Welling 2014, arXiv:1312.6114), with beta and its annealing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar

import msgspec
import torch
from torch import Tensor

from ..contract.family import Batch, Claim, Family, Loss, Preset, Proof
from ..contract.fields import Field
from ..contract.trace import Step
from ..networks.autoencoder import Autoencoder
from ..networks.bodies import Auto, Body, Conv, Mlp, body_problems
from ..objectives import variational as elbo
from ..samplers.latent_path import latent_path, origin

#: Importance samples of one estimate of log p(x).
DRAWS = 64


class Gaussian(msgspec.Struct, frozen=True, tag="gaussian"):
    """Gaussian noise of a fixed width around the decoded mean."""

    sigma: Annotated[float, Field("Standard deviation of the noise, in data units", low=0.001, high=10.0, scale="log")] = 0.3


class LearnedGaussian(msgspec.Struct, frozen=True, tag="learned_gaussian"):
    """Gaussian noise whose one width is learned, which balances picture and prior by itself (Rybkin et al. 2021)."""

    sigma: Annotated[float, Field("Standard deviation at the start", low=0.001, high=10.0, scale="log")] = 1.0
    floor: Annotated[float, Field("Smallest standard deviation", low=0.0001, high=1.0, scale="log")] = 0.01


class Laplace(msgspec.Struct, frozen=True, tag="laplace"):
    """Laplace noise: absolute instead of squared errors, crisper edges."""

    scale: Annotated[float, Field("Width of the noise, in data units", low=0.001, high=10.0, scale="log")] = 0.3
    learned: Annotated[bool, Field("Learn the width, starting here")] = True
    floor: Annotated[float, Field("Smallest width", low=0.0001, high=1.0, scale="log")] = 0.01


class Full(msgspec.Struct, frozen=True, tag="full"):
    """The whole KL from the first step."""


class WarmUp(msgspec.Struct, frozen=True, tag="warm_up"):
    """The KL rises from nothing: latents are used before they are charged (Bowman et al. 2016)."""

    title: ClassVar[str] = "Warm-up"
    share: Annotated[float, Field("Share of the run over which it rises", low=0.0, high=1.0)] = 0.2


class Cycles(msgspec.Struct, frozen=True, tag="cycles"):
    """The KL rises again and again (Fu et al. 2019)."""

    cycles: Annotated[int, Field("How many times", low=1, high=100)] = 4
    rise: Annotated[float, Field("Share of a cycle spent rising", low=0.0, high=1.0)] = 0.5


class Config(msgspec.Struct, frozen=True):
    """A variational autoencoder."""

    latent: Annotated[int, Field("Dimensions of the latent", low=1, high=2048)] = 16
    encoder: Annotated[Auto | Mlp | Conv, Field("Network from item to latent")] = Auto()
    decoder: Annotated[Auto | Mlp | Conv, Field("Network from latent to item")] = Auto()
    likelihood: Annotated[
        Gaussian | LearnedGaussian | Laplace, Field("How far an item may lie from what the decoder draws")
    ] = LearnedGaussian()
    beta: Annotated[
        float, Field("Weight of the KL: 1 is the bound itself, more orders the latents, less sharpens", low=0.0, high=1000.0)
    ] = 1.0
    annealing: Annotated[Full | WarmUp | Cycles, Field("How the KL comes in")] = WarmUp()
    free_bits: Annotated[
        float, Field("KL of a dimension that costs nothing, against unused latents", low=0.0, high=10.0, unit="nats")
    ] = 0.0


class Sampling(msgspec.Struct, frozen=True):
    """Drawing from the prior and decoding."""

    temperature: Annotated[float, Field("Width of the prior that is drawn from; less is safer and less varied",
                                        low=0.0, high=3.0)] = 1.0  # fmt: skip
    path_places: Annotated[int, Field("Places on the path between two latents in the trajectory panel", low=2, high=256)] = 24
    path_origin: Annotated[int, Field("Seed of the latent at which every path starts", low=0, high=2**31 - 1)] = 0


LINEAR = {"type": "mlp", "width": 8, "depth": 0}
PERCEPTRON = {"type": "mlp", "width": 256, "depth": 2}


class VAE(Family):
    """One network, one loss: minus the bound in nats, summed over dimensions and meant over items."""

    title = "Variational autoencoder"
    glyph = "z"
    group = "Autoencoders"
    summary = "A smooth map that decodes"
    paper = "Kingma & Welling 2014, Auto-Encoding Variational Bayes, arXiv:1312.6114"
    modalities = ("points", "image")
    provides = ("latent map",)
    latents = ("z",)
    trace = "path"
    health = ("posterior_collapse", "reconstruction_balance")
    Config = Config
    Sampling = Sampling
    presets = (
        Preset("tiny", "Tiny",
               {"latent": 4, "encoder": {"type": "auto", "width": 8, "depth": 0},
                "decoder": {"type": "auto", "width": 8, "depth": 0}},
               {"steps": 60, "batch_size": 32, "learning_rate": 2e-3, "clip": 100.0, "warmup": 5, "ema": 0.9},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"latent": 16},
               {"steps": 4000, "batch_size": 128, "learning_rate": 1e-3, "clip": 100.0, "ema": 0.995},
               note="Minutes on a laptop"),
        Preset("paper", "As published",
               {"latent": 20, "encoder": {"type": "mlp", "width": 500, "depth": 1},
                "decoder": {"type": "mlp", "width": 500, "depth": 1}, "annealing": {"type": "full"}},
               {"steps": 100_000, "batch_size": 100, "learning_rate": 1e-3, "clip": 0.0, "ema": 0.0},
               note="Kingma & Welling 2014, section 5: one hidden layer of 500, with Adam for Adagrad"),
    )  # fmt: skip
    proofs = (
        Proof("linear", "points:density=two-gaussians", "small", 2.0, (
            Claim("ppca_gap", "<=", 0.02, "linear networks reach the exact pPCA marginal, nats apart"),
            Claim("active_units", ">=", 1, "latent dimensions in use"),
        ), {"latent": 1, "encoder": LINEAR, "decoder": LINEAR, "annealing": {"type": "full"}},
            {"steps": 2000, "batch_size": 256, "learning_rate": 0.01, "ema": 0.99}),
        Proof("digits", "digits", "small", 3.0, (
            Claim("classifier_accuracy", ">=", 0.97, "classifier on held-out real digits"),
            Claim("reconstruction_accuracy", ">=", 0.9, "held-out digits still read as themselves through the latent"),
            Claim("log_likelihood", ">=", 1.0, "held-out nats, above the best linear model's", "ppca_nats"),
            Claim("active_units", ">=", 8, "latent dimensions in use"),
            Claim("health_posterior_collapse", "<=", 0, "the health monitor sees no collapse"),
            Claim("least_class", ">=", 0.03, "rarest class among prior samples"),
        ), {"latent": 16, "encoder": PERCEPTRON, "decoder": PERCEPTRON}, {"steps": 3000}),
        Proof("shapes", "shapes:size=16", "small", 5.0, (
            Claim("reconstruction_accuracy", ">=", 0.9, "held-out shapes keep shape and colour through the latent"),
            Claim("active_units", ">=", 4, "latent dimensions in use"),
            Claim("class_entropy", ">=", 0.8, "prior samples spread over the twelve classes (1: evenly)"),
        ), {"latent": 16, "encoder": {"type": "conv", "width": 12, "depth": 0},
            "decoder": {"type": "conv", "width": 16, "depth": 0}},
            {"steps": 4000, "batch_size": 64, "learning_rate": 2e-3}),
    )  # fmt: skip

    def networks(self) -> dict[str, Any]:
        c, likelihood = self.config, self.config.likelihood
        scale = likelihood.scale if isinstance(likelihood, Laplace) else likelihood.sigma
        learned = isinstance(likelihood, LearnedGaussian) or getattr(likelihood, "learned", False)
        floor = getattr(likelihood, "floor", 1e-4)
        return {"vae": Autoencoder(c.encoder, c.decoder, self.spec.shape, c.latent, scale, learned, floor)}

    def problems(self) -> list[str]:
        bodies: dict[str, Body] = {"encoder": self.config.encoder, "decoder": self.config.decoder}
        return [p for name, body in bodies.items() for p in body_problems(body, self.spec.shape, name)]

    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.latent,)

    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        net = nets["vae"]
        mean, logvar = net.encode(batch.x)
        log_p = self.log_p(net, batch.x, elbo.reparameterised(mean, logvar, batch.generator)).mean()
        kl = elbo.gaussian_kl(mean, logvar)
        charged = elbo.with_free_bits(kl, self.config.free_bits) if self.config.free_bits else kl.sum(1).mean()
        weight = self.kl_weight(batch.progress)
        total_kl = kl.detach().sum(1).mean()
        figures = {"reconstruction_nats": -log_p.detach(), "kl": total_kl, "elbo": log_p.detach() - total_kl,
                   "kl_weight": weight, "scale": net.log_scale.detach().exp()}  # fmt: skip
        yield Loss("vae", weight * charged - log_p, figures)

    def kl_weight(self, progress: float) -> float:
        """beta times the annealing at this share of the run."""
        annealing = self.config.annealing
        if isinstance(annealing, WarmUp):
            return self.config.beta * (min(1.0, progress / annealing.share) if annealing.share > 0 else 1.0)
        if isinstance(annealing, Cycles):
            return self.config.beta * elbo.cyclical(progress, annealing.cycles, annealing.rise)
        return self.config.beta

    def log_p(self, net: Any, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z) in nats, (B,)."""
        density = elbo.laplace_log_likelihood if isinstance(self.config.likelihood, Laplace) else elbo.gaussian_log_likelihood
        return density(x, net.decode(z), net.log_scale)

    def sample(self, nets: dict[str, Any], noise: Tensor, conditions: dict[str, Any], sampling: Sampling,
               on_step: Callable[[Step], None], generator: Any, start: float | None = None) -> Tensor:  # fmt: skip
        """Decoded draws from the prior. A recorded state (an item) is encoded, and its path leads to a fresh draw."""
        if start is None:
            first, last = origin(sampling.path_origin, noise)[None].expand_as(noise), noise
        else:
            first = self.encode(nets, noise)
            last = torch.randn(first.shape, generator=generator, device=first.device)
        return latent_path(lambda z: self.decode(nets, z, sampling), first, sampling.temperature * last,
                           sampling.path_places, on_step)  # fmt: skip

    def encode(self, nets: dict[str, Any], x: Tensor) -> Tensor:
        return nets["vae"].encode(x)[0]

    def decode(self, nets: dict[str, Any], z: Tensor, sampling: Sampling) -> Tensor:
        mean = nets["vae"].decode(z)
        return mean.clamp(-1, 1) if self.spec.modality == "image" else mean

    def diagnostics(self, nets: dict[str, Any], x: Tensor, generator: Any) -> dict[str, Any]:
        """The bound on held-out items in nats, its two parts, the KL of each dimension, and which dimensions are used."""
        net = nets["vae"]
        mean, logvar = net.encode(x)
        kl = elbo.gaussian_kl(mean, logvar).mean(0)
        log_p = self.log_p(net, x, elbo.reparameterised(mean, logvar, generator)).mean()
        return {"kl": kl.sum().item(), "elbo": (log_p - kl.sum()).item(), "reconstruction_nats": -log_p.item(),
                "kl_per_dimension": kl.tolist(), "active_units": float(elbo.active_units(mean)),
                "latent_size": float(mean.shape[1])}  # fmt: skip

    def log_likelihood(self, nets: dict[str, Any], x: Tensor, generator: Any, draws: int = DRAWS) -> Tensor:
        """log p(x) from below by ``draws`` importance samples, (B,) nats."""
        net = nets["vae"]
        mean, logvar = net.encode(x)
        return elbo.importance_bound(torch.stack([self._log_weight(net, x, mean, logvar, generator) for _ in range(draws)]))

    def _log_weight(self, net: Any, x: Tensor, mean: Tensor, logvar: Tensor, generator: Any) -> Tensor:
        z = elbo.reparameterised(mean, logvar, generator)
        eps = (z - mean) * (-0.5 * logvar).exp()
        log_q = elbo.standard_normal_log_density(eps) - 0.5 * logvar.sum(-1)
        return self.log_p(net, x, z) + elbo.standard_normal_log_density(z) - log_q
