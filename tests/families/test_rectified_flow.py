"""Rectified flow: conformance, and what only reflow has."""

from conformance import Conformance

from models_backend.families.rectified_flow import RectifiedFlow


class TestRectifiedFlow(Conformance):
    key, family = "rectified_flow", RectifiedFlow
