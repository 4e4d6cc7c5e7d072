"""The body of every family that learns to denoise levels of Gaussian noise (Ho 2020, arXiv:2006.11239; Song 2021).

A family's file subclasses ``Diffusion``, declares itself, and makes its networks; one that is told conditions overrides
``said``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar

import msgspec
import torch

from models_backend.contract.family import Batch, Family, Loss, Sharing
from models_backend.contract.fields import Field
from models_backend.objectives import denoising, schedules, step_variance, timesteps
from models_backend.samplers import ancestral, karras, levels, multistep

from .kept import Keeping


class DDPMSampler(msgspec.Struct, frozen=True, tag="ddpm"):
    """Ancestral sampling: fresh noise at each step (Ho 2020)."""

    title: ClassVar[str] = "DDPM"
    variance: Annotated[
        ancestral.Variance,
        Field("Of the fresh noise: the posterior's, the forward step's, or the network's (where it predicts one)"),
    ] = "small"


class DDIMSampler(msgspec.Struct, frozen=True, tag="ddim"):
    """Deterministic at eta 0, as noisy as ddpm at 1 (Song 2021)."""

    title: ClassVar[str] = "DDIM"
    eta: Annotated[float, Field("Share of fresh noise", low=0.0, high=1.0)] = 0.0


class DPMSolver(msgspec.Struct, frozen=True, tag="dpmpp_2m"):
    """DPM-Solver++ 2M: second order from one evaluation a step (Lu 2022)."""

    title: ClassVar[str] = "DPM-Solver++ 2M"


class EulerSampler(msgspec.Struct, frozen=True, tag="euler"):
    """Euler on the probability-flow ODE (Karras 2022)."""


class HeunSampler(msgspec.Struct, frozen=True, tag="heun"):
    """Heun on the probability-flow ODE: second order, two evaluations a step (Karras 2022)."""


class UniPCSampler(msgspec.Struct, frozen=True, tag="unipc"):
    """UniPC: predictor and corrector from one evaluation a step (Zhao 2023)."""

    title: ClassVar[str] = "UniPC"
    order: Annotated[int, Field("Order of the predictor; the corrector adds one", low=1, high=3)] = 2


Sampler = DDPMSampler | DDIMSampler | DPMSolver | EulerSampler | HeunSampler | UniPCSampler


#: Fields of a family's Config, after its network: what is learned, and from which noise.
Schedule = Annotated[schedules.Schedule, Field("How noise grows with time")]
Prediction = Annotated[
    denoising.Prediction, Field("Model output: the noise (eps), the clean item (x0), or v between them", title="Model output")
]
Timesteps = Annotated[timesteps.Timesteps, Field("Distribution of noise levels in training", title="Timestep sampling")]
Weighting = Annotated[denoising.Weighting, Field("Weight of each noise level in the loss", title="Loss weighting")]


class Sampling(msgspec.Struct, frozen=True):
    """How noise becomes an item."""

    sampler: Annotated[Sampler, Field("The way from noise to item")] = DDIMSampler()
    steps: Annotated[int, Field("Steps from noise to item", title="Sampling steps", low=1, high=1000, scale="log")] = 50
    spacing: Annotated[levels.Spacing, Field("Timestep spacing; trailing begins at pure noise and ends next to clean")] = (
        "trailing"
    )
    clip: Annotated[bool, Field("Clip each predicted clean item to the range of the data", title="Clip prediction")] = True


#: Predicted clean points may lie this far out (the reader standardises points); pictures lie in [-1, 1].
POINT_BOUND = 5.0


#: Steps of the way back from an item to its noise.
ENCODE_STEPS = 10


class Diffusion(Keeping, Family):
    """Networks: "denoiser", and with a learned schedule "schedule", with loss-aware timesteps "history". ``Config`` has
    the fields schedule, prediction, timesteps and weighting, ``Sampling`` those of ``Sampling`` here."""

    any_size = any_shape = True

    # networks -----------------------------------------------------------------------------------------
    def networks(self) -> dict[str, Any]:
        nets = {"denoiser": self.denoiser()}
        if isinstance(self.config.schedule, schedules.Learned):
            nets["schedule"] = schedules.LearnedSchedule(self.config.schedule)
        if isinstance(self.config.timesteps, timesteps.LossAware):
            nets["history"] = timesteps.LossHistory(self.config.timesteps)
        return nets

    def denoiser(self) -> Any:
        """A fresh network that denoises."""
        raise NotImplementedError

    def said(self, nets: dict[str, Any], x: torch.Tensor, told: torch.Tensor, conditions: dict[str, Any],
             sampling: Any = None) -> torch.Tensor:  # fmt: skip
        """What the network says of x (B, *shape) at times ``told`` (B,); with ``sampling`` as its guidance wants it."""
        return nets["denoiser"](x, told)

    def spoken(self, nets: dict[str, Any], x: torch.Tensor, told: torch.Tensor, conditions: dict[str, Any],
               sampling: Any = None) -> tuple[torch.Tensor, torch.Tensor | None]:  # fmt: skip
        """As ``said``, and the variance of a step that the network tells beside it, like x in [-1, 1]; None for none."""
        return self.said(nets, x, told, conditions, sampling), None

    def sharing(self, network: str) -> Sharing:
        return Sharing(rate=self.config.schedule.rate) if network == "schedule" else Sharing()

    def schedule(self, nets: dict[str, Any]) -> schedules.TabulatedSchedule | schedules.LearnedSchedule:
        """The schedule of this run: its learned network, or its table."""
        return nets["schedule"] if "schedule" in nets else schedules.tabulated(self.config.schedule)

    # training -----------------------------------------------------------------------------------------
    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        schedule, learned = self.schedule(nets), "schedule" in nets and torch.is_grad_enabled()
        time, importance = self._draw_times(nets, batch, schedule)
        log_snr = schedule.log_snr(time).detach().float().requires_grad_(learned)
        error, bits = self._errors(nets, batch, schedule, time, log_snr)
        weight = self._weight(log_snr)
        each = weight * error
        if "history" in nets and nets["history"].training and torch.is_grad_enabled():
            nets["history"].note(time, each.detach())
        scale = torch.ones_like(each[0]).detach().requires_grad_(learned)
        # L_hybrid of Nichol & Dhariwal 2021, eq. 16, where the network tells a variance
        whole = each if bits is None else each + step_variance.SHARE * bits
        value = (whole * importance).mean() * scale
        figures = {} if bits is None else {"vlb_bits": (bits * importance).detach().mean()}
        yield Loss("denoiser", value, figures, levels=(time.float(), each.detach()))
        if log_snr.grad is not None:
            # what the trainer's backward left: undo the batch mean, the weights and the trainer's loss scale
            factor = scale.grad / value.detach() / len(each) * (weight * importance)
            loss = schedules.variance_loss(schedule, time, error.detach(), log_snr.grad / factor.clamp(min=1e-20))
            yield Loss("schedule", loss, {"schedule_loss": error.detach().mean()})

    def _draw_times(self, nets, batch: Batch, schedule) -> tuple[torch.Tensor, torch.Tensor]:
        """Times (B,) in (0, 1] and their importance weights (B,)."""
        chosen = self.config.timesteps
        u = timesteps.quantiles(len(batch.x), chosen.stratified, batch.generator, batch.x.device)
        time, importance = timesteps.draw(chosen, u, lambda: self._shares(nets, schedule, u.device))
        return schedule.snap(time), importance.float()

    def _shares(self, nets, schedule, device) -> torch.Tensor:
        """How often each range of times is drawn (K,), where it is not the same for all."""
        if "history" in nets:
            return nets["history"].shares()
        middles = (torch.arange(100, device=device) + 0.5) / 100
        log_snr = schedule.log_snr(middles).detach()
        expected = timesteps.expected_noise_error(self.config.timesteps.spread, log_snr)
        return timesteps.mixed(self._weight(log_snr) * expected, self.config.timesteps.floor)

    def _errors(self, nets, batch: Batch, schedule, time, log_snr) -> tuple[torch.Tensor, torch.Tensor | None]:
        """|eps - eps_hat|^2 of each item (B,), a mean over its dimensions, whatever the network predicts; beside it L_vlb (B,)
        of the variance that it tells, None where it tells none."""
        x0, kind, condition = batch.x, self.config.prediction, schedule.condition(time, log_snr)
        eps = denoising.normal_like(x0, batch.generator)
        alpha, sigma = denoising.alpha_sigma(log_snr, x0)
        x = denoising.q_sample(x0, eps, alpha, sigma)
        said, variance = self.spoken(nets, x, condition.to(x0), batch.conditions)
        error = denoising.squared_error(said, denoising.target(kind, x0, eps, alpha, sigma))
        error = error * denoising.noise_error_per(kind, log_snr)
        if variance is None:
            return error, None
        clean, _ = denoising.clean_and_noise(kind, said.detach(), x, alpha, sigma)
        return error, step_variance.bits(schedule, time, x0, clean, variance)

    def _weight(self, log_snr: torch.Tensor) -> torch.Tensor:
        """Weights (B,) of |eps - eps_hat|^2, detached."""
        kind, log_snr = self.config.prediction, log_snr.detach()
        return denoising.weight(self.config.weighting, kind, log_snr) / denoising.noise_error_per(kind, log_snr)

    # sampling -----------------------------------------------------------------------------------------
    def model(self, nets: dict[str, Any], clip: bool = False, conditions: dict[str, Any] | None = None,
              sampling: Any = None) -> levels.Model:  # fmt: skip
        """What samplers ask: (x, level) -> clean item and noise."""
        schedule, bound = self.schedule(nets), POINT_BOUND if self.spec.modality == "points" else self.bound()
        held = self.held(conditions)

        def ask(x: torch.Tensor, level: levels.Level) -> levels.Denoised:
            time, log_snr = (torch.full((len(x),), v, device=x.device) for v in (level.time, 2 * level.lam))
            said, variance = self.spoken(nets, x, schedule.condition(time, log_snr), conditions or {}, sampling)
            x0, eps = denoising.clean_and_noise(self.config.prediction, said.to(x.dtype), x, level.alpha, level.sigma)
            if clip and bound is not None:
                x0 = x0.clamp(-bound, bound)
            if held is not None:
                x0 = held.into(x0)
            if held is not None or (clip and bound is not None):
                eps = denoising.noise_of(x0, x, level.alpha, level.sigma)
            return levels.Denoised(x0, eps, None if variance is None else variance.to(x.dtype))

        return ask

    def bound(self) -> float | None:
        """Finished items lie in [-bound, bound]; None where they have no range."""
        return None if self.spec.modality == "points" else 1.0

    def sample(self, nets, noise, conditions, sampling, on_step, generator, start=None):
        grid = levels.grid(self.schedule(nets), sampling.steps, sampling.spacing, start)
        finish = self.finished(conditions)
        run = _SAMPLERS[type(sampling.sampler)]
        told = levels.within(on_step, finish)
        x = run(sampling.sampler, self.model(nets, sampling.clip, conditions, sampling), noise, grid, told, generator)
        return finish(x)

    # latents ------------------------------------------------------------------------------------------
    def encode(self, nets: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
        """The noise (B, L) from which deterministic sampling makes x (DDIM inversion, of second order)."""
        grid = levels.grid(self.schedule(nets), ENCODE_STEPS, "log_snr")
        return karras.invert(self.model(nets, clip=True), x, grid).flatten(1)

    def decode(self, nets: dict[str, Any], z: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        """Items (B, *shape) from noise (B, L), without fresh noise on the way."""
        noise = z.view(-1, *self.noise_shape())
        fresh = isinstance(sampling.sampler, DDPMSampler | DDIMSampler)
        calm = msgspec.structs.replace(sampling, sampler=DDIMSampler()) if fresh else sampling
        return self.sample(nets, noise, {}, calm, None, None)

    def vector_field(self, nets: dict[str, Any], x: torch.Tensor, time: float, sampling: Sampling) -> torch.Tensor:
        """-dx/dt of the probability-flow ODE at x (B, D): with d alpha = alpha sigma^2 / 2 d log_snr and
        d sigma = -sigma alpha^2 / 2 d log_snr it is -alpha sigma / 2 |d log_snr / dt| v."""
        schedule = self.schedule(nets)
        (level,) = levels.levels(schedule, [max(time, 1 / schedule.steps)])
        rate = -float(schedule.slope(torch.tensor([level.time], dtype=torch.float64)).detach())
        said = self.model(nets, sampling.clip)(x, level)
        return -0.5 * rate * level.alpha * level.sigma * (level.alpha * said.eps - level.sigma * said.x0)


_SAMPLERS: dict[type, Callable[..., torch.Tensor]] = {
    DDPMSampler: lambda s, model, x, grid, told, g: ancestral.ddpm(model, x, grid, told, generator=g, variance=s.variance),
    DDIMSampler: lambda s, model, x, grid, told, g: ancestral.ddim(model, x, grid, told, generator=g, eta=s.eta),
    DPMSolver: lambda s, model, x, grid, told, g: multistep.dpmpp_2m(model, x, grid, told),
    EulerSampler: lambda s, model, x, grid, told, g: karras.euler(model, x, grid, told),
    HeunSampler: lambda s, model, x, grid, told, g: karras.heun(model, x, grid, told),
    UniPCSampler: lambda s, model, x, grid, told, g: multistep.unipc(model, x, grid, told, order=s.order),
}
