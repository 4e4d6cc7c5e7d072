"""The command line: torch-free, one clear line on error, the same jobs as the window (with scripted workers)."""

import argparse
import asyncio
import functools
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from data.bad_files import make_good
from library import records
from msgspec import structs
from PIL import Image

from models_backend import cli, isolation
from models_backend.commands import making, session, training
from models_backend.commands.making import conditions
from models_backend.contract.family import Claim, FamilyDescription, Part, Preset, Proof
from models_backend.contract.fields import FieldSpec
from models_backend.contract.messages import Event, Mark, Metrics, Progress, State, Trouble, TroubleError
from models_backend.contract.run_layout import LibraryLayout, RunLayout
from models_backend.engine import catalogue, devices
from models_backend.engine.engine import Engine
from models_backend.engine.limits import Limits
from models_backend.engine.terminal import Reporter
from models_backend.library import backup
from models_backend.library.library import Library
from models_backend.library.opening import usual_root
from models_backend.library.runs import RunFolder

HERE = Path(__file__).parent
ANY = FieldSpec("config", "group", fields=(FieldSpec("at", "int", default=0), FieldSpec("do", "text", default=""),
                                           FieldSpec("step_s", "float", default=0.0)))  # fmt: skip
PROOFS = tuple(
    Proof(name, "points:density=moons,count=100", "tiny", 1.0, (Claim("coverage", ">=", bound, "every mode is met"),), count=7)
    for name, bound in (("holds", 0.9), ("fails", 0.99))
)
TOY = FamilyDescription(
    key="toy", title="Toy", glyph="", group="Parts", summary="a toy", paper="", modalities=("points",), conditions=(), uses=(),
    provides=(), latents=(), trace="path", health=(), config=ANY, sampling=FieldSpec("sampling", "group"),
    presets=(Preset("tiny", "Tiny", training={"steps": 20}),), proofs=PROOFS,
)  # fmt: skip


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    async def refreshed(cache, ask):
        return [TOY]

    folder = str(HERE / "engine")
    monkeypatch.setattr(isolation, "FURTHER", [folder])
    monkeypatch.setattr(catalogue, "refreshed", refreshed)
    monkeypatch.setattr(catalogue, "keys", lambda: ["toy"])
    limits = Limits(silent_s=5.0, stop_s=5.0, grace_s=1.0, tick_s=0.05)
    monkeypatch.setattr(session, "Engine", functools.partial(Engine, module="scripted_worker", limits=limits))


@pytest.fixture
def run(library_root, capsys):
    def run(*arguments, status=0):
        assert cli.main([*map(str, arguments), "--library", str(library_root), "--json"]) == status
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def last(lines, kind):
    return next(line for line in reversed(lines) if line["kind"] == kind)


def test_families_are_ordered_by_how_they_suit_a_data_set(run):
    run("import", "points:density=moons,count=100")
    lines = run("families", "--data", "points:density=moons,count=100")
    assert [(line["key"], line["suits"], line["reason"], line["minutes"]) for line in lines] == [
        ("toy", True, "A part that other models of points work on", 1.0)
    ]
    assert run("families", "--data", "nothing", status=1)[0]["what"] == "there is no such data set"


def test_the_order_of_families_is_explained_on_a_terminal(run, library_root, capsys):
    run("import", "points:density=moons,count=100")
    assert cli.main(["families", "--data", "points:density=moons,count=100", "--library", str(library_root)]) == 0
    told = capsys.readouterr()
    assert "best first" in told.err and "1 min  A part that other models" in told.out


def test_families_are_listed_and_one_with_all_its_settings(run):
    assert [line["key"] for line in run("families")] == ["toy"]
    told = run("families", "toy")
    assert any("learning_rate" in line.get("setting", "") for line in told)


def test_train_makes_a_run_and_follows_it_to_its_end(run, library_root):
    lines = run("train", "--family", "toy", "--data", "points:density=moons,count=100", "--set", "steps=30")
    assert last(lines, "progress")["done"] == 30
    made = last(lines, "done")
    assert (made["state"], made["step"]) == ("finished", 30)
    assert (library_root / "runs" / made["run"] / "events.jsonl").exists()
    (listed,) = run("runs")
    assert (listed["state"], listed["step"], listed["steps"]) == ("finished", 30, 30)
    assert last(run("resume", made["run"][:-2]), "done")["state"] == "finished"
    for wrong, why in (("1", "not more"), ("+0", "not more"), ("many", "whole number"), ("99999999", "whole number")):
        assert why in run("resume", made["run"], f"--steps={wrong}", status=1)[-1]["what"]
    assert "how far" in run("resume", made["run"], "--restart-rate", status=1)[-1]["advice"].lower()
    done = last(run("resume", made["run"], "--steps", "+2"), "done")
    again = last(run("resume", made["run"], "--steps", done["step"] + 3, "--restart-rate"), "done")
    assert (again["state"], again["step"]) == ("finished", done["step"] + 3)
    assert any("config" in line for line in run("show", made["run"]))


