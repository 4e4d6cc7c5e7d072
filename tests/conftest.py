"""Shared fixtures. The environment is set before Qt or torch can be imported by any test."""

import os
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as workers have it
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest


@pytest.fixture
def library_root(tmp_path):
    """A folder for a fresh library; nothing of the user's is touched."""
    return tmp_path / "library"


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory, monkeypatch):
    """No test sees or writes the user's home or default library."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.delenv("NEXUS_LIBRARY", raising=False)


@pytest.fixture(autouse=True)
def the_same_draws_each_time():
    """What a test draws without a generator of its own is the same in every run."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
