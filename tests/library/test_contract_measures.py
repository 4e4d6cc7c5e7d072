"""What measures are called, and what their figures warn of."""

from __future__ import annotations

from models_backend.contract import measures


def test_every_measure_has_words_and_so_have_its_relatives():
    assert measures.title("sure") == "Sure of a class"
    assert measures.title("inception_score") == "Reader score", "its features are the data's own, not Inception's"
    assert measures.title("sure_real") == "Sure of a class, real items"
    assert measures.title("sure_ratio") == "Sure of a class, over real items'"
    assert measures.title("fd_floor") == "Frechet distance, floor: real items"
    assert measures.title("fd_1step") == "Frechet distance in 1 step" and measures.title("w2_4step") == "W2 in 4 steps"
    assert measures.title("accuracy_w4") == "Guidance 4: read as asked for"
    assert measures.title("health_loss_trend") == "Health: loss trend (0 good, 1 warns, 2 bad)"
    assert measures.title("kl_level_1") == "Kl level 1", "what a plugin's family adds is spelled out"
    assert "more than .9" in measures.explained("sure_real") and measures.explained("anything") == ""


def test_a_quotient_stands_where_real_items_pass_at_all():
    found = measures.with_ratios({"sure": 0.6, "sure_real": 0.8, "least_class": 0.1, "least_class_real": 0.0, "fd": 2.0})
    assert found["sure_ratio"] == 0.6 / 0.8 and "least_class_ratio" not in found and "fd_ratio" not in found


def test_few_held_out_items_and_a_poor_reader_are_warned_of():
    good = {"held_out": 221, "sure": 0.9, "classifier_accuracy": 0.98, "temperature": 1.2}
    assert measures.warnings(good) == [] and measures.warnings({"fd": 1.0}) == [], "kept figures warn of nothing"
    for count, said in ((0, "No item"), (1, "Only 1 item is"), (2, "Only 2 items are"), (9, "too few"), (20, "rough")):
        assert said in measures.warnings(good | {"held_out": count})[0]
    assert measures.warnings(good | {"held_out": 100}) == []
    assert "distances to them and measures of neighbours are left out" in measures.warnings({"held_out": 9})[0]
    assert "only 60 %" in measures.warnings(good | {"classifier_accuracy": 0.6})[0]
    assert "not calibrated" in measures.warnings({k: v for k, v in good.items() if k != "temperature"})[0]
    assert "nobody knows" in measures.warnings({"held_out": 221, "sure": 0.9})[0]
    for sentence in measures.warnings({"held_out": 3, "sure": 0.9}):
        assert sentence[0].isupper() and sentence.endswith(".")
