"""What every measure of an evaluation is called and says, and what its figures warn of: plain words, no model.

A share of made items stands beside the same share of real held-out items, ``<name>_real``, and their quotient,
``<name>_ratio``: 1 where made items pass as often as real ones do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from models_backend.contract.words import counted

REAL, RATIO, FLOOR, HEALTH = "_real", "_ratio", "_floor", "health_"
#: Held-out items below which nothing is compared with them, and below which what is compared is rough.
LEAST, ROUGH = 10, 100
#: Items, held out and made, below which neighbourhoods of items say nothing: each would reach over half of them.
NEIGHBOURS = 50
#: Labelled held-out items from which on the reader is calibrated.
CALIBRATED = 20
#: Accuracy on held-out items below which the reader is a poor judge.
POOR = 0.85

#: Measure -> what it is called, and what it says.
WORDS = {
    "held_out": ("Held-out items", "Items that the run never saw, against which it is measured"),
    "made": ("Made items", "Items that the run made to be measured"),
    "sure": ("Sure of a class", "Share of items to which the reader gives one class more than .9"),
    "least_class": ("Rarest class", "Share of items in the class that is read least often"),
    "class_entropy": ("Evenness of classes", "Entropy of the classes that are read; 1 where all come alike"),
    "classifier_accuracy": ("Accuracy of the reader", "Share of held-out items that the reader reads right"),
    "temperature": ("Temperature of the reader", "What its scores are divided by so that it is as sure as it is right"),
    "near_copies": ("Near copies", "Share of items as close to a training item as the closest 1 % of held-out ones"),
    "fd": ("Frechet distance", "Between made and held-out items, by the reader's features"),
    "kid": ("Kernel distance", "Squared maximum mean discrepancy with the cubic kernel, by the reader's features"),
    "precision": ("Precision", "Share of made items that lie among held-out ones"),
    "recall": ("Recall", "Share of held-out items that lie among made ones"),
    "density": ("Density", "How many held-out neighbourhoods a made item lies in, over what is expected"),
    "coverage": ("Coverage", "Share of held-out items with a made item in their neighbourhood"),
    "inception_score": (
        "Reader score", "The inception score by the data's own reader: sure and varied classes, at most their number"
    ),
    "ms_ssim_within": ("Likeness within a class", "Structural similarity of pairs of one class; high where all look alike"),
    "w1": ("W1", "Earth mover's distance to held-out items"),
    "w1_model": ("W1, in the model's units", "Earth mover's distance to held-out items, in which a critic estimates it"),
    "w2": ("W2", "2-Wasserstein distance to held-out items"),
    "modes": ("Modes found", "Modes with at least a fifth of their even share"),
    "within_3sd": ("Within 3 sd of a mode", "Share of points within three standard deviations of a mode"),
    "least_mode": ("Rarest mode", "Share of points in the mode with the fewest"),
    "straightness": ("Deviation from straight paths", "0 where every path from noise to item is straight"),
    "class_accuracy": ("Read as asked for", "Share of items that the reader sees as the class asked for"),
    "class_diversity": ("Variety within a class", "Spread within a class, over that of real items"),
    "style_kept": ("Style kept across classes", "Correlation of ink, place and slant of one latent in different classes"),
    "text_joint": ("As the caption says", "Share of items that show everything that the caption says"),
    "text_shape": ("Shape as the caption says", "Share of items of the shape in the caption"),
    "text_colour": ("Colour as the caption says", "Share of items of the colour in the caption"),
    "text_place": ("Place as the caption says", "Share of items at the place in the caption"),
    "text_unseen": ("Unseen combinations", "As the caption says, of combinations that the data never show"),
    "text_swapped": ("Another's caption", "As another item's caption says: chance"),
    "pair_accuracy": ("Both objects", "Share of items that show both objects of the caption"),
    "relation_accuracy": ("Relation of the two", "Share of items whose objects stand to each other as the caption says"),
    "cycle_psnr": ("Back and forth, dB", "Peak signal-to-noise ratio of items translated there and back"),
    "content_kept": ("Content kept", "Share of translated items with shape, colour and place of the original"),
    "content_shape": ("Shape kept", "Share of translated items with the shape of the original"),
    "content_colour": ("Colour kept", "Share of translated items with the colour of the original"),
    "content_place": ("Place kept", "Share of translated items with the place of the original"),
    "domain_switched": ("Read as the other kind", "Share of translated items that are read as the kind asked for"),
    "switched_before": ("The same before translation", "Share of originals that are read as the kind asked for"),
    "reconstruction_accuracy": ("Reconstructions read right", "Share of reconstructed held-out items read as their class"),
    "reconstruction_psnr": ("Reconstruction, dB", "Peak signal-to-noise ratio of held-out items through the latents"),
    "reconstruction_ssim": ("Likeness of reconstructions", "Structural similarity of held-out items and their reconstructions"),
    "reconstruction_distance": ("Distance of reconstructions", "1 - cos of held-out items' features and of what is decoded"),
    "log_likelihood": ("Held-out log likelihood, nats", "Mean log density of held-out items"),
    "ppca_nats": ("The best linear model's, nats", "Log density of held-out items under probabilistic PCA of as many latents"),
    "ppca_gap": ("Gap to the linear model, nats", "How far both are apart"),
    "clip_score": ("CLIP score", "How well made items go with their captions"),
    "mig": ("Mutual information gap", "How far single latents stand for single factors"),
    "sap": ("Separated predictability", "By how much the best latent predicts a factor better than the next"),
    "dci": ("Disentanglement (DCI)", "How far each latent serves one factor"),
    "dci_completeness": ("Completeness (DCI)", "How far each factor is served by one latent"),
    "dci_informativeness": ("Informativeness (DCI)", "How well latents predict the factors"),
    "elbo": ("Bound, nats", "Evidence lower bound of held-out items"),
    "kl": ("Rate, nats", "KL divergence of the posterior from the prior"),
    "reconstruction_nats": ("Reconstruction, nats", "Negative log density of held-out items given their latents"),
    "active_units": ("Latents in use", "Latent dimensions whose mean varies with the item"),
    "latent_size": ("Latents", "Latent dimensions"),
    "self_consistency": ("Disagreement of neighbours", "How far jumps from neighbouring noise levels end apart"),
    "teacher_gap": ("Gap to the teacher", "How far one jump ends from the teacher's path, over the teacher's own single step"),
    "codes_used": ("Codes in use", "Share of the codes that held-out items use"),
    "perplexity": ("Perplexity of the codes", "How many codes held-out items use as if evenly"),
    "prior_nats": ("Nats of a code", "What the prior needs for one code of a held-out item"),
    "bits_per_item": ("Bits of an item", "What the prior needs for a held-out item"),
    "spread": ("Spread", "Spread of made items, over that of held-out ones"),
    "d_held_out": ("Discriminator on held-out items", "Its mean probability that they are real"),
    "entropy_w0": ("Evenness without guidance", "Entropy of the classes that are read where the condition is not heard"),
}  # fmt: skip
_FEW = re.compile(r"(?P<of>fd|w2)_(?P<n>\d+)step")
_SCALE = re.compile(r"(?P<of>accuracy|diversity|text_joint)_w(?P<n>[\d.]+)")
_SCALED = {"accuracy": "read as asked for", "diversity": "variety within", "text_joint": "as the caption says"}


def base(name: str) -> tuple[str, str]:
    """A measure's own name, and whether it is of real items, a quotient or a floor: "_real", "_ratio", "_floor", ""."""
    end = next((end for end in (REAL, RATIO, FLOOR) if name.endswith(end)), "")
    return name.removesuffix(end), end


