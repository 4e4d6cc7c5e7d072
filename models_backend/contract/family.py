"""What a family declares and what it must be able to do.

A family is one file in ``models_backend/families`` with one subclass of :class:`Family`. The class attributes
become a :class:`FamilyDescription`, plain data from which every panel is built; the methods are called by the
generic drivers (training, sampling, evaluation, latent space), which never name a family.

Tensors are written ``Any`` here: this package imports nothing but msgspec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from .fields import FieldSpec, describe
from .trace import Step, TraceKind
from .words import series

MODALITIES = ("points", "image", "audio", "video")
#: kinds that a network is told -> what the data call them
TOLD = {"class": "classes", "text": "captions", "attributes": "attributes"}
CONDITION_KINDS = ("class", "attributes", "text", "phonemes", "image", "audio", "melody", "mask")
GROUPS = ("Diffusion", "Flow", "Few-step", "Adversarial", "Autoencoders", "Speech & music", "Video", "Parts")
Modality = Literal["points", "image", "audio", "video"]


class Attribute(msgspec.Struct, frozen=True):
    """A number that is known of items, from ``low`` to ``high``: a share, an age, 0 or 1."""

    name: str
    low: float = 0.0
    high: float = 1.0

    @property
    def span(self) -> str:
        """Its range in as many digits as tell the ends apart."""
        digits = next((d for d in range(6, 17) if f"{self.low:.{d}g}" != f"{self.high:.{d}g}"), 17)
        return f"{self.low:.{digits}g} to {self.high:.{digits}g}"


class DataSpec(msgspec.Struct, frozen=True):
    """The data as a model sees them. ``shape`` is one item: (C, H, W) for images, (D,) for points. ``levels``: the values
    from 0 to 255 that pictures hold, where they are few; made pictures hold no others. ``unseen``: the classes that no item
    is of, so that no run can be asked for them."""

    modality: Modality
    shape: tuple[int, ...]
    count: int = 0
    classes: tuple[str, ...] = ()
    captioned: bool = False
    fingerprint: str = ""
    attributes: tuple[Attribute, ...] = ()
    levels: tuple[int, ...] = ()
    unseen: tuple[str, ...] = ()


class Condition(msgspec.Struct, frozen=True):
    """A declared condition: its kind, and the probability with which training drops it (for guidance)."""

    kind: Literal["class", "attributes", "text", "phonemes", "image", "audio", "melody", "mask"]
    drop: float = 0.0
    help: str = ""


class Known(Protocol):
    """What is known of items: a DataSpec, or the record of a data set."""

    modality: str
    classes: tuple[str, ...]
    captioned: bool
    attributes: tuple[Attribute, ...]


def heard(conditions: Iterable[Condition], data: Known) -> tuple[str, ...]:
    """The kinds of a family's conditions that a run on such data can be told: captions take the place of classes."""
    declared = tuple(condition.kind for condition in conditions)
    missing = {"text"} if not data.captioned else {"class"} if "text" in declared else set()
    missing |= set() if data.classes else {"class"}
    missing |= set() if data.attributes else {"attributes"}
    missing |= set() if data.modality == "image" else {"image", "mask"}
    return tuple(kind for kind in declared if kind not in missing)


def told(conditions: Iterable[Condition], data: Known) -> tuple[str, ...]:
    """Of what is heard the kinds that a network is told; pictures are kept beside it."""
    return tuple(kind for kind in heard(conditions, data) if kind in TOLD)


def follows(conditions: Iterable[Condition], data: Known) -> str:
    """In a sentence: what of the data a run learns to follow, and what it leaves aside; "" where there is nothing to say."""
    there = {"class": bool(data.classes), "text": data.captioned, "attributes": bool(data.attributes)}
    kinds = told(conditions, data)
    left = [name for kind, name in TOLD.items() if there[kind] and kind not in kinds]
    said = [f"It learns to follow {series(TOLD[kind] for kind in kinds)}"] if kinds else []
    said += [f"{series(left)} of the data are not used"] if left else []
    if "text" not in kinds and any(condition.kind == "text" for condition in conditions):
        said.append("it is given no captions, so words mean nothing to it")
    text = "; ".join(said)
    return text[:1].upper() + text[1:]


