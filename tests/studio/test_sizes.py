"""No size follows text: every workspace in its states, with the longest names, at three window sizes and three text sizes."""

import pytest
from layout_faults import layout_faults
from long_names import HUGE, NO_SPACE, REAL, give_long_names
from scripted_window import scripted_window, turn

from models_backend.contract.messages import Trouble
from nexus_studio import theme
from nexus_studio.main_window import WORKSPACES

SIZES = ((1024, 700), (1440, 900), (1920, 1080))
TROUBLE = Trouble(HUGE, REAL, "Everything is kept. " * 20, NO_SPACE, "Traceback\n" + "  at the end of a line " * 400)


async def faults_at_every_size(window, state: str) -> list[str]:
    found = []
    for width, height in SIZES:
        window.resize(width, height)
        wrong = await lasting_faults(window)
        if (window.width(), window.height()) != (width, height):
            wrong.append(f"the window became {window.width()} x {window.height()}")
        found += [f"{state} at {width} x {height}: {fault}" for fault in wrong]
    return found


async def lasting_faults(window) -> list[str]:
    """What is wrong once the window has come to rest."""
    wrong: list[str] = []
    for pause in (0.04, 0.2, 0.5):
        await turn(pause)
        wrong = layout_faults(window)
        if not wrong:
            break
    return wrong


@pytest.fixture
def text_size(qapp):
    """Sets a text size, in steps of pixels; the usual one comes back."""
    yield lambda step: theme.apply(qapp, "dark", (theme.BASE_PX + step) / theme.BASE_PX)
    theme.apply(qapp, "dark")


@pytest.mark.parametrize("step", (-2, 0, 6))
async def test_nothing_is_cut_in_any_workspace(qapp, tmp_path, text_size, step):
    async with scripted_window(tmp_path, prepare=give_long_names) as window:
        text_size(step)
        found = []
        for key, _, _ in WORKSPACES:
            window.show_workspace(key)
            await turn(0.2)
            found += await faults_at_every_size(window, key)
        assert not found, "\n".join(found)
