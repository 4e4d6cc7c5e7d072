"""What the command line says and keeps of a run that has training behind it (with scripted workers)."""

# ruff: noqa: F811  fixtures of another file
import asyncio
import json

from library import records
from msgspec import structs
from test_cli import TOY, last, run, scripted  # noqa: F401

from models_backend import cli
from models_backend.contract.messages import State
from models_backend.contract.run_layout import RunLayout
from models_backend.engine import catalogue
from models_backend.engine.terminal import Reporter
from models_backend.library.library import Library
from models_backend.library.runs import RunFolder

MOONS = ("train", "--family", "toy", "--data", "points:density=moons,count=100")


def states(library_root, name):
    folder = RunFolder(RunLayout(library_root / "runs" / name))
    return [event.body for event in folder.events() if isinstance(event.body, State)]


def rewrite(library_root, name, deed):
    """The script of a run that failed: what happens from now on in place of its error."""
    record = library_root / "runs" / name / "run.json"
    record.write_text(record.read_text().replace('"error"', f'"{deed}"'))


def test_a_trained_run_that_cannot_go_on_stays_and_keeps_its_steps(run, library_root):
    made = last(run(*MOONS, "--set", "steps=20", "--set", "do=lost"), "done")["run"]
    lines = run("resume", made, "--steps", "+5", status=1)
    assert not [line for line in lines if line["kind"] in ("trash", "error")]
    assert last(lines, "trouble")["text"].endswith("Put it back from a copy")
    assert last(lines, "kept")["step"] == 20
    (listed,) = run("runs")
    assert (listed["id"], listed["state"], listed["step"], listed["steps"]) == (made, "failed", 20, 25)
    assert states(library_root, made)[-2:] == [State("starting", 20), State("failed", 20, listed["reason"])]
    assert last(run("resume", made, status=1), "kept")["step"] == 20, "nor does a second try throw it away"
    anew = last(run("resume", made, "--anew"), "done")["run"]
    assert {line["id"] for line in run("runs")} == {made, anew}


def test_a_last_word_that_names_no_step_hides_none(run, library_root):
    made = last(run(*MOONS, "--set", "steps=20"), "done")["run"]
    folder = RunFolder(RunLayout(library_root / "runs" / made))
    folder.save_checkpoint(20, records.weights(20), records.state(20))
    folder.append(State("failed", 0, "its only checkpoint was damaged"))
    folder.close()
    assert [(line["state"], line["step"]) for line in run("runs")] == [("failed", 20)]


def test_a_run_made_anew_that_cannot_begin_goes_and_the_old_one_stays(run, library_root):
    made = next(line["run"] for line in run(*MOONS, "--set", "do=error", "--set", "at=3", status=1) if "run" in line)
    rewrite(library_root, made, "refuse")
    assert "removed" in last(run("resume", made, "--anew", status=1), "removed")["text"]
    assert [line["id"] for line in run("runs")] == [made]


def test_a_run_that_goes_on_is_told_from_where_it_stands(run, library_root):
    made = next(line["run"] for line in run(*MOONS, "--set", "do=error", "--set", "at=3", status=1) if "run" in line)
    rewrite(library_root, made, "")
    began = len(states(library_root, made))
    assert last(run("resume", made), "run")["text"].endswith("failed at step 3; it has no checkpoint and begins at step 0")
    assert states(library_root, made)[began] == State("starting", 3), "what is listed before its checkpoint is loaded"
    lines = run("resume", made, "--steps", "+4")
    assert not [line for line in lines if "finished at step 20" in line.get("text", "")], "it is not finished any more"
    assert last(lines, "done")["step"] == 24


