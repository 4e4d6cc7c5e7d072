"""The stated speed of an import: 1,500 pictures a second in all from 256 x 256 JPEG on two cores."""

import time

import numpy as np
import pytest
from PIL import Image

from models_backend.data.importing import import_paths


@pytest.mark.slow
def test_three_thousand_jpegs_in_two_seconds(library_root, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3000):
        coarse = Image.fromarray(rng.integers(0, 256, (10, 10, 3), np.uint8))
        coarse.resize((256, 256), Image.Resampling.BICUBIC).save(tmp_path / f"{i:05d}.jpg", quality=95)
    rates = []
    for attempt in range(2):
        started = time.perf_counter()
        record, _ = import_paths(library_root / str(attempt), [tmp_path])
        rates.append(record.count / (time.perf_counter() - started))
    assert record.count == 3000
    assert max(rates) >= 1500, f"{max(rates):.0f} pictures a second"
