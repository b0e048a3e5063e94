"""Optimisations that can be turned on and off for a share of the sessions while the server runs.

In: ``batching=10%,answers=off`` from the settings, or the JSON of ``flags.json``. Out: a share for each flag, and
whether a session is within it. Invariants: a session keeps its side for as long as the share stays, whichever process
asks; whoever is within a share is within every larger one; which sessions these are differs from flag to flag.
Thread: any (pure functions).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from gapless.errors import ConfigError

FlagName: TypeAlias = Literal["answers", "batching", "compression", "quick", "recordings"]

FLAGS: Final[Mapping[FlagName, str]] = MappingProxyType(
    {
        "answers": "Models are asked once for each question, and the answer is remembered.",
        "batching": "Rows of this session share calls of models with those of others.",
        "compression": "Answers are compressed for clients that accept it.",
        "quick": "Plain questions to /v1/infer pass by the middleware; remembered answers are sent again byte by byte.",
        "recordings": "Recordings are heard once for each way to hear them, and the transcript is remembered.",
    }
)
"""Every flag, and what is done for the sessions within its share."""

ON: Final = 100.0
OFF: Final = 0.0

Shares: TypeAlias = Mapping[FlagName, float]
"""Percent of the sessions, by flag; those that are not there are on."""

FILE_NAME: Final = "flags.json"
"""In the data folder; what stands there goes before the setting."""

LARGEST_FILE_BYTES: Final = 64 * 1024

_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,4})?) ?%")

_RANGE: Final = 1 << 64


def parse_shares(text: str) -> dict[FlagName, float]:
    """Read ``NAME=on|off|N%``, with commas in between; the last of a name counts.

    Raises:
        ConfigError: a name or a share is not known.
    """
    shares: dict[FlagName, float] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, is_there, share = item.partition("=")
        if not is_there:
            raise ConfigError(
                f"the flag {_cut(item)} has no share; write {name.strip()[:32]}=off or =10%"
            )
        known = flag_name(name.strip())
        shares[known] = parse_share(share.strip())
    return shares


def flag_name(text: str) -> FlagName:
    """A name that is known.

    Raises:
        ConfigError: it is not.
    """
    for name in get_args(FlagName):
        if text == name:
            found: FlagName = name
            return found
    raise ConfigError(f"there is no flag {_cut(text)}; those known are {', '.join(FLAGS)}")


def parse_share(text: str) -> float:
    """Percent.

    Raises:
        ConfigError: it is not on, off or a share.
    """
    if text in {"on", "off"}:
        return ON if text == "on" else OFF
    found = _PERCENT.fullmatch(text)
    if found is None or float(found[1]) > ON:
        raise ConfigError(f"{_cut(text)} is no share of a flag; write on, off, or 0% to 100%")
    return float(found[1])


def share_text(share: float) -> str:
    """A share as people write it."""
    if share in {ON, OFF}:
        return "on" if share else "off"
    return f"{share:g}%"


def read_shares(content: bytes) -> dict[FlagName, float]:
    """The shares of a file: a JSON object of names and shares as people write them.

    Raises:
        ConfigError: it is none, or a name or a share is not known.
    """
    try:
        kept = msgspec.json.decode(content, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(
            f"{FILE_NAME} is no JSON of flags ({error}); correct it, or remove it with `gapless flags reset`"
        ) from error
    return {flag_name(name): parse_share(share) for name, share in kept.items()}


def write_shares(shares: Shares) -> bytes:
    """The content of the file."""
    return msgspec.json.encode({name: share_text(shares[name]) for name in sorted(shares)}) + b"\n"


def is_within(flag: FlagName, key: str, share: float) -> bool:
    """Whether a session is within a share of a flag.

    Args:
        flag: its name.
        key: the session.
        share: percent.
    """
    if share >= ON:
        return True
    if share <= OFF:
        return False
    place = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=flag.encode())
    return int.from_bytes(place.digest(), "big") * ON < share * _RANGE


def _cut(text: str) -> str:
    return repr(text[:64])
