"""Where the random models are kept: one folder a recipe, generated at first use, atomically."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

from env.cache import cache_folder
from env.files import digest, make_folder, sha256_file
from env.installed.own_modules import module_command, module_environment
from env.refusal import Refusal
from training.tiny_random.architectures import SMALL, architecture

SCHEME = "tiny_random:"
# increased when making.py writes other bytes for the same recipe
_FORMAT = 2
_SEED = 0
_TOKENIZER = Path(__file__).resolve().parent.parent / "tiny" / "model" / "tokenizer.json"


def is_recipe(path: str) -> bool:
    """Return whether ``path`` names a random model ("tiny_random:mistral") and not a folder."""
    return path.startswith(SCHEME)


def cached_folder(path: str) -> Path:
    """Return the folder of the random model that ``path`` names, made or not; reads nothing heavy.

    It is in $XDG_CACHE_HOME/luagate (else ~/.cache/luagate) and its name holds a digest of the whole recipe.

    Raises:
        Refusal: there is no such architecture.
    """
    name = path.removeprefix(SCHEME)
    kind = architecture(name)
    recipe = [_FORMAT, _SEED, asdict(kind), SMALL, sha256_file(_TOKENIZER)]
    return cache_folder() / f"tiny_random_{name}-{digest(recipe)[:12]}"


def made_folder(path: str) -> Path:
    """Return the folder of the random model that ``path`` names, generated when it does not exist yet.

    Raises:
        Refusal: there is no such architecture, or the cache cannot be written.
    """
    folder = cached_folder(path)
    if not folder.is_dir():
        make_folder(folder.parent)
        partial = folder.with_name(f".{folder.name}.{os.getpid()}")
        _write_elsewhere(partial, path.removeprefix(SCHEME))
        try:
            partial.rename(folder)
        except OSError:
            # another process made the same bytes first
            shutil.rmtree(partial)
            if not folder.is_dir():
                raise
    return folder


def _write_elsewhere(folder: Path, name: str) -> None:
    """Write the model in a separate process: this imports transformers, which must not happen before unsloth."""
    shutil.rmtree(folder, ignore_errors=True)
    made = subprocess.run(
        module_command("training.tiny_random", name, str(folder), "--seed", str(_SEED)),
        env=module_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        last = made.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        raise Refusal(f"The random model {name} could not be generated in {folder.parent}: {last[0][:300]}")


def write_model(folder: Path, name: str, seed: int) -> None:
    """Write the random model ``name`` into ``folder``, replacing what a killed attempt left there."""
    from training.tiny_random.making import make_model

    kind = architecture(name)
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    make_model(folder, kind, seed)
