"""Monitors of families in which a judge takes part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models_backend.contract.messages import HealthLine, Remedy

from .evidence import Evidence, early, longer, monitor, slower

#: Items that do not reach the data have lost modes where they spread less wide than the first share of the data's width, and
#: are no items of theirs where they spread wider than the second.
NARROW, WIDE = 0.6, 2.0
#: Before so many steps a generator is not expected to reach the data.
SETTLED = 1000

#: What keeps a judge from learning few pictures by heart, and leaves the generator no shift to copy.
SHIFTED = {"shifts": True, "shifted_share": 0.3}


@monitor
def adversarial_balance(evidence: Evidence) -> HealthLine:
    """The discriminator should be right more often than chance and less often than always."""
    accuracy, real, fake = (evidence.recent(n) for n in ("d_accuracy", "d_real", "d_fake"))
    if accuracy is None:
        return early("adversarial_balance")
    figures = f"right on {accuracy:.0%} of items" + (f" (real {real:.2f}, made {fake:.2f})" if real is not None else "")
    calm = Remedy("Penalise the discriminator's slope (R1) in a new run", config={"penalty": _firmer(evidence)})
    if accuracy > 0.97:
        text = f"the discriminator has won: {figures}; the generator hears little from it"
        return HealthLine("adversarial_balance", "bad", text, calm)
    if accuracy > 0.9:
        return HealthLine("adversarial_balance", "warn", f"the discriminator leads: {figures}", calm)
    if accuracy < 0.45:
        stronger = Remedy("Let the discriminator learn twice as fast in a new run", config=_faster_judge(evidence))
        return HealthLine("adversarial_balance", "warn", f"the discriminator guesses wrong: {figures}", stronger)
    return HealthLine("adversarial_balance", "ok", f"balanced: the discriminator is {figures}")


def _firmer(evidence: Evidence) -> dict[str, Any]:
    """An R1 penalty, three times the present one where there is one."""
    now = (evidence.config or {}).get("penalty")
    gamma = now.get("gamma", 1.0) if isinstance(now, Mapping) and now.get("type") == "r1" else 1.0 / 3.0
    return {"type": "r1", "gamma": 3.0 * gamma}


def _faster_judge(evidence: Evidence) -> dict[str, Any]:
    return {"discriminator_rate": 2.0 * (evidence.config or {}).get("discriminator_rate", 1.0)}


@monitor
def cycle_error(evidence: Evidence) -> HealthLine:
    """The error of going there and back should fall far below that of the first steps."""
    shares = []
    for name in evidence.series_of("cycle"):
        values, now = evidence.values(name), evidence.recent(name)
        if now is not None:
            shares.append(now / max(values[0], 1e-12))
    if not shares:
        return early("cycle_error")
    text = f"there and back, {max(shares):.0%} of the first error is left"
    if max(shares) < 1 / 3:
        return HealthLine("cycle_error", "ok", text)
    weight = 2.0 * (evidence.config or {}).get("cycle", 10.0)
    remedy = Remedy("Weigh the way back twice as much in a new run", config={"cycle": weight})
    return HealthLine("cycle_error", "bad" if max(shares) > 0.8 else "warn", text, remedy)


@monitor
def mode_collapse(evidence: Evidence) -> HealthLine:
    """How much of the held-out data lies among the generator's items; a collapse leaves most of it out."""
    seen = [v for v in (evidence.figure("recall"), evidence.figure("coverage")) if v is not None]
    if not seen:
        return early("mode_collapse")
    share, spread = min(seen), evidence.figure("spread")
    wide = f"; they spread {spread:.0%} as wide as the data" if spread is not None else ""
    remedy = Remedy("Penalise the discriminator's slope and show it how batches vary, in a new run",
                    config={"penalty": _firmer(evidence), "batch_spread": True})  # fmt: skip
    reach = f"the generator's items reach {share:.0%} of the data{wide}"
    if share >= 0.6:
        return HealthLine("mode_collapse", "ok", reach)
    if spread is not None and NARROW < spread < WIDE:  # as varied as the data, but not yet like them
        if evidence.step < SETTLED:
            return HealthLine("mode_collapse", "ok", f"too early to say: {reach}")
        more = Remedy("Train a run twice as long", training=longer(evidence))
        return HealthLine("mode_collapse", "warn", f"not yet like the data: {reach}", more)
    if share < 0.35:
        what = "far from the data" if spread is not None and spread >= WIDE else "modes are lost"
        return HealthLine("mode_collapse", "bad", f"{what}: {reach}", remedy)
    return HealthLine("mode_collapse", "warn", reach, remedy)


