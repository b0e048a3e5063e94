"""Questions that differ: over HTTP, and as messages for gRPC."""

from __future__ import annotations

import msgspec
import pytest

from gapless.bench.load.http import wire_of
from gapless.bench.load.infer import Described, Takes, infer_body
from gapless.bench.load.task import HttpQuestion, Task
from gapless.bench.load.template import Template
from gapless.errors import ConfigError

MODEL = Described(
    (
        Takes("ids", "INT64", (4,)),
        Takes("x", "FP32", (5,)),
        Takes("y", "FP32", (2,), optional=True),
    ),
    model="ranker",
    batched=True,
)


def task(question: HttpQuestion, *, bodies: int = 0) -> Task:
    return Task(
        question=question,
        connections=1,
        warm_up_s=0,
        seconds=1,
        timeout_s=1,
        bodies=bodies,
        run=7,
    )


def test_numbers_have_nine_digits_and_begin_again_after_so_many_bodies() -> None:
    template = Template(b"a={number} b={run}", run=12, bodies=3)

    assert template.make(2) == b"a=000000002 b=000000012"
    assert template.make(5) == template.make(2)
    assert len({template.make(number) for number in range(9)}) == 3


def test_without_numbers_all_are_the_same() -> None:
    assert Template(b"same {run}", run=1).is_constant
    assert not Template(b"{number}", run=1).is_constant


def test_a_question_to_a_model_differs_by_request_and_by_run() -> None:
    body = infer_body(MODEL).encode()
    texts = [
        Template(body, run=run).make(number) for run, number in ((1, 0), (1, 1), (2, 0), (1, 10**8))
    ]
    questions = [msgspec.json.decode(text) for text in texts]

    assert len({tuple(question["inputs"]["x"]) for question in questions}) == len(questions)
    assert questions[0]["model"] == "ranker"
    assert questions[0]["inputs"]["ids"] == [0] * 4
    assert len(questions[0]["inputs"]["x"]) == 5
    assert "y" not in questions[0]["inputs"]


def test_a_question_to_a_model_of_texts_differs_too() -> None:
    described = Described((Takes("text", "BYTES", (-1, 1)),), name="tagger")
    question = msgspec.json.decode(Template(infer_body(described).encode(), run=1).make(2))

    assert question == {
        "model": "tagger",
        "inputs": {"text": [["hello 000000002 000000001"]]},
    }


def test_a_model_whose_questions_cannot_differ_is_refused() -> None:
    with pytest.raises(ConfigError, match="neither fractions nor texts"):
        infer_body(Described((Takes("ids", "INT64", (4,)),), name="ids"))


def test_the_request_says_how_long_its_body_is_whatever_the_number() -> None:
    question = HttpQuestion(
        url="http://127.0.0.1:80/a/{number}?b=1",
        method="POST",
        headers=(("X-A", "b"),),
        body='{"n":"{number}"}',
    )
    wire = wire_of(task(question), question)
    head, _, body = wire.make(123).partition(b"\r\n\r\n")

    assert head.split(b"\r\n") == [
        b"POST /a/000000123?b=1 HTTP/1.1",
        b"host: 127.0.0.1:80",
        b"X-A: b",
        b"content-length: %d" % len(body),
    ]
    assert body == b'{"n":"000000123"}'


@pytest.mark.parametrize(
    "headers", [(("X-A", "b\r\nX-B: c"),), (("Content-Length", "3"),), (("host", "other"),)]
)
def test_headers_that_would_break_the_request_are_refused(
    headers: tuple[tuple[str, str], ...],
) -> None:
    question = HttpQuestion(url="http://127.0.0.1/", headers=headers)

    with pytest.raises(ConfigError):
        wire_of(task(question), question)


def test_a_body_from_a_file_that_is_not_there_is_refused() -> None:
    question = HttpQuestion(url="http://127.0.0.1/", method="POST", body_file="no/such/file")

    with pytest.raises(ConfigError, match="no/such/file"):
        wire_of(task(question), question)
