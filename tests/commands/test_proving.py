from models_backend.commands.proving import replayed

FOUND = {"run": "run-a", "first": "step-000000400", "last": "step-000001600", "steps": 1200, "tensors": 1034, "differences": []}


def test_a_replay_is_told_in_words():
    text = replayed(FOUND | {"identical": True})
    assert text == ("bit-identical: 1,200 steps replayed from step-000000400 to step-000001600, all 1,034 tensors are the same")
    assert replayed(FOUND | {"identical": True, "steps": 1}).startswith("bit-identical: 1 step replayed")


def test_tensors_that_differ_are_named_a_few():
    found = FOUND | {"identical": False, "differences": ["net.safetensors: a", "net.safetensors: b"]}
    assert replayed(found).endswith("of 1,034 tensors these differ: net.safetensors: a, net.safetensors: b")
    many = FOUND | {"identical": False, "differences": [f"net.safetensors: {name}" for name in "abcdef"]}
    assert replayed(many).startswith("NOT identical: ") and replayed(many).endswith("net.safetensors: c, and more")
    assert "[" not in replayed(found) + replayed(many)
