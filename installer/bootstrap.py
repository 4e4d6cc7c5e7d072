#!/usr/bin/env python3
"""Sets Nexus Studio up on a fresh machine and starts it. Needs only Python 3.11+, pip and, for Qt, apt.

    python3 installer/bootstrap.py              make the environment, open the window (without a display: run the demo)
    python3 installer/bootstrap.py test [...]   the same, then the tests (arguments go to pytest)
    python3 installer/bootstrap.py run ARGS     the same, then ``nexus-studio ARGS``

It makes its own virtual environment (``.venv`` beside the sources, or the folder in NEXUS_VENV), installs the
locked versions and the torch build that fits the machine, checks Qt's system packages, and does nothing twice.
Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from nexus_studio import system_packages as qt_packages  # noqa: E402
from nexus_studio.system_packages import has_display  # noqa: E402

LOCK = ROOT / "installer" / "requirements.lock"
TEST_LOCK = ROOT / "installer" / "requirements-test.lock"
TORCH = "torch==2.13.0"
OLDEST = (3, 11)

TEST_PROGRAMS = {"Xvfb": "xvfb", "xauth": "xauth"}


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bootstrap.py", description="Set Nexus Studio up and start it.")
    parser.add_argument("action", nargs="?", default="start", choices=("start", "test", "run", "install", "install-tests"))
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    try:
        python = prepare(testing=options.action in ("test", "install-tests"))
    except SetupError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    if options.action.startswith("install"):
        say(f"ready: {python.parent / 'nexus-studio'}")
        return 0
    return run(python, options.action, options.arguments)


def run(python: Path, action: str, arguments: list[str]) -> int:
    """Start what was asked for with the environment's Python; its exit status."""
    if action == "test":
        return subprocess.call([python, "-P", "-m", "pytest", "-n", str(min(4, os.cpu_count() or 1)), *arguments], cwd=ROOT)
    if action == "run":
        return subprocess.call([python, "-P", "-m", "nexus_studio", *arguments])
    if has_display():
        return subprocess.call([python, "-P", "-m", "nexus_studio", *arguments])
    out = Path.cwd() / "out" / "demo"
    say(f"no display: running the demo instead, into {out}")
    return subprocess.call([python, "-P", "-m", "nexus_studio", "demo", "--out", str(out), *arguments])


# ------------------------------------------------------------------------------------------ environment


def prepare(testing: bool) -> Path:
    """The environment's Python, with everything installed. Raises SetupError."""
    if sys.version_info < OLDEST:
        raise SetupError(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed; this is {platform.python_version()}")
    system_packages(testing)
    folder = Path(os.environ.get("NEXUS_VENV") or ROOT / ".venv")
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        make_environment(folder)
    stamps = {"nexus-studio.stamp": install} | ({"nexus-studio-tests.stamp": install_tests} if testing else {})
    for name, step in stamps.items():
        stamp, wanted = folder / name, fingerprint()
        if not stamp.exists() or stamp.read_text() != wanted:
            step(python)
            stamp.write_text(wanted)
    return python


def make_environment(folder: Path) -> None:
    say(f"making a virtual environment in {folder}")
    done = subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True)
    if done.returncode and apt_install(["python3-venv"]):
        done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise SetupError(f"the virtual environment could not be made: {(done.stdout + done.stderr).strip()[-400:]}")


def install(python: Path) -> None:
    """torch first (so that no other package chooses its build), then the lock, then the project itself."""
    started = time.monotonic()
    requirement, index = torch_build()
    say(f"installing {requirement} ({index or 'the default build'})")
    pip(python, requirement, *(["--index-url", index] if index else []))
    say("installing the locked packages")
    pip(python, "-r", str(LOCK))
    pip(python, "--no-deps", "--editable", str(ROOT))
    say(f"installed in {time.monotonic() - started:.0f} s")


def install_tests(python: Path) -> None:
    say("installing what the tests need")
    pip(python, "-r", str(TEST_LOCK))


def pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SetupError(f"pip install {' '.join(arguments)} failed:\n{done.stderr.strip()[-1500:]}")


def torch_build() -> tuple[str, str]:
    """The torch requirement and the index to take it from ("" = pip's own).

    The default index has the CUDA build for Linux, the Metal build for macOS and the CPU build for Windows. Other builds lie in
    PyTorch's own wheel index: give its root in NEXUS_TORCH_INDEX, and the folder for this machine is chosen here.
    """
    root = os.environ.get("NEXUS_TORCH_INDEX", "").rstrip("/")
    kind = accelerator()
    if kind == "rocm" and not root:
        say("the default torch build cannot use this AMD GPU: set NEXUS_TORCH_INDEX to the root of PyTorch's wheel index")
    if not root or kind == "metal":
        return TORCH, ""
    return TORCH, f"{root}/{ {'cuda': 'cu130', 'rocm': 'rocm7.0', 'cpu': 'cpu'}[kind] }"


def accelerator() -> str:
    """What this machine computes with: "cuda", "rocm", "metal" or "cpu"."""
    if sys.platform == "darwin":
        return "metal" if platform.machine() == "arm64" else "cpu"
    if shutil.which("nvidia-smi") and subprocess.run(["nvidia-smi", "-L"], capture_output=True).stdout.strip():
        return "cuda"
    return "rocm" if Path("/dev/kfd").exists() else "cpu"


def fingerprint() -> str:
    """Changes when anything that is installed changes."""
    files = [LOCK, TEST_LOCK, ROOT / "pyproject.toml"]
    parts = [path.read_bytes() for path in files] + [TORCH.encode(), str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


# --------------------------------------------------------------------------------------- system packages


def system_packages(testing: bool) -> None:
    """Install Qt's missing system packages as root on Debian or Ubuntu; else print the one command that does."""
    missing = missing_packages(testing)
    if not missing:
        return
    if apt_install(missing):
        missing = missing_packages(testing)
    if missing:
        say(f"Qt needs system packages that are missing here. Run:\n    sudo apt-get install {' '.join(missing)}")
        raise SetupError("system packages are missing")


def missing_packages(testing: bool) -> list[str]:
    if not sys.platform.startswith("linux"):
        return []
    screen = {"DISPLAY": ":0"} if testing else os.environ  # the tests bring an X server of their own
    missing = [*qt_packages.missing(testing or has_display(), screen).values()]
    if testing:
        missing += [package for program, package in TEST_PROGRAMS.items() if not shutil.which(program)]
    return missing


def apt_install(packages: list[str]) -> bool:
    """Whether apt installed the packages; False where it is not ours to do (no apt, or not root)."""
    if not shutil.which("apt-get") or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    say(f"installing system packages: {' '.join(packages)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, capture_output=True)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        say(f"apt-get could not install them: {done.stderr.strip()[-400:]}")
    return done.returncode == 0


def say(text: str) -> None:
    print(f"bootstrap: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
