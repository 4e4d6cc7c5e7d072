"""Samples: what was made comes back bit for bit, and nothing in its files is ever executed."""

from __future__ import annotations

import pickle

import msgspec
import numpy as np
import pytest
from library import records

from models_backend.contract.messages import TroubleError
from models_backend.library import faults, samples
from models_backend.library.library import Library
from models_backend.library.samples import SampleFolder


@pytest.fixture
def library(library_root):
    with Library.open(library_root) as opened:
        yield opened
        faults.disarm()


@pytest.mark.parametrize("items", [records.pictures(3), np.linspace(-1, 1, 10, dtype=np.float32).reshape(5, 2)])
def test_items_and_trace_come_back(library, items):
    trace = {"x": np.random.default_rng(0).normal(size=(4, *items.shape)).astype(np.float16)}
    library.create_sample(records.sample_record(count=len(items)), items, trace)
    sample = library.sample("sample-a")
    assert np.array_equal(sample.items(), items)
    assert sample.items().dtype == items.dtype
    assert sample.has_trace()
    assert np.array_equal(sample.trace()["x"], trace["x"])
    record = msgspec.structs.replace(sample.record(), items_sha256="")
    assert record == records.sample_record(count=len(items))


def test_without_a_trace_there_is_none(library):
    sample = library.create_sample(records.sample_record(), records.pictures())
    assert not sample.has_trace()
    assert sample.trace() == {}


def test_the_checksum_is_of_type_shape_and_content():
    a = records.pictures()
    assert samples.array_sha256(a) == samples.array_sha256(a.copy(order="F"))
    assert len({samples.array_sha256(v) for v in (a, a.astype(np.int16), a.reshape(4, 8, 4, 1), a ^ 1, a[:0])}) == 5


def test_a_worker_makes_samples_without_owning(library):
    SampleFolder.create(library.layout, records.sample_record(), records.pictures())
    assert [s.id for s in library.samples()] == ["sample-a"]


def test_only_labels_change(library):
    sample = library.create_sample(records.sample_record(), records.pictures())
    assert sample.update_record(tags=("a", "b")).tags == ("a", "b")
    with pytest.raises(ValueError, match="seed is fixed"):
        sample.update_record(seed=3)


class Bomb:
    def __reduce__(self):
        return (print, ("executed",))


def test_pickles_are_never_opened(library, capsys):
    sample = library.create_sample(records.sample_record(), records.pictures())
    np.savez(sample.layout.items, items=np.array([Bomb()], dtype=object))
    with pytest.raises(TroubleError, match="damaged"):
        sample.items()
    sample.layout.items.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(TroubleError, match="damaged"):
        sample.items()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00v\x00"])
def test_damaged_items_are_named(library, data):
    sample = library.create_sample(records.sample_record(), records.pictures())
    sample.layout.items.write_bytes(data)
    with pytest.raises(TroubleError, match=r"sample-a/items\.npz"):
        sample.items()


def test_a_full_disk_makes_no_half_sample(library):
    library.create_sample(records.sample_record("first"), records.pictures())
    faults.arm(3, "ENOSPC", persistent=True)
    with pytest.raises(TroubleError, match="Everything made before is kept"):
        library.create_sample(records.sample_record(), records.pictures())
    faults.disarm()
    assert [s.id for s in library.samples()] == ["first"]
    assert [p.name for p in library.layout.samples.iterdir()] == ["first"]
