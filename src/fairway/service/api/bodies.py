"""JSON bodies: read by type or refused, and what the interface says of them.

Litestar would read them before a handler asks who is there, and answers text that is no UTF-8 with a server error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from litestar.openapi.spec import (
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)

from fairway.errors import UNREADABLE, InvalidMessage
from fairway.service.api.shapes import Shape

__all__ = ["decoded", "describe", "taking"]

T = TypeVar("T")


class Word(Shape, frozen=True):
    """Our own stable word for a refusal."""

    code: str


class Refused(Shape, frozen=True):
    """What every refusal says."""

    code: int
    msg: str
    data: Word


def decoded(body: bytes, kind: type[T], word: str = "request.body") -> T:
    """What `body` says; else `InvalidMessage` with `word`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise InvalidMessage(word, f"this cannot be read: {error!s:.200}") from None


def taking(kind: Any) -> type[Operation]:
    """The operation of a handler whose body is a `kind`, for the description of the interface."""
    (schema,), components = msgspec.json.schema_components([kind], ref_template="{name}")
    content = {"application/json": OpenAPIMediaType(schema=_schema(schema, components))}
    body = RequestBody(content=content, required=True)

    @dataclass
    class Taking(Operation):
        def __post_init__(self) -> None:
            self.request_body = body

    return Taking


def describe(described: OpenAPI) -> None:
    """Say of every operation how it refuses, which is not as Litestar would."""
    (schema,), components = msgspec.json.schema_components([Refused], ref_template="{name}")
    refused = OpenAPIResponse(
        description="refused: a number that exchange clients know, a sentence, our own word",
        content={"application/json": OpenAPIMediaType(schema=_schema(schema, components))},
    )
    for path in (described.paths or {}).values():
        for operation in (path.get, path.put, path.post, path.delete):
            if operation is not None and operation.responses is not None:
                operation.responses |= {"400": refused, "default": refused}


def _schema(made: dict[str, Any], components: dict[str, Any]) -> Schema:
    if "$ref" in made:
        return _schema(components[made["$ref"]], components)
    properties: dict[str, Reference | Schema] = {
        name: _schema(each, components) for name, each in made.get("properties", {}).items()
    }
    more = made.get("additionalProperties")
    return Schema(
        type=OpenAPIType(made["type"]) if "type" in made else None,
        any_of=[_schema(each, components) for each in made.get("anyOf", ())] or None,
        items=_schema(made["items"], components) if "items" in made else None,
        properties=properties or None,
        required=made.get("required") or None,
        additional_properties=_schema(more, components) if isinstance(more, dict) else more,
        default=made.get("default"),
    )
