"""Asks a server over HTTP what a model takes, before it is loaded with questions.

In: a server's address, a model's name. Out: a description. Thread: any, blocked meanwhile.
"""

from __future__ import annotations

from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import msgspec

from gapless.bench.load.infer import Described
from gapless.errors import ConnectionLostError

TIMEOUT_S: Final = 10.0
MOST_BYTES: Final = 1024 * 1024


def describe(url: str, model: str | None, headers: dict[str, str]) -> Described:
    """What a model takes.

    Args:
        url: ``http://HOST:PORT`` of a server.
        model: None: the one that it describes by itself.
        headers: that open its door.

    Raises:
        ConnectionLostError: the server does not tell.
    """
    path = "/v1/infer" if model is None else f"/v2/models/{quote(model, safe='')}"
    request = Request(url + path, headers=headers)  # noqa: S310 - the scheme was looked at
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            content = answer.read(MOST_BYTES)
        return msgspec.json.decode(content, type=Described)
    except HTTPError as error:
        reason = f"status {error.code}"
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = str(getattr(error, "reason", error))
    except msgspec.DecodeError:
        reason = "an answer that cannot be read"
    what = "its model" if model is None else f"the model {model!r}"
    raise ConnectionLostError(
        f"{url} does not say what {what} takes ({reason}); is it a Gapless server, and the key right?"
    )
