"""Latent consistency models: a guided run distilled into one to eight jumps (Luo et al. 2023, arXiv:2310.04378)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from models_backend.contract.family import Claim, Condition, LoadedRun, Part, Preset, Proof, told
from models_backend.contract.fields import Field
from models_backend.kinds import kept
from models_backend.kinds.distilled import Distilled
from models_backend.kinds.guided import Scale
from models_backend.kinds.latent import InLatents


class Config(msgspec.Struct, frozen=True):
    """How the teacher is distilled; its network is taken over."""

    grid: Annotated[int, Field("Even times: the teacher walks from one to the next, the student jumps", low=4, high=1000)] = 50
    lowest: Annotated[float, Field("Smallest guidance scale that is distilled", low=0.0, high=30.0, at_most="highest")] = 1.0
    highest: Annotated[float, Field("Largest guidance scale that is distilled", low=0.0, high=30.0)] = 8.0
    decay: Annotated[float, Field("How slowly the target follows the student", low=0.0, high=0.9999)] = 0.95


class Sampling(msgspec.Struct, frozen=True):
    """How noise becomes an item: few jumps, one network pass each."""

    steps: Annotated[int, Field("Jumps from noise to item", title="Sampling steps", low=1, high=1000, scale="log")] = 4
    guidance: Scale = 4.0


class LCM(InLatents, Distilled):
    """Networks: "student" and "target", both as the teacher's; on the teacher's latents where it has a codec."""

    title = "LCM"
    glyph = "⇥"
    group = "Few-step"
    summary = "Distils guidance: few jumps"
    paper = "Luo et al. 2023, Latent Consistency Models, arXiv:2310.04378"
    names = ("latent consistency model",)
    classes_needed = (2, 0)
    modalities = ("image", "points")
    conditions = (
        Condition("class", 0.05, "Which class to make; unasked, any"),
        Condition("text", 0.05, "What to show, worded like the captions"),
        Condition("attributes", 0.05, "What is known of it in numbers; what is not asked is left open"),
        *kept.CONDITIONS,
    )
    uses = (Part("teacher", "guided diffusion", False, "The finished run that is distilled: its network, codec and words"),)
    provides = ("few-step",)
    trace = "denoise"
    health = ("noise_levels",)
    presets = (
        Preset("tiny", "Tiny", {}, {"steps": 40, "batch_size": 16, "warmup": 5, "learning_rate": 2e-4}, {"steps": 4},
               "Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {}, {"steps": 2000, "batch_size": 64, "learning_rate": 2e-4}, {}, "Minutes on a laptop"),
        Preset("paper", "After the paper", {"lowest": 3.0, "highest": 15.0}, {"steps": 100_000, "batch_size": 72,
               "learning_rate": 8e-6, "decay": {"type": "constant"}}, {"guidance": 8.0},
               "On Stable Diffusion: 32 A100 hours; its own target follows more slowly"),
    )  # fmt: skip
    proofs = (
        Proof("scenes", "scenes:size=32,count=12000,leave_out=1", "small", 20.0,
              (Claim("text_joint", ">=", 0.95, "4 jumps follow words as the teacher's 30 steps, against .95 of it",
                     times="teacher/text_joint"),
               Claim("text_joint", ">=", 0.90, "shape, colour and place as the caption says"),
               Claim("text_unseen", ">=", 0.75, "the same of combinations that were never shown"),
               Claim("fd_2step", "<=", 1.5, "2 jumps, against 1.5 x the teacher's Frechet distance", times="teacher/fd")),
              {"highest": 4.0}, {"steps": 1800, "learning_rate": 6e-4}, {"guidance": 4.0}, count=500,
              parts={"teacher": "stable_diffusion:scenes"}),
    )  # fmt: skip
    Config, Sampling = Config, Sampling
    encode = Distilled.encode  # a jump has no way back

    @property
    def codec(self) -> LoadedRun | None:
        return self.teacher.parts.get("codec") if "teacher" in self.parts else None

    def problems(self) -> list[str]:
        if "teacher" not in self.parts:
            return ["teacher: choose a finished run of conditional or Stable Diffusion"]
        found = []
        if self.teacher.spec.shape != self.spec.shape:
            made, wanted = ("x".join(map(str, s.shape)) for s in (self.teacher.spec, self.spec))
            found.append(f"teacher: it makes items of {made}, these data are {wanted}; choose another or change the resolution")
        if self.teacher.family.told != told(self.conditions, self.spec):
            found.append("teacher: it was told other conditions than these data have; choose one trained on data like these")
        return found