def test_a_training_further_that_is_refused_changes_nothing(run, library_root):
    points = "points:density=moons,count=100"
    made, part = (last(run("train", "--family", "toy", "--data", points, "--set", "steps=3"), "done")["run"] for _ in "ab")
    record = library_root / "runs" / made / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"parts": {"codec": part}}))

    def kept():
        return {path.relative_to(library_root): path.read_bytes() for path in record.parent.glob("*.json*")}

    before, runs = kept(), run("runs")
    for gone in (part, runs[0]["dataset"]):
        run("delete", gone)
        error = last(run("resume", made, "--steps", "+2", status=1), "error")
        assert "was deleted on" in error["what"] and error["item"] == gone
        run("trash", "--restore", gone)
    run("resume", made, "--anew", "--steps", "many", status=1)
    assert kept() == before and run("runs") == runs and runs[0]["state"] == "finished"
    assert last(run("resume", made, "--steps", "+2"), "done")["state"] == "finished"


def test_a_part_that_a_run_does_without_is_told_with_how_to_add_it(run, monkeypatch):
    whole = structs.replace(TOY, uses=(Part("codec", "image codec", True, "Work on its latents"),))
    maker = structs.replace(TOY, key="maker", title="Codecs", provides=("image codec",))

    async def refreshed(cache, ask):
        return [whole, maker]

    monkeypatch.setattr(catalogue, "refreshed", refreshed)
    lines = run("train", "--family", "toy", "--data", "points:density=moons,count=100", "--set", "steps=3")
    assert last(lines, "part")["text"] == (
        "Trained without a codec (work on its latents). A new run uses one with --part codec=RUN: a finished run of Codecs"
    )


def test_a_family_of_latents_without_its_codec_says_pixel_space_and_names_a_codec_that_fits(run, monkeypatch):
    codec = Part("codec", "image codec", True, "Work on its latents", "pixel space")
    whole = structs.replace(TOY, key="toy", modalities=("image",), uses=(codec,), provides=("image codec",))

    async def refreshed(cache, ask):
        return [whole]

    monkeypatch.setattr(catalogue, "refreshed", refreshed)
    monkeypatch.setattr(catalogue, "load", lambda cache: catalogue.Cached("", [whole]))
    train = ("train", "--family", "toy", "--data", "shapes:size=16,count=40", "--set", "steps=3")
    lines = run(*train)
    (first,) = run("runs")
    head = "Toy is trained in pixel space. With a codec it is trained on latents: --part codec="
    assert last(lines, "part")["text"] == f"{head}RUN: a finished run of Toy"
    assert first["title"].endswith(", pixel space") and first["works_in"] == "pixel space"
    assert [line["works_in"] for line in run("show", first["id"]) if "works_in" in line] == ["pixel space"]
    told = last(run(*train, "--title", "own"), "part")["text"]
    assert told == f"{head}{first['id']} (“{first['title']}”, which fits these data)"
    run(*train, "--part", f"codec={first['id']}", "--title", "coded")
    assert {line["title"]: line["works_in"] for line in run("runs")} == {
        first["title"]: "pixel space", "own": "pixel space", "coded": ""
    }  # fmt: skip
    assert last(run(*train, "--set", "resolution=8", "--title", "small"), "part")["text"].startswith(f"{head}RUN")


def test_a_run_that_fails_is_one_clear_line_and_a_status(run, library_root):
    lines = run("train", "--family", "toy", "--data", "points:density=moons,count=100", "--set", "at=3", "--set", "do=error",
                status=1)  # fmt: skip
    error = last(lines, "error")
    assert "failed" in error["what"] and "resume" in error["advice"]
    (listed,) = run("runs")
    assert listed["state"] == "failed"
    folder = RunFolder(RunLayout(library_root / "runs" / listed["id"]))
    folder.append(State("failed", 3, "the disk is full. Free some"))
    folder.close()
    assert run("runs")[0]["reason"] == "the disk is full. Free some"
    assert [line["reason"] for line in run("show", listed["id"]) if "reason" in line] == ["the disk is full. Free some"]


def test_a_damaged_checkpoint_is_told_where_a_run_is_shown(run, library_root):
    made = last(run("train", "--family", "toy", "--data", "points:density=moons,count=100", "--set", "steps=3"), "done")["run"]
    folder = RunFolder(RunLayout(library_root / "runs" / made))
    for step in (5000, 6000):
        newest = folder.save_checkpoint(step, records.weights(step), records.state(step))
    assert not [line for line in run("show", made) if line["kind"] == "trouble"]
    newest.manifest.unlink()
    told = last(run("show", made), "trouble")["text"]
    assert told.endswith("the checkpoint of step 6,000 (manifest.json is missing) is damaged; that of step 5,000 is used")


def test_a_run_that_fails_before_its_first_step_is_told_once_and_leaves_no_run(run):
    lines = run("train", "--family", "toy", "--data", "points:density=moons,count=100", "--set", "do=refuse", status=1)
    assert len([line for line in lines if line["kind"] in ("trouble", "state", "error")]) == 1
    assert "removed" in last(lines, "removed")["text"] and run("runs") == []
    assert last(run("trash"), "done")["count"] == 0


def test_a_device_that_is_not_there_is_told_before_a_run_is_made(run, monkeypatch, library_root):
    monkeypatch.setattr(devices, "_cpu_build", lambda: True)
    monkeypatch.setattr(devices, "accelerators", nothing_beside)
    lines = run("train", "--family", "toy", "--data", "points:density=moons,count=100", "--device", "cuda:0", status=1)
    error = last(lines, "error")
    assert error["what"] == "this device is not there" and error["item"] == "cuda:0" and "one of cpu," in error["advice"]
    assert not library_root.exists(), "nothing was made"


