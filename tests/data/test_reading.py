"""Reading and the cache: splits, order, batches, edits, a build that is killed and goes on, sources that are gone."""

import shutil

import numpy as np
import pytest
from bad_files import make_good

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import Item, LibraryLayout
from models_backend.contract.settings import DataSettings
from models_backend.data import cache
from models_backend.data.builtin import make
from models_backend.data.folder import assign_splits, mark_exact_duplicates
from models_backend.data.importing import import_paths
from models_backend.data.reading import default_settings, open_data, order
from models_backend.data.watch import Cancelled
from models_backend.library import storage
from models_backend.library.datasets import DatasetFolder


def test_pictures_come_as_floats_channels_first(library_root):
    data = open_data(library_root, make(library_root, "shapes:size=16,count=30").id)
    batch, raw = data.train.take([3, 1, 1]), data.train.raw([3, 1, 1])
    assert batch.shape == (3, 3, 16, 16) and batch.dtype == np.float32 and batch.flags["C_CONTIGUOUS"]
    assert np.allclose((batch.transpose(0, 2, 3, 1) + 1) * 127.5, raw, atol=1e-3)
    assert np.array_equal(batch[1], batch[2])
    assert not set(data.train.positions) & set(data.validation.positions)


def test_flips_are_the_generators_choice_and_never_in_validation(library_root):
    record = make(library_root, "shapes:size=16,count=200")
    data = open_data(library_root, record.id, DataSettings(resolution=16, flip=True))
    plain = data.train.take(range(100))
    mirrored = data.train.take(range(100), np.random.default_rng(0))
    again = data.train.take(range(100), np.random.default_rng(0))
    assert np.array_equal(mirrored, again)
    same = [np.array_equal(a, b) for a, b in zip(mirrored, plain)]
    turned = [np.array_equal(a, b[..., ::-1]) for a, b in zip(mirrored, plain)]
    assert all(s or t for s, t in zip(same, turned)) and 30 < sum(turned) < 70
    held_out = data.validation.take([0], np.random.default_rng(0))
    assert np.array_equal(held_out, data.validation.take([0]))


def test_order_is_a_permutation_that_depends_on_seed_and_epoch():
    first = order(3, 0, 100)
    assert np.array_equal(np.sort(first), np.arange(100))
    assert np.array_equal(first, order(3, 0, 100))
    assert not np.array_equal(first, order(3, 1, 100)) and not np.array_equal(first, order(4, 0, 100))


def test_grey_and_colour_whatever_the_data_are(library_root):
    digits, coloured = make(library_root, "digits"), make(library_root, "shapes:size=16,count=20")
    as_rgb = open_data(library_root, digits.id, DataSettings(resolution=16, channels="rgb")).train.raw([0, 1])
    assert as_rgb.shape == (2, 16, 16, 3) and np.ptp(as_rgb, axis=3).max() == 0
    as_grey = open_data(library_root, coloured.id, DataSettings(resolution=16, channels="grey")).train.raw([0])[0, ..., 0]
    full = open_data(library_root, coloured.id, DataSettings(resolution=16)).train.raw([0])[0]
    assert np.abs(full @ [0.299, 0.587, 0.114] - as_grey).max() <= 0.51


def test_a_data_set_without_settings_keeps_its_size(library_root):
    assert default_settings(make(library_root, "digits")).resolution == 8
    assert default_settings(make(library_root, "shapes:size=128,count=3")).resolution == 64


def test_edits_are_seen_and_change_the_fingerprint(library_root):
    record = make(library_root, "shapes:size=16,count=30")
    before = open_data(library_root, record.id)
    position = int(before.train.positions[0])
    DatasetFolder(LibraryLayout(library_root).dataset(record.id)).edit(position, caption="an edited caption", label=0)
    after = open_data(library_root, record.id)
    assert after.train.captions[0] == "an edited caption" and after.train.labels[0] == 0
    assert after.spec.fingerprint != before.spec.fingerprint


def test_a_data_set_that_is_gone_is_named(library_root):
    with pytest.raises(TroubleError, match="feedbeef"):
        open_data(library_root, "feedbeef")


# ------------------------------------------------------------------------------------------------ splits


def test_duplicates_never_straddle_the_split():
    rng = np.random.default_rng(0)
    items = [Item(str(i), rng.bytes(32).hex()) for i in range(2000)]
    copies = [Item(f"copy {i}", items[i].sha256) for i in range(0, 2000, 2)]
    items += copies
    assert mark_exact_duplicates(items) == 1000
    assign_splits(items)
    for i, item in enumerate(items[2000:]):
        assert item.duplicate_of == 2 * i and item.exact and item.split == items[2 * i].split
    share = np.mean([item.split == "validation" for item in items])
    assert 0.07 < share < 0.13


