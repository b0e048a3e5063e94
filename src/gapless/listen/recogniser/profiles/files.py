"""Which of a folder's files is what, by the names that exporters give them.

In: a folder. Out: one file for each role. Invariants: nothing is opened but ``config.json`` and, for the names of the
files that hold its weights, an ONNX file; where a network is there in several precisions, the 8-bit file is taken,
which is what runs live on a processor. Thread: any.

Names, as found in the exports of NeMo (``encoder-model.onnx``, ``decoder_joint-model.onnx``, ``model.onnx``,
``vocab.txt``), onnx-asr (``nemo128.onnx``, ``config.json``) and sherpa-onnx (``encoder-epoch-99-avg-1.int8.onnx``,
``decoder...``, ``joiner...``, ``tokens.txt``).
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from gapless.errors import ModelError

Role: TypeAlias = Literal["encoder", "fused", "predictor", "joiner", "preprocessor", "ctc"]

_ROLES: Final[tuple[tuple[Role, re.Pattern[str]], ...]] = (
    ("encoder", re.compile(r"encoder\b.*")),
    ("fused", re.compile(r"decoder_joint\b.*")),
    ("predictor", re.compile(r"(decoder|predictor)\b.*")),
    ("joiner", re.compile(r"(joiner|joint)\b.*")),
    ("preprocessor", re.compile(r"nemo\d+|preprocessor\b.*")),
    ("ctc", re.compile(r"model\b.*|ctc\b.*")),
)
_PRECISION: Final = re.compile(r"[._-](int8|uint8|quant|fp16|float16|fp32)$")
_PREFERENCE: Final = {"int8": 0, "uint8": 0, "quant": 0, "": 1, "fp32": 1, "fp16": 2, "float16": 2}
"""Half precision comes last: a processor computes it by converting every number."""

TOKENS: Final = ("tokens.txt", "vocab.txt")
CONFIG: Final = "config.json"
MAX_CONFIG_BYTES: Final = 1 << 20

_LOCATION: Final = b"\x0a\x08location\x12"
"""How an ONNX file begins the name of a file with weights: a ``StringStringEntryProto`` whose field 1, the key, is
"location" and whose field 2, the value, follows (onnx.proto, ``TensorProto.external_data``)."""


class ModelFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in a model's folder."""

    folder: Path
    networks: Mapping[Role, Path]
    tokens: Path | None
    config: Mapping[str, Any]
    """What ``config.json`` says; empty without one."""

    def network(self, role: Role) -> Path:
        """The file of a role that has to be there.

        Raises:
            ModelError: it is not.
        """
        if role not in self.networks:
            raise ModelError(
                f"{self.folder} has no {_WHAT[role]}; put it beside the other files of the model"
            )
        return self.networks[role]


_WHAT: Final[Mapping[Role, str]] = {
    "encoder": "encoder (encoder*.onnx)",
    "fused": "decoder_joint*.onnx",
    "predictor": "prediction network (decoder*.onnx or decoder_joint*.onnx)",
    "joiner": "joint network (joiner*.onnx)",
    "preprocessor": "preprocessor (preprocessor*.onnx)",
    "ctc": "model (model*.onnx)",
}


def find_files(folder: Path) -> ModelFiles:
    """Sort a folder's files; what has no known name is left alone.

    Raises:
        ModelError: two files would be the same network, or ``config.json`` cannot be read.
    """
    networks: dict[Role, Path] = {}
    for path in sorted(folder.glob("*.onnx")):
        role = _role(path)
        if role is None:
            continue
        other = networks.get(role)
        if other is not None and _precision(other) == _precision(path):
            raise ModelError(
                f"{folder} holds {other.name} and {path.name}, which may be each the {_WHAT[role]}; "
                "leave only one of them there"
            )
        if other is None or _preference(path) < _preference(other):
            networks[role] = path
    tokens = next((folder / name for name in TOKENS if (folder / name).is_file()), None)
    return ModelFiles(folder=folder, networks=networks, tokens=tokens, config=_config(folder))


def weight_files(path: Path) -> list[Path]:
    """The files beside an ONNX file that hold its weights, as it names them.

    Raises:
        ModelError: one of them is missing, or lies elsewhere.
    """
    names: set[str] = set()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(_LOCATION)
        while at >= 0:
            # The value's length fits in one byte: names of files are shorter than 128.
            length = data[at + len(_LOCATION)]
            begin = at + len(_LOCATION) + 1
            names.add(data[begin : begin + length].decode("utf-8", "replace"))
            at = data.find(_LOCATION, begin)
    for name in sorted(names):
        if Path(name).name != name or not (path.parent / name).is_file():
            raise ModelError(
                f"{path.name} has weights in the file {name!r}, which is not beside it; put it there"
            )
    return [path.parent / name for name in sorted(names)]


def _role(path: Path) -> Role | None:
    name = _PRECISION.sub("", path.name.removesuffix(".onnx"))
    return next((role for role, pattern in _ROLES if pattern.fullmatch(name)), None)


def _precision(path: Path) -> str:
    found = _PRECISION.search(path.name.removesuffix(".onnx"))
    return found[1] if found else ""


def _preference(path: Path) -> int:
    return _PREFERENCE[_precision(path)]


def _config(folder: Path) -> Mapping[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(MAX_CONFIG_BYTES))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read ({error}); mend it, or take it away if it belongs to another model"
        ) from error
    return content if isinstance(content, dict) else {}
