"""The API document says what the server does: every route, every reference, every shape."""

import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import msgspec
import pytest
from starlette.routing import Route, WebSocketRoute

from gapless.errors import OverloadError
from gapless.serve.app import create_app
from gapless.serve.document.field_docs import field_docs
from gapless.serve.document.openapi import build_document
from gapless.serve.document.operations import ERRORS
from gapless.serve.problem import Dialect, problem_body, problem_of
from gapless.testing.services import ScriptedServices

DOCUMENT = build_document()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def bodies(media_type: str) -> list[dict[str, Any]]:
    """The schemas of what requests hold."""
    contents = [
        operation.get("requestBody", {}).get("content", {}) for *_, operation in operations()
    ]
    return [content[media_type]["schema"] for content in contents if media_type in content]


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """All objects of the document."""
    if isinstance(node, dict):
        yield node
    children = (
        node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ()
    )
    for child in children:
        yield from nodes(child)


def test_every_route_is_in_the_document_and_the_other_way_round() -> None:
    with ScriptedServices() as services:
        app = create_app(services)
    served: set[tuple[str, str]] = set()
    for route in app.routes:
        if isinstance(route, WebSocketRoute):
            served.add(("get", route.path))
        elif isinstance(route, Route) and route.include_in_schema:
            path = re.sub(r":\w+}", "}", route.path)
            served |= {(method.lower(), path) for method in (route.methods or set()) - {"HEAD"}}
        else:
            assert isinstance(route, Route), f"the document does not know {route!r}"
    assert served == {(method, path) for path, method, _ in operations()}


def test_every_reference_leads_somewhere_and_every_shape_is_used() -> None:
    prefix = "#/components/schemas/"
    used = {node["$ref"] for node in nodes(DOCUMENT) if "$ref" in node}
    assert all(ref.startswith(prefix) for ref in used)
    assert {ref.removeprefix(prefix) for ref in used} == set(DOCUMENT["components"]["schemas"])


def test_the_document_has_the_structure_that_openapi_asks_for() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert set(DOCUMENT["info"]) >= {"title", "version", "license"}
    groups = {tag["name"] for tag in DOCUMENT["tags"]}
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    for path, method, operation in operations():
        assert path.startswith("/")
        assert method in {"get", "post", "put", "delete"}
        assert set(operation["tags"]) <= groups
        assert operation["summary"]
        assert all(re.fullmatch("[1-5][0-9][0-9]", status) for status in operation["responses"])
        assert all(answer["description"] for answer in operation["responses"].values())
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        for parameter in operation["parameters"]:
            assert parameter["in"] in {"path", "query", "header"}
            assert isinstance(parameter["schema"], dict)
            assert {"type": "null"} not in parameter["schema"].get("anyOf", [])


def test_a_form_has_a_file_and_every_field_is_explained() -> None:
    forms = bodies("multipart/form-data")
    assert forms
    for schema in forms:
        assert schema["required"][0] == "file"
        assert all(field["description"] for field in schema["properties"].values())


def test_every_field_of_a_json_body_is_explained() -> None:
    used = {schema["$ref"].rpartition("/")[2] for schema in bodies("application/json")}
    assert {"InferRequest", "InferQuestion"} <= used
    for name in used:
        schema = DOCUMENT["components"]["schemas"][name]
        assert all("description" in field for field in schema["properties"].values())


def test_what_a_field_means_is_read_from_its_docstring() -> None:
    class Base(msgspec.Struct):
        one: int
        """The ``first``."""
        two: int

    class Derived(Base):
        """Not a field."""

        three: int = 3
        """The third,
        on two lines."""

    assert field_docs(Derived) == {"one": "The ``first``.", "three": "The third,\non two lines."}


@pytest.mark.parametrize("dialect", ["native", "openai", "kserve"])
def test_errors_have_the_shape_that_the_document_says(dialect: Dialect) -> None:
    body = problem_body(problem_of(OverloadError("later", param="x", retry_after_ms=5)), dialect)
    assert msgspec.to_builtins(msgspec.convert(body, ERRORS[dialect])) == body


def test_the_websockets_messages_are_in_the_document() -> None:
    socket = DOCUMENT["paths"]["/v1/stream"]["get"]["x-websocket"]
    assert socket["subprotocol"] == "voice.v1"
    assert set(socket["client"]["discriminator"]["mapping"]) >= {"start", "flush", "stop"}
    assert set(socket["server"]["discriminator"]["mapping"]) >= {"ready", "partial", "final", "end"}
    assert {"1000", "1008", "1013"} <= set(socket["closeCodes"])


@pytest.mark.parametrize("name", ["docs.html", "docs.js", "docs.css"])
def test_the_page_asks_nobody_else_and_has_no_script_inside(name: str) -> None:
    text = (resources.files("gapless.serve") / "console" / name).read_text("utf-8")
    assert not re.search(r"(?i)(https?:)?//[a-z0-9-]+\.", text)
    assert "innerHTML" not in text
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert "style=" not in text


def test_the_samples_in_python_are_python() -> None:
    samples = [sample for _, _, operation in operations() for sample in operation["x-codeSamples"]]
    in_python = [sample["source"] for sample in samples if sample["lang"] == "python"]
    assert in_python
    for source in in_python:
        compile(source, "sample", "exec")
