"""What a stream tells while its finals wait for the store."""

from __future__ import annotations

from gapless.errors import InvalidAudioError, StoreError
from gapless.listen.events import (
    Empty,
    Final,
    Flushed,
    ListenEvent,
    Partial,
    SpeechEnd,
    SpeechStart,
)
from gapless.serve.stream.held import MAX_EVENTS, Held
from gapless.serve.stream.work import Heard, NotKept
from gapless.transcript import Utterance


def final(utt: str) -> Final:
    return Final(Utterance(utt, f"text of {utt}", 0, 900))


def partial(utt: str) -> Partial:
    return Partial(utt, "so far", 0, 0, 100)


def heard(*events: ListenEvent | NotKept, ms: int = 0, waiting: bool = False) -> Heard:
    return Heard(events, ms, ms, waiting)


def test_a_stream_goes_on_while_its_final_waits() -> None:
    held = Held()
    kept_first = heard(final("u1"), SpeechStart("u2", 1000), ms=1000)

    first = held.hold(kept_first)
    second = held.hold(heard(partial("u2"), SpeechEnd("u2", 2000), final("u2"), ms=2000))
    third = held.hold(heard(Flushed("f"), SpeechStart("u3", 2500), Empty("u3"), ms=3000))

    assert first == heard(SpeechStart("u2", 1000), ms=1000, waiting=True)
    assert second == heard(partial("u2"), SpeechEnd("u2", 2000), ms=2000, waiting=True)
    assert third == heard(SpeechStart("u3", 2500), ms=3000, waiting=True)
    assert held.holds

    told, rest = held.kept(kept_first)
    assert told == heard(final("u1"), ms=3000, waiting=True)
    assert rest == heard(final("u2"), Flushed("f"), Empty("u3"), ms=3000)
    assert held.holds

    not_kept = NotKept("u2", StoreError("gone"))
    told, rest = held.kept(heard(not_kept, *rest.events))
    assert told == heard(not_kept, final("u2"), Flushed("f"), Empty("u3"), ms=3000)
    assert rest is None
    assert not held.holds


def test_what_is_under_way_in_the_hearing_is_still_under_way_when_nothing_is_held_any_more() -> (
    None
):
    held = Held()
    kept = heard(final("u1"), waiting=True)
    held.hold(kept)

    told, _ = held.kept(kept)

    assert told.waiting


def test_an_error_that_ends_the_stream_comes_after_what_was_said_before_it() -> None:
    held = Held()
    error = InvalidAudioError("not finite; send numbers")
    kept = Heard((final("u1"),), 0, 0, waiting=False, error=error)

    assert held.hold(kept).error is None
    assert held.full

    told, rest = held.kept(kept)
    assert rest is None
    assert told.error is error
    assert told.events == (final("u1"),)
    assert not held.full


def test_an_error_that_does_not_end_the_stream_does_not_wait() -> None:
    held = Held()
    held.hold(heard(final("u1")))
    error = InvalidAudioError("no such option; leave it out")

    told = held.hold(Heard((), 0, 0, waiting=False, error=error), is_fatal=False)

    assert told.error is error
    assert not held.full


def test_what_is_held_is_bounded() -> None:
    held = Held()
    held.hold(heard(final("u0")))
    for number in range(MAX_EVENTS):
        assert not held.full
        held.hold(heard(final(f"u{number}")))

    assert held.full
    held.kept(heard(final("u0")))
    assert not held.full
