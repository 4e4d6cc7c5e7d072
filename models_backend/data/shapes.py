"""Coloured shapes with captions and known factors, and the analytic reader that recovers the factors.

A picture shows one shape on a dark ground. Its factors are drawn first, the caption is one of several wordings of
them, and :func:`read_shapes` finds shape and colour again from the pixels alone (area over bounding-box area and
skewness tell the shape), so that a model can be measured without another model.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SHAPES = ("circle", "square", "triangle")
COLOURS = ("red", "green", "blue", "yellow")
SIZES = ("small", "medium", "large")
PLACES = ("centre", "left", "right", "top", "bottom")
FACTORS = ("shape", "colour", "size", "place", "radius", "x", "y")
#: Those that a picture is drawn from; size and place are words for the others.
GENERATIVE = ("shape", "colour", "radius", "x", "y")
CLASSES = tuple(f"{colour} {shape}" for shape in SHAPES for colour in COLOURS)

PALETTE = np.array([[230, 60, 60], [60, 200, 90], [70, 110, 240], [245, 205, 60]], np.float32)  # RGB, as COLOURS
GROUND = np.array([18, 20, 26], np.float32)
#: The classes of style "filled_outlined", and the width of an outline as a share of the side.
STYLES, STROKE = ("filled", "outlined"), 1 / 16
#: An outlined shape is hollow in more than this share of what its line encloses.
HOLLOW = 0.05
_RADII = ((0.15, 0.18), (0.21, 0.25), (0.28, 0.33))  # of the side, as SIZES
_WHERE = ("in the centre", "on the left", "on the right", "at the top", "at the bottom")  # as PLACES
_WORDINGS = (
    "a {size} {colour} {shape} {where}",
    "{size} {colour} {shape} {where}",
    "a {colour} {shape}, {size}, {where}",
    "there is a {size} {colour} {shape} {where}",
    "{where}, a {size} {shape} that is {colour}",
)


@dataclass(frozen=True)
class Scene:
    """One picture's factors: indices into SHAPES, COLOURS, SIZES, PLACES; lengths are fractions of the side."""

    shape: int
    colour: int
    size: int
    place: int
    radius: float
    x: float
    y: float

    @property
    def label(self) -> int:
        return self.shape * len(COLOURS) + self.colour

    def row(self) -> tuple[float, ...]:
        """The factors in the order of FACTORS."""
        return (self.shape, self.colour, self.size, self.place, self.radius, self.x, self.y)


def draw_scene(rng: np.random.Generator) -> Scene:
    """Random factors; the shape lies whole inside the picture and its place word is true."""
    shape, colour = int(rng.integers(len(SHAPES))), int(rng.integers(len(COLOURS)))
    size, place = int(rng.integers(len(SIZES))), int(rng.integers(len(PLACES)))
    radius = float(rng.uniform(*_RADII[size]))
    along = float(rng.uniform(0.13, 0.48 - radius)) if place else float(rng.uniform(-0.05, 0.05))
    across = float(rng.uniform(-0.05, 0.05))
    dx, dy = ((along, across), (-along, across), (along, across), (across, -along), (across, along))[place]
    return Scene(shape, colour, size, place, radius, 0.5 + dx, 0.5 + dy)


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """One of several wordings of the factors."""
    words = {"size": SIZES[scene.size], "colour": COLOURS[scene.colour], "shape": SHAPES[scene.shape]}
    return _WORDINGS[int(rng.integers(len(_WORDINGS)))].format(where=_WHERE[scene.place], **words)


def _outline(scene: Scene) -> np.ndarray:
    """Corners (K, 2) of a square or triangle of about the circle's extent, as fractions of the side."""
    if SHAPES[scene.shape] == "square":
        unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64) * 0.9
    else:
        unit = np.array([[0, -1], [1, 0.8], [-1, 0.8]], np.float64)
    return unit * scene.radius + (scene.x, scene.y)


