"""A conversation in any dialect: a session and a hearing behind it, in one thread and on a clock that stands still.

In: frames of a client. Out: the frames that it would get, in the order it would get them. Invariants: those of
``Conversation``; what is told without ``settle`` is heard together with what comes next. Thread: one.
"""

from __future__ import annotations

from typing import Final, final

from gapless.serve.services import Services
from gapless.serve.stream.dialect import Dialect, Frame
from gapless.serve.stream.session import StreamSession
from gapless.testing.clock import ManualClock
from gapless.testing.conversation import Conversation


@final
class Talk:
    """Plays the connection of one client.

    Args:
        services: what hears.
        dialect: what the client speaks.
    """

    def __init__(self, services: Services, dialect: Dialect) -> None:
        self._dialect = dialect
        self._conversation = Conversation(services, dialect.options)
        self._replies: list[Frame] = []
        self.session: Final[StreamSession] = self._conversation.session
        self.clock: Final[ManualClock] = self._conversation.clock

    def greet(self) -> list[Frame]:
        """What the client is told first."""
        self._replies.extend(self._dialect.greet(self.session))
        return self.settle()

    def tell(self, *frames: Frame) -> None:
        """Receive frames, and do nothing yet about what follows from them."""
        for frame in frames:
            self._replies.extend(self._dialect.receive(frame, self.session, self.clock()))

    def send(self, *frames: Frame) -> list[Frame]:
        """Receive frames, do what follows from them; return what is answered."""
        self.tell(*frames)
        return self.settle()

    def settle(self) -> list[Frame]:
        """Do all there is to do; return what is answered, replies first."""
        self._conversation.work()
        answers, self._replies = self._replies, []
        for message in self._conversation.read():
            answers.extend(self._dialect.say(message))
        return answers

    def close(self) -> None:
        """Let go of the hearing."""
        self._conversation.close()
