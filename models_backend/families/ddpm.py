"""Denoising diffusion (Ho 2020, arXiv:2006.11239) and what became of it: schedules, predictions, samplers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from models_backend.contract.family import Claim, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds import diffusion
from models_backend.networks import denoisers
from models_backend.objectives import denoising, schedules, timesteps


class Config(msgspec.Struct, frozen=True):
    """What is learned, and from which noise."""

    network: Annotated[denoisers.Network, Field("The network that denoises")] = denoisers.Automatic()
    schedule: diffusion.Schedule = schedules.Cosine()
    prediction: diffusion.Prediction = "v"
    timesteps: diffusion.Timesteps = timesteps.Uniform()
    weighting: diffusion.Weighting = denoising.Unweighted()


class DDPM(diffusion.Diffusion):
    """Denoising diffusion probabilistic models. Networks: "denoiser", and with a learned schedule "schedule", with
    loss-aware timesteps "history"."""

    title = "DDPM"
    glyph = "ε"
    group = "Diffusion"
    summary = "Removes noise step by step"
    paper = "Ho, Jain & Abbeel 2020, Denoising Diffusion Probabilistic Models, arXiv:2006.11239"
    names = ("denoising diffusion probabilistic model", "unconditional diffusion")
    modalities = ("points", "image")
    provides = ("diffusion",)
    latents = ("noise",)
    trace = "denoise"
    health = ("noise_levels",)
    presets = (
        Preset("tiny", "Tiny", {"network": {"type": "auto", "size": "tiny"}}, {"steps": 60, "batch_size": 16, "warmup": 5},
               {"steps": 6}, "Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"network": {"type": "auto", "size": "small"}},
               {"steps": 4000, "batch_size": 64, "learning_rate": 1e-3}, {"steps": 50}, "Minutes on a laptop"),
        Preset("demo", "Demo", {"network": {"type": "auto", "size": "small"}},
               {"steps": 1700, "batch_size": 64, "learning_rate": 2e-3, "preview_every": 425, "validate_every": 200},
               {"steps": 20, "sampler": {"type": "dpmpp_2m"}}, "What `nexus-studio demo` trains: digits in minutes"),
        Preset("paper", "As published", {"network": {"type": "unet", "width": 128, "multipliers": [1, 2, 2, 2],
               "blocks": 2, "attention": [16], "heads": 1, "groups": 32, "dropout": 0.1}, "schedule": {"type": "linear"},
               "prediction": "eps"}, {"steps": 800_000, "batch_size": 128, "learning_rate": 2e-4, "warmup": 5000,
               "decay": {"type": "constant"}, "ema": 0.9999}, {"sampler": {"type": "ddpm", "variance": "large"}, "steps": 1000},
               "Ho 2020 on CIFAR-10, mirrored at random: days on a graphics card"),
    )  # fmt: skip
    proofs = (
        Proof("points", "points:density=8gaussians,count=20000", "small", 3.0,
              (Claim("modes", ">=", 8, "modes of 8 found"), Claim("within_3sd", ">=", 0.90, "points within 3 sd of a mode")),
              training={"steps": 6000, "batch_size": 256, "learning_rate": 2e-3, "preview_every": 2000,
                        "validate_every": 2000, "checkpoint_every": 3000},
              sampling={"sampler": {"type": "dpmpp_2m"}}, count=5000),
        Proof("digits", "digits", "small", 7.0,
              (Claim("sure_ratio", ">=", 0.85, "items of which the reader is sure, over real ones"),
               Claim("least_class", ">=", 0.04, "share of the rarest digit"),
               Claim("near_copies", "<=", 0.02, "samples that nearly copy a training item"),
               Claim("fd", "<=", 3.0, "Frechet distance, against 3 x its floor", times="fd_floor")),
              training={"steps": 2400}),
    )  # fmt: skip
    Config, Sampling = Config, diffusion.Sampling

    def denoiser(self) -> Any:
        return denoisers.make(self.config.network, self.spec)

    def problems(self) -> list[str]:
        return denoisers.mismatches(self.config.network, self.spec)