async def nothing_beside():
    return []


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["train", "--family", "none", "--data", "digits"], "no such family"),
        (["train", "--family", "toy", "--data", "nowhere/at/all"], "no file or folder of that name"),
        (["train", "--family", "toy", "--data", "nowhere"], "no such data set"),
        (["train", "--family", "toy", "--data", "points:density=round"], "density"),
        (["train", "--family", "toy", "--data", "points:density=moons,count=100", "--set", "steps=0"], "training.steps: 0"),
        (["train", "--family", "toy", "--data", "points:density=moons,count=100", "--preset", "huge"], "no preset huge"),
        (["train", "--family", "toy", "--data", HERE, "--preset", "huge"], "no preset huge"),
        (["train", "--family", "toy", "--data", HERE, "--set", "steps=abc"], "steps"),
        (["train", "--family", "toy", "--data", HERE, "--set", "stepz=5"], "did you mean steps?"),
        (["train", "--family", "toy", "--data", HERE, "--part", "codec=absent"], "no such run"),
        (["train", "--family", "toy", "--data", HERE, "--part", "codec"], "--part is written NAME=RUN"),
        (["sample", "absent"], "no such run"),
        (["export", "absent", "--to", "doc"], "one of png"),
        (["resume", ""], "no such run"),
    ],
)
def test_what_is_asked_wrongly_is_named(run, arguments, word):
    run("import", "points:density=rings,count=50")  # makes the library
    (error,) = [line for line in run(*arguments, status=1) if line["kind"] == "error"]
    assert word in error["what"]


