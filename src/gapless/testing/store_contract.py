"""Hold a store to ``gapless.store.contract``: one suite for every store there is.

In: a function that opens the store under test; it is empty at first, and every call opens the same one again.
Out: nothing, or an ``AssertionError``. Invariants: each check opens and closes what it needs; run each on a new store,
for instance ``@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)``. Thread: any.
"""

# ruff: noqa: D103, S101 - a check's name says what it asserts

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeAlias

import msgspec

from gapless.errors import GaplessError, NotFoundError, ProtocolError, StoreError
from gapless.store.contract import (
    CALLS_OF_A_STEP,
    MAX_HITS,
    MAX_PAGE,
    MAX_SEARCH_CHARS,
    RANKED_UTTERANCES,
    Hit,
    Order,
    Page,
    Pruned,
    SessionRecord,
    Store,
    StoredTranscript,
    TranscriptQuery,
)
from gapless.store.inferences import MAX_INFERENCES, InferenceQuery, InferenceRecord
from gapless.store.options import StoreOptions
from gapless.transcript import Utterance, Word

OpenStore: TypeAlias = Callable[[], Store]

WAIT_S: Final = 30.0

FULL_SESSION: Final = SessionRecord(
    id="s-full",
    source="file",
    model="pocketsphinx",
    started_at_ms=1_700_000_000_123,
    name="Gespräch über Äpfel.wav",
    language="de",
)

FULL_UTTERANCE: Final = Utterance(
    utt="u1",
    text='Größe "zählt" nicht — 你好 😀',
    start_ms=120,
    end_ms=4321,
    language="de",
    confidence=0.75,
    words=(Word("Größe", 120, 800, 0.5), Word("zählt", 800, 1300)),
    speaker="A",
    avg_logprob=-0.25,
    no_speech_prob=0.125,
    compression_ratio=1.5,
    tokens=(50364, 7, 50414),
    temperature=0.0,
)

