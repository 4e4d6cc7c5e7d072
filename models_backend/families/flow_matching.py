"""Flow matching along chosen paths (Lipman 2022, arXiv:2210.02747) and couplings (Tong 2023, arXiv:2302.00482)."""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec
import torch

from models_backend.contract.family import Batch, Claim, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds import flow
from models_backend.networks import denoisers
from models_backend.objectives import coupling, paths, timesteps
from models_backend.samplers import adaptive, likelihood
from models_backend.samplers import flow as solvers

#: Up to so many values an item's divergence is exact; above it is estimated.
EXACT_VALUES = 8
#: Tolerance of a likelihood of points, steps of one of pictures.
LIKELIHOOD_TOLERANCE, LIKELIHOOD_STEPS = 1e-5, 10
#: Width of a step of an 8-bit picture in [-1, 1].
GREY_STEP = 2 / 255


class Config(msgspec.Struct, frozen=True):
    """What is learned, along which paths, and between whom."""

    network: Annotated[denoisers.Network, Field("The network that predicts the velocity")] = denoisers.Automatic()
    path: Annotated[paths.Path, Field("The way from a noise to an item")] = paths.Straight()
    coupling: Annotated[coupling.Coupling, Field("Which noise of a batch goes to which item")] = coupling.Optimal()
    time: flow.Time = timesteps.Uniform()


_POINT_TRAINING = {"steps": 3000, "batch_size": 256, "learning_rate": 2e-3, "preview_every": 1000, "validate_every": 1000,
                   "checkpoint_every": 1500}  # fmt: skip
_POINT_SAMPLING = {"solver": "euler", "steps": 100}
_NEAR_FLOOR = Claim("w2", "<=", 1.15, "W2 in 100 steps, against 1.15 x its floor", times="w2_floor")
_LIKELY = Claim("log_likelihood", ">=", 1.0, "exact held-out nats, above the best Gaussian's", times="ppca_nats")
_GAUSSIANS = "points:density=8gaussians,count=20000"


class FlowMatching(flow.Flow):
    """Network: "velocity". Time 0 is noise, 1 is data."""

    title = "Flow matching"
    glyph = "u"
    group = "Flow"
    summary = "A flow along chosen paths"
    paper = "Lipman et al. 2022, Flow Matching for Generative Modeling, arXiv:2210.02747"
    names = ("FM", "CFM", "conditional flow matching")
    modalities = ("points", "image")
    provides = ("flow matching",)
    latents = ("noise",)
    trace = "denoise"
    health = ("noise_levels",)
    presets = (
        Preset("tiny", "Tiny", {"network": {"type": "auto", "size": "tiny"}}, {"steps": 60, "batch_size": 16, "warmup": 5},
               {"steps": 6}, "Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"network": {"type": "auto", "size": "small"}},
               {"steps": 4000, "batch_size": 64, "learning_rate": 1e-3}, {}, "Minutes on a laptop"),
        Preset("paper", "As published", {"network": {"type": "unet", "width": 256, "multipliers": [1, 2, 2, 2], "blocks": 2,
               "attention": [16], "head": 64, "groups": 32}, "path": {"type": "ot", "sigma_min": 1e-5},
               "coupling": {"type": "independent"}},
               {"steps": 391_000, "batch_size": 256, "learning_rate": 5e-4, "warmup": 45_000, "decay": {"type": "linear"},
                "ema": 0.9999}, {"solver": "dopri5", "steps": 1}, "Lipman 2022 on CIFAR-10: days on graphics cards"),
    )  # fmt: skip
    proofs = (
        Proof("points", _GAUSSIANS, "small", 1.2, (_NEAR_FLOOR, _LIKELY, Claim("modes", ">=", 8, "modes of 8 found")),
              config={"coupling": {"type": "independent"}}, training=_POINT_TRAINING, sampling=_POINT_SAMPLING, count=5000),
        Proof("points-optimal", _GAUSSIANS, "small", 1.4,
              (_NEAR_FLOOR, _LIKELY,
               Claim("straightness", "<=", 0.2, "deviation from straight paths, against a fifth of independent coupling's",
                     times="before/straightness")),
              training=_POINT_TRAINING, sampling=_POINT_SAMPLING, count=5000, after="points"),
        Proof("moons", "points:density=moons,count=20000", "small", 1.4, (_NEAR_FLOOR, _LIKELY), training=_POINT_TRAINING,
              sampling=_POINT_SAMPLING, count=16000),
        Proof("digits", "digits", "small", 6.0,
              (Claim("sure_ratio", ">=", 0.85, "items of which the reader is sure, over real ones"),
               Claim("least_class", ">=", 0.04, "share of the rarest digit"),
               Claim("near_copies", "<=", 0.02, "samples that nearly copy a training item"),
               Claim("fd", "<=", 3.0, "Frechet distance, against 3 x its floor", times="fd_floor")),
              training={"steps": 2400}),
    )  # fmt: skip
    Config, Sampling = Config, flow.Sampling

    @property
    def path(self) -> paths.Path:
        return self.config.path

    def pairs(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise and items; the noise in the order in which the coupling has it (Tong 2023, algorithm 3)."""
        z, x1 = super().pairs(batch)
        return coupling.coupled(self.config.coupling, z, x1), x1

    # likelihood ---------------------------------------------------------------------------------------
    def log_likelihood(self, nets: dict[str, Any], x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """log p(x) in nats (B,) of what the flow makes of noise (Lipman 2022, appendix C): exact for points; for pictures
        with Hutchinson's estimate, of grey values that are spread evenly over their step."""
        if math.prod(self.spec.shape) <= EXACT_VALUES:
            return likelihood.log_density(self.velocity(nets), x, likelihood.exact, _precisely)
        spread = torch.rand(x.shape, generator=generator, device=x.device if generator is None else generator.device)
        x = x + GREY_STEP * (spread.to(x) - 0.5)
        return likelihood.log_density(self.velocity(nets), x, likelihood.hutchinson(likelihood.signs(x, generator)), _shortly)


def _precisely(velocity: Any, state: torch.Tensor) -> torch.Tensor:
    """Back from data to noise, as exactly as single precision lets it."""
    return adaptive.dopri5(velocity, state, [1.0, 0.0], tolerance=LIKELIHOOD_TOLERANCE)


def _shortly(velocity: Any, state: torch.Tensor) -> torch.Tensor:
    return solvers.heun(velocity, state, solvers.times(LIKELIHOOD_STEPS)[::-1])
