"""Consistency models: conformance."""

from __future__ import annotations

from conformance import Conformance

from models_backend.families.consistency import Consistency


class TestConsistency(Conformance):
    key, family = "consistency", Consistency
