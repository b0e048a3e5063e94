"""The trace of an utterance, put together of what was measured in its time and of nothing else."""

from __future__ import annotations

from gapless.errors import ModelError
from gapless.listen.events import Empty, Failed, ListenEvent, SpeechEnd, SpeechStart
from gapless.listen.events import Final as FinalEvent
from gapless.listen.times import UTTERANCE, Times
from gapless.observe.traces import Span
from gapless.serve.stream.trail import MOST_CHUNKS, MOST_OPEN, Trail
from gapless.serve.stream.work import Heard
from gapless.transcript import Utterance

MS = 1_000_000


class Stream:
    """A trail, and what came of it; chunks of 20 ms that are received every 20 ms and heard 1 ms later."""

    def __init__(self) -> None:
        self.traces: list[Span] = []
        self.trail = Trail(self.traces.append, {"gapless.session": "s1"})
        self.trail.opened("model")
        self.at_ms = 0

    def hear(self, chunks: int = 1) -> None:
        for _ in range(chunks):
            self.at_ms += 20
            received_ns = self.at_ms * MS
            began_ns = received_ns + MS // 2
            self.trail.record(Span("clean", began_ns + 1, began_ns + 2))
            self.trail.record(Span("vad", began_ns + 2, began_ns + 3))
            self.trail.heard(
                self.at_ms,
                first_ns=received_ns,
                received_ns=received_ns,
                began_ns=began_ns,
                ended_ns=received_ns + MS,
            )

    def tell(self, *events: ListenEvent) -> int:
        now_ns = (self.at_ms + 1) * MS
        self.trail.told(
            Heard(events, received_ms=self.at_ms, processed_ms=self.at_ms, waiting=False), now_ns
        )
        return now_ns


def final(utt: str, start_ms: int, end_ms: int) -> FinalEvent:
    return FinalEvent(Utterance(utt=utt, text="secret", start_ms=start_ms, end_ms=end_ms))


def named(span: Span, name: str) -> list[Span]:
    return [child for child in span.children if child.name == name]