def unmet(conditions: Iterable[Condition], data: Known, learned: str = "auto") -> dict[str, str]:
    """What settings may need (see ``Field.needs``) and the data of a run do not have, each with the reason. ``learned``: which
    conditions of the data the run was asked to learn ("auto", "classes" or "none")."""
    kinds = told(conditions, data)
    lacking = {} if "text" in kinds else {"text": "The data have no captions"}
    if not kinds:
        lacking["condition"] = "The data have no classes, captions or attributes to follow"
    if learned == "classes":
        lacking["text"] = "Captions are not used" + (": the run learns classes" if "class" in kinds else "")
    elif learned == "none":
        lacking |= dict.fromkeys(("text", "condition"), "The run learns without classes, captions and attributes")
    return lacking if data.modality == "image" else lacking | {"image": "Only pictures have it"}


def translates(conditions: Iterable[Condition]) -> bool:
    """Whether a family works on pictures that it is given as a whole; with a mask they only say what is kept."""
    kinds = {condition.kind for condition in conditions}
    return "image" in kinds and "mask" not in kinds


class Part(msgspec.Struct, frozen=True):
    """Another run used as a part. ``kind`` is matched against the ``provides`` of the other run's family. ``instead``: where a
    run on pictures works that does without it ("pixel space"), for its title and facts; "" where nothing is to be said."""

    name: str
    kind: str
    optional: bool = True
    help: str = ""
    instead: str = ""


def works_in(uses: Iterable[Part], parts: Mapping[str, str], modality: str) -> str:
    """Where a run works that does without parts it could have ("pixel space"); "" where nothing is to be said. ``parts``: part
    name -> run id."""
    if modality != "image":
        return ""
    return ", ".join(part.instead for part in uses if part.instead and not parts.get(part.name))


class Preset(msgspec.Struct, frozen=True):
    """A named starting point: changes laid over the defaults of config, training and sampling."""

    name: str
    title: str
    config: dict[str, Any] = {}
    training: dict[str, Any] = {}
    sampling: dict[str, Any] = {}
    note: str = ""


class Claim(msgspec.Struct, frozen=True):
    """A measured figure that must hold: ``measure`` (a name in evaluation) compared with ``bound``.

    ``times`` multiplies the bound by another measure of the same evaluation (a floor, say)."""

    measure: str
    relation: Literal["<=", ">="]
    bound: float
    text: str
    times: str = ""


class Proof(msgspec.Struct, frozen=True):
    """A run on a built-in data set whose claims must hold within ``minutes`` on two CPU cores.

    ``after``: another proof of the family, whose run becomes the part that fits and whose figures are "before/...".
    ``parts``: part -> "family:proof" of another family, made once in a library and kept; its figures are "<part>/..."."""

    name: str
    dataset: str
    preset: str
    minutes: float
    claims: tuple[Claim, ...]
    config: dict[str, Any] = {}
    training: dict[str, Any] = {}
    sampling: dict[str, Any] = {}
    count: int = 1000
    after: str = ""
    parts: dict[str, str] = {}


class FamilyDescription(msgspec.Struct):
    """A family as plain data: all that the studio knows of it."""

    key: str
    title: str
    glyph: str
    group: str
    summary: str
    paper: str
    modalities: tuple[str, ...]
    conditions: tuple[Condition, ...]
    uses: tuple[Part, ...]
    provides: tuple[str, ...]
    latents: tuple[str, ...]
    trace: TraceKind
    health: tuple[str, ...]
    config: FieldSpec
    sampling: FieldSpec
    presets: tuple[Preset, ...]
    proofs: tuple[Proof, ...]
    names: tuple[str, ...] = ()
    classes_needed: tuple[int, int] = (0, 0)
    made_for: str = ""


