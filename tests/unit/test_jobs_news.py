"""Whoever follows a job is told of every recording that is over, and of the end once."""

from __future__ import annotations

from msgspec.structs import replace

from gapless.serve.jobs.messages import JobProgress
from gapless.serve.jobs.news import Event, JobNews
from gapless.store.queue import FileCounts, Job, JobFile, JobOptions, JobState

LETTERS: dict[str, JobState] = {
    "q": "queued",
    "r": "running",
    "d": "done",
    "f": "failed",
    "c": "cancelled",
}


def job(states: str) -> Job:
    """A job with a file for each letter."""
    files = tuple(
        JobFile(number, LETTERS[letter], f"s{number}", heard_ms=100 * number)
        for number, letter in enumerate(states)
    )
    counts = FileCounts(*(states.count(letter) for letter in "qrdfc"))
    state: JobState = "running" if counts.open else "done"
    return Job("j1", state, 0, JobOptions(), counts, files)


def told(events: list[Event]) -> list[int]:
    return [event.data.number for event in events if isinstance(event.data, JobFile)]


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def test_a_job_from_beginning_to_end() -> None:
    news = JobNews()
    assert names(news.look(job("qq"), job("qq").files)) == ["progress"]
    assert news.look(job("qq"), job("qq").files) == []
    (progress,) = news.look(job("rq"), job("rq").files)
    assert isinstance(progress.data, JobProgress)
    assert [file.number for file in progress.data.running] == [0]
    assert names(news.look(job("df"), job("df").files)) == ["progress", "file", "file", "done"]
    assert news.over


def test_progress_is_told_before_the_files_and_does_not_claim_them() -> None:
    news = JobNews()
    progress, file = news.look(job("dq"), job("dq").files)
    assert (progress.name, progress.id) == ("progress", "0")
    assert (file.name, file.id) == ("file", "1")


def test_files_that_end_out_of_order_are_remembered() -> None:
    news = JobNews()
    seen = news.look(job("rdqd"), job("rdqd").files)
    assert told(seen) == [1, 3]
    assert seen[-1].id == "0+1+3"
    again = JobNews(seen[-1].id)
    again.reconcile(job("ddrd"))
    assert told(again.look(job("ddrd"), job("ddrd").files)) == [0]
    assert again.start == 2


def test_a_listener_that_missed_only_the_end_is_told_the_end() -> None:
    news = JobNews("2")
    news.reconcile(job("dd"))
    assert names(news.look(job("dd"), job("dd").files)) == ["progress", "done"]


def test_a_job_that_was_retried_since_is_told_anew() -> None:
    news = JobNews("2")
    news.reconcile(job("rd"))
    assert told(news.look(job("rd"), job("rd").files)) == [1]


def test_ids_of_others_count_as_none() -> None:
    for last in ("", "-1", "1+", "x", "1 2", "9" * 100, "1+" * 600):
        news = JobNews(last)
        assert told(news.look(job("d"), job("d").files)) == [0], last


def test_many_files_are_told_window_by_window() -> None:
    whole = job("d" * 25)
    news = JobNews()
    numbers: list[int] = []
    while not news.over:
        window = whole.files[news.start : news.start + 10]
        numbers += told(news.look(replace(whole, files=window), window))
    assert numbers == list(range(25))


def test_an_event_is_one_line_of_json() -> None:
    event = JobNews().look(replace(job("q"), id="j\n1"), ())[0]
    assert event.encode().startswith(b"event: progress\nid: 0\ndata: {")
    assert event.encode().count(b"\n") == 4
