"""Adapters as files for a server: named by content and scale, written once, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from env.cache import cache_folder
from env.files import digest, make_folder, sha256_file, sync_folder
from env.refusal import Refusal
from training.backends.endpoint.servers import Written
from training.checkpoints import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from training.exports import Form
from training.sampler import SamplerSettings

Export = Callable[[Path, float, Form, Path], None]
"""Writes the adapter of a folder at a scale, as "adapter" or "merged", into an empty folder: the training backend's."""


def adapter_name(adapter: Path, scale: float | None) -> str:
    """Return the name of an adapter at a server, such as "step-000100_x0.50-1f2e3d4c"; it ends with a digest of its
    bytes, so that a server which still holds another run's adapter is not mistaken for this one.

    Args:
        scale: None for an adapter whose scale is set by each request.
    """
    own = digest([sha256_file(adapter / name) for name in (ADAPTER_WEIGHTS, ADAPTER_CONFIG)])[:8]
    return f"{adapter.name}-{own}" if scale is None else f"{adapter.name}_x{scale:.2f}-{own}"


def adapters_folder(settings: SamplerSettings) -> Path:
    """Return where adapters are written for servers; it may not exist yet."""
    return Path(settings.adapters_folder).expanduser() if settings.adapters_folder else cache_folder() / "served"


def place_of(name: str, form: Written, settings: SamplerSettings) -> Path:
    """Return the folder in which an adapter of that ``name`` and ``form`` is written."""
    return adapters_folder(settings).resolve() / f"{form}-{name}"


def written(adapter: Path, scale: float, name: str, form: Written, export: Export, settings: SamplerSettings) -> Path:
    """Return the folder of ``adapter`` with ``scale`` baked in, writing it where it is not there yet.

    Raises:
        Refusal: the adapter cannot be written in this form at this scale.
    """
    place = place_of(name, form, settings)
    if place.is_dir():
        return place
    make_folder(place.parent)
    stage = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=place.parent))
    try:
        if form == "peft":
            _write_peft(adapter, scale, stage)
        else:
            export(adapter, scale, form, stage)
        # a server may run as somebody else
        stage.chmod(0o755)
        sync_folder(stage)
        os.rename(stage, place)
    except OSError:
        # another process was quicker with the same bytes
        if not place.is_dir():
            raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return place


def seen_by_server(place: Path, settings: SamplerSettings) -> str:
    """Return the path of ``place`` as the server sees it."""
    if not settings.server_folder:
        return str(place)
    return f"{settings.server_folder.rstrip('/')}/{place.name}"


def _write_peft(adapter: Path, scale: float, to: Path) -> None:
    from safetensors import safe_open

    from training.backends.transformers_peft.exporting import write_baked

    with safe_open(adapter / ADAPTER_WEIGHTS, framework="numpy") as file:
        has_magnitudes = any("magnitude" in name for name in file.keys())  # noqa: SIM118
    if has_magnitudes:
        raise Refusal(
            f"{adapter}: servers do not apply DoRA adapters.",
            "Train with gate.c.lora.dora=false, or let the training backend sample: sampler=own.",
        )
    write_baked(adapter, scale, to, "base")
