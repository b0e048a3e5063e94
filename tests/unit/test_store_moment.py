from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gapless.errors import ProtocolError
from gapless.store.moment import unix_ms


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("0", 0),
        ("1738317600000", 1738317600000),
        ("2025-01-31", 1738281600000),
        ("2025-01-31T10:00", 1738317600000),
        ("2025-01-31 10:00:00", 1738317600000),
        ("2025-01-31T10:00:00Z", 1738317600000),
        ("2025-01-31T12:00:00.250+02:00", 1738317600250),
        ("1969-12-31T23:59:59.999", -1),
    ],
)
def test_moments_are_read_exactly(text: str, expected_ms: int) -> None:
    assert unix_ms(text, param="since", zone=UTC) == expected_ms


def test_a_moment_without_a_zone_is_in_the_zone_given() -> None:
    east = timezone(timedelta(hours=5))
    assert unix_ms("1970-01-01T05:00", param="since", zone=east) == 0
    local = datetime(2025, 1, 31, 10).astimezone()
    assert unix_ms("2025-01-31T10:00", param="since", zone=None) == local.timestamp() * 1000


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2025-13-01", "-5", "1.5", "1e9", "9" * 16, "2025-01-31T10:00 02:00", "٣"],
)
def test_what_is_no_moment_is_refused_by_the_name_of_its_parameter(text: str) -> None:
    with pytest.raises(ProtocolError, match="until is") as refused:
        unix_ms(text, param="until", zone=UTC)
    assert refused.value.param == "until"
