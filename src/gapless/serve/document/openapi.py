"""The API as an OpenAPI 3.1 document at ``/openapi.json``, and as a page for people at ``/docs``.

In: the table of operations and the structs they speak of. Out: one JSON document, made once. Invariants: schemas are
those of the very structs that requests are read into and answers written from, so they cannot drift; the page loads
nothing from anywhere else. Thread: the event loop's; the document is made in ``services.executor``, for whoever asks
first: it takes a second that nobody should wait for when a server starts (measured).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import Any, Final, get_args, get_type_hints

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gapless.serve.document.field_docs import field_docs
from gapless.serve.document.operation import Operation
from gapless.serve.document.operations import ABOUT, ERRORS, GROUPS, OPERATIONS
from gapless.serve.offload import in_executor
from gapless.serve.pages import PAGE_HEADERS
from gapless.serve.problem import dialect_of
from gapless.serve.services import Services

PAGE: Final = "console/docs.html"

SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def routes(services: Services) -> list[Route]:
    """``/openapi.json`` and ``/docs``; not in the document that they show."""
    page = (resources.files("gapless.serve") / PAGE).read_bytes()

    async def show_document(_: Request) -> Response:
        document = await in_executor(services, _document_json)
        headers = {"cache-control": "no-cache"}
        return Response(document, headers=headers, media_type="application/json")

    async def show_page(_: Request) -> Response:
        return Response(page, headers=PAGE_HEADERS, media_type="text/html")

    return [
        Route("/openapi.json", show_document, include_in_schema=False),
        Route("/docs", show_page, include_in_schema=False),
    ]


@cache
def _document_json() -> bytes:
    return msgspec.json.encode(build_document())


@cache
def build_document() -> dict[str, Any]:
    """The document; do not change it."""
    schemas = Schemas(kind for operation in OPERATIONS for kind in operation.types)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gapless",
            "version": version("gapless"),
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{name: []} for name in SECURITY],
        "tags": [{"name": name, "description": text} for name, text in GROUPS.items()],
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": SECURITY},
    }


class Schemas:
    """JSON schemas of types, and what they have in common under ``components``.

    Args:
        types: all types that are asked for later, and the shapes of errors.
    """

    def __init__(self, types: Iterable[Any]) -> None:
        kinds = list(dict.fromkeys([*types, *ERRORS.values()]))
        schemas, self.components = msgspec.json.schema_components(
            kinds, ref_template="#/components/schemas/{name}"
        )
        self._schemas: dict[Any, dict[str, Any]] = dict(zip(kinds, schemas, strict=True))
        for struct in _structs_in(kinds):
            _describe(self.components[struct.__name__], struct)

    def of(self, *kinds: Any) -> dict[str, Any]:
        """The schema of a type, as a rule a reference to a component; of several: any of them."""
        schemas = [self._schemas[kind] for kind in kinds]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def take_apart(self, struct: type[msgspec.Struct]) -> dict[str, Any]:
        """The schema of a struct whose fields are sent one by one, in a query or a form; no component any more."""
        schema = self.components.pop(struct.__name__)
        return {
            **schema,
            "properties": {name: _given(field) for name, field in schema["properties"].items()},
        }


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    error = schemas.of(ERRORS[dialect_of(operation.path)])
    answers: dict[str, Any] = {
        str(answer.status): {
            "description": answer.description,
            "content": {
                media_type: {"schema": schemas.of(*kinds)}
                for media_type, kinds in answer.content.items()
            },
            "headers": {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in answer.headers.items()
            },
        }
        for answer in operation.answers
    }
    for status, text in operation.all_errors.items():
        answers[str(status)] = {
            "description": text,
            "content": {"application/json": {"schema": error}},
        }
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": _parameters(operation, schemas),
        "responses": answers,
        "x-codeSamples": [
            {"lang": language, "source": source} for language, source in operation.samples.items()
        ],
    }
    if operation.form is not None:
        described["requestBody"] = _form(operation.form, schemas)
    if operation.body is not None:
        request = described.setdefault("requestBody", {"content": {}})
        request["content"]["application/json"] = {"schema": schemas.of(operation.body)}
    if operation.is_open:
        described["security"] = []
    if operation.socket is not None:
        described["x-websocket"] = {
            "subprotocol": operation.socket.subprotocol,
            "client": schemas.of(operation.socket.client),
            "server": schemas.of(operation.socket.server),
            "closeCodes": {str(code): text for code, text in operation.socket.close_codes.items()},
        }
    return described


def _form(form: type[msgspec.Struct], schemas: Schemas) -> dict[str, Any]:
    fields = schemas.take_apart(form)
    file = {
        "type": "string",
        "contentMediaType": "application/octet-stream",
        "description": "The recording: wav, flac, ogg, opus, mp3, m4a, webm and others.",
    }
    schema = {
        "type": "object",
        "description": fields["description"],
        "properties": {"file": file, **fields["properties"]},
        "required": ["file", *fields["required"]],
    }
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _parameters(operation: Operation, schemas: Schemas) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": text,
            "schema": {"type": "string"},
        }
        for name, text in operation.path_parameters.items()
    ]
    parameters += [
        {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        for name, text in operation.header_parameters.items()
    ]
    if operation.query is None:
        return parameters
    fields = schemas.take_apart(operation.query)
    for name, schema in fields["properties"].items():
        parameter = {"name": name, "in": "query", "required": name in fields["required"]}
        if text := schema.pop("description", None):
            parameter["description"] = text
        if schema.get("type") == "array":
            parameter["explode"] = False  # commas between the items
        parameters.append({**parameter, "schema": schema})
    return parameters


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a field, should it be given."""
    given = {name: value for name, value in schema.items() if (name, value) != ("default", None)}
    choices = [choice for choice in given.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        return {**given, **choices[0]}
    return {**given, "anyOf": choices} if choices else given


def _describe(schema: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    """Add what the docstrings of ``struct`` say, in Markdown."""
    if "description" in schema:
        schema["description"] = _markdown(schema["description"])
    for name, text in field_docs(struct).items():
        schema["properties"][name]["description"] = _markdown(text)


def _markdown(text: str) -> str:
    return text.replace("``", "`")


def _structs_in(kinds: Iterable[Any]) -> set[type[msgspec.Struct]]:
    """All structs that occur in types, however deep."""
    found: set[type[msgspec.Struct]] = set()
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        waiting.extend(get_args(kind))
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in found:
            found.add(kind)
            waiting.extend(get_type_hints(kind, include_extras=True).values())
    return found
