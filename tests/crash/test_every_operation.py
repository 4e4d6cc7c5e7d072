"""One training step, one checkpoint, one import and one export of the real code, broken at every durable operation in every
way: the library stays sound, what was committed stays, and going on ends where an undisturbed run ends."""

from __future__ import annotations

import os
import shutil

import pytest

if not hasattr(os, "fork"):
    pytest.skip("the harness forks", allow_module_level=True)

from crash import scene
from crash.every_operation import every_operation, operations
from crash.forking import answer
from library.crash import KILL, MAIN_WAYS, WAYS, scratch
from library.naive import naive_writes

from models_backend.library.library import Library


class Place:
    """The prepared library, how the undisturbed actions end, and the decoder that all imports share."""

    def __init__(self, folder):
        scene.load()
        self.decoder = scene.Decoder()
        self.made, self._folder = folder / "template" / "library", folder
        self.pictures = scene.pictures(folder / "pictures")
        answer(self._fill)
        self.before = scene.standing(self.made)
        self.sources = scene.files(folder / "pictures")
        with self.decoder.shared():
            self.weights, self.dataset, self.exported = answer(self._undisturbed)

    def _fill(self):
        with Library.open(self.made) as library:
            scene.fill(library)

    def _undisturbed(self):
        root = self.fresh(self._folder / "undisturbed")
        scene.export_all(root, root.parent / "out")
        dataset = scene.import_pictures(root, self.pictures)
        exported = scene.files(root.parent / "out")
        return scene.finish(root, scene.FIRST), (dataset, scene.content(root, dataset)), exported

    def fresh(self, folder):
        """A copy of the prepared library, in the place of the last one."""
        shutil.rmtree(folder / "trial", ignore_errors=True)
        return shutil.copytree(self.made, folder / "trial" / "library")

    # ------------------------------------------------------------------------------------------ what is done

    def train(self, root):
        return scene.train(root, scene.FIRST, until=3)

    def import_pictures(self, root):
        with self.decoder.shared():
            scene.import_pictures(root, self.pictures)

    def export(self, root):
        scene.export_all(root, root.parent / "out")

    # ------------------------------------------------------------------------------------------ what must hold

    def stands(self, root):
        now = scene.standing(root)
        assert self.before.items() <= now.items(), "something that was committed has changed"
        for name in (scene.FIRST,):
            scene.numbered(root, name)
            good, reasons = Library.open(root, own=False).run(name).newest_good()
            assert good and not reasons, reasons
            assert int(good.name.removeprefix("step-")) >= max(scene.saved_steps(root, name)), "a saved step is lost"

    def trained(self, root, finished):
        self.stands(root)
        assert not finished or Library.open(root, own=False).run(scene.FIRST).state() == ("stopped", 3)
        assert scene.finish(root, scene.FIRST) == self.weights, "the resumed run ended with other weights"

    def imported(self, root, finished):
        self.stands(root)
        name, digest = self.dataset
        there = {dataset.id for dataset in Library.open(root, own=False).datasets()}
        assert finished <= (name in there)
        assert scene.files(self._folder / "pictures") == self.sources, "a source was touched"
        if name in there:
            assert scene.content(root, name) == digest
        with self.decoder.shared():
            assert scene.import_pictures(root, self.pictures) == name
        assert scene.content(root, name) == digest

    def was_exported(self, root, finished):
        self.stands(root)
        there = scene.files(root.parent / "out")
        assert there.items() <= self.exported.items(), "an exported file is not whole"
        assert not finished or there == self.exported
        scene.export_all(root, root.parent / "out")
        assert scene.files(root.parent / "out") == self.exported
        assert not list((root.parent / "out").rglob(".tmp-*")), "a killed export's leftovers stay for ever"


@pytest.fixture(scope="module")
def place():
    with scratch() as folder:
        place = Place(folder)
        yield place
        place.decoder.close()


ACTIONS = {"train": ("train", "trained"), "import": ("import_pictures", "imported"), "export": ("export", "was_exported")}
SWIFT = {"train": 6, "import": 7, "export": 8}


def broken(place, name, ways, **options):
    action, verify = (getattr(place, part) for part in ACTIONS[name])
    return every_operation(action, place.fresh, verify, ways, **options)


def test_the_undisturbed_actions_do_what_they_should(place):
    kinds = {name: [kind for kind, _ in operations(getattr(place, part), place.fresh)] for name, (part, _) in ACTIONS.items()}
    assert len(kinds["train"]) > 40 and {"write", "fsync", "rename", "mkdir", "unlink"} <= set(kinds["train"])
    assert len(kinds["import"]) > 25 and len(kinds["export"]) > 20
    assert place.dataset[0] and len(place.exported) == 8


@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_is_lost_and_going_on_ends_the_same(place, name):
    for offset, way in enumerate(MAIN_WAYS):
        report = broken(place, name, [way], stride=SWIFT[name], first=1 + 2 * offset)
        assert not report.damages, str(report)
        assert report.struck >= 3


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_is_lost_at_any_operation_in_any_way(place, name):
    report = broken(place, name, WAYS)
    print(f"\n{name}: {report}")
    assert not report.damages, str(report)
    assert report.struck >= len(WAYS) * 20


@pytest.mark.parametrize("name", ["train", "import"])
def test_the_harness_finds_what_naive_writes_break(place, name):
    with naive_writes():
        report = broken(place, name, [(KILL, False)], stride=3, enough=1)
    assert report.damages, f"naive writes went unnoticed in {report.trials} trials"
