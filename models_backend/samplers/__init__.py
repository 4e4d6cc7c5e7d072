"""Samplers: pure functions (model, x, grid, on_step) -> x under their published names."""