def render(scene: Scene, side: int, outlined: bool = False) -> np.ndarray:
    """The scene as uint8 (side, side, 3) RGB, anti-aliased by 4x supersampling; ``outlined``: hollow, its line lies inside."""
    large = 4 * side
    mask = np.zeros((large, large), np.uint8)
    if SHAPES[scene.shape] == "circle":
        centre = (round(scene.x * large), round(scene.y * large))
        cv2.circle(mask, centre, round(scene.radius * large), 255, -1)
    else:
        cv2.fillPoly(mask, [np.round(_outline(scene) * large).astype(np.int32)], 255)
    if outlined:
        stroke = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(STROKE * large) + 1,) * 2)
        mask -= cv2.erode(mask, stroke, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    share = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    return np.round(GROUND * (1 - share) + PALETTE[scene.colour] * share).astype(np.uint8)


def make_shapes(side: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Pictures uint8 (N, side, side, 3), labels (N,), factors float32 (N, 7), captions. A function of its arguments."""
    rng = np.random.default_rng(seed)
    scenes = [draw_scene(rng) for _ in range(count)]
    captions = [caption(scene, rng) for scene in scenes]
    pictures = np.stack([render(scene, side) for scene in scenes])
    factors = np.array([scene.row() for scene in scenes], np.float32)
    return pictures, np.array([scene.label for scene in scenes], np.int64), factors, captions


def make_styles(side: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures, labels (in STYLES, in turn) and factors as of ``make_shapes``, large shapes only (small ones have no room to
    be hollow). Scenes are drawn anew for each picture: no filled one is there outlined."""
    rng = np.random.default_rng(seed)
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = draw_scene(rng)
        if SIZES[scene.size] == "large":
            scenes.append(scene)
    labels = np.arange(count, dtype=np.int64) % 2
    pictures = np.stack([render(scene, side, bool(label)) for scene, label in zip(scenes, labels, strict=True)])
    return pictures, labels, np.array([scene.row() for scene in scenes], np.float32)


# ------------------------------------------------------------------------------------------------ reading back


def read_styles(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """As ``read_shapes``, of filled and outlined shapes: an outline is filled before it is read. Also "outlined" (N,) bool:
    the ground is seen inside it."""
    found = [_filled(picture) for picture in pictures]
    return read_shapes(np.stack([solid for solid, _ in found])) | {"outlined": np.array([hollow for _, hollow in found])}


def _filled(picture: np.ndarray) -> tuple[np.ndarray, bool]:
    """The picture with the colour of its ink wherever its ground does not reach from the border; whether that is a hole."""
    ink = (picture.astype(np.float32) - GROUND).max(-1)
    most = max(float(ink.max()), 1.0)
    line = np.pad((ink > 0.4 * most).astype(np.uint8), 1)
    cv2.floodFill(line, None, (0, 0), 2, flags=4)
    inside, full, strong = line[1:-1, 1:-1] != 2, picture.copy(), ink > 0.8 * most
    hole = cv2.dilate((line[1:-1, 1:-1] == 0).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & inside
    if hole.any():
        full[hole] = np.round(picture[strong].mean(0))
    return full, bool((line == 0).sum() > HOLLOW * inside.sum())


def read_shapes(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Factors found in pictures uint8 (N, H, W, 3): "shape", "colour" (N,) indices, "x", "y", "radius" (N,) fractions of
    the side, "valid" (N,) bool: one shape of plausible area in a colour of the palette."""
    found = [_read_one(picture.astype(np.float32)) for picture in pictures]
    return {key: np.array([each[key] for each in found]) for key in ("shape", "colour", "x", "y", "radius", "valid")}


def _read_one(picture: np.ndarray) -> dict[str, float | int | bool]:
    side = picture.shape[0]
    brightness = (picture - GROUND).max(-1)
    share = np.clip(brightness / max(float(brightness.max()), 1.0), 0, 1) * (brightness > 40)
    area = float(share.sum())
    if area < 4 or area > 0.6 * side * side:
        return {"shape": -1, "colour": -1, "x": 0.0, "y": 0.0, "radius": 0.0, "valid": False}
    distance = np.linalg.norm(PALETTE - _ink(picture, share), axis=1)
    columns, rows = share.sum(0), share.sum(1)
    width, height = _extent(share.max(0)), _extent(share.max(1))
    fill = area / (width * height)
    grid = np.arange(side) + 0.5
    shape = 2 if fill < 0.66 or _skewness(rows, grid) > 0.28 else 1 if fill > 0.9 else 0
    return {
        "shape": shape, "colour": int(distance.argmin()), "radius": max(width, height) / 2 / side,
        "x": float((columns * grid).sum() / area / side), "y": float((rows * grid).sum() / area / side),
        "valid": bool(distance.min() < 70 and fill > 0.35),
    }  # fmt: skip


def _ink(picture: np.ndarray, share: np.ndarray) -> np.ndarray:
    core = share > 0.8
    return picture[core].mean(0) if core.any() else (picture * share[..., None]).sum((0, 1)) / share.sum()


def _skewness(profile: np.ndarray, grid: np.ndarray) -> float:
    """|Third standardised moment| of a profile: 0.57 down a triangle's height, 0 for a circle or square."""
    share = profile / profile.sum()
    off = grid - (share * grid).sum()
    return abs(float((share * off**3).sum())) / float((share * off**2).sum()) ** 1.5


def _extent(profile: np.ndarray) -> float:
    """Length of a run of covered pixels whose two border pixels count by their cover."""
    return float(profile.sum())
