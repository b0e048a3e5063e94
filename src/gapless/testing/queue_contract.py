"""Hold a store's queue to ``gapless.store.queue``: one suite for every store there is.

In: a function that opens the store under test; it is empty at first, and every call opens the same one again.
Out: nothing, or an ``AssertionError``. Invariants: each check opens and closes what it needs; run each on a new store,
for instance ``@pytest.mark.parametrize("check", QUEUE_CHECKS, ids=lambda check: check.__name__)``. Thread: any.
"""

# ruff: noqa: D103, S101 - a check's name says what it asserts

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeAlias, get_args

from gapless.errors import (
    GaplessError,
    NotFoundError,
    OverloadError,
    ProtocolError,
    TooLargeError,
)
from gapless.store.contract import Store
from gapless.store.queue import (
    ARRIVAL_MS,
    CHUNK_BYTES,
    MAX_ERROR_CHARS,
    MAX_FILES,
    MAX_JOB_PAGE,
    MAX_LISTED_FILES,
    MAX_SHOWN_FILES,
    PACE_MS,
    FileCounts,
    FileSource,
    Job,
    JobOptions,
    JobQuery,
    JobState,
    Lease,
    Task,
)
from gapless.testing.store_contract import OpenStore, opened
from gapless.transcript import Utterance, Word

LEASE_MS: Final = 1000

MAX_JOBS: Final = 100

STATES: Final[tuple[JobState, ...]] = get_args(JobState)

Check: TypeAlias = Callable[[OpenStore], None]


def a_job_is_there_after_reopening(open_store: OpenStore) -> None:
    options = JobOptions(model="m1", language="de", denoise=0.5, prompt='Äpfel "und" 😀')
    files = [
        FileSource(name="caf\udce9 😀.wav", content=[b"abc", b"", b"def"]),
        FileSource(url="https://host/b.wav"),
        FileSource(content=[]),
    ]
    with opened(open_store) as store:
        sent = store.queue.submit("j1", files, options, now_ms=1000, max_jobs=MAX_JOBS)
        assert sent == store.queue.get("j1")
    with opened(open_store) as store:
        job = store.queue.get("j1")
        assert job == sent
        assert (job.state, job.created_at_ms, job.finished_at_ms) == ("queued", 1000, None)
        assert (job.options, job.counts) == (options, FileCounts(queued=3))
        assert [(file.number, file.name, file.url) for file in job.files] == [
            (0, "caf� 😀.wav", None),
            (1, None, "https://host/b.wav"),
            (2, None, None),
        ]
        assert [(file.size_bytes, file.has_content) for file in job.files] == [
            (6, True),
            (0, False),
            (0, True),
        ]
        assert len({file.session_id for file in job.files}) == 3
        task = claim(store, 2000)
        assert (task.options, task.file.attempts, task.file.worker) == (options, 1, "w")
        assert list(store.queue.content(task.lease)) == [b"abcdef"]


