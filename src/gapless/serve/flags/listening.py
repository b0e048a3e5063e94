"""How a recording is listened to, on the side of flags that its call is on.

In: options. Out: options. Thread: the event loop's.
"""

from __future__ import annotations

from msgspec.structs import replace

from gapless.listen.listener import ListenOptions
from gapless.serve.flags.call import is_on


def on_its_side(options: ListenOptions) -> ListenOptions:
    """``options`` for the call that is being served."""
    if is_on("batching"):
        return options
    return replace(options, recognise=replace(options.recognise, alone=True))
