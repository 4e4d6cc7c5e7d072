"""Rectified flow on straight paths, reflow, and distillation to one step (Liu 2022, arXiv:2209.03003)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import torch

from models_backend.contract.family import Batch, Claim, LoadedRun, Part, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds import flow
from models_backend.networks import denoisers
from models_backend.objectives import denoising, timesteps
from models_backend.samplers import flow as solvers


class Config(msgspec.Struct, frozen=True):
    """What is learned, and from which pairs."""

    network: Annotated[denoisers.Network, Field("The network that predicts the velocity")] = denoisers.Automatic()
    time: flow.Time = timesteps.Uniform()
    learn: Annotated[
        Literal["reflow", "distil"],
        Field("With a teacher: straight paths between its pairs (reflow), or only the one jump from noise to item (distil)"),
    ] = "reflow"
    pairs: Annotated[
        int, Field("With a teacher: pairs of noise and item that it makes for each training item", low=1, high=1000)
    ] = 4
    teacher_steps: Annotated[
        int, Field("With a teacher: its steps from noise to item (Heun)", low=1, high=1000, scale="log")
    ] = 25
    inherit: Annotated[bool, Field("With a teacher: begin with its weights")] = True


#: Held-out pairs made by the teacher for each validation batch.
HELD_OUT_PAIRS = 64


_POINT_TRAINING = {"steps": 3000, "batch_size": 256, "learning_rate": 2e-3, "preview_every": 1000, "validate_every": 1000,
                   "checkpoint_every": 1500}  # fmt: skip
_DIGIT_CLAIMS = (
    Claim("sure_ratio", ">=", 0.85, "items of which the reader is sure, over real ones"),
    Claim("least_class", ">=", 0.04, "share of the rarest digit"),
    Claim("near_copies", "<=", 0.02, "samples that nearly copy a training item"),
    Claim("fd", "<=", 3.0, "Frechet distance, against 3 x its floor", times="fd_floor"),
)


class RectifiedFlow(flow.Flow):
    """Network: "velocity". Time 0 is noise, 1 is data."""

    title = "Rectified flow"
    glyph = "v"
    group = "Flow"
    summary = "Straight paths from noise"
    paper = "Liu, Gong & Liu 2022, Flow Straight and Fast, arXiv:2209.03003"
    names = ("RF", "reflow")
    modalities = ("points", "image")
    uses = (Part("teacher", "rectified flow", True, "The finished run whose pairs of noise and item are learned (reflow)"),)
    provides = ("rectified flow",)
    latents = ("noise",)
    trace = "denoise"
    health = ("noise_levels",)
    presets = (
        Preset("tiny", "Tiny", {"network": {"type": "auto", "size": "tiny"}}, {"steps": 60, "batch_size": 16, "warmup": 5},
               {"steps": 6}, "Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"network": {"type": "auto", "size": "small"}},
               {"steps": 4000, "batch_size": 64, "learning_rate": 1e-3}, {}, "Minutes on a laptop"),
        Preset("paper", "After the paper", {"network": {"type": "unet", "width": 128, "multipliers": [1, 2, 2, 2],
               "blocks": 4, "attention": [16], "heads": 1, "groups": 32, "dropout": 0.15, "residual_sampling": True}},
               {"steps": 600_000, "batch_size": 128, "learning_rate": 2e-4, "warmup": 5000, "decay": {"type": "constant"},
                "ema": 0.9999}, {"solver": "rk4", "steps": 30},
               "Liu 2022 on CIFAR-10, on a U-Net like its DDPM++: days on a card"),
    )  # fmt: skip
    proofs = (
        Proof("points", "points:density=8gaussians,count=20000", "small", 0.9,
              (Claim("modes", ">=", 8, "modes of 8 found"), Claim("within_3sd", ">=", 0.90, "points within 3 sd of a mode")),
              training=_POINT_TRAINING, sampling={"solver": "euler", "steps": 100}, count=5000),
        Proof("points-reflow", "points:density=8gaussians,count=20000", "small", 0.8,
              (Claim("straightness", "<=", 0.1, "deviation from straight paths, against a tenth of the teacher's",
                     times="before/straightness"),
               Claim("w2_1step", "<=", 1.25, "W2 in one step, against 1.25 x W2 in 100", times="w2"),
               Claim("modes", ">=", 8, "modes of 8 found")),
              config={"pairs": 2}, training=_POINT_TRAINING, sampling={"solver": "euler", "steps": 100}, count=5000,
              after="points"),
        Proof("points-distil", "points:density=8gaussians,count=20000", "small", 0.8,
              (Claim("w2", "<=", 1.25, "W2 in one step, against 1.25 x the teacher's in 100", times="before/w2"),
               Claim("modes", ">=", 8, "modes of 8 found")),
              config={"pairs": 2, "learn": "distil"}, training=_POINT_TRAINING | {"steps": 2000},
              sampling={"solver": "euler", "steps": 1}, count=5000, after="points-reflow"),
        Proof("digits", "digits", "small", 6.0, _DIGIT_CLAIMS, training={"steps": 3000}),
        Proof("digits-reflow", "digits", "small", 4.1,
              (Claim("straightness", "<=", 0.5, "deviation from straight paths, against half of the teacher's",
                     times="before/straightness"), *_DIGIT_CLAIMS),
              config={"pairs": 2, "teacher_steps": 18}, training={"steps": 1200}, after="digits"),
    )  # fmt: skip
    Config, Sampling = Config, flow.Sampling

    @property
    def teacher(self) -> LoadedRun | None:
        """The run that made the pairs, in a run of reflow or distillation."""
        return self.parts.get("teacher")

    @property
    def distilled(self) -> bool:
        """Whether only the jump from noise to item is learned: then time 0 is the only one that the network knows."""
        return self.config.learn == "distil"

    # networks -----------------------------------------------------------------------------------------
    def network(self) -> Any:
        network = super().network()
        if self.teacher is not None and self.config.inherit and _alike(network, self.teacher.nets["velocity"]):
            network.load_state_dict(self.teacher.nets["velocity"].state_dict())
        return network

    def problems(self) -> list[str]:
        found = super().problems()
        if self.distilled and self.teacher is None:
            found.append("learn: there is nothing to distil without a teacher; choose one, or learn reflow")
        if self.teacher is not None and self.teacher.spec.shape != self.spec.shape:
            made, wanted = ("x".join(map(str, s.shape)) for s in (self.teacher.spec, self.spec))
            found.append(f"teacher: it makes items of {made}, these data are {wanted}; choose another or change the resolution")
        if self.teacher is not None and self.teacher.family.distilled:
            found.append("teacher: it knows one jump and no paths to learn from; choose the run that it was distilled from")
        return found

    # training -----------------------------------------------------------------------------------------
    def pairs(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise and items: independent, or as the teacher joined them. Held-out pairs are made when they are asked for."""
        if "z" in batch.extra:
            return batch.extra["z"], batch.x
        if self.teacher is None or torch.is_grad_enabled():
            return super().pairs(batch)
        z = denoising.normal_like(batch.x[:HELD_OUT_PAIRS], batch.generator)
        return z, self._taught(z)

    def drawn_times(self, batch: Batch, count: int) -> torch.Tensor:
        """When distilling, time 0 alone: |x_1 - z - v(z, 0)|^2 (Liu 2022, "Distillation": eq. 1 at t = 0 only)."""
        times = super().drawn_times(batch, count)
        return torch.zeros_like(times) if self.distilled else times

    def _taught(self, z: torch.Tensor) -> torch.Tensor:
        """The items that the teacher makes of noise z."""
        velocity = self.teacher.family.velocity(self.teacher.nets)
        return solvers.heun(velocity, z, solvers.times(self.config.teacher_steps))

    def derive(self, nets: dict[str, Any], x: torch.Tensor, generator: torch.Generator) -> dict[str, Any] | None:
        """Reflow's pairs (z, ODE(z)) (Liu 2022, algorithm 1): so many for each training item."""
        if self.teacher is None:
            return None
        z = denoising.normal_like(x.repeat(self.config.pairs, *[1] * (x.ndim - 1)), generator)
        return {"x": self._taught(z), "z": z}

    # sampling -----------------------------------------------------------------------------------------
    def sample(self, nets, noise, conditions, sampling, on_step, generator, start=None):
        jump = msgspec.structs.replace(sampling, solver="euler", steps=1) if self.distilled else sampling
        return super().sample(nets, noise, conditions, jump, on_step, generator, start)

    def encode(self, nets: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
        """As every flow; a distilled one knows no way back and asks the teacher, whose noise makes nearly the same item."""
        if self.distilled:
            return self.teacher.family.encode(self.teacher.nets, x)
        return super().encode(nets, x)

    def vector_field(self, nets: dict[str, Any], x: torch.Tensor, time: float, sampling: Any) -> torch.Tensor:
        return super().vector_field(nets, x, 0.0 if self.distilled else time, sampling)

    def diagnostics(self, nets: dict[str, Any], x: torch.Tensor, generator: torch.Generator) -> dict[str, Any]:
        """As every flow; one jump is straight and says nothing."""
        return {} if self.distilled else super().diagnostics(nets, x, generator)


def _alike(one: Any, other: Any) -> bool:
    """Whether two networks have the same parameters."""
    shapes = [{k: v.shape for k, v in net.state_dict().items()} for net in (one, other)]
    return shapes[0] == shapes[1]