ODD_SEARCHES: Final = (
    '"',
    '""',
    "'",
    "*",
    "**",
    "-",
    "a -b",
    "^a",
    "a^",
    "(",
    "(a OR",
    "AND",
    "OR",
    "NOT",
    "a AND",
    "NEAR",
    "NEAR(a b, 2)",
    "text:a",
    "text : a",
    "{text} : a",
    "a + b",
    'a" OR "b',
    "a;DROP TABLE sessions",
    "%",
    "_",
    "\\",
    "\0",
    "a\0b",
    "\x02a\x03",
    "\ud800",
    "😀",
    "a 😀",
    "…",
    "\u0301",
    "\u200b",
    "a " * (MAX_SEARCH_CHARS // 2),
    "x" * MAX_SEARCH_CHARS,
)
"""Text that query languages choke on."""


def what_was_kept_is_there_after_reopening(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        store.begin_session(FULL_SESSION)
        store.add_utterance("s-full", FULL_UTTERANCE)
        store.end_session("s-full", ended_at_ms=1_700_000_009_999, audio_ms=5000)
    with opened(open_store) as store:
        kept = store.get("s-full")
    expected = SessionRecord(
        id="s-full",
        source="file",
        model="pocketsphinx",
        started_at_ms=1_700_000_000_123,
        name="Gespräch über Äpfel.wav",
        language="de",
        ended_at_ms=1_700_000_009_999,
        audio_ms=5000,
        utterances=1,
    )
    assert kept == StoredTranscript(expected, (FULL_UTTERANCE,))


def a_session_that_was_cut_off_has_no_end(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
    with opened(open_store) as store:
        assert [item.session.ended_at_ms for item in store.list(TranscriptQuery()).items] == [None]


def writing_the_same_thing_twice_keeps_the_first(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1", started_at_ms=1)
        begin(store, "s1", started_at_ms=2)
        say(store, "s1", "u1", "first")
        say(store, "s1", "u1", "second")
        kept = store.get("s1")
        assert kept.session.started_at_ms == 1
        assert [utterance.text for utterance in kept.utterances] == ["first"]
        assert kept.session.utterances == 1
        assert not store.list(TranscriptQuery(text="second")).items


def the_same_utterance_name_in_two_sessions_is_two_utterances(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for session_id in ("s1", "s2"):
            begin(store, session_id)
            say(store, session_id, "u1", f"this is {session_id}")
        assert [text_of(store, session_id) for session_id in ("s1", "s2")] == [
            "this is s1",
            "this is s2",
        ]


def utterances_come_in_order_of_time(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
        say(store, "s1", "u2", "later", start_ms=2000)
        say(store, "s1", "u1", "sooner", start_ms=1000)
        assert text_of(store, "s1") == "sooner later"


def what_is_unknown_is_not_found(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        expect(NotFoundError, lambda: store.get("nobody"))
        expect(NotFoundError, lambda: store.delete("nobody"))
        expect(StoreError, lambda: say(store, "nobody", "u1", "hello"))
        expect(StoreError, lambda: store.end_session("nobody", ended_at_ms=1, audio_ms=1))
        assert store.list(TranscriptQuery()) == Page((), None)


def lists_are_newest_first_and_pages_meet(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        # Two of each time: the id decides between equals.
        for number in range(10):
            begin(store, f"s{number}", started_at_ms=1000 + number // 2)
        expected = [f"s{number}" for number in (9, 8, 7, 6, 5, 4, 3, 2, 1, 0)]
        for limit in (1, 3, 5, 9, 10, MAX_PAGE):
            assert [id_ for page in pages(store, limit) for id_ in page] == expected
        assert [len(page) for page in pages(store, 5)] == [5, 5]


def pages_stay_right_while_sessions_come_and_go(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for number in range(6):
            begin(store, f"s{number}", started_at_ms=1000 + number)
        following = pages(store, 2)
        assert next(following) == ["s5", "s4"]
        begin(store, "newer", started_at_ms=5000)
        store.delete("s4")
        assert next(following) == ["s3", "s2"]
        store.delete("s1")
        begin(store, "older", started_at_ms=1)
        assert list(following) == [["s0", "older"]]


def the_range_of_time_is_half_open(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for at_ms in (999, 1000, 1999, 2000):
            begin(store, f"at {at_ms}", started_at_ms=at_ms)
        query = TranscriptQuery(since_ms=1000, until_ms=2000)
        assert ids(store.list(query)) == ["at 1999", "at 1000"]


def a_wrong_query_is_refused(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for cursor in ("x", "é", "bm9uc2Vuc2U", "WyJhIiwxXQ", "W10", "A" * 5000, "WzFlOTksImEiXQ"):
            error = expect(ProtocolError, lambda: store.list(TranscriptQuery(cursor=cursor)))  # noqa: B023
            assert error.param == "cursor"
        for limit in (0, -1, MAX_PAGE + 1):
            error = expect(ProtocolError, lambda: store.list(TranscriptQuery(limit=limit)))  # noqa: B023
            assert error.param == "limit"
        long = TranscriptQuery(text="x" * (MAX_SEARCH_CHARS + 1))
        assert expect(ProtocolError, lambda: store.list(long)).param == "q"


def all_words_must_occur_in_one_utterance(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
        say(store, "s1", "u1", "the quick brown fox", start_ms=0)
        say(store, "s1", "u2", "jumps over the lazy dog", start_ms=1000)
        assert found(store, "fox quick") == ["u1"]
        assert found(store, "the") == ["u1", "u2"]
        assert found(store, "fox dog") == []


def the_last_word_may_be_a_beginning(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
        say(store, "s1", "u1", "gapless is the name")
        for beginning in ("g", "ga", "gap", "gapl", "gapless"):
            assert found(store, beginning) == ["u1"]
        assert found(store, "the gap") == ["u1"]
        assert found(store, "gap the") == []
        assert found(store, "apless") == []
        assert found(store, "gap !") == ["u1"]


def case_accents_and_punctuation_do_not_count(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
        say(store, "s1", "u1", "Don't stop: the CAFÉ, naïve señor!")
        for text in ("don't", "DON'T stop", "cafe", "café", "Café,", "NAIVE", "senor", "señ"):
            assert found(store, text) == ["u1"], text


def highlights_are_the_characters_that_matched(open_store: OpenStore) -> None:
    text = "😀 Größe über Größen, 你好 cafe\u0301 don't «Größe»"
    expected = {
        "größe": ["Größe", "Größen", "Größe"],
        "你": ["你好"],
        "cafe": ["cafe\u0301"],
        "don't": ["don't"],
        "über größe": ["Größe", "über", "Größen", "Größe"],
    }
    with opened(open_store) as store:
        begin(store, "s1")
        say(store, "s1", "u1", text)
        for query, marked in expected.items():
            (hit,) = hits(store, query)
            assert hit.text == text
            assert [hit.text[start:end] for start, end in hit.highlights] == marked


def no_text_is_read_as_query_syntax(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
        say(store, "s1", "u1", "something else entirely")
        for text in ODD_SEARCHES:
            assert found(store, text) == [], text


def text_without_letters_finds_nothing_and_blank_text_lists_all(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
        assert ids(store.list(TranscriptQuery(text="  "))) == ["s1"]
        assert ids(store.list(TranscriptQuery(text=""))) == ["s1"]
        assert ids(store.list(TranscriptQuery(text="?!"))) == []


def the_first_hits_of_each_session_are_shown_in_order_of_time(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for session_id in ("s1", "s2"):
            begin(store, session_id)
            for number in reversed(range(MAX_HITS + 3)):
                say(store, session_id, f"u{number}", f"word {number}", start_ms=number * 1000)
        page = store.list(TranscriptQuery(text="word"))
        assert ids(page) == ["s2", "s1"]
        for item in page.items:
            assert [hit.utt for hit in item.hits] == [f"u{number}" for number in range(MAX_HITS)]
            assert item.hits[1] == Hit("u1", 1000, 1500, "word 1", ((0, 4),))


def searches_have_pages_and_times_too(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for number in range(9):
            begin(store, f"s{number}", started_at_ms=1000 + number)
            say(store, f"s{number}", "u1", "odd" if number % 2 else "even")
        assert list(pages(store, 2, text="even")) == [["s8", "s6"], ["s4", "s2"], ["s0"]]
        query = TranscriptQuery(text="even", since_ms=1002, until_ms=1006)
        assert ids(store.list(query)) == ["s4", "s2"]


def a_deleted_transcript_is_gone_everywhere(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for session_id in ("s1", "s2"):
            begin(store, session_id)
            say(store, session_id, "u1", f"the word {session_id}")
        store.delete("s1")
        expect(NotFoundError, lambda: store.get("s1"))
        expect(NotFoundError, lambda: store.delete("s1"))
        expect(StoreError, lambda: say(store, "s1", "u2", "too late"))
        assert ids(store.list(TranscriptQuery())) == ["s2"]
        assert ids(store.list(TranscriptQuery(text="word"))) == ["s2"]
        # The id may be used again, and nothing of the old transcript comes back.
        begin(store, "s1")
        assert text_of(store, "s1") == ""


def the_preview_is_the_first_words(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for session_id in ("nothing", "short", "long", "unbroken"):
            begin(store, session_id)
        say(store, "short", "u1", "Hello.", start_ms=0)
        say(store, "short", "u2", "How are\nyou?", start_ms=1000)
        say(store, "long", "u1", "word " * 500)
        say(store, "unbroken", "u1", "你" * 5000)
        previews = {item.session.id: item.preview for item in store.list(TranscriptQuery()).items}
        assert previews["nothing"] == ""
        assert previews["short"] == "Hello. How are you?"
        assert previews["long"].startswith("word word")
        assert previews["long"].endswith("word …")
        assert previews["unbroken"].startswith("你你")
        assert max(map(len, previews.values())) <= 200


def what_cannot_be_kept_is_replaced_in_place(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        store.begin_session(SessionRecord("s1", "file", "m", 1, name="caf\udce9.wav"))
        words = (Word("a\0b", 0, 1),)
        store.add_utterance("s1", Utterance("u1", "a\0b \x02c\x03 \ud800 d", 0, 1, words=words))
        kept = store.get("s1")
        assert kept.session.name == "caf\ufffd.wav"
        assert kept.utterances[0].text == "a\ufffdb \ufffdc\ufffd \ufffd d"
        assert kept.utterances[0].words[0].text == "a\ufffdb"
        (hit,) = hits(store, "d")
        assert hit.highlights == ((10, 11),)


def several_utterances_are_kept_in_one_go(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
        several = [Utterance(f"u{n}", f"number {n}", n * 1000, n * 1000 + 500) for n in range(300)]
        first = store.add_utterances("s1", several[:200])
        # Those that come again, in whatever company, stay as they are.
        changed = Utterance("u7", "changed", 7000, 7500)
        second = store.add_utterances("s1", [changed, *several[150:]])
        assert first.result(WAIT_S) is None
        assert second.result(WAIT_S) is None
        assert store.add_utterances("s1", ()).result(WAIT_S) is None
    with opened(open_store) as store:
        kept = store.get("s1")
        assert list(kept.utterances) == several
        assert kept.session.utterances == 300
        assert [hit.utt for hit in hits(store, "299")] == ["u299"]
        assert not hits(store, "changed")


def several_utterances_of_nobody_are_refused_and_harm_no_others(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
        several = [Utterance(f"u{n}", "words", n, n) for n in range(10)]
        before = store.add_utterances("s1", several[:5])
        nobodys = store.add_utterances("nobody", several)
        after = store.add_utterances("s1", several[5:])
        expect(StoreError, lambda: nobodys.result(WAIT_S))
        before.result(WAIT_S)
        after.result(WAIT_S)
        assert store.get("s1").session.utterances == 10
        expect(NotFoundError, lambda: store.get("nobody"))


def restored_transcripts_are_what_they_were(open_store: OpenStore) -> None:
    record = msgspec.structs.replace(
        FULL_SESSION, ended_at_ms=1_700_000_009_999, audio_ms=5000, utterances=1
    )
    full = StoredTranscript(record, (FULL_UTTERANCE,))
    # What it counts is what is there, whatever the record says.
    empty = StoredTranscript(SessionRecord("s-empty", "stream", "m", 5, utterances=99), ())
    with opened(open_store) as store:
        begin(store, "mine")
        mine = StoredTranscript(SessionRecord("mine", "file", "other", 1), (FULL_UTTERANCE,))
        assert store.restore([full, mine, empty]) == 2
        assert store.restore([full, mine, empty]) == 0
        assert store.restore([]) == 0
    with opened(open_store) as store:
        assert store.get("s-full") == full
        assert store.get("mine") == StoredTranscript(
            SessionRecord("mine", "stream", "scripted", 1000), ()
        )
        assert store.get("s-empty").session.utterances == 0
        assert found(store, "zählt") == ["u1"]
        # It can be added to, as any other.
        say(store, "s-full", "u2", "afterwards", start_ms=5000)
        assert store.get("s-full").session.utterances == 2


def facts_are_of_what_is_there(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        nothing = store.facts()
        assert (nothing.sessions, nothing.utterances, nothing.oldest_ms) == (0, 0, None)
        assert nothing.schema >= 1
        assert nothing.where
        for number in range(3):
            begin(store, f"s{number}", started_at_ms=2000 - number)
            for utterance in range(number):
                say(store, f"s{number}", f"u{utterance}", "hello " * 50)
        facts = store.facts()
        assert (facts.sessions, facts.utterances, facts.oldest_ms) == (3, 3, 1998)
        assert facts.size_bytes > 0
        store.delete("s2")
        facts = store.facts()
        assert (facts.sessions, facts.utterances, facts.oldest_ms) == (2, 1, 1999)


def a_store_that_was_used_and_made_smaller_is_whole(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        assert store.check() == ()
        for number in range(6):
            begin(store, f"s{number}", started_at_ms=1000 + number)
            for utterance in range(20):
                say(store, f"s{number}", f"u{utterance}", f"words of {number}", start_ms=utterance)
        store.delete("s0")
        kept = [store.get(f"s{number}") for number in range(1, 6)]
        assert store.check() == ()
        store.vacuum()
        assert store.check() == ()
        assert [store.get(f"s{number}") for number in range(1, 6)] == kept
        assert ids(store.list(TranscriptQuery(text="words"))) == ["s5", "s4", "s3", "s2", "s1"]
        say(store, "s1", "later", "it goes on")
        assert found(store, "goes on") == ["later"]


def the_oldest_are_pruned_by_age_a_few_at_a_time(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for number in range(6):
            begin(store, f"s{number}", started_at_ms=1000 + number)
            for utterance in range(number):
                say(store, f"s{number}", f"u{utterance}", "an old word", start_ms=utterance)
            store.end_session(f"s{number}", ended_at_ms=9000, audio_ms=1000)
        assert store.prune(before_ms=1000) == Pruned(0, 0)
        assert store.prune() == Pruned(0, 0)
        assert store.prune(before_ms=1004, limit=3) == Pruned(3, 0 + 1 + 2)
        assert store.prune(before_ms=1004, limit=3) == Pruned(1, 3)
        assert store.prune(before_ms=1004, limit=3) == Pruned(0, 0)
        assert ids(store.list(TranscriptQuery())) == ["s5", "s4"]
        assert ids(store.list(TranscriptQuery(text="old word"))) == ["s5", "s4"]
        expect(NotFoundError, lambda: store.get("s3"))
        assert store.check() == ()


def what_has_not_ended_is_pruned_a_day_later(open_store: OpenStore) -> None:
    day_ms = 24 * 3600 * 1000
    with opened(open_store) as store:
        begin(store, "lost", started_at_ms=1000)
        begin(store, "running", started_at_ms=2000)
        begin(store, "over", started_at_ms=3000)
        store.end_session("over", ended_at_ms=4000, audio_ms=1000)
        assert store.prune(before_ms=5000) == Pruned(1, 0)
        assert ids(store.list(TranscriptQuery())) == ["running", "lost"]
        assert store.prune(before_ms=1000 + day_ms) == Pruned(0, 0)
        assert store.prune(before_ms=1001 + day_ms) == Pruned(1, 0)
        assert ids(store.list(TranscriptQuery())) == ["running"]
        assert store.prune(max_bytes=1) == Pruned(0, 0)


def the_oldest_are_pruned_when_the_store_is_too_large(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for number in range(5):
            begin(store, f"s{number}", started_at_ms=1000 + number)
            say(store, f"s{number}", "u1", "many words " * 200)
        for number in (0, 1, 2, 4):
            store.end_session(f"s{number}", ended_at_ms=9000, audio_ms=1000)
        assert store.prune(max_bytes=10**12) == Pruned(0, 0)
        assert store.prune(max_bytes=1, limit=2) == Pruned(2, 2)
        assert ids(store.list(TranscriptQuery())) == ["s4", "s3", "s2"]
        assert store.prune(max_bytes=1) == Pruned(2, 2)
        assert ids(store.list(TranscriptQuery())) == ["s3"]


def calls_of_models_are_kept_once_and_listed_newest_first(open_store: OpenStore) -> None:
    first = call(1, model="alpha", cached=True, request_id="r-1")
    second = call(2, model="beta", status="overload", batch_rows=0)
    odd = call(3, model="a\0lpha\ud800" + "x" * 500, request_id="你好")
    with opened(open_store) as store:
        store.add_inferences([first, second]).result(WAIT_S)
        store.add_inferences([call(1, model="other"), odd, call(1, source=8)]).result(WAIT_S)
    with opened(open_store) as store:
        newest, *others = store.inferences(InferenceQuery())
        assert (
            newest.model
            == ("a\N{REPLACEMENT CHARACTER}lpha\N{REPLACEMENT CHARACTER}" + "x" * 500)[:128]
        )
        assert newest.request_id == "你好"
        assert others == [second, call(1, source=8), first]
        assert store.inferences(InferenceQuery(model="alpha")) == (first,)
        assert store.inferences(InferenceQuery(before=(1, 8), limit=1)) == (first,)
        assert store.inferences(InferenceQuery("alpha", before=(1, 7))) == ()
        assert store.inferences(InferenceQuery(model="nobody\0")) == ()
        for limit in (0, MAX_INFERENCES + 1):
            wrong = partial(store.inferences, InferenceQuery(limit=limit))
            assert expect(ProtocolError, wrong).param == "limit"
        assert store.check() == ()


def calls_of_models_and_what_is_said_share_transactions(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
        calls = [store.add_inferences([call(number)]) for number in range(50)]
        said = store.add_utterances("s1", [FULL_UTTERANCE])
        nobody = store.add_utterances("nobody", [FULL_UTTERANCE])
        more = store.add_inferences([call(number) for number in range(50, 90)])
        for future in (*calls, said, more):
            future.result(WAIT_S)
        expect(StoreError, lambda: nobody.result(WAIT_S))
        assert len(store.inferences(InferenceQuery(limit=100))) == 90
        assert text_of(store, "s1") == FULL_UTTERANCE.text


def calls_of_models_are_pruned_by_age_and_before_what_was_said(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1", started_at_ms=10)
        say(store, "s1", "u1", "many words " * 200)
        store.end_session("s1", ended_at_ms=20, audio_ms=1000)
        # From 0 to 5 ms.
        store.add_inferences([call(number) for number in range(2 * CALLS_OF_A_STEP + 1000)]).result(
            WAIT_S
        )
        before_ms = CALLS_OF_A_STEP // 1000 + 1
        assert store.prune(before_ms=before_ms) == Pruned(0, 0, CALLS_OF_A_STEP)
        assert store.prune(before_ms=before_ms) == Pruned(0, 0, 1000)
        assert store.prune(before_ms=before_ms).nothing
        (oldest,) = store.inferences(InferenceQuery(before=(before_ms * 1000 + 1, 0)))
        assert oldest.at_us == before_ms * 1000
        assert store.prune(max_bytes=1) == Pruned(0, 0, 2000)
        assert store.prune(max_bytes=1) == Pruned(1, 1)
        assert store.prune(max_bytes=1).nothing


def the_best_match_comes_first_if_asked_for(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for at_ms, (session_id, text) in enumerate(
            (
                ("strong", "gap gap gap"),
                ("old", "there is one gap in this"),
                ("none", "nothing of that kind"),
                ("new", "there is one gap in this"),
            )
        ):
            begin(store, session_id, started_at_ms=1000 + at_ms)
            say(store, session_id, "u1", text)
        # Many utterances that match a little make no better match.
        for number in range(2, 9):
            say(store, "new", f"u{number}", "there is one gap in this", start_ms=number * 1000)

        def best(since_ms: int | None = None, until_ms: int | None = None) -> list[str]:
            return ids(store.list(TranscriptQuery("gap", since_ms, until_ms, order="relevance")))

        assert best() == ["strong", "new", "old"]
        assert best(since_ms=1001) == ["new", "old"]
        assert best(until_ms=1003) == ["strong", "old"]
        (item, *_) = store.list(TranscriptQuery(text="gap", order="relevance")).items
        assert item.hits[0].highlights == ((0, 3), (4, 7), (8, 11))
        # Without words there is nothing to fit.
        assert ids(store.list(TranscriptQuery(order="relevance"))) == [
            "new",
            "none",
            "old",
            "strong",
        ]


def pages_by_relevance_meet_and_their_cursors_are_their_own(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        for number in range(7):
            begin(store, f"s{number}", started_at_ms=1000 + number // 2)
            say(store, f"s{number}", "u1", "word " * (1 + number % 3) + "and more" * 3)
        whole = TranscriptQuery(text="word", order="relevance", limit=MAX_PAGE)
        expected = ids(store.list(whole))
        assert sorted(expected) == [f"s{number}" for number in range(7)]
        assert expected != ids(store.list(TranscriptQuery(text="word")))
        for limit in (1, 2, 3, 6, 7):
            paged = pages(store, limit, text="word", order="relevance")
            assert [id_ for page in paged for id_ in page] == expected
        by_time = store.list(TranscriptQuery(text="word", limit=2)).next_cursor
        by_fit = store.list(msgspec.structs.replace(whole, limit=2)).next_cursor
        wrong = (
            TranscriptQuery(text="word", order="relevance", cursor=by_time),
            TranscriptQuery(text="word", cursor=by_fit),
            TranscriptQuery(text="word", order="relevance", cursor="x"),
        )
        for query in wrong:
            error = expect(ProtocolError, lambda: store.list(query))  # noqa: B023
            assert error.param == "cursor"


def many_threads_write_and_read_at_once(open_store: OpenStore) -> None:
    def one_stream(number: int) -> int:
        session_id = f"s{number}"
        begin(store, session_id, started_at_ms=1000 + number)
        for utterance in range(10):
            say(store, session_id, f"u{utterance}", f"thread {number}", start_ms=utterance * 1000)
            assert len(store.get(session_id).utterances) == utterance + 1
        store.end_session(session_id, ended_at_ms=9999, audio_ms=10_000)
        return len(found(store, f"{number}"))

    with opened(open_store) as store, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one_stream, range(8))) == [10] * 8
        items = store.list(TranscriptQuery()).items
        assert [item.session.utterances for item in items] == [10] * 8


def ranking_looks_at_the_newest_matches_only(open_store: OpenStore) -> None:
    many = tuple(
        Utterance(f"u{number}", "this word is one of several", number, number + 1)
        for number in range(RANKED_UTTERANCES)
    )
    with opened(open_store) as store:
        begin(store, "oldest", started_at_ms=1000)
        say(store, "oldest", "u1", "word")
        query = TranscriptQuery(text="word", order="relevance")
        assert ids(store.list(query)) == ["oldest"]
        store.restore([StoredTranscript(SessionRecord("many", "file", "m", 2000), many)])
        begin(store, "newest", started_at_ms=3000)
        say(store, "newest", "u1", "word")
        assert ids(store.list(query)) == ["newest", "many"]


def what_is_written_is_counted(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        seen = [store.changes]
        begin(store, "s1")
        seen.append(store.changes)
        say(store, "s1", "u1", "word")
        seen.append(store.changes)
        store.list(TranscriptQuery(text="word"))
        assert store.changes == seen[-1]
        store.delete("s1")
        seen.append(store.changes)
        store.restore([StoredTranscript(SessionRecord("s2", "file", "m", 1), ())])
        seen.append(store.changes)
        assert seen == sorted(set(seen))


def what_operations_take_is_counted_by_kind(open_store: OpenStore) -> None:
    """What is read and written is timed, also what fails; nothing is lent when nobody asks."""
    with opened(open_store) as store:
        before = store.stats()
        begin(store, "s1")
        say(store, "s1", "u1", "hello")
        store.list(TranscriptQuery())
        store.list(TranscriptQuery(text="hello"))
        store.get("s1")
        expect(NotFoundError, lambda: store.get("nobody"))
        after = store.stats()
        counted = {
            operation: after.times[operation].count - times.count
            for operation, times in before.times.items()
        }
    assert counted == {"get": 2, "list": 1, "search": 1, "write": 2, "commit": 2}
    assert after.rows - before.rows == 2
    assert after.waits.count - before.waits.count >= 4
    assert (after.waiting_rows, after.lent) == (0, 0)
    assert 1 <= after.connections <= after.most_connections


def numbers_may_change_while_it_works(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
        for number, options in enumerate(
            (StoreOptions(batch_rows=1, pool=1), StoreOptions(batch_rows=900, pool=12))
        ):
            store.adjust(options)
            utterances = [
                Utterance(f"u{number}-{each}", "word", each, each + 1) for each in range(9)
            ]
            waiting = [store.add_utterances("s1", [utterance]) for utterance in utterances]
            for future in waiting:
                future.result()
            with ThreadPoolExecutor(4) as threads:
                kept = list(threads.map(lambda _: len(store.get("s1").utterances), range(8)))
            assert kept == [9 * (number + 1)] * 8


def a_closed_store_says_so(open_store: OpenStore) -> None:
    with opened(open_store) as store:
        begin(store, "s1")
    store.close()
    expect(StoreError, lambda: store.list(TranscriptQuery()))
    expect(StoreError, lambda: store.get("s1"))
    expect(StoreError, lambda: begin(store, "s2"))
    expect(StoreError, lambda: say(store, "s1", "u1", "hello"))
    expect(StoreError, lambda: store.delete("s1"))
    expect(StoreError, lambda: store.add_utterances("s1", [FULL_UTTERANCE]).result(WAIT_S))
    expect(StoreError, lambda: store.restore([StoredTranscript(FULL_SESSION, ())]))
    expect(StoreError, store.facts)
    expect(StoreError, store.vacuum)
    expect(StoreError, lambda: store.prune(before_ms=1))
    expect(StoreError, lambda: store.add_inferences([call(1)]).result(WAIT_S))
    expect(StoreError, lambda: store.inferences(InferenceQuery()))


STORE_CHECKS: Final = (
    what_was_kept_is_there_after_reopening,
    a_session_that_was_cut_off_has_no_end,
    writing_the_same_thing_twice_keeps_the_first,
    the_same_utterance_name_in_two_sessions_is_two_utterances,
    utterances_come_in_order_of_time,
    what_is_unknown_is_not_found,
    lists_are_newest_first_and_pages_meet,
    pages_stay_right_while_sessions_come_and_go,
    the_range_of_time_is_half_open,
    a_wrong_query_is_refused,
    all_words_must_occur_in_one_utterance,
    the_last_word_may_be_a_beginning,
    case_accents_and_punctuation_do_not_count,
    highlights_are_the_characters_that_matched,
    no_text_is_read_as_query_syntax,
    text_without_letters_finds_nothing_and_blank_text_lists_all,
    the_first_hits_of_each_session_are_shown_in_order_of_time,
    searches_have_pages_and_times_too,
    a_deleted_transcript_is_gone_everywhere,
    the_preview_is_the_first_words,
    what_cannot_be_kept_is_replaced_in_place,
    several_utterances_are_kept_in_one_go,
    several_utterances_of_nobody_are_refused_and_harm_no_others,
    restored_transcripts_are_what_they_were,
    facts_are_of_what_is_there,
    a_store_that_was_used_and_made_smaller_is_whole,
    the_oldest_are_pruned_by_age_a_few_at_a_time,
    what_has_not_ended_is_pruned_a_day_later,
    the_oldest_are_pruned_when_the_store_is_too_large,
    calls_of_models_are_kept_once_and_listed_newest_first,
    calls_of_models_and_what_is_said_share_transactions,
    calls_of_models_are_pruned_by_age_and_before_what_was_said,
    the_best_match_comes_first_if_asked_for,
    pages_by_relevance_meet_and_their_cursors_are_their_own,
    many_threads_write_and_read_at_once,
    ranking_looks_at_the_newest_matches_only,
    what_is_written_is_counted,
    what_operations_take_is_counted_by_kind,
    numbers_may_change_while_it_works,
    a_closed_store_says_so,
)
"""All of the suite; each name says what it holds a store to."""


@contextmanager
def opened(open_store: OpenStore) -> Iterator[Store]:
    """A store that is closed in the end, whatever happens."""
    store = open_store()
    try:
        yield store
    finally:
        store.close()


def begin(store: Store, session_id: str, *, started_at_ms: int = 1000) -> None:
    """Begin a session of which only the time matters."""
    store.begin_session(SessionRecord(session_id, "stream", "scripted", started_at_ms))


def say(store: Store, session_id: str, utt: str, text: str, *, start_ms: int = 0) -> None:
    """Add half a second of speech."""
    store.add_utterance(session_id, Utterance(utt, text, start_ms, start_ms + 500))


def call(
    at_us: int,
    *,
    source: int = 7,
    model: str = "scripted",
    status: str = "ok",
    batch_rows: int = 4,
    cached: bool = False,
    request_id: str = "",
) -> InferenceRecord:
    """A call of a model."""
    return InferenceRecord(
        at_us=at_us,
        source=source,
        model=model,
        version="1",
        rows=2,
        batch_rows=batch_rows,
        queue_us=100,
        compute_us=1500,
        cached=cached,
        status=status,
        request_id=request_id,
    )


def text_of(store: Store, session_id: str) -> str:
    """All that was said in a session."""
    return " ".join(utterance.text for utterance in store.get(session_id).utterances)


def ids(page: Page) -> list[str]:
    """The sessions of a page."""
    return [item.session.id for item in page.items]


def pages(
    store: Store, limit: int, *, text: str | None = None, order: Order = "newest"
) -> Iterator[list[str]]:
    """The sessions of all pages, each asked for when it is needed."""
    cursor = None
    while True:
        page = store.list(TranscriptQuery(text=text, limit=limit, cursor=cursor, order=order))
        yield ids(page)
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def hits(store: Store, text: str) -> Iterable[Hit]:
    """What a search finds, in all sessions."""
    return [hit for item in store.list(TranscriptQuery(text=text)).items for hit in item.hits]


def found(store: Store, text: str) -> list[str]:
    """The utterances that a search finds."""
    return [hit.utt for hit in hits(store, text)]


def expect(kind: type[GaplessError], act: Callable[[], object]) -> GaplessError:
    """The error that ``act`` raises, which must be of that kind and say what to do."""
    caught: GaplessError | None = None
    try:
        act()
    except kind as error:
        caught = error
    assert caught is not None, f"{kind.__name__} was not raised"
    assert len(caught.message) > 20
    return caught
