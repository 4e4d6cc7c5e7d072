"""``delete``: what is named goes to the trash as it does in the window, and comes back with ``trash --restore``."""

from __future__ import annotations

import json
from types import SimpleNamespace

import msgspec
import pytest
from library import records

from models_backend import cli
from models_backend.commands import making
from models_backend.contract.messages import State
from models_backend.library import trash
from models_backend.library.library import Library


@pytest.fixture
def library(library_root):
    """A data set "Shapes", a run on it, and a sample of the run."""
    with Library.open(library_root) as library:
        records.fill(library)
    return Library.open(library_root, own=False)


@pytest.fixture
def told(library_root, library, capsys):
    def told(*command, status=0):
        assert cli.main(["--library", str(library_root), "--json", *command]) == status
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return told


def left(library):
    return [record.id for some in (library.runs(), library.samples(), library.datasets()) for record in some]


def test_runs_samples_and_data_sets_go_by_id_or_title_and_come_back_as_is_told(told, library):
    before = left(library)
    lines = told("delete", "run-a", "SAMPLE sample-a", "Shapes", "Run run-a")
    assert [(line["of"], line["deleted"]) for line in lines[:-1]] == list(
        zip(("run", "sample", "dataset"), before, strict=True)
    )
    assert lines[-1]["count"] == 3 and left(library) == []
    advised = lines[-1]["text"].split("`")[1].split()
    assert advised[:2] == ["nexus-studio", "trash"]
    told(*advised[1:])
    assert left(library) == before and trash.entries(library.layout) == []


@pytest.mark.parametrize(
    ("named", "kind", "command"),
    [
        ("run-a", "run", ["show", "run run-a"]),
        ("run-a", "run", ["resume", "run-a"]),
        ("run-a", "run", ["samples", "RUN RUN-A"]),
        ("sample-a", "sample", ["export", "sample-a", "--to", "png"]),
        ("sample-a", "sample", ["export", "sample-a", "--to", "safetensors"]),
        ("run-a", "run", ["export", "run-a", "--to", "png"]),
        ("run-a", "run", ["export", "run-a", "--to", "safetensors"]),
        ("Shapes", "dataset", ["export", "Shapes", "--to", "png"]),
        ("Shapes", "dataset", ["edit", "Shapes"]),
        ("Shapes", "dataset", ["datasets", "shapes"]),
        ("Shapes", "dataset", ["families", "--data", "Shapes"]),
        ("Shapes", "dataset", ["train", "--family", "ddpm", "--data", "Shapes"]),
        ("Shapes", "dataset", ["delete", "Shapes"]),
        ("Shapes", "dataset", ["delete", "Shapes", "--kind", "dataset"]),
    ],
)
def test_naming_what_was_deleted_says_that_it_is_in_the_trash_and_how_it_comes_back(told, library, named, kind, command):
    library.create_run(records.run_record("run-b", title="Run run-b"))  # near enough to be what was meant
    before = left(library)
    told("delete", named)
    error = told(*command, status=1)[-1]
    assert error["kind"] == "error" and f"the {'data set' if kind == 'dataset' else kind} “" in error["what"]
    assert error["what"].endswith("” is in the trash") and "Did you mean" not in error["advice"]
    advised = error["advice"].split("`")[1].split()[1:]
    assert told(*advised)[0]["of"] == kind and left(library) == before


def test_people_are_told_what_went_and_the_command_that_brings_it_back(library, library_root, capsys):
    assert cli.main(["delete", "sample-a", "--library", str(library_root)]) == 0
    went, back = capsys.readouterr().out.splitlines()
    assert went == "The sample “Sample sample-a” is in the trash"
    assert back == "`nexus-studio trash --restore sample-a` brings it back"


@pytest.mark.parametrize(
    ("named", "near"),
    [(["Shapse"], "“Shapes”"), (["run-a", "sample-b"], "“sample-a”"), (["--kind", "run", "Run rum-a"], "“Run run-a”")],
)
def test_a_name_that_is_not_there_is_told_with_the_nearest_and_nothing_goes(told, library, named, near):
    before = left(library)
    error = told("delete", *named, status=1)[-1]
    assert error["item"] == named[-1] and near in error["advice"] and "there is no such" in error["what"]
    assert left(library) == before


def test_a_name_of_two_kinds_is_decided_by_kind_and_a_title_goes_before_the_start_of_an_id(told, library):
    library.create_run(records.run_record("run-b", title="shapes"))
    library.create_run(records.run_record("run-c", title="sample"))
    error = told("delete", "Shapes", status=1)[-1]
    assert (error["what"], error["kept"]) == ("a run and a data set are named so", "Nothing was deleted")
    assert error["advice"] == "Say which with --kind run or --kind dataset"
    assert told("delete", "Shapes", "--kind", "run")[0]["deleted"] == "run-b"
    assert told("delete", "sample")[0]["deleted"] == "run-c"
    error = told("delete", "run-a", "Shapes", "--kind", "sample", status=1)[-1]
    assert "there is no such sample" in error["what"] and len(left(library)) == 3


def test_a_run_in_training_is_refused_before_anything_goes(told, library):
    before, run = left(library), library.run("run-a")
    lock = run.lock_worker()
    error = told("delete", "sample-a", "run-a", status=1)[-1]
    assert "is being trained" in error["what"] and error["advice"] == "Stop it first" and left(library) == before
    lock.release()
    run.close()
    assert told("delete", "sample-a", "run-a")[-1]["count"] == 2


