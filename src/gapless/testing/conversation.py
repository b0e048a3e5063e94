"""A stream's session and hearing, talked to in one thread and on a clock that stands still.

In: what a client would send. Out: all the messages that it would get. Invariants: nothing is skipped: each job is
done, and each place at a recogniser waited for, before the next word. Thread: one.
"""

from __future__ import annotations

from typing import Final, final

from gapless.errors import GaplessError
from gapless.serve.services import Services
from gapless.serve.stream.hearing import Hearing
from gapless.serve.stream.messages import ClientMessage, ServerMessage, StreamOptions, encode
from gapless.serve.stream.session import StreamSession
from gapless.serve.stream.work import Heard
from gapless.testing.clock import ManualClock

NAME: Final = "s0"
TOKEN: Final = "t0"  # noqa: S105 - a test's


@final
class Conversation:
    """Plays both shells, ``live`` and ``stream``, for one session.

    Args:
        services: what hears.
        options: as in the query.
    """

    def __init__(self, services: Services, options: StreamOptions | None = None) -> None:
        self.clock: Final = ManualClock()
        self.session: Final = StreamSession(
            NAME, TOKEN, services.settings, options or StreamOptions(), self.clock()
        )
        self.hearing: Final = Hearing(services, NAME)
        self.messages: Final[list[ServerMessage]] = []
        """Everything that was sent, in order."""

    def send(self, *said: bytes | str | ClientMessage) -> list[ServerMessage]:
        """Say something, do what follows from it; return what was answered."""
        for one in said:
            if isinstance(one, bytes):
                self.session.receive_bytes(one, self.clock())
            else:
                text = one if isinstance(one, str) else encode(one)
                self.session.receive_text(text, self.clock())
        return self.settle()

    def settle(self) -> list[ServerMessage]:
        """Do all jobs there are, and wait for what they wait for; return what was answered."""
        self.work()
        return self.read()

    def work(self) -> None:
        """Do all jobs there are, and wait for what they wait for; read nothing."""
        while self._do_next():
            pass

    def read(self) -> list[ServerMessage]:
        """Take what is there to be sent."""
        answers: list[ServerMessage] = []
        while (message := self.session.next_message()) is not None:
            answers.append(message)
        self.messages.extend(answers)
        return answers

    def close(self) -> None:
        """Let go of the hearing."""
        self.hearing.close()

    def _do_next(self) -> bool:
        job = self.session.next_job()
        if job is None:
            if not self.hearing.busy or self.session.finished:
                return False
            self.hearing.wait()
        try:
            result = self.hearing.step() if job is None else self.hearing.do(job)
        except GaplessError as error:
            self.session.failed(error)
            return True
        if isinstance(result, Heard):
            result = self.hearing.keep(result)
        self.session.done(result, self.clock())
        return True
