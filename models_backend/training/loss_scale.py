"""The factor on the loss that fp16 needs."""

from __future__ import annotations

import torch


class LossScale:
    """The factor that keeps fp16 gradients from vanishing (Micikevicius et al. 2018): halved when one overflows, doubled
    after ``patience`` steps without; 1 and inert for other types."""

    def __init__(self, precision: str, patience: int = 2000):
        self.active = precision == "fp16"
        self.value, self.good, self.patience = (65536.0 if self.active else 1.0), 0, patience

    def unscale(self, gradients: list[torch.Tensor]) -> None:
        """Divides gradients back, in place."""
        if self.active and gradients:
            torch._foreach_mul_(gradients, 1.0 / self.value)

    def overflowed(self) -> None:
        """A gradient was not finite: a smaller factor from now on."""
        self.value, self.good = max(self.value / 2, 1.0), 0

    def went_well(self) -> None:
        """A step was taken."""
        self.good += 1
        if self.active and self.good >= self.patience:
            self.value, self.good = self.value * 2, 0
