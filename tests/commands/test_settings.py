"""``--set key=value`` finds its group and is read as its field means it."""

import argparse
import re
from types import SimpleNamespace
from typing import Annotated, Literal

import msgspec
import pytest

from models_backend import cli
from models_backend.commands import making, session, settings
from models_backend.contract.family import FamilyDescription, description
from models_backend.contract.fields import Field, FieldError, check, defaults, describe, merged
from models_backend.contract.messages import TroubleError
from models_backend.engine import creation
from models_backend.workers.registry import families


class Small(msgspec.Struct, frozen=True, tag="small"):
    """Small."""

    width: Annotated[int, Field("Width", low=1)] = 8


class Large(msgspec.Struct, frozen=True, tag="large"):
    """Large."""

    depth: Annotated[int, Field("Depth", low=1)] = 3


class Config(msgspec.Struct, frozen=True):
    """Settings of a model."""

    net: Annotated[Small | Large, Field("Network")] = Small()
    note: Annotated[str, Field("Note")] = ""
    kind: Annotated[Literal["1", "b"], Field("Kind")] = "b"
    fast: Annotated[bool, Field("Fast")] = False
    rates: Annotated[list[float], Field("Rates")] = msgspec.field(default_factory=list)


class Sampling(msgspec.Struct, frozen=True):
    """Settings of sampling."""

    steps: Annotated[int, Field("Steps", low=1)] = 10
    guidance: Annotated[float, Field("Guidance")] = 1.0


FAMILY = FamilyDescription(
    key="toy", title="Toy", glyph="", group="Parts", summary="", paper="", modalities=(), conditions=(), uses=(), provides=(),
    latents=(), trace="path", health=(), config=describe(Config, "config"), sampling=describe(Sampling, "sampling"),
    presets=(), proofs=(),
)  # fmt: skip


@pytest.mark.parametrize(
    "pair, group, expected",
    [
        ("steps=50", "training", {"steps": 50}),
        ("sampling.steps=50", "sampling", {"steps": 50}),
        ("guidance=2.5", "sampling", {"guidance": 2.5}),
        ("resolution=16", "data", {"resolution": 16}),
        ("net=large", "config", {"net": {"type": "large"}}),
        ("net.depth=4", "config", {"net": {"depth": 4}}),
        ("note=8", "config", {"note": "8"}),
        ("note=a=b", "config", {"note": "a=b"}),
        ("kind=1", "config", {"kind": "1"}),
        ("fast=yes", "config", {"fast": True}),
        ("rates=[1, 2.5]", "config", {"rates": [1, 2.5]}),
        ('net={"type": "large", "depth": 4}', "config", {"net": {"type": "large", "depth": 4}}),
        ("optimiser.type=sgd", "training", {"optimiser": {"type": "sgd"}}),
    ],
)
def test_a_pair_lands_in_its_group_with_its_type(pair, group, expected):
    found = settings.changes(FAMILY, [pair])
    assert found[group] == expected
    assert not any(changes for name, changes in found.items() if name != group)


@pytest.mark.parametrize("choice", ["net=large", "config.net.type=large", 'net={"type": "large"}'])
def test_pairs_add_up_in_any_order(choice):
    for pairs in ([choice, "net.depth=5"], ["net.depth=5", choice], ['net={"depth": 5}', choice]):
        assert settings.changes(FAMILY, pairs)["config"] == {"net": {"type": "large", "depth": 5}}
    given = [("net.depth", "5"), ("net", "small"), ("net.depth", "6"), ("net", "large")]
    assert settings.put_all({}, FAMILY.config, given) == {"net": {"type": "large", "depth": 6}}, "of two the later counts"


def test_a_field_that_the_choice_has_not_is_kept_to_be_refused():
    for pairs in (["net.width=5", "net=large"], ["net=large", "net.width=5"]):
        (problem,) = check(FAMILY.config, settings.changes(FAMILY, pairs)["config"])
        assert problem.field == "config.net.width"


@pytest.mark.parametrize("pair", ["nothing=1", "config.nothing=1", "net.nothing=1"])
def test_an_unknown_key_is_named(pair):
    with pytest.raises(TroubleError, match="nothing"):
        settings.changes(FAMILY, [pair])


def test_families_that_have_an_unknown_setting_are_told():
    plain = msgspec.structs.replace(FAMILY, key="plain", sampling=describe(Small, "sampling"))
    with pytest.raises(TroubleError, match=r"no setting “guidance” \(there are width\)\. These families have one: toy"):
        settings.changes(plain, ["sampling.guidance=3"], [FAMILY, plain])
    with pytest.raises(TroubleError) as caught:
        settings.changes(plain, ["nothing=3"], [FAMILY, plain])
    assert "These families" not in str(caught.value)


def test_a_pair_without_a_sign_is_refused():
    with pytest.raises(TroubleError, match="KEY=VALUE"):
        settings.changes(FAMILY, ["steps"])


def test_every_setting_stands_on_a_line_of_its_own():
    told = "\n".join(settings.lines(FAMILY.config))
    assert all(name in told for name in ("net=small ", "net.width=8  (with net=small; ", "net.depth=3  (with net=large; ",
                                         "fast=no ", "kind=b  (one of 1, b)"))  # fmt: skip


