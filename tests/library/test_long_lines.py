"""A line of events that no event can be: read in time and memory that its length does not square, and told as damaged."""

import time
import tracemalloc

import pytest

from models_backend.contract.messages import Mark, State, TroubleError
from models_backend.library import events
from models_backend.library.events import EventLog, backwards, last_sequence, last_state, read_events


def logged(path, *bodies):
    log = EventLog(path, "run")
    for body in bodies:
        log.append(body)
    log.close()


def test_a_long_line_is_passed_over_in_little_memory(tmp_path):
    path = tmp_path / "events.jsonl"
    logged(path, State("stopped", 3))
    with path.open("ab") as file:
        file.write(b'{"seq":2,"x":"')
        for _ in range(64):
            file.write(b"y" * (1 << 20))
        file.write(b'"}\n')
    begun = time.process_time()
    tracemalloc.start()
    state, step = last_state(path)
    assert (state.state, step, last_sequence(path)) == ("stopped", 3, 2)
    logged(path, Mark(4, "after"))
    assert [len(line) < 200 for line in backwards(path)] == [True] * 3
    with pytest.raises(TroubleError, match="a line is damaged"):
        list(read_events(path))
    assert tracemalloc.get_traced_memory()[1] < 40 << 20 and time.process_time() - begun < 8
    tracemalloc.stop()


@pytest.mark.parametrize("size", [1, 79, 80, 4095, 4096, 4097, 70_000, 200_000])
@pytest.mark.parametrize("torn", [b"", b"half a line"])
def test_backwards_gives_the_whole_lines_whatever_their_lengths(tmp_path, monkeypatch, size, torn):
    monkeypatch.setattr(events, "_BLOCK", 4096)
    lines = [b"%d:" % n + b"x" * (size * n % 9000) for n in range(1, 30)]
    (tmp_path / "log").write_bytes(b"\n".join(lines) + b"\n" + torn)
    assert list(backwards(tmp_path / "log")) == lines[::-1]


@pytest.mark.parametrize("offset", range(-2, 3))
def test_the_head_of_a_long_line_is_whole_wherever_blocks_end(tmp_path, monkeypatch, offset):
    monkeypatch.setattr(events, "_BLOCK", 256)
    monkeypatch.setattr(events, "LONGEST", 1024)
    line = b'{"seq":77,"time":1.0,' + b"z" * (256 * 9 + offset)
    (tmp_path / "log").write_bytes(b"a\n" + line + b"\nb\n")
    found = list(backwards(tmp_path / "log"))
    assert (found[0], found[2]) == (b"b", b"a") and found[1][:20] == line[:20] and len(found[1]) < 1024
    with (tmp_path / "log").open("rb") as file:
        assert [len(one) for one in events.lines_of(file)] == [2, 81, 2]


@pytest.mark.parametrize(
    "line", [b'{"seq":1,' + b"[" * 100_000, b'{"seq":1,"body":' + b"9" * 5000 + b"}", b"\xff\xfe", b"null", b"[]"]
)
def test_a_line_that_decoders_stumble_over_is_damaged(tmp_path, line):
    (tmp_path / "events.jsonl").write_bytes(line + b"\n")
    with pytest.raises(TroubleError, match="a line is damaged"):
        list(read_events(tmp_path / "events.jsonl"))
