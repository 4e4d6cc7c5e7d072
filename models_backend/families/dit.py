"""Diffusion transformer (Peebles & Xie 2022, arXiv:2212.09748)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import torch

from models_backend.contract.family import Claim, Condition, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.contract.words import counted
from models_backend.kinds import diffusion, kept
from models_backend.kinds.guided import PLAIN, Ask, How, Negative, Scale
from models_backend.kinds.guided_diffusion import GuidedDiffusion
from models_backend.kinds.latent import CODEC, InLatents
from models_backend.networks import dit
from models_backend.objectives import denoising, schedules, timesteps


class Config(msgspec.Struct, frozen=True):
    """What is learned, and from which noise."""

    network: Annotated[dit.DiT, Field("The transformer that denoises")] = dit.DiT()
    schedule: diffusion.Schedule = schedules.Cosine()
    prediction: diffusion.Prediction = "v"
    variance: Annotated[
        Literal["fixed", "learned"],
        Field("Of the noise of DDPM sampling: the schedule's, or predicted by the network for each pixel"),
    ] = "fixed"
    timesteps: diffusion.Timesteps = timesteps.Uniform()
    weighting: diffusion.Weighting = denoising.Unweighted()


class Sampling(diffusion.Sampling, frozen=True):
    """How noise becomes an item, and how much the class counts."""

    guidance: Scale = 3.0
    guided: How = PLAIN
    negative: Negative = ""


class DiT(InLatents, GuidedDiffusion):
    """Network: "denoiser", a transformer on patches that is told the class."""

    title = "DiT"
    glyph = "▦"
    group = "Diffusion"
    summary = "A transformer that denoises"
    paper = "Peebles & Xie 2022, Scalable Diffusion Models with Transformers, arXiv:2212.09748"
    names = ("diffusion transformer",)
    classes_needed = (2, 0)
    made_for = "class"
    modalities = ("image",)
    conditions = (Condition("class", 0.1, "Which class to make; unasked, any"), *kept.CONDITIONS)
    uses = (CODEC,)
    provides = ("conditional diffusion",)
    latents = ("noise",)
    trace = "denoise"
    any_shape = False  # diffusers puts the patches together as a square
    health = ("noise_levels",)
    presets = (
        Preset("tiny", "Tiny", {"network": {"width": 32, "depth": 2, "heads": 2}}, {"steps": 60, "batch_size": 16, "warmup": 5},
               {"steps": 6}, "Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {}, {"steps": 6000, "batch_size": 64, "learning_rate": 1e-3}, {"steps": 30},
               "Minutes on a laptop for pictures of 16 px, or on latents"),
        Preset("paper", "As published (XL/2)", {"network": {"width": 1152, "depth": 28, "heads": 16, "patch": 2},
               "schedule": {"type": "linear"}, "prediction": "eps", "variance": "learned"},
               {"steps": 7_000_000, "batch_size": 256, "learning_rate": 1e-4, "warmup": 0, "clip": 0.0,
                "decay": {"type": "constant"}, "ema": 0.9999},
               {"sampler": {"type": "ddpm", "variance": "learned"}, "steps": 250, "guidance": 1.5},
               "On latents of ImageNet: many graphics cards"),
    )  # fmt: skip
    proofs = (
        Proof("shapes", "shapes:size=16,count=8000", "small", 20.0,
              (Claim("accuracy_w4", ">=", 0.90, "samples read as the shape and colour asked for, at guidance 4"),
               Claim("class_accuracy_ratio", ">=", 0.90, "and without guidance"),
               Claim("diversity_w4", "<=", 1.0, "guidance makes less varied samples of a class", times="diversity_w1"),
               Claim("fd", "<=", 3.0, "Frechet distance without guidance, against 3 x its floor", times="fd_floor")),
              {"network": {"depth": 4}}, {"steps": 5500}, {"guidance": 1.0}),
    )  # fmt: skip
    Config, Sampling = Config, Sampling

    def denoiser(self) -> Any:
        return dit.DiTNetwork(self.config.network, self.inner, self.config.variance == "learned")

    def problems(self) -> list[str]:
        found = dit.problems(self.config.network, min(self.inner.shape[-2:]))
        if len(self.spec.classes) > dit.ROWS:
            classes = counted(len(self.spec.classes), "class", "classes")
            found.append(f"the data have {classes}, DiT's table has {dit.ROWS} rows; merge some")
        if self.config.variance == "learned" and isinstance(self.config.schedule, schedules.Learned):
            found.append("variance: a learned schedule has no fixed steps whose variance could be learned; take fixed, or "
                         "another schedule")  # fmt: skip
        return found + self.codec_problems() + self.condition_problems("DDPM")

    def spoken(self, nets, x, told, conditions, sampling=None):
        """Guidance moves the prediction in all its channels; the variance is that of the pass with the class, the first."""
        heard: list[torch.Tensor] = []
        ask = self.asking(nets, told, heard.append)
        said = self.steered(ask, x, conditions, sampling, 1 - float(told[0]) / 1000)
        return said, heard[0][: len(x)] if heard else None

    def asking(self, nets: dict[str, Any], told: torch.Tensor, hear: Callable[[torch.Tensor], None] | None = None) -> Ask:
        """Where a variance is learned, ``hear`` is called with it, and the prediction alone is said."""

        def ask(x: torch.Tensor, given: dict[str, torch.Tensor]) -> torch.Tensor:
            said = nets["denoiser"](x, told.repeat(len(x) // len(told)), given["class"])
            if self.config.variance == "fixed":
                return said
            said, variance = said.chunk(2, 1)
            if hear is not None:
                hear(variance)
            return said

        return ask
