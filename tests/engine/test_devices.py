"""Devices without torch."""

from models_backend.engine import devices

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
