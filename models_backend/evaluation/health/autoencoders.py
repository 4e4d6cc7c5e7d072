"""Monitors of autoencoders and codecs."""

from __future__ import annotations

from models_backend.contract.messages import HealthLine, Remedy
from models_backend.contract.words import counted

from .evidence import Evidence, early, longer, monitor


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


@monitor
def latent_scale(evidence: Evidence) -> HealthLine:
    """Whether held-out latents are as wide as the stored scale says: what is built on them counts on 1."""
    width = evidence.figure("latent_std_scaled")
    if width is None:
        return early("latent_scale")
    text = f"held-out latents have standard deviation {width:.2f} at the stored scale"
    if 0.9 <= width <= 1.1:
        return HealthLine("latent_scale", "ok", text)
    remedy = Remedy("Train a run twice as long: the latents still move", training=longer(evidence))
    return HealthLine("latent_scale", "warn" if 0.5 <= width <= 2.0 else "bad", f"{text}, not 1", remedy)


@monitor
def codebook_use(evidence: Evidence) -> HealthLine:
    """How many codes of a codebook are in use, and how evenly: one that is hardly used says little."""
    perplexity, codes, dead = (evidence.figure(n) for n in ("perplexity", "codes", "dead_codes"))
    if perplexity is None or not codes or dead is None:
        return early("codebook_use")
    text = f"{codes - dead:.0f} of {counted(round(codes), 'code')} in use, worth {perplexity:.0f} evenly used ones"
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
