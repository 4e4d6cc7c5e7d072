"""Devices without torch."""

import pytest

from models_backend.contract.messages import TroubleError
from models_backend.engine import devices
from models_backend.workers import __main__ as workers

SMI = """0, NVIDIA H200, 143771, 1024, 37
1, NVIDIA H200, 143771, [N/A], [N/A]
No devices were found
2, Broken, [N/A], 0, 0
"""


def test_the_tools_table_is_read_and_what_is_not_whole_left_out():
    first, second = devices.parse_smi(SMI)
    assert (first.key, first.name, first.total_mb, first.used_mb, first.load) == ("cuda:0", "NVIDIA H200", 143771, 1024, 0.37)
    assert (second.key, second.used_mb, second.load) == ("cuda:1", 0, 0)


async def test_the_processor_comes_first_with_its_memory():
    found = await devices.devices()
    assert found[0].key == "cpu" and 0 < found[0].used_mb < found[0].total_mb


async def test_a_device_that_is_not_listed_is_asked_of_torch_and_told_with_those_that_are(monkeypatch):
    asked = []

    async def known(key):
        asked.append(key)
        return key == "xpu:0"

    monkeypatch.setattr(devices, "_known_to_torch", known)
    monkeypatch.setattr(devices, "_cpu_build", lambda: False)
    for key in ("", "cpu", "xpu:0"):
        await devices.check(key)
    with pytest.raises(TroubleError, match=r"gpu: this device is not there.*Choose one of cpu"):
        await devices.check("gpu")
    assert asked == ["xpu:0", "gpu"]


def test_a_worker_tells_by_its_status_whether_torch_has_a_device():
    assert [workers.main(["device", "--", name]) for name in ("cpu", "cuda:99", "nonsense")] == [0, 1, 1]
