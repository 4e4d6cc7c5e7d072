"""MMDiT: words and patches in two streams, a rectified flow (Stable Diffusion 3; Esser et al. 2024, arXiv:2403.03206)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import torch

from models_backend.contract.family import Condition, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds import flow, kept
from models_backend.kinds.guided import PLAIN, Guided, How, Negative, Scale, follows_captions
from models_backend.kinds.latent import CODEC, InLatents
from models_backend.networks import mmdit
from models_backend.networks.text_encoder import TextReader, TextTransformer
from models_backend.objectives import timesteps


class Config(msgspec.Struct, frozen=True):
    """What is learned, and at which times."""

    network: Annotated[mmdit.MMDiT, Field("The transformer that predicts the velocity")] = mmdit.MMDiT(patch=4)
    text: Annotated[TextReader, Field("Encoder of captions", title="Text encoder", needs="text")] = TextTransformer()
    time: flow.Time = timesteps.LogitNormal()


class Sampling(flow.Sampling, frozen=True):
    """How noise becomes an item, and how much the words count."""

    shift: Annotated[float, Field("More steps at much noise, as large pictures want: 3 at 1024 px", low=0.1, high=20.0)] = 1.0
    guidance: Scale = 3.0
    guided: How = PLAIN
    negative: Negative = ""


def shifted(t: float, shift: float) -> float:
    """A time on the way, moved: on the noise s = 1 - t it is a s / (1 + (a - 1) s) (Esser 2024, eq. 23)."""
    s = 1 - t
    return 1 - shift * s / (1 + (shift - 1) * s)


class MMDiT(InLatents, Guided, flow.Flow):
    """Network: "velocity", told captions where the data have them, else classes. It keeps the published convention, time
    1000 (1 - t) and the velocity towards the noise, so that weights load elsewhere."""

    title = "MMDiT"
    glyph = "MM"
    group = "Flow"
    summary = "Words and patches, one flow"
    paper = "Esser et al. 2024, Scaling Rectified Flow Transformers, arXiv:2403.03206"
    names = ("SD3", "Stable Diffusion 3", "multimodal diffusion transformer", "text to image")
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
    any_shape = False  # diffusers' table of places, kept with the weights, is as large as the data's own square
    health = ("noise_levels",)
    presets = (
        Preset("tiny", "Tiny", {"network": {"width": 32, "depth": 2, "heads": 2, "patch": 2, "context": 24},
               "text": {"width": 16, "depth": 1, "heads": 2}}, {"steps": 60, "batch_size": 16, "warmup": 5},
               {"steps": 6}, "Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"network": {"pooled": False, "depth": 4, "places": "fitted"},
               "time": {"type": "logit_normal", "mean": -1.0, "std": 1.3}},
               {"steps": 6000, "batch_size": 64, "learning_rate": 1e-3},
               {"steps": 20, "solver": "euler"}, "Up to an hour on a laptop for pictures of 32 px, minutes on latents"),
        Preset("paper", "As published (SD 3, 2B)", {"network": {"width": 1536, "depth": 24, "heads": 24, "patch": 2,
               "context": 255}, "text": {"width": 1024, "depth": 24, "heads": 16}},
               {"steps": 500_000, "batch_size": 4096, "learning_rate": 1e-4, "warmup": 1000, "decay": {"type": "constant"},
                "ema": 0.9999},
               {"solver": "euler", "steps": 28, "shift": 3.0, "guidance": 7.0},
               "Trained as on latents of 256 px, sampled as at 1024 px; one text encoder for its three; many graphics cards"),
    )  # fmt: skip
    proofs = (
        Proof("scenes", "scenes:size=32,count=12000,leave_out=1", "small", 20.0,
              follows_captions(2),
              {"network": {"patch": 2, "depth": 4, "context": 56, "places": "published"},
               "time": {"type": "logit_normal", "mean": -1.0, "std": 1.3}},
              {"steps": 4200, "validate_every": 600, "preview_every": 600}, count=500,
              parts={"codec": "image_codec:scenes"}),
    )  # fmt: skip
    Config, Sampling = Config, Sampling

    def network(self) -> Any:
        return mmdit.MMDiTNetwork(self.config.network, self.inner, self.config.text, self.told)

    def problems(self) -> list[str]:
        found = mmdit.problems(self.config.network, min(self.inner.shape[-2:]))
        return found + self.codec_problems() + self.condition_problems("rectified flow")

    def said(self, nets, x, told, conditions, sampling=None):
        def ask(x: torch.Tensor, given: dict[str, torch.Tensor]) -> torch.Tensor:
            return -nets["velocity"](x, (flow.TOLD - told).repeat(len(x) // len(told)), given)

        return self.steered(ask, x, conditions, sampling, float(told[0]) / flow.TOLD)

    def times(self, sampling: Any, start: float | None = None) -> list[float]:
        whole = [shifted(t, sampling.shift) for t in super().times(sampling)]
        return whole if start is None else [start, *(t for t in whole if t > start + 1e-9)]