def test_an_utterance_has_the_chunks_from_its_first_sample_to_its_final() -> None:
    stream = Stream()
    stream.hear(10)  # 0..200
    stream.tell(SpeechStart("u1", 150))
    stream.hear(5)  # ..300
    stream.tell(SpeechEnd("u1", 250), final("u1", 150, 250))
    stream.hear(2)  # behind it
    stream.trail.sent("u1", 345 * MS)
    (root,) = stream.traces
    assert (root.start_ns, root.end_ns) == (160 * MS, 345 * MS), "150 came with the chunk to 160"
    assert [chunk.attributes["gapless.start_ms"] for chunk in named(root, "chunk")] == [
        *(140, 160, 180, 200, 220, 240, 260, 280)
    ]
    (queue, hearing) = named(root, "chunk")[0].children
    assert (queue.end_ns - queue.start_ns, hearing.end_ns - hearing.start_ns) == (MS // 2, MS // 2)
    assert [part.name for part in hearing.children] == ["clean"]
    assert len(named(root, "vad")) == 8
    (endpoint,) = named(root, "endpoint")
    assert (endpoint.start_ns, endpoint.end_ns) == (260 * MS, 301 * MS)
    (send,) = named(root, "send")
    assert (send.start_ns, send.end_ns) == (301 * MS, 345 * MS)
    assert root.attributes == {
        "gapless.session": "s1",
        "gapless.model": "model",
        UTTERANCE: "u1",
        "gapless.start_ms": 150,
        "gapless.end_ms": 250,
        "gapless.audio_ms": 100,
        "gapless.outcome": "final",
        "gapless.sent": True,
        "gapless.final_after_ms": 85.0,
    }


def test_only_the_last_message_about_an_utterance_ends_its_trace() -> None:
    stream = Stream()
    stream.hear(2)
    stream.tell(SpeechStart("u1", 0))
    stream.trail.sent("u1", 50 * MS)
    stream.trail.sent("of another", 50 * MS)
    assert stream.traces == []
    stream.tell(Empty("u1"))
    stream.trail.sent("u1", 51 * MS)
    stream.trail.sent("u1", 52 * MS)
    assert [trace.attributes["gapless.outcome"] for trace in stream.traces] == ["empty"]


def test_what_a_recogniser_did_for_another_utterance_is_not_in_the_trace() -> None:
    stream = Stream()
    stream.hear(2)
    stream.tell(SpeechStart("u1", 0))
    for utt in ("u1", "u2"):
        whose = {UTTERANCE: utt}
        for name, start, end in (("place", 41, 42), ("step", 43, 44), ("finish", 45, 47)):
            stream.trail.record(Span(name, start * MS, end * MS, whose))
        stream.trail.record(Span("recognise", 41 * MS, 47 * MS, whose))
        stream.trail.record(Span("store", 47 * MS, 48 * MS, whose))
    stream.tell(SpeechEnd("u1", 40), final("u1", 0, 40))
    stream.trail.sent("u1", 50 * MS)
    (root,) = stream.traces
    (recognised,) = named(root, "recognise")
    assert [part.name for part in recognised.children] == ["place", "step", "finish"]
    assert {part.attributes[UTTERANCE] for part in recognised.children} == {"u1"}
    assert len(named(root, "store")) == 1


def test_a_failed_utterance_says_its_code() -> None:
    stream = Stream()
    stream.hear(2)
    stream.tell(SpeechStart("u1", 0))
    stream.tell(Failed("u1", ModelError("what was said; do this")))
    stream.trail.sent("u1", 50 * MS)
    (root,) = stream.traces
    assert (root.error, root.attributes["gapless.outcome"]) == ("model_error", "failed")
    assert "said" not in str(root)


def test_what_was_never_sent_is_told_when_the_stream_ends() -> None:
    stream = Stream()
    stream.hear(2)
    stream.tell(SpeechStart("u1", 0))
    stream.tell(SpeechEnd("u1", 40), final("u1", 0, 40), SpeechStart("u2", 30))
    stream.trail.close(99 * MS)
    one, other = stream.traces
    assert (one.attributes["gapless.outcome"], one.attributes["gapless.sent"]) == ("final", False)
    assert (other.attributes["gapless.outcome"], other.attributes["gapless.end_ms"]) == ("lost", 40)
    assert "gapless.final_after_ms" not in {*one.attributes, *other.attributes}


def test_of_a_long_utterance_the_end_is_kept_and_the_rest_counted() -> None:
    stream = Stream()
    stream.hear(1)
    stream.tell(SpeechStart("u1", 0))
    stream.hear(MOST_CHUNKS + 99)
    stream.tell(final("u1", 0, stream.at_ms))
    stream.trail.sent("u1", (stream.at_ms + 5) * MS)
    (root,) = stream.traces
    assert len(named(root, "chunk")) == MOST_CHUNKS
    assert root.attributes["gapless.left_out_ms"] == 100 * 20
    assert all(child.start_ns >= root.start_ns for child in root.children)


def test_utterances_that_nobody_is_told_of_are_bounded() -> None:
    stream = Stream()
    stream.hear(1)
    for number in range(MOST_OPEN + 3):
        stream.tell(SpeechStart(f"u{number}", 0))
    assert [trace.attributes[UTTERANCE] for trace in stream.traces] == ["u0", "u1", "u2"]


def test_the_first_utterance_of_another_stream_is_another_one() -> None:
    stream = Stream()
    stream.hear(2)
    stream.tell(SpeechStart("u1", 0))
    stream.tell(final("u1", 0, 40))
    stream.trail.opened("other")
    stream.tell(SpeechStart("u1", 0))
    (before,) = stream.traces
    assert before.attributes["gapless.sent"] is False
    stream.tell(Empty("u1"))
    stream.trail.sent("u1", 60 * MS)
    assert [trace.attributes["gapless.model"] for trace in stream.traces] == ["model", "other"]


def test_times_of_an_utterance_are_said_to_be_its_own() -> None:
    spans: list[Span] = []
    times = Times(spans.append, "u7")
    times.placed()
    times.record(Span("step", 1, 2, {"gapless.rows": 3}))
    times.finishing()
    times.over(ModelError("it broke; try again"))
    assert [(span.name, span.error) for span in spans] == [
        ("place", None),
        ("step", None),
        ("finish", None),
        ("recognise", "model_error"),
    ]
    assert {span.attributes[UTTERANCE] for span in spans} == {"u7"}
    assert spans[1].attributes["gapless.rows"] == 3
