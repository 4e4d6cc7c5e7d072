"""The filter of the list of models, on the families as they describe themselves."""

import pytest

from nexus_studio.panels.train_models import answering
from nexus_studio.shell.palette import Entry, ranked
from nexus_studio.state.fuzzy import named


@pytest.fixture(scope="module")
def families():
    from models_backend.workers.registry import descriptions

    return descriptions()


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("vae", "vae"), ("VAE", "vae"), ("gan", "gan"), ("sd", "stable_diffusion"), ("dit", "dit"), ("flow", "flow_matching"),
        ("fm", "flow_matching"), ("sd3", "mmdit"), ("ldm", "stable_diffusion"), ("iwae", "iwae"), ("vqvae", "vq_vae"),
        ("vq-vae", "vq_vae"), ("vae gan", "vae_gan"), ("cgan", "conditional_gan"), ("cyclegan", "cycle_gan"), ("wgan", "wgan"),
        ("conditional vae", "cvae"), ("lcm", "lcm"), ("classifier-free", "conditional_diffusion"),
        ("denoising diffusion probabilistic", "ddpm"), ("auto-encoding variational", "vae"), ("vqgan", "image_codec"),
        ("kingma", "vae"), ("2006.11239", "ddpm"), ("ladder", "hierarchical_vae"), ("beta", "beta_vae"), ("β", "beta_vae"),
    ],
)  # fmt: skip
def test_a_model_is_found_by_title_initials_short_name_and_paper(families, typed, first):
    assert answering(families, typed)[0].key == first


@pytest.mark.parametrize(
    ("typed", "among"),
    [("difusion", "ddpm"), ("stabel", "stable_diffusion"), ("consistancy", "consistency"), ("varational", "vae"),
     ("rectifed flow", "rectified_flow"), ("autoencoder", "vae"), ("wasserstien", "wgan")],
)  # fmt: skip
def test_slips_of_the_keys_are_forgiven(families, typed, among):
    found = [family.key for family in answering(families, typed)]
    assert among in found[:4] or (typed == "difusion" and among in found)
    assert len(found) < len(families)


def test_what_answers_nothing_finds_nothing_and_nothing_typed_finds_all(families):
    assert answering(families, "zebra") == [] and answering(families, "qq") == []
    assert named("", ("GAN",)) > 0
    assert {"gan", "wgan", "cycle_gan", "conditional_gan", "vae_gan"} <= {f.key for f in answering(families, "gan")}
    assert {f.key for f in answering(families, "autoencoders")} >= {"vae", "vq_vae", "beta_vae"}


def test_the_palette_finds_models_by_their_short_names_and_forgives_slips(families):
    entries = [Entry(f.title, "model", lambda: None, note=f.summary, names=(f.key, *f.names)) for f in families]
    entries += [Entry("Go to Trajectory", "go", lambda: None), Entry("Vary the chosen item", "sample", lambda: None)]
    assert ranked(entries, "vae")[0].title == "Variational autoencoder"
    assert ranked(entries, "sd")[0].title == "Stable Diffusion"
    assert ranked(entries, "trajectroy")[0].title == "Go to Trajectory"
    assert ranked(entries, "zebra") == []
