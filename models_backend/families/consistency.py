"""Consistency models: trained alone or distilled, one jump from noise to item (Song 2023, arXiv:2303.01469; 2310.14189)."""

from __future__ import annotations

import copy
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import msgspec
import torch
from torch import Tensor

from models_backend.contract.family import Batch, Claim, Family, LoadedRun, Loss, Part, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds.distilled import follow
from models_backend.kinds.kept import Keeping
from models_backend.networks import denoisers
from models_backend.objectives import consistency, denoising, timesteps
from models_backend.samplers import few_step, levels


class Improved(msgspec.Struct, frozen=True, tag="ict"):
    """Improved training: no slow target, levels doubled on the way, drawn log-normally (Song & Dhariwal 2023)."""

    title: ClassVar[str] = "Improved training"
    first: Annotated[int, Field("Steps of the grid of noise at first", low=2, high=10_000, scale="log", at_most="last")] = 10
    last: Annotated[int, Field("Steps of the grid of noise at the end", low=2, high=10_000, scale="log")] = 1280
    mean: Annotated[float, Field("Mean of the log of the noise that is drawn", low=-5.0, high=5.0)] = -1.1
    std: Annotated[float, Field("Spread of the log of the noise that is drawn", low=0.1, high=5.0)] = 2.0


class Training(msgspec.Struct, frozen=True, tag="ct"):
    """Training with a slow target, on a grid that grows (Song 2023, algorithm 3)."""

    title: ClassVar[str] = "Training"
    first: Annotated[int, Field("Steps of the grid of noise at first", low=2, high=10_000, scale="log", at_most="last")] = 2
    last: Annotated[int, Field("Steps of the grid of noise at the end", low=2, high=10_000, scale="log")] = 150
    decay: Annotated[float, Field("How slowly the target follows at first", low=0.0, high=0.9999)] = 0.9


class Distillation(msgspec.Struct, frozen=True, tag="cd"):
    """A finished diffusion run is the teacher: it walks one Heun step, the answers at both ends must agree (Song 2023,
    algorithm 2)."""

    title: ClassVar[str] = "Distillation"
    levels: Annotated[int, Field("Levels of the grid of noise", low=3, high=1000, scale="log")] = 18
    decay: Annotated[float, Field("How slowly the target follows", low=0.0, high=0.9999)] = 0.95


Way = Improved | Training | Distillation


class Config(msgspec.Struct, frozen=True):
    """What is learned, and how. Noise is given for data of standard deviation .5, as published, and scaled with the data's."""

    network: Annotated[denoisers.Network, Field("The network; distillation takes the teacher's")] = denoisers.Automatic()
    way: Annotated[Way, Field("Where the pairs that must agree come from")] = Improved()
    distance: Annotated[consistency.Distance, Field("Distance between the two predictions of a pair")] = "pseudo_huber"
    lowest: Annotated[float, Field("Noise that counts as clean", low=1e-4, high=0.1, scale="log")] = 0.002
    highest: Annotated[float, Field("Noise that sampling starts from", low=1.0, high=1000.0, scale="log")] = 80.0
    data_std: Annotated[
        float, Field("Standard deviation of the data; 0: 1 for points (standardised), .5 for pictures", low=0.0, high=10.0)
    ] = 0.0


class Sampling(msgspec.Struct, frozen=True):
    """How noise becomes an item: few jumps, one network pass each."""

    steps: Annotated[int, Field("Jumps from noise to item", title="Sampling steps", low=1, high=1000, scale="log")] = 2
    lean: Annotated[float, Field("Above 1 the later jumps start nearer to the item", low=0.5, high=4.0)] = 1.4


#: Networks are told .25 ln sigma on a scale of 100: on their own of 1000, neighbours of a fine grid look unlike one another
#: (Song & Dhariwal 2023, section 3.2, make their embedding less sensitive for the same reason).
TOLD = 25.0
#: Items and levels on which self-consistency and the gap to the teacher are measured.
MEASURED, MEASURED_LEVELS = 64, 18


