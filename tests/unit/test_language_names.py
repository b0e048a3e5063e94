"""Names that mean nothing: what is advised instead is understood, and is what was meant."""

from __future__ import annotations

import re

import pytest

from gapless.play.errors import PlayError
from gapless.play.language.calls import TONES
from gapless.play.language.elsewhere import ELSEWHERE
from gapless.play.language.load import compile_program
from gapless.play.language.parameters import ALIASES, NAMES
from gapless.play.sound.catalogue import UNITS
from gapless.play.transforms.registry import TRANSFORMS
from gapless.play.transforms.signals import SIGNALS


def as_program(advice: str) -> str:
    """The advice, put where it is to be written."""
    written = re.split(r", or |, (?=[a-z]{2})| as ", advice)[0]
    written = re.sub(r"\ba, b\b", 's "bd", s "sn"', written)
    if written.startswith("#"):
        return f'o1: s "bd" {written}'
    if written.startswith("|"):
        return f'o1: note "0" {written} # s "saw"'
    if re.match(r"\w+: |hush", written):
        return written.replace("...", 's "bd"') + '\no2: s "bd"'
    if written.startswith("scale"):
        return f'o1: note ({written}) # s "saw"'
    return "o1: " + written.replace("...", 's "bd"')


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_advised_for_names_of_other_languages_is_understood(name: str) -> None:
    assert compile_program(as_program(ELSEWHERE[name]), "x.ph").outputs


def test_names_of_other_languages_are_none_of_ours() -> None:
    ours = {*UNITS, *TRANSFORMS, *NAMES, *ALIASES, *SIGNALS, *TONES}

    assert ours.isdisjoint(ELSEWHERE)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ('o1: s "bd" # lfp 300', "lpf"),
        ('o1: s "bd" # reveb 0.5', "reverb"),
        ('o1: s "bd" # bitcush 4', "bitcrush"),
        ('o1: s "bd" # Gain 0.5', "gain"),
        ('o1: s "bd" # zom 0.1 0.2', "zoom"),
        ('o1: fsat 2 $ s "bd"', "fast"),
        ('o1: somtimes rev $ s "bd"', "sometimes"),
        ('o1: loopat 2 $ s "bd"', "loopAt"),
        ('o1: every4 rev $ s "bd"', "every"),
        ("~bass: saw 55\no1: bass", "~bass"),
        ("~bass: saw 55\no1: ~Bass", "~bass"),
        ("o1: sin 440", "sine"),
        ('tmpo: 2\no1: s "bd"', "tempo"),
    ],
)
def test_the_nearest_name_is_what_was_meant(text: str, nearest: str) -> None:
    with pytest.raises(PlayError) as caught:
        compile_program(text, "x.ph")

    assert caught.value.nearest == nearest


@pytest.mark.parametrize("name", ["qqq", "fix", "blorp"])
def test_where_no_name_is_near_none_is_told(name: str) -> None:
    with pytest.raises(PlayError) as caught:
        compile_program(f'o1: s "bd" # {name} 2', "x.ph")

    assert caught.value.nearest is None
