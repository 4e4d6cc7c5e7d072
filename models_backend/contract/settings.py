"""Settings that every run shares: how data are shown to the model, and how it is trained."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from .fields import Field


class DataSettings(msgspec.Struct, frozen=True):
    """How items reach the model."""

    resolution: Annotated[int, Field("Side of the square picture that the model sees", low=8, high=1024, unit="px")] = 32
    channels: Annotated[Literal["auto", "grey", "rgb"], Field("Colour channels; auto asks the data")] = "auto"
    crop: Annotated[Literal["centre", "pad", "stretch"], Field("How other shapes become square")] = "centre"
    flip: Annotated[bool, Field("Mirror pictures left to right at random")] = False
    buckets: Annotated[
        int, Field("Aspect-ratio buckets of about the same area; 0 makes all pictures square", title="Aspect-ratio buckets",
                   low=0, high=7)
    ] = 0  # fmt: skip
    conditions: Annotated[
        Literal["auto", "classes", "none"],
        Field("What conditional models follow; auto takes captions where there are any, else classes"),
    ] = "auto"


class Constant(msgspec.Struct, frozen=True, tag="constant"):
    """The learning rate stays."""


class Cosine(msgspec.Struct, frozen=True, tag="cosine"):
    """The learning rate falls along a half cosine."""

    final: Annotated[float, Field("Share of the rate left at the end", title="Final share", low=0.0, high=1.0)] = 0.0


class Linear(msgspec.Struct, frozen=True, tag="linear"):
    """The learning rate falls along a line."""

    final: Annotated[float, Field("Share of the rate left at the end", title="Final share", low=0.0, high=1.0)] = 0.0


class AdamW(msgspec.Struct, frozen=True, tag="adamw"):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    title: ClassVar[str] = "AdamW"
    beta1: Annotated[float, Field("Decay of the first moment", title="Beta 1", low=0.0, high=0.9999)] = 0.9
    beta2: Annotated[float, Field("Decay of the second moment", title="Beta 2", low=0.0, high=0.99999)] = 0.999
    weight_decay: Annotated[float, Field("Weight decay", low=0.0, high=1.0)] = 0.0
    eps: Annotated[float, Field("Added to the root of the second moment", title="Epsilon", low=0.0, high=1.0, scale="log")] = (
        1e-8
    )


class SGD(msgspec.Struct, frozen=True, tag="sgd"):
    """Stochastic gradient descent with momentum."""

    title: ClassVar[str] = "SGD"
    momentum: Annotated[float, Field("Momentum", low=0.0, high=0.999)] = 0.9
    weight_decay: Annotated[float, Field("Weight decay", low=0.0, high=1.0)] = 0.0


class RMSprop(msgspec.Struct, frozen=True, tag="rmsprop"):
    """RMSprop (Tieleman & Hinton 2012)."""

    title: ClassVar[str] = "RMSprop"
    alpha: Annotated[float, Field("Decay of the second moment", low=0.0, high=0.9999)] = 0.99


class TrainingSettings(msgspec.Struct, frozen=True):
    """How a run is trained."""

    steps: Annotated[int, Field("Optimiser steps", title="Training steps", low=1, high=10_000_000, scale="log")] = 2000
    batch_size: Annotated[int, Field("Items a training step", low=1, high=65536, scale="log")] = 64
    learning_rate: Annotated[float, Field("Peak learning rate", low=1e-7, high=1.0, scale="log", live=True)] = 2e-4
    optimiser: Annotated[AdamW | SGD | RMSprop, Field("Optimiser")] = AdamW()
    decay: Annotated[
        Constant | Cosine | Linear, Field("How the learning rate falls after the warm-up", title="Learning rate decay")
    ] = Cosine()
    warmup: Annotated[
        int, Field("Training steps over which the rate rises from zero", title="Warm-up", low=0, high=1_000_000)
    ] = 100
    ema: Annotated[
        float, Field("Decay of the exponential moving average of the weights; 0 keeps none", title="EMA", low=0.0, high=0.99999)
    ] = 0.999
    ema_warmup: Annotated[
        bool, Field("Let the average follow quickly at first: min(decay, (1+k)/(10+k))", title="EMA warm-up")
    ] = True
    ema_power: Annotated[
        bool,
        Field("Keep two more averages in checkpoints, to make one of any width afterwards (Karras 2024)", title="Post-hoc EMA"),
    ] = False
    clip: Annotated[float, Field("Largest gradient norm; 0 does not clip", title="Gradient clipping", low=0.0, high=1000.0)] = (
        1.0
    )
    grow_from: Annotated[
        int, Field("Begin with pictures of this side, doubled in even stages up to their own; 0 trains on whole ones", low=0,
                   high=4096, unit="px", title="Progressive growing from", needs="image")
    ] = 0  # fmt: skip
    accumulate: Annotated[
        int, Field("Batches whose gradients are added up for one step", title="Gradient accumulation", low=1, high=1024)
    ] = 1
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"], Field("Arithmetic of forward and backward; auto takes bf16 where it is faster")
    ] = "auto"
    checkpoint_gradients: Annotated[
        bool, Field("Recompute activations in the backward pass: less memory, more time", title="Gradient checkpointing")
    ] = False
    compile: Annotated[
        Literal["auto", "off", "on"],
        Field("torch.compile; auto uses it after the first preview, where the remaining steps repay it"),
    ] = "auto"
    seed: Annotated[int, Field("Seed of weights, order of data and noise", low=0, high=2**31 - 1)] = 0
    threads: Annotated[
        int,
        Field(
            "CPU threads; 0 takes every core, or one where that is measured to be quicker",
            title="CPU threads",
            low=0,
            high=1024,
        ),
    ] = 0
    validate_every: Annotated[int, Field("Training steps between validation losses; 0 never", low=0, high=1_000_000)] = 200
    preview_every: Annotated[int, Field("Training steps between sample grids; 0 never", low=0, high=1_000_000, live=True)] = 200
    preview_count: Annotated[int, Field("Samples in a grid", low=1, high=256, live=True)] = 12
    checkpoint_every: Annotated[
        int, Field("Training steps between checkpoints; one is also saved each minute that none was", low=1, high=1_000_000)
    ] = 500
    keep: Annotated[int, Field("Checkpoints kept on disk", title="Checkpoints kept", low=2, high=1000)] = 2


#: Of plain TrainingSettings what is done every so many steps.
EVERY = ("preview_every", "validate_every", "checkpoint_every")


def fitted(training: dict[str, Any], given: Collection[str] = ()) -> dict[str, Any]:
    """Plain TrainingSettings in which all that is done every so many steps is done three times or more, but for what was
    ``given`` so; 0 stays."""
    most = max(1, training["steps"] // 3)
    return training | {name: min(training[name], most) for name in EVERY if name not in given}
