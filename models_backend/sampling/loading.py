"""Finished runs brought into memory."""

from models_backend.networks.weights import chosen_device, load_run

__all__ = ["chosen_device", "load_run"]
