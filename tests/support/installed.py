"""A wheel of this checkout, and an environment that has it installed and nothing of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.support.runs import PROJECT

NOT_COPIED = shutil.ignore_patterns(".*", "results", "tests", "build", "*.egg-info", "__pycache__")


def build_wheel(folder: Path) -> Path:
    """Return the wheel that pip builds of a copy of the checkout, with the setuptools that is installed here."""
    copy = folder / "checkout"
    shutil.copytree(PROJECT, copy, ignore=NOT_COPIED)
    told = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(copy)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    shutil.rmtree(copy)
    [wheel] = folder.glob("luagate-*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel; the libraries are those of this one. Return its bin folder."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    told = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", str(wheel)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    see_libraries(folder)
    return folder / "bin"


def see_libraries(folder: Path) -> None:
    """Give an environment the libraries that are installed here, but no editable install of this checkout."""
    # a folder named in a .pth file is searched, its own .pth files are not read
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (site / "libraries.pth").write_text("".join(f"{path}\n" for path in library_folders()), encoding="utf-8")


def library_folders() -> list[str]:
    """Return where this interpreter finds installed libraries."""
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages")) and Path(path).is_dir()]


def plain_environment(*bins: Path, home: Path) -> dict[str, str]:
    """Return the environment of a shell that knows nothing of this project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LUAGATE_", "PYTHON", "VIRTUAL"))}
    path = os.pathsep.join([*map(str, bins), "/usr/local/bin", "/usr/bin", "/bin"])
    return {**kept, "PATH": path, "HOME": str(home), "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
