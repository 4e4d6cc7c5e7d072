"""What is killed at random: each target goes on in a child until it is killed, says what it has done (and what it begins), and
afterwards looks whether all that was said is there, and whether going on ends as if nothing had happened."""

from __future__ import annotations

import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from crash import scene
from crash.forking import Say
from library import records

from models_backend.contract.messages import Saved
from models_backend.contract.run_layout import JobRecord
from models_backend.library.library import Library

TAGGED = "sample-tagged"


class Place:
    """A library that is killed again and again, and how undisturbed work ends."""

    def __init__(self, folder: Path):
        self.folder, self.root, self.out = folder, folder / "library", folder / "out"
        self.decoder = scene.Decoder()
        self.pictures = scene.pictures(folder / "pictures", count=16)

    def fill(self) -> dict[str, Any]:
        """Prepares it; what must not change, and what exports look like. For a child."""
        with Library.open(self.root) as library:
            scene.fill_sample(library)
            library.create_sample(records.sample_record(TAGGED), records.pictures())
            library.create_dataset(records.dataset_record(), records.items(), arrays={"8": records.pictures(4)})
            scene.make_run(self.root, scene.FIRST, steps=2, checkpoint_every=1)
            scene.train(self.root, scene.FIRST)
        scene.export_all(self.root, self.folder / "undisturbed")
        files = scene.files(self.folder / "undisturbed")
        standing = {name: digest for name, digest in scene.standing(self.root).items() if TAGGED not in name}
        return {"standing": standing, "exports": files, "sources": scene.files(self.folder / "pictures")}


class Target:
    """One kind of work. ``act`` runs in the child that is killed; ``look`` in another one afterwards, with what was said."""

    name = ""
    longest_s = 1.0

    def __init__(self, place: Place):
        self.place = place
        self.rounds = 0

    def next(self) -> None:
        """Before each child."""
        self.rounds += 1

    def act(self, say: Say) -> int | None:
        """Works until it is killed, or to an end."""
        raise NotImplementedError

    def look(self, said: list[Any]) -> dict[str, Any]:
        """Asserts; what it found, for ``learn``."""
        raise NotImplementedError

    def learn(self, found: dict[str, Any]) -> None:
        """Takes over what ``look`` found."""


class Training(Target):
    """A run of the real worker; a run that was killed goes on and is killed again, up to three times."""

    name, steps, every = "train", 30, 8
    longest_s = 1.6

    def __init__(self, place: Place):
        super().__init__(place)
        self.run, self.kills, self.undisturbed = "", 0, ""

    def settings(self) -> dict[str, int]:
        return {"steps": self.steps, "checkpoint_every": self.every, "validate_every": self.every, "preview_every": self.every}

    def prepare(self) -> str:
        """The weight hash of an undisturbed run, which stays in the library."""
        scene.make_run(self.place.root, f"{self.name}-undisturbed", **self.settings())
        return scene.finish(self.place.root, f"{self.name}-undisturbed")

    def next(self) -> None:
        super().next()
        if self.kills % 3 == 0:
            self.run = f"{self.name}-{self.rounds:03d}"
        self.kills += 1

    def act(self, say: Say) -> int:
        from models_backend.workers import process, training

        process.TRAINING_NICE = 0
        if not (self.place.root / "runs" / self.run).exists():
            scene.make_run(self.place.root, self.run, **self.settings())
            say(["made", self.run])
        told = lambda body: say(["saved", body.step]) if isinstance(body, Saved) else None  # noqa: E731
        folder = self.place.root / "runs" / self.run
        return training.main(folder, "cpu", equip=lambda job: scene.equipped(job, 0, told))

    def look(self, said: list[Any]) -> dict[str, Any]:
        root = self.place.root
        if not (root / "runs" / self.run).exists():
            assert ["made", self.run] not in said, "a run that was made is gone"
            return {"ended": True, "resumed": 0}
        scene.numbered(root, self.run)
        saved = [step for what, step in said if what == "saved"]
        good, reasons = Library.open(root, own=False).run(self.run).newest_good()
        assert not reasons, reasons
        assert not saved or int(good.name.removeprefix("step-")) >= max(saved), "a checkpoint that was told is gone"
        ended = Library.open(root, own=False).run(self.run).state()[0] == "finished"
        copy = scene.copied(root, self.run, self.place.folder)
        assert scene.finish(copy, self.run) == self.undisturbed, "the resumed run ended with other weights"
        sound(copy)
        if self.kills % 3 == 0 and not ended:
            assert scene.finish(root, self.run) == self.undisturbed, "the resumed run ended with other weights"
        return {"ended": ended, "resumed": 1}

    def learn(self, found: dict[str, Any]) -> None:
        if found["ended"]:
            self.kills = 0


