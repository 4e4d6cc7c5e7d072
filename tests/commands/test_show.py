"""``show``: a run as it stands, and several side by side; what ``train`` says of a run at its end."""

# ruff: noqa: F811  fixtures of another file
import io
import json
from types import SimpleNamespace

import msgspec
import pytest
from library import records
from test_cli import TOY, last, run, scripted  # noqa: F401

from models_backend import cli
from models_backend.commands import training
from models_backend.commands.showing import written
from models_backend.contract.differing import flat
from models_backend.contract.fields import FieldSpec
from models_backend.contract.messages import Event, Health, HealthLine, Metrics, Remedy, State
from models_backend.contract.run_layout import RunLayout
from models_backend.engine.engine import Engine
from models_backend.engine.terminal import Reporter
from models_backend.library import storage
from models_backend.library.library import Library
from models_backend.library.runs import RunFolder
from models_backend.library.standings import standing

MOONS = ("train", "--family", "toy", "--data", "points:density=moons,count=100")
NOISE = HealthLine("samples", "bad", "samples are no better than noise", Remedy("Train a run twice as long"))
FINE = HealthLine("loss_trend", "ok", "the loss falls")


def trained(run, library_root, steps=20, held_out=0.5):
    """A run with a checkpoint of 12 parameters, a held-out loss, health and an evaluation."""
    made = last(run(*MOONS, "--set", f"steps={steps}"), "done")["run"]
    folder = RunFolder(RunLayout(library_root / "runs" / made))
    header = json.dumps({"weight": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}}).encode()
    net = len(header).to_bytes(8, "little") + header + bytes(48)
    files = {"net.safetensors": net, "ema-net.safetensors": net, "optimiser.safetensors": net}
    folder.save_checkpoint(steps, files, records.state(steps))
    for body in (Metrics(10, {"validation": 0.25}), Metrics(steps, {"validation": held_out}), Health(steps, [FINE, NOISE])):
        folder.append(body)
    folder.close()
    kept = {"figures": {"w2": held_out, "mmd": -0.0, "health_samples": 2.0}, "health": {"samples": NOISE.text}, "step": steps,
            "count": 60, "seed": 3, "sampling": {"sampler": {"type": "ddim"}, "steps": 6}, "checkpoint": ""}  # fmt: skip
    storage.write_json(folder.layout.evaluation, kept)
    return made


def printed(capsys, library_root, *words):
    assert cli.main([*words, "--library", str(library_root)]) == 0
    return capsys.readouterr()


def test_everything_that_is_kept_of_a_run_is_shown_in_words(run, library_root, capsys):
    made = trained(run, library_root)
    lines = [line.strip() for line in printed(capsys, library_root, "show", made).out.splitlines()]
    for line in ("parameters: 12", "held-out loss: 0.5 at step 20", "lowest held-out loss: 0.25 at step 10", "parts: none",
                 "health at step 20, trouble: samples are no better than noise. Train a run twice as long", "extended: none",
                 "checkpoints: step-000000020"):  # fmt: skip
        assert line in lines
    assert any(line.startswith("loss: ") for line in lines) and any(line.startswith("time: ") for line in lines)
    head = next(line for line in lines if line.startswith("evaluation of"))
    assert f"({made}): checkpoint of step 20, weights averaged (EMA); 60 items made, seed 3; ddim in 6 steps" in head
    assert any(line.split()[:2] == ["w2", "0.5"] for line in lines)
    assert any(line.split()[:2] == ["mmd", "0"] for line in lines), "and not -0"
    assert not [line for line in lines if any(sign in line for sign in ("{", "()", "True", "None"))]
    assert {"parameters", "time", "loss", "held_out_loss", "config"} <= {key for line in run("show", made) for key in line}


def test_settings_that_nobody_set_are_shown_as_they_are_in_effect(run, library_root, monkeypatch):
    made = last(run(*MOONS, "--set", "optimiser=sgd"), "done")["run"]
    other = last(run(*MOONS, "--set", "optimiser=sgd", "--set", "optimiser.momentum=0.9"), "done")["run"]
    kept = RunFolder(RunLayout(library_root / "runs" / made)).record().training["optimiser"]
    shown = next(line["training"] for line in run("show", made) if "training" in line)["optimiser"]
    assert kept == {"type": "sgd"} and shown == {"type": "sgd", "momentum": 0.9, "weight_decay": 0.0}
    rows = {line["name"] for line in run("show", made, other) if "values" in line}
    assert not [name for name in rows if name.startswith("training")], "what is the same, said or not, does not differ"
    grown = FieldSpec("config", "group", fields=(*TOY.config.fields, FieldSpec("came_since", "int", default=3)))
    monkeypatch.setattr(Engine, "descriptions", lambda self: [msgspec.structs.replace(TOY, config=grown)])
    assert next(line["config"] for line in run("show", made) if "config" in line)["came_since"] == 3


def test_runs_tell_the_steps_that_another_process_asked_for(run, library_root):
    made = last(run(*MOONS, "--set", "steps=20"), "done")["run"]
    beside = Library.open(library_root, own=False).run(made)
    beside.extend(600)
    beside.close()
    (listed,) = (line for line in run("runs") if line.get("id") == made)
    assert (listed["step"], listed["steps"]) == (20, 600)


