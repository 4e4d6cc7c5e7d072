"""What a widget does on signals of the session is a method of its own: Qt lets go of that when the widget goes. A lambda
stays connected, and the next change of the session then calls a widget that is deleted."""

import ast
from pathlib import Path

import nexus_studio

ROOT = Path(nexus_studio.__file__).parent
OUTLIVING = ("session.", "bridge.", "preferences.", "theme.signals.")  # owned by the application, not by a widget


def lambdas_that_stay(source: str) -> list[int]:
    """Lines that connect a lambda or a partial to a signal whose owner outlives the widget."""
    found = []
    for node in ast.walk(ast.parse(source)):
        connects = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "connect"
        if not connects or not node.args or not any(word in ast.unparse(node.func) for word in OUTLIVING):
            continue
        given = node.args[0]
        partial = isinstance(given, ast.Call) and ast.unparse(given.func).endswith("partial")
        if isinstance(given, ast.Lambda) or partial:
            found.append(node.lineno)
    return found


def test_no_widget_is_called_after_it_is_gone():
    parts = [path for path in ROOT.rglob("*.py") if path.parent.name != "state"]  # what is in state lives as long as they do
    assert len(parts) > 60
    found = [f"{path.relative_to(ROOT)}:{line}" for path in parts for line in lambdas_that_stay(path.read_text("utf-8"))]
    assert found == []


def test_planted_connections_are_found():
    assert lambdas_that_stay("self._session.runs.changed.connect(lambda: self.fill())") == [1]
    assert lambdas_that_stay("theme.signals.changed.connect(functools.partial(self.fill, 1))") == [1]
    assert lambdas_that_stay("self.session.runs.changed.connect(self.fill)") == []
    assert lambdas_that_stay("self.runs.activated.connect(lambda _: self.choose())") == []


def test_no_filter_of_events_hands_on_to_the_widget_that_it_is():
    """A filter that calls its widget's own can be led back into itself while the widget is destroyed: areas that scroll, which
    filter events themselves, have a filter beside them."""
    found = [path.name for path in ROOT.rglob("*.py") if "super().eventFilter" in path.read_text("utf-8")]
    assert found == []
