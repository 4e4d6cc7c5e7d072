"""The body of every family that learns a velocity from noise to data (Liu 2022, arXiv:2209.03003; Lipman 2022).

A family's file subclasses ``Flow`` and declares itself; one that is told conditions overrides ``network`` and ``said``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
import torch

from models_backend.contract.family import Batch, Family, Loss
from models_backend.contract.fields import Field, When
from models_backend.networks import denoisers
from models_backend.objectives import denoising, paths, timesteps
from models_backend.objectives import flow as objective
from models_backend.samplers import adaptive, flow, levels

from .kept import Keeping

#: Fields of a family's Config, after its network.
Time = Annotated[timesteps.Uniform | timesteps.LogitNormal, Field("Distribution of times in training: 0 is noise, 1 is data")]

#: Time as networks are told it: on the scale of diffusion's steps.
TOLD = 1000


class Sampling(msgspec.Struct, frozen=True):
    """How noise becomes an item."""

    solver: Annotated[
        Literal["euler", "midpoint", "heun", "rk4", "dopri5"],
        Field("How the flow is solved: 1, 2, 2 or 4 evaluations a step, of order 1, 2, 2 and 4; dopri5 finds its own steps"),
    ] = "heun"
    steps: Annotated[
        int, Field("Steps from noise to item; of dopri5 the times at which it stops, with steps of its own between", low=1,
                   high=1000, scale="log", title="Sampling steps")
    ] = 20  # fmt: skip
    tolerance: Annotated[
        float, Field("Error that a step may have", low=1e-8, high=0.1, scale="log",
                     when=When("solver", ("dopri5",), "only dopri5 measures its error"))
    ] = 1e-5  # fmt: skip


SOLVERS: dict[str, Callable[..., torch.Tensor]] = {
    "euler": flow.euler, "midpoint": flow.midpoint, "heun": flow.heun, "rk4": flow.rk4, "dopri5": adaptive.dopri5,
}  # fmt: skip

#: Steps of the way back from an item to its noise.
ENCODE_STEPS = 10
#: Items and steps by which a run's straightness is measured: points are cheap, pictures are not.
STRAIGHTNESS = {"points": (512, 100), "image": (32, 25)}


class Flow(Keeping, Family):
    """Network: "velocity". Time 0 is noise, 1 is data. ``Config`` has the fields network and time, ``Sampling`` those of
    ``Sampling`` here."""

    any_size = any_shape = True

    # networks -----------------------------------------------------------------------------------------
    def networks(self) -> dict[str, Any]:
        return {"velocity": self.network()}

    def network(self) -> Any:
        """A fresh network that tells the velocity."""
        return denoisers.make(self.config.network, self.spec)

    def said(self, nets: dict[str, Any], x: torch.Tensor, told: torch.Tensor, conditions: dict[str, Any],
             sampling: Any = None) -> torch.Tensor:  # fmt: skip
        """The velocity that the network says of x (B, *shape) at times ``told`` (B,), of which ``TOLD`` is data; with
        ``sampling`` as its guidance wants it."""
        return nets["velocity"](x, told)

    def problems(self) -> list[str]:
        return denoisers.mismatches(self.config.network, self.spec)

    @property
    def path(self) -> paths.Path:
        """The way from a noise to an item that the velocity is learned from."""
        return paths.Straight()

    # training -----------------------------------------------------------------------------------------
    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        z, x1 = self.pairs(batch)
        t = self.drawn_times(batch, len(x1))
        x, wanted = paths.point(self.path, z, x1, t, batch.generator)
        said = self.said(nets, x, (TOLD * t).to(x1), batch.conditions)
        each = denoising.squared_error(said, wanted)  # Liu 2022, eq. 1; Lipman 2022, eq. 9
        yield Loss("velocity", each.mean(), levels=(1 - t.float(), each.detach()))

    def pairs(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise z and items x_1, row by row; here they know nothing of each other."""
        return denoising.normal_like(batch.x, batch.generator), batch.x

    def drawn_times(self, batch: Batch, count: int) -> torch.Tensor:
        """Times (B,) in (0, 1) at which a batch is learned."""
        u = timesteps.quantiles(count, self.config.time.stratified, batch.generator, batch.x.device)
        return timesteps.draw(self.config.time, u, lambda: u)[0]

    # sampling -----------------------------------------------------------------------------------------
    def velocity(self, nets: dict[str, Any], conditions: dict[str, Any] | None = None, sampling: Any = None) -> flow.Velocity:
        """What solvers ask: (x, t) -> velocity, in x's own type; t is one time, or one for each item (B,)."""

        held = self.held(conditions)

        def ask(x: torch.Tensor, t: float | torch.Tensor) -> torch.Tensor:
            told = TOLD * t if isinstance(t, torch.Tensor) else torch.full((len(x),), TOLD * t, device=x.device)
            said = self.said(nets, x, told, conditions or {}, sampling).to(x.dtype)
            return said if held is None else paths.towards(self.path, x, said, held.into, told / TOLD)

        return ask

    def times(self, sampling: Any, start: float | None = None) -> list[float]:
        """The times at which sampling stops on its way, first and last among them."""
        return flow.times(sampling.steps, start)

    def bound(self) -> float | None:
        """Finished items lie in [-bound, bound]; None where they have no range."""
        return None if self.spec.modality == "points" else 1.0

    def sample(self, nets, noise, conditions, sampling, on_step, generator, start=None):
        finish, solver = self.finished(conditions), SOLVERS[sampling.solver]
        more = {"tolerance": sampling.tolerance} if sampling.solver == "dopri5" else {}
        velocity, times = self.velocity(nets, conditions, sampling), self.times(sampling, start)
        x = solver(velocity, noise, times, levels.within(on_step, finish), partial(paths.at, self.path), **more)
        return finish(x)

    # latents ------------------------------------------------------------------------------------------
    def encode(self, nets: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
        """The noise (B, L) from which the flow makes x: the same equation, backwards."""
        return flow.heun(self.velocity(nets), x, flow.times(ENCODE_STEPS)[::-1]).flatten(1)

    def decode(self, nets: dict[str, Any], z: torch.Tensor, sampling: Any) -> torch.Tensor:
        """Items (B, *shape) from noise (B, L)."""
        return self.sample(nets, z.view(-1, *self.noise_shape()), {}, sampling, None, None)

    def vector_field(self, nets: dict[str, Any], x: torch.Tensor, time: float, sampling: Any) -> torch.Tensor:
        """The velocity (B, D) at x (B, D)."""
        return self.velocity(nets)(x, time)

    def diagnostics(self, nets: dict[str, Any], x: torch.Tensor, generator: torch.Generator) -> dict[str, Any]:
        """ "straightness": S(Z) of Liu 2022, eq. 7, over fresh noise; 0 is straight."""
        items, steps = STRAIGHTNESS[self.spec.modality]
        z = denoising.normal_like(x.new_zeros(items, *self.noise_shape()), generator)
        return {"straightness": objective.straightness(self.velocity(nets), z, steps)}
