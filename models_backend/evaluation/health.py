"""Health monitors: what the figures of a run say, in plain words, with a remedy that one click applies.

A monitor is a function from :class:`Evidence` to a :class:`HealthLine`, registered in ``MONITORS`` under the name by
which families ask for it. ``judge`` runs a family's monitors after the three that every run has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from ..contract.messages import Health, HealthLine, Remedy

History = Mapping[str, Sequence[tuple[int, float]]]
GENERIC = ("non_finite", "loss_trend", "gradient_norm")
MONITORS: dict[str, Callable[[Evidence], HealthLine]] = {}

#: A series shorter than this says nothing yet.
ENOUGH = 8


@dataclass(frozen=True)
class Evidence:
    """All that monitors see. ``config`` and ``training`` are the run's plain settings, where the caller knows them."""

    history: History
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    levels: Sequence[float] = ()
    config: Mapping[str, Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    def values(self, name: str) -> list[float]:
        """The finite values of a series, oldest first."""
        return [v for _, v in self.history.get(name, ()) if math.isfinite(v)]

    def recent(self, name: str, share: float = 0.2) -> float | None:
        """The median over the newest ``share`` of a series; None while it is too short."""
        values = self.values(name)
        return median(values[-max(3, int(share * len(values))):]) if len(values) >= ENOUGH else None  # fmt: skip

    def figure(self, name: str) -> float | None:
        """A scalar of the diagnostics, if it is there and finite."""
        value = self.diagnostics.get(name)
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None

    def series_of(self, prefix: str) -> list[str]:
        """Names such as "grad/generator" under a prefix."""
        return sorted(n for n in self.history if n.startswith(prefix + "/"))

    @property
    def learning_rate(self) -> float | None:
        """The peak rate: the setting, else the largest seen."""
        seen = self.values("lr")
        return self.training.get("learning_rate") or (max(seen) if seen else None)


def judge(names: Iterable[str], history: History, diagnostics: Mapping[str, Any], levels: Sequence[float] = (),
          step: int | None = None, config: Mapping[str, Any] | None = None,
          training: Mapping[str, Any] | None = None) -> Health:  # fmt: skip
    """What the generic monitors and those named say now. Lists among the diagnostics become series that panels draw.

    A remedy that names a setting which ``config`` lacks is left out; ``step`` defaults to the newest in the history."""
    evidence = Evidence(history, diagnostics, levels, config, training or {})
    wanted = [*GENERIC, *(n for n in names if n not in GENERIC)]
    lines = [_applicable(_ask(name, evidence), config) for name in wanted]
    series = {k: [float(v) for v in value] for k, value in diagnostics.items() if isinstance(value, (list, tuple))}
    if levels:
        series["loss_by_level"] = [float(v) for v in levels]
    newest = max((points[-1][0] for points in history.values() if points), default=0)
    return Health(newest if step is None else step, lines, series)


def _ask(name: str, evidence: Evidence) -> HealthLine:
    if name not in MONITORS:
        return HealthLine(name, "warn", f"this studio has no monitor named {name}")
    return MONITORS[name](evidence)


def _applicable(line: HealthLine, config: Mapping[str, Any] | None) -> HealthLine:
    if config is not None and line.remedy is not None and not set(line.remedy.config) <= set(config):
        line.remedy = None
    return line


def monitor(function: Callable[[Evidence], HealthLine]) -> Callable[[Evidence], HealthLine]:
    """Registers a monitor under its function's name."""
    MONITORS[function.__name__] = function
    return function


def early(name: str) -> HealthLine:
    """What a monitor says before it can say anything."""
    return HealthLine(name, "ok", "too early to say")


def slower(evidence: Evidence, factor: float = 3.0) -> Remedy | None:
    """The remedy that lowers the learning rate of the run that goes on."""
    rate = evidence.learning_rate
    if rate is None:
        return None
    return Remedy(f"Learn {factor:g} times slower", training={"learning_rate": rate / factor}, live=True)


# ------------------------------------------------------------------------------------------------ every run


@monitor
def non_finite(evidence: Evidence) -> HealthLine:
    """Steps that were skipped because a loss or gradient was not a number, and figures that are not."""
    skipped = evidence.values("skipped")
    count = int(skipped[-1]) if skipped else 0
    broken = sorted(n for n, points in evidence.history.items() if points and not math.isfinite(points[-1][1]))
    if broken:
        return HealthLine("non_finite", "bad", f"{', '.join(broken)}: not a number at the newest step", slower(evidence))
    if count:
        plural = "step was" if count == 1 else "steps were"
        return HealthLine("non_finite", "warn", f"{count} {plural} skipped: the gradient was not finite", slower(evidence))
    return HealthLine("non_finite", "ok", "all figures are finite")


@monitor
def loss_trend(evidence: Evidence) -> HealthLine:
    """Whether training still helps: the loss falls, and held-out items agree."""
    if len(evidence.series_of("loss")) > 1:
        return HealthLine("loss_trend", "ok", "the networks play against each other: no trend is expected")
    train, held_out = evidence.values("loss"), evidence.values("validation")
    if len(train) < 2 * ENOUGH:
        return early("loss_trend")
    chunk = max(ENOUGH // 2, len(train) // 10)
    middles = [median(train[i : i + chunk]) for i in range(0, len(train) - chunk + 1, chunk)]
    start, best, now = max(median(train[:3]), middles[0]), min(middles), median(train[-chunk:])
    noise = _noise(train)
    if now - best > max(0.5 * abs(start - best), 6 * noise / math.sqrt(chunk)) and now > start:
        text = f"the loss rises: {now:.4g} now, {best:.4g} at its best"
        return HealthLine("loss_trend", "bad", text, slower(evidence))
    over = _overfitting(held_out)
    if over:
        text = f"held-out loss stands {over:.0%} of its fall above its lowest while training went on: it learns items by heart"
        return HealthLine("loss_trend", "warn", text, Remedy("Train a run a third as long", training=_shorter(evidence)))
    if median(train[:3]) - now > 4 * noise or middles[0] - now > 6 * noise / math.sqrt(chunk):
        return HealthLine("loss_trend", "ok", f"the loss has fallen from {start:.4g} to {now:.4g}")
    return HealthLine("loss_trend", "warn", f"the loss has not fallen: {start:.4g} at first, {now:.4g} now")


def _noise(values: list[float]) -> float:
    """Standard deviation of one value about the trend, from differences of neighbours (which a trend hardly moves)."""
    return 1.048 * median(abs(b - a) for a, b in pairwise(values))  # 1 / (0.6745 sqrt 2) for Gaussian noise


def _overfitting(held_out: list[float]) -> float:
    """By which share of its own fall the held-out loss stands above its lowest; 0 where it does not."""
    if len(held_out) < ENOUGH:
        return 0.0
    lowest, now = min(held_out), median(held_out[-3:])
    fall = held_out[0] - lowest
    return (now - lowest) / fall if fall > 0 and now - lowest > 0.25 * fall else 0.0


def _shorter(evidence: Evidence) -> dict[str, Any]:
    steps = evidence.training.get("steps")
    return {"steps": max(1, int(steps) // 3)} if steps else {}


@monitor
def gradient_norm(evidence: Evidence) -> HealthLine:
    """Gradients that explode or vanish, for each network."""
    said: list[HealthLine] = []
    for name in evidence.series_of("grad"):
        values = evidence.values(name)
        if len(values) >= ENOUGH:
            said.append(_gradient(name.partition("/")[2], values, evidence))
    if not said:
        return early("gradient_norm")
    order = {"bad": 0, "warn": 1, "ok": 2}
    return min(said, key=lambda line: order[line.level])


def _gradient(network: str, values: list[float], evidence: Evidence) -> HealthLine:
    usual, newest = median(values), median(values[-3:])
    if newest < 1e-8:
        return HealthLine(
            "gradient_norm", "bad", f"{network}: the gradient has vanished ({newest:.1g}): it learns nothing more"
        )
    if newest > 20 * usual and newest > 1.0:
        text = f"{network}: the gradient has grown to {newest:.3g}, usually {usual:.3g}"
        return HealthLine("gradient_norm", "bad", text, slower(evidence))
    if max(values[-ENOUGH:]) > 20 * usual and max(values[-ENOUGH:]) > 1.0:
        text = f"{network}: a spike to {max(values[-ENOUGH:]):.3g}, usually {usual:.3g}"
        return HealthLine("gradient_norm", "warn", text, slower(evidence, 2.0))
    return HealthLine("gradient_norm", "ok", f"{network}: steady at {usual:.3g}")


# ------------------------------------------------------------------------------------------------ by noise level


@monitor
def noise_levels(evidence: Evidence) -> HealthLine:
    """Whether every noise level is visited, and whether one of them carries the whole loss."""
    known = [v for v in evidence.levels if math.isfinite(v)]
    if len(known) < 2:
        return early("noise_levels")
    missing = len(evidence.levels) - len(known)
    if missing > 0.25 * len(evidence.levels):
        return HealthLine("noise_levels", "warn", f"{missing} of {len(evidence.levels)} noise levels have not been trained yet")
    total, worst = sum(map(abs, known)), max(range(len(evidence.levels)), key=lambda i: _size(evidence.levels[i]))
    share = _size(evidence.levels[worst]) / total if total > 0 else 0.0
    where = (worst + 0.5) / len(evidence.levels)
    if share > 0.8 and len(known) > 3:
        return HealthLine("noise_levels", "warn", f"{share:.0%} of the loss comes from noise levels near {where:.2f}")
    return HealthLine("noise_levels", "ok", f"every noise level learns; the hardest lies near {where:.2f}")


def _size(value: float) -> float:
    return abs(value) if math.isfinite(value) else 0.0


# ------------------------------------------------------------------------------------------------ consistency


@monitor
def self_consistency(evidence: Evidence) -> HealthLine:
    """Whether answers from neighbouring noise come to agree; the figure means the same on every grid."""
    values, held_out = evidence.values("self_consistency"), evidence.figure("self_consistency")
    if len(values) < 2 * ENOUGH:
        return early("self_consistency")
    chunk = max(ENOUGH // 2, len(values) // 10)
    first, lowest, now = (median(values[:chunk]), min(values), median(values[-chunk:]))
    beside = f"; {held_out:.3g} on held-out items" if held_out is not None else ""
    if now > 2.0 * first:
        text = f"neighbours agree ever less: {now:.3g}, at first {first:.3g}{beside}"
        return HealthLine("self_consistency", "bad", text, slower(evidence))
    if now > first and now > 1.5 * lowest:
        text = f"neighbours do not come to agree: {now:.3g}, at first {first:.3g}{beside}"
        return HealthLine("self_consistency", "warn", text, slower(evidence))
    return HealthLine("self_consistency", "ok", f"neighbours disagree by {now:.3g}, at first {first:.3g}{beside}")


@monitor
def teacher_gap(evidence: Evidence) -> HealthLine:
    """How far one jump ends from where the teacher's path does, as a share of what the teacher's own single step misses."""
    gap = evidence.figure("teacher_gap")
    if gap is None:
        return HealthLine("teacher_gap", "ok", "no teacher: nothing to compare with")
    text = f"a jump ends {gap:.0%} as far from the teacher's path as the teacher's single step"
    if gap < 0.8:
        return HealthLine("teacher_gap", "ok", text)
    longer = Remedy("Train a run twice as long", training=_longer(evidence))
    return HealthLine("teacher_gap", "warn" if gap < 1.2 else "bad", text, longer)


# ------------------------------------------------------------------------------------------------ adversarial pairs


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
    if share < 0.35:
        text = f"modes are lost: the generator's items reach {share:.0%} of the data{wide}"
        return HealthLine("mode_collapse", "bad", text, remedy)
    if share < 0.6:
        return HealthLine("mode_collapse", "warn", f"the generator's items reach {share:.0%} of the data{wide}", remedy)
    return HealthLine("mode_collapse", "ok", f"the generator's items reach {share:.0%} of the data{wide}")


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
        remedy = Remedy("Shift pictures before the discriminator, in a new run", config={"shifts": True})
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
        remedy = Remedy("Shift pictures before they are judged, in a new run", config={"shifts": True})
        return HealthLine("critic_memory", "warn", f"the critic knows training items by heart: {figures}", remedy)
    return HealthLine("critic_memory", "ok", figures)


# ------------------------------------------------------------------------------------------------ autoencoders


@monitor
def posterior_collapse(evidence: Evidence) -> HealthLine:
    """Latent dimensions that carry nothing."""
    used, size, kl = evidence.figure("active_units"), evidence.figure("latent_size"), evidence.figure("kl")
    if used is None or not size:
        return early("posterior_collapse")
    figures = f"{used:.0f} of {size:.0f} dimensions are in use" + (f", {kl:.1f} nats in all" if kl is not None else "")
    changes = {"annealing": {"type": "warm_up", "share": 0.4}, "free_bits": 0.25, "beta": _gentler(evidence)}
    wake = Remedy("Bring the KL in slowly and give each dimension a quarter of a nat, in a new run", config=changes)
    if used == 0 or (kl is not None and kl < 0.1):
        return HealthLine("posterior_collapse", "bad", f"the latent says nothing about the items: {figures}", wake)
    if used < 0.25 * size:
        return HealthLine("posterior_collapse", "warn", f"most of the latent is idle: {figures}", wake)
    return HealthLine("posterior_collapse", "ok", figures)


def _gentler(evidence: Evidence) -> float:
    """beta = 1, or less where it already is."""
    return min(1.0, float((evidence.config or {}).get("beta", 1.0)))


@monitor
def reconstruction_balance(evidence: Evidence) -> HealthLine:
    """Whether the bound on held-out items keeps up with the one on training items."""
    train, held_out, kl = evidence.recent("elbo"), evidence.figure("elbo"), evidence.figure("kl")
    if train is None or held_out is None or not kl:
        return early("reconstruction_balance")
    gap = train - held_out
    if gap > 2.0 * kl and gap > 5.0:
        text = f"the bound is {gap:.1f} nats worse on held-out items: the networks learn items by heart"
        remedy = Remedy(
            "Weigh the KL twice as much in a new run", config={"beta": 2.0 * (evidence.config or {}).get("beta", 1.0)}
        )
        return HealthLine("reconstruction_balance", "warn", text, remedy)
    return HealthLine("reconstruction_balance", "ok", f"held-out bound {held_out:.1f} nats, training {train:.1f}")


# ------------------------------------------------------------------------------------------------ codecs


@monitor
def latent_scale(evidence: Evidence) -> HealthLine:
    """Whether held-out latents are as wide as the stored scale says: what is built on them counts on 1."""
    width = evidence.figure("latent_std_scaled")
    if width is None:
        return early("latent_scale")
    text = f"held-out latents have standard deviation {width:.2f} at the stored scale"
    if 0.9 <= width <= 1.1:
        return HealthLine("latent_scale", "ok", text)
    longer = Remedy("Train a run twice as long: the latents still move", training=_longer(evidence))
    return HealthLine("latent_scale", "warn" if 0.5 <= width <= 2.0 else "bad", f"{text}, not 1", longer)


def _longer(evidence: Evidence) -> dict[str, Any]:
    steps = evidence.training.get("steps")
    return {"steps": 2 * int(steps)} if steps else {}


@monitor
def codebook_use(evidence: Evidence) -> HealthLine:
    """How many codes of a codebook are in use, and how evenly: one that is hardly used says little."""
    perplexity, codes, dead = (evidence.figure(n) for n in ("perplexity", "codes", "dead_codes"))
    if perplexity is None or not codes or dead is None:
        return early("codebook_use")
    text = f"{codes - dead:.0f} of {codes:.0f} codes are in use, worth {perplexity:.0f} evenly used ones"
    if codes - dead <= 2 or perplexity < 0.02 * codes:
        return HealthLine("codebook_use", "bad", f"the codebook has collapsed: {text}", _more_use(evidence, codes))
    if dead > 0.5 * codes or perplexity < 0.1 * codes:
        return HealthLine("codebook_use", "warn", f"much of the codebook is idle: {text}", _more_use(evidence, codes))
    return HealthLine("codebook_use", "ok", text)


def _more_use(evidence: Evidence, codes: float) -> Remedy:
    """Idle codes are put elsewhere sooner where the config can do that; else a codebook half as large."""
    config = evidence.config or {}
    if "revive" in config:
        changes = {"revive": max(0.2, 2.0 * float(config["revive"]))}
        return Remedy("Put idle codes where the data are sooner, in a new run", config=changes)
    return Remedy("Take half as many codes in a new run", config={"latent": {"type": "vq", "codes": max(2, int(codes) // 2)}})
