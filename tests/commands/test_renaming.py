"""``rename``: runs, samples and data sets get another title, as in the window, and their old one back."""

# ruff: noqa: F811  fixtures of another file
import shlex

import pytest
from library import records
from test_deleting import library, told  # noqa: F401


@pytest.mark.parametrize("kind, name", [("run", "run-a"), ("sample", "sample-a"), ("dataset", "Shapes")])
def test_what_has_a_title_gets_another_and_its_old_one_back(told, library, kind, name):
    def known():
        records = {"run": library.runs, "sample": library.samples, "dataset": library.datasets}[kind]()
        return [(record.id, record.title) for record in records]

    ((item, before),) = known()
    done = told("rename", name, "  another name ")[-1]
    assert (done["id"], done["of"], done["before"], done["title"]) == (item, kind, before, "another name")
    assert known() == [(item, "another name")]
    told(*shlex.split(done["text"].split("`")[1])[1:])
    assert known() == [(item, before)]
    told("rename", "--", name, "-x")
    done = told("rename", item, "ok")[-1]
    told(*shlex.split(done["text"].split("`")[1])[1:])
    assert known() == [(item, "-x")], "a title that begins with a dash comes back as is told"
    told("rename", item, before)
    (error,) = told("rename", name, "  ", status=1)
    assert "needs a title" in error["what"] and known() == [(item, before)]


def test_a_name_that_means_nothing_or_two_things_is_refused_with_a_way_out(told, library):
    (error,) = told("rename", "run-x", "b", status=1)
    assert "no such run, sample or data set" in error["what"] and "run-a" in error["advice"]
    told("rename", "run-a", "Shapes")
    (error,) = told("rename", "Shapes", "b", status=1)
    assert "a run and a data set are named so" in error["what"] and "--kind dataset" in error["advice"]
    assert error["kept"] == "Nothing was changed"
    assert told("rename", "Shapes", "b", "--kind", "dataset")[-1]["of"] == "dataset"
    told("delete", "run-a")
    (error,) = told("rename", "run-a", "b", status=1)
    assert "is in the trash" in error["what"]


@pytest.mark.parametrize("name", ["grid-a", "Steps by seed", "grid-a-3"])
def test_a_grid_is_renamed_as_a_whole(told, library, name):
    for record in records.grid():
        library.create_sample(record, records.pictures(1))
    done = told("rename", name, "my grid")[-1]
    assert {one.title for one in library.samples() if one.grid} == {"my grid"}
    told(*shlex.split(done["text"].split("`")[1])[1:])
    assert {one.title for one in library.samples() if one.grid} == {"Steps by seed"}
    assert [one.title for one in library.samples() if not one.grid] == ["Sample sample-a"]


def test_a_title_that_another_run_has_is_told(told, library):
    library.create_run(records.run_record("run-b"))
    title = next(one.title for one in library.runs() if one.id == "run-a")
    noted = [line["text"] for line in told("rename", "run-b", title) if line.get("text")]
    assert "Others are called so too: this run is named by its id, run-b" in noted
    assert told("rename", "run-b", title)[-1]["text"] == f"The run is called “{title}” already"
    assert not any("called so too" in line.get("text", "") for line in told("rename", "run-b", "of its own"))
