"""PixArt-alpha: a transformer that attends to words (Chen et al. 2023, arXiv:2310.00426)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from models_backend.contract.family import Claim, Condition, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds import diffusion, kept
from models_backend.kinds.guided import PLAIN, How, Negative, Scale, follows_captions
from models_backend.kinds.guided_diffusion import GuidedDiffusion
from models_backend.kinds.latent import CODEC, InLatents
from models_backend.networks import pixart
from models_backend.networks.text_encoder import TextReader, TextTransformer
from models_backend.objectives import denoising, schedules, timesteps


class Config(msgspec.Struct, frozen=True):
    """What is learned, and from which noise."""

    network: Annotated[pixart.PixArt, Field("The transformer that denoises")] = pixart.PixArt(patch=4)
    text: Annotated[TextReader, Field("Encoder of captions", title="Text encoder", needs="text")] = TextTransformer()
    schedule: diffusion.Schedule = schedules.Cosine()
    prediction: diffusion.Prediction = "v"
    timesteps: diffusion.Timesteps = timesteps.Uniform()
    weighting: diffusion.Weighting = denoising.Unweighted()


class Sampling(diffusion.Sampling, frozen=True):
    """How noise becomes an item, and how much the words count."""

    guidance: Scale = 3.0
    guided: How = PLAIN
    negative: Negative = ""


class PixArtAlpha(InLatents, GuidedDiffusion):
    """Network: "denoiser", told captions where the data have them, else classes."""

    title = "PixArt-alpha"
    glyph = "▤"
    group = "Diffusion"
    summary = "A transformer on captions"
    paper = "Chen et al. 2023, PixArt-alpha, arXiv:2310.00426"
    names = ("PixArt", "text to image")
    classes_needed = (2, 0)
    made_for = "text"
    modalities = ("image",)
    conditions = (
        Condition("class", 0.1, "Which class to make; unasked, any"),
        Condition("text", 0.1, "What to show, worded like the captions"),
        Condition("attributes", 0.1, "What is known of it in numbers; what is not asked is left open"),
        *kept.CONDITIONS,
    )
    uses = (CODEC,)
    provides = ("text to image",)
    latents = ("noise",)
    trace = "denoise"
    health = ("noise_levels",)
    presets = (
        Preset("tiny", "Tiny", {"network": {"width": 32, "depth": 2, "heads": 2, "patch": 2},
               "text": {"width": 16, "depth": 1, "heads": 2}}, {"steps": 60, "batch_size": 16, "warmup": 5},
               {"steps": 6}, "Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {}, {"steps": 6000, "batch_size": 64, "learning_rate": 1e-3}, {"steps": 30},
               "Minutes on a laptop for pictures of 16 px, or on latents"),
        Preset("paper", "As published (XL/2)", {"network": {"width": 1152, "depth": 28, "heads": 16, "patch": 2},
               "text": {"width": 1024, "depth": 24, "heads": 16}, "schedule": {"type": "linear"}, "prediction": "eps"},
               {"steps": 150_000, "batch_size": 11_392, "learning_rate": 2e-5, "warmup": 1000, "decay": {"type": "constant"},
                "clip": 0.01, "ema": 0.9999, "optimiser": {"type": "adamw", "weight_decay": 0.03, "eps": 1e-10}},
               {"sampler": {"type": "dpmpp_2m"}, "steps": 20, "guidance": 4.5},
               "The stage of words, on latents of 256 px: a text encoder for T5's, no learned variance; many graphics cards"),
    )  # fmt: skip
    proofs = (
        Proof("words", "scenes:size=16,objects=2,count=12000", "small", 20.0,
              (Claim("relation_accuracy", ">=", 0.85, "which of the two is left of or above the other, as the words say"),),
              {"network": {"patch": 2, "depth": 4}, "timesteps": {"type": "logit_normal", "mean": 1.5, "std": 1.5}},
              {"steps": 4200, "learning_rate": 2e-3, "warmup": 200, "validate_every": 600, "preview_every": 600}, count=500),
        Proof("pooled", "scenes:size=16,objects=2,count=12000", "small", 20.0,
              (Claim("relation_accuracy", "<=", 0.65, "with the mean of the words alone, the same is told by chance"),),
              {"network": {"patch": 2, "depth": 4, "pooled": True},
               "timesteps": {"type": "logit_normal", "mean": 1.5, "std": 1.5}},
              {"steps": 4200, "learning_rate": 2e-3, "warmup": 200, "validate_every": 600, "preview_every": 600}, count=500),
        Proof("scenes", "scenes:size=32,count=12000,leave_out=1", "small", 20.0,
              follows_captions(2),
              {"network": {"patch": 2, "depth": 4}, "timesteps": {"type": "logit_normal", "mean": 1.5, "std": 1.5}},
              {"steps": 4200, "learning_rate": 2e-3, "warmup": 200, "validate_every": 600, "preview_every": 600}, count=500,
              parts={"codec": "image_codec:scenes"}),
    )  # fmt: skip
    Config, Sampling = Config, Sampling

    def denoiser(self) -> Any:
        return pixart.PixArtNetwork(self.config.network, self.inner, self.config.text, self.told)

    def problems(self) -> list[str]:
        found = pixart.problems(self.config.network, min(self.inner.shape[-2:]))
        return found + self.codec_problems() + self.condition_problems("DDPM")
