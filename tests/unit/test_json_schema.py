"""The small validator that dashboards are held against."""

from __future__ import annotations

from typing import Any

import pytest

from gapless.testing.json_schema import errors

SCHEMA = {
    "$ref": "#/definitions/Panel",
    "definitions": {
        "Panel": {
            "type": "object",
            "properties": {
                "type": {"const": "stat"},
                "mode": {"enum": ["a", "b"]},
                "width": {"type": "number"},
                "bound": {"type": ["number", "null"]},
                "hidden": {"type": "boolean"},
                "source": {"anyOf": [{"type": "string"}, {"$ref": "#/definitions/Panel"}]},
                "links": {"type": "array", "items": {"type": "string"}},
                "empty": {"type": "object", "additionalProperties": {"not": {}}},
            },
            "required": ["type"],
            "additionalProperties": False,
        }
    },
}


@pytest.mark.parametrize(
    "panel",
    [
        {"type": "stat"},
        {"type": "stat", "mode": "a", "width": 1.5, "bound": None, "hidden": True},
        {"type": "stat", "source": "x", "links": ["a"], "empty": {}},
        {"type": "stat", "source": {"type": "stat"}},
    ],
)
def test_what_fits_has_no_errors(panel: Any) -> None:
    assert list(errors(panel, SCHEMA)) == []


@pytest.mark.parametrize(
    ("panel", "error"),
    [
        ([], "$ is no object"),
        ({}, "$ has no 'type'"),
        ({"type": "row"}, "$.type is 'row', not 'stat'"),
        ({"type": "stat", "mode": "c"}, "$.mode is 'c', none of ['a', 'b']"),
        ({"type": "stat", "width": "1"}, "$.width is no number"),
        ({"type": "stat", "width": True}, "$.width is no number"),
        ({"type": "stat", "hidden": 1}, "$.hidden is no boolean"),
        ({"type": "stat", "bound": "1"}, "$.bound is no number or null"),
        ({"type": "stat", "source": {"type": "row"}}, "$.source.type is 'row', not 'stat'"),
        ({"type": "stat", "links": ["a", 1]}, "$.links[1] is no string"),
        ({"type": "stat", "empty": {"x": 1}}, "$.empty.x may not be there"),
        ({"type": "stat", "colour": 1}, "$ has 'colour', which nobody knows"),
    ],
)
def test_what_does_not_fit_is_named(panel: Any, error: str) -> None:
    assert error in list(errors(panel, SCHEMA))


def test_a_keyword_that_is_not_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="minimum"):
        list(errors(1, {"type": "number", "minimum": 0}))