def title(name: str) -> str:
    """What a measure is called."""
    own, end = base(name)
    more = {REAL: ", real items", RATIO: ", over real items'", FLOOR: ", floor: real items", "": ""}[end]
    return _title(own) + more


def _title(name: str) -> str:
    if name in WORDS:
        return WORDS[name][0]
    if found := _FEW.fullmatch(name):
        return f"{WORDS[found['of']][0]} in {counted(int(found['n']), 'step')}"
    if found := _SCALE.fullmatch(name):
        return f"Guidance {found['n']}: {_SCALED[found['of']]}"
    if name.startswith(HEALTH):
        return f"Health: {name.removeprefix(HEALTH).replace('_', ' ')} (0 good, 1 warns, 2 bad)"
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def explained(name: str) -> str:
    """What a measure says; "" where its title is all."""
    return WORDS.get(base(name)[0], ("", ""))[1]


def with_ratios(found: Mapping[str, float]) -> dict[str, float]:
    """The figures, and beside every share that is known of real items too the quotient of both."""
    pairs = {name: found.get(name + REAL, 0.0) for name in found}
    return dict(found) | {name + RATIO: found[name] / real for name, real in pairs.items() if real > 0}


def warnings(found: Mapping[str, float]) -> list[str]:
    """What to know before believing the figures, a sentence each: few held-out items, a poor reader. Figures that were kept
    before their held-out items were counted warn of nothing."""
    return [*_of_few(found), *_of_few_made(found), *_of_neighbours(found), *_of_reader(found)]


def _of_few(found: Mapping[str, float]) -> list[str]:
    count = int(found.get("held_out", ROUGH))
    if count >= ROUGH:
        return []
    if not count:
        return [f"No item is held out, so nothing is compared with real ones. That takes {LEAST}, {ROUGH} for firm figures."]
    held = f"Only {counted(count, 'item is', 'items are')} held out"
    if count < LEAST:
        left = "distances to them and measures of neighbours are left out"
        return [f"{held}: too few to compare with, so {left}. That takes {LEAST}, {ROUGH} for firm figures."]
    return [f"{held}: figures that compare with them are rough. Firm ones take about {ROUGH}."]


def _of_few_made(found: Mapping[str, float]) -> list[str]:
    count = int(found.get("made", ROUGH))
    if count >= LEAST or found.get("held_out", ROUGH) < LEAST:
        return []
    made = f"Only {counted(count, 'item was', 'items were')} made"
    return [f"{made}: too few to compare with held-out ones, so every distance to them is left out. That takes {LEAST}."]


def _of_neighbours(found: Mapping[str, float]) -> list[str]:
    fewest = min(found.get("held_out", ROUGH), found.get("made", ROUGH))
    if fewest >= NEIGHBOURS or fewest < LEAST or "precision" in found:  # kept figures may hold them
        return []
    left = "Precision, recall, density and coverage are left out"
    return [f"{left}: they look at nearest neighbours, which takes {NEIGHBOURS} items held out and {NEIGHBOURS} made."]


def _of_reader(found: Mapping[str, float]) -> list[str]:
    right, said = found.get("classifier_accuracy"), []
    if "sure" in found and right is None:
        said.append("No labelled item is held out, so nobody knows how well the reader reads: shares by class say little.")
    elif right is not None and right < POOR:
        said.append(f"The reader reads only {100 * right:.0f} % of held-out items right: shares by class say little.")
    if right is not None and "temperature" not in found:
        said.append(f"The reader is not calibrated: that takes {CALIBRATED} labelled held-out items. It may be too sure.")
    return said
