"""Conditional diffusion with classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from models_backend.contract.family import Claim, Condition, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds import diffusion, kept
from models_backend.kinds.guided import PLAIN, How, Negative, Scale, follows_captions
from models_backend.kinds.guided_diffusion import GuidedDiffusion
from models_backend.kinds.latent import CODEC, InLatents
from models_backend.networks import conditional, denoisers
from models_backend.networks.text_encoder import TextReader, TextTransformer
from models_backend.objectives import denoising, schedules, timesteps


class Config(msgspec.Struct, frozen=True):
    """What is learned, from which noise, and how the condition is heard."""

    network: Annotated[denoisers.Network, Field("The network that denoises")] = denoisers.Automatic()
    conditioning: Annotated[
        conditional.Hearing,
        Field("How the condition enters the network of pictures", title="Conditioning", needs="image", was="hearing"),
    ] = conditional.Added()
    text: Annotated[TextReader, Field("Encoder of captions", title="Text encoder", needs="text")] = TextTransformer()
    schedule: diffusion.Schedule = schedules.Cosine()
    prediction: diffusion.Prediction = "v"
    timesteps: diffusion.Timesteps = timesteps.Uniform()
    weighting: diffusion.Weighting = denoising.Unweighted()


class Sampling(diffusion.Sampling, frozen=True):
    """How noise becomes an item, and how much the condition counts."""

    guidance: Scale = 2.0
    guided: How = PLAIN
    negative: Negative = ""


class ConditionalDiffusion(InLatents, GuidedDiffusion):
    """Network: "denoiser", told captions where the data have them, else classes."""

    title = "Conditional diffusion"
    glyph = "ε|c"
    group = "Diffusion"
    summary = "Denoises, with guidance"
    paper = "Ho & Salimans 2022, Classifier-Free Diffusion Guidance, arXiv:2207.12598"
    names = ("CFG", "classifier-free guidance", "class-conditional diffusion")
    classes_needed = (2, 0)
    modalities = ("points", "image")
    conditions = (
        Condition("class", 0.1, "Which class to make; unasked, any"),
        Condition("text", 0.1, "What to show, worded like the captions"),
        Condition("attributes", 0.1, "What is known of it in numbers; what is not asked is left open"),
        *kept.CONDITIONS,
    )
    uses = (CODEC,)
    provides = ("conditional diffusion", "guided diffusion")
    latents = ("noise",)
    trace = "denoise"
    health = ("noise_levels",)
    presets = (
        Preset("tiny", "Tiny", {"network": {"type": "auto", "size": "tiny"}, "text": {"width": 16, "depth": 1, "heads": 2}},
               {"steps": 60, "batch_size": 16, "warmup": 5}, {"steps": 6}, "Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"network": {"type": "auto", "size": "small"}},
               {"steps": 4000, "batch_size": 64, "learning_rate": 1e-3}, {"steps": 30}, "Minutes on a laptop"),
        Preset("paper", "As published", {"network": {"type": "unet", "width": 192, "multipliers": [1, 2, 3, 4], "blocks": 3,
               "attention": [32, 16, 8], "head": 64, "groups": 32, "dropout": 0.1, "scale_shift": True,
               "residual_sampling": True}, "prediction": "eps"},
               {"steps": 400_000, "batch_size": 2048, "learning_rate": 3e-4, "warmup": 0, "clip": 0.0,
                "decay": {"type": "constant"}, "ema": 0.9999},
               {"sampler": {"type": "ddpm"}, "steps": 256, "guidance": 1.3},
               "Ho & Salimans 2022 on ImageNet at 64 px, with the network of Dhariwal & Nichol 2021: many graphics cards"),
    )  # fmt: skip
    proofs = (
        Proof("digits", "digits", "small", 8.0,
              (Claim("class_accuracy_ratio", ">=", 0.95, "samples read as the digit asked for"),
               Claim("accuracy_w4", ">=", 1.0, "a strong guidance is followed more than none", times="accuracy_w1"),
               Claim("diversity_w4", "<=", 1.0, "and varies less", times="diversity_w1"),
               Claim("entropy_w0", ">=", 0.95, "without guidance all digits come alike"),
               Claim("near_copies", "<=", 0.02, "samples that nearly copy a training item")),
              training={"steps": 2400}, sampling={"guidance": 1.0}),
        Proof("scenes", "scenes:size=32,count=12000,leave_out=1", "small", 20.0,
              follows_captions(2),
              {"network": {"type": "unet", "width": 64, "multipliers": [1, 2], "blocks": 1, "attention": [4],
                           "scale_shift": True},
               "timesteps": {"type": "logit_normal", "mean": 1.5, "std": 1.5}},
              {"steps": 4000, "validate_every": 800, "preview_every": 400}, count=500,
              parts={"codec": "image_codec:scenes"}),
    )  # fmt: skip
    Config, Sampling = Config, Sampling

    def denoiser(self) -> Any:
        return conditional.make(self.config.network, self.inner, self.config.conditioning, self.config.text, self.told)

    def problems(self) -> list[str]:
        found = denoisers.mismatches(self.config.network, self.inner)
        return found + self.codec_problems() + self.condition_problems("DDPM")
