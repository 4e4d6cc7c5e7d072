"""What every family must do, as tests that each family's own test class inherits.

    class TestDDPM(Conformance):
        key, family = "ddpm", DDPM

The tests run on preset ``tiny``, once for each modality that the family declares. The loop here is the contract of
``Family.losses`` in its plainest form: one network's gradient and step after each yield.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import msgspec
import pytest
import torch

from models_backend.conditions import text
from models_backend.conditions.values import read_attributes
from models_backend.contract.family import (
    GROUPS,
    MODALITIES,
    Attribute,
    Batch,
    DataSpec,
    Family,
    FamilyDescription,
    LoadedRun,
    Sharing,
    description,
    translates,
)  # fmt: skip
from models_backend.contract.fields import FieldError, FieldSpec, build, check, merged, plain
from models_backend.contract.messages import TroubleError
from models_backend.contract.settings import TrainingSettings
from models_backend.contract.trace import CHANNELS, TRACE_KINDS, Stopped
from models_backend.contract.words import written
from models_backend.networks import weights
from models_backend.training import stages

SPECS = {
    "points": DataSpec("points", (2,), count=64, classes=("a", "b", "c"), fingerprint="points"),
    "image": DataSpec("image", (1, 8, 8), count=64, classes=("a", "b", "c"), fingerprint="image"),
}
ODD_SPECS = {
    "points": DataSpec("points", (3,), count=64, classes=("a", "b", "c"), fingerprint="odd points"),
    "image": DataSpec("image", (3, 9, 9), count=64, classes=("a", "b", "c"), fingerprint="odd image"),
}


#: family -> what makes the parts that it cannot do without, for data of a spec; filled by the family's own test.
PARTS: dict[type[Family], Callable[[DataSpec], dict[str, LoadedRun]]] = {}


# ---------------------------------------------------------------------------------------------- instruments


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(spec: DataSpec, count: int = 8, seed: int = 0) -> torch.Tensor:
    """Items (count, *shape) in [-1, 1] that look alike enough to be learnt a little."""
    return torch.tanh(torch.randn(count, *spec.shape, generator=seeded(seed)))


def conditions_for(family: type[Family], spec: DataSpec, count: int, value: int = 0) -> dict[str, torch.Tensor]:
    """A tensor for each declared condition; ``value`` picks which."""
    captions = [("a red circle", "two blue squares")[value % 2]] * count
    makers = {
        "class": lambda: torch.full((count,), value % max(1, len(spec.classes)), dtype=torch.long),
        "text": lambda: torch.from_numpy(text.tokens(captions, 20)),
    }
    if spec.attributes:
        makers["attributes"] = lambda: read_attributes({spec.attributes[0].name: value % 2}, spec).expand(count, -1)
    if translates(family.conditions):
        makers["image"] = lambda: data(spec, count, 50 + value)
    return {c.kind: makers[c.kind]() for c in family.conditions if c.kind in makers}


def batch(family: type[Family], spec: DataSpec, step: int = 1, count: int = 8) -> Batch:
    """A training batch as the trainer would make it."""
    return Batch(data(spec, count, step), torch.arange(count), seeded(1000 + step), step, step / 10,
                 conditions_for(family, spec, count, step))  # fmt: skip


def built(family: type[Family], spec: DataSpec, preset: str = "tiny") -> Family:
    """The family on a preset, without parts but those that it cannot do without (see PARTS)."""
    chosen = next(p for p in family.presets if p.name == preset)
    parts = PARTS[family](spec) if family in PARTS else {}
    return family(build(family.Config, merged(plain(family.Config()), chosen.config)), spec, parts)


def sampling_of(family: type[Family], preset: str = "tiny"):
    """The preset's sampling settings."""
    chosen = next(p for p in family.presets if p.name == preset)
    return build(family.Sampling, merged(plain(family.Sampling()), chosen.sampling))


def fresh_networks(member: Family, seed: int = 0) -> dict[str, torch.nn.Module]:
    torch.manual_seed(seed)
    return member.networks()


def stirred(nets: dict[str, torch.nn.Module], seed: int = 7) -> dict[str, torch.nn.Module]:
    """Networks in eval mode with every parameter moved a little, so that nothing hides behind a zero initialisation."""
    generator = seeded(seed)
    with torch.no_grad():
        for net in nets.values():
            net.eval()
            for parameter in net.parameters():
                parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return nets


