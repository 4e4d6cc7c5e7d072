"""Rectified flow on straight paths, and reflow (Liu 2022, arXiv:2209.03003)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
import torch

from models_backend.contract.family import Batch, Claim, Family, LoadedRun, Loss, Part, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.networks import denoisers
from models_backend.objectives import denoising, timesteps
from models_backend.objectives import flow as objective
from models_backend.samplers import flow, levels


class Config(msgspec.Struct, frozen=True):
    """What is learned, and from which pairs."""

    network: Annotated[denoisers.Network, Field("The network that tells the velocity")] = denoisers.Automatic()
    time: Annotated[
        timesteps.Uniform | timesteps.LogitNormal, Field("Which times training sees most: 0 is noise, 1 is data")
    ] = timesteps.Uniform()
    pairs: Annotated[
        int, Field("Reflow, with a teacher: pairs of noise and item that it makes for each training item", low=1, high=1000)
    ] = 4
    teacher_steps: Annotated[
        int, Field("Reflow, with a teacher: its steps from noise to item (Heun)", low=1, high=1000, scale="log")
    ] = 25
    inherit: Annotated[bool, Field("Reflow, with a teacher: begin with its weights")] = True


class Sampling(msgspec.Struct, frozen=True):
    """How noise becomes an item."""

    solver: Annotated[
        Literal["euler", "midpoint", "heun", "rk4"],
        Field("How the flow is solved: 1, 2, 2 or 4 evaluations a step; of order 1, 2, 2 and 4"),
    ] = "heun"
    steps: Annotated[int, Field("Steps from noise to item", low=1, high=1000, scale="log")] = 20


SOLVERS: dict[str, Callable[..., torch.Tensor]] = {
    "euler": flow.euler, "midpoint": flow.midpoint, "heun": flow.heun, "rk4": flow.rk4,
}  # fmt: skip

#: Steps of the way back from an item to its noise.
ENCODE_STEPS = 10
#: Items and steps by which a run's straightness is measured: points are cheap, pictures are not.
STRAIGHTNESS = {"points": (512, 100), "image": (32, 25)}
#: Held-out pairs made by the teacher for each validation batch.
HELD_OUT_PAIRS = 64


_POINT_TRAINING = {"steps": 3000, "batch_size": 256, "learning_rate": 2e-3, "preview_every": 1000, "validate_every": 1000,
                   "checkpoint_every": 1500}  # fmt: skip
_DIGIT_CLAIMS = (
    Claim("sure", ">=", 0.85, "samples of which the reader is sure"),
    Claim("least_class", ">=", 0.04, "share of the rarest digit"),
    Claim("near_copies", "<=", 0.02, "samples that nearly copy a training item"),
    Claim("fd", "<=", 3.0, "Frechet distance, against 3 x its floor", times="fd_floor"),
)


class RectifiedFlow(Family):
    """Network: "velocity". Time 0 is noise, 1 is data."""

    title = "Rectified flow"
    glyph = "v"
    group = "Flow"
    summary = "Straight paths from noise"
    paper = "Liu, Gong & Liu 2022, Flow Straight and Fast, arXiv:2209.03003"
    modalities = ("points", "image")
    uses = (Part("teacher", "rectified flow", True, "Reflow: a finished run whose pairs of noise and item are learned"),)
    provides = ("rectified flow",)
    latents = ("noise",)
    trace = "denoise"
    health = ("noise_levels",)
    presets = (
        Preset("tiny", "Tiny", {"network": {"type": "auto", "size": "tiny"}}, {"steps": 60, "batch_size": 16, "warmup": 5},
               {"steps": 6}, "Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"network": {"type": "auto", "size": "small"}},
               {"steps": 4000, "batch_size": 64, "learning_rate": 1e-3}, {}, "Minutes on a laptop"),
        Preset("paper", "As published", {"network": {"type": "auto", "size": "base"}},
               {"steps": 600_000, "batch_size": 128, "learning_rate": 2e-4, "warmup": 5000, "decay": {"type": "constant"},
                "ema": 0.9999}, {"solver": "rk4", "steps": 30}, "Liu 2022 on CIFAR-10: days on a graphics card"),
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
        Proof("digits", "digits", "small", 4.2, _DIGIT_CLAIMS, training={"steps": 2400}),
        Proof("digits-reflow", "digits", "small", 4.1,
              (Claim("straightness", "<=", 0.5, "deviation from straight paths, against half of the teacher's",
                     times="before/straightness"), *_DIGIT_CLAIMS),
              config={"pairs": 2, "teacher_steps": 18}, training={"steps": 1200}, after="digits"),
    )  # fmt: skip
    Config, Sampling = Config, Sampling

    @property
    def teacher(self) -> LoadedRun | None:
        """The run that made the pairs, in a reflow run."""
        return self.parts.get("teacher")

    # networks -----------------------------------------------------------------------------------------
    def networks(self) -> dict[str, Any]:
        network = denoisers.make(self.config.network, self.spec)
        if self.teacher is not None and self.config.inherit and _alike(network, self.teacher.nets["velocity"]):
            network.load_state_dict(self.teacher.nets["velocity"].state_dict())
        return {"velocity": network}

    def problems(self) -> list[str]:
        found = denoisers.mismatches(self.config.network, self.spec)
        if self.teacher is not None and self.teacher.spec.shape != self.spec.shape:
            made, wanted = ("x".join(map(str, s.shape)) for s in (self.teacher.spec, self.spec))
            found.append(f"teacher: it makes items of {made}, these data are {wanted}; choose another or change the resolution")
        return found

    # training -----------------------------------------------------------------------------------------
    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        z, x1 = self._pairs(batch)
        u = timesteps.quantiles(len(x1), self.config.time.even, batch.generator, x1.device)
        t, _ = timesteps.draw(self.config.time, u, lambda: u)
        said = nets["velocity"](objective.interpolate(z, x1, t), (1000 * t).to(x1))
        each = denoising.squared_error(said, objective.velocity_target(z, x1))  # Liu 2022, eq. 1
        yield Loss("velocity", each.mean(), levels=(1 - t.float(), each.detach()))

    def _pairs(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise and items: independent, or as the teacher joined them. Held-out pairs are made when they are asked for."""
        if "z" in batch.extra:
            return batch.extra["z"], batch.x
        if self.teacher is None or torch.is_grad_enabled():
            return denoising.normal_like(batch.x, batch.generator), batch.x
        z = denoising.normal_like(batch.x[:HELD_OUT_PAIRS], batch.generator)
        return z, self._taught(z)

    def _taught(self, z: torch.Tensor) -> torch.Tensor:
        """The items that the teacher makes of noise z."""
        velocity = _velocity(self.teacher.nets["velocity"])
        return flow.heun(velocity, z, flow.times(self.config.teacher_steps))

    def derive(self, nets: dict[str, Any], x: torch.Tensor, generator: torch.Generator) -> dict[str, Any] | None:
        """Reflow's pairs (z, ODE(z)) (Liu 2022, algorithm 1): so many for each training item."""
        if self.teacher is None:
            return None
        z = denoising.normal_like(x.repeat(self.config.pairs, *[1] * (x.ndim - 1)), generator)
        return {"x": self._taught(z), "z": z}

    # sampling -----------------------------------------------------------------------------------------
    def sample(self, nets, noise, conditions, sampling, on_step, generator, start=None):
        bound = None if self.spec.modality == "points" else 1.0
        told = levels.within(on_step, bound)
        x = SOLVERS[sampling.solver](_velocity(nets["velocity"]), noise, flow.times(sampling.steps, start), told)
        return x if bound is None else x.clamp(-bound, bound)

    # latents ------------------------------------------------------------------------------------------
    def encode(self, nets: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
        """The noise (B, L) from which the flow makes x: the same equation, backwards."""
        return flow.heun(_velocity(nets["velocity"]), x, flow.times(ENCODE_STEPS)[::-1]).flatten(1)

    def decode(self, nets: dict[str, Any], z: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        """Items (B, *shape) from noise (B, L)."""
        return self.sample(nets, z.view(-1, *self.spec.shape), {}, sampling, None, None)

    def vector_field(self, nets: dict[str, Any], x: torch.Tensor, time: float, sampling: Sampling) -> torch.Tensor:
        """The velocity (B, D) at x (B, D)."""
        return _velocity(nets["velocity"])(x, time)

    def diagnostics(self, nets: dict[str, Any], x: torch.Tensor, generator: torch.Generator) -> dict[str, Any]:
        """ "straightness": S(Z) of Liu 2022, eq. 7, over fresh noise; 0 is straight."""
        items, steps = STRAIGHTNESS[self.spec.modality]
        z = denoising.normal_like(x.new_zeros(items, *self.spec.shape), generator)
        return {"straightness": objective.straightness(_velocity(nets["velocity"]), z, steps)}


def _velocity(network: Any) -> Callable[[torch.Tensor, float], torch.Tensor]:
    """(x, t) -> velocity, in x's own type."""
    return lambda x, t: network(x, torch.full((len(x),), 1000 * t, device=x.device)).to(x.dtype)


def _alike(one: Any, other: Any) -> bool:
    """Whether two networks have the same parameters."""
    shapes = [{k: v.shape for k, v in net.state_dict().items()} for net in (one, other)]
    return shapes[0] == shapes[1]