def starting_preset(presets: Sequence[Preset]) -> Preset | None:
    """The preset that a new run starts from: "small", worth looking at after minutes, else the first; None where none is."""
    return next((preset for preset in presets if preset.name == "small"), presets[0] if presets else None)


def in_order(families: Iterable[FamilyDescription]) -> list[FamilyDescription]:
    """Families by their group, as ``GROUPS`` has them (others last), then by title."""
    place = {group: position for position, group in enumerate(GROUPS)}
    return sorted(families, key=lambda family: (place.get(family.group, len(GROUPS)), family.group, family.title))


@dataclass
class Batch:
    """What ``losses`` gets. ``x``: (B, *shape) float32 in [-1, 1] (points: data units, standardised by the reader).

    ``conditions`` maps a condition kind to its tensor; ``extra`` maps names of derived data (see ``derive``) to
    tensors; ``index`` (B,) are positions in the training split; ``generator`` is the only source of noise, a
    function of (seed, step, rank); ``step`` counts from 0, ``progress`` = step / total steps.
    """

    x: Any
    index: Any
    generator: Any
    step: int
    progress: float
    conditions: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Loss:
    """One loss of one network. ``figures``: detached scalars for the curves. ``levels`` is (level in [0, 1], loss)
    per item, for the loss-by-noise-level plot. The trainer steps the optimiser of ``network`` after each yield."""

    network: str
    value: Any
    figures: dict[str, Any] = field(default_factory=dict)
    levels: tuple[Any, Any] | None = None


@dataclass
class LoadedRun:
    """A finished run brought into memory: what a part is, and what sampling works on (EMA weights, eval mode).
    ``precision`` is the arithmetic of its networks when it is sampled: "fp32", "bf16" or "fp16". ``note``: that a newer
    checkpoint is damaged, of it or of a part."""

    family: Family
    nets: dict[str, Any]
    config: Any
    spec: DataSpec
    device: Any
    step: int = 0
    parts: dict[str, LoadedRun] = field(default_factory=dict)
    precision: str = "fp32"
    note: str = ""


class Sharing(msgspec.Struct, frozen=True):
    """How the optimiser of one network differs from the run's: learning-rate factor and Adam betas."""

    rate: float = 1.0
    betas: tuple[float, float] | None = None
    every: int = 1


