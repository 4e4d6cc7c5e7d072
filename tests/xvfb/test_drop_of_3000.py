"""A folder of mixed pictures, some of them bad in twenty ways, dropped on the real window with the real engine.

What can be read is imported, each bad file is listed with its reason, the originals stay as they were, and the window is
never away for more than a tenth of a second.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mixed_pictures import BAD, CLASSES, OTHERS, Mixed, make

from models_backend.contract.run_layout import LibraryLayout
from models_backend.library.datasets import DatasetFolder
from models_backend.library.fsck import fsck
from models_backend.library.source_paths import as_text

if not hasattr(os, "mkfifo"):
    pytest.skip("bad files of two kinds need a Unix", allow_module_level=True)

HERE = Path(__file__).parent
LONGEST_GAP_MS = 100.0
#: code -> what its reason must say
REASONS = {
    "empty": "no bytes", "truncated": "ends|truncated", "damaged": "damaged|check sum|cannot be decoded|says that it has",
    "too-large": "more than the limit of 100 megapixels", "not-a-picture": "not a picture", "unsupported": "HEIC .* not read",
    "special-file": "device, pipe or socket", "gone": "not there any more",
}  # fmt: skip


def state_of(folder: Path) -> dict[str, tuple]:
    """Every entry below a folder: hash of its bytes, mode, times of change."""
    state = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        state[str(path)] = (content, status.st_mode, status.st_mtime_ns, status.st_ctime_ns)
    return state


def dropped(library_root: Path, tmp_path: Path, paths: list[Path], **environment: str) -> dict:
    """What the window's own process tells after the drop."""
    answer, errors = tmp_path / "answer.json", tmp_path / "errors.txt"
    command = [sys.executable, str(HERE / "drop_in_window.py"), "--library", str(library_root), "--answer", str(answer)]
    if kept := os.environ.get("NEXUS_PICTURES"):
        command += ["--picture", str(Path(kept) / f"drop-of-{len(paths)}.png")]
    with errors.open("wb") as file:
        status = subprocess.run(
            [*command, *map(str, paths)], env=os.environ | environment, stderr=file, check=False, timeout=170
        )
    assert status.returncode == 0 and "Traceback" not in errors.read_text(), errors.read_text()
    return json.loads(answer.read_text())


def check_library(library_root: Path, told: dict, mixed: Mixed, before: dict) -> None:
    """Every good picture is in the data set as what it shows; every bad one is in the report with its reason."""
    folder = DatasetFolder(LibraryLayout(library_root).dataset(told["dataset"]))
    items, report = folder.items(), folder.report()
    assert {item.source for item in items} == {as_text(path) for path in mixed.good}
    assert len(items) == report.imported == len(mixed.good)
    assert report.found == len(mixed.good) + len(mixed.bad) and not report.ignored
    assert {line.source: line.code for line in report.unreadable} == {as_text(path): code for path, code in mixed.bad.items()}
    assert len(report.unreadable) == len(mixed.bad)
    for line in report.unreadable:
        assert re.search(REASONS[line.code], line.reason), f"{line.source}: {line.reason}"
    seen = {as_text(path): picture for path, picture in mixed.good.items()}
    rows = np.load(LibraryLayout(library_root).dataset(told["dataset"]).cache / "thumbs.npy", mmap_mode="r")
    for row, item in zip(rows, items):
        assert np.abs(row.astype(int) - seen[item.source]).mean() < 12, item.source
        assert item.sha256 == before[item.source][0]
    if len(CLASSES) == len(folder.record().classes):
        assert all(folder.record().classes[item.label] == item.source.split("/")[-2] for item in items)


def check_window(told: dict, mixed: Mixed) -> None:
    """The Data panel shows the new data set and its report; nothing is left under way."""
    assert told["troubles"] == [] and told["jobs_left"] == 0
    assert told["workspace"] == "data" and told["grid_visible"] and told["shown"] == len(mixed.good)
    assert told["list_visible"] and {source: code for source, code, _ in told["listed"]} == {
        as_text(path): code for path, code in mixed.bad.items()
    }
    assert max(told["busy_ms"]) <= LONGEST_GAP_MS
    shares = told["progress"]
    assert shares and shares == sorted(shares) and shares[-1] == 1.0


def say(told: dict, mixed: Mixed) -> None:
    gaps, count = told["gaps_ms"], len(mixed.good) + len(mixed.bad)
    print(
        f"\n{count} files in {told['took_s']:.2f} s from the drop to the sight of them, {count / told['took_s']:.0f} a second"
    )
    print(f"event loop: {len(gaps)} beats, longest gap {gaps[-1]:.1f} ms, 99 % under {gaps[int(len(gaps) * 0.99)]:.1f} ms")
    print(f"the window's thread was busy for {max(told['busy_ms']):.1f} ms at most between two beats")
    print(f"bad: {dict(Counter(mixed.bad.values()))}")


def test_three_hundred_files_twenty_of_them_bad(library_root, tmp_path):
    mixed = make(tmp_path / "pictures", 280, 20)
    before = state_of(tmp_path / "pictures")
    told = dropped(library_root, tmp_path, [tmp_path / "pictures"], QT_QPA_PLATFORM="offscreen")
    say(told, mixed)
    check_library(library_root, told, mixed, before)
    check_window(told, mixed)
    assert state_of(tmp_path / "pictures") == before
    assert [finding for finding in fsck(library_root) if finding.level != "note"] == []


@pytest.mark.slow
@pytest.mark.xvfb
@pytest.mark.parametrize("what", ["a folder", "single files"])
def test_three_thousand_files_forty_of_them_bad(screen, library_root, tmp_path, what):
    mixed = make(tmp_path / "pictures", 2960, 40)
    assert len(BAD) == 20 and set(Counter(re.sub(r"^.*/\d+-", "", path) for path in mixed.bad).values()) == {2}
    assert len(mixed.good) == 2960 and len(OTHERS) > 20
    before = state_of(tmp_path / "pictures")
    paths = [tmp_path / "pictures"] if what == "a folder" else [Path(path) for path in before if not Path(path).is_dir()]
    told = dropped(library_root, tmp_path, paths, QT_QPA_PLATFORM="xcb", DISPLAY=screen)
    say(told, mixed)
    check_library(library_root, told, mixed, before)
    check_window(told, mixed)
    assert state_of(tmp_path / "pictures") == before
    assert [finding for finding in fsck(library_root) if finding.level != "note"] == []
    assert told["platform"] == "xcb"
    assert told["gaps_ms"][-1] <= LONGEST_GAP_MS