def train(member: Family, nets: dict[str, torch.nn.Module], steps: int, seen: dict[str, bool] | None = None) -> list[float]:
    """A few plain Adam steps; ``seen`` collects which parameters had a gradient that is not zero. The losses."""
    with_weights = {n: list(net.parameters()) for n, net in nets.items() if any(True for _ in net.parameters())}
    optimisers = {n: torch.optim.Adam(p, lr=1e-3) for n, p in with_weights.items()}
    losses = []
    for net in nets.values():
        net.train()
    for step in range(steps):
        for loss in member.losses(nets, batch(type(member), member.spec, step)):
            optimisers[loss.network].zero_grad()
            loss.value.backward()
            if seen is not None:
                note_gradients(loss.network, nets[loss.network], seen)
            optimisers[loss.network].step()
            losses.append(float(loss.value.detach()))
    return losses


def note_gradients(name: str, net: torch.nn.Module, seen: dict[str, bool]) -> None:
    for key, parameter in net.named_parameters():
        if parameter.requires_grad:
            gradient = parameter.grad
            assert gradient is None or torch.isfinite(gradient).all(), f"{name}.{key} has a gradient that is not finite"
            full = f"{name}.{key}"
            seen[full] = seen.get(full, False) or (gradient is not None and bool(gradient.abs().sum() > 0))


def draw(member: Family, nets, count: int = 4, seed: int = 0, on_step=None, **changes) -> torch.Tensor:
    """Samples from seeded noise with the tiny preset's sampling."""
    family = type(member)
    noise = changes.pop("noise", None)
    if noise is None:
        noise = torch.randn(count, *member.noise_shape(), generator=seeded(seed))
    conditions = changes.pop("conditions", conditions_for(family, member.spec, len(noise)))
    with torch.no_grad():
        return member.sample(
            nets, noise, conditions, sampling_of(family), on_step or (lambda step: None), seeded(seed + 1), **changes
        )


def numeric_fields(spec: FieldSpec):
    return [f for f in spec.fields if f.kind in ("int", "float") and f.high is not None]


def walk(spec: FieldSpec):
    """Every group of a description, depth first."""
    if spec.kind == "group":
        yield spec
    for child in (*spec.fields, *spec.variants, *((spec.item,) if spec.item else ())):
        yield from walk(child)


# ---------------------------------------------------------------------------------------------- the tests


