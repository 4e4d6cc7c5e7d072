"""DDPM: conformance, and what only diffusion has."""

from conformance import Conformance

from models_backend.families.ddpm import DDPM


class TestDDPM(Conformance):
    key, family = "ddpm", DDPM