def test_what_a_run_had_done_beyond_its_newest_checkpoint_is_said_to_be_done_again(run, library_root):
    made = last(run(*MOONS, "--set", "steps=20"), "done")["run"]
    folder = RunFolder(RunLayout(library_root / "runs" / made))

    def stands(step, saved):
        folder.save_checkpoint(saved, records.weights(saved), records.state(saved))
        folder.append(State("failed", step, "it was killed"))
        folder.close()

    stands(461, 424)
    told = last(run("resume", made, "--steps", "+5"), "further")["text"]
    assert "from step 461 on to 466 in all" in told and "from the checkpoint at step 424; 37 steps are done again" in told
    stands(461, 424)
    told = last(run("resume", made), "run")["text"]
    assert told.endswith("failed at step 461; it goes on from the checkpoint at step 424; 37 steps are done again")
    stands(193, 500)
    assert last(run("resume", made), "run")["text"].endswith("failed at step 193; it goes on from the checkpoint at step 500")


async def test_a_stop_from_elsewhere_is_one_plain_sentence(scripted, library_root, capsys):
    def asked(*words):
        options = cli.parser().parse_args([*words, "--library", str(library_root)])
        return asyncio.ensure_future(cli._carried_out(options, Reporter(as_json=True)))

    task = asked(*MOONS, "--set", "steps=5000", "--set", "step_s=0.01")
    told = ""
    while "metrics" not in told:
        await asyncio.sleep(0.02)
        told += capsys.readouterr().out
    name = next(line["run"] for line in map(json.loads, told.splitlines()) if "run" in line)
    assert await asked("stop", name) == 0
    assert await task == 130
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ends = [line["text"] for line in lines if line["kind"] in ("done", "error", "state") and "nexus-studio" in line["text"]]
    step = states(library_root, name)[-1].step
    assert ends == [f"stopped from elsewhere at step {step:,}; everything is saved. Go on with: nexus-studio resume {name}"]


def test_a_new_run_knows_the_classes_that_no_item_is_of(run, library_root):
    run("import", "points:density=moons,count=100")
    with Library.open(library_root) as library:
        stored = library.dataset(library.datasets()[0].id)
        stored.edit_many(labels=dict.fromkeys(range(100), 1), classes=("EMPTY", "moon"))
    old = last(run(*MOONS, "--set", "steps=3"), "done")["run"]
    with Library.open(library_root) as library:
        stored.edit(0, label=0)
    new = last(run("resume", old, "--anew"), "done")["run"]
    with Library.open(library_root, own=False) as library:
        assert [library.run(name).record().spec.unseen for name in (old, new)] == [("EMPTY",), ()]


def test_a_run_made_anew_says_where_it_shows_pictures_otherwise_than_the_data_set_does(run, library_root, monkeypatch):
    async def of_pictures(cache, ask):
        return [structs.replace(TOY, modalities=("image",))]

    monkeypatch.setattr(catalogue, "refreshed", of_pictures)
    old = last(run("train", "--family", "toy", "--data", "digits", "--set", "steps=3"), "done")["run"]
    assert not [line for line in run("resume", old, "--anew") if line["kind"] == "shown"], "nothing differs"
    run("edit", "digits", "--set", "resolution=16", "--set", "flip=yes")
    told = last(run("resume", old, "--anew"), "shown")
    assert told["kept"] == {"resolution": 8, "flip": False} and "resolution 8 (of the data set: 16)" in told["text"]
    way = f"nexus-studio resume {old} --anew --set resolution=16 --set flip=yes"
    assert told["text"].endswith(way)
    lines = run(*way.split()[1:])
    assert not [line for line in lines if line["kind"] == "shown"]
    data = RunFolder(RunLayout(library_root / "runs" / last(lines, "done")["run"])).record().data
    assert data["resolution"] == 16 and data["flip"] is True
    assert "Add --anew" in last(run("resume", old, "--set", "flip=yes", status=1), "error")["advice"]


def test_a_batch_larger_than_the_data_makes_no_run(run):
    error = last(run(*MOONS, "--set", "batch_size=5000", status=1), "error")
    assert "batch_size" in error["what"] and "at most 100 (the data have 100 items)" in error["what"]
    assert run("runs") == []


def test_a_worker_that_dies_before_its_first_checkpoint_advises_no_resuming(run):
    lines = run(*MOONS, "--set", "do=leave", "--set", "at=1", status=1)
    assert "resume" not in last(lines, "trouble")["text"] and "removed" in last(lines, "removed")["text"]