class Conformance:
    """Inherit, and set ``key`` (the file's name) and ``family``."""

    key: ClassVar[str]
    family: ClassVar[type[Family]]
    gradient_steps: ClassVar[int] = 4

    def pytest_generate_tests(self, metafunc):
        if "spec" in metafunc.fixturenames:
            kinds = [m for m in self.family.modalities if m in SPECS]
            metafunc.parametrize("spec", [SPECS[m] for m in kinds], ids=kinds)
        if "odd_spec" in metafunc.fixturenames:
            kinds = [m for m in self.family.modalities if m in ODD_SPECS]
            metafunc.parametrize("odd_spec", [ODD_SPECS[m] for m in kinds], ids=kinds)

    # declaration ------------------------------------------------------------------------------------------
    def test_declaration_is_complete(self):
        family = self.family
        assert family.title and family.summary and family.paper and family.glyph
        assert len(family.summary) <= 28, "the list of models has room for one short line"
        assert family.group in GROUPS and family.trace in TRACE_KINDS
        assert family.modalities and set(family.modalities) <= set(MODALITIES)
        assert {"tiny", "small", "paper"} <= {p.name for p in family.presets}
        assert {p.preset for p in family.proofs} <= {p.name for p in family.presets}
        assert {p.after for p in family.proofs} <= {"", *(p.name for p in family.proofs)}

    def test_declaration_survives_json(self):
        told = description(self.key, self.family)
        wire = msgspec.json.encode(told)
        back = msgspec.json.decode(wire, type=FamilyDescription)
        assert msgspec.json.decode(msgspec.json.encode(back)) == msgspec.json.decode(wire)
        assert back.key == self.key and back.title == self.family.title
        assert check(back.config, plain(self.family.Config())) == []
        assert check(back.sampling, plain(self.family.Sampling())) == []

    def test_form_builds_and_reads_back(self):
        for settings in (self.family.Config, self.family.Sampling):
            values = plain(settings())
            assert build(settings, values) == settings()
            assert plain(build(settings, values)) == values

    def test_every_preset_and_proof_fits_the_form(self):
        presets = {p.name: p for p in self.family.presets}
        layers = [(p.config, p.training, p.sampling) for p in presets.values()]
        for proof in self.family.proofs:
            base = presets[proof.preset]
            layers.append((merged(base.config, proof.config), merged(base.training, proof.training),
                           merged(base.sampling, proof.sampling)))  # fmt: skip
        for config, training, sampling in layers:
            assert build(self.family.Config, merged(plain(self.family.Config()), config)) is not None
            assert build(self.family.Sampling, merged(plain(self.family.Sampling()), sampling)) is not None
            assert build(TrainingSettings, merged(plain(TrainingSettings()), training)) is not None

    def test_every_field_has_help_and_its_condition_a_sibling(self):
        told = description(self.key, self.family)
        for group in (*walk(told.config), *walk(told.sampling)):
            siblings = {f.name for f in group.fields}
            for field in group.fields:
                assert field.help, f"{group.name}.{field.name} has no help line"
                assert field.when is None or (field.when.field in siblings and field.when.reason)

    def test_bad_values_are_named(self):
        told = description(self.key, self.family)
        for spec, settings in ((told.config, self.family.Config), (told.sampling, self.family.Sampling)):
            for field in numeric_fields(spec):
                with pytest.raises(FieldError) as caught:
                    build(settings, {field.name: field.high * 2 + 1})
                assert field.name in str(caught.value) and written(field.high) in str(caught.value)

    # training ---------------------------------------------------------------------------------------------
    def test_every_parameter_gets_a_finite_gradient(self, spec):
        member = built(self.family, spec)
        seen: dict[str, bool] = {}
        losses = train(member, fresh_networks(member), self.gradient_steps, seen)
        assert losses and all(math.isfinite(v) for v in losses)
        assert seen and [name for name, had in seen.items() if not had] == []

    def test_losses_name_their_network_and_are_repeatable(self, spec):
        member = built(self.family, spec)

        def once():
            nets = fresh_networks(member)
            losses = train(member, nets, 2)
            return losses, [p.detach().clone() for net in nets.values() for p in net.parameters()]

        (first, weights), (second, again) = once(), once()
        assert first == second
        assert all(torch.equal(a, b) for a, b in zip(weights, again, strict=True))
        nets = fresh_networks(member)
        for loss in member.losses(nets, batch(self.family, spec)):
            assert loss.network in nets and loss.value.ndim == 0 and loss.value.requires_grad
            assert all(torch.isfinite(torch.as_tensor(v)).all() for v in loss.figures.values())
            if loss.levels is not None:
                level, values = loss.levels
                assert level.shape == values.shape == (8,) and level.min() >= 0 and level.max() <= 1
            loss.value.backward()

    def test_smaller_pictures_train_where_every_size_fits(self, spec):
        member = built(self.family, spec)
        if not member.takes_side(4):
            assert not self.family.any_size or spec.modality != "image" or member.parts
            return
        small = stages.at(batch(self.family, spec).x, 4, 0.0)
        assert small.shape[1:] == (spec.shape[0], 4, 4)
        for loss in member.losses(fresh_networks(member), replace(batch(self.family, spec), x=small)):
            loss.value.backward()
            assert torch.isfinite(loss.value)

    def test_wide_and_high_pictures_train_where_every_shape_fits(self, spec):
        member = built(self.family, spec)
        for size in ((16, 8), (8, 16)):
            if not member.takes_size(*size):
                assert not self.family.any_shape or spec.modality != "image" or member.parts
                continue
            x = torch.nn.functional.interpolate(batch(self.family, spec).x, size[::-1])
            for loss in member.losses(fresh_networks(member), replace(batch(self.family, spec), x=x)):
                loss.value.backward()
                assert torch.isfinite(loss.value)

    def test_validation_needs_no_gradient(self, spec):
        member = built(self.family, spec)
        nets = fresh_networks(member)
        for net in nets.values():
            net.eval()
        before = {f"{n}.{k}": v.clone() for n, net in nets.items() for k, v in net.state_dict().items()}
        with torch.no_grad():
            values = [float(loss.value) for loss in member.losses(nets, batch(self.family, spec))]
        assert values and all(math.isfinite(v) for v in values)
        after = {f"{n}.{k}": v for n, net in nets.items() for k, v in net.state_dict().items()}
        assert [k for k in before if not torch.equal(before[k], after[k])] == []

    def test_what_changes_its_losses_along_a_run_is_told_by_its_objective(self, spec):
        """For each choice that a config leaves: losses that differ only in how far the run is are of another objective."""
        tiny = built(self.family, spec)
        choices = [{f.name: {"type": v.name}} for f in description(self.key, self.family).config.fields for v in f.variants]
        for chosen in [{}, *choices]:
            member = self.family(build(self.family.Config, merged(plain(tiny.config), chosen)), spec, tiny.parts)
            if member.problems():
                continue
            nets, seen = fresh_networks(member), {}
            for net in nets.values():
                net.eval()
            for progress in (0.0, 0.05, 0.3, 0.6, 0.97):
                with torch.no_grad():
                    told = replace(batch(self.family, spec), progress=progress)
                    losses = [(loss.network, float(loss.value)) for loss in member.losses(nets, told)]
                assert seen.setdefault(str(member.objective(progress)), losses) == losses, (chosen, progress)

    def test_sharing_is_declared_for_every_network(self, spec):
        member = built(self.family, spec)
        assert all(isinstance(member.sharing(name), Sharing) for name in fresh_networks(member))

    # sampling ---------------------------------------------------------------------------------------------
    def test_shape_range_and_type(self, spec):
        member = built(self.family, spec)
        items = draw(member, stirred(fresh_networks(member)))
        assert items.shape == (4, *spec.shape) and items.dtype == torch.float32
        assert torch.isfinite(items).all()
        assert spec.modality != "image" or (items.min() >= -1 and items.max() <= 1)

    def test_same_seed_same_sample(self, spec):
        member = built(self.family, spec)
        nets = stirred(fresh_networks(member))
        first = draw(member, nets, seed=3)
        assert torch.equal(first, draw(member, nets, seed=3))
        assert not torch.equal(first, draw(member, nets, seed=4))

    def test_half_precision_gives_nearly_the_same(self, spec):
        member = built(self.family, spec)
        nets = stirred(fresh_networks(member))
        full = draw(member, nets)
        with torch.autocast("cpu", torch.bfloat16):
            half = draw(member, nets).float()
            there = self.family.encode is Family.encode or member.encode(nets, half).isfinite().all()
        assert half.shape == full.shape and half.isfinite().all() and there
        assert (half - full).abs().mean() <= 0.05 * max(1.0, float(full.std())), "bf16 changed what is made"

    def test_trace_begins_with_noise_and_ends_with_the_items(self, spec):
        member = built(self.family, spec)
        told = []
        items = draw(member, stirred(fresh_networks(member)), on_step=told.append)
        assert told and [s.index for s in told] == list(range(len(told)))
        assert told[-1].index == told[-1].total
        assert torch.equal(told[-1].channels["x"], items)
        for step in told:
            assert "x" in step.channels and set(step.channels) <= set(CHANNELS)
            assert all(c.shape == items.shape and torch.isfinite(c).all() for c in step.channels.values())
            assert math.isfinite(step.time) and math.isfinite(step.sigma) and step.sigma >= 0
        assert self.family.trace != "denoise" or told[-1].sigma == 0

    def test_branching_goes_on_from_a_recorded_state(self, spec):
        if self.family.trace != "denoise":
            pytest.skip("one pass: there is no state between noise and item")
        member = built(self.family, spec)
        nets = stirred(fresh_networks(member))
        told = []
        items = draw(member, nets, on_step=told.append)
        last = told[-2]
        resumed = draw(member, nets, noise=last.channels["x"].clone(), start=last.time)
        assert torch.allclose(resumed, items, atol=1e-4)
        middle = told[len(told) // 2]
        again: list = []
        draw(member, nets, noise=middle.channels["x"].clone(), start=middle.time, on_step=again.append)
        assert again[0].time == pytest.approx(middle.time) and len(again) == len(told) - middle.index

    def test_stop_is_obeyed_within_one_step(self, spec):
        member = built(self.family, spec)
        nets = stirred(fresh_networks(member))
        passes, told, halt = [], [], [0]
        for net in nets.values():
            net.register_forward_hook(lambda *_: passes.append(1))
        draw(member, nets, on_step=lambda step: halt.append(step.index))
        halt[0] = halt[-1] // 2
        passes.clear()

        def stop(step):
            told.append(len(passes))
            if step.index == halt[0]:
                raise Stopped

        with pytest.raises(Stopped):
            draw(member, nets, on_step=stop)
        assert len(told) == halt[0] + 1 and len(passes) == told[-1]

    def test_a_kept_part_stays_and_the_rest_is_made(self, spec):
        if spec.modality != "image" or "mask" not in {c.kind for c in self.family.conditions}:
            pytest.skip("nothing is kept")
        member = built(self.family, spec)
        nets, asked, told = stirred(fresh_networks(member)), conditions_for(self.family, spec, 4), []
        picture, mask = 0.9 * data(spec, 4, 50), torch.zeros(4, 1, *spec.shape[1:])
        mask[..., spec.shape[2] // 2 :] = 1.0
        made = draw(member, nets, conditions=asked | {"image": picture, "mask": mask}, on_step=told.append)
        old, new = made.chunk(2, -1)[0], made.chunk(2, -1)[1]
        assert torch.allclose(old, picture.chunk(2, -1)[0], atol=1e-5) and torch.equal(told[-1].channels["x"], made)
        assert (new - picture.chunk(2, -1)[1]).abs().mean() > 0.05
        free = draw(member, nets, conditions=asked | {"image": picture, "mask": torch.ones_like(mask)})
        assert torch.allclose(free, draw(member, nets, conditions=asked), atol=1e-4)
        with pytest.raises(TroubleError, match="belong together"):
            draw(member, nets, conditions=asked | {"image": picture})

    def test_every_condition_changes_the_output(self, spec):
        """Captions on data that have some: where a family hears one kind at a time, it is those."""
        if not self.family.conditions:
            member = built(self.family, spec)
            nets = stirred(fresh_networks(member))
            free = draw(member, nets)
            assert torch.equal(free, draw(member, nets, conditions={"class": torch.ones(4, dtype=torch.long)}))
        for condition in self.family.conditions:
            known = (Attribute("size"), Attribute("age", 0, 90)) if condition.kind == "attributes" else ()
            spec = msgspec.structs.replace(spec, captioned=condition.kind == "text", attributes=known)
            if condition.kind not in conditions_for(self.family, spec, 1):
                continue
            member = built(self.family, spec)
            nets = stirred(fresh_networks(member))
            one = conditions_for(self.family, spec, 4, 0)
            other = one | {condition.kind: conditions_for(self.family, spec, 4, 1)[condition.kind]}
            assert not torch.equal(draw(member, nets, conditions=one), draw(member, nets, conditions=other)), condition.kind

    def test_checkpoint_round_trip_is_bit_equal(self, spec):
        member = built(self.family, spec)
        nets = fresh_networks(member)
        train(member, nets, 2)
        files = {name: weights.to_bytes(weights.tensors_of(net)) for name, net in nets.items()}
        again = fresh_networks(member, seed=99)
        for name, net in again.items():
            net.load_state_dict(weights.read_bytes(files[name], name))
        for net in (*nets.values(), *again.values()):
            net.eval()
        assert torch.equal(draw(member, nets), draw(member, again))

    def test_batch_of_one_and_odd_sizes(self, odd_spec):
        member = built(self.family, odd_spec)
        nets = fresh_networks(member)
        for loss in member.losses(nets, batch(self.family, odd_spec, count=1)):
            loss.value.backward()
            assert torch.isfinite(loss.value)
        assert draw(member, stirred(nets), count=1).shape == (1, *odd_spec.shape)

    # what a family may do ---------------------------------------------------------------------------------
    def test_latents_go_there_and_back(self, spec):
        member = built(self.family, spec)
        if not self.family.latents:
            with pytest.raises(NotImplementedError):
                member.encode({}, data(spec))
            return
        nets = stirred(fresh_networks(member))
        with torch.no_grad():
            try:
                z = member.encode(nets, data(spec))
            except NotImplementedError:
                z = torch.randn(8, *member.noise_shape(), generator=seeded()).flatten(1)
            items = member.decode(nets, z, sampling_of(self.family))
        assert z.ndim == 2 and len(z) == 8 and torch.isfinite(z).all()
        assert items.shape == (8, *spec.shape) and torch.isfinite(items).all()

    def test_vector_field_points_somewhere(self):
        if "points" not in self.family.modalities or self.family.vector_field is Family.vector_field:
            pytest.skip("no vector field")
        member = built(self.family, SPECS["points"])
        nets = stirred(fresh_networks(member))
        x = data(SPECS["points"], 16)
        told = []
        draw(member, nets, on_step=told.append)
        with torch.no_grad():
            for step in (told[0], told[len(told) // 2]):
                field = member.vector_field(nets, x, step.time, sampling_of(self.family))
                assert field.shape == x.shape and torch.isfinite(field).all() and field.abs().sum() > 0

    def test_diagnostics_are_finite(self, spec):
        member = built(self.family, spec)
        with torch.no_grad():
            figures = member.diagnostics(stirred(fresh_networks(member)), data(spec, 16), seeded())
        for name, value in figures.items():
            values = value if isinstance(value, (list, tuple)) else [value]
            assert values and all(math.isfinite(float(v)) for v in values), name

    def test_tiny_preset_on_its_own_data_has_no_problems(self, spec):
        assert built(self.family, spec).problems() == []
