"""Captioned scenes for models that follow words: six shapes, eight colours, three sizes, nine places; one or two objects.

Factors are drawn first, the caption is one of several wordings of them, and the picture is rendered from them. Some
combinations of shape and colour can be left out, so that a model can be asked for what it never saw. The reader that
recovers the factors from pixels is ``evaluation/scene_reader``; it shares no code with what is here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import cv2
import numpy as np

SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "cyan", "white")
SIZES = ("small", "medium", "large")
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
PLACES = tuple(f"{row} {column}" for row in ROWS for column in COLUMNS)
RELATIONS = ("left of", "right of", "above", "below")
ONE = ("shape", "colour", "size", "place", "radius", "x", "y")
TWO = ("shape", "colour", "x", "y", "other_shape", "other_colour", "other_x", "other_y", "relation")
CLASSES = tuple(f"{colour} {shape}" for shape in SHAPES for colour in COLOURS)

PALETTE = np.array(
    [[225, 50, 50], [50, 190, 80], [60, 95, 240], [240, 220, 60], [165, 65, 205], [240, 140, 40], [70, 215, 230],
     [240, 240, 240]], np.float32,
)  # RGB, as COLOURS  # fmt: skip
GROUND = np.array([16, 18, 24], np.float32)
RADII = ((0.115, 0.13), (0.155, 0.17), (0.195, 0.21))  # of the side, as SIZES
PAIR_RADIUS = (0.15, 0.18)
CENTRES, JITTER = (0.24, 0.5, 0.76), 0.025
ARM, HOLE = 0.36, 0.52  # half the width of a cross's arm, a ring's inner radius, of the radius
_WHERE = {place: place.replace("middle ", "").replace(" centre", "") for place in PLACES}
_WORDS = {place: "in the middle" if where == "centre" else f"at the {where}" for place, where in _WHERE.items()}
_WORDINGS = (
    "a {size} {colour} {shape} {where}",
    "{size} {colour} {shape} {where}",
    "a {colour} {shape}, {size}, {where}",
    "there is a {size} {colour} {shape} {where}",
    "{where}, a {size} {shape} that is {colour}",
    "a {shape}: {colour}, {size}, {where}",
    "{where} a {size} {colour} {shape}",
)
_PAIRS = (
    "a {a} {relation} a {b}", "{a} {relation} {b}", "there is a {a} {relation} a {b}", "one {a}, {relation} one {b}",
)  # fmt: skip


def left_out() -> frozenset[tuple[int, int]]:
    """The (shape, colour) that data sets with ``leave_out`` never show: one of eight."""
    return frozenset((shape, (3 * shape + 1) % len(COLOURS)) for shape in range(len(SHAPES)))


@dataclass(frozen=True)
class Thing:
    """One object: indices into SHAPES and COLOURS; lengths are fractions of the side."""

    shape: int
    colour: int
    radius: float
    x: float
    y: float


# ------------------------------------------------------------------------------------------------ drawing factors


def draw_one(rng: np.random.Generator, kinds: list[tuple[int, int]]) -> tuple[Thing, int, int]:
    """An object of one of the (shape, colour) in ``kinds``, its size and its place."""
    shape, colour = kinds[int(rng.integers(len(kinds)))]
    size, place = int(rng.integers(len(SIZES))), int(rng.integers(len(PLACES)))
    row, column = divmod(place, 3)
    x, y = CENTRES[column] + rng.uniform(-JITTER, JITTER), CENTRES[row] + rng.uniform(-JITTER, JITTER)
    return Thing(shape, colour, float(rng.uniform(*RADII[size])), float(x), float(y)), size, place


def draw_two(
    rng: np.random.Generator, kinds: list[tuple[int, int]], wanted: list[tuple[int, int]] | None = None
) -> tuple[Thing, Thing, int]:
    """Two objects that differ in shape and colour (the first one of ``wanted``), and how the first stands to the second."""
    wanted = wanted or kinds
    first = wanted[int(rng.integers(len(wanted)))]
    others = [kind for kind in kinds if kind[0] != first[0] and kind[1] != first[1]]
    second, relation = others[int(rng.integers(len(others)))], int(rng.integers(len(RELATIONS)))
    near, far = rng.uniform(0.22, 0.28), rng.uniform(0.72, 0.78)
    along = (near, far) if relation in (0, 2) else (far, near)
    across = rng.uniform(0.35, 0.65, 2)
    things = []
    for kind, a, b in zip((first, second), along, across, strict=True):
        x, y = (a, b) if relation < 2 else (b, a)
        things.append(Thing(*kind, float(rng.uniform(*PAIR_RADIUS)), float(x), float(y)))
    return things[0], things[1], relation


def kinds_shown(leave_out: bool) -> list[tuple[int, int]]:
    """Every (shape, colour), or all but those left out."""
    gone = left_out() if leave_out else frozenset()
    return [(s, c) for s in range(len(SHAPES)) for c in range(len(COLOURS)) if (s, c) not in gone]


# ------------------------------------------------------------------------------------------------ words


def caption_one(thing: Thing, size: int, place: int, rng: np.random.Generator) -> str:
    """One of several wordings."""
    words = {"size": SIZES[size], "colour": COLOURS[thing.colour], "shape": SHAPES[thing.shape]}
    return _spoken(_WORDINGS[int(rng.integers(len(_WORDINGS)))].format(where=_WORDS[PLACES[place]], **words))


def caption_two(first: Thing, second: Thing, relation: int, rng: np.random.Generator) -> str:
    """One of several wordings; which comes first decides who is where."""
    a, b = (f"{COLOURS[thing.colour]} {SHAPES[thing.shape]}" for thing in (first, second))
    return _spoken(_PAIRS[int(rng.integers(len(_PAIRS)))].format(a=a, b=b, relation=RELATIONS[relation]))


def _spoken(said: str) -> str:
    return re.sub(r"\ba (?=orange)", "an ", said)


# ------------------------------------------------------------------------------------------------ pictures


def render(things: list[Thing], side: int) -> np.ndarray:
    """Objects on the dark ground as uint8 (side, side, 3) RGB, anti-aliased by 8x supersampling."""
    picture = np.broadcast_to(GROUND, (side, side, 3)).astype(np.float32)
    for thing in things:
        mask = np.zeros((8 * side, 8 * side), np.uint8)
        _fill(mask, thing, 8 * side)
        share = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
        picture = picture * (1 - share) + PALETTE[thing.colour] * share
    return np.round(picture).astype(np.uint8)


def _fill(mask: np.ndarray, thing: Thing, side: int) -> None:
    centre, radius = np.array([thing.x, thing.y]) * side, thing.radius * side
    middle, shape = tuple(int(v) for v in np.round(centre)), SHAPES[thing.shape]
    if shape in ("circle", "ring"):
        cv2.circle(mask, middle, round(radius), 255, -1)
        if shape == "ring":
            cv2.circle(mask, middle, round(HOLE * radius), 0, -1)
        return
    for corners in _CORNERS[shape]:
        cv2.fillPoly(mask, [np.round(np.array(corners) * radius + centre).astype(np.int32)], 255)


_CORNERS = {
    "square": [[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]],
    "triangle": [[(0, -1), (1, 0.85), (-1, 0.85)]],
    "diamond": [[(0, -1.05), (1.05, 0), (0, 1.05), (-1.05, 0)]],
    "cross": [[(-1, -ARM), (1, -ARM), (1, ARM), (-1, ARM)], [(-ARM, -1), (ARM, -1), (ARM, 1), (-ARM, 1)]],
}


# ------------------------------------------------------------------------------------------------ data sets


@dataclass
class Scenes:
    """``pictures`` uint8 (N, side, side, 3), ``labels`` (N,) into CLASSES (-1 for two objects), ``factors`` float32 (N, K)
    in the order of ONE or TWO, ``captions``."""

    pictures: np.ndarray
    labels: np.ndarray
    factors: np.ndarray
    captions: list[str]


def make_scenes(side: int, count: int, seed: int = 0, objects: int = 1, leave_out: bool = False,
                wanted: list[tuple[int, int]] | None = None) -> Scenes:  # fmt: skip
    """Pictures with captions; a function of its arguments. ``wanted``: the (shape, colour) to choose the first object from."""
    rng, kinds = np.random.default_rng(seed), kinds_shown(leave_out)
    pictures, labels, factors, captions = [], [], [], []
    for _ in range(count):
        if objects == 1:
            thing, size, place = draw_one(rng, wanted or kinds)
            things, label = [thing], thing.shape * len(COLOURS) + thing.colour
            row = (thing.shape, thing.colour, size, place, thing.radius, thing.x, thing.y)
            captions.append(caption_one(thing, size, place, rng))
        else:
            first, second, relation = draw_two(rng, kinds, wanted)
            things, label = [first, second], -1
            row = (first.shape, first.colour, first.x, first.y, second.shape, second.colour, second.x, second.y, relation)
            captions.append(caption_two(first, second, relation, rng))
        pictures.append(render(things, side))
        labels.append(label)
        factors.append(row)
    return Scenes(np.stack(pictures), np.array(labels, np.int64), np.array(factors, np.float32), captions)


def unseen(count: int, seed: int = 1, objects: int = 1) -> tuple[list[str], np.ndarray]:
    """Captions whose (first) object is a combination that ``leave_out`` leaves out, and their factors (N, K)."""
    made = make_scenes(16, count, seed, objects, leave_out=True, wanted=sorted(left_out()))
    return made.captions, made.factors
