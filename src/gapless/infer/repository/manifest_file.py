"""Reads what a model's folder says of it: ``manifest.toml``, or Triton's ``config.pbtxt``, or nothing.

In: a folder. Out: a ``Manifest``, its labels read from their files. Invariants: an unknown key or a wrong value is an
error that names the file, the field and what was probably meant; nothing outside the folder is read. Thread: any.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_type_hints

import msgspec

from gapless.errors import ModelError
from gapless.infer.repository.config_pbtxt import CONFIG_FILE, parse_config
from gapless.infer.repository.manifest import Manifest, TensorEntry

MANIFEST_FILE: Final = "manifest.toml"

DESCRIPTIONS: Final = frozenset({MANIFEST_FILE, CONFIG_FILE})
"""Files by either of which a folder says that it is a model's."""

MAX_BYTES: Final = 16 * 2**20
"""The largest manifest, configuration or file of labels."""

Struct = TypeVar("Struct", bound=msgspec.Struct)


def read_manifest(folder: Path) -> Manifest:
    """What the folder of a model says of it; where both files are there, the manifest counts.

    Raises:
        ModelError: a file cannot be read, or says something impossible.
        MissingDependencyError: there is a ``config.pbtxt``, and protobuf is not installed.
    """
    if (folder / MANIFEST_FILE).is_file():
        manifest = parse_manifest(_text(folder / MANIFEST_FILE))
    elif (folder / CONFIG_FILE).is_file():
        manifest = parse_config(_text(folder / CONFIG_FILE), folder.name)
    else:
        return Manifest()
    return msgspec.structs.replace(
        manifest,
        inputs=tuple(_with_labels(entry, folder) for entry in manifest.inputs),
        outputs=tuple(_with_labels(entry, folder) for entry in manifest.outputs),
    )


def parse_manifest(text: str) -> Manifest:
    """What a ``manifest.toml`` says; files of labels are not read.

    Raises:
        ModelError: it is no TOML, or a field is unknown or has a value that it cannot have.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{MANIFEST_FILE} is no TOML: {error}; correct it there") from error
    for field, known in _unknown(document, Manifest):
        name = field.rpartition(".")[2]
        close = get_close_matches(name, known, n=1)
        advice = f"did you mean {close[0]}?" if close else f"those known are {', '.join(known)}"
        raise ModelError(f"{MANIFEST_FILE}: there is no field {field}; {advice}", param=field)
    try:
        return msgspec.convert(document, Manifest)
    except msgspec.ValidationError as error:
        # msgspec says what is wrong and where: "Expected `int` >= 0 - at `$.max_batch`".
        reason, _, where = str(error).rpartition(" - at ")
        field = where.strip("`").removeprefix("$").removeprefix(".")
        raise ModelError(
            f"{MANIFEST_FILE}: {field}: {reason or where}; correct it", param=field
        ) from error
    except ModelError as error:
        raise ModelError(f"{MANIFEST_FILE}: {error}", param=error.param) from error


def _unknown(
    table: Mapping[str, Any], kind: type[msgspec.Struct], where: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Keys of a table that its struct does not have, each with those that it has; tables inside are looked into."""
    hints = get_type_hints(kind)
    fields = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        if key not in fields:
            yield where + key, list(fields)
            continue
        inner = _struct_of(fields[key])
        tables = value if isinstance(value, list) else [value]
        for number, entry in enumerate(tables):
            if inner is not None and isinstance(entry, dict):
                index = f"[{number}]" if isinstance(value, list) else ""
                yield from _unknown(entry, inner, f"{where}{key}{index}.")


def _struct_of(hint: Any) -> type[msgspec.Struct] | None:
    """The struct in a type such as ``Struct | None`` or ``tuple[Struct, ...]``."""
    for kind in (hint, *get_args(hint)):
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return kind
    return None


def _with_labels(entry: TensorEntry, folder: Path) -> TensorEntry:
    if entry.labels_file is None:
        return entry
    path = folder / entry.labels_file
    if entry.labels:
        raise ModelError(
            f"{entry.name!r} has both labels and labels_file; keep one of them", param="labels_file"
        )
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelError(
            f"the labels of {entry.name!r} are in {entry.labels_file!r}, outside the model's folder; "
            "put the file into it",
            param="labels_file",
        )
    return msgspec.structs.replace(entry, labels=tuple(_text(path).splitlines()))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ModelError(f"{path.name} is larger than {MAX_BYTES} bytes; shorten it")
        return data.decode()
    except OSError as error:
        raise ModelError(
            f"{path.name} cannot be read: {error.strerror}; put it into {path.parent}"
        ) from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path.name} is not UTF-8: {error}; save it as UTF-8") from error
