"""All sounds that a program can name: those of its folders, and the drum kit.

In: names and indices. Out: sounds at the engine's rate. Invariants: a sound is loaded when it is first asked for, by
one thread in the background, or by the caller if it waits; what is in memory, be it kept here or held by voices, stays
within the budget: the least recently used go first, and what still does not fit is not loaded and said so; a sound
that somebody holds is never changed or freed. Nothing here raises for what a file holds: that is a remark. Thread:
any; without ``wait`` nothing blocks but for the moment that a lock is held.
"""

from __future__ import annotations

import difflib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias, final

import numpy as np

from gapless.errors import GaplessError
from gapless.play.drums import kit
from gapless.play.pattern import Place
from gapless.play.remarks import Remarks
from gapless.play.samples.folders import files_in, names_in
from gapless.play.samples.read import read_sound
from gapless.play.samples.sound import Sound

DEFAULT_BUDGET_BYTES: Final = 512 * 2**20
MAX_WAITING: Final = 256
"""Sounds that wait to be loaded."""
SHARE: Final = 4
"""One sound may take no more than the budget divided by it: while it is converted there are several copies of it."""
MAX_NAMES_NEAR: Final = 2000
"""Names among which the nearest is looked for."""
MAX_SHOWN: Final = 100
"""Characters of a name."""
MAX_FAILED: Final = 10_000
"""Files that are remembered as not usable."""


class Source(NamedTuple):
    """What a sound is loaded from: a file, or a drum and its variant. Different names may have the same."""

    path: Path | None
    drum: str = ""
    variant: int = 0


Key: TypeAlias = Source | tuple[str, int]
"""A name and an index stand for a source that is not known before the folder was looked into."""


