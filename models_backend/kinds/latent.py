"""What every family that can work on a codec's latents has in common (Rombach 2022, arXiv:2112.10752).

Mixed in before a body: data are encoded once before training, noise has the latents' shape, and what is sampled is
decoded; recorded steps are decoded only where somebody looks at them. Without a codec everything stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import torch
from torch import Tensor

from models_backend.contract.family import Batch, DataSpec, LoadedRun, Loss, Part
from models_backend.contract.trace import Step

from . import kept

CODEC = Part(
    "codec", "image codec", True, "Makes latents of pictures for the model: faster, and for large pictures", "pixel space"
)


class InLatents:
    """Beside a body of ``kinds``; ``uses`` must hold ``CODEC``."""

    spec: DataSpec
    parts: dict[str, LoadedRun]

    @property
    def codec(self) -> LoadedRun | None:
        """The run whose latents are worked on."""
        return self.parts.get("codec")

    @property
    def inner(self) -> DataSpec:
        """The data as the network sees them: the latents', or the data's own."""
        return self.spec if self.codec is None else msgspec.structs.replace(self.spec, shape=self.codec.family.latent_shape())

    def codec_problems(self) -> list[str]:
        """What forbids this codec on these data."""
        if self.codec is None or tuple(self.codec.spec.shape) == tuple(self.spec.shape):
            return []
        made, wanted = ("x".join(map(str, spec.shape)) for spec in (self.codec.spec, self.spec))
        return [f"codec: it was trained on pictures of {made}, these are {wanted}; choose another or change the resolution"]

    def noise_shape(self) -> tuple[int, ...]:
        return self.inner.shape

    def bound(self) -> float | None:
        """Latents have no range of their own."""
        return super().bound() if self.codec is None else None

    def into(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) as latents of spread 1; latents stay."""
        if self.codec is None or tuple(x.shape[1:]) == self.inner.shape:
            return x
        with torch.no_grad():
            return self.codec.family.to_latents(self.codec.nets, x).float()

    def out(self, z: Tensor) -> Tensor:
        """Latents as pictures in [-1, 1]."""
        if self.codec is None:
            return z
        with torch.no_grad():
            return self.codec.family.from_latents(self.codec.nets, z).float().clamp(-1, 1)

    # around the body --------------------------------------------------------------------------------------
    def derive(self, nets: dict[str, Any], x: Tensor, generator: Any) -> dict[str, Any] | None:
        """The latents of the training items, row by row."""
        return None if self.codec is None else {"x": self.into(x)}

    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        yield from super().losses(nets, replace(batch, x=self.into(batch.x)))

    def held(self, conditions: dict[str, Any] | None) -> kept.Kept | None:
        """What is kept of a given picture, in latents."""
        held = super().held(conditions)
        return held if held is None or self.codec is None else kept.coarse(held, self.into(held.picture))

    def sample(self, nets, noise, conditions, sampling, on_step, generator, start=None):
        if self.codec is None:
            return super().sample(nets, noise, conditions, sampling, on_step, generator, start)
        held = kept.of(conditions)
        out = self.out if held is None else lambda z: held.into(self.out(z))
        told = on_step and _decoding(on_step, out)
        return out(super().sample(nets, noise, conditions, sampling, told, generator, start))

    def encode(self, nets: dict[str, Any], x: Tensor) -> Tensor:
        return super().encode(nets, self.into(x))


def _decoding(on_step: Callable[[Step], None], out: Callable[[Tensor], Tensor]) -> Callable[[Step], None]:
    """Tells steps in pictures, and keeps the latent state to go on from."""

    def told(step: Step) -> None:
        on_step(Step(step.index, step.total, step.time, step.sigma, Decoded(step.channels, out), step.channels["x"]))

    return told


class Decoded(Mapping):
    """Channels of a step, decoded when they are asked for."""

    def __init__(self, latents: Mapping[str, Tensor], out: Callable[[Tensor], Tensor]):
        self._latents = {name: latents[name] for name in ("x", "x0") if name in latents}
        self._out = out

    def __getitem__(self, name: str) -> Tensor:
        return self._out(self._latents[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._latents)

    def __len__(self) -> int:
        return len(self._latents)
