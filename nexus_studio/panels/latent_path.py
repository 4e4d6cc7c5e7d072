"""The line of a path across a latent map: few places that can be moved, and a smooth curve through them."""

from __future__ import annotations

import numpy as np

FINE = 16  # places of the curve between two of the path
MOST = 40  # places of a path


def curve(places: np.ndarray) -> np.ndarray:
    """The line (M, 2) through the places of a path (N, 2), both ends included: the plane is linear in the latents, so it is a
    centripetal Catmull-Rom spline (Yuksel, Schaefer and Keyser 2011, Parameterization and Applications of Catmull-Rom
    Curves), smooth and without loops between places."""
    apart = np.linalg.norm(np.diff(places, axis=0), axis=1) > 0
    kept = places[np.concatenate([np.ones(min(1, len(places)), bool), apart])]
    return _spline(kept) if len(kept) > 1 else kept


def thinned(line: np.ndarray, off: float) -> np.ndarray:
    """The places (M, 2) of a line (N, 2), at most ``MOST``, that keep all of it within ``off`` > 0, or within as many times
    twice that as it takes (Douglas and Peucker 1973)."""
    kept = np.zeros(len(line), bool)
    kept[[0, -1]] = True
    legs = [(0, len(line) - 1)]
    while legs:
        first, last = legs.pop()
        away = _distances(line[first + 1 : last], line[first], line[last])
        if len(away) and away.max() > off:
            middle = first + 1 + int(away.argmax())
            kept[middle] = True
            legs += [(first, middle), (middle, last)]
    return line[kept] if kept.sum() <= MOST else thinned(line, 2 * off)


def _distances(places: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far places (N, 2) lie from the straight leg between a and b (N,)."""
    leg = b - a
    share = np.clip((places - a) @ leg / max(float(leg @ leg), 1e-30), 0.0, 1.0)
    return np.linalg.norm(places - a - share[:, None] * leg, axis=1)


def _spline(places: np.ndarray) -> np.ndarray:
    """The centripetal Catmull-Rom spline through places (N, 2) that differ from their neighbours, at ``FINE`` steps between
    two, by the pyramid of Barry and Goldman (1988); beyond its ends it goes straight on."""
    whole = np.concatenate([[2 * places[0] - places[1]], places, [2 * places[-1] - places[-2]]])
    knots = np.concatenate([[0.0], np.cumsum(np.sqrt(np.linalg.norm(np.diff(whole, axis=0), axis=1)))])
    share = np.linspace(0.0, 1.0, FINE, endpoint=False)[None, :, None]
    p, t = (
        [whole[k : len(places) - 1 + k, None] for k in range(4)],
        [knots[k : len(places) - 1 + k, None, None] for k in range(4)],
    )
    at = t[1] + share * (t[2] - t[1])

    def between(a: np.ndarray, b: np.ndarray, first: int, last: int) -> np.ndarray:
        return ((t[last] - at) * a + (at - t[first]) * b) / (t[last] - t[first])

    one, two, three = (between(p[k], p[k + 1], k, k + 1) for k in range(3))
    curve = between(between(one, two, 0, 2), between(two, three, 1, 3), 1, 2)
    return np.concatenate([curve.reshape(-1, 2), places[-1:]])
