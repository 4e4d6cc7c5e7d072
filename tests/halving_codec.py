"""A codec that is known exactly, to test what works on latents: pictures of half the side, four times the channels."""

import torch
from torch.nn import functional

from models_backend.contract.family import DataSpec, Family, LoadedRun


class Halving(Family):
    """Every 2 x 2 pixels become four channels, scaled by 2."""

    def latent_shape(self):
        channels, height, width = self.spec.shape
        return 4 * channels, height // 2, width // 2

    def to_latents(self, nets, x):
        nets["passes"].append("in")
        return 2 * functional.pixel_unshuffle(x, 2)

    def from_latents(self, nets, z):
        nets["passes"].append("out")
        return functional.pixel_shuffle(z, 2) / 2


def halving(spec: DataSpec) -> LoadedRun:
    """A run of it; ``nets["passes"]`` tells what was asked."""
    family = Halving(None, spec)
    return LoadedRun(family, {"passes": []}, None, spec, torch.device("cpu"))
