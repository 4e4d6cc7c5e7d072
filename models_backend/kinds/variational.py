"""The body of every variational autoencoder: likelihoods, how the KL comes in, the bound, drawing, encoding, decoding.

A family's file subclasses ``Variational`` and declares itself. Every latent here is *white*: its prior is N(0, I). A family
whose prior is another one (of a class, of a level below another) maps white latents to its own when it decodes, and says its
posterior in white latents; the KL, the importance weights, sampling and paths are then the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar

import msgspec
import torch
from torch import Tensor

from models_backend.contract.family import Batch, Family, Loss
from models_backend.contract.fields import Field
from models_backend.contract.trace import Step
from models_backend.networks.autoencoder import Autoencoder, Draw
from models_backend.networks.bodies import Auto, Body, Conv, Mlp, body_problems
from models_backend.objectives import variational as elbo
from models_backend.samplers.latent_path import InterpolationPoints, InterpolationSeed, latent_path, origin

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


#: Fields of a family's Config.
Latent = Annotated[int, Field("Dimensions of the latent", low=1, high=2048)]
Encoder = Annotated[Auto | Mlp | Conv, Field("Network from item to latent")]
Decoder = Annotated[Auto | Mlp | Conv, Field("Network from latent to item")]
Likelihood = Annotated[Gaussian | LearnedGaussian | Laplace, Field("Likelihood of an item given the decoder's output")]
Beta = Annotated[
    float, Field("Weight of the KL: 1 is the bound itself, more orders the latents, less sharpens", low=0.0, high=1000.0)
]
Annealing = Annotated[Full | WarmUp | Cycles, Field("Annealing of the KL weight")]
FreeBits = Annotated[
    float, Field("KL of a dimension that costs nothing, against unused latents", low=0.0, high=10.0, unit="nats")
]


class Sampling(msgspec.Struct, frozen=True):
    """Drawing from the prior and decoding."""

    temperature: Annotated[float, Field("Width of the prior that is drawn from; less is safer and less varied",
                                        low=0.0, high=3.0)] = 1.0  # fmt: skip
    interpolation_points: InterpolationPoints = 24
    interpolation_seed: InterpolationSeed = 0


def at_mean(mean: Tensor, logvar: Tensor) -> Tensor:
    """The latent of an item that is not drawn."""
    return mean


class Variational(Family):
    """One network "vae", one loss: minus the bound in nats, summed over dimensions and meant over items.

    ``Config`` has the fields latent, encoder, decoder and likelihood, and those that ``charged`` reads."""

    group = "Autoencoders"
    modalities = ("points", "image")
    provides = ("latent map",)
    latents = ("z",)
    trace = "path"
    health = ("posterior_collapse", "reconstruction_balance")
    Sampling = Sampling

    # networks -----------------------------------------------------------------------------------------
    def networks(self) -> dict[str, Any]:
        c = self.config
        return {"vae": Autoencoder(c.encoder, c.decoder, self.spec.shape, c.latent, *self.likelihood_width())}

    def likelihood_width(self) -> tuple[float, bool, float]:
        """The likelihood's width at the start, whether it is learned, and its floor."""
        likelihood = self.config.likelihood
        start = likelihood.scale if isinstance(likelihood, Laplace) else likelihood.sigma
        learned = isinstance(likelihood, LearnedGaussian) or getattr(likelihood, "learned", False)
        return start, learned, getattr(likelihood, "floor", 1e-4)

    def problems(self) -> list[str]:
        bodies: dict[str, Body] = {"encoder": self.config.encoder, "decoder": self.config.decoder}
        return [p for name, body in bodies.items() for p in body_problems(body, self.spec.shape, name)]

    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.latent,)

    # what a family may say otherwise ------------------------------------------------------------------
    def inferred(self, net: Any, x: Tensor, conditions: dict[str, Any], draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
        """A white latent of each item of x (B, *shape) as ``draw`` takes it, and the mean and log variance of the posterior
        that it was taken from, each (B, L)."""
        mean, logvar = net.encode(x)
        return draw(mean, logvar), mean, logvar

    def decoded(self, net: Any, z: Tensor, conditions: dict[str, Any]) -> Tensor:
        """White latents (B, L) -> means of the likelihood (B, *shape)."""
        return net.decode(z)

    def charged(self, kl: Tensor, progress: float) -> Tensor:
        """What the latents' KL (B, L) costs at this share of the run, a scalar. Reads beta, annealing and free_bits."""
        free = self.config.free_bits
        return self.kl_weight(progress) * (elbo.with_free_bits(kl, free) if free else kl.sum(1).mean())

    # training -----------------------------------------------------------------------------------------
    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        log_p, kl = self.terms(nets["vae"], batch.x, batch.conditions, batch.generator)
        yield Loss("vae", self.charged(kl, batch.progress) - log_p.mean(), self.figures(nets["vae"], log_p, kl, batch.progress))

    def terms(self, net: Any, x: Tensor, conditions: dict[str, Any], generator: Any) -> tuple[Tensor, Tensor]:
        """log p(x|z) (B,) at a drawn z, and the KL of each latent dimension (B, L), in nats."""
        z, mean, logvar = self.inferred(net, x, conditions, lambda m, v: elbo.reparameterised(m, v, generator))
        return self.log_p(net, x, z, conditions), elbo.gaussian_kl(mean, logvar)

    def figures(self, net: Any, log_p: Tensor, kl: Tensor, progress: float) -> dict[str, Any]:
        """The two parts of the bound, for the curves."""
        seen, rate = log_p.detach().mean(), kl.detach().sum(1).mean()
        return {"reconstruction_nats": -seen, "kl": rate, "elbo": seen - rate, "kl_weight": self.kl_weight(progress),
                "scale": net.log_scale.detach().exp()}  # fmt: skip

    def kl_weight(self, progress: float) -> float:
        """beta times the annealing at this share of the run."""
        annealing, beta = self.config.annealing, self.config.beta
        if isinstance(annealing, WarmUp):
            return beta * (min(1.0, progress / annealing.share) if annealing.share > 0 else 1.0)
        if isinstance(annealing, Cycles):
            return beta * elbo.cyclical(progress, annealing.cycles, annealing.rise)
        return beta

    def objective(self, progress: float) -> Any:
        return self.kl_weight(progress)

    def log_p(self, net: Any, x: Tensor, z: Tensor, conditions: dict[str, Any]) -> Tensor:
        """log p(x|z) in nats, (B,)."""
        density = elbo.laplace_log_likelihood if isinstance(self.config.likelihood, Laplace) else elbo.gaussian_log_likelihood
        return density(x, self.decoded(net, z, conditions), net.log_scale)

    # sampling -----------------------------------------------------------------------------------------
    def sample(self, nets: dict[str, Any], noise: Tensor, conditions: dict[str, Any], sampling: Sampling,
               on_step: Callable[[Step], None], generator: Any, start: float | None = None) -> Tensor:  # fmt: skip
        """Decoded draws from the prior. A recorded state (an item) is encoded, and its path leads to a fresh draw."""
        if start is None:
            first, last = origin(sampling.interpolation_seed, noise)[None].expand_as(noise), noise
        else:
            first = self.inferred(nets["vae"], noise, conditions, at_mean)[0]
            last = torch.randn(first.shape, generator=generator, device=first.device)
        return latent_path(lambda z: self.shown(nets, z, conditions), first, sampling.temperature * last,
                           sampling.interpolation_points, on_step)  # fmt: skip

    def shown(self, nets: dict[str, Any], z: Tensor, conditions: dict[str, Any]) -> Tensor:
        """Items (B, *shape) of white latents (B, L), in the range of the data."""
        mean = self.decoded(nets["vae"], z, conditions)
        return mean.clamp(-1, 1) if self.spec.modality == "image" else mean

    # latents ------------------------------------------------------------------------------------------
    def encode(self, nets: dict[str, Any], x: Tensor) -> Tensor:
        return self.inferred(nets["vae"], x, {}, at_mean)[0]

    def decode(self, nets: dict[str, Any], z: Tensor, sampling: Sampling) -> Tensor:
        return self.shown(nets, z, {})

    # measuring ----------------------------------------------------------------------------------------
    def diagnostics(self, nets: dict[str, Any], x: Tensor, generator: Any) -> dict[str, Any]:
        """The bound on held-out items in nats, its two parts, the KL of each dimension, and which dimensions are used."""
        log_p, kl = self.terms(nets["vae"], x, {}, generator)
        seen, kl, means = log_p.mean(), kl.mean(0), self.encode(nets, x)
        return {"kl": kl.sum().item(), "elbo": (seen - kl.sum()).item(), "reconstruction_nats": -seen.item(),
                "kl_per_dimension": kl.tolist(), "active_units": float(elbo.active_units(means)),
                "latent_size": float(means.shape[1])}  # fmt: skip

    def log_likelihood(self, nets: dict[str, Any], x: Tensor, generator: Any, draws: int = DRAWS) -> Tensor:
        """log p(x) from below by ``draws`` importance samples, (B,) nats."""
        return elbo.importance_bound(self.log_weights(nets["vae"], x, draws, generator))

    def log_weights(self, net: Any, x: Tensor, draws: int, generator: Any) -> Tensor:
        """log p(x, z) / q(z|x) at ``draws`` draws of z, (draws, B) nats."""
        return torch.stack([self._log_weight(net, x, generator) for _ in range(draws)])

    def _log_weight(self, net: Any, x: Tensor, generator: Any) -> Tensor:
        z, mean, logvar = self.inferred(net, x, {}, lambda m, v: elbo.reparameterised(m, v, generator))
        return self.log_p(net, x, z, {}) + elbo.standard_normal_log_density(z) - elbo.gaussian_log_density(z, mean, logvar)
