"""Variational autoencoder (Kingma & Welling 2014, arXiv:1312.6114), with beta and its annealing."""

from __future__ import annotations

import msgspec

from models_backend.contract.family import Claim, Preset, Proof
from models_backend.kinds import variational
from models_backend.networks.bodies import Auto


class Config(msgspec.Struct, frozen=True):
    """A variational autoencoder."""

    latent: variational.Latent = 16
    encoder: variational.Encoder = Auto()
    decoder: variational.Decoder = Auto()
    likelihood: variational.Likelihood = variational.LearnedGaussian()
    beta: variational.Beta = 1.0
    annealing: variational.Annealing = variational.WarmUp()
    free_bits: variational.FreeBits = 0.0


LINEAR = {"type": "mlp", "width": 8, "depth": 0}
PERCEPTRON = {"type": "mlp", "width": 256, "depth": 2}


class VAE(variational.Variational):
    """One network, one loss: minus the bound in nats, summed over dimensions and meant over items."""

    title = "Variational autoencoder"
    glyph = "z"
    summary = "A smooth map that decodes"
    paper = "Kingma & Welling 2014, Auto-Encoding Variational Bayes, arXiv:1312.6114"
    names = ("VAE", "auto-encoding variational Bayes")
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
        Preset("paper", "As published",
               {"latent": 20, "encoder": {"type": "mlp", "width": 500, "depth": 1},
                "decoder": {"type": "mlp", "width": 500, "depth": 1}, "annealing": {"type": "full"}},
               {"steps": 100_000, "batch_size": 100, "learning_rate": 1e-3, "warmup": 0, "clip": 0.0, "ema": 0.0},
               note="Kingma & Welling 2014, section 5: one hidden layer of 500, with Adam for Adagrad"),
    )  # fmt: skip
    proofs = (
        Proof("linear", "points:density=two-gaussians", "small", 2.0, (
            Claim("ppca_gap", "<=", 0.02, "linear networks reach the exact pPCA marginal, nats apart"),
            Claim("active_units", ">=", 1, "latent dimensions in use"),
        ), {"latent": 1, "encoder": LINEAR, "decoder": LINEAR, "annealing": {"type": "full"}},
            {"steps": 2000, "batch_size": 256, "learning_rate": 0.01, "ema": 0.99}),
        Proof("digits", "digits", "small", 3.0, (
            Claim("classifier_accuracy", ">=", 0.97, "classifier on held-out real digits"),
            Claim("reconstruction_accuracy_ratio", ">=", 0.9, "held-out digits still read as themselves through the latent"),
            Claim("log_likelihood", ">=", 1.0, "held-out nats, above the best linear model's", "ppca_nats"),
            Claim("active_units", ">=", 8, "latent dimensions in use"),
            Claim("health_posterior_collapse", "<=", 0, "the health monitor sees no collapse"),
            Claim("least_class", ">=", 0.03, "rarest class among prior samples"),
        ), {"latent": 16, "encoder": PERCEPTRON, "decoder": PERCEPTRON}, {"steps": 3000}),
        Proof("shapes", "shapes:size=16", "small", 5.0, (
            Claim("reconstruction_accuracy_ratio", ">=", 0.9, "held-out shapes keep shape and colour through the latent"),
            Claim("active_units", ">=", 4, "latent dimensions in use"),
            Claim("class_entropy", ">=", 0.8, "prior samples spread over the twelve classes (1: evenly)"),
        ), {"latent": 16, "encoder": {"type": "conv", "width": 12, "depth": 0},
            "decoder": {"type": "conv", "width": 16, "depth": 0}},
            {"steps": 4000, "batch_size": 64, "learning_rate": 2e-3}),
    )  # fmt: skip
