"""The two libraries of the same name, in one process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gapless.audio.device import jack_library
from gapless.audio.device.jack_library import load_jack
from gapless.errors import MissingDependencyError

pytestmark = pytest.mark.audio


@pytest.fixture
def loaded_anew() -> Iterator[None]:
    """The library is looked for again; what is found is forgotten afterwards."""
    load_jack.cache_clear()
    yield
    load_jack.cache_clear()


def test_pipewires_library_is_another_than_that_of_jack() -> None:
    assert "pipewire" in load_jack("pipewire")._name
    assert "pipewire" not in load_jack("jack")._name


def test_a_library_in_the_users_own_folder_comes_first(
    loaded_anew: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = Path(load_jack("jack")._name)
    load_jack.cache_clear()
    shutil.copy(original, tmp_path / original.name)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nowhere:{tmp_path}")
    assert load_jack("jack")._name == str(tmp_path / original.name)
    assert "pipewire" in load_jack("pipewire")._name, "the user's own is not PipeWire's"


@pytest.mark.parametrize(
    ("flavour", "package"), [("pipewire", "pipewire-jack"), ("jack", "jackd2")]
)
def test_what_is_not_installed_is_named(
    loaded_anew: None,
    monkeypatch: pytest.MonkeyPatch,
    flavour: jack_library.Flavour,
    package: str,
) -> None:
    monkeypatch.setattr(jack_library, "_candidates", lambda: iter(["/nowhere/libjack.so.0"]))
    with pytest.raises(MissingDependencyError, match=f"apt install {package}"):
        load_jack(flavour)
