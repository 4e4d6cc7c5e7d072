"""beta-VAE (Higgins et al. 2017) with the capacity that rises over the run (Burgess et al. 2018, arXiv:1804.03599)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
from torch import Tensor

from models_backend.contract.family import Claim, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds import variational
from models_backend.networks.bodies import Auto


class Unlimited(msgspec.Struct, frozen=True, tag="unlimited"):
    """Every nat of the code costs beta (Higgins 2017)."""

    title: ClassVar[str] = "None: every nat costs"


class Rising(msgspec.Struct, frozen=True, tag="rising"):
    """The code shall hold so many nats, and the number rises: factors come in one by one (Burgess 2018)."""

    title: ClassVar[str] = "A capacity that rises"
    nats: Annotated[float, Field("Nats that the code shall hold at the end", low=0.0, high=1000.0, unit="nats")] = 15.0
    share: Annotated[float, Field("Share of the run over which they rise from none", low=0.0, high=1.0)] = 0.8

    def at(self, progress: float) -> float:
        """Nats at this share of the run."""
        return self.nats * (min(1.0, progress / self.share) if self.share > 0 else 1.0)


class Config(msgspec.Struct, frozen=True):
    """A variational autoencoder whose code is priced high, so that each of its dimensions stands for one thing."""

    latent: variational.Latent = 10
    encoder: variational.Encoder = Auto()
    decoder: variational.Decoder = Auto()
    likelihood: variational.Likelihood = variational.Gaussian(0.1)
    beta: variational.Beta = 4.0
    capacity: Annotated[Unlimited | Rising, Field("Capacity of the code: nats up to a rising number cost nothing")] = (
        Unlimited()
    )
    annealing: variational.Annealing = variational.WarmUp()


SHAPES = "shapes:size=16,count=12000"
PERCEPTRONS = {"encoder": {"type": "mlp", "width": 256, "depth": 2}, "decoder": {"type": "mlp", "width": 256, "depth": 2},
               "likelihood": {"type": "gaussian", "sigma": 0.3}}  # fmt: skip
FAST = {"steps": 10000, "learning_rate": 2e-3}


class BetaVAE(variational.Variational):
    """The VAE's networks and its bound, with another price on the KL."""

    title = "beta-VAE"
    glyph = "β"
    summary = "One dial for each factor"
    paper = "Higgins et al. 2017, beta-VAE (ICLR); Burgess et al. 2018, arXiv:1804.03599"
    names = ("β-VAE", "disentangled VAE")
    Config = Config
    presets = (
        Preset("tiny", "Tiny",
               {"latent": 4, "encoder": {"type": "auto", "width": 8, "depth": 0},
                "decoder": {"type": "auto", "width": 8, "depth": 0}},
               {"steps": 60, "batch_size": 32, "learning_rate": 2e-3, "clip": 100.0, "warmup": 5, "ema": 0.9},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"latent": 10},
               {"steps": 4000, "batch_size": 64, "learning_rate": 2e-3, "clip": 100.0, "ema": 0.995},
               note="Minutes on a laptop; best on shapes, whose factors are known"),
        Preset("paper", "After the paper",
               {"latent": 10, "encoder": {"type": "conv", "width": 32, "depth": 0},
                "decoder": {"type": "conv", "width": 32, "depth": 0}, "beta": 1000.0,
                "capacity": {"type": "rising", "nats": 25.0, "share": 1.0}, "annealing": {"type": "full"}},
               {"steps": 100_000, "batch_size": 64, "learning_rate": 5e-4, "clip": 0.0, "ema": 0.0},
               note="Burgess 2018 on dSprites: gamma 1000, 25 nats over 100,000 steps; convolutions of this studio"),
    )  # fmt: skip
    proofs = (
        Proof("bound", SHAPES, "small", 6.0, (
            Claim("reconstruction_accuracy_ratio", ">=", 0.9, "held-out shapes keep shape and colour through the latent"),
            Claim("active_units", ">=", 7, "latent dimensions in use at beta 1"),
            Claim("health_posterior_collapse", "<=", 0, "the health monitor sees no collapse"),
        ), {**PERCEPTRONS, "beta": 1.0}, FAST),
        Proof("price", SHAPES, "small", 4.0, (
            Claim("mig", ">=", 1.05, "mutual information gap at beta 8, against 1.05 x that at beta 1", "before/mig"),
            Claim("sap", ">=", 1.05, "separated predictability at beta 8, against 1.05 x that at beta 1", "before/sap"),
            Claim("dci", ">=", 1.0, "disentanglement (DCI) at beta 8, against beta 1", "before/dci"),
            Claim("kl", "<=", 0.7, "nats in the code, against 0.7 x those at beta 1", "before/kl"),
            Claim("reconstruction_psnr", "<=", 1.0, "what it costs: dB, below beta 1's", "before/reconstruction_psnr"),
            Claim("active_units", ">=", 4, "latent dimensions in use at beta 8"),
        ), {**PERCEPTRONS, "beta": 8.0}, FAST, after="bound"),
    )  # fmt: skip

    def charged(self, kl: Tensor, progress: float) -> Tensor:
        # Burgess et al. 2018, eq. 8: gamma |KL - C|; Higgins et al. 2017, eq. 4: beta KL
        rate, capacity = kl.sum(1).mean(), self.config.capacity
        wanted = (rate - capacity.at(progress)).abs() if isinstance(capacity, Rising) else rate
        return self.kl_weight(progress) * wanted

    def objective(self, progress: float) -> Any:
        capacity = self.config.capacity
        return super().objective(progress), capacity.at(progress) if isinstance(capacity, Rising) else None

    def figures(self, net: Any, log_p: Tensor, kl: Tensor, progress: float) -> dict[str, Any]:
        capacity = self.config.capacity
        wanted = {"capacity_nats": capacity.at(progress)} if isinstance(capacity, Rising) else {}
        return super().figures(net, log_p, kl, progress) | wanted
