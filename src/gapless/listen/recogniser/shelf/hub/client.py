"""What a model hub has: the commit that a revision stands for, and the files of a repository.

In: ``owner/name`` and a revision. Out: a ``Listing``. The hub is Hugging Face's, or one that speaks as it does
(``HF_ENDPOINT``, as users of its own client know it). Invariants: an answer larger than ``MOST_BYTES`` is refused.
Source: huggingface.co/docs/hub/api; the sum of a large file is its Git LFS object id (SHA-256), that of a small one the
SHA-1 of Git's blob. Thread: any; blocks.
"""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Final, final
from urllib.parse import quote

import msgspec

from gapless.errors import ConfigError, ConnectionLostError, ModelError, ModelNotFoundError
from gapless.listen.recogniser.shelf.hub.catalogue import PLAIN_NAME

DEFAULT_ENDPOINT: Final = "https://huggingface.co"
ENDPOINT_VARIABLE: Final = "HF_ENDPOINT"

USER_AGENT: Final = "gapless"

TIMEOUT_S: Final = 30.0

MOST_BYTES: Final = 4 * 1024 * 1024
"""A listing of some ten thousand files."""


class HubFile(msgspec.Struct, frozen=True):
    """One file in a repository."""

    path: str
    size_bytes: int
    sha256: str | None = None
    blob_sha1: str | None = None
    """Of Git's blob, for files outside Git LFS."""


class Listing(msgspec.Struct, frozen=True):
    """A repository at one commit."""

    commit: str
    files: tuple[HubFile, ...]


class _Revision(msgspec.Struct, frozen=True):
    sha: str


class _Lfs(msgspec.Struct, frozen=True):
    oid: str
    size: int


class _Entry(msgspec.Struct, frozen=True):
    type: str
    path: str
    size: int = 0
    oid: str = ""
    lfs: _Lfs | None = None


def hub_endpoint(env: Mapping[str, str] | None = None) -> str:
    """The hub's address, without a slash at its end."""
    named = (os.environ if env is None else env).get(ENDPOINT_VARIABLE, "")
    return (named or DEFAULT_ENDPOINT).rstrip("/")


@final
class HubClient:
    """Asks one hub. Every answer is a fresh one.

    Raises:
        ConfigError: ``endpoint`` is no address for HTTP.
    """

    def __init__(self, endpoint: str, *, timeout_s: float = TIMEOUT_S) -> None:
        if not endpoint.startswith(("https://", "http://")):
            raise ConfigError(
                f"{endpoint!r} is no address of a model hub; give {ENDPOINT_VARIABLE} one like {DEFAULT_ENDPOINT}"
            )
        self.endpoint = endpoint
        self.timeout_s = timeout_s

    def list(self, repository: str, revision: str) -> Listing:
        """Files of a repository.

        Raises:
            ModelNotFoundError: there is no such repository or revision, or not for everybody.
            ConnectionLostError: the hub cannot be reached.
            ModelError: it answers with what cannot be read.
        """
        root = f"{self.endpoint}/api/models/{repository}"
        ref = quote(revision, safe="")
        try:
            commit = msgspec.json.decode(self._get(f"{root}/revision/{ref}"), type=_Revision).sha
            body = self._get(f"{root}/tree/{quote(commit, safe='')}?recursive=true")
            entries = msgspec.json.decode(body, type=list[_Entry])
        except msgspec.MsgspecError as error:
            raise ModelError(
                f"{self.endpoint} does not answer like a model hub ({error}); check {ENDPOINT_VARIABLE}"
            ) from error
        if not PLAIN_NAME.fullmatch(commit):
            raise ModelError(
                f"{self.endpoint} names a commit {commit!r}; check {ENDPOINT_VARIABLE}"
            )
        return Listing(commit, tuple(_file(entry) for entry in entries if entry.type == "file"))

    def file_url(self, repository: str, commit: str, path: str) -> str:
        """Where a file is."""
        return f"{self.endpoint}/{repository}/resolve/{quote(commit, safe='')}/{quote(path)}"

    def _get(self, url: str) -> bytes:
        request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT})  # noqa: S310 - the hub's address
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as response:  # noqa: S310
                body: bytes = response.read(MOST_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise refusal(error.code, url) from error
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(self.endpoint, error) from error
        if len(body) > MOST_BYTES:
            raise ModelError(f"{url} answers with too much; check {ENDPOINT_VARIABLE}")
        return body


def refusal(status: int, url: str) -> ModelNotFoundError | ConnectionLostError:
    """What an HTTP status that is no success means."""
    if status in (401, 403, 404):
        return ModelNotFoundError(
            f"the hub has no {url}, or does not show it to everybody (HTTP {status}); check the name, or fetch the "
            "files where you may and add their folder with `gapless models add PATH`"
        )
    return ConnectionLostError(f"the hub answered {url} with HTTP {status}; try again later")


def unreachable(endpoint: str, error: Exception) -> ConnectionLostError:
    """The hub cannot be reached, or went away."""
    reason = getattr(error, "reason", None) or error
    return ConnectionLostError(
        f"{endpoint} cannot be reached ({reason}); check the network, name a mirror in {ENDPOINT_VARIABLE}, or fetch "
        "the model's files elsewhere and add their folder with `gapless models add PATH`"
    )


def _file(entry: _Entry) -> HubFile:
    if entry.lfs is not None:
        return HubFile(entry.path, entry.lfs.size, sha256=entry.lfs.oid)
    return HubFile(entry.path, entry.size, blob_sha1=entry.oid or None)
