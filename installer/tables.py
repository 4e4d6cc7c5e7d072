"""The tables of README.md that the program writes: families, proofs, built-in data, commands, dependencies.

    python installer/tables.py                    write them into README.md
    python installer/tables.py --check            say whether they match the code (exit status 1 when not)
    python installer/tables.py --proofs LIBRARY   first take the results of ``nexus-studio proof`` out of that library

Families come from the workers' own descriptions, proofs from resources/proofs, one file a proof; beside it lies a sheet of
what the run made, which its guide shows.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

import msgspec
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PROOFS = ROOT / "resources" / "proofs"
SHEET_PX, COLUMNS = 640, 8


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, only say whether the tables match")
    parser.add_argument("--proofs", type=Path, metavar="LIBRARY", help="take the newest result of each proof out of a library")
    options = parser.parse_args(argv)
    if options.proofs:
        take_proofs(options.proofs)
    text = README.read_text(encoding="utf-8")
    wanted = filled(text)
    if options.check:
        stale = [name for name in tables() if section(text, name) != section(wanted, name)]
        for name in stale:
            print(f"README.md: the table of {name} does not match the code; run python installer/tables.py", file=sys.stderr)
        return 1 if stale else 0
    README.write_text(wanted, encoding="utf-8")
    return 0


def take_proofs(library: Path) -> None:
    """Keeps the newest result of each proof that was made in a library. Raises ValueError where it holds none."""
    from models_backend.evaluation.proof import ProofResult

    results = [msgspec.json.decode(path.read_bytes(), type=ProofResult) for path in library.glob("runs/*/proof.json")]
    if not results:
        raise ValueError(f"{library} holds no proof; run nexus-studio proof FAMILY --library {library}")
    PROOFS.mkdir(exist_ok=True)
    for result in sorted(results, key=lambda result: result.when):
        path = PROOFS / f"{result.family}-{result.proof}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
        path.with_suffix(".png").write_bytes(sheet(library / "runs" / result.run))


def sheet(run: Path) -> bytes:
    """The last preview of a run as a PNG: rows of pictures, or points as a density."""
    from models_backend.library.samples import read_arrays
    from models_backend.media import pictures, stills

    items = read_arrays(max((run / "previews").glob("*.npz")))["items"]
    if items.ndim == 2:
        return stills.encode(pictures.points_picture(items, SHEET_PX // 4), "png")
    scale = pictures.fitting_scale(*items.shape[1:3], SHEET_PX // COLUMNS)
    enlarged = [pictures.enlarged(item, scale) for item in items[: 3 * COLUMNS]]
    return stills.encode(pictures.contact_sheet(np.stack(enlarged), COLUMNS, 4), "png")


def filled(text: str) -> str:
    """The text with every table between its markers written anew. Raises ValueError for a missing marker."""
    for name, table in tables().items():
        pattern = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.S)
        if not pattern.search(text):
            raise ValueError(f"README.md has no place for the table of {name}")
        text = pattern.sub(lambda found, table=table: found[1] + table + found[2], text)
    return text


def section(text: str, name: str) -> str:
    """What stands between the markers of a table."""
    found = re.search(rf"<!-- table: {name} -->\n(.*?)<!-- end -->", text, re.S)
    return found[1] if found else ""


def tables() -> dict[str, str]:
    return {"families": families(), "proofs": proofs(), "data": data(), "commands": commands(), "dependencies": dependencies()}


def families() -> str:
    """One line a family, from its description."""
    from models_backend.workers.registry import descriptions

    lines = ["| family | group | makes | paper |", "|---|---|---|---|"]
    for family in descriptions():
        lines.append(f"| **{family.title}** | {family.group} | {', '.join(family.modalities)} | {family.paper} |")
    return "\n".join(lines) + "\n"


def proofs() -> str:
    """What each family reached, from the results that ``nexus-studio proof`` wrote."""
    from models_backend.evaluation.proof import ProofResult, families_table
    from models_backend.workers.registry import descriptions

    order = [family.key for family in descriptions()]
    results = [msgspec.json.decode(path.read_bytes(), type=ProofResult) for path in sorted(PROOFS.glob("*.json"))]
    results.sort(key=lambda r: (order.index(r.family) if r.family in order else len(order), r.when))
    return families_table(results, {family.key: family.title for family in descriptions()})


def data() -> str:
    """One line a built-in data set, from its options."""
    from models_backend.contract.fields import describe
    from models_backend.data.builtin import BUILTIN

    lines = ["| name | what it is | options |", "|---|---|---|"]
    for name, (options, _) in BUILTIN.items():
        said = " ".join(options.__doc__.split()).removesuffix(".")
        offered = ", ".join(f"`{field.name}` ({field.default})" for field in describe(options).fields)
        lines.append(f"| `{name}` | {said} | {offered} |")
    return "\n".join(lines) + "\n"


def commands() -> str:
    """One line a command, from the argument parser."""
    from models_backend.cli import parser

    actions = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    lines = ["| command | what it does |", "|---|---|"]
    lines += [f"| `nexus-studio {choice.dest}` | {choice.help} |" for choice in actions._choices_actions]
    return "\n".join(lines) + "\n"


def dependencies() -> str:
    """What the project needs, with the version that is locked."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = dict(re.findall(r"^([\w.\-]+)==(\S+)$", (ROOT / "installer/requirements.lock").read_text(), re.M))
    locked = {name.lower().replace("_", "-"): version for name, version in locked.items()}
    torch = re.search(r'TORCH = "torch==([^"]+)"', (ROOT / "installer/bootstrap.py").read_text())
    locked["torch"] = torch[1] if torch else ""
    lines = ["| package | accepted | locked |", "|---|---|---|"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["video"]:
        name, bounds = re.match(r"([\w.\-]+)(.*)", requirement).groups()
        lines.append(f"| {name} | `{bounds}` | {locked[name.lower().replace('_', '-')]} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
