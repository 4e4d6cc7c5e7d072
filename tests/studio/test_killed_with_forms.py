"""The process of the window is killed with every form filled in: the next window has all of it again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_window import scripted_window, settle

SCRIPT = Path(__file__).with_name("filled_forms.py")
RUN = "denoiser-small"

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")


@pytest.mark.timeout(120)
async def test_everything_that_was_typed_and_chosen_is_there_after_a_real_kill(qapp, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[1])}
    with subprocess.Popen([sys.executable, str(SCRIPT), str(tmp_path)], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"filled\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    async with scripted_window(tmp_path, preferences=tmp_path / "kept.json") as window:
        panel = window.workspace
        assert window.current == "gallery"
        await settle(lambda: panel("gallery").tiles.total > 0 or panel("gallery").search.text())
        assert panel("gallery").search.text() == "small"
        for key in ("data", "train", "sample", "trajectory"):
            window.show_workspace(key)
        items, training = panel("data").items, panel("train").setup
        await settle(lambda: items.grid.current() >= 0 and panel("train").samples.grid.current() >= 0)
        assert items.filter.currentData() == "train" and items.grid.current() == 4
        assert window.session.catalogue.current == "flow" and training.title.text() == "My flow"
        assert training.values("training")["steps"] == 777
        assert panel("train").samples.grid.current() == panel("train").samples._columns + 2
        sample, controls = panel("sample").setup, panel("trajectory").controls
        assert sample.run.title == RUN and sample.seeds.line.text() == "7, 12-14" and sample.count.value() == 9
        assert controls.run.title == RUN and controls.seed.value() == 41 and controls.form_a.values()["steps"] == 21