def test_the_split_follows_content_not_order():
    items = [Item(str(i), np.random.default_rng(i).bytes(32).hex()) for i in range(300)]
    assign_splits(items)
    by_hash = {item.sha256: item.split for item in items}
    shuffled = [Item(item.source, item.sha256) for item in reversed(items)]
    assign_splits(shuffled)
    assert all(by_hash[item.sha256] == item.split for item in shuffled)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_small_data_have_something_to_train_on_and_something_held_out(count):
    items = [Item(str(i), np.random.default_rng(i).bytes(32).hex()) for i in range(count)]
    assign_splits(items)
    splits = {item.split for item in items}
    assert splits == ({"train"} if count == 1 else {"train", "validation"})


# ------------------------------------------------------------------------------------------------ the cache


@pytest.fixture
def imported(library_root, tmp_path):
    make_good(tmp_path / "set", 50)
    return import_paths(library_root, [tmp_path / "set"])[0]


def test_a_build_that_was_killed_goes_on_where_it_was(library_root, imported, monkeypatch):
    monkeypatch.setattr(cache, "SHARD", 10)
    settings = DataSettings(resolution=20)
    asked = iter([False] * 5)
    with pytest.raises(Cancelled):
        open_data(library_root, imported.id, settings, cancelled=lambda: next(asked, True))
    parts = LibraryLayout(library_root).dataset(imported.id).cache / "20-rgb-centre.parts"
    done = {path.name: path.stat().st_mtime_ns for path in parts.iterdir()}
    assert 0 < len(done) < 5
    made, sound = [], storage.write_bytes

    def noting(path, data):
        made.append(path.name)
        sound(path, data)

    monkeypatch.setattr(storage, "write_bytes", noting)
    resumed = open_data(library_root, imported.id, settings)
    assert not set(done) & set(made) and len([name for name in made if name.startswith("0000")]) == 5 - len(done)
    assert not parts.exists()
    monkeypatch.setattr(cache, "SHARD", 2048)
    for path in parts.parent.glob("20-rgb-centre.*"):
        path.unlink()
    whole = open_data(library_root, imported.id, settings)
    assert np.array_equal(resumed.train.raw(range(resumed.train.count)), whole.train.raw(range(whole.train.count)))


def test_a_torn_shard_or_array_is_built_again(library_root, imported):
    settings = DataSettings(resolution=20)
    first = open_data(library_root, imported.id, settings).train
    expected = first.raw(range(first.count)).copy()
    folder = LibraryLayout(library_root).dataset(imported.id).cache
    array = folder / "20-rgb-centre.npy"
    array.write_bytes(array.read_bytes()[:-5])
    again = open_data(library_root, imported.id, settings).train
    assert np.array_equal(again.raw(range(again.count)), expected)


def test_a_source_that_is_gone_is_named_and_what_is_cached_works(library_root, imported, tmp_path):
    settings = DataSettings(resolution=20)
    open_data(library_root, imported.id, settings)
    shutil.move(tmp_path / "set" / "00007.jpg", tmp_path / "elsewhere.jpg")
    assert open_data(library_root, imported.id, settings).spec.shape == (3, 20, 20)
    assert open_data(library_root, imported.id, DataSettings(resolution=64)).spec.shape == (3, 64, 64)
    with pytest.raises(TroubleError, match=r"00007\.jpg: 1 of 50 pictures are not where they were"):
        open_data(library_root, imported.id, DataSettings(resolution=24))
    shutil.copy(tmp_path / "set" / "00008.jpg", tmp_path / "set" / "00007.jpg")
    with pytest.raises(TroubleError, match=r"00007\.jpg.*has changed"):
        open_data(library_root, imported.id, DataSettings(resolution=24))
    shutil.move(tmp_path / "elsewhere.jpg", tmp_path / "set" / "00007.jpg")
    assert open_data(library_root, imported.id, DataSettings(resolution=24)).spec.shape == (3, 24, 24)


def test_rows_can_be_read_without_mapping(library_root, imported):
    stored = DatasetFolder(LibraryLayout(library_root).dataset(imported.id))
    entry = stored.cached("thumbs")
    with stored.cache_path("thumbs").open("rb") as file:
        file.seek(entry["offset"] + 7 * entry["row_bytes"])
        row = np.frombuffer(file.read(entry["row_bytes"]), entry["dtype"]).reshape(entry["shape"][1:])
    assert np.array_equal(row, np.load(stored.cache_path("thumbs"))[7])
