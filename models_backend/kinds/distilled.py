"""The body of families that distil a guided diffusion run into few jumps: latent consistency (Luo 2023, arXiv:2310.04378)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from models_backend.contract.family import Batch, Family, LoadedRun, Loss
from models_backend.objectives import denoising
from models_backend.samplers import few_step, levels

from .kept import Keeping

#: Standard deviation of the data and the scale of time in the boundary condition (as in the published code).
SIGMA_DATA, TIME_SCALE = 0.5, 10_000.0
#: Where the pseudo-Huber distance turns from square to line.
HUBER = 0.001


class Distilled(Keeping, Family):
    """Networks: "student", the teacher's with a way to hear the guidance scale, and "target", its slow average. The part
    "teacher" is a family of ``kinds.diffusion`` and ``kinds.guided``. ``Config``: grid, decay, lowest, highest."""

    @property
    def teacher(self) -> LoadedRun:
        """The run that is distilled."""
        return self.parts["teacher"]

    def networks(self) -> dict[str, Any]:
        student = self.teacher.family.denoiser()
        student.load_state_dict(self.teacher.nets["denoiser"].state_dict())
        student.hear_scale()
        target = copy.deepcopy(student).requires_grad_(False)
        return {"student": student, "target": target}

    def bound(self) -> float | None:
        """Finished items lie in [-bound, bound]; None where they have no range."""
        return self.teacher.family.bound()

    # training -----------------------------------------------------------------------------------------
    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        c, x0 = self.config, batch.x
        late = torch.randint(1, c.grid + 1, (len(x0),), generator=batch.generator, device=x0.device)
        scale = c.lowest + (c.highest - c.lowest) * torch.rand(len(x0), generator=batch.generator, device=x0.device)
        eps = denoising.normal_like(x0, batch.generator)
        times = [place.to(x0) / c.grid for place in (late, late - 1)]
        here, there = (self._levels(t, x0) for t in times)
        x = denoising.q_sample(x0, eps, *here)
        with torch.no_grad():
            moved = self._teachers_step(x, times[0], here, there, batch.conditions, scale)
            wanted = self.jump(nets["target"], moved, times[1], there, batch.conditions, scale)
        said = self.jump(nets["student"], x, times[0], here, batch.conditions, scale)
        # Luo 2023, eq. 12 with d the pseudo-Huber distance
        each = ((said.float() - wanted.float()).square() + HUBER**2).sqrt().flatten(1).mean(1) - HUBER
        yield Loss("student", each.mean(), levels=(times[0].float(), each.detach()))
        if nets["student"].training and torch.is_grad_enabled():
            follow(nets["target"], nets["student"], c.decay)

    def _levels(self, time: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """alpha, sigma (B, 1, ...) at times (B,); time 0 is exactly clean."""
        alpha, sigma = denoising.alpha_sigma(self._schedule().log_snr(time).float(), like)
        clean = (time == 0).view(-1, *[1] * (like.ndim - 1))
        return torch.where(clean, 1.0, alpha), torch.where(clean, 0.0, sigma)

    def _schedule(self) -> Any:
        return self.teacher.family.schedule(self.teacher.nets)

    def _teachers_step(self, x: Tensor, time: Tensor, here, there, conditions: dict[str, Any], scale: Tensor) -> Tensor:
        """One step of guided DDIM (Luo 2023, eq. 13)."""
        family = self.teacher.family
        said = family.guided_by(self.teacher.nets, x, 1000 * time, conditions, scale)
        clean, eps = denoising.clean_and_noise(family.config.prediction, said.to(x.dtype), x, *here)
        bound = self.bound()
        if bound is not None:
            clean = clean.clamp(-bound, bound)
            eps = denoising.noise_of(clean, x, *here)
        return there[0] * clean + there[1] * eps

    def jump(self, net: Any, x: Tensor, time: Tensor, level: tuple[Tensor, Tensor], conditions: dict[str, Any],
             scale: Tensor) -> Tensor:  # fmt: skip
        """f(x, w, c, t): the end of the guided path through x (B, ...), exactly x at time 0 (Luo 2023, eq. 9)."""
        family, shape = self.teacher.family, (-1, *[1] * (x.ndim - 1))
        given = family.given(conditions, x)
        said = net(x, 1000 * time, given | {"scale": scale - 1}).to(x.dtype)
        clean, _ = denoising.clean_and_noise(family.config.prediction, said, x, level[0], level[1].clamp(min=1e-6))
        scaled = (TIME_SCALE * time / SIGMA_DATA).view(shape).to(x)
        keep = 1 / (scaled.square() + 1)
        return keep * x + (scaled / (scaled.square() + 1).sqrt()) * clean

    # sampling -----------------------------------------------------------------------------------------
    def sample(self, nets, noise, conditions, sampling, on_step, generator, start=None):
        scale = torch.full((len(noise),), sampling.guidance, device=noise.device)
        finish = self.finished(conditions)

        def jump(x: Tensor, level: levels.Level) -> Tensor:
            time = torch.full((len(x),), level.time, device=x.device)
            pair = tuple(torch.full((len(x), *[1] * (x.ndim - 1)), v, device=x.device) for v in (level.alpha, level.sigma))
            end = self.jump(nets["student"], x, time, pair, conditions, scale)
            return finish(end)

        times = few_step.kept_times(sampling.steps, self.config.grid, start)
        grid = [level for level in levels.levels(self._schedule(), times) if level.time > 0]
        return few_step.multistep(jump, noise, grid, on_step, generator) if grid else noise


@torch.no_grad()
def follow(target: Any, student: Any, decay: float) -> None:
    """The target moves to the student: theta- <- decay theta- + (1 - decay) theta."""
    for slow, quick in zip(target.parameters(), student.parameters(), strict=True):
        slow.lerp_(quick, 1 - decay)
