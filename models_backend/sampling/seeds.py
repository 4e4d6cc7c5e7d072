"""Seeds of a sample: item n depends on (seed, n) only, whatever the batch."""

from models_backend.samplers.seeding import item_generators, item_seed, noise

__all__ = ["item_generators", "item_seed", "noise"]