def test_a_choice_may_be_made_on_the_way():
    found = settings.changes(FAMILY, ["config.net[large].depth=5", "note=a[b]c"])["config"]
    assert found == {"net": {"type": "large", "depth": 5}, "note": "a[b]c"}


@pytest.mark.parametrize("key", sorted(families()))
def test_every_setting_that_is_listed_is_taken_as_it_is_listed(key):
    family = description(key, families()[key])
    for group, spec in settings.groups_of(family).items():
        for line in settings.lines(spec, group):
            pair, _, rest = line.partition("  ")
            if "=" not in pair:
                continue
            chosen = rest.removeprefix("(with ").partition(";")[0].split(", ") if rest.startswith("(with ") else []
            found = settings.changes(family, [*chosen, pair])
            assert not any(values for other, values in found.items() if other != group), line
            assert found[group] and check(spec, merged(defaults(spec), found[group])) == [], line


@pytest.mark.parametrize("key", sorted(families()))
def test_the_examples_of_the_help_fit_every_family(key):
    family = description(key, families()[key])
    commands = next(a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
    for name in ("train", "resume"):
        told = next(option.help for option in commands[name]._actions if "--set" in option.option_strings)
        pairs = re.findall(r"--set ([^\s;,]+)", told)
        assert len(pairs) > 1
        changed = settings.changes(family, pairs)
        changed.pop("data")
        creation.settings_of(family, creation.preset_of(family, ""), **changed)


@pytest.mark.parametrize(
    "key, pairs, words",
    [
        ("ddpm", ["network=unet", "network.width=13"], "config.network.width: 13 .* multiple of groups .8.: take 16"),
        ("ddpm", ["network=unet", "network.multipliers=[]"], "config.network.multipliers: .* a list of 1 or more"),
        ("image_codec", ["network.width=36"], "config.network.width: 36 .* multiple of groups .8.: take 32"),
        ("dit", ["network.heads=3"], "config.network.width: .* multiple of heads .3.: take"),
        ("pixart_alpha", ["text.width=33"], "config.text.width: 33 .* multiple of heads .4.: take 32"),
        ("vq_vae", ["prior.heads=5"], "config.prior.width: .* multiple of heads .5.: take"),
        ("consistency", ["way=ict", "way.first=20", "way.last=10"], "config.way.first: 20 .* at most last .10."),
        ("lcm", ["lowest=9"], "config.lowest: 9 .* at most highest .8."),
    ],
)
def test_what_siblings_forbid_is_refused_before_a_run_is_made(key, pairs, words):
    family = description(key, families()[key])
    changed = settings.changes(family, pairs)
    changed.pop("data")
    with pytest.raises(FieldError, match=words):
        creation.settings_of(family, creation.preset_of(family, ""), **changed)


def test_a_mistyped_key_is_told_by_the_one_that_was_meant():
    with pytest.raises(TroubleError) as caught:
        settings.changes(FAMILY, ["batch=foo"])
    assert str(caught.value) == "There is no setting “batch”; did you mean batch_size?"


@pytest.mark.parametrize(
    "name, meant",
    [("weight_decay", "optimiser.weight_decay"), ("eta", "sampler.eta"), ("width", "network.width or text.width")],
)
def test_a_setting_below_another_is_found_by_its_own_name(name, meant):
    family = description("conditional_diffusion", families()["conditional_diffusion"])
    with pytest.raises(TroubleError) as caught:
        settings.changes(family, [f"{name}=8"])
    assert str(caught.value) == f"There is no setting “{name}”; did you mean {meant}?"


@pytest.mark.parametrize(
    "text, meant", [("DDPM on digts", "DDPM on digits"), ("ddpm-on digits", "DDPM on digits"), ("xyz", "")]
)
def test_the_title_that_a_mistyped_one_comes_nearest_to_is_told(text, meant):
    runs = [SimpleNamespace(id="ddpm-20260101-abc", title="DDPM on digits"), SimpleNamespace(id="q", title="Waves")]
    with pytest.raises(TroubleError) as caught:
        session.one_of("run", runs, text)
    assert (
        caught.value.trouble.advice
        == (f"Did you mean “{meant}”? " if meant else "") + "`nexus-studio runs` lists what there is"
    )


def test_only_families_that_have_a_setting_in_the_group_that_is_meant_are_named():
    other = msgspec.structs.replace(FAMILY, key="other", sampling=describe(Config, "sampling"))
    with pytest.raises(TroubleError) as caught:
        settings.put({}, other.sampling, "steps", "3", (FAMILY, other), "sampling")
    assert caught.value.trouble.advice == "These families have one: toy", "of all others steps are a setting of training"
    with pytest.raises(TroubleError) as caught:
        settings.changes(other, ["sampling.steps=3"], (FAMILY, other))
    assert caught.value.trouble.advice == "These families have one: toy"


async def test_sampling_settings_are_laid_in_any_order_too():
    class Engine:
        async def family(self, key):
            return msgspec.structs.replace(FAMILY, sampling=describe(Config, "sampling"))

        def descriptions(self):
            return [FAMILY]

    now, run = SimpleNamespace(engine=Engine()), SimpleNamespace(family="toy")
    for pairs in (["net.depth=5", "sampling.net=large"], ["sampling.net=large", "net.depth=5"]):
        assert await making.sampling_of(now, run, pairs) == {"net": {"type": "large", "depth": 5}}
