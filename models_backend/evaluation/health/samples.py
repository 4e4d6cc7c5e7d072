"""A monitor of what a run makes: it looks at previews beside held-out items (see ``training.looks``)."""

from __future__ import annotations

from models_backend.contract.messages import HealthLine, Remedy

from .evidence import Evidence, early, longer, monitor, slower

#: Before this share of a run samples may still be bad without being a trouble.
YOUNG = 0.25
#: How far points may be from real ones, from 0 (real ones) to 1 (a cloud that has the data's middle and width only), as their
#: neighbours tell. Data that are hardly told from such a cloud count as if they were by the least.
NOISE, NOISY, LEAST = 0.88, 0.82, 0.12
#: Points whose mass lies where the data's does are no noise, on the same scale: thin lines that became a little wider, say.
ASTRAY, LEAST_ENERGY = 0.4, 0.002
#: Before so many steps networks that play against each other are not expected to make anything.
SETTLED = 2000


@monitor
def samples(evidence: Evidence) -> HealthLine:
    """Noise, flat grey, copies of one item and burnt-out colours are no samples, however low the loss is."""
    spread, usual = evidence.figure("made_spread"), evidence.figure("real_spread")
    if spread is None or not usual:
        return early("samples")
    wide = spread / usual
    found = _of_points(evidence, wide) if evidence.figure("made_told") is not None else _of_pictures(evidence, wide)
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
    made, real, noise = (evidence.figure(f"{who}_told") or 0.5 for who in ("made", "real", "noise"))
    share = (made - real) / max(noise - real, LEAST)
    mass, rest, cloud = (evidence.figure(f"{who}_energy") or 0.0 for who in ("made", "real", "noise"))
    astray = (mass - rest) / max(cloud - rest, LEAST_ENERGY) > ASTRAY
    beside = f"a neighbour tells them from held-out ones in {made:.0%}, noise in {noise:.0%}, other held-out ones in {real:.0%}"
    if wide < 0.2:
        return "bad", f"samples are all alike: they spread {wide:.0%} as wide as the data", slower(evidence, 10.0)
    if wide > 3:
        return "bad", f"samples lie beside the data: they spread {wide:.3g} times as wide", slower(evidence, 10.0)
    more = Remedy("Train a run twice as long", training=longer(evidence))
    if astray and share > NOISE:
        duel = len(evidence.series_of("loss")) > 1 and evidence.step < SETTLED
        remedy = more if _still_falls(evidence) else slower(evidence, 10.0)
        return "warn" if duel else "bad", f"samples are no better than noise: {beside}", remedy
    if astray and share > NOISY:
        return "warn", f"samples are still near noise: {beside}", more
    return "", f"samples lie among the data: {beside}; they spread {wide:.0%} as wide", None
