"""What the window measures of itself."""

import subprocess
import sys
import time

import pytest

from nexus_studio import measuring


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the system keeps start times by the second")
def test_the_age_of_a_process_is_exact():
    code = "import time; time.sleep(0.4); from nexus_studio.measuring import started_s; print(started_s(), time.time())"
    before = time.time()
    age, then = map(float, subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split())
    assert 0.4 <= age <= then - before + 0.02


def test_resident_memory_is_in_megabytes():
    assert 20 < measuring.resident_mb() < 4000
