"""Flags over HTTP: what they are, and changing them for all processes of the server.

In: requests. Out: JSON. Invariants: a key is needed as for all else; a change is in the file before it is answered.
Thread: the event loop's; the file is written in the executor.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gapless.errors import ConfigError, ProtocolError
from gapless.serve.flags.flags import Flags
from gapless.serve.offload import in_executor
from gapless.serve.services import Services
from gapless.settings.flags import FLAGS, FlagName, flag_name, parse_share, share_text


class FlagState(msgspec.Struct, frozen=True):
    """One flag."""

    name: str
    share: str
    """``on``, ``off``, or the share of sessions for which it is on, as in ``10%``."""
    help: str
    """What is done for them."""
    compared: bool
    """Whether ``/metrics`` counts both sides."""


class FlagsAnswer(msgspec.Struct, frozen=True):
    """All flags."""

    flags: tuple[FlagState, ...]


class FlagsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``PUT /v1/flags`` takes."""

    flags: dict[str, str]
    """Names and shares, as in ``{"batching": "10%"}``; those that are left out are as the settings say."""


def routes(services: Services, flags: Flags) -> list[Route]:
    """``/v1/flags``."""

    async def answer(request: Request) -> Response:
        if request.method == "PUT":
            shares = read_change(await request.body())
            await in_executor(services, lambda: flags.write(shares))
            flags.look()
        return Response(
            msgspec.json.encode(flags_answer(flags)),
            headers={"cache-control": "no-store"},
            media_type="application/json",
        )

    return [Route("/v1/flags", answer, methods=["GET", "PUT"])]


def flags_answer(flags: Flags) -> FlagsAnswer:
    """All flags as they are now."""
    return FlagsAnswer(
        tuple(
            FlagState(name, share_text(flags.shares[name]), help_text, name in flags.compared)
            for name, help_text in FLAGS.items()
        )
    )


def read_change(body: bytes) -> dict[FlagName, float]:
    """The shares of a request.

    Raises:
        ProtocolError: it is none, or names a flag or a share that is not known.
    """
    try:
        change = msgspec.json.decode(body, type=FlagsChange)
        return {flag_name(name): parse_share(share) for name, share in change.flags.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the JSON cannot be used: {error}; see /docs") from error
    except ConfigError as error:
        raise ProtocolError(str(error), param="flags") from error
