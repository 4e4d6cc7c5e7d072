"""A damaged newest checkpoint is told wherever an older one is used instead, with both steps named."""

import shutil

import pytest
from small_families import FAMILIES, opened, trained

from models_backend.contract.messages import Evaluate, Export, LatentMap, ProveResume, Sample, Trouble, TroubleError
from models_backend.training.loop import Trainer
from models_backend.workers.answers import Answers, LoadedRuns


def flipped(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "flipped": (lambda root: flipped(root / "net.safetensors"), "the content of net.safetensors does not match its checksum"),
    "cut": (lambda root: (root / "net.safetensors").write_bytes(b"torn"), "net.safetensors has 4 bytes instead of"),
    "gone": (lambda root: (root / "ema-net.safetensors").unlink(), "ema-net.safetensors is missing"),
    "no manifest": (lambda root: (root / "manifest.json").unlink(), "manifest.json is missing"),
    "no state": (lambda root: (root / "state.json").write_text("{"), "state.json cannot be read"),
}


class Heard:
    """A call as answers see it."""

    def __init__(self, request):
        self.request, self.told, self.value, self.trouble = request, [], None, None

    def cancelled(self):
        return False

    def tell(self, body):
        self.told.append(body)

    def reply(self, value):
        self.value = value

    def fail(self, trouble, stale):
        self.trouble = trouble

    def abandon(self):
        raise AssertionError("nothing was cancelled")


@pytest.fixture
def place(library_root):
    library, dataset = opened(library_root)
    run, _ = trained(library, dataset, keep=9)
    yield library, run
    library.close()


def answers(library):
    loaded = LoadedRuns(library, lambda: FAMILIES, "cpu")
    return Answers(library, lambda: FAMILIES, loaded.get, "cpu")


def requests(run, tmp_path):
    return {
        "sample": Sample(run.id, 2), "evaluate": Evaluate(run.id, 50), "latent": LatentMap(run.id, limit=50),
        "prove": ProveResume(run.id), "export": Export(run.id, str(tmp_path / "w.safetensors"), "safetensors", "weights"),
    }  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_every_answer_tells_of_a_damaged_checkpoint_and_uses_the_older_one(place, tmp_path, kind):
    library, run = place
    act, reason = DAMAGES[kind]
    act(run.layout.checkpoint(12).root)
    for name, request in requests(run, tmp_path).items():
        heard = Heard(request)
        answers(library).answer(heard)
        assert heard.trouble is None, (name, heard.trouble)
        (told,) = [body for body in heard.told if isinstance(body, Trouble)]
        assert told.what.startswith(f"the checkpoint of step 12 ({reason}"), name
        assert told.what.endswith("is damaged; that of step 8 is used") and told.item == "a denoiser", name
    assert library.samples()[0].checkpoint == "step-000000008", "the record says which was used"
    told = []
    trainer = Trainer(library, run, FAMILIES["denoiser"], FAMILIES, "cpu", told.append)
    trainer.prepare()
    assert trainer.step == 8 and [b.what.endswith("that of step 8 is used") for b in told if isinstance(b, Trouble)] == [True]


def test_where_all_are_damaged_there_is_one_clear_error(place, tmp_path):
    library, run = place
    for checkpoint in list(run.checkpoints()):
        flipped(checkpoint.network("net"))
    for name, request in requests(run, tmp_path).items():
        heard = Heard(request)
        answers(library).answer(heard)
        assert "step 12 (" in heard.trouble.what and "step 4 (" in heard.trouble.what, name
        assert "none is left that could be used" in heard.trouble.what and heard.trouble.item == "a denoiser", name
    with pytest.raises(TroubleError, match="none is left that could be used"):
        Trainer(library, run, FAMILIES["denoiser"], FAMILIES, "cpu").prepare()
    shutil.rmtree(run.layout.checkpoints)
    heard = Heard(Sample(run.id, 2))
    answers(library).answer(heard)
    assert heard.trouble.what == "the run has no checkpoint that can be used"
