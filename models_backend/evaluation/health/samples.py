"""A monitor of what a run makes: it looks at previews beside held-out items (see ``training.looks``)."""

from __future__ import annotations

from models_backend.contract.messages import HealthLine, Remedy

from .evidence import Evidence, early, longer, monitor, slower

#: Before this share of a run samples may still be bad without being a trouble.
YOUNG = 0.25


@monitor
def samples(evidence: Evidence) -> HealthLine:
    """Noise, flat grey, copies of one item and burnt-out colours are no samples, however low the loss is."""
    spread, usual = evidence.figure("made_spread"), evidence.figure("real_spread")
    if spread is None or not usual:
        return early("samples")
    wide = spread / usual
    found = _of_points(evidence, wide) if evidence.figure("made_distance") is not None else _of_pictures(evidence, wide)
    if not found[0]:
        return HealthLine("samples", "ok", found[1])
    level, text, remedy = found
    if level == "bad" and evidence.progress < YOUNG:
        return HealthLine("samples", "warn", f"{text} (it has just begun)")
    return HealthLine("samples", level, text, remedy)


def _of_pictures(evidence: Evidence, wide: float) -> tuple[str, str, Remedy | None]:
    made, real = ({name: evidence.figure(f"{who}_{name}") or 0.0 for name in ("contrast", "smoothness", "saturation")}
                  for who in ("made", "real"))  # fmt: skip
    share = made["smoothness"] / real["smoothness"] if real["smoothness"] > 0.15 else 1.0
    agree = f"neighbouring pixels agree by {made['smoothness']:.2f}, in the data by {real['smoothness']:.2f}"
    burnt = made["saturation"] - real["saturation"]
    if made["contrast"] < 0.2 * real["contrast"]:
        text = f"samples are flat: {made['contrast'] / real['contrast']:.0%} of the contrast of the data"
        return "bad", text, slower(evidence, 10.0)
    if wide < 0.2:
        return "bad", f"samples are all alike: they differ {wide:.0%} as much as the data", slower(evidence, 10.0)
    more = Remedy("Train a run twice as long", training=longer(evidence))
    if share < 0.4:
        return "bad", f"samples are noise: {agree}", more if _still_falls(evidence) else slower(evidence, 10.0)
    if burnt > 0.4:
        text = f"samples are burnt out: {made['saturation']:.0%} black or white, in the data {real['saturation']:.0%}"
        return "bad", text, slower(evidence, 10.0)
    if share < 0.7:
        return "warn", f"samples are noisy: {agree}", more
    if wide < 0.4:
        return "warn", f"samples are much alike: they differ {wide:.0%} as much as the data", more
    return "", f"samples are neither noise nor copies: {agree}; they differ {wide:.0%} as much", None


def _still_falls(evidence: Evidence) -> bool:
    """Whether the loss only fell and is lowest now on held-out items: such a run is not too fast, but too short."""
    losses, held_out = evidence.values("loss"), evidence.values("validation")
    return len(held_out) > 1 and held_out[-1] == min(held_out) and max(losses, default=0.0) < 2 * abs(held_out[0])


def _of_points(evidence: Evidence, wide: float) -> tuple[str, str, Remedy | None]:
    off = (evidence.figure("made_distance") or 0.0) / max(evidence.figure("real_distance") or 0.0, 1e-9)
    beside = f"{off:.1f} times as far from the data as data lie from one another"
    if wide < 0.2:
        return "bad", f"samples are all alike: they spread {wide:.0%} as wide as the data", slower(evidence, 10.0)
    if off > 6 or wide > 3:
        return "bad", f"samples lie beside the data: {beside}, spread {wide:.1f} times as wide", slower(evidence, 10.0)
    if off > 3.5:
        return "warn", f"samples lie beside the data: {beside}", Remedy("Train a run twice as long", training=longer(evidence))
    return "", f"samples lie among the data: {beside}, spread {wide:.0%} as wide", None
