"""Latent diffusion told words: Stable Diffusion (Rombach et al. 2022, arXiv:2112.10752)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from models_backend.contract.family import Claim, Condition, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds import diffusion, kept
from models_backend.kinds.guided import PLAIN, How, Negative, Scale
from models_backend.kinds.guided_diffusion import GuidedDiffusion
from models_backend.kinds.latent import CODEC, InLatents
from models_backend.networks import conditional, denoisers
from models_backend.networks.text_encoder import TextReader, TextTransformer
from models_backend.networks.unet import UNet
from models_backend.objectives import denoising, schedules, timesteps


class Config(msgspec.Struct, frozen=True):
    """What is learned, and from which noise."""

    network: Annotated[UNet, Field("The U-Net that denoises; it cross-attends to the caption where it has self-attention")] = (
        UNet(64, [1, 2], 1, [4])
    )
    text: Annotated[TextReader, Field("Encoder of captions", title="Text encoder", needs="text")] = TextTransformer()
    schedule: diffusion.Schedule = schedules.Cosine()
    prediction: diffusion.Prediction = "v"
    timesteps: diffusion.Timesteps = timesteps.Uniform()
    weighting: diffusion.Weighting = denoising.Unweighted()


class Sampling(diffusion.Sampling, frozen=True):
    """How noise becomes an item, and how much the words count."""

    guidance: Scale = 4.0
    guided: How = PLAIN
    negative: Negative = ""


class StableDiffusion(InLatents, GuidedDiffusion):
    """Network: "denoiser", on the latents of a codec, told captions where the data have them, else classes."""

    title = "Stable Diffusion"
    glyph = "SD"
    group = "Diffusion"
    summary = "Words to pictures by latents"
    paper = "Rombach et al. 2022, High-Resolution Image Synthesis with Latent Diffusion Models, arXiv:2112.10752"
    names = ("SD", "LDM", "latent diffusion", "text to image")
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
    provides = ("text to image", "guided diffusion")
    latents = ("noise",)
    trace = "denoise"
    health = ("noise_levels",)
    presets = (
        Preset("tiny", "Tiny", {"network": {"width": 16, "multipliers": [1, 2], "blocks": 1, "attention": [4], "head": 8},
               "text": {"width": 16, "depth": 1, "heads": 2}}, {"steps": 60, "batch_size": 16, "warmup": 5},
               {"steps": 6}, "Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {}, {"steps": 4000, "batch_size": 64, "learning_rate": 1e-3}, {"steps": 30},
               "Minutes on a laptop, with a codec as its part"),
        Preset("paper", "As published (1.5)", {"network": {"width": 320, "multipliers": [1, 2, 4, 4], "blocks": 2,
               "attention": [64, 32, 16], "heads": 8, "groups": 32}, "text": {"width": 768, "depth": 12, "heads": 12},
               "schedule": {"type": "linear", "first": 0.00085, "last": 0.012, "root": True}, "prediction": "eps"},
               {"steps": 595_000, "batch_size": 2048, "learning_rate": 1e-4, "warmup": 10_000, "decay": {"type": "constant"},
                "ema": 0.9999}, {"sampler": {"type": "dpmpp_2m"}, "steps": 30, "guidance": 7.5},
               "On latents of 512 px, with a text encoder of its own for CLIP's: many graphics cards"),
    )  # fmt: skip
    proofs = (
        Proof("scenes", "scenes:size=32,count=12000,leave_out=1", "small", 20.0,
              (Claim("text_joint", ">=", 0.90, "shape, colour and place as the caption says"),
               Claim("text_unseen", ">=", 0.75, "the same of combinations that were never shown"),
               Claim("text_swapped", "<=", 0.10, "another picture's caption is met by chance only"),
               Claim("text_joint_w4", ">=", 1.0, "guidance of 4 follows words no worse than 1", times="text_joint_w1"),
               Claim("diversity_w4", "<=", 1.0, "and makes less varied pictures of one caption", times="diversity_w1")),
              training={"steps": 3000}, count=500, parts={"codec": "image_codec:scenes"}),
    )  # fmt: skip
    Config, Sampling = Config, Sampling

    def denoiser(self) -> Any:
        hearing = conditional.CrossAttention()
        return conditional.make(self.config.network, self.inner, hearing, self.config.text, self.told)

    def problems(self) -> list[str]:
        return denoisers.mismatches(self.config.network, self.inner) + self.codec_problems() + self.condition_problems("DDPM")
