"""What a worker's environment holds."""

from models_backend.engine import processes


def test_threads_of_workers_wait_briefly_unless_the_user_says_otherwise(monkeypatch):
    for name in processes.WAITING:
        monkeypatch.delenv(name, raising=False)
    made = processes.environment()
    assert made["OMP_WAIT_POLICY"] == "PASSIVE" and 0 < int(made["GOMP_SPINCOUNT"]) < 100_000
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert processes.environment()["GOMP_SPINCOUNT"] == "7"
