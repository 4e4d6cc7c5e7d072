"""A damaged newest checkpoint is told wherever an older one is used instead, with both steps named."""

import shutil

import pytest
from small_families import FAMILIES, make_run, opened, trained, trainer_of
from workers_calls import Heard, answers

from models_backend.contract.messages import Evaluate, Export, LatentMap, ProveResume, Sample, Trouble, TroubleError
from models_backend.networks import weights
from models_backend.training.loop import Trainer
from models_backend.workers.answers import LoadedRuns


def flipped(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def replaced(root, act):
    shutil.rmtree(root)
    act()


DAMAGES = {
    "flipped": (lambda root: flipped(root / "net.safetensors"), "the content of net.safetensors does not match its checksum"),
    "cut": (lambda root: (root / "net.safetensors").write_bytes(b"torn"), "net.safetensors has 4 bytes instead of"),
    "gone": (lambda root: (root / "ema-net.safetensors").unlink(), "ema-net.safetensors is missing"),
    "no manifest": (lambda root: (root / "manifest.json").unlink(), "manifest.json is missing"),
    "no state": (lambda root: (root / "state.json").write_text("{"), "state.json cannot be read"),
    "no folder": (shutil.rmtree, "its folder is missing"),
    "a file": (lambda root: replaced(root, lambda: root.write_bytes(b"x")), "something else stands in place of its folder"),
    "a link": (lambda root: replaced(root, lambda: root.symlink_to("gone")), "something else stands in place of its folder"),
    "emptied": (lambda root: replaced(root, root.mkdir), "manifest.json is missing"),
}
#: What only training on needs.
OPTIMISER = {
    "flipped": (flipped, "the content of optimiser.safetensors does not match its checksum"),
    "cut": (lambda path: path.write_bytes(b"torn"), "optimiser.safetensors has 4 bytes instead of"),
    "gone": (lambda path: path.unlink(), "optimiser.safetensors is missing"),
}


@pytest.fixture
def place(library_root):
    library, dataset = opened(library_root)
    run, _ = trained(library, dataset, keep=9)
    yield library, run
    library.close()


def requests(run, tmp_path):
    return {
        "sample": Sample(run.id, 2), "evaluate": Evaluate(run.id, 50), "latent": LatentMap(run.id, limit=50),
        "prove": ProveResume(run.id), "export": Export(run.id, str(tmp_path / "w.safetensors"), "safetensors", "weights"),
    }  # fmt: skip


def troubles_told(library, name, request):
    """What an answer that succeeds tells of trouble on its way."""
    heard = Heard(request)
    answers(library).answer(heard)
    assert heard.trouble is None, (name, heard.trouble)
    return [body for body in heard.told if isinstance(body, Trouble)]


@pytest.mark.parametrize("kind", DAMAGES)
def test_every_answer_tells_of_a_damaged_checkpoint_and_uses_the_older_one(place, tmp_path, kind):
    library, run = place
    act, reason = DAMAGES[kind]
    act(run.layout.checkpoint(12).root)
    for name, request in requests(run, tmp_path).items():
        (told,) = troubles_told(library, name, request)
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
    assert heard.trouble.what == "the checkpoint of step 12 (its folder is missing) is damaged; none is left that could be used"


def test_a_run_that_saved_nothing_has_no_checkpoint(place):
    library, run = place
    fresh = make_run(library, library.dataset(run.record().dataset).record())
    heard = Heard(Sample(fresh.id, 2))
    answers(library).answer(heard)
    assert heard.trouble.what == "the run has no checkpoint that can be used"


def test_the_step_that_was_lost_is_saved_again_whatever_stands_in_its_place(place):
    library, run = place
    for name in ("a file", "a link", "no folder"):
        DAMAGES[name][0](run.layout.checkpoint(12).root)
        trainer_of(library, run).run()
        assert run.usable()[0].step == 12 and run.usable()[1] == "" and run.damage() == "", name


def test_a_lost_checkpoint_between_others_is_told_too(place):
    """One that was saved and never told stands above the last one that was told; it is damaged as well."""
    _, run = place
    shutil.copytree(run.layout.checkpoint(12).root, run.layout.checkpoint(16).root)
    flipped(run.layout.checkpoint(16).network("net"))
    shutil.rmtree(run.layout.checkpoint(12).root)
    layout, told = run.usable()
    assert layout.step == 8 and "step 16 (the content" in told and "step 12 (its folder is missing) are damaged" in told


@pytest.mark.parametrize("kind", OPTIMISER)
def test_a_damaged_state_of_the_optimiser_hinders_training_on_alone(place, tmp_path, kind):
    library, run = place
    act, reason = OPTIMISER[kind]
    act(run.layout.checkpoint(12).optimiser)
    for name, request in requests(run, tmp_path).items():
        told = [trouble.what for trouble in troubles_told(library, name, request)]
        assert len(told) == (name == "prove"), name
    assert library.samples()[0].checkpoint == "step-000000012"
    assert run.checkpoints(weights_only=True)[0].step == 12
    assert run.checkpoint("step-000000012").step == 12, "asked for by name it can be sampled from as well"
    assert run.damage().startswith(f"the checkpoint of step 12 ({reason}")
    assert run.damage().endswith("is damaged; that of step 8 is trained on, samples are made with that of step 12")
    told = []
    trainer = Trainer(library, run, FAMILIES["denoiser"], FAMILIES, "cpu", told.append)
    trainer.prepare()
    (trouble,) = [body for body in told if isinstance(body, Trouble)]
    assert trainer.step == 8 and trouble.what.startswith(f"the checkpoint of step 12 ({reason}")


def test_where_no_state_of_the_optimiser_is_left_resuming_says_what_still_can_be_done(place):
    library, run = place
    for checkpoint in run.checkpoints():
        flipped(checkpoint.optimiser)
    with pytest.raises(TroubleError) as caught:
        Trainer(library, run, FAMILIES["denoiser"], FAMILIES, "cpu").prepare()
    assert caught.value.trouble.what.endswith("are damaged; none is left that could be used")
    assert caught.value.trouble.kept == "The weights of step 12 are whole: it can be sampled from and exported"
    assert run.damage().endswith("are damaged; samples are made with that of step 12, but it cannot be trained on")


def test_what_was_loaded_in_place_of_a_damaged_checkpoint_is_not_given_for_it(place):
    """The newest was asked for and an older one used: asking for the damaged one by its name is still refused."""
    library, run = place
    flipped(run.layout.checkpoint(12).network("net"))
    loaded = LoadedRuns(library, lambda: FAMILIES, "cpu")
    assert loaded.get(run.id).step == 8
    with pytest.raises(TroubleError, match="does not match its checksum"):
        loaded.get(run.id, "step-000000012")
    assert loaded.get(run.id, "step-000000008").step == 8


def test_a_part_whose_own_checkpoint_is_lost_is_told(place):
    library, run = place
    user = make_run(library, library.dataset(run.record().dataset).record(), parts={"codec": run.id})
    run.extend(20)
    trainer_of(library, run).run()
    shutil.rmtree(run.layout.checkpoint(12).root)
    part = weights.load_parts(library, user.record(), FAMILIES, "cpu")["codec"]
    assert part.step == 20
    words = "what used a denoiser was made with its step 12 (its folder is missing); that of step 20 is used"
    assert part.note == words
