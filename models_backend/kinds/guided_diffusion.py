"""The body of families that denoise what they are told: ``Diffusion`` whose network hears conditions, guided."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .diffusion import Diffusion
from .guided import Ask, Guided


class GuidedDiffusion(Guided, Diffusion):
    """Network "denoiser": (x, times on a scale of 1000, conditions). Sampling has what ``Guided`` and ``Diffusion`` read."""

    def said(self, nets: dict[str, Any], x: Tensor, told: Tensor, conditions: dict[str, Any], sampling: Any = None) -> Tensor:
        return self.steered(self.asking(nets, told), x, conditions, sampling, 1 - float(told[0]) / 1000)

    def guided_by(self, nets: dict[str, Any], x: Tensor, told: Tensor, conditions: dict[str, Any], scale: Tensor) -> Tensor:
        """As ``said``, guided by a scale for each item (B,)."""
        return self.pushed(self.asking(nets, told), x, conditions, scale)

    def asking(self, nets: dict[str, Any], told: Tensor) -> Ask:
        """Asks the network at times ``told`` (B,), of B items or of several times as many in turn."""
        return lambda x, given: nets["denoiser"](x, told.repeat(len(x) // len(told)), given)