def test_the_data_of_runs_are_shown_by_title_and_id(run, library_root, capsys):
    one = last(run(*MOONS), "done")["run"]
    two = last(run("train", "--family", "toy", "--data", "points:density=rings,count=100"), "done")["run"]
    ids = [RunFolder(RunLayout(library_root / "runs" / made)).record().dataset for made in (one, two)]
    run("edit", ids[0], "--title", "my moons")
    assert f"  dataset: my moons ({ids[0]})" in printed(capsys, library_root, "show", one).out
    assert next(line["dataset"] for line in run("show", one) if "dataset" in line) == ids[0]
    rows = {line["name"]: line["values"] for line in run("show", one, two) if "values" in line}
    assert rows["dataset"] == ids and rows["data set"][0] == "my moons" and len(set(rows["data set"])) == 2
    run("delete", ids[0])
    assert f"  dataset: {ids[0]}" in printed(capsys, library_root, "show", one).out


def test_several_runs_are_compared_by_what_differs_and_what_was_measured(run, library_root, capsys):
    one, two = trained(run, library_root), trained(run, library_root, steps=30, held_out=0.125)
    rows = {line["name"]: line["values"] for line in run("show", one, two) if "values" in line}
    assert rows["id"] == [one, two] and rows["training.steps"] == ["20", "30"]
    assert not {"training.batch_size", "family", "dataset"} & set(rows), "what is the same is not repeated"
    assert rows["held-out loss"] == ["0.5 at step 20", "0.125 at step 30"] and rows["w2"] == ["0.5", "0.125"]
    assert rows["health"] == ["samples: trouble"] * 2
    table = printed(capsys, library_root, "show", one, two).out.splitlines()
    assert (
        len({line.index("20" if "20" in line else "0.5") for line in table if line.startswith(("training.steps", "w2"))}) == 1
    )


def test_settings_are_written_as_set_takes_them():
    group = {"steps": 5, "optimiser": {"type": "adamw", "beta1": 0.9}, "flip": False, "tags": [], "none": {}}
    assert flat(group) == {"steps": 5, "optimiser": "adamw", "optimiser.beta1": 0.9, "flip": False, "tags": [], "none": {}}
    assert written(group) == "steps=5, optimiser=adamw, optimiser.beta1=0.9, flip=no, tags=none, none=none"


def test_time_in_training_leaves_out_pauses_and_what_came_after_a_kill(tmp_path):
    told = [(100, State("running", 0)), (130, Metrics(5, {"loss": 1.0})), (140, State("paused", 6)), (900, State("running", 6)),
            (910, Metrics(7, {"loss": 0.5})), (99_000, State("starting", 7)), (99_010, State("running", 0)),
            (99_020, State("finished", 9))]  # fmt: skip
    folder = SimpleNamespace(events=lambda: (Event(1, at, "run", body) for at, body in told))
    found = standing(folder)
    assert found.seconds == pytest.approx(40 + 10 + 60 + 10) and found.loss == (7, 0.5)


@pytest.mark.parametrize("line, said", [(NOISE, "trouble: samples are no better than noise. Train"), (FINE, ": healthy")])
def test_a_training_tells_the_held_out_loss_and_its_health_at_the_end(line, said):
    err = io.StringIO()
    follower = training.Follower(Reporter(err=err), SimpleNamespace(id="run", steps=9))
    told = [Metrics(0, {"validation": 1.0}), Metrics(9, {"validation": 0.123456}), Health(9, [line])]
    for body in told:
        follower.hear(Event(1, 0.0, "run", body))
    assert err.getvalue().splitlines() == ["before training: held-out loss 1", "step 9: held-out loss 0.12346"]
    follower.hear(Event(1, 0.0, "run", State("finished", 9)))
    assert said in err.getvalue().splitlines()[2]


def test_the_lowest_held_out_loss_is_one_that_was_weighed_as_the_newest(run, library_root):
    made = trained(run, library_root)
    folder = RunFolder(RunLayout(library_root / "runs" / made))
    assert standing(folder).lowest == (10, 0.25)
    folder.append(Health(20, [FINE], since=15))
    folder.close()
    assert standing(folder).lowest == (20, 0.5)


def test_health_is_told_to_scripts_as_it_is_told_in_words(run, library_root):
    made = trained(run, library_root)
    told = run("show", made)
    assert {"step": 20, "state": "trouble", "monitor": "samples", "sentence": NOISE.text, "remedy": NOISE.remedy.text} in [
        one["health"] for one in told if "health" in one
    ]
    assert all(set(one) - {"kind"} for one in told), "no line is empty"
    folder = RunFolder(RunLayout(library_root / "runs" / made))
    folder.append(Health(20, [FINE]))
    folder.close()
    [fine] = [one["health"] for one in run("show", made) if "health" in one]
    assert (fine["state"], fine["step"], fine["remedy"]) == ("healthy", 20, "")


def test_a_line_of_words_alone_is_told_to_scripts_with_its_words(capsys):
    Reporter(as_json=True).result("  it follows nothing")
    assert json.loads(capsys.readouterr().out) == {"kind": "result", "text": "it follows nothing"}
