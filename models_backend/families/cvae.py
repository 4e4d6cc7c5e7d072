"""Conditional variational autoencoder (Sohn, Lee & Yan 2015, NIPS): what is asked for, and a latent for all that is left."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
import torch
from torch import Tensor

from models_backend.contract.family import Claim, Condition, Preset, Proof
from models_backend.contract.fields import Field
from models_backend.kinds import variational
from models_backend.networks.autoencoder import ClassAutoencoder, Draw
from models_backend.networks.bodies import Auto


class Standard(msgspec.Struct, frozen=True, tag="standard"):
    """N(0, I) for every class: a latent means the same style whatever is asked for."""

    title: ClassVar[str] = "The same for all classes"


class OfClass(msgspec.Struct, frozen=True, tag="of_class"):
    """A Gaussian of its own for each class, learned: p(z|y) of the paper."""

    title: ClassVar[str] = "Learned for each class"


class Config(msgspec.Struct, frozen=True):
    """A variational autoencoder that is told the class on both sides."""

    latent: variational.Latent = 16
    encoder: variational.Encoder = Auto()
    decoder: variational.Decoder = Auto()
    class_embedding: Annotated[
        int, Field("Width of the class embedding", title="Class embedding", was="told", low=1, high=1024)
    ] = 16
    prior: Annotated[Standard | OfClass, Field("Prior of the latents")] = Standard()
    likelihood: variational.Likelihood = variational.LearnedGaussian()
    beta: variational.Beta = 1.0
    annealing: variational.Annealing = variational.WarmUp()
    free_bits: variational.FreeBits = 0.0


PERCEPTRON = {"type": "mlp", "width": 256, "depth": 2}


class CVAE(variational.Variational):
    """The bound on log p(x|y). One item in ten is trained without its class, so that the model also stands without."""

    title = "Conditional VAE"
    glyph = "z|y"
    summary = "A VAE that follows classes"
    paper = "Sohn, Lee & Yan 2015, Learning Structured Output Representation (NIPS)"
    names = ("CVAE",)
    classes_needed = (2, 0)
    conditions = (Condition("class", 0.1, "What to draw; without it the model chooses"),)
    Config = Config
    presets = (
        Preset("tiny", "Tiny",
               {"latent": 4, "encoder": {"type": "auto", "width": 8, "depth": 0},
                "decoder": {"type": "auto", "width": 8, "depth": 0}},
               {"steps": 60, "batch_size": 32, "learning_rate": 2e-3, "clip": 100.0, "warmup": 5, "ema": 0.9},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"latent": 16},
               {"steps": 4000, "batch_size": 128, "learning_rate": 1e-3, "clip": 100.0, "ema": 0.995},
               note="Minutes on a laptop"),
        Preset("paper", "After the paper",
               {"latent": 50, "encoder": {"type": "mlp", "width": 500, "depth": 2},
                "decoder": {"type": "mlp", "width": 500, "depth": 2}, "prior": {"type": "of_class"},
                "annealing": {"type": "full"}},
               {"steps": 100_000, "batch_size": 100, "learning_rate": 1e-3, "clip": 0.0, "ema": 0.0},
               note="Two layers of 500 and a learned prior; told a class where the paper gives a part of the picture"),
    )  # fmt: skip
    proofs = (
        Proof("digits", "digits", "small", 5.0, (
            Claim("class_accuracy_ratio", ">=", 0.95, "digits that the reader sees as the class asked for"),
            Claim("style_kept", ">=", 0.6, "the same latent keeps ink, place and slant in another class (correlation)"),
            Claim("class_diversity", ">=", 0.6, "spread within a class, over that of real digits"),
            Claim("active_units", ">=", 6, "latent dimensions in use"),
            Claim("health_posterior_collapse", "<=", 0, "the health monitor sees no collapse"),
        ), {"encoder": PERCEPTRON, "decoder": PERCEPTRON}, {"steps": 4000}),
    )  # fmt: skip

    def networks(self) -> dict[str, Any]:
        c, rows = self.config, len(self.spec.classes) + 1
        own = isinstance(c.prior, OfClass)
        return {
            "vae": ClassAutoencoder(
                c.encoder, c.decoder, self.spec.shape, c.latent, rows, c.class_embedding, own, *self.likelihood_width()
            )
        }

    def problems(self) -> list[str]:
        if len(self.spec.classes) < 2:
            lacking = (
                "the data have no two classes to choose between; put pictures into one folder a class, or choose a plain VAE"
            )
            return [*super().problems(), lacking]
        return super().problems()

    def label(self, x: Tensor, conditions: dict[str, Any]) -> Tensor:
        """The class (B,) that is asked for, none where nothing is."""
        none = torch.full((len(x),), len(self.spec.classes), dtype=torch.long, device=x.device)
        return conditions.get("class", none)

    def inferred(self, net: Any, x: Tensor, conditions: dict[str, Any], draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
        mean, logvar = net.encode(x, self.label(x, conditions))
        return draw(mean, logvar), mean, logvar

    def decoded(self, net: Any, z: Tensor, conditions: dict[str, Any]) -> Tensor:
        return net.decode(z, self.label(z, conditions))