class Consistency(Keeping, Family):
    """Networks: "consistency", and "target", its slow average, where the way has one."""

    title = "Consistency model"
    glyph = "⇢"
    group = "Few-step"
    summary = "One jump from noise to item"
    paper = "Song, Dhariwal, Chen & Sutskever 2023, Consistency Models, arXiv:2303.01469"
    names = ("CM", "consistency models", "distillation")
    modalities = ("points", "image")
    uses = (Part("teacher", "diffusion", True, "The finished diffusion run whose paths are distilled"),)
    provides = ("consistency",)
    trace = "denoise"
    health = ("noise_levels", "self_consistency", "teacher_gap")
    presets = (
        Preset("tiny", "Tiny", {"network": {"type": "auto", "size": "tiny"}}, {"steps": 60, "batch_size": 16, "warmup": 5},
               {"steps": 4}, "Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"network": {"type": "auto", "size": "small"}, "way": {"type": "ict", "last": 160}},
               {"steps": 4000, "batch_size": 64, "learning_rate": 1e-3}, {}, "Minutes on a laptop"),
        Preset("paper", "After the paper", {"network": {"type": "unet", "width": 128, "multipliers": [2, 2, 2], "blocks": 4,
               "attention": [16], "heads": 1, "groups": 32, "dropout": 0.3, "residual_sampling": True}},
               {"steps": 400_000, "batch_size": 1024, "learning_rate": 1e-4, "warmup": 1000, "decay": {"type": "constant"},
                "ema": 0.99993}, {}, "Song & Dhariwal 2023 on CIFAR-10, on a U-Net like its NCSN++: days on several cards"),
    )  # fmt: skip
    proofs = (
        Proof("points", "points:density=moons,count=20000", "small", 4.0,
              (Claim("w2_2step", "<=", 1.25, "W2 in two jumps, against 1.25 x its floor", times="w2_floor"),
               Claim("w2_1step", "<=", 2.0, "W2 in one jump, against 2 x its floor", times="w2_floor")),
              config={"way": {"type": "ict", "last": 80}},
              training={"steps": 2500, "batch_size": 128, "learning_rate": 2e-3, "preview_every": 1250,
                        "validate_every": 500, "checkpoint_every": 1250}, count=2000),
        Proof("digits", "digits", "small", 15.0,
              (Claim("fd_2step", "<=", 1.5, "2 jumps, against 1.5 x the teacher's Frechet distance", times="teacher/fd"),
               Claim("fd_2step", "<=", 1.0, "2 jumps are no worse than 1", times="fd_1step"),
               Claim("sure_ratio", ">=", 0.85, "items of 20 jumps of which the reader is sure, over real ones"),
               Claim("near_copies", "<=", 0.02, "samples that nearly copy a training item")),
              config={"way": {"type": "cd", "levels": 14}, "highest": 20.0},
              training={"steps": 3000, "batch_size": 32, "learning_rate": 5e-4, "validate_every": 500, "preview_every": 1000,
                        "ema": 0.998},
              sampling={"steps": 20}, parts={"teacher": "ddpm:digits"}),
    )  # fmt: skip
    Config, Sampling = Config, Sampling

    def __init__(self, config: Config, spec: Any, parts: dict[str, LoadedRun] | None = None):
        super().__init__(config, spec, parts)
        self.distils = isinstance(config.way, Distillation)
        usual = 1.0 if spec.modality == "points" else 0.5
        # of width 1 the function is of the teacher's own form: its clean item has c_skip = 1 / (sigma^2 + 1)
        self.data_std = 1.0 if self.distils else config.data_std or usual
        self.scale = 1.0 if self.distils else self.data_std / 0.5

    @functools.cached_property
    def ends(self) -> tuple[float, float]:
        """The noise that counts as clean and that sampling starts from; a teacher is asked nothing outside its own."""
        lowest, highest = self.scale * self.config.lowest, self.scale * self.config.highest
        if self.distils:
            schedule = self.teacher.family.schedule(self.teacher.nets)
            with torch.no_grad():
                own = schedule.log_snr(torch.tensor([1 / schedule.steps, 1.0])).double().mul(-0.5).exp().tolist()
            lowest, highest = max(lowest, own[0]), min(highest, own[1])
        return float(torch.tensor(lowest)), float(torch.tensor(highest))

    @property
    def teacher(self) -> LoadedRun:
        """The run that is distilled."""
        return self.parts["teacher"]

    # networks -----------------------------------------------------------------------------------------
    def networks(self) -> dict[str, Any]:
        if not self.distils:
            network = denoisers.make(self.config.network, self.spec)
        else:
            network = self.teacher.family.denoiser()
            network.load_state_dict(self.teacher.nets["denoiser"].state_dict())
        if isinstance(self.config.way, Improved):
            return {"consistency": network}
        return {"consistency": network, "target": copy.deepcopy(network).requires_grad_(False)}

    def problems(self) -> list[str]:
        given = self.parts.get("teacher")
        found = [] if self.distils else denoisers.mismatches(self.config.network, self.spec)
        if self.distils and given is None:
            found.append("teacher: distillation needs a finished diffusion run; choose one, or another way")
        elif not self.distils and given is not None:
            found.append("teacher: only distillation learns from one; set way=cd (distillation), or leave the teacher out")
        elif given is not None and given.spec.shape != self.spec.shape:
            made, wanted = ("x".join(map(str, s.shape)) for s in (given.spec, self.spec))
            found.append(f"teacher: it makes items of {made}, these data are {wanted}; choose another or change the resolution")
        return found

    # the function -------------------------------------------------------------------------------------
    def jump(self, net: Any, x: Tensor, sigma: Tensor) -> Tensor:
        """f(x, sigma), the end of the path through x (B, ...) at noise sigma (B,): exactly x at the lowest (2023, eq. 5)."""
        sigma = sigma.to(x.device, torch.float32)
        calm = x * _beside(x, (sigma.square() + self.data_std**2).rsqrt())  # c_in x
        said = -self._velocity(net, calm, sigma) if self.distils else net(calm, TOLD * (sigma / self.scale).log())
        keep, add = (_beside(x, c) for c in consistency.boundary(sigma, self.ends[0], self.data_std))
        return keep * x + add * said.to(x.dtype)

    def _velocity(self, net: Any, x: Tensor, sigma: Tensor) -> Tensor:
        """v = alpha eps - sigma x_0 by a network like the teacher's, told the teacher's times; x (B, ...) has variance 1."""
        family, log_snr = self.teacher.family, -2 * sigma.log()
        schedule = family.schedule(self.teacher.nets)
        told = schedule.condition(schedule.time_at(log_snr), log_snr).to(x)
        said = family.said({**self.teacher.nets, "denoiser": net}, x, told, {}).to(x.dtype)
        alpha, drift = denoising.alpha_sigma(log_snr, x)
        clean, eps = denoising.clean_and_noise(family.config.prediction, said, x, alpha, drift)
        return alpha * eps - drift * clean

    def bound(self) -> float | None:
        """Finished items lie in [-bound, bound]; None where they have no range."""
        return None if self.spec.modality == "points" else 1.0

    # training -----------------------------------------------------------------------------------------
    def levels(self, progress: float) -> Tensor:
        """The grid of noise (N,) at that share of the training."""
        way = self.config.way
        if isinstance(way, Distillation):
            count = way.levels
        else:
            rule = consistency.doubling_levels if isinstance(way, Improved) else consistency.square_root_levels
            count = rule(progress, way.first, way.last)
        return consistency.grid(count, *self.ends)

    def objective(self, progress: float) -> int:
        return len(self.levels(progress))

    def decay(self, progress: float) -> float:
        """mu: how slowly the target follows."""
        way = self.config.way
        if isinstance(way, Distillation):
            return way.decay
        return consistency.target_decay(len(self.levels(progress)), way.first, way.decay)

    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        x0, grid = batch.x, self.levels(batch.progress)
        level, sigmas = self._draw(grid, batch), grid.to(x0.device, torch.float32)
        place = (level * (len(sigmas) - 1)).long().clamp(max=len(sigmas) - 2)
        below, above = sigmas[place], sigmas[place + 1]
        eps = denoising.normal_like(x0, batch.generator)
        here = _noised(x0, eps, above)
        target = nets.get("target", nets["consistency"])
        with torch.no_grad(), torch.random.fork_rng([x0.device] if x0.device.type == "cuda" else []):  # the same dropout
            there = self._teachers_step(here, above, below) if self.distils else _noised(x0, eps, below)
            wanted = self.jump(target, there, below)
        said = self.jump(nets["consistency"], here, above)
        weight = self.scale / (above - below) if isinstance(self.config.way, Improved) else 1.0
        each = weight * consistency.distance(self.config.distance, said, wanted, self.scale)
        figures = {"self_consistency": self._disagreement(said, wanted, above, below)}
        yield Loss("consistency", each.mean(), figures, levels=(level.float(), each.detach()))
        if "target" in nets and nets["consistency"].training and torch.is_grad_enabled():
            follow(nets["target"], nets["consistency"], self.decay(batch.progress))

    def _draw(self, sigmas: Tensor, batch: Batch) -> Tensor:
        """Places (B,) on the grid in (0, 1): each item's pair of neighbours is the two levels around it."""
        u, way = timesteps.quantiles(len(batch.x), True, batch.generator, batch.x.device), self.config.way
        if not isinstance(way, Improved):
            return u
        shares = consistency.lognormal_shares(sigmas, way.mean + math.log(self.scale), way.std)
        return timesteps.draw_binned(shares, u)[0]

    def _disagreement(self, said: Tensor, wanted: Tensor, above: Tensor, below: Tensor) -> Tensor:
        """Mean |f(x_t) - f(x_t')| in data widths, for each unit of log noise between them: the same measure on every grid."""
        off = (said.detach().float() - wanted.float()).abs().flatten(1).mean(1) / self.data_std
        return (off / (above / below).log()).mean()

    # the teacher --------------------------------------------------------------------------------------
    def _denoised(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The teacher's clean item D(x, sigma) of x = x_0 + sigma eps, which is asked at alpha x."""
        alpha, drift = denoising.alpha_sigma(-2 * sigma.log(), x)
        clean = alpha * alpha * x - drift * self._velocity(self.teacher.nets["denoiser"], alpha * x, sigma)
        bound = self.bound()
        return clean if bound is None else clean.clamp(-bound, bound)

    def _teachers_step(self, x: Tensor, above: Tensor, below: Tensor) -> Tensor:
        """One Heun step of the probability-flow ODE dx = (x - D) / sigma d sigma (Karras 2022, algorithm 1)."""
        start, end = _beside(x, above), _beside(x, below)
        slope = (x - self._denoised(x, above)) / start
        guess = x + (end - start) * slope
        second = (guess - self._denoised(guess, below)) / end
        return x + (end - start) * 0.5 * (slope + second)

    # sampling -----------------------------------------------------------------------------------------
    def sample(self, nets, noise, conditions, sampling, on_step, generator, start=None):
        """Algorithm 1 of Song 2023. Levels tell the noise beyond the lowest, x scaled to variance 1 as elsewhere."""
        lowest, finish = self.ends[0], self.finished(conditions)

        def jump(x: Tensor, level: levels.Level) -> Tensor:
            sigma = torch.full((len(x),), math.hypot(level.scale, lowest), device=x.device)
            end = self.jump(nets["consistency"], x / level.alpha, sigma)
            return finish(end)

        times = [(1 - i / sampling.steps) ** sampling.lean for i in range(sampling.steps)]
        if start is not None:
            times = [start, *(t for t in times if t < start - 1e-9)] if start > 0 else []
        grid = [self._level(t) for t in times]
        return few_step.multistep(jump, noise, grid, on_step, generator) if grid else noise

    def _level(self, time: float) -> levels.Level:
        """Noise sqrt(sigma^2 - lowest^2) beside an item at the lowest noise, in the variance-preserving form."""
        sigma = float(consistency.sigma_at(torch.tensor(time), *self.ends))
        return levels.level_at(time, -math.log(max(sigma**2 - self.ends[0] ** 2, 1e-12)))

    # health -------------------------------------------------------------------------------------------
    def diagnostics(self, nets: dict[str, Any], x: Tensor, generator: torch.Generator) -> dict[str, Any]:
        """How far neighbours of a fixed grid disagree on held-out items, and how far a jump ends from the teacher's path, as a
        share of how far the teacher's own single step does."""
        net, x = nets["consistency"], x[:MEASURED]
        sigmas = consistency.grid(MEASURED_LEVELS, *self.ends).to(x.device, torch.float32)
        place = torch.arange(len(x), device=x.device) % (len(sigmas) - 1)
        below, above = sigmas[place], sigmas[place + 1]
        eps = denoising.normal_like(x, generator)
        here = _noised(x, eps, above)
        there = self._teachers_step(here, above, below) if self.distils else _noised(x, eps, below)
        said, wanted = self.jump(net, here, above), self.jump(net, there, below)
        found = {"self_consistency": float(self._disagreement(said, wanted, above, below))}
        return found | ({"teacher_gap": self._gap(net, sigmas, eps)} if self.distils else {})

    def _gap(self, net: Any, sigmas: Tensor, eps: Tensor) -> float:
        x = start = self.ends[1] * eps
        every = [sigma.expand(len(eps)) for sigma in sigmas.flip(0)]
        for above, below in itertools.pairwise(every):
            x = self._teachers_step(x, above, below)
        one, other = (float((end - x).square().mean()) for end in (self.jump(net, start, every[0]),
                                                                   self._denoised(start, every[0])))  # fmt: skip
        return math.sqrt(one / max(other, 1e-12))


def _beside(x: Tensor, values: Tensor) -> Tensor:
    """Values (B,) as (B, 1, ...) beside x (B, ...)."""
    return values.to(x).view(-1, *[1] * (x.ndim - 1))


def _noised(x0: Tensor, eps: Tensor, sigma: Tensor) -> Tensor:
    return x0 + _beside(x0, sigma) * eps
