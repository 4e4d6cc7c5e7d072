"""What the window and the terminal say, scanned in the source: reasons begin with capitals, counts have the right plural."""

import ast
import re
from pathlib import Path

import pytest

import models_backend
import nexus_studio

ROOTS = [Path(package.__file__).parent for package in (nexus_studio, models_backend)]
#: Calls whose texts stand alone before a person: a reason, a notice, a hint in an empty field.
SAYS = {"notice", "setPlaceholderText", "EmptyState", "Remedy", "Command", "answer"}
KEYWORDS = {"why", "hint"}
#: Things that are counted.
THINGS = (
    "items|steps|pictures|images|samples|files|runs|captions|classes|checkpoints|seeds|levels|networks|things|findings|"
    "lines|columns|cells|groups|tensors|codes|tags|threads|cores|clips|films|families|models|fields|jobs|copies|"
    "duplicates|labels|attributes|numbers|prompts|pages|folders|notes|answers"
)
COUNTED = re.compile(rf"^ (?:more |missing |near |noise )?(?:{THINGS})\b")
HOLE = re.compile(rf"\{{[^{{}}]*\}} (?:more |missing )?(?:{THINGS})\b")
#: What never is one: limits of the studio, kinds and shares in place of counts, and what only developers read.
NEVER_ONE = (
    "Show all {0} models", "Choose one of the first {0} items", "Keeps every step of up to {0} items",
    "at most {0} steps in all", "torch.get_num_threads()", "which {busy[job.device]} has",
    "pictures are not read", " pictures'", "% of items", "defines", "generators for", "codes; take fewer", "steps in a row",
)  # fmt: skip


def trees():
    for root in ROOTS:
        for path in sorted(root.rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def beginning(node):
    """The first letters that an expression says, where they can be read off."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return beginning(node.values[0]) if node.values and isinstance(node.values[0], ast.Constant) else ""
    if not isinstance(node, ast.Call):
        return ""
    if called(node) in ("tr", "translate", "_tr"):
        return beginning(node.args[-1])
    return beginning(node.func.value) if called(node) == "format" else ""


def called(call):
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def branches(node):
    return branches(node.body) + branches(node.orelse) if isinstance(node, ast.IfExp) else [node]


def said(tree):
    """(line, first letters) of every text that stands alone before a person."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = called(call)
        texts = [node for node in call.args if name in SAYS]
        texts += call.args[2:3] if name == "allow" else []
        texts += [word.value for word in call.keywords if word.arg in KEYWORDS and name != "replace"]
        for text in (beginning(one) for node in texts for one in branches(node)):
            if " " in text:
                yield call.lineno, text


def uncounted(tree):
    """(line, text) of a number before a plural that does not come from ``counted``."""
    docs = {id(one.body[0].value) for one in ast.walk(tree) if hasattr(one, "body") and isinstance(one.body, list) and one.body
            and isinstance(one.body[0], ast.Expr)}  # fmt: skip
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            for hole, text in zip(node.values, node.values[1:]):
                limit = isinstance(hole, ast.FormattedValue) and ast.unparse(hole.value).rpartition(".")[2].isupper()
                if (
                    isinstance(hole, ast.FormattedValue)
                    and isinstance(text, ast.Constant)
                    and COUNTED.match(text.value)
                    and not limit
                ):
                    yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Constant) and id(node) not in docs | parts and HOLE.search(str(node.value)):
            yield node.lineno, node.value


def test_what_stands_alone_begins_with_a_capital():
    small = [f"{path.name}:{line} {text}" for path, tree in trees() for line, text in said(tree)
             if text[:1].islower() and not sought(path, text)]  # fmt: skip
    assert not small


def sought(path, text):
    """The words by which the palette finds a command are no sentence."""
    return path.name in ("actions.py", "settings.py", "gallery.py") and text == text.lower()


def test_counts_have_the_right_plural_everywhere():
    found = [f"{path.relative_to(path.parents[2])}:{line} {text}" for path, tree in trees() for line, text in uncounted(tree)]
    assert not [one for one in found if not any(never in one for never in NEVER_ONE)]


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ('say(f"making {n} items")', True),
        ('say(f"{a:,} of {b:,} missing pictures found")', True),
        ('say(tr("Keeping {0} items").format(n))', True),
        ("say(f\"making {counted(n, 'item')}\")", False),
        ('say(f"at most {MOST} cells")', False),
    ],
)
def test_the_scan_of_counts_bites(source, caught):
    assert bool(list(uncounted(ast.parse(source)))) is caught


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ('allow(button, False, self.tr("the run is in training"))', True),
        ('bridge.notice(f"nothing was kept of {name}")', True),
        ('Command("a.b", "A b", run, why=tr("choose a run first"))', True),
        ('allow(button, False, "It is in training" if live else "It has ended")', False),
    ],
)
def test_the_scan_of_reasons_bites(source, caught):
    assert bool([text for _, text in said(ast.parse(source)) if text[:1].islower()]) is caught


#: What only a window has: its workspaces and buttons.
OF_THE_WINDOW = re.compile(
    r"\b[Ii]n (?:Data|Train|Sample|Trajectory|Latent|Gallery|Learn)\b|\b[Pp]ress\b|\bbutton\b|\b[Cc]lick\b"
)


def troubles_for_the_window_alone(tree):
    """(line, text) of every trouble in words of the window that gives no command for the terminal."""
    troubles = [one for one in ast.walk(tree) if isinstance(one, ast.Call) and called(one) in ("Trouble", "TroubleError")]
    for call in troubles:
        texts = [] if any(keyword.arg == "command" for keyword in call.keywords) else ast.walk(call)
        for text in texts:
            if isinstance(text, ast.Constant) and isinstance(text.value, str) and OF_THE_WINDOW.search(text.value):
                yield call.lineno, text.value


def test_what_the_engine_says_in_words_of_the_window_has_a_command_for_the_terminal():
    found = [
        f"{path.name}:{line}: {text}"
        for path, tree in trees()
        if path.is_relative_to(Path(models_backend.__file__).parent)
        for line, text in troubles_for_the_window_alone(tree)
    ]
    assert not found, "\n".join(found)
    wrong = ast.parse("TroubleError('it is gone', advice='Look for it in Data')")
    assert [text for _, text in troubles_for_the_window_alone(wrong)] == ["Look for it in Data"]