def the_same_id_again_is_the_first_job(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        first = submit(store, "j1", 2, now_ms=1000)
        again = store.queue.submit(
            "j1", [FileSource(url="u")], JobOptions(), now_ms=2000, max_jobs=1
        )
        assert again == first
        # One that overtakes another of its id while that arrives.
        late = submit(store, "j2", 1, now_ms=3000, content=lambda: nested(store))
        assert late.created_at_ms == 4000
        assert late.counts.total == 3
        assert ids(store) == ["j2", "j1"]
        # What it had sent by then is let go.
        store.queue.forget(0, now_ms=5000)
        assert submit(store, "j3", 1, now_ms=5000, max_jobs=3).id == "j3"


def what_is_no_job_is_refused(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for files in (
            [],
            [FileSource()],
            [FileSource(url="u", content=[b"a"])],
            [FileSource(url="u")] * (MAX_FILES + 1),
        ):
            error = expect(ProtocolError, partial(send, store, "j1", files))
            assert error.param == "files"
        assert ids(store) == []


def a_full_queue_refuses_jobs_until_one_is_over(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "j1", 1, now_ms=1, max_jobs=2)
        submit(store, "j2", 1, now_ms=2, max_jobs=2)
        error = expect(OverloadError, lambda: submit(store, "j3", 1, now_ms=3, max_jobs=2))
        assert error.retry_after_ms
        store.queue.cancel("j1", now_ms=4)
        submit(store, "j3", 1, now_ms=5, max_jobs=2)
        assert finish(store, claim(store, 6))
        submit(store, "j4", 1, now_ms=7, max_jobs=2)
        assert ids(store) == ["j4", "j3", "j2", "j1"]


def a_full_queue_is_known_before_anything_is_sent(open_store: OpenStore) -> None:
    with opened(open_store) as store:

        def check(size_bytes: int, now_ms: int = 9, max_jobs: int = 2, max_bytes: int = 10) -> None:
            store.queue.check_room(
                size_bytes=size_bytes, now_ms=now_ms, max_jobs=max_jobs, max_bytes=max_bytes
            )

        def looking() -> Iterator[bytes]:
            expect(OverloadError, partial(check, 0, max_jobs=1))
            yield b"12345"
            # A crash would have left it as it is now; in the end it takes up nothing.
            check(10, now_ms=2 + ARRIVAL_MS, max_jobs=1)

        check(10)
        expect(TooLargeError, partial(check, 11))
        expect(OverloadError, partial(check, 0, max_jobs=0))
        submit(store, "j1", 1, now_ms=1, content=looking)
        check(5)
        error = expect(OverloadError, partial(check, 6))
        assert error.retry_after_ms
        assert "max_job_mb" in error.message
        check(100, max_bytes=0)
        expect(OverloadError, partial(check, 1, max_jobs=1))
        # What may be let go counts as room.
        store.queue.cancel("j1", now_ms=9)
        check(10, max_jobs=1)


def bytes_are_bounded_and_those_of_old_jobs_go_first(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        limit = {"max_bytes": 10 * 1000}

        def sized(job_id: str, kilobytes: int, now_ms: int, *, told: bool = True) -> Job:
            content = b"a" * kilobytes * 1000
            file = FileSource(content=[content], size_bytes=len(content) if told else 0)
            return store.queue.submit(
                job_id, [file], JobOptions(), now_ms=now_ms, max_jobs=MAX_JOBS, **limit
            )

        def kept(*names: str) -> list[bool]:
            return [store.queue.get(name).files[0].has_content for name in names]

        expect(TooLargeError, lambda: sized("huge", 11, 1))
        for place, name in enumerate(("later", "first", "failed")):
            sized(name, 3, place)
        store.queue.cancel("first", now_ms=10)
        store.queue.cancel("later", now_ms=11)
        sized("small", 1, 12)
        assert kept("first", "later") == [True, True]
        # More than there is room for, even without both: none of them goes for it.
        expect(OverloadError, lambda: sized("large", 7, 13))
        assert kept("first", "later") == [True, True]
        sized("second", 2, 14)
        assert kept("first", "later", "failed", "small") == [False, True, True, True]
        # What is not announced is bounded all the same, and then leaves nothing.
        expect(OverloadError, lambda: sized("untold", 5, 15, told=False))
        assert kept("later") == [True]
        sized("exact", 4, 16, told=False)
        assert kept("later") == [False]
        expect(OverloadError, lambda: sized("more", 1, 17))
        # Bytes are kept no longer than they may be of use, and counted no longer than they are kept.
        for job_id in ("failed", "small", "second", "exact"):
            assert finish(store, claim_of(store, job_id, 20), now_ms=20)
        sized("all", 10, 21)
        assert store.queue.retry("first", now_ms=22).state == "cancelled"


def many_who_submit_at_once_take_no_more_room_than_there_is(open_store: OpenStore) -> None:
    with opened(open_store) as store:

        def try_it(number: int) -> int:
            told = 100 * (number % 2)
            file = FileSource(content=[b"a" * 100], size_bytes=told)
            limits = {"now_ms": number, "max_jobs": MAX_JOBS, "max_bytes": 550}
            try:
                store.queue.submit(f"j{number}", [file], JobOptions(), **limits)
            except OverloadError:
                return 0
            return 1

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(try_it, range(12))) == len(ids(store)) == 5


def fetched_bytes_are_bounded_as_well(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        send(store, "j1", [FileSource(url="u")])
        submit(store, "failed", 1, now_ms=1, content=lambda: iter([b"a" * 2 * CHUNK_BYTES]))
        store.queue.cancel("failed", now_ms=2)
        lease = claim(store, 3).lease

        def fetched(chunks: int) -> bool:
            content = [b"a" * CHUNK_BYTES] * chunks
            return store.queue.store_content(lease, content, max_bytes=2 * CHUNK_BYTES)

        expect(OverloadError, lambda: fetched(3))
        assert not store.queue.get("failed").files[0].has_content
        assert not store.queue.get("j1").files[0].has_content
        for _ in range(2):
            assert fetched(2)
        assert len(list(store.queue.content(lease))) == 2
        assert store.queue.finish(lease, now_ms=4, audio_ms=1)
        store.queue.check_room(size_bytes=1, now_ms=5, max_jobs=1, max_bytes=1)


def a_job_that_arrives_takes_up_room(open_store: OpenStore) -> None:
    with opened(open_store) as store:

        def refused() -> Iterator[bytes]:
            expect(OverloadError, lambda: submit(store, "j2", 1, now_ms=2, max_jobs=1))
            yield b"a"

        submit(store, "j1", 1, now_ms=1, max_jobs=1, content=refused)
        assert ids(store) == ["j1"]


def nobody_sees_a_job_that_arrives(open_store: OpenStore) -> None:
    with opened(open_store) as store:

        def looking() -> Iterator[bytes]:
            yield b"a" * CHUNK_BYTES
            assert ids(store) == []
            assert store.queue.claim("w", now_ms=9999, lease_ms=LEASE_MS) is None
            expect(NotFoundError, lambda: store.queue.get("j1"))
            expect(NotFoundError, lambda: store.queue.cancel("j1", now_ms=5))
            yield b"b"

        submit(store, "j1", 1, now_ms=1, content=looking)
        assert b"".join(store.queue.content(claim(store, 2).lease)) == b"a" * CHUNK_BYTES + b"b"


def bytes_that_break_off_leave_nothing(open_store: OpenStore) -> None:
    with opened(open_store) as store:

        def broken() -> Iterator[bytes]:
            yield b"a" * 3 * CHUNK_BYTES
            raise ConnectionResetError

        expect(ConnectionResetError, lambda: submit(store, "j1", 2, now_ms=1, content=broken))
        assert ids(store) == []
        assert submit(store, "j1", 1, now_ms=2, max_jobs=1).created_at_ms == 2


def a_submission_that_takes_too_long_is_given_up(open_store: OpenStore) -> None:
    with opened(open_store) as store:

        def slow() -> Iterator[bytes]:
            yield b"a" * CHUNK_BYTES
            assert store.queue.forget(0, now_ms=1 + ARRIVAL_MS) == 0
            yield b"b" * CHUNK_BYTES
            store.queue.forget(0, now_ms=2 + ARRIVAL_MS)
            yield b"c" * CHUNK_BYTES
            raise AssertionError("it went on")

        error = expect(GaplessError, lambda: submit(store, "j1", 1, now_ms=1, content=slow))
        assert error.code == "store_error"
        assert ids(store) == []


def large_files_come_back_in_chunks(open_store: OpenStore) -> None:
    content = bytes(range(256)) * (CHUNK_BYTES // 256) * 2 + b"the rest"
    with opened(open_store) as store:
        whole = [content[at : at + 100_000] for at in range(0, len(content), 100_000)]
        send(store, "j1", [FileSource(content=whole), FileSource(content=[content])])
        for number in range(2):
            task = claim(store, 10 * PACE_MS)
            assert task.lease.number == number
            chunks = list(store.queue.content(task.lease))
            assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES, CHUNK_BYTES, 8]
            assert b"".join(chunks) == content


def a_file_is_heard_from_the_first_word_to_the_last(open_store: OpenStore) -> None:
    word = Word("hello", 0, 400, 0.5)
    first = Utterance("u1", "hello", 0, 500, words=(word,), confidence=0.5)
    with opened(open_store) as store:
        queue = store.queue
        submit(store, "j1", 1, now_ms=1000, name="talk.wav")
        task = queue.claim("w1", now_ms=2000, lease_ms=LEASE_MS, model="small", language="en")
        assert task is not None
        lease = task.lease
        assert (lease.job_id, lease.number, lease.attempt, lease.worker) == ("j1", 0, 1, "w1")
        assert (task.utterances, task.resume_ms, task.file.state) == (0, 0, "running")
        session = store.get(lease.session_id).session
        assert (session.source, session.name, session.model) == ("file", "talk.wav", "small")
        assert (session.language, session.started_at_ms) == ("en", 2000)
        assert session.ended_at_ms is None

        assert keep(store, task, [first], now_ms=2500, heard_ms=600, duration_ms=1500)
        assert queue.renew(lease, now_ms=3400, lease_ms=LEASE_MS, heard_ms=900)
        assert keep(store, task, [say("u2", 900, 1200)], now_ms=4300, heard_ms=1200)
        job = queue.get("j1")
        assert (job.state, job.counts) == ("running", FileCounts(running=1))
        assert (job.files[0].heard_ms, job.files[0].duration_ms) == (1200, 1500)

        assert queue.finish(lease, now_ms=4400, audio_ms=1499)
        job = queue.get("j1")
        assert (job.state, job.finished_at_ms, job.counts.done) == ("done", 4400, 1)
        assert (job.files[0].heard_ms, job.files[0].duration_ms) == (1499, 1499)
        assert not job.files[0].has_content
        kept = store.get(lease.session_id)
        assert kept.utterances == (first, say("u2", 900, 1200))
        assert (kept.session.ended_at_ms, kept.session.audio_ms) == (4400, 1499)
        expect(NotFoundError, lambda: queue.content(lease))
        assert queue.claim("w1", now_ms=10**9, lease_ms=LEASE_MS) is None


def what_the_job_asks_for_goes_before_the_worker(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        options = JobOptions(model="large", language="de")
        store.queue.submit("j1", [FileSource(url="u")], options, now_ms=1, max_jobs=1)
        task = store.queue.claim("w", now_ms=2, lease_ms=1, model="small", language="en")
        assert task is not None
        session = store.get(task.lease.session_id).session
        assert (session.name, session.model, session.language) == ("u", "large", "de")


def a_lost_lease_writes_nothing_more(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "j1", 1, now_ms=0)
        first = claim(store, 1000, "w1")
        assert keep(store, first, [say("u1", 0, 500)], now_ms=1500, heard_ms=500)
        # It runs out at 2500, not a millisecond before.
        assert store.queue.claim("w2", now_ms=2499, lease_ms=LEASE_MS) is None
        assert not keep(store, first, [say("u2", 500, 600)], now_ms=2500, heard_ms=9)
        second = claim(store, 2500, "w2")
        assert second.lease.attempt == 2
        assert (second.utterances, second.resume_ms, second.file.attempts) == (1, 500, 2)
        before = store.queue.get("j1")
        # Also with a clock that is behind.
        for now_ms in (1600, 2600):
            assert not keep(store, first, [say("u2", 500, 600)], now_ms=now_ms, heard_ms=9)
            assert not renew(store, first, now_ms=now_ms)
            assert not store.queue.finish(first.lease, now_ms=now_ms, audio_ms=9)
            assert not store.queue.fail(first.lease, "no", now_ms=now_ms)
            assert not store.queue.fail(first.lease, "no", now_ms=now_ms, retry_at_ms=now_ms)
            assert not store.queue.store_content(first.lease, [b"other"])
        assert store.queue.get("j1") == before
        assert said(store, second) == ["u1"]
        assert keep(store, second, [say("u2", 500, 900)], now_ms=2700, heard_ms=900)
        assert store.queue.finish(second.lease, now_ms=2800, audio_ms=900)
        assert said(store, second) == ["u1", "u2"]


def an_utterance_is_kept_once(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "j1", 1, now_ms=0)
        task = claim(store, 1)
        assert keep(store, task, [say("u1", 0, 5), say("u2", 5, 9)], now_ms=2, heard_ms=9)
        assert keep(store, task, [say("u2", 5, 7), say("u3", 9, 12)], now_ms=3, heard_ms=12)
        kept = store.get(task.lease.session_id)
        assert kept.utterances == (say("u1", 0, 5), say("u2", 5, 9), say("u3", 9, 12))
        assert kept.session.utterances == 3


def an_answer_that_was_lost_is_given_again(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "j1", 3, now_ms=0)
        done, failed, again = (claim(store, 10 * PACE_MS) for _ in range(3))
        for _ in range(2):
            assert store.queue.finish(done.lease, now_ms=10 * PACE_MS, audio_ms=5)
            assert store.queue.fail(failed.lease, "no", now_ms=10 * PACE_MS)
            later_ms = 20 * PACE_MS
            assert store.queue.fail(again.lease, "later", now_ms=10 * PACE_MS, retry_at_ms=later_ms)
        assert store.queue.get("j1").counts == FileCounts(queued=1, done=1, failed=1)
        assert not store.queue.finish(failed.lease, now_ms=10 * PACE_MS, audio_ms=5)
        assert not store.queue.fail(done.lease, "no", now_ms=10 * PACE_MS)


def what_failed_waits_its_time_and_resumes(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "j1", 1, now_ms=0)
        task = claim(store, 10)
        assert keep(store, task, [say("u1", 0, 700)], now_ms=11, heard_ms=800)
        error = "x\0" * MAX_ERROR_CHARS
        assert store.queue.fail(task.lease, error, now_ms=20, retry_at_ms=500)
        job = store.queue.get("j1")
        assert (job.state, job.files[0].state, job.files[0].attempts) == ("queued", "queued", 1)
        assert job.files[0].error == "x�" * (MAX_ERROR_CHARS // 2)
        assert store.queue.claim("w", now_ms=499, lease_ms=LEASE_MS) is None
        task = claim(store, 500)
        assert (task.utterances, task.resume_ms, task.file.attempts) == (1, 700, 2)
        assert store.queue.fail(task.lease, "for good", now_ms=501)
        job = store.queue.get("j1")
        assert (job.state, job.finished_at_ms, job.counts) == ("failed", 501, FileCounts(failed=1))
        assert (job.files[0].error, job.files[0].has_content) == ("for good", True)
        session = store.get(task.lease.session_id).session
        assert (session.ended_at_ms, session.audio_ms) == (501, 800)


def what_is_given_back_uses_up_no_attempt(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        queue = store.queue
        submit(store, "j1", 1, now_ms=0)
        first = claim(store, 10)
        assert queue.fail(first.lease, "once", now_ms=11, retry_at_ms=12)
        for loan in (2, 3):
            task = claim(store, 20)
            assert (task.lease.attempt, task.file.attempts) == (loan, 2)
            assert keep(store, task, [say(f"u{loan}", loan, 9 * loan)], now_ms=20, heard_ms=9)
            # Also one whose answer was lost.
            for _ in range(2):
                assert queue.give_back(task.lease, now_ms=20)
            (file,) = queue.get("j1").files
            assert (file.state, file.attempts, file.error) == ("queued", 1, "once")
            assert not keep(store, task, [say("late", 1, 2)], now_ms=20, heard_ms=9)
        last = claim(store, 20)
        assert (last.lease.attempt, last.utterances, last.resume_ms) == (4, 2, 27)
        assert not queue.give_back(task.lease, now_ms=20)
        assert queue.get("j1").counts == FileCounts(running=1)
        assert not queue.give_back(last.lease, now_ms=20 + LEASE_MS)
        store.queue.cancel("j1", now_ms=21)
        assert not queue.give_back(last.lease, now_ms=21)


def a_transcript_without_a_word_goes_unless_it_is_done(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "j1", 3, now_ms=0)
        done, failed, cancelled = (claim(store, 10 * PACE_MS) for _ in range(3))
        assert store.queue.finish(done.lease, now_ms=10 * PACE_MS, audio_ms=5)
        assert store.queue.fail(failed.lease, "no", now_ms=10 * PACE_MS)
        store.queue.cancel("j1", now_ms=10 * PACE_MS)
        assert said(store, done) == []
        for task in (failed, cancelled):
            expect(NotFoundError, partial(store.get, task.lease.session_id))


def a_cancelled_job_stops_and_keeps_what_was_heard(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "j1", 4, now_ms=0)
        submit(store, "other", 1, now_ms=0)
        done = claim_of(store, "j1", 10 * PACE_MS)
        assert finish(store, done, now_ms=10 * PACE_MS)
        running = claim_of(store, "j1", 10 * PACE_MS)
        now_ms = 10 * PACE_MS
        assert keep(store, running, [say("u1", 0, 500)], now_ms=now_ms, heard_ms=600)
        job = store.queue.cancel("j1", now_ms=now_ms + 1)
        assert (job.state, job.counts) == ("cancelled", FileCounts(done=1, cancelled=3))
        assert job.finished_at_ms == now_ms + 1
        assert not renew(store, running, now_ms=now_ms + 2)
        assert not keep(store, running, [say("u2", 500, 900)], now_ms=now_ms + 2, heard_ms=900)
        assert not store.queue.finish(running.lease, now_ms=now_ms + 2, audio_ms=900)
        kept = store.get(running.lease.session_id)
        assert [utterance.utt for utterance in kept.utterances] == ["u1"]
        assert (kept.session.ended_at_ms, kept.session.audio_ms) == (now_ms + 1, 600)
        assert store.queue.cancel("j1", now_ms=now_ms + 5) == job
        assert store.queue.get("other").counts.cancelled == 0


def what_failed_or_was_cancelled_can_be_retried(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        sources = [FileSource(content=[b"a"]), FileSource(url="u"), FileSource(content=[b"c"])]
        send(store, "j1", sources)
        late_ms = 10 * PACE_MS
        first, second, third = (claim(store, late_ms) for _ in range(3))
        assert keep(store, first, [say("u1", 0, 50)], now_ms=late_ms, heard_ms=60)
        assert store.queue.fail(first.lease, "no", now_ms=late_ms)
        assert finish(store, third, now_ms=late_ms)
        store.queue.cancel("j1", now_ms=late_ms)
        submit(store, "other", 1, now_ms=late_ms)

        job = store.queue.retry("j1", now_ms=late_ms + 1)
        assert (job.state, job.counts) == ("running", FileCounts(queued=2, done=1))
        assert job.finished_at_ms is None
        assert [file.attempts for file in job.files] == [0, 0, 1]
        # Behind what waits already, and on from where it was.
        assert claim(store, late_ms + 1).lease.job_id == "other"
        task = claim(store, late_ms + 1)
        assert (task.lease.number, task.lease.attempt, task.file.attempts) == (0, 2, 1)
        assert (task.utterances, task.resume_ms) == (1, 50)
        assert store.get(task.lease.session_id).session.ended_at_ms is None
        assert list(store.queue.content(task.lease)) == [b"a"]
        assert not renew(store, second, now_ms=late_ms + 1)
        task = claim(store, late_ms + 1)
        assert (task.lease.number, task.utterances) == (1, 0)
        assert said(store, task) == []


def there_may_be_nothing_to_retry(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "j1", 1, now_ms=0)
        waiting = store.queue.get("j1")
        assert store.queue.retry("j1", now_ms=5) == waiting
        assert finish(store, claim(store, 6), now_ms=6)
        over = store.queue.get("j1")
        assert store.queue.retry("j1", now_ms=7) == over
        assert store.queue.cancel("j1", now_ms=7) == over


def a_transcript_that_is_deleted_cancels_its_file(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "j1", 2, now_ms=0)
        task = claim(store, 1)
        assert keep(store, task, [say("u1", 0, 50)], now_ms=2, heard_ms=60)
        store.delete(task.lease.session_id)
        assert renew(store, task, now_ms=3)
        assert not keep(store, task, [say("u2", 50, 90)], now_ms=4, heard_ms=90)
        expect(NotFoundError, lambda: store.get(task.lease.session_id))
        assert store.queue.get("j1").counts == FileCounts(queued=1, cancelled=1)
        store.queue.retry("j1", now_ms=5)
        taken = [claim(store, 10 * PACE_MS) for _ in range(2)]
        assert {(other.lease.number, other.utterances) for other in taken} == {(0, 0), (1, 0)}


def bytes_from_a_url_are_kept_for_the_next_attempt(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        send(store, "j1", [FileSource(url="u")])
        task = claim(store, 1)
        expect(NotFoundError, lambda: store.queue.content(task.lease))

        def broken() -> Iterator[bytes]:
            yield b"x" * 2 * CHUNK_BYTES
            raise ConnectionResetError

        expect(ConnectionResetError, lambda: store.queue.store_content(task.lease, broken()))
        expect(NotFoundError, lambda: store.queue.content(task.lease))
        assert store.queue.store_content(task.lease, [b"ab", b"cd"])
        assert list(store.queue.content(task.lease)) == [b"abcd"]
        assert store.queue.fail(task.lease, "no", now_ms=2, retry_at_ms=3)
        task = claim(store, 4)
        assert (task.file.has_content, task.file.size_bytes) == (True, 4)
        assert b"".join(store.queue.content(task.lease)) == b"abcd"

        def overtaken() -> Iterator[bytes]:
            yield b"y" * CHUNK_BYTES
            store.queue.cancel("j1", now_ms=5)
            yield b"z"

        assert not store.queue.store_content(task.lease, overtaken())
        assert not store.queue.get("j1").files[0].has_content


def bytes_that_go_while_they_are_read_are_missed(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "j1", 1, now_ms=0, content=lambda: iter([b"a" * 3 * CHUNK_BYTES]))
        task = claim(store, 1)
        chunks = store.queue.content(task.lease)
        assert next(chunks) == b"a" * CHUNK_BYTES
        assert finish(store, task, now_ms=2)
        expect(NotFoundError, lambda: next(chunks))


def the_oldest_is_lent_first(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for name, now_ms in (("j2", 2000), ("j1", 1000), ("j3", 3000)):
            submit(store, name, 1, now_ms=now_ms)
        taken = [claim(store, 9000).lease.job_id for _ in range(3)]
        assert taken == ["j1", "j2", "j3"]
        assert store.queue.claim("w", now_ms=9000, lease_ms=LEASE_MS) is None
        # Those of workers that are gone come before what is younger.
        submit(store, "j4", 1, now_ms=9500)
        assert claim(store, 99_000).lease.job_id == "j1"


def a_large_job_lets_small_ones_through(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "large", 6, now_ms=0)
        small_ms = 2 * PACE_MS + 1
        submit(store, "small", 1, now_ms=small_ms)
        submit(store, "pair", 2, now_ms=small_ms + 1)
        order = [claim(store, small_ms + 2) for _ in range(9)]
        assert [(task.lease.job_id, task.lease.number) for task in order] == [
            *(("large", number) for number in range(3)),
            ("small", 0),
            ("pair", 0),
            ("large", 3),
            ("pair", 1),
            ("large", 4),
            ("large", 5),
        ]


def many_who_ask_at_once_get_different_files(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        submit(store, "j1", 25, now_ms=0)
        submit(store, "j2", 15, now_ms=0)

        def work(name: str) -> list[tuple[str, int]]:
            taken = []
            while task := store.queue.claim(name, now_ms=10**8, lease_ms=10**6):
                assert task.lease.attempt == 1
                taken.append((task.lease.job_id, task.lease.number))
                assert store.queue.finish(task.lease, now_ms=10**8, audio_ms=1)
            return taken

        with ThreadPoolExecutor(6) as pool:
            taken = [place for part in pool.map(work, "abcdef") for place in part]
        assert len(taken) == 40
        assert len(set(taken)) == 40
        assert store.queue.get("j1").counts == FileCounts(done=25)
        assert store.queue.get("j2").counts == FileCounts(done=15)


def counts_are_right_after_a_storm(open_store: OpenStore) -> None:
    files, now_ms = 12, 10**8
    with opened(open_store) as store:
        submit(store, "j1", files, now_ms=0)

        def work(worker: int) -> None:
            for turn in range(12):
                task = store.queue.claim(f"w{worker}", now_ms=now_ms, lease_ms=LEASE_MS)
                if task is None:
                    store.queue.retry("j1", now_ms=now_ms)
                    continue
                keep(store, task, [say("u1", 0, 9)], now_ms=now_ms, heard_ms=9)
                match (worker + turn) % 4:
                    case 0:
                        store.queue.cancel("j1", now_ms=now_ms)
                    case 1:
                        store.queue.fail(task.lease, "no", now_ms=now_ms)
                    case 2:
                        store.queue.fail(task.lease, "no", now_ms=now_ms, retry_at_ms=now_ms)
                    case _:
                        store.queue.finish(task.lease, now_ms=now_ms, audio_ms=9)
                        store.queue.retry("j1", now_ms=now_ms)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        job = store.queue.get("j1")
        states = [file.state for file in job.files]
        assert job.counts == FileCounts(**{state: states.count(state) for state in STATES})
        assert (job.finished_at_ms is None) == (job.counts.open > 0)
        assert store.queue.cancel("j1", now_ms=now_ms).counts.open == 0


def every_change_has_a_revision(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        queue = store.queue
        submit(store, "j1", 2, now_ms=0)
        seen = [queue.revision("j1")]

        def changed() -> bool:
            seen.append(queue.revision("j1"))
            return seen[-1] > seen[-2]

        first, second = claim(store, 10 * PACE_MS), claim(store, 10 * PACE_MS)
        assert changed()
        assert renew(store, first, now_ms=10 * PACE_MS)
        assert changed()
        assert keep(store, first, [say("u1", 0, 1)], now_ms=10 * PACE_MS, heard_ms=1)
        assert changed()
        assert store.queue.fail(first.lease, "no", now_ms=10 * PACE_MS)
        assert changed()
        queue.retry("j1", now_ms=10 * PACE_MS)
        assert changed()
        assert finish(store, second, now_ms=10 * PACE_MS)
        assert changed()
        queue.cancel("j1", now_ms=10 * PACE_MS)
        assert changed()
        assert seen[-1] == queue.get("j1").revision
        queue.cancel("j1", now_ms=10 * PACE_MS)
        assert not changed()


def jobs_are_listed_newest_first_page_by_page(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for number in range(7):
            # Two of each moment: their ids decide.
            submit(store, f"j{number}", 1, now_ms=1000 + number // 2)
        for number in (1, 4):
            store.queue.cancel(f"j{number}", now_ms=2000)
        assert pages(store, JobQuery(limit=3)) == [
            ["j6", "j5", "j4"],
            ["j3", "j2", "j1"],
            ["j0"],
        ]
        assert pages(store, JobQuery(limit=2, state="queued")) == [
            ["j6", "j5"],
            ["j3", "j2"],
            ["j0"],
        ]
        assert pages(store, JobQuery(limit=7)) == [["j6", "j5", "j4", "j3", "j2", "j1", "j0"]]
        assert pages(store, JobQuery(state="cancelled")) == [["j4", "j1"]]
        assert pages(store, JobQuery(state="done")) == [[]]
        for query in (JobQuery(limit=0), JobQuery(limit=MAX_JOB_PAGE + 1)):
            assert expect(ProtocolError, partial(store.queue.list, query)).param == "limit"
        for cursor in ("nonsense", "e30", "\udc80"):
            query = JobQuery(cursor=cursor)
            assert expect(ProtocolError, partial(store.queue.list, query)).param == "cursor"


def a_job_is_searched_by_the_state_that_it_shows(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        names = ("queued", "running", "begun", "done", "failed", "cancelled")
        for place, name in enumerate(names):
            submit(store, name, 2, now_ms=place)
        now_ms = 10 * PACE_MS
        tasks = [claim(store, now_ms) for _ in range(12)]
        for task in tasks:
            number, lease = task.lease.number, task.lease
            match task.lease.job_id:
                case "queued":
                    assert store.queue.fail(lease, "x", now_ms=now_ms, retry_at_ms=now_ms)
                case "begun" if number:
                    assert store.queue.fail(lease, "x", now_ms=now_ms, retry_at_ms=now_ms)
                case "running" if not number:
                    pass
                case "failed" if number:
                    assert store.queue.fail(lease, "x", now_ms=now_ms)
                case "cancelled" if number:
                    assert store.queue.fail(lease, "x", now_ms=now_ms)
                case "cancelled":
                    pass
                case _:
                    assert finish(store, task, now_ms=now_ms)
        store.queue.cancel("cancelled", now_ms=now_ms)
        shown = {name: store.queue.get(name).state for name in names}
        assert shown == {name: "running" if name == "begun" else name for name in names}
        for state in ("queued", "running", "done", "failed", "cancelled"):
            found = {job.id for job in store.queue.list(JobQuery(state=state)).items}
            assert found == {name for name in names if shown[name] == state}


def answers_stay_small_however_many_files_there_are(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        files = [FileSource(url=f"u{number}") for number in range(MAX_SHOWN_FILES + 200)]
        send(store, "j1", files)
        submit(store, "j2", 1, now_ms=5)
        job = store.queue.get("j1")
        assert len(job.files) == MAX_SHOWN_FILES
        assert job.counts == FileCounts(queued=MAX_SHOWN_FILES + 200)
        listed = store.queue.list(JobQuery()).items
        assert [len(job.files) for job in listed] == [1, MAX_LISTED_FILES]
        assert listed[1].counts == job.counts
        assert [file.number for file in listed[1].files] == list(range(MAX_LISTED_FILES))
        rest = store.queue.files("j1", start=MAX_SHOWN_FILES)
        assert [file.url for file in rest] == [file.url for file in files[MAX_SHOWN_FILES:]]
        assert [file.number for file in store.queue.files("j1", start=3, limit=2)] == [3, 4]
        assert store.queue.files("j1", state="running") == ()
        task = claim_of(store, "j1", 5)
        assert store.queue.files("j1", state="running") == (task.file,)
        for limit in (0, MAX_SHOWN_FILES + 1):
            expect(ProtocolError, partial(store.queue.files, "j1", limit=limit))


def what_is_unknown_is_not_found(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        queue = store.queue
        for ask in (
            lambda: queue.get("none"),
            lambda: queue.revision("none"),
            lambda: queue.files("none"),
            lambda: queue.cancel("none", now_ms=1),
            lambda: queue.retry("none", now_ms=1),
        ):
            expect(NotFoundError, ask)
        lease = Lease("none", 0, 1, "w", "s")
        expect(NotFoundError, lambda: queue.content(lease))
        assert not queue.renew(lease, now_ms=1, lease_ms=1, heard_ms=0)
        assert not queue.finish(lease, now_ms=1, audio_ms=0)
        assert not queue.fail(lease, "no", now_ms=1)
        assert not queue.give_back(lease, now_ms=1)
        assert not queue.store_content(lease, [b"a"])
        assert queue.forget(10**15, now_ms=0) == 0


def jobs_are_forgotten_and_their_transcripts_stay(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for name, chunks in (("done", 1), ("failed", 9), ("open", 1), ("recent", 1)):
            content = b"a" * chunks * CHUNK_BYTES
            submit(store, name, 1, now_ms=0, content=partial(iter, [content]))
        tasks = {task.lease.job_id: task for task in (claim(store, 1) for _ in range(4))}
        assert keep(store, tasks["done"], [say("u1", 0, 5)], now_ms=2, heard_ms=5)
        assert store.queue.finish(tasks["done"].lease, now_ms=10, audio_ms=5)
        assert store.queue.fail(tasks["failed"].lease, "no", now_ms=19)
        assert store.queue.finish(tasks["recent"].lease, now_ms=20, audio_ms=5)
        assert store.queue.forget(20, now_ms=20) == 2
        assert ids(store) == ["recent", "open"]
        assert said(store, tasks["done"]) == ["u1"]
        expect(NotFoundError, lambda: store.queue.get("failed"))
        assert store.queue.forget(20, now_ms=20) == 0
        # A new job of an old id is another job: leases of the old one do not fit.
        submit(store, "failed", 1, now_ms=30)
        task = claim_of(store, "failed", 31)
        assert task.lease.attempt == tasks["failed"].lease.attempt
        assert not store.queue.fail(tasks["failed"].lease, "no", now_ms=32)
        assert renew(store, task, now_ms=32)


QUEUE_CHECKS: Final[tuple[Check, ...]] = (
    a_job_is_there_after_reopening,
    the_same_id_again_is_the_first_job,
    what_is_no_job_is_refused,
    a_full_queue_refuses_jobs_until_one_is_over,
    a_full_queue_is_known_before_anything_is_sent,
    bytes_are_bounded_and_those_of_old_jobs_go_first,
    many_who_submit_at_once_take_no_more_room_than_there_is,
    fetched_bytes_are_bounded_as_well,
    a_job_that_arrives_takes_up_room,
    nobody_sees_a_job_that_arrives,
    bytes_that_break_off_leave_nothing,
    a_submission_that_takes_too_long_is_given_up,
    large_files_come_back_in_chunks,
    a_file_is_heard_from_the_first_word_to_the_last,
    what_the_job_asks_for_goes_before_the_worker,
    a_lost_lease_writes_nothing_more,
    an_utterance_is_kept_once,
    an_answer_that_was_lost_is_given_again,
    what_failed_waits_its_time_and_resumes,
    what_is_given_back_uses_up_no_attempt,
    a_transcript_without_a_word_goes_unless_it_is_done,
    a_cancelled_job_stops_and_keeps_what_was_heard,
    what_failed_or_was_cancelled_can_be_retried,
    there_may_be_nothing_to_retry,
    a_transcript_that_is_deleted_cancels_its_file,
    bytes_from_a_url_are_kept_for_the_next_attempt,
    bytes_that_go_while_they_are_read_are_missed,
    the_oldest_is_lent_first,
    a_large_job_lets_small_ones_through,
    many_who_ask_at_once_get_different_files,
    counts_are_right_after_a_storm,
    every_change_has_a_revision,
    jobs_are_listed_newest_first_page_by_page,
    a_job_is_searched_by_the_state_that_it_shows,
    answers_stay_small_however_many_files_there_are,
    what_is_unknown_is_not_found,
    jobs_are_forgotten_and_their_transcripts_stay,
)


def submit(
    store: Store,
    job_id: str,
    files: int,
    *,
    now_ms: int,
    max_jobs: int = MAX_JOBS,
    name: str | None = None,
    content: Callable[[], Iterator[bytes]] = lambda: iter([b"sound"]),
) -> Job:
    """A job of so many files of the same content."""
    sources = [FileSource(name=name, content=content()) for _ in range(files)]
    return store.queue.submit(job_id, sources, JobOptions(), now_ms=now_ms, max_jobs=max_jobs)


def send(store: Store, job_id: str, files: list[FileSource]) -> Job:
    return store.queue.submit(job_id, files, JobOptions(), now_ms=0, max_jobs=MAX_JOBS)


def nested(store: Store) -> Iterator[bytes]:
    """Content whose reading submits ``j2`` as a whole."""
    yield b"a" * CHUNK_BYTES
    submit(store, "j2", 3, now_ms=4000)
    yield b"b" * CHUNK_BYTES


def claim(store: Store, now_ms: int, worker: str = "w") -> Task:
    task = store.queue.claim(worker, now_ms=now_ms, lease_ms=LEASE_MS)
    assert task is not None
    return task


def claim_of(store: Store, job_id: str, now_ms: int) -> Task:
    """The next file of this job."""
    while (task := claim(store, now_ms)).lease.job_id != job_id:
        pass
    return task


def renew(store: Store, task: Task, *, now_ms: int) -> bool:
    return store.queue.renew(task.lease, now_ms=now_ms, lease_ms=LEASE_MS, heard_ms=1)


def keep(store: Store, task: Task, utterances: list[Utterance], **progress: Any) -> bool:
    return store.queue.keep(task.lease, utterances, lease_ms=LEASE_MS, **progress)


def finish(store: Store, task: Task, *, now_ms: int = 6) -> bool:
    return store.queue.finish(task.lease, now_ms=now_ms, audio_ms=1)


def say(utt: str, start_ms: int, end_ms: int) -> Utterance:
    return Utterance(utt, f"what {utt} says", start_ms, end_ms)


def said(store: Store, task: Task) -> list[str]:
    """What is kept of a file."""
    return [utterance.utt for utterance in store.get(task.lease.session_id).utterances]


def ids(store: Store) -> list[str]:
    return [job.id for job in store.queue.list(JobQuery(limit=MAX_JOB_PAGE)).items]


def pages(store: Store, query: JobQuery) -> list[list[str]]:
    """The ids of all pages."""
    found = []
    while True:
        page = store.queue.list(query)
        found.append([job.id for job in page.items])
        if page.next_cursor is None:
            return found
        query = JobQuery(state=query.state, limit=query.limit, cursor=page.next_cursor)


def expect(kind: type[BaseException], call: Callable[[], object]) -> Any:
    """The error that a call raises."""
    try:
        answer = call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} but {answer!r}")