def test_data_that_a_run_is_learning_from_go_and_that_is_told(told, library):
    run = library.run("run-a")
    lock = run.lock_worker()
    run.append(State("running", 6))
    went, warned, _ = told("delete", "Shapes")
    lock.release()
    run.close()
    assert went["of"] == "dataset" and library.datasets() == []
    assert "Shapes: “Run run-a” was learning from it. The training goes on with what it has read" in warned["text"]
    told("trash", "--restore", "Shapes")
    assert [line["kind"] for line in told("delete", "Shapes")] == ["result", "needed", "done"], (
        "a run that ended learns no more"
    )


def test_runs_that_a_deleted_run_is_a_part_of_are_told_but_for_those_that_go_with_it(told, library):
    part = library.runs()[0]
    for key, title in (("run-u", "Latent diffusion"), ("run-v", "Another")):
        record = records.run_record(key, title=title, created=2.0)
        library.create_run(msgspec.structs.replace(record, parts={"codec": part.id}))
    (note,) = [line for line in told("delete", part.id, "run-v") if line["kind"] == "needed"]
    assert note["runs"] == ["Latent diffusion"]
    assert "1 run has it as a part (“Latent diffusion”): it needs it to be trained further and to make samples" in note["text"]


def test_runs_that_need_a_data_set_that_goes_are_told_but_for_those_that_go_with_it(told, library, library_root, capsys):
    dataset = library.datasets()[0].id
    library.create_run(records.run_record("run-b", dataset, title="Second", created=2.0))
    assert cli.main(["delete", "Shapes", "--library", str(library_root)]) == 0
    assert (
        "Shapes: 2 runs were trained on it (“Second”, “Run run-a”): they need it to be trained further and evaluated; samples "
        "can still be made"
    ) in capsys.readouterr().err
    told("trash", "--restore", "Shapes")
    (needed,) = [line for line in told("delete", "Shapes", "run-b") if line["kind"] == "needed"]
    assert needed["runs"] == ["Run run-a"] and "1 run was trained on it (“Run run-a”): it needs it" in needed["text"]
    told("trash", "--restore", "Shapes")
    assert not [line for line in told("delete", "run-a", "Shapes") if line["kind"] == "needed"]


def test_a_trash_of_nothing_is_called_empty_and_what_is_too_young_to_go_is_said_to_stay(library, library_root, capsys):
    def said(*words):
        assert cli.main([*words, "--library", str(library_root)]) == 0
        heard = capsys.readouterr()
        return heard.out + heard.err

    assert said("trash", "--empty") == "The trash is empty\n"
    said("delete", "Shapes")
    told = said("trash", "--empty", "--older-than", "2")
    assert "Nothing has lain in the trash for 2 days" in told and "1 in the trash" in told
    told = said("trash", "--empty")
    assert "1 thing was freed for good" in told and told.endswith("The trash is empty\n")


def test_a_mistyped_title_in_the_trash_is_answered_with_the_one_that_was_meant(library_root, capsys):
    with Library.open(library_root) as library:
        library.create_dataset(records.dataset_record(title="mixed"), records.items())
    assert cli.main(["delete", "mixed", "--library", str(library_root)]) == 0
    assert cli.main(["trash", "--restore", "mixd", "--library", str(library_root)]) == 1
    assert "Did you mean “mixed”?" in capsys.readouterr().err


@pytest.mark.parametrize("named", ["grid-a", "steps by seed"])
def test_a_grid_is_named_by_its_id_or_title_as_a_whole_and_a_cell_by_its_own(told, library, library_root, capsys, named):
    for record in records.grid():
        library.create_sample(record, records.pictures(1))
    listed = {line["id"]: line for line in told("samples") if line["kind"] == "result"}
    assert listed["grid-a-5"]["grid"] == "grid-a" and listed["sample-a"]["grid"] == ""
    cli.main(["samples", "--library", str(library_root)])
    assert "Steps by seed · Steps 10, Seed 1\n" in capsys.readouterr().out
    now = SimpleNamespace(library=library)
    assert making._source(now, named, "png", "") == ("grid-a-0", "grid") == making._source(now, named, "png", "grid")
    assert making._source(now, "grid-a-3", "png", "") == ("grid-a-3", "sheet")
    gone = told("delete", named)
    assert {line["deleted"] for line in gone[:-1]} == {record.id for record in records.grid()} and gone[-1]["count"] == 6
    assert [record.id for record in library.samples()] == ["sample-a"]
    told(*gone[-1]["text"].split("`")[1].split()[1:])
    assert len(library.samples()) == 7
    assert told("delete", "grid-a-3")[-1]["count"] == 1


def test_what_stands_in_the_place_of_what_was_deleted_is_named_with_the_commands_that_change_places(told, library, tmp_path):
    table = tmp_path / "ring.csv"
    table.write_text("x,y\n" + "".join(f"{n},{n * n}\n" for n in range(9)))
    first = told("import", str(table))[-1]["id"]
    told("edit", first, "--leave-out", "#2")
    told("delete", first)
    (note,) = [line for line in told("import", str(table)) if line["kind"] == "deleted"]
    assert note["text"].startswith("the same data set lies in the trash as “ring”, with 1 item left out: `nexus-studio delete ")

    def follow(text):
        assert library.dataset(first).record().left_out == 0
        for command in text.split("`")[1::2]:
            told(*command.split()[1:])
        assert library.dataset(first).record().left_out == 1, "and not the one that was deleted last"

    follow(note["text"])
    told("delete", first)
    told("trash", "--empty", "--older-than", "1")
    told("import", str(table))
    refused = told("trash", "--restore", "ring", status=1)[-1]
    assert refused["what"] == "its place in the library is taken" and "“ring” stands there: delete it" in refused["advice"]
    follow(refused["advice"])