class Family:
    """The base of every family. Subclasses set the attributes and override the methods that they need.

    An instance is made for one run: ``Family(config, spec, parts)``; it holds no tensors of its own.
    """

    title: ClassVar[str] = ""
    glyph: ClassVar[str] = ""
    group: ClassVar[str] = ""
    #: One line of at most 28 characters: what it does, for the list of models.
    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    #: What else it is called: short names, the method's name in its paper. Found by them.
    names: ClassVar[tuple[str, ...]] = ()
    modalities: ClassVar[tuple[str, ...]] = ()
    conditions: ClassVar[tuple[Condition, ...]] = ()
    #: Classes that the data must have, at least and at most (0: any number); captions or attributes stand in for the least.
    classes_needed: ClassVar[tuple[int, int]] = (0, 0)
    #: The kind of condition that it was made for where that is one of several that it takes.
    made_for: ClassVar[str] = ""
    uses: ClassVar[tuple[Part, ...]] = ()
    provides: ClassVar[tuple[str, ...]] = ()
    latents: ClassVar[tuple[str, ...]] = ()
    trace: ClassVar[TraceKind] = "path"
    health: ClassVar[tuple[str, ...]] = ()
    any_size: ClassVar[bool] = False  # whether its networks take pictures of every size that its settings fit
    any_shape: ClassVar[bool] = False  # whether such pictures may be wider than high, or higher than wide
    Config: ClassVar[type[msgspec.Struct]]
    Sampling: ClassVar[type[msgspec.Struct]]
    presets: ClassVar[tuple[Preset, ...]] = ()
    proofs: ClassVar[tuple[Proof, ...]] = ()

    def __init__(self, config: Any, spec: DataSpec, parts: dict[str, LoadedRun] | None = None):
        self.config, self.spec, self.parts = config, spec, parts or {}

    # what every family must do ------------------------------------------------------------------------
    def networks(self) -> dict[str, Any]:
        """Name -> freshly initialised nn.Module. A module without parameters (buffers only) is saved, not trained."""
        raise NotImplementedError

    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        """Yields each network's loss in turn; the trainer steps that network before asking for the next."""
        raise NotImplementedError

    def sample(self, nets: dict[str, Any], noise: Any, conditions: dict[str, Any], sampling: Any,
               on_step: Callable[[Step], None], generator: Any, start: float | None = None) -> Any:  # fmt: skip
        """Items (B, *spec.shape) from ``noise`` (B, *noise_shape). ``on_step`` may raise Stopped. With ``start``,
        ``noise`` is a state recorded at that ``Step.time`` and sampling goes on from there (branching)."""
        raise NotImplementedError

    def noise_shape(self) -> tuple[int, ...]:
        """The shape of one item of start noise; the data's own shape unless there is a latent vector."""
        return self.spec.shape

    # what a family may do ---------------------------------------------------------------------------------
    def sharing(self, network: str) -> Sharing:
        """Optimiser settings of one network where they differ from the run's."""
        return Sharing()

    def problems(self) -> list[str]:
        """What forbids this config on this data, each with what would fix it; asked before any time is spent."""
        return []

    def objective(self, progress: float) -> Any:
        """What of its losses changes along the run (the weight of a term, which terms there are), as it is at that share:
        losses are compared only between steps where it is equal. None: nothing changes."""
        return None

    def takes_side(self, side: int) -> bool:
        """Whether its losses take pictures of that side beside the data's own, for training in stages of resolution."""
        return self.takes_size(side, side)

    def takes_size(self, width: int, height: int) -> bool:
        """Whether its losses take pictures of that width and height beside the data's own."""
        if not self.any_size or self.parts or self.spec.modality != "image" or (width != height and not self.any_shape):
            return False
        other = msgspec.structs.replace(self.spec, shape=(self.spec.shape[0], height, width))
        return not type(self)(self.config, other).problems()

    def derive(self, nets: dict[str, Any], x: Any, generator: Any) -> dict[str, Any] | None:
        """Data computed once before training from the parts (reflow pairs, latents), row-aligned with what it
        returns under "x" (or with the data). None: train on the data as they are."""
        return None

    def encode(self, nets: dict[str, Any], x: Any) -> Any:
        """Items (B, *shape) -> latents (B, L), the mean where it is a distribution."""
        raise NotImplementedError

    def decode(self, nets: dict[str, Any], z: Any, sampling: Any) -> Any:
        """Latents (B, L) -> items (B, *shape)."""
        raise NotImplementedError

    def vector_field(self, nets: dict[str, Any], x: Any, time: float, sampling: Any) -> Any:
        """Points only: the direction (B, D) in which sampling moves x at ``Step.time`` (probability-flow velocity)."""
        raise NotImplementedError

    def log_likelihood(self, nets: dict[str, Any], x: Any, generator: Any) -> Any:
        """log p(x) of items in nats, (B,): exact, or a tight bound from below."""
        raise NotImplementedError

    def diagnostics(self, nets: dict[str, Any], x: Any, generator: Any) -> dict[str, Any]:
        """Figures on held-out items x for the health monitors: name -> float or list of floats."""
        return {}


def description(key: str, family: type[Family]) -> FamilyDescription:
    """The plain description of a family class whose file is ``key``.py."""
    copied = {
        name: getattr(family, name) for name in FamilyDescription.__struct_fields__ if name not in ("key", "config", "sampling")
    }
    return FamilyDescription(
        key=key, config=describe(family.Config, "config"), sampling=describe(family.Sampling, "sampling"), **copied
    )
