"""Progressive resolution: training begins on small pictures and doubles their side in even stages (Karras 2018,
arXiv:1710.10196, section 2, for networks that take every size as they are; Chen 2023, arXiv:2310.00426, section 2.5)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from models_backend.contract.course import side_at, sides
from models_backend.contract.family import Family


def at(x: torch.Tensor, first: int, progress: float, full: int = 0) -> torch.Tensor:
    """Pictures (B, C, H, W) as the stage at ``progress`` (0 to 1) sees them: means over areas, of the same proportions.
    ``full``: the side of squares of their area, where they are not all of one shape; else their longer side."""
    if x.ndim != 4 or not first:
        return x
    full = full or max(x.shape[2:])
    side = side_at(progress, first, full)
    return x if side == full else functional.adaptive_avg_pool2d(x, scaled(x.shape[2:], side / full))


def scaled(size: Sequence[int], factor: float) -> list[int]:
    """Lengths in px times a factor, none of them less than 1."""
    return [max(1, round(length * factor)) for length in size]


def problems(family: Family, first: int) -> list[str]:
    """What forbids beginning with pictures of that side, with what would fix it."""
    full = max(family.spec.shape[1:], default=0)
    refused = [side for side in sides(first, full)[:-1] if not family.takes_side(side)]
    if not first or (full and not refused):
        return []
    if family.spec.modality != "image" or not family.takes_side(full):
        return [f"grow_from: {family.title} on these data takes items of one size only; set it to 0"]
    return [f"grow_from: the network is too deep for pictures of {refused[0]} px; begin with {2 * refused[-1]} px"]


def shape_problems(family: Family, shapes: Sequence[tuple[int, int]], first: int) -> list[str]:
    """What forbids training on pictures of these sizes (width, height), which begin with the stage of side ``first``."""
    if not shapes or family.spec.modality != "image":
        return []
    full = max(family.spec.shape[1:])
    if not (family.any_shape and family.takes_side(full)):
        return [f"buckets: {family.title} on these data takes square pictures only; set it to 0"]
    seen = [scaled(shape, sides(first, full)[0] / full) for shape in shapes]
    refused = [f"{width} × {height} px" for width, height in seen if not family.takes_size(width, height)]
    more = ", or grow_from" if first else ""
    return [f"buckets: the network is too deep for pictures of {refused[0]}; set it to 0{more}"] if refused else []