@monitor
def discriminator_memory(evidence: Evidence) -> HealthLine:
    """A discriminator that knows the training items by heart calls held-out ones made."""
    # Karras et al. 2020 (arXiv:2006.06676), eq. 1
    real, fake, held_out = evidence.recent("d_real"), evidence.recent("d_fake"), evidence.figure("d_held_out")
    if real is None or fake is None or held_out is None:
        return early("discriminator_memory")
    memory = (real - held_out) / (real - fake) if real - fake > 0.1 else 0.0
    if memory > 0.5:
        text = f"the discriminator knows training items by heart: {real:.2f} on them, {held_out:.2f} on held-out ones"
        remedy = Remedy("Shift pictures before the discriminator, in a new run", config=SHIFTED)
        return HealthLine("discriminator_memory", "bad" if memory > 0.8 else "warn", text, remedy)
    return HealthLine(
        "discriminator_memory", "ok", f"held-out items are judged like training items ({held_out:.2f}, {real:.2f})"
    )


@monitor
def critic_slope(evidence: Evidence) -> HealthLine:
    """A critic's slope between real and made items should be one: only then is its estimate a distance."""
    # Gulrajani et al. 2017 (arXiv:1704.00028), proposition 1
    slope = evidence.recent("critic_slope")
    slope = evidence.figure("critic_slope") if slope is None else slope
    if slope is None:
        return early("critic_slope")
    if _clipped(evidence):
        text = f"the critic's slope is {slope:.2g}: with clipping, its estimate is a distance in unknown units"
        penalise = Remedy("Draw the critic's slope to one by a penalty, in a new run",
                          config={"constraint": {"type": "gradient_penalty"}})  # fmt: skip
        return HealthLine("critic_slope", "ok" if 0.5 < slope < 2.0 else "warn", text, penalise)
    if slope > 1.3:
        return HealthLine("critic_slope", "bad" if slope > 2.0 else "warn",
                          f"the critic is too steep: its slope is {slope:.2f}, it should be 1", slower(evidence))  # fmt: skip
    if slope < 0.7:
        more = Remedy("Let the critic step twice as often in a new run", config=_more_critic(evidence))
        text = f"the critic is too flat: its slope is {slope:.2f}, it should be 1; its estimate is too low"
        return HealthLine("critic_slope", "warn", text, more)
    return HealthLine("critic_slope", "ok", f"the critic's slope is {slope:.2f}: its estimate is a distance")


def _clipped(evidence: Evidence) -> bool:
    now = (evidence.config or {}).get("constraint")
    return isinstance(now, Mapping) and now.get("type") == "clipping"


def _more_critic(evidence: Evidence) -> dict[str, Any]:
    return {"critic_steps": min(100, 2 * int((evidence.config or {}).get("critic_steps", 1)))}


@monitor
def critic_memory(evidence: Evidence) -> HealthLine:
    """A critic that knows the training items by heart finds held-out ones much nearer to the made ones."""
    train, held_out = evidence.recent("wasserstein"), evidence.figure("wasserstein")
    if train is None or held_out is None:
        return early("critic_memory")
    figures = f"the estimate is {train:.3g} on training items, {held_out:.3g} on held-out ones"
    if train > 0 and held_out < 0.5 * train:
        remedy = Remedy("Shift pictures before they are judged, in a new run", config=SHIFTED)
        return HealthLine("critic_memory", "warn", f"the critic knows training items by heart: {figures}", remedy)
    return HealthLine("critic_memory", "ok", figures)
