"""What every family that is told conditions has in common: which it hears, what stands for none, and guidance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from models_backend.conditions.values import read_texts
from models_backend.contract.family import Claim, Condition, DataSpec, told
from models_backend.contract.fields import Field
from models_backend.networks import frozen_text
from models_backend.samplers import guidance

#: Fields of a family's Sampling: guidance, guided, negative.
Scale, How = (
    guidance.Scale,
    Annotated[guidance.Guidance, Field("How guidance is applied", title="Guidance schedule", needs="condition")],
)
PLAIN = guidance.PLAIN
Negative = Annotated[
    str, Field("Negative prompt: what not to show; weights as in the prompt", title="Negative prompt", needs="text")
]

#: (x (B, *shape), what it is told) -> what the network says of it
Ask = Callable[[Tensor, dict[str, Tensor]], Tensor]


def follows_captions(scale: int) -> tuple[Claim, ...]:
    """What a proof on captioned scenes claims; that guidance narrows and does not mislead, at ``scale``."""
    return (
        Claim("text_joint", ">=", 0.90, "shape, colour and place as the caption says"),
        Claim("text_unseen", ">=", 0.75, "the same of combinations that were never shown"),
        Claim("text_swapped", "<=", 0.10, "another picture's caption is met by chance only"),
        Claim("text_joint_w0", "<=", 0.10, "without guidance captions are met by chance only"),
        Claim(f"text_joint_w{scale}", ">=", 1.0, f"guidance of {scale} follows words no worse than 1", times="text_joint_w1"),
        Claim(f"diversity_w{scale}", "<=", 1.0, "and makes less varied pictures of one caption", times="diversity_w1"),
    )


class Guided:
    """Beside ``Family``. Sampling has ``guidance``, ``guided`` and ``negative``."""

    spec: DataSpec
    conditions: ClassVar[tuple[Condition, ...]]

    @property
    def told(self) -> tuple[str, ...]:
        """The kinds of condition that this run's network hears."""
        return told(self.conditions, self.spec)

    def condition_problems(self, otherwise: str) -> list[str]:
        """What forbids learning conditions from these data; ``otherwise`` names the family that needs none."""
        words = {"class": "put pictures into one folder a class, two classes or more", "text": "write captions"}
        fixes = ", ".join(words[c.kind] for c in self.conditions if c.kind in words)
        if not self.told:
            return [f"the data have nothing that this family could be conditioned on; {fixes}, or choose {otherwise}"]
        if self.told == ("class",) and len(self.spec.classes) < 2:
            return [f"the data have one class only; {fixes}, or choose {otherwise}"]
        return frozen_text.problems(getattr(self.config, "text", None)) if "text" in self.told else []

    def given(self, conditions: dict[str, Any], x: Tensor) -> dict[str, Tensor]:
        """What the network is told of each item of x (B, ...); what is not asked is the null condition."""
        rows = {"class": (len(x),), "text": (len(x), 1), "attributes": (len(x), 2 * len(self.spec.attributes))}
        asked = {kind: conditions[kind] for kind in self.told if kind in conditions}
        lacking = [kind for kind in self.told if kind not in asked]
        kinds = {"attributes": torch.float32}
        missing = {kind: torch.zeros(rows[kind], dtype=kinds.get(kind, torch.long), device=x.device) for kind in lacking}
        return asked | guidance.null_of(missing, len(self.spec.classes))

    def pushed(self, ask: Ask, x: Tensor, conditions: dict[str, Any], scale: Tensor) -> Tensor:
        """What ``ask`` says of x (B, ...) with a guidance scale for each item (B,)."""
        given = self.given(conditions, x)
        null = guidance.null_of(given, len(self.spec.classes))
        return guidance.combined(ask, x, given, null, scale.view(-1, *[1] * (x.ndim - 1)))[1]

    def steered(self, ask: Ask, x: Tensor, conditions: dict[str, Any] | None, sampling: Any, passed: float = 0.0) -> Tensor:
        """What ``ask`` says of x under the conditions, guided as ``sampling`` wants it; plainly where there is none, or nothing
        is asked. ``passed``: the share of the way from noise that is behind."""
        given = self.given(conditions or {}, x)
        if sampling is None or not any(kind in self.told for kind in conditions or {}):
            return ask(x, given)
        negative = None
        if sampling.negative and "text" in given:
            negative = {"text": read_texts(sampling.negative, self.spec).to(x.device)}
        null = guidance.null_of(given, len(self.spec.classes), negative)
        return guidance.guided(ask, x, given, null, sampling.guidance, sampling.guided, passed)
