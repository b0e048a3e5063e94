"""Messages on their way to a client that may read slowly, or lose its connection.

In: messages in the order they happen. Out: the same, numbered, in the order they are sent.
Invariants: ``seq`` counts what is sent, from 1 and without gaps; an unsent partial gives way to a newer one of its
utterance, and an unsent progress to a newer one; nothing else is ever dropped, so ``full`` says when to give up.
Thread: the event loop's; no I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Final

import msgspec

from gapless.serve.stream.messages import PartialMessage, ProgressMessage, ServerMessage

HISTORY: Final = 256
"""Messages that can be sent again."""


class Outgoing:
    """The bounded queue of one session.

    Args:
        session: name that goes on every message.
        most: unsent messages at which the queue is full.
    """

    def __init__(self, session: str, most: int) -> None:
        self._session = session
        self._most = most
        self._unsent: dict[Hashable, ServerMessage] = {}
        """In order; the key is what a newer message replaces."""
        self._again: deque[ServerMessage] = deque()
        """Sent before, to be sent again before anything new."""
        self._sent: deque[ServerMessage] = deque(maxlen=HISTORY)
        self._seq = 0
        self._pushed = 0

    def __len__(self) -> int:
        return len(self._unsent) + len(self._again)

    @property
    def full(self) -> bool:
        """Whether the reader is too slow to go on."""
        return len(self._unsent) > self._most

    def push(self, message: ServerMessage) -> None:
        """Put a message at the end."""
        self._pushed += 1
        key: Hashable = self._pushed
        if isinstance(message, PartialMessage):
            key = message.utt
        elif isinstance(message, ProgressMessage):
            key = ProgressMessage
        self._unsent.pop(key, None)
        self._unsent[key] = message

    def pop(self) -> ServerMessage | None:
        """The next message to send, numbered."""
        if self._again:
            return self._again.popleft()
        if not self._unsent:
            return None
        self._seq += 1
        message = self._unsent.pop(next(iter(self._unsent)))
        message = msgspec.structs.replace(message, seq=self._seq, session=self._session)
        self._sent.append(message)
        return message

    def replay(self, last_seq: int) -> bool:
        """Send again what followed ``last_seq``.

        Returns:
            Whether all of it is still here.
        """
        self._again = deque(message for message in self._sent if message.seq > last_seq)
        return len(self._again) == max(self._seq - last_seq, 0)

    def clear(self) -> None:
        """Forget what is unsent."""
        self._unsent.clear()
        self._again.clear()
