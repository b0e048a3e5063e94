"""Playing over real sockets: a real server, real sound, to the sample."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import av
import msgspec
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from gapless.audio.types import Samples
from gapless.play import load, render
from gapless.settings import Settings
from gapless.testing.detectors import find_flaws
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

# One process compiles the kernels.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-socket")]

Answer = TypeVar("Answer")
Build = Callable[..., AbstractContextManager[RunningServer]]
Message = dict[str, Any]

PATIENCE_S = 100.0
"""Somebody has to compile first."""
RATE_HZ = 48_000
LEAD = 1152
"""Samples from where it is rendered to where a program begins: 25 ms, in whole quanta."""
FADE = 512
"""Samples in which an output that is new comes up."""

TUNE = 'bpm: 120\no1: s "sine*4 saw" # note "0 7" # gain 0.4\no2: sine 220 * 0.1\n'


@pytest.fixture(scope="module")
def build() -> Build:
    @contextmanager
    def make(**settings: Any) -> Iterator[RunningServer]:
        with (
            ScriptedServices(Settings(port=0, save=False, **settings)) as services,
            running_server(services) as server,
        ):
            yield server

    return make


@pytest.fixture(scope="module")
def server(build: Build) -> Iterator[RunningServer]:
    with build(max_players=32) as running:
        yield running


class Browser:
    """A client that hears what it is sent."""

    def __init__(self, server: RunningServer, **query: object) -> None:
        options = "&".join(f"{name}={value}" for name, value in query.items())
        self._opening = connect(
            f"{server.ws_url}/v1/play?{options}",
            subprotocols=[Subprotocol("play.v1")],
            max_size=None,
        )
        self._parts: list[Samples] = []
        self.received = 0
        """Samples so far."""
        self.told: list[tuple[int, Message]] = []
        """All messages, and how many samples came before each."""

    async def __aenter__(self) -> Self:
        self.socket: ClientConnection = await self._opening.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()

    async def say(self, **message: object) -> None:
        await self.socket.send(msgspec.json.encode(message).decode())

    async def play(self, text: str) -> Message:
        """Set a program; what was answered."""
        await self.say(type="set", id="p", text=text)
        return await self.until("changed")

    async def read(self) -> str:
        """One frame; the kind of it."""
        frame = await self.socket.recv()
        if isinstance(frame, bytes):
            samples = np.frombuffer(frame, "<f4").reshape(-1, 2).T
            self._parts.append(samples)
            self.received += samples.shape[1]
            return "sound"
        message: Message = msgspec.json.decode(frame)
        self.told.append((self.received, message))
        return str(message["type"])

    async def until(self, kind: str) -> Message:
        """The next message of a kind; the credit is left as it is."""
        while await self.read() != kind:
            pass
        return self.told[-1][1]

    async def hear(self, n_samples: int) -> Samples:
        """Hear up to a sample; float32 [2, n] from sample 0."""
        await self.say(type="heard", sample=self.received)
        while self.received < n_samples:
            if await self.read() == "sound":
                await self.say(type="heard", sample=self.received)
        return self.sound

    async def hear_the_end(self) -> int:
        """Hear until it is closed; the code."""
        with suppress(ConnectionClosed):  # Found while saying; there is more to read.
            await self.hear(10**9)
        return await self.close_code()

    async def close_code(self) -> int:
        """Read to the end."""
        while True:
            try:
                await self.read()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006

    @property
    def sound(self) -> Samples:
        return np.concatenate([np.zeros((2, 0), np.float32), *self._parts], axis=1)

    def all_told(self, kind: str) -> list[tuple[int, Message]]:
        return [(before, message) for before, message in self.told if message["type"] == kind]


def run(main: Callable[[], Awaitable[Answer]]) -> Answer:
    async def bounded() -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            return await main()

    return asyncio.run(bounded())


def offline(text: str, n_samples: int, rate_hz: int = RATE_HZ) -> Samples:
    """What a program sounds like from its beginning, float32 [2, n]."""
    return render(load(text), seconds=n_samples / rate_hz, rate_hz=rate_hz).T


# --- the sound ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 22_050])
def test_the_sound_is_that_of_rendering_sample_by_sample(
    server: RunningServer, rate_hz: int
) -> None:
    async def play() -> tuple[Message, int, Samples]:
        async with Browser(server, rate=rate_hz) as browser:
            assert browser.socket.subprotocol == "play.v1"
            ready = await browser.until("ready")
            changed = await browser.play(TUNE)
            return ready, changed["sample"], await browser.hear(2 * rate_hz)

    ready, at, sound = run(play)

    assert ready["rate_hz"] == rate_hz
    assert (ready["channels"], ready["buffer_ms"], ready["version"]) == (2, 200, 1)
    assert not sound[:, :at].any()
    expected = offline(TUNE, sound.shape[1] - at, rate_hz)
    assert expected[:, FADE:].any()
    np.testing.assert_array_equal(sound[:, at + FADE :], expected[:, FADE:])


def test_a_change_is_heard_at_the_sample_that_was_said(server: RunningServer) -> None:
    async def play() -> tuple[int, Message, Samples]:
        async with Browser(server) as browser:
            first = await browser.play(TUNE)
            await browser.hear(RATE_HZ)
            second = await browser.play(TUNE.replace("220", "330"))
            return first["sample"], second, await browser.hear(2 * RATE_HZ)

    begin, change, sound = run(play)

    at = change["sample"]
    unchanged = offline(TUNE, sound.shape[1])
    same = sound[:, begin + FADE :] == unchanged[:, FADE : sound.shape[1] - begin]
    assert (change["id"], change["outputs"], change["hushed"]) == ("p", ["o1", "o2"], [])
    assert change["cycle"] == pytest.approx((at - begin) * 0.5 / RATE_HZ)
    assert same[:, : at - begin - FADE].all()
    assert not same[:, at - begin - FADE :][:, :64].all(), "from that quantum on it is another one"
    assert not find_flaws(sound[0], RATE_HZ).any()


def test_no_more_is_sent_than_was_asked_for(server: RunningServer) -> None:
    async def play() -> int:
        async with Browser(server, buffer_ms=100) as browser:
            await browser.play(TUNE)
            await browser.hear(RATE_HZ)
            heard = browser.received
            await browser.say(type="heard", sample=10**12)
            await browser.say(type="stop")
            assert await browser.close_code() == 1000
            return browser.received - heard

    # What was heard last is not more than what had been sent then.
    assert run(play) <= 2 * RATE_HZ // 10


def test_who_hears_nothing_is_sent_a_buffer_and_no_more(server: RunningServer) -> None:
    async def play() -> int:
        async with Browser(server, buffer_ms=100) as browser:
            await browser.play(TUNE)
            await browser.say(type="stop")
            assert await browser.close_code() == 1000
            return browser.received

    assert run(play) <= RATE_HZ // 10


def test_who_asks_for_nothing_is_sent_nothing(server: RunningServer) -> None:
    async def play() -> Browser:
        async with Browser(server) as browser:
            await browser.say(type="set", text="o1: (((")
            await browser.until("mistake")
            await browser.say(type="stop")
            assert await browser.close_code() == 1000
            return browser

    assert run(play).received == 0


def test_sounds_of_the_folders_are_heard(build: Build, tmp_path: Path) -> None:
    folder = tmp_path / "knock"
    folder.mkdir()
    with av.open(str(folder / "one.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        samples = (np.sin(np.arange(RATE_HZ // 4) / 20) * 20_000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        frame.sample_rate = RATE_HZ
        container.mux([*stream.encode(frame), *stream.encode(None)])

    async def play(server: RunningServer) -> Samples:
        async with Browser(server) as browser:
            await browser.play('o1: s "knock"\n')
            return await browser.hear(RATE_HZ // 4)

    with build(play_samples=(str(tmp_path),)) as server:
        assert np.abs(run(lambda: play(server))).max() > 0.3


# --- what is told ---------------------------------------------------------------------------------


def test_events_are_told_before_their_sound_with_their_places(server: RunningServer) -> None:
    text = 'bpm: 120\no1: s "bd*2 sn"\n'

    async def play() -> Browser:
        async with Browser(server) as browser:
            await browser.play(text)
            await browser.hear(2 * RATE_HZ + LEAD)
            return browser

    browser = run(play)
    told = [
        (before, event)
        for before, message in browser.all_told("events")
        for event in message["events"]
    ]
    begins = [event["begin"] - LEAD for _, event in told]
    assert begins[:3] == [0, RATE_HZ // 2, RATE_HZ]
    assert len(set(begins)) == len(begins)
    assert all(before <= event["begin"] for before, event in told)
    assert told[0][1]["end"] - told[0][1]["begin"] == RATE_HZ // 2
    assert {event["output"] for _, event in told} == {"o1"}
    line, column, length = told[2][1]["places"][0]
    assert text.splitlines()[line - 1][column - 1 :][:length] == "sn"


def test_the_cycle_is_told_each_second(server: RunningServer) -> None:
    async def play() -> Browser:
        async with Browser(server) as browser:
            await browser.play("cps: 1\no1: sine 220 * 0.1\n")
            await browser.hear(3 * RATE_HZ)
            return browser

    cycles = [message for _, message in run(play).all_told("cycle")]
    assert [(one["sample"], one["cycle"], one["cps"]) for one in cycles if one["cps"] == 1] == [
        (LEAD + n * RATE_HZ, n, 1) for n in range(3)
    ]


def test_a_mistake_is_told_and_what_played_goes_on(server: RunningServer) -> None:
    async def play() -> tuple[Message, Samples]:
        async with Browser(server) as browser:
            await browser.play(TUNE)
            await browser.hear(RATE_HZ // 2)
            await browser.say(type="set", id="m", text='bpm: 120\no1: s "bd" # gian 1\n')
            mistake = await browser.until("mistake")
            return mistake, await browser.hear(2 * RATE_HZ)

    mistake, sound = run(play)

    assert (mistake["id"], mistake["line"], mistake["column"], mistake["length"]) == ("m", 2, 14, 4)
    assert "gain" in mistake["message"]
    assert "^^^^" in mistake["text"]
    expected = offline(TUNE, sound.shape[1])
    np.testing.assert_array_equal(sound[:, LEAD + FADE :], expected[:, FADE:-LEAD])


def test_more_outputs_than_fit_are_a_mistake_without_a_place(server: RunningServer) -> None:
    text = "\n".join(f"o{n}: sine {100 + n}" for n in range(1, 70))

    async def play() -> Message:
        async with Browser(server) as browser:
            await browser.say(type="set", text=text)
            return await browser.until("mistake")

    mistake = run(play)
    assert "outputs" in mistake["message"]
    assert mistake["line"] is None


def test_a_sound_that_nobody_knows_is_remarked_upon(server: RunningServer) -> None:
    async def play() -> str:
        async with Browser(server) as browser:
            await browser.play('o1: s "bdd"\n')
            await browser.hear(RATE_HZ)
            said = [message["text"] for _, message in browser.all_told("remark")]
            said += [
                remark["text"]
                for _, message in browser.all_told("changed")
                for remark in message["remarks"]
            ]
            return "\n".join(said)

    assert "bdd" in run(play)


def test_after_a_hush_the_next_program_begins_at_the_beginning(server: RunningServer) -> None:
    async def play() -> tuple[Message, Message, Samples]:
        async with Browser(server) as browser:
            await browser.play("o1: sine 220 * 0.5\n")
            await browser.hear(RATE_HZ // 2)
            await browser.say(type="hush", id="h")
            hushed = await browser.until("changed")
            sound = await browser.hear(RATE_HZ)
            await browser.say(type="set", id="next", text=TUNE)
            return hushed, await browser.until("changed"), sound

    hushed, begun, sound = run(play)
    assert hushed["outputs"] == []
    assert not sound[:, hushed["sample"] + RATE_HZ // 10 :].any()
    assert not find_flaws(sound[0], RATE_HZ).any()
    assert (begun["id"], begun["cycle"]) == ("next", 0)


def test_of_many_programs_the_last_one_is_answered(server: RunningServer) -> None:
    async def play() -> list[str]:
        async with Browser(server) as browser:
            for n in range(50):
                await browser.say(type="set", id=str(n), text=f"o1: sine {200 + n} * 0.1\n")
            ids: list[str] = []
            while ids[-1:] != ["49"]:
                ids.append((await browser.until("changed"))["id"])
            return ids

    ids = run(play)
    assert len(set(ids)) == len(ids)


# --- its end --------------------------------------------------------------------------------------


def test_it_fades_out_and_closes(server: RunningServer) -> None:
    async def play() -> Samples:
        async with Browser(server) as browser:
            await browser.play("o1: sine 220 * 0.5\n")
            await browser.hear(RATE_HZ // 2)
            await browser.say(type="stop")
            assert await browser.hear_the_end() == 1000
            return browser.sound

    sound = run(play)
    assert np.abs(sound[:, -2000:-1000]).max() > 0.4
    assert not sound[:, -1].any()
    assert not find_flaws(sound[0], RATE_HZ).any()


@pytest.mark.parametrize(
    "frame", ["{", '{"type":"sing"}', b"\0"], ids=["no-json", "type", "binary"]
)
def test_what_makes_no_sense_closes_it(server: RunningServer, frame: str | bytes) -> None:
    async def play() -> tuple[Message, int]:
        async with Browser(server) as browser:
            await browser.until("ready")
            await browser.socket.send(frame)
            return await browser.until("error"), await browser.close_code()

    error, code = run(play)
    assert (error["code"], error["fatal"], code) == ("invalid_request", True, 1008)


def test_who_says_nothing_is_sent_away(build: Build) -> None:
    async def play(server: RunningServer) -> tuple[Message, int]:
        async with Browser(server) as browser:
            return await browser.until("error"), await browser.close_code()

    with build(idle_timeout_ms=100) as server:
        error, code = run(lambda: play(server))
    assert (error["code"], code) == ("idle_timeout", 1000)


def test_one_too_many_is_refused_until_somebody_leaves(build: Build) -> None:
    async def play(server: RunningServer) -> None:
        async with Browser(server) as browser:
            await browser.until("ready")
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{server.ws_url}/v1/play")
            response = refused.value.response
            assert response.status_code == 503
            assert response.headers["retry-after"]
            await browser.say(type="stop")
            assert await browser.close_code() == 1000
        while True:
            try:
                async with Browser(server) as browser:
                    await browser.until("ready")
                    return
            except InvalidStatus:
                await asyncio.sleep(0.01)

    with build(max_players=1) as server:
        run(lambda: play(server))


def test_when_the_server_stops_the_sound_fades(build: Build) -> None:
    async def play(server: RunningServer) -> tuple[Samples, int]:
        async with Browser(server) as browser:
            await browser.play("o1: sine 220 * 0.5\n")
            await browser.hear(RATE_HZ // 2)
            server.server.should_exit = True
            code = await browser.hear_the_end()
            return browser.sound, code

    with build() as server:
        sound, code = run(lambda: play(server))
    assert code == 1012
    assert np.abs(sound).max() > 0.4
    assert not sound[:, -1].any()
