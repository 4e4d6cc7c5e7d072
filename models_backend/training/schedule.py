"""The learning rate over a run: warm-up along a line, then decay."""

from __future__ import annotations

import math

from models_backend.contract.settings import Constant, Cosine, Linear, TrainingSettings


def factor(settings: TrainingSettings, step: int) -> float:
    """What the peak learning rate is multiplied by at ``step`` (from 0): (step + 1) / warmup in the warm-up, then the decay."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    span = max(1, settings.steps - settings.warmup)
    return decayed(settings.decay, min(1.0, (step - settings.warmup) / span))


def decayed(decay: Constant | Cosine | Linear, share: float) -> float:
    """The decay's factor after ``share`` of the steps that follow the warm-up."""
    if isinstance(decay, Cosine):
        # Loshchilov & Hutter 2017 (SGDR), eq. 5, one cycle
        return decay.final + (1 - decay.final) * 0.5 * (1 + math.cos(math.pi * share))
    if isinstance(decay, Linear):
        return 1 + (decay.final - 1) * share
    return 1.0
