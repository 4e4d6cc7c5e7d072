"""Sampling: an item depends on its seed and number alone; traces tell what happened; branches go on from where they begin."""

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from small_families import FAMILIES, make_run, opened, trained, trainer_of

from models_backend.contract.fields import FieldError
from models_backend.contract.grids import GridAxis, GridCell
from models_backend.contract.messages import Progress, Sample, StartFrom, TroubleError
from models_backend.contract.trace import Step, Stopped
from models_backend.library import titles
from models_backend.networks import weights
from models_backend.sampling import draw as drawing
from models_backend.sampling import recording, seeds
from models_backend.sampling.loading import chosen_device, load_run


@pytest.fixture
def place(library_root):
    library, dataset = opened(library_root)
    run, trainer = trained(library, dataset)
    yield library, run, load_run(library, run.id, FAMILIES, device="cpu"), trainer
    library.close()


def items_of(place, **request):
    library, run, loaded, _ = place
    request = {"save": False} | request
    return drawing.draw(loaded, Sample(run.id, **request), library)


# ------------------------------------------------------------------------------------------------- seeds


def test_noise_of_an_item_does_not_depend_on_the_batch():
    whole = seeds.noise((2, 3), 7, 0, 10)
    assert torch.equal(whole[4:7], seeds.noise((2, 3), 7, 4, 3))
    assert not torch.equal(whole, seeds.noise((2, 3), 8, 0, 10))
    assert seeds.noise((2,), 0, 0, 0).shape == (0, 2)


def test_noise_is_standard_normal_and_items_are_independent():
    noise = seeds.noise((4,), 0, 0, 20_000)
    assert noise.dtype == torch.float32
    assert noise.mean().abs() < 0.02 and (noise.std() - 1).abs() < 0.02
    assert (torch.corrcoef(noise.T) - torch.eye(4)).abs().max() < 0.03
    assert len({seeds.item_seed(s, n) for s in range(50) for n in range(50)}) == 2500


@pytest.mark.parametrize("sampling", [{}, {"fresh": 0.5}])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_items_do_not_depend_on_the_batch_size(place, monkeypatch, size, sampling):
    _, whole = items_of(place, count=7, seed=3, sampling=sampling)
    monkeypatch.setattr(drawing, "batch_size", lambda _: size)
    _, cut = items_of(place, count=7, seed=3, sampling=sampling)
    assert np.allclose(whole, cut, atol=1e-6)
    _, fewer = items_of(place, count=2, seed=3, sampling=sampling)
    assert np.allclose(whole[:2], fewer, atol=1e-6)
    _, other = items_of(place, count=7, seed=4, sampling=sampling)
    assert not np.allclose(whole, other, atol=1e-3)


def test_the_same_request_gives_the_same_bytes(place):
    first, _ = items_of(place, count=5, seed=1)
    again, _ = items_of(place, count=5, seed=1)
    assert first.items == again.items and first.seeds == [0, 1, 2, 3, 4]


def test_a_batch_that_does_not_fit_is_halved(place, monkeypatch):
    _, whole = items_of(place, count=9, trace=9)
    family, sizes = place[2].family, []
    original = family.sample

    def hungry(nets, noise, *rest):
        sizes.append(len(noise))
        if len(noise) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return original(nets, noise, *rest)

    monkeypatch.setattr(family, "sample", hungry)
    media, cut = items_of(place, count=9, trace=9)
    assert sizes == [9, 4, 2, 2, 2, 2, 1] and np.allclose(whole, cut, atol=1e-6)
    assert media.trace.count == 9


# ------------------------------------------------------------------------------------------------- traces and branches


def test_a_trace_holds_every_step_of_the_first_items(place, monkeypatch):
    monkeypatch.setattr(drawing, "batch_size", lambda _: 2)
    media, items = items_of(place, count=5, trace=3, save=True)
    folder = place[0].sample(media.sample)
    trace, info = folder.trace(), folder.record().trace
    assert info == media.trace and info.count == 3 and info.channels == ("x", "eps") and len(info.steps) == 6
    assert trace["x"].shape == (6, 3, 2) and trace["x"].dtype == np.float16
    assert np.allclose(trace["x"][0], seeds.noise((2,), 0, 0, 3), atol=2e-3)
    assert np.allclose(trace["x"][-1], items[:3], atol=2e-3)
    assert [s.time for s in info.steps] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])
    assert info.steps[0].change == 0 and info.steps[2].change == pytest.approx(
        float(np.abs(np.diff(trace["x"].astype(np.float32), axis=0))[1].mean()), rel=0.05
    )