@pytest.mark.parametrize(
    "words, told",
    [
        ("train --family toy --data digits --steps 30", "a setting is given as --set steps=30"),
        ("train --family toy --data digits --steps=30", "a setting is given as --set steps=30"),
        ("train --family toy --data digits --tilte Mine", "Did you mean “--title”?"),
        ("runs there", "unrecognized arguments: there"),
    ],
)
def test_an_unknown_option_is_told_by_its_command_with_the_way_that_is_meant(words, told, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words.split())
    usage = capsys.readouterr().err
    assert ended.value.code == 2 and told in usage and usage.startswith(f"usage: nexus-studio {words.split()[0]}")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["edit", "photos", "--leave-out", "-dash.png"], "is given as --leave-out=-dash.png"),
        (["rename", "ok", "-x"], "stands behind --: nexus-studio rename -- ok -x"),
        (["rename", "ok", "-x", "--kind=run"], "stands behind --\n"),
        (["edit", "photos", "--leave-out"], "expected one argument\n"),
        (["train", "-x"], "required: --family, --data\n"),
    ],
)
def test_a_value_that_begins_with_a_dash_is_told_how_to_give(words, told, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2 and told in capsys.readouterr().err


def test_a_mistyped_family_is_told_with_the_one_that_was_meant(run):
    error = last(run("train", "--family", "tyo", "--data", "points:count=100", status=1), "error")
    assert (error["what"], error["advice"]) == ("there is no such family", "Did you mean “toy”? There are toy")


LISTS = (["runs"], ["datasets"], ["samples"], ["jobs"], ["trash"])
NAMING = (["fsck"], ["sample", "any"], ["samples", "any"], ["datasets", "any"], ["families", "--data", "any"],
          ["trash", "--restore", "any"],
          ["edit", "any"], ["delete", "any"], ["import", "any", "--look-for", "any"])  # fmt: skip


@pytest.mark.parametrize("command", [*LISTS, *NAMING])
def test_a_mistyped_library_is_not_made(run, library_root, command, monkeypatch, capsys):
    (error,) = run(*command, status=1)
    assert "no library" in error["what"] and str(library_root) == error["item"] and "--library" in error["advice"]
    monkeypatch.setenv("NEXUS_LIBRARY", str(library_root))
    assert cli.main([*command, "--json"]) == 1
    error = json.loads(capsys.readouterr().out)
    assert "no library" in error["what"] and str(library_root) == error["item"] and "NEXUS_LIBRARY" in error["advice"]
    assert not library_root.exists()


@pytest.mark.parametrize("command", [*LISTS, *NAMING])
def test_where_there_is_no_library_yet_lists_say_so_and_nothing_is_made(command, capsys):
    place = usual_root()
    assert cli.main(command) == (0 if command in LISTS else 1)
    told = capsys.readouterr()
    assert (f"There is no library at {place} yet; `nexus-studio import`" in told.err) == (command in LISTS)
    assert str(place) in told.err and told.out == "" and not place.exists()
    assert cli.main([*command, "--json"]) == (0 if command in LISTS else 1)
    assert (capsys.readouterr().out == "") == (command in LISTS)


def test_families_are_told_without_a_library_and_none_is_made(run, library_root):
    assert [line["key"] for line in run("families")] == ["toy"]
    assert run("families", "toy") and not library_root.exists()


def test_a_command_line_that_cannot_be_understood_is_a_json_line_too(monkeypatch, capsys):
    for arguments, word in (
        (["datasets", "--frob", "--json"], "--frob"),
        (["sample", "a", "--seed", "abc", "--json"], "'abc'"),
    ):
        monkeypatch.setattr(sys, "argv", ["nexus-studio", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        error = json.loads(capsys.readouterr().out)
        assert ended.value.code == 2 and error["kind"] == "error" and word in error["what"]


def test_lists_of_nothing_say_so_to_people(library_root, capsys):
    Library.open(library_root).close()
    for command, words in (("runs", "no runs yet"), ("samples", "no samples yet"), ("jobs", "queue is empty")):
        assert cli.main([command, "--library", str(library_root)]) == 0
        assert words in capsys.readouterr().err


def test_samples_are_listed_and_are_no_weights(run, library_root, capsys):
    with Library.open(library_root) as library:
        library.create_sample(records.sample_record("sample-a", "run-a", count=2), records.pictures())
    assert cli.main(["samples", "--library", str(library_root)]) == 0
    assert "2 images  " in capsys.readouterr().out
    (sample,) = run("samples")
    assert (sample["id"], sample["run"], sample["count"], sample["traced"]) == ("sample-a", "run-a", 2, False)
    (error,) = run("export", "sample-a", "--to", "safetensors", status=1)
    assert "no weights" in error["what"] and "run-a" in error["advice"]


def test_the_help_of_every_command_lists_what_it_accepts_and_nothing_else(run, library_root):
    from models_backend.data.builtin import BUILTIN

    commands = next(a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
    options = {(name, option.option_strings[0]): option for name, command in commands.items()
               for option in command._actions if option.option_strings}  # fmt: skip
    formats = options["export", "--to"].help.split(", ")
    with Library.open(library_root) as library:
        library.create_sample(records.sample_record("sample-a", "run-a", count=2), records.pictures())
    for form in {*formats, "jpg", "npz", "apng", "tiff"}:
        error = last(run("export", "absent", "--to", form, status=1), "error")["what"]
        assert (f"one of {', '.join(formats)}" not in error) == (form in formats), form
    for text in (cli.DATA, next(a for a in commands["import"]._actions if a.dest == "paths").help):
        named = re.split("built in: |built-in data set: ", text)[1].split(", ")
        assert {name.partition(":")[0] for name in named} == set(BUILTIN), text
    closed = [(command, name) for (command, name), option in options.items() if option.choices]
    assert {("export", "--what"), ("delete", "--kind")} <= set(closed)
    for command, name in closed:
        assert all(str(one) in commands[command].format_help() and one for one in options[command, name].choices), (
            command,
            name,
        )


def test_what_export_accepts_is_what_is_written(library_root, tmp_path):
    from models_backend.contract import exports
    from models_backend.contract.messages import Export
    from models_backend.media.export import export

    with Library.open(library_root) as library:
        library.create_sample(records.sample_record("sample-a", "run-a", count=2), records.pictures())
        for form in (*exports.STILLS, *exports.MOVING):
            what = "sheet" if form in exports.STILLS else "path"
            assert export(library, Export("sample-a", str(tmp_path / f"out-{form}"), form, what)), form
        with pytest.raises(TroubleError, match="no such format"):
            export(library, Export("sample-a", str(tmp_path / "out"), "jpg", "sheet"))


def test_items_are_written_with_their_own_pixels_and_sheets_enlarged(library_root, tmp_path):
    from models_backend.contract.messages import Export
    from models_backend.media.export import export

    with Library.open(library_root) as library:
        pictures = records.pictures()
        library.create_sample(records.sample_record("sample-a", "run-a", count=2), pictures)
        side = pictures.shape[1]
        sizes = {}
        for what, scale in (("items", 0), ("items", 3), ("sheet", 0)):
            written = export(library, Export("sample-a", str(tmp_path / f"{what}-{scale}"), "png", what, scale=scale))
            with Image.open(written[0]) as picture:
                sizes[what, scale] = picture.width
    assert sizes["items", 0] == side and sizes["items", 3] == 3 * side and sizes["sheet", 0] > 2 * side


def test_a_command_that_is_not_there_is_answered_with_the_nearest(capsys):
    with pytest.raises(SystemExit):
        cli.main(["trian"])
    assert "Did you mean “train”?" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["sample", "--condition", "text=hi"], ["sample", "--checkpoint", "foo"],
                                     ["evaluate", "--checkpoint", "foo@0.07"]])  # fmt: skip
def test_what_a_run_cannot_make_is_refused_before_a_worker_starts(run, monkeypatch, command):
    made = last(run("train", "--family", "toy", "--data", "points:density=moons,count=100"), "done")["run"]

    async def never(*_):
        raise AssertionError("a worker was asked")

    monkeypatch.setattr(Engine, "call", never)
    error = last(run(command[0], made, *command[1:], status=1), "error")
    assert error["what"] in ("Toy has no condition of that kind", "there is no checkpoint foo")


def test_samples_figures_and_files_of_a_run(run, tmp_path):
    made = last(run("train", "--family", "toy", "--data", "points:density=moons,count=100"), "done")["run"]
    drawn = last(run("sample", made, "--n", 3, "--seed", 5, "--out", tmp_path / "out"), "done")
    assert drawn["files"][0] == str(tmp_path / "out" / "samples.png") and Path(drawn["files"][0]).exists()
    figures = {line["measure"]: line["value"] for line in run("evaluate", made, "--n", 50) if line["kind"] == "result"}
    assert figures == {"coverage": 0.95, "count": 50.0}
    told = [line["value"] for line in run("evaluate", made, "--features", "clip") if line.get("measure") == "fd_clip"]
    assert told == [1.0], "the worker stands in another folder: it is told the whole path"
    weights = last(run("export", made, "--to", "safetensors", "--out", tmp_path / "w.safetensors"), "done")["file"]
    assert Path(weights).read_text() == "safetensors"
    (refused,) = run("export", made, "--to", "safetensors", "--out", tmp_path / "w", status=1)
    assert "there already" in refused["what"] and refused["item"] == weights and "--overwrite" in refused["advice"]
    run("export", made, "--to", "safetensors", "--out", tmp_path / "w", "--overwrite")
    (refused,) = run("sample", made, "--out", tmp_path / "out", status=1)
    assert refused["item"].endswith("samples.png"), "nothing else is told: nothing was made that could not be written"
    listed = run("samples")
    for place, why in ((tmp_path / "one.png", "this names a file"), (Path("/proc/none"), ""),
                       (tmp_path / "gone" / "out", f"there is no folder {tmp_path / 'gone'}")):  # fmt: skip
        (refused,) = run("sample", made, "--out", place, status=1)
        assert why in refused["what"] and run("samples") == listed, "nothing is made for a place that cannot be"
    assert "exported as safetensors" in run("export", made, "--to", "png", status=1)[-1]["what"]
    proved, refuted = run("prove-resume", made, "--steps", 5), run("prove-resume", made, "--steps", 13, status=1)
    assert last(proved, "done")["identical"] and not last(refuted, "done")["identical"]


@pytest.mark.parametrize(
    ("modality", "names"), [("points", ["samples.png", "samples.csv"]), ("image", ["samples.png", "items"])]
)
def test_points_are_written_as_numbers_beside_their_picture(tmp_path, modality, names):
    async def call(request):
        return [request.path]

    now = SimpleNamespace(engine=SimpleNamespace(call=call))
    made = SimpleNamespace(sample="sample-a", modality=modality, trace=None)
    assert [Path(file).name for file in asyncio.run(making._written(now, made, tmp_path))] == names


def test_conditions_are_written_kind_is_value_and_several_go_round():
    assert conditions(["class=3"]) == {"class": "3"} and conditions(["class=all"]) == {"class": "all"}
    assert conditions(["text=1999", "text=null", "text=0"]) == {"text": ["1999", "null", "0"]}, "a prompt is text"
    assert conditions(["text=a red circle", "class=cat", "text=a = b"]) == {"text": ["a red circle", "a = b"], "class": "cat"}
    with pytest.raises(TroubleError, match="nothing stands behind"):
        conditions(["text="])
    for wrong in ("class", "=3"):
        with pytest.raises(TroubleError, match="kind=value") as told:
            conditions([wrong])
        assert told.value.trouble.item == wrong and "--condition" in told.value.trouble.advice


def test_a_proof_trains_measures_and_holds_its_claims(run, library_root):
    assert "no library" in run("proof", "toy", "--only", "holds", "--again", status=1)[-1]["what"]
    run("import", "points:density=rings,count=50")
    assert "no finished run" in run("proof", "toy", "--only", "holds", "--again", status=1)[-1]["what"]
    assert last(run("proof", "toy", "--only", "holds"), "done")["passed"]
    runs = set((library_root / "runs").iterdir())
    assert last(run("proof", "toy", "--only", "holds", "--again"), "done")["passed"]
    assert set((library_root / "runs").iterdir()) == runs, "it was trained once more"
    lines = run("proof", "toy", status=1)
    held = {line["proof"]: line["held"] for line in lines if "held" in line}
    assert held == {"holds": True, "fails": False} and not last(lines, "done")["passed"]
    assert len(list((library_root / "runs").glob("*/proof.json"))) == 3
    assert "no such proof" in run("proof", "toy", "--only", "other", status=1)[-1]["what"]


def test_imports_are_found_again_by_title_start_and_builtin_name(run):
    made = last(run("import", "points:density=moons,count=100"), "done")
    assert made["count"] == 100
    again = last(run("import", "points:density=moons,count=100"), "done")
    assert again["id"] == made["id"] == run("datasets")[0]["id"]
    lines = run("train", "--family", "toy", "--data", made["id"][:6])
    assert last(lines, "done")["state"] == "finished"


def test_a_title_goes_before_a_folder_of_that_name_in_every_command_and_a_path_is_a_path(
    run, library_root, tmp_path, monkeypatch
):
    table, folder = tmp_path / "table.csv", tmp_path / "My Photos"
    table.write_text("x,y\n" + "".join(f"{n},{n * n}\n" for n in range(9)))
    make_good(folder, 3)
    monkeypatch.chdir(tmp_path)
    known = last(run("import", table, "--title", "My Photos"), "done")["id"]
    told = run("train", "--family", "toy", "--data", "My Photos", "--set", "steps=2")
    with Library.open(library_root, own=False) as library:
        assert [record.id for record in library.datasets()] == [known], "the folder was imported"
        assert library.run(last(told, "done")["run"]).record().dataset == known
    for lines in (told, run("edit", "my photos"), run("families", "--data", "My Photos")):
        assert [line["text"].partition("To read it: ")[2] for line in lines if line["kind"] == "not read"] in (
            ["./My Photos"],
            [],
        )
    assert sum(line["kind"] == "not read" for line in told) == 1
    assert "no data set was imported from it" in run("families", "--data", "./My Photos", status=1)[-1]["what"]
    read = last(run("edit", "./My Photos"), "done")
    assert (read["count"], read["id"] != known) == (3, True)
    run("families", "--data", str(folder))
    folder.rename(tmp_path / "others")
    assert last(run("edit", "others"), "done")["id"] == read["id"], "what no data set is called is a folder"


def test_the_backups_of_a_library_are_told_where_they_are_used(library_root, capsys):
    with pytest.raises(SystemExit):
        cli.main(["fsck", "--help"])
    folder = LibraryLayout(library_root).backups.name
    assert f"folder {folder} of the library" in " ".join(capsys.readouterr().out.split())
    readme = (HERE.parent / "README.md").read_text(encoding="utf-8")
    assert f"`{folder}`" in readme and f"newest {('', 'one', 'two', 'three', 'four', 'five')[backup.KEEP]} copies" in readme


def test_fsck_tells_a_clean_library_from_a_damaged_one(run, library_root):
    made = last(run("train", "--family", "toy", "--data", "points:density=moons,count=100"), "done")
    assert last(run("fsck"), "done")["clean"]
    (library_root / "runs" / made["run"] / "run.json").write_text("{")
    assert not last(run("fsck", status=1), "done")["clean"]


@pytest.mark.parametrize("asked", ["ctrl+c", "SIGTERM"])
async def test_ctrl_c_and_sigterm_save_stop_and_say_how_to_go_on(library_root, capsys, asked):
    options = cli.parser().parse_args(
        ["train", "--family", "toy", "--data", "points:density=moons,count=100", "--set", "steps=5000", "--set", "step_s=0.01",
         "--library", str(library_root)])  # fmt: skip
    reporter = Reporter(as_json=True)
    task = asyncio.ensure_future(cli._carried_out(options, reporter))
    for _ in range(2000):
        await asyncio.sleep(0.01)
        if "metrics" in (told := capsys.readouterr().out):
            break
    assert "metrics" in told
    Library.open(library_root).close()  # a window may open it meanwhile
    task.cancel() if asked == "ctrl+c" else os.kill(os.getpid(), signal.SIGTERM)
    assert await task == 130
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ("Ctrl+C again" in last(lines, "stopping")["text"]) == (asked == "ctrl+c")
    final = lines[-1]
    assert final["state"] == "stopped" and "nexus-studio resume" in final["text"]
    assert reporter.interrupted.endswith(f"nexus-studio resume {final['run']}"), "said where nobody waits for that"


def test_a_command_that_is_left_at_once_says_what_becomes_of_it(monkeypatch, capsys):
    async def left(options, reporter):
        reporter.interrupted = "It ends by itself"
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_carried_out", left)
    assert cli.main(["runs"]) == 130 and "It ends by itself" in capsys.readouterr().err


async def test_detached_runs_go_on_and_a_window_may_own_the_library(library_root, capsys):
    with session.Library.open(library_root):
        options = cli.parser().parse_args(
            ["train", "--family", "toy", "--data", "points:density=moons,count=99", "--set", "step_s=0.01", "--set", "steps=99",
             "--detach", "--library", str(library_root), "--json"])  # fmt: skip
        assert await training.train(options, Reporter(as_json=True)) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert "has this library open" in lines[0]["text"]
        run = lines[-1]["run"]
        options = cli.parser().parse_args(["stop", run, "--library", str(library_root)])
        assert await training.stop(options, Reporter(as_json=True)) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["state"] == "stopped"
        options = cli.parser().parse_args(["resume", run, "--library", str(library_root)])
        assert await training.resume(options, Reporter(as_json=True)) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["state"] == "finished"


async def test_resume_goes_on_with_a_run_that_was_paused_in_a_window(library_root, capsys):
    with session.Library.open(library_root) as library:
        options = cli.parser().parse_args(
            ["train", "--family", "toy", "--data", "points:density=moons,count=99", "--set", "step_s=0.01", "--set", "steps=99",
             "--detach", "--library", str(library_root), "--json"])  # fmt: skip
        assert await training.train(options, Reporter(as_json=True)) == 0
        run = json.loads(capsys.readouterr().out.splitlines()[-1])["run"]
        window = Engine(library)
        await window.start()
        await window.pause(run)
        async with asyncio.timeout(60):
            while (await window.run_state(run)).state != "paused":
                await asyncio.sleep(0.01)
        options = cli.parser().parse_args(["resume", run, "--library", str(library_root)])
        async with asyncio.timeout(60):
            assert await training.resume(options, Reporter(as_json=True)) == 0
        await window.close()
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["state"] == "finished"


def test_commands_that_need_no_model_import_no_torch(library_root):
    code = (
        "import sys; from models_backend.cli import main\n"
        "for a in (['import', 'points:density=rings,count=50'], ['runs'], ['datasets'], ['jobs'], ['fsck']):\n"
        f"    assert main([*a, '--library', {str(library_root)!r}]) == 0\n"
        "bad = {'torch', 'diffusers', 'transformers', 'scipy', 'PySide6'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_names_that_are_not_there_are_refused_before_torch_is_loaded(library_root):
    """In a library whose families were never described: that is what loads torch, in a process of its own."""
    asked = [
        ["families", "nope"], ["families", "--data", "nope"], ["proof", "nope"],
        ["train", "--family", "nope", "--data", "digits"], ["train", "--family", "vae", "--data", "nope"],
        ["train", "--family", "vae", "--data", "points:density=nope"],
        ["train", "--family", "consistency", "--data", "digits", "--part", "teacher=nope"],
        *([command, "nope"] for command in ("sample", "evaluate", "resume", "stop", "show", "prove-resume", "samples", "edit")),
        ["export", "nope", "--to", "png"], ["export", "nope", "--to", "safetensors"],
    ]  # fmt: skip
    code = (
        "import sys; from models_backend.cli import main; from models_backend.engine import catalogue, processes\n"
        "def load(*a, **k): raise AssertionError('torch is loaded')\n"
        f"assert main(['import', 'points:density=rings,count=50', '--library', {str(library_root)!r}]) == 0\n"
        "catalogue.ask = processes.command = load\n"
        f"for a in {asked!r}:\n"
        f"    assert main([*a, '--library', {str(library_root)!r}]) == 1\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert [line for line in said if "there is no such" in line] == said[-len(asked) :], "nothing else is said"


def test_options_may_stand_before_the_command_and_usage_errors_end_with_two(library_root, capsys):
    assert cli.main(["--json", "--library", str(library_root), "families"]) == 0
    with pytest.raises(SystemExit) as ended:
        cli.main(["train"])
    assert ended.value.code == 2 and "--family" in capsys.readouterr().err


def test_demo_and_bench_are_programs_whose_status_comes_back(monkeypatch):
    asked = []
    monkeypatch.setitem(cli.PROGRAMS, "demo", "models_backend.workers.describe_nothing")
    assert cli.main(["demo", "--out", "x"]) != 0
    monkeypatch.setattr("models_backend.commands.upkeep.processes.command", lambda *a, module: asked.append((module, a)) or
                        [sys.executable, "-c", "raise SystemExit(7)"])  # fmt: skip
    assert cli.main(["bench", "start"]) == 7
    assert asked == [("models_backend.workers.bench", ("start",))]


def test_a_trouble_that_was_got_over_hides_no_later_reason():
    out = io.StringIO()
    record = SimpleNamespace(id="run", steps=9)
    follower = training.Follower(Reporter(as_json=True, out=out), record)
    for body in (Trouble("the preview failed", "run"), State("failed", 5, "the worker was gone")):
        follower.hear(Event(0, 0.0, "run", body))
    follower.hear(Event(0, 0.0, "run", Trouble("memory ran out", "run")))
    follower.hear(Event(0, 0.0, "run", State("failed", 5, "run: memory ran out")))
    kinds = [json.loads(line)["kind"] for line in out.getvalue().splitlines()]
    assert kinds == ["trouble", "state", "trouble"]


class Left(Reporter):
    """Remembers what time was told to be left."""

    def __init__(self):
        super().__init__(out=io.StringIO(), err=io.StringIO())
        self.told = []

    def progress(self, done, total, text, pace):
        self.told.append(pace.left_s(done, total))


def test_what_comes_before_the_first_step_is_told_with_how_far_it_is():
    told = io.StringIO()
    follower = training.Follower(Reporter(err=told, every_s=0.0), SimpleNamespace(id="r", steps=10))
    for n, body in enumerate([Progress(0, 0, "loading"), Progress(0, 0, "loading"), *(Progress(n, 8, "measuring a few steps")
                                                                                     for n in range(3))]):  # fmt: skip
        follower.hear(Event(n, float(n), "r", body))
    lines = told.getvalue().splitlines()
    assert lines == ["loading", *(f"  {n} of 8 · measuring a few steps" for n in range(3))]


def test_the_time_left_goes_by_the_steps_since_compiling():
    now, left = [0.0], Left()
    follower = training.Follower(left, SimpleNamespace(id="run", steps=1000))

    def steps(begin, end, each_s):
        for step in range(begin, end):
            now[0] += each_s
            follower.hear(Event(0, now[0], "run", Metrics(step, {"loss": 1.0})))

    steps(1, 101, 2.0)
    assert left.told[-1] == pytest.approx(900 * 2.0)
    follower.hear(Event(0, now[0], "run", Mark(100, "compiling the networks")))
    now[0] += 500.0
    steps(101, 104, 1.0)
    assert left.told[-3:] == [0.0] * 3, "nothing is said until a few steady steps are done"
    steps(104, 201, 1.0)
    assert left.told[-1] == pytest.approx(800 * 1.0)


def test_no_time_left_is_told_of_the_first_step_and_one_that_waits_changes_nothing():
    left = Left()
    follower = training.Follower(left, SimpleNamespace(id="run", steps=6000))
    follower.hear(Event(0, 0.0, "run", State("running", 0)))
    for step, at in ((1, 40.0), (1, 45.0), (2, 45.04), (3, 45.08)):  # the first step holds what is measured at hand
        follower.hear(Event(0, at, "run", Metrics(step, {"loss": 1.0})))
    assert left.told == [0.0] * 4
    for step, at in ((4, 45.12), (5, 45.16), (6, 75.16), (7, 75.2)):  # a preview between two of them
        follower.hear(Event(0, at, "run", Metrics(step, {"loss": 1.0})))
        assert left.told[-1] == pytest.approx((6000 - step) * 0.04, rel=0.01)
    follower.hear(Event(0, 900.0, "run", State("running", 7)))  # after a pause
    follower.hear(Event(0, 900.04, "run", Metrics(8, {"loss": 1.0})))
    assert left.told[-1] == pytest.approx(5992 * 0.04, rel=0.01)


def test_a_run_is_found_by_its_title_also_one_that_is_a_number_or_begins_as_an_id_does():
    records = [
        SimpleNamespace(id=f"cvae-{n}", title=title) for n, title in enumerate(("3", "cvae", "Ae\u0301", "same", "Same"))
    ]
    wanted = {"3": 0, "cvae": 1, "aé": 2, "same": 3, "Same": 4, "cvae-2": 2}
    assert {text: records.index(session.one_of("run", records, text)) for text in wanted} == wanted
    with pytest.raises(TroubleError, match="2 runs fit") as told:
        session.one_of("run", records, "SAME")
    assert told.value.trouble.advice == "Name one by its id: cvae-3 (same); cvae-4 (Same)"
    with pytest.raises(TroubleError, match="5 runs fit"):
        session.one_of("run", records, "cva")
    with pytest.raises(TroubleError, match="no such run"):
        session.one_of("run", records, "4")


def test_a_run_whose_data_were_edited_says_so_goes_on_and_can_be_begun_anew(run, library_root):
    points = "points:density=moons,count=100"
    lines = run("train", "--family", "toy", "--data", points, "--set", "do=error", "--set", "at=3", status=1)
    old = next(line["run"] for line in lines if "run" in line)
    with Library.open(library_root) as library:
        stored = library.dataset(library.run(old).record().dataset)
        stored.leave_out([3, 4])
    lines = run("resume", old, status=1)
    told = last(lines, "edited")
    assert told["changes"] == ["2 items left out"] and f"resume {old} --anew" in told["text"]
    anew = next(line["run"] for line in run("resume", old, "--anew", status=1) if "run" in line)
    with Library.open(library_root, own=False) as library:
        first, again = library.run(old), library.run(anew)
        assert again.record().training == first.record().training and again.record().spec.count == 98
        assert again.record().spec.fingerprint != first.record().spec.fingerprint
        assert again.layout.known.exists() and not first.layout.known.exists()


@pytest.mark.parametrize(
    "words",
    [("sample", "r", "--seed", "9" * 20), ("evaluate", "r", "--seed", str(2**63)), ("sample", "r", "--n", "9" * 30),
     ("export", "r", "--to", "mp4", "--fps", "9" * 12), ("trash", "--older-than", "9" * 20), ("sample", "r", "--n", "0")],
)  # fmt: skip
def test_whole_numbers_out_of_range_are_refused_in_words(library_root, capsys, words):
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--library", str(library_root)])
    assert ended.value.code == 2 and f"'{words[-1]}' is not a whole number from" in capsys.readouterr().err
    assert cli.parser().parse_args(["sample", "r", "--seed", str(2**63 - 1)]).seed == 2**63 - 1


def test_a_terminal_that_knows_no_umlauts_is_told_which_stand_there(library_root):
    code = f"from models_backend.cli import main; main(['datasets', '--library', {str(library_root)!r}])"
    with Library.open(library_root) as library:
        record = records.dataset_record(title="\u00dcbungsbl\u00e4tter")
        library.create_dataset(record, records.items())
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert "\\xdcbungsbl\\xe4tter" in done.stdout and "Error" not in done.stderr


@pytest.mark.parametrize("words", [["--json", "nope"], ["nope"], ["--json", "datasets", "NOPE"], ["datasets", "NOPE"],
                                   ["--json", "runs"], ["runs"], ["--help"]])  # fmt: skip
@pytest.mark.parametrize("heard", ["no output", "no errors", "neither", "errors closed", "both closed"])
def test_what_nobody_reads_is_left_unsaid_without_a_trace(library_root, words, heard):
    """The reader of a pipe is gone (as of `| true`), or the output was closed (as by `2>&-`)."""
    Library.open(library_root).close()
    reader, gone = os.pipe()
    os.close(reader)
    out, err = (gone if heard in told else subprocess.PIPE for told in (("no output", "neither"), ("no errors", "neither")))
    close = {"errors closed": "2>&-", "both closed": ">&- 2>&-"}.get(heard, "")
    command = ["sh", "-c", f'exec "$@" {close}', "sh", sys.executable, "-P", "-m", "models_backend.cli", *words]
    done = subprocess.run(command, stdout=out, stderr=err, env={**os.environ, "NEXUS_LIBRARY": str(library_root)}, text=True)
    os.close(gone)
    assert "Traceback" not in f"{done.stderr}{done.stdout}" and "Exception ignored" not in f"{done.stderr}"
    wrong = {"nope": 2, "NOPE": 1}.get(words[-1], 0)
    assert done.returncode == wrong


def test_the_version_is_told(monkeypatch, capsys):
    monkeypatch.setattr(cli.metadata, "version", {"nexus-studio": "4.5.6"}.__getitem__)
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == "nexus-studio 4.5.6\n"
