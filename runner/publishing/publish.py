"""Publish a run's adapter: export it with its full card, and upload it where that is requested."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from env.files import make_folder, write_atomic
from env.refusal import Refusal
from env.silence import turn_to
from gates.settings import Experiment
from runner.publishing.card import Published, between, model_card, published
from runner.release.export import Origin, export_cell
from runner.runs.config import read_older_config
from runner.runs.folder import Run
from training.exports import Form, RoundTrip

RESULTS_FILE = Path(".eval_results") / "luagate.yaml"


@dataclass(frozen=True, slots=True)
class Request:
    """What to publish and where.

    Attributes:
        to: a folder that does not exist yet.
        licence: of the adapter, an SPDX expression; "" leaves it out.
        benchmark: the hub's data set that the tasks lie in, USER/NAME; "" writes no ``.eval_results``, which need one.
        anyway: also without PROCEED; the card's first line then says so.
    """

    to: Path
    form: Form
    licence: str
    benchmark: str
    anyway: bool


def require_repo(name: str) -> None:
    """Raise Refusal where ``name`` cannot be USER/NAME on a hub."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise Refusal(f"{name!r} is no name of a repository: {_first_line(error)}", "Give USER/NAME.") from None
    if name.count("/") != 1:
        raise Refusal(f"{name!r} does not say whose repository it is.", "Give USER/NAME.")


def publish(run: Path, request: Request) -> Origin:
    """Write the folder to publish and return where it comes from; nothing leaves this machine.

    Raises:
        Refusal: as ``export_cell``, or ``benchmark`` is no name of a data set.
    """
    if request.benchmark:
        require_repo(request.benchmark)
    experiment = read_older_config(run / "config.yaml")
    opened, told = Run.open(run), list[Published]()

    def write_card(origin: Origin, experiment: Experiment, form: Form, found: RoundTrip) -> str:
        told.append(published(opened, origin, experiment, form, found, request.licence))
        return model_card(told[0])

    origin, _ = export_cell(run, experiment, "", request.form, request.to, request.anyway, write_card)
    if request.benchmark:
        path = request.to / RESULTS_FILE
        make_folder(path.parent)
        write_atomic(path, results_yaml(told[0], request.benchmark))
    return origin


def results_yaml(found: Published, benchmark: str) -> str:
    """Return ``.eval_results`` by huggingface_hub's own writer: the adapter's rate, its interval in the notes."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    verdict = found.data.verdict
    if verdict is None or verdict.adapter.value is None:
        return "[]\n"
    rate = verdict.adapter
    entry = EvalResultEntry(
        dataset_id=benchmark,
        task_id=f"pass_at_{verdict.k}",
        value=round(rate.value or 0.0, 2),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        notes="; ".join((verdict.word, between(rate), f"{rate.n} tasks", f"tasks' digest {found.dataset_digest[:12]}")),
    )
    return str(yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False))


def push(folder: Path, repo: str, is_private: bool) -> str:
    """Upload a published folder to a new or present repository of the hub; return its address.

    $HF_ENDPOINT names another hub, $HF_TOKEN or a login of `hf auth login` who you are; neither is written anywhere.

    Raises:
        Refusal: the hub refuses, cannot be reached, or nobody is logged in.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    require_repo(repo)
    turn_to(f"uploading {folder.name} to {repo}")
    api = HfApi()
    try:
        address = api.create_repo(repo, private=is_private, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message=f"luagate: {folder.name}")
    except (HfHubHTTPError, ValueError, OSError) as error:
        raise Refusal(f"{repo} was not uploaded: {_first_line(error)}", f"{folder} is whole: try again.") from None
    return str(address)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