def test_straightness_of_a_line_is_zero_and_of_a_detour_is_known():
    line = np.linspace(0, 1, 5)[:, None, None] * np.array([[3.0, 4.0], [1.0, 0.0]])
    assert recording.straightness(line) == pytest.approx(0, abs=1e-12)
    corner = np.array([[[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]]])
    assert recording.straightness(corner) == pytest.approx(1 - np.sqrt(2) / 2)
    assert recording.straightness(np.zeros((3, 2, 2))) == 0.0


def test_long_traces_are_thinned_with_both_ends_kept():
    kept = recording.chosen_steps(0, 1000, 100)
    assert len(kept) == recording.STEPS_MOST and {0, 1000} <= kept
    assert recording.chosen_steps(0, 50, 100) == set(range(51))
    assert recording.chosen_steps(0, 50, recording.BYTES_MOST // 2) == {0, 50}


def test_a_branch_continues_like_the_unbranched_sample(place):
    media, items = items_of(place, count=4, trace=4, save=True)
    for step in (0, 2, 4):
        branched, again = items_of(place, start=StartFrom(media.sample, step), trace=4)
        assert np.allclose(again, items, atol=3e-3)
        assert len(branched.trace.steps) == 6 - step
    _, one = items_of(place, start=StartFrom(media.sample, 3, 2))
    assert one.shape == (1, 2) and np.allclose(one[0], items[2], atol=3e-3)
    _, finer = items_of(place, start=StartFrom(media.sample, 0), sampling={"steps": 50})
    assert finer.shape == items.shape and not np.allclose(finer, items, atol=1e-4)


def test_a_trace_tells_whether_noise_was_drawn_on_the_way(place):
    calm, _ = items_of(place, count=4, trace=4, save=True)
    noisy, _ = items_of(place, count=4, trace=4, sampling={"fresh": 0.5})
    assert not calm.trace.fresh_noise and noisy.trace.fresh_noise
    branches = [items_of(place, start=StartFrom(calm.sample, 2), trace=4, sampling={"fresh": s})[0] for s in (0.0, 0.5)]
    assert [branch.trace.fresh_noise for branch in branches] == [False, True]


@pytest.mark.parametrize("start, words", [(StartFrom("x", 99), "steps 0 to"), (StartFrom("x", 0, 9), "items 1 to")])
def test_a_branch_from_nowhere_is_refused(place, start, words):
    media, _ = items_of(place, count=4, trace=4, save=True)
    start.sample = media.sample
    with pytest.raises(TroubleError, match=words):
        items_of(place, start=start)
    untraced, _ = items_of(place, count=1, save=True)
    with pytest.raises(TroubleError, match="no recorded trace"):
        items_of(place, start=StartFrom(untraced.sample, 0))


# ------------------------------------------------------------------------------------------------- requests


def test_the_sample_folder_tells_how_it_was_made(place):
    library, run, loaded, _ = place
    media, items = items_of(place, count=3, seed=5, save=True, title="three", sampling={"steps": 3}, conditions={})
    record = library.sample(media.sample).record()
    assert (record.run, record.seed, record.count, record.title, record.checkpoint) == (run.id, 5, 3, "three", "step-000000012")
    assert media.checkpoint == record.checkpoint
    assert record.step == 12 and not record.preview, "only what is asked for while a run is watched is one of its previews"
    asked, _ = items_of(place, count=1, save=True, preview=True)
    assert library.sample(asked.sample).record().preview
    cell = GridCell("grid", GridAxis("seed", "Seed", (1, 2)), None, 0, 1)
    asked, _ = items_of(place, count=1, save=True, grid=cell)
    assert library.sample(asked.sample).record().grid == cell and record.grid is None
    assert record.sampling["steps"] == 3 and record.weights_sha256 == weights.digest(loaded.nets)
    assert np.array_equal(library.sample(media.sample).items(), items) and items.dtype == np.float32


@pytest.mark.parametrize(
    ("conditions", "title"),
    [
        ({}, "night, seed 5"),
        ({"class": "été"}, "class été, night, seed 5"),
        ({"class": 1}, "class sea, night, seed 5"),
        ({"class": "SEA"}, "class sea, night, seed 5"),
        ({"class": ["été", "sea"]}, "class été | sea, night, seed 5"),
        ({"class": "all"}, "class all, night, seed 5"),
        ({"class": None, "image": "a.png"}, "night, seed 5"),
        ({"text": "a  red\ncircle"}, "a red circle, night, seed 5"),
        ({"text": list("abcdef")}, "a | b | c | d | …, night, seed 5"),
        ({"attributes": {"bright": 7.0}, "class": 0}, "attributes bright=7, class été, night, seed 5"),
        ({"attributes": "bright=7"}, "attributes bright=7, night, seed 5"),
        ({"text": "word " * 30}, "word word word word word word word word word wo…, night, seed 5"),
    ],
)
def test_a_sample_is_called_by_what_was_asked_for(conditions, title):
    assert titles.of_sample("night", 5, conditions, ("été", "sea")) == title
    with_sampler = titles.of_sample("night", 5, conditions, ("été", "sea"), "heun")
    assert with_sampler == title.replace("night, ", "night, heun, ")


def test_a_sample_of_a_class_is_told_apart_by_its_title(place, monkeypatch):
    library, run, loaded, _ = place
    monkeypatch.setattr(loaded, "spec", replace(loaded.spec, classes=("a", "b")))
    monkeypatch.setattr(loaded.family, "spec", loaded.spec)
    media, _ = items_of(place, count=1, seed=2, save=True, conditions={"class": "b"})
    title = library.sample(media.sample).record().title
    assert title == f"class b, {run.record().title or run.record().family}, seed 2"


def test_cancelling_stops_within_one_step_and_saves_nothing(place):
    library, run, loaded, _ = place
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(Stopped):
        drawing.draw(loaded, Sample(run.id, 4), library, cancelled=cancelled)
    assert len(asked) == 3 and library.samples() == []


def test_progress_is_told(place, monkeypatch):
    monkeypatch.setattr(drawing, "TELL_S", 0.0)
    library, run, loaded, _ = place
    told = []
    drawing.draw(loaded, Sample(run.id, 4, save=False), library, told.append)
    assert all(isinstance(b, Progress) and b.total == 4 for b in told)
    assert [b.done for b in told] == sorted(b.done for b in told) and told[-1].done == 4


@pytest.mark.parametrize(
    "request_, error, words",
    [
        ({"sampling": {"steps": 0}}, FieldError, "steps"),
        ({"sampling": {"speed": 1}}, FieldError, "speed"),
        ({"conditions": {"text": "a cat"}}, TroubleError, "text"),
        ({"conditions": {"class": "elephant"}}, TroubleError, "no classes"),
        ({"count": 0}, TroubleError, "at least one"),
    ],
)
def test_what_does_not_fit_is_named(place, request_, error, words):
    with pytest.raises(error, match=words):
        items_of(place, **request_)


def test_conditions_go_round_and_change_the_items(place):
    loaded = classed(place[2], ("a", "b", "c"))
    given = drawing.Conditions(loaded.family, {"class": ["a", "c"]})
    assert given.batch(1, 4, torch.device("cpu"))["class"].tolist() == [2, 0, 2, 0]
    assert drawing.Conditions(loaded.family, {}).batch(0, 2, torch.device("cpu"))["class"].tolist() == [3, 3]


def classed(loaded, classes):
    loaded.family.spec = loaded.spec = replace(loaded.spec, classes=classes)
    return loaded


# ------------------------------------------------------------------------------------------------- loading


def test_an_average_of_any_width_is_made_of_those_that_were_kept(library_root):
    library, dataset = opened(library_root)
    try:
        run = make_run(library, dataset, ema_power=True, keep=10)
        trainer = trainer_of(library, run)
        trainer.run()
        narrow, wide = (load_run(library, run.id, FAMILIES, f"@{width}", "cpu") for width in (0.05, 0.10))
        for loaded, kind in ((narrow, "ema-0"), (wide, "ema-1")):
            kept = trainer.averages[kind].nets["net"].parameters()
            for one, other in zip(loaded.nets["net"].parameters(), kept, strict=True):
                assert torch.allclose(one, other, atol=1e-6)
        between = load_run(library, run.id, FAMILIES, "step-000000012@0.07", "cpu")
        request = Sample(run.id, 2, checkpoint="@0.07")
        media, _ = drawing.draw(load_run(library, run.id, FAMILIES, "@0.07", "cpu"), request, library)
        assert library.sample(media.sample).record().checkpoint == "step-000000012@0.07"
        assert weights.digest(between.nets) not in {weights.digest(narrow.nets), weights.digest(wide.nets)}
        with pytest.raises(TroubleError, match="no width"):
            load_run(library, run.id, FAMILIES, "@much", "cpu")
        plain = make_run(library, dataset)
        trainer_of(library, plain).run()
        with pytest.raises(TroubleError, match="kept no averages"):
            load_run(library, plain.id, FAMILIES, "@0.07", "cpu")
    finally:
        library.close()


def test_a_loaded_run_has_the_averaged_weights_bit_for_bit(place):
    _, _, loaded, trainer = place
    assert weights.digest(loaded.nets) == weights.digest(trainer.averages["ema"].nets)
    assert weights.digest(loaded.nets) != weights.digest(trainer.nets)
    assert loaded.step == 12 and not any(n.training for n in loaded.nets.values())
    older = load_run(place[0], place[1].id, FAMILIES, "step-000000008", "cpu")
    assert older.step == 8 and weights.digest(older.nets) != weights.digest(loaded.nets)


def test_without_an_average_the_weights_themselves_are_sampled(library_root):
    library, dataset = opened(library_root)
    with library:
        run, trainer = trained(library, dataset, ema=0.0)
        assert weights.digest(load_run(library, run.id, FAMILIES, device="cpu").nets) == weights.digest(trainer.nets)
        assert not any("ema" in p.name for p in run.checkpoints()[0].root.iterdir())


def test_parts_are_loaded_and_a_circle_is_refused(place):
    library, run, _, _ = place
    dataset = library.datasets()[0]
    upper = make_run(library, dataset, parts={"teacher": run.id})
    trainer = trainer_of(library, upper)
    assert trainer.family.parts["teacher"].step == 12
    trainer.run()
    assert load_run(library, upper.id, FAMILIES, device="cpu").parts["teacher"].step == 12
    circle = make_run(library, dataset)
    record = circle.record()
    record.parts["self"] = circle.id
    from models_backend.library import storage

    storage.write_json(circle.layout.record, record)
    with pytest.raises(TroubleError, match="part of itself"):
        load_run(library, circle.id, FAMILIES, device="cpu")


def test_what_cannot_be_loaded_is_named(place):
    library, run, _, _ = place
    with pytest.raises(TroubleError, match="not installed"):
        load_run(library, run.id, {}, device="cpu")
    with pytest.raises(TroubleError, match="step-000000099"):
        load_run(library, run.id, FAMILIES, "step-000000099", "cpu")
    with pytest.raises(TroubleError, match="device"):
        chosen_device("warp")
    path = run.checkpoints()[0].ema("net")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TroubleError, match="damaged"):
        load_run(library, run.id, FAMILIES, "step-000000012", "cpu")


def test_steps_told_by_a_sampler_keep_plain_numbers():
    recorder = recording.Recorder(1, 2)
    for i in range(3):
        recorder.take(Step(i, 2, torch.tensor(1.0 - i / 2), torch.tensor(0.5), {"x": torch.full((4, 2), float(i))}))
    info, arrays = recording.joined([recorder], "denoise", (2,))
    assert [type(s.time) for s in info.steps] == [float] * 3 and arrays["x"].shape == (3, 1, 2)
    assert [s.change for s in info.steps] == [0.0, 1.0, 1.0]