class Saving(Training):
    """A run that does little but save."""

    name, steps, every = "checkpoint", 14, 1

    def settings(self) -> dict[str, int]:
        return {"steps": self.steps, "checkpoint_every": 1, "validate_every": 0, "preview_every": 0}


class Importing(Target):
    """One import after another, each of other pictures, with the real decoder started for each."""

    name = "import"
    longest_s = 2.5

    def chosen(self, number: int) -> list[Path]:
        """Some of the pictures, by round and number; the first one is unreadable."""
        return [self.place.pictures[0], *random.Random(f"{self.rounds} {number}").sample(self.place.pictures[1:], 6)]

    def act(self, say: Say) -> None:
        from models_backend.data.importing import import_paths

        for number in range(1000):
            record, _ = import_paths(self.place.root, self.chosen(number), "Pictures")
            say([number, record.id])

    def look(self, said: list[Any]) -> dict[str, Any]:
        root = self.place.root
        there = {dataset.id for dataset in Library.open(root, own=False).datasets()}
        assert {dataset for _, dataset in said} <= there, "a data set that was imported is gone"
        with self.place.decoder.shared():
            again = scene.import_pictures(root, self.chosen(len(said)))
            other = self.place.folder / "other"
            shutil.rmtree(other, ignore_errors=True)
            undisturbed = scene.import_pictures(other, self.chosen(len(said)))
        assert again == undisturbed and scene.content(root, again) == scene.content(other, again)
        return {}


class Exporting(Target):
    """Every kind of export, over and over, into the same files."""

    name = "export"
    longest_s = 1.2

    def act(self, say: Say) -> None:
        while True:
            scene.export_all(self.place.root, self.place.out, say)

    def look(self, said: list[Any]) -> dict[str, Any]:
        out, exports = self.place.out, self.place.exports
        there = scene.files(out)
        assert there.items() <= exports.items(), "an exported file is not whole"
        assert {str(Path(path).relative_to(out)) for path in said} <= set(there), "an exported file is gone"
        scene.export_all(self.place.root, out)
        assert scene.files(out) == exports
        assert not list(out.rglob(".tmp-*")), "what a killed export left stays for ever"
        return {}


class Indexing(Target):
    """The owner of the library at work: queue, stars, tags, captions, runs, samples, trash, backups, exports."""

    name = "index"
    longest_s = 0.8

    def __init__(self, place: Place):
        super().__init__(place)
        self.known: dict[str, Any] = {}

    def act(self, say: Say) -> None:
        chance = random.Random(f"index {self.rounds}")
        known = dict(self.known)
        with Library.open(self.place.root) as library:
            while True:
                key, value, change = chance.choice(CHANGES)(library, known, chance)
                say(["begin", key, value])
                change()
                known[key] = value
                say(["done", key, value])

    def look(self, said: list[Any]) -> dict[str, Any]:
        known, begun = dict(self.known), {}
        for what, key, value in said:
            begun = {key: value} if what == "begin" else {}
            known |= {key: value} if what == "done" else {}
        with Library.open(self.place.root) as library:
            now = {key: FOUND[key.split("/")[0]](library, key.split("/")[1]) for key in {*known, *begun}}
        for key, value in now.items():
            allowed = [known.get(key), begun.get(key, known.get(key))]
            assert value in allowed, f"{key} is {value}, not one of {allowed}"
        return {"known": {key: value for key, value in now.items() if value is not None}}

    def learn(self, found: dict[str, Any]) -> None:
        self.known = found["known"]


