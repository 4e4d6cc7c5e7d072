"""Small presets follow captioned data of other renderers: what the sets hold, and (slow) what is learned from them."""

from __future__ import annotations

import caption_judge
import captioned_sets
import following_words
import numpy as np
import pytest

from models_backend.cli import main as nexus_studio
from models_backend.library.library import Library

#: What a small preset must reach, as a share of samples of which colour, place and shape are all as asked.
JOINT = 0.85
FOLLOWED = [("mmdit", "soft")]


@pytest.mark.parametrize("name", captioned_sets.SETS)
def test_a_set_is_a_function_of_its_seed_and_its_captions_say_its_factors(name):
    words, one = captioned_sets.SETS[name], captioned_sets.make(name, 40, 1)
    again, other = captioned_sets.make(name, 40, 1), captioned_sets.make(name, 40, 2)
    assert np.array_equal(one.pictures, again.pictures) and one.captions == again.captions
    assert not np.array_equal(one.pictures, other.pictures) and one.pictures.shape == (40, 32, 32, 3)
    for caption, row in zip(one.captions, one.factors, strict=True):
        said = [words.of(factor)[k] for factor, k in zip(captioned_sets.FACTORS, row, strict=True)]
        assert all(word in caption for word in said), caption


@pytest.mark.parametrize("name", captioned_sets.SETS)
def test_a_folder_of_a_set_is_imported_with_every_caption(name, tmp_path, library_root):
    made = captioned_sets.write(name, tmp_path / "pictures", 24)
    assert nexus_studio(["import", str(tmp_path / "pictures"), "--library", str(library_root)]) == 0
    with Library.open(library_root) as library:
        (record,) = library.datasets()
        items = library.dataset(record.id).items()
    assert sorted(item.caption for item in items) == sorted(made.captions) and record.captioned


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", captioned_sets.SETS)
def test_the_judge_is_sure_of_real_pictures_and_of_no_others(name):
    assert caption_judge.on_real(name)["joint"] >= 0.95
    real = captioned_sets.make(name, 400, caption_judge.TESTED)
    swapped = np.roll(real.factors, 1, axis=0)
    assert caption_judge.judged(name, real.pictures, swapped)["joint"] <= 0.03


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("family", "name"), FOLLOWED)
def test_a_small_preset_follows_captions_of_another_renderer(family, name, tmp_path):
    run, _ = following_words.train(tmp_path / "library", family, name, [])
    assert following_words.followed(tmp_path / "library", run, name, {})["joint"] >= JOINT
