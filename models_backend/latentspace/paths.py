"""Paths between latents: straight where the latents are a plane's places, along the sphere where they are Gaussian."""

from __future__ import annotations

import numpy as np


def lerp(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """The place at ``share`` of the line from a to b."""
    return (1 - share) * a + share * b


def slerp(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """From a (L,) to b (L,): the direction along the great circle (Shoemake 1985), the length along a line."""
    length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
    if min(length_a, length_b) < 1e-12:
        return lerp(a, b, share)
    u, v = a / length_a, b / length_b
    angle = np.arccos(np.clip(u @ v, -1.0, 1.0))
    if angle < 1e-6 or np.pi - angle < 1e-6:
        return lerp(a, b, share)
    turned = (np.sin((1 - share) * angle) * u + np.sin(share * angle) * v) / np.sin(angle)
    return turned * lerp(length_a, length_b, share)


def along(stations: np.ndarray, count: int, between=lerp) -> np.ndarray:
    """``count`` places (count, L) at even distances along the path through ``stations`` (N, L), both ends included."""
    stations = np.asarray(stations, np.float64)
    if len(stations) == 1 or count == 1:
        return np.repeat(stations[:1], count, axis=0)
    lengths = np.linalg.norm(np.diff(stations, axis=0), axis=1)
    marks = np.concatenate([[0.0], np.cumsum(lengths)])
    if marks[-1] == 0:
        return np.repeat(stations[:1], count, axis=0)
    return np.stack([_at(stations, marks, place, between) for place in np.linspace(0, marks[-1], count)])


def _at(stations: np.ndarray, marks: np.ndarray, place: float, between) -> np.ndarray:
    leg = int(np.clip(np.searchsorted(marks, place, side="right") - 1, 0, len(stations) - 2))
    span = marks[leg + 1] - marks[leg]
    return between(stations[leg], stations[leg + 1], (place - marks[leg]) / span if span > 0 else 0.0)
