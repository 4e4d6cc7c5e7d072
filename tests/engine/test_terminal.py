"""What commands print: a bar only on a terminal, valid JSON lines for scripts."""

import io
import json

import pytest

from models_backend.commands.telling import teller
from models_backend.contract.messages import Progress, Trouble, TroubleError
from models_backend.contract.pace import Pace
from models_backend.engine.terminal import Reporter, duration, visible
from models_backend.workers.troubles import trouble_of


class Terminal(io.StringIO):
    def isatty(self):
        return True


def paced(*steps, each_s=1.0):
    pace = Pace()
    for step in steps:
        pace.mark(step * each_s, step)
    return pace


def test_a_terminal_sees_a_bar_that_is_cleared_before_the_result():
    out, err = io.StringIO(), Terminal()
    reporter = Reporter(out=out, err=err)
    reporter.progress(5, 10, "loss 0.1", paced(1, 2, 3, 4, each_s=60))
    reporter.result("samples are in X")
    assert "5/10 · 0.0167/s · 5 m 00 s left · loss 0.1" in err.getvalue() and "█" in err.getvalue()
    assert err.getvalue().endswith("\r\x1b[2K")
    assert out.getvalue() == "samples are in X\n"


@pytest.mark.parametrize(("columns", "bar"), [(90, 24), (70, 14), (60, 4), (56, 0), (40, 0)])
def test_in_a_narrow_terminal_the_bar_gives_way_to_the_figures(monkeypatch, columns, bar):
    monkeypatch.setenv("COLUMNS", str(columns))
    err, pace = Terminal(), paced(12_000, 12_001, 12_002, 12_003, each_s=0.0175)
    Reporter(out=io.StringIO(), err=err).progress(15_000, 30_000, "loss 0.1234", pace, begins=True)
    line = err.getvalue().removeprefix("\r\x1b[2K")
    assert ("15,000/30,000" if columns > 52 else "50%") in line
    for figure in ("57.1/s", "4 m 22 s", "loss 0.1234"):
        assert figure in line
    assert len(line) < columns
    assert len(line) - len(line.lstrip(" █")) == (bar and 2 + bar + 1)
    assert line.count("█") == bar // 2


def test_a_log_file_gets_few_plain_lines():
    err = io.StringIO()
    reporter = Reporter(err=err, out=io.StringIO())
    for done in range(1, 101):
        reporter.progress(done, 100, "", Pace())
    assert "\r" not in err.getvalue()
    assert len(err.getvalue().splitlines()) == 2


def test_a_log_file_is_told_every_stage_at_once():
    err = io.StringIO()
    tell = teller(Reporter(err=err, out=io.StringIO()))
    for stage in ("making", "training the reader"):
        for done in range(50):
            tell(Progress(done, 100, stage))
    assert err.getvalue().splitlines() == ["  0 of 100 · making", "  0 of 100 · training the reader"]


def test_json_lines_hold_everything():
    out, err = io.StringIO(), io.StringIO()
    reporter = Reporter(as_json=True, out=out, err=err, every_s=0)
    reporter.note("importing")
    reporter.progress(1, 2, "half", Pace())
    reporter.progress(4, 9, "", paced(1, 2, 3, 4, each_s=2.0))
    reporter.result("", path="a.png")
    reporter.error(Trouble("is not a picture", item="b.png"))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["kind"] for line in lines] == ["note", "progress", "progress", "result", "error"]
    assert [line["left_s"] for line in lines[1:3]] == [0.0, 10.0]
    assert err.getvalue() == ""


@pytest.mark.parametrize(("seconds", "text"), [(48.2, "48 s"), (276, "4 m 36 s"), (7500, "2 h 05 m")])
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


SEEN = {
    "a\x1b]0;owned\x07\x1b[2J.png": r"a\x1b]0;owned\x07\x1b[2J.png",
    "\u202egnp.exe\u2066": r"\u202egnp.exe\u2066",
    "\x9b31m\x7f\r": r"\x9b31m\x7f\r",
    "zero\u200bwidth\ufeff": r"zero\u200bwidth\ufeff",
    "half \udce9": r"half \udce9",
    "\U000e0041": r"\U000e0041",
    "two\nlines, Zoë, 数, עברית, می\u200cخواهم, 👩\u200d🎨": "two\nlines, Zoë, 数, עברית, می\u200cخواهم, 👩\u200d🎨",
}


@pytest.mark.parametrize("name", SEEN)
def test_what_a_terminal_would_act_on_is_shown_escaped_on_every_way_to_it(name):
    out, err = io.StringIO(), io.StringIO()
    reporter = Reporter(out=out, err=err, every_s=0)
    for way in (reporter.note, reporter.result, reporter.done, lambda text: reporter.progress(1, 2, text, Pace())):
        way(name)
    reporter.error(Trouble(name, name, name, name))
    told = out.getvalue() + err.getvalue()
    assert told.count(SEEN[name]) >= 5 and visible(name) == SEEN[name]
    assert name == SEEN[name] or name not in told


@pytest.mark.parametrize("as_json", [False, True])
def test_advice_that_has_a_command_names_it_on_the_terminal_and_not_in_the_window(as_json):
    """Also where a worker tells it."""
    out, err = io.StringIO(), io.StringIO()
    told = trouble_of(TroubleError("it was deleted", "run-a", advice="Restore it from the trash", command="`x restore` does"))
    assert told.advice == "Restore it from the trash" and "Restore it from the trash" in str(told)
    Reporter(as_json=as_json, out=out, err=err).error(told)
    said = out.getvalue() + err.getvalue()
    assert "`x restore` does" in said and "trash" not in said
    plain = Trouble("it was deleted", advice="Import it again")
    assert plain.on_terminal() == plain