Change = tuple[str, Any, Callable[[], Any]]


def _job(library: Library, known: dict[str, Any], chance: random.Random) -> Change:
    name = f"job-{chance.randrange(8)}"
    if known.get(f"job/{name}") is not None and chance.random() < 0.5:
        return f"job/{name}", None, lambda: library.remove_job(name)
    order = chance.random()
    return f"job/{name}", order, lambda: library.put_job(JobRecord(name, "train", name, "", order, order))


def _tags(library: Library, known: dict[str, Any], chance: random.Random) -> Change:
    tags = [f"tag{chance.randrange(100)}"]
    return f"tags/{TAGGED}", tags, lambda: library.sample(TAGGED).update_record(tags=tuple(tags))


def _caption(library: Library, known: dict[str, Any], chance: random.Random) -> Change:
    text, item = f"caption {chance.random()}", chance.randrange(4)
    return f"caption/{item}", text, lambda: library.dataset(records.dataset_record().id).edit(item, caption=text)


def _sample(library: Library, known: dict[str, Any], chance: random.Random) -> Change:
    there = [key for key in known if key.startswith("sample/") and known[key]]
    if there and chance.random() < 0.4:
        from models_backend.library import trash

        key = chance.choice(there)
        return key, None, lambda: trash.delete(library, "sample", key.split("/")[1])
    name = library.new_id("made")
    made = records.sample_record(name, scene.FIRST)
    return f"sample/{name}", True, lambda: library.create_sample(made, records.pictures())


def _run(library: Library, known: dict[str, Any], chance: random.Random) -> Change:
    name = library.new_id("empty")
    record = msgspec.structs.replace(library.run(scene.FIRST).record(), id=name)
    return f"run/{name}", True, lambda: library.create_run(record)


def _exported(library: Library, known: dict[str, Any], chance: random.Random) -> Change:
    name = f"{chance.randrange(10**9)}.png"
    return f"export/{name}", True, lambda: library.note_export(name, scene.SAMPLE, "png")


def _backup(library: Library, known: dict[str, Any], chance: random.Random) -> Change:
    from models_backend.library import backup

    return "backup/any", True, lambda: backup.make(library)


CHANGES = (_job, _job, _tags, _tags, _caption, _sample, _sample, _run, _exported, _exported, _backup)
FOUND: dict[str, Callable[[Library, str], Any]] = {
    "job": lambda library, name: next((job.order for job in library.jobs() if job.id == name), None),
    "tags": lambda library, name: list(library.sample(name).record().tags) or None,
    "caption": lambda library, name: _caption_of(library, int(name)),
    "sample": lambda library, name: True if name in {s.id for s in library.samples(0, 10_000)} else None,
    "run": lambda library, name: True if name in {r.id for r in library.runs()} else None,
    "export": lambda library, name: True if name in {e[0] for e in library.index.exports(scene.SAMPLE)} else None,
    "backup": lambda library, name: _backed_up(library),
}


def _caption_of(library: Library, item: int) -> str | None:
    return library.dataset(records.dataset_record().id).items()[item].caption or None


def _backed_up(library: Library) -> bool | None:
    from models_backend.library import backup

    made = backup.backups(library.layout)
    for path in made:
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
    return bool(made) or None


def sound(root: Path) -> None:
    """A library opens, and ``fsck`` finds nothing but notes."""
    from models_backend.library.fsck import fsck

    Library.open(root).close()
    wrong = [str(finding) for finding in fsck(root) if finding.level != "note"]
    assert not wrong, f"fsck: {wrong}"


TARGETS: tuple[type[Target], ...] = (Training, Saving, Importing, Exporting, Indexing)
