"""What carries the frames of a connection.

In: frames. Out: the same at the other side. Invariants: whoever waits for a frame that will not come is told so.
Thread: the event loop's.
"""

from __future__ import annotations

from typing import Final, Protocol

from gapless.serve.stream.dialect import Frame

__all__ = ["Channel", "Frame", "Gone"]


class Gone(Exception):  # noqa: N818 - it is no error
    """The other side has closed, with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code: Final = code


class Channel(Protocol):
    """What carries frames."""

    async def receive(self) -> Frame:
        """The next frame.

        Raises:
            Gone: there is none any more.
        """
        ...

    async def send(self, frame: Frame) -> None:
        """Send a frame; waits while the other side does not read.

        Raises:
            Gone: there is nobody any more.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close; does nothing where that has happened."""
        ...