@final
class SampleLibrary:
    """See above.

    Args:
        folders: that hold folders of sounds; looked through in this order, and before the kit.
        rate_hz: of the engine.
        budget_bytes: for all samples in memory.
        remarks: where to say what the author should know.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        rate_hz: int,
        budget_bytes: int = DEFAULT_BUDGET_BYTES,
        *,
        remarks: Remarks | None = None,
    ) -> None:
        self.rate_hz: Final = rate_hz
        self.remarks: Final = Remarks() if remarks is None else remarks
        self.missed = 0
        """How often a sound was asked for that was not there yet."""
        self._budget_bytes = budget_bytes
        self._folders = names_in(folders, self._say)
        self._files: dict[str, tuple[Path, ...]] = {}
        self._lock = threading.RLock()
        self._loading = threading.Lock()
        # All sounds that are alive, and those of them that are kept here, the least recently used first.
        self._alive: weakref.WeakValueDictionary[Source, Sound] = weakref.WeakValueDictionary()
        self._kept: OrderedDict[Source, Sound] = OrderedDict()
        self._failed: set[Source] = set()
        self._waiting: dict[Key, Future[Sound | None]] = {}
        self._loader: ThreadPoolExecutor | None = None
        self._closed = False

    def names(self) -> list[str]:
        """All that can be named, sorted."""
        return sorted({*self._folders, *kit.NAMES})

    def has_folder(self, name: str) -> bool:
        """Whether a name is one of the folders', not only of the kit."""
        return name in self._folders

    def knows(self, name: str) -> bool:
        """Whether there is such a name."""
        return name in self._folders or name in kit.NAMES

    def find(
        self, name: str, index: int = 0, *, wait: bool = False, place: Place | None = None
    ) -> Sound | None:
        """The sound of a name, number ``index`` modulo how many there are.

        Args:
            name: of a folder, or of the kit.
            index: any whole number.
            wait: load it now if it is not there. Otherwise it is loaded in the background, and counted as missed.
            place: where the name was written, for the remark if there is none of that name.

        Returns:
            None: it is not there yet, or cannot be had, which is remarked upon once.
        """
        if not self.knows(name):
            self.remark_unknown(name, place)
            return None
        with self._lock:
            source = self._source(name, index)
            sound = None if source is None else self._lookup(source)
            if sound is not None or source in self._failed:
                return sound
        if wait:
            return self._load(name, index)
        self.missed += 1
        self.request(name, index)
        return None

    def request(self, name: str, index: int = 0) -> Future[Sound | None] | None:
        """Have a sound loaded in the background; None: there is no such name, or too many wait already."""
        with self._lock:
            if self._closed or not self.knows(name):
                return None
            key = self._source(name, index) or (name, index)
            asked = self._waiting.get(key)
            if asked is not None:
                return asked
            if len(self._waiting) >= MAX_WAITING:
                return None
            if self._loader is None:
                self._loader = ThreadPoolExecutor(1, thread_name_prefix="gapless-sounds")
            try:
                asked = self._waiting[key] = self._loader.submit(self._load, name, index)
            except RuntimeError:
                return None  # The interpreter is about to end.
        asked.add_done_callback(lambda _: self._forget(key))
        return asked

    def close(self) -> None:
        """Load no more in the background; what was found stays valid while it is held. Waits for the one at work."""
        with self._lock:
            self._closed = True
            loader, self._loader = self._loader, None
        if loader is not None:
            loader.shutdown(cancel_futures=True)

    # --- where a sound comes from ---

    def _source(self, name: str, index: int) -> Source | None:
        """None: nobody has looked into the folder yet."""
        if name in self._folders:
            files = self._files.get(name)
            if files is None:
                return None
            if files:
                return Source(files[index % len(files)])
            if name not in kit.NAMES:
                return Source(self._folders[name])
        return Source(None, *kit.drum_of(name, index))

    def _look_into(self, name: str) -> None:
        if name in self._folders and name not in self._files:
            files = files_in(self._folders[name], self._say)
            if not files:
                folder = self._folders[name]
                self._say(f"{folder} has no files of sound; put wav, flac, aiff or ogg in it")
            self._files[name] = files

    # --- loading ---

    def _load(self, name: str, index: int) -> Sound | None:
        """Of the background thread, or of one that waits; one at a time."""
        with self._loading:
            self._look_into(name)
            with self._lock:
                source = self._source(name, index)
                if source and source.path and source.path == self._folders.get(name):
                    self._failed.add(source)  # There is nothing in it, as the author has been told.
                sound = None if source is None else self._lookup(source)
                if source is None or sound is not None or source in self._failed:
                    return sound
            try:
                return self._keep(source, self._made(source))
            except (GaplessError, MemoryError, OSError) as error:
                self._say(f'"{name}:{index}" is not heard: {error}')
            except Exception as error:  # noqa: BLE001  decoders raise what they like; the show goes on
                self._say(f'"{name}:{index}" is not heard: {error!r}; convert it to wav')
            with self._lock:
                if len(self._failed) < MAX_FAILED:
                    self._failed.add(source)
            return None

    def _made(self, source: Source) -> Sound:
        if source.path is None:
            mono = kit.make_drum(source.drum, source.variant, self.rate_hz)
            return Sound(mono[:, np.newaxis])
        return Sound(read_sound(source.path, self.rate_hz, self._budget_bytes // SHARE))

    def _lookup(self, source: Source) -> Sound | None:
        sound = self._alive.get(source)
        if sound is not None:
            # One that was let go, but is held by a voice, is kept again.
            self._kept[source] = sound
            self._kept.move_to_end(source)
        return sound

    def _keep(self, source: Source, sound: Sound) -> Sound | None:
        with self._lock:
            in_memory = self.bytes_in_memory
            while in_memory + sound.size_bytes > self._budget_bytes and self._kept:
                _, oldest = self._kept.popitem(last=False)
                size, still_held = oldest.size_bytes, weakref.ref(oldest)
                del oldest
                if still_held() is None:
                    in_memory -= size
            if in_memory + sound.size_bytes > self._budget_bytes:
                # Not a failure for good: when the voices that hold the others have ended there is room.
                self._say(
                    f"sounds that play at the same time take more than {self._budget_bytes / 1e6:.0f} "
                    "MB, so that some are not heard; allow more memory for sounds"
                )
                return None
            self._alive[source] = self._kept[source] = sound
            return sound

    @property
    def bytes_in_memory(self) -> int:
        """Of all sounds that are alive, be they kept here or held by voices."""
        with self._lock:
            return sum(sound.size_bytes for sound in list(self._alive.values()))

    def _forget(self, key: Key) -> None:
        with self._lock:
            self._waiting.pop(key, None)

    # --- what the author should know ---

    def _say(self, text: str) -> None:
        self.remarks.say(text, text)

    def remark_unknown(
        self, name: str, place: Place | None = None, others: Iterable[str] = ()
    ) -> None:
        """Say once that there is no sound of a name, and which names are near, ``others`` among them."""
        topic = f"sound {name}"
        if self.remarks.said(topic):
            return
        shown = name[:MAX_SHOWN]
        names = [*others, *self.names()[:MAX_NAMES_NEAR]]
        near = difflib.get_close_matches(shown.lower(), names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "try bd, sn, hh or 808bd"
        self.remarks.say(topic, f'there is no sound called "{shown}": {hint}', place)
