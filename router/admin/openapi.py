"""`GET /api/v1/openapi.json`: the calls of the admin side, told to programs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from router import __version__
from router.admin.calls import CALLS, PARAMETERS, Call
from router.admin.handler import MAX_BODY_BYTES, AdminHandler
from router.admin.schemas import SCHEMAS, Schema, choice, number_of, record, ref, text
from router.payload import dump_json

_SAYS = f"""\
Events, deliveries and the rest of a running Spaces Router; docs/api.md explains each call with an example.

Ids are text; do not read them as floating-point numbers. Times are RFC 3339 in UTC. What is not known is `null`. A
query parameter without a value counts as not given; an unknown parameter or key is an error. Secrets are masked as
`***`. `HEAD` works where `GET` does, any other method is 405. Bodies may have {MAX_BODY_BYTES} bytes, and are read as
JSON whatever `Content-Type` says. Keys may be added to answers in a later version."""

_REFUSALS: Mapping[int, tuple[str, str, Sequence[str]]] = {
    400: ("BadRequest", "The query or the body cannot be meant; the message names what is wrong.", ["bad_request"]),
    401: ("Unauthorized", "The token is missing or wrong.", ["unauthorized"]),
    403: ("Forbidden", "Called by a foreign name, or from another site's page.", ["wrong_host", "foreign_origin"]),
    404: ("NotFound", "There is none, or there is none any more.", ["not_found"]),
    409: ("Conflict", "It stands where that cannot be done.", []),
    413: ("TooLarge", "The body is too large.", ["too_large"]),
    422: ("Impossible", "It cannot be done with today's rule file.", []),
    500: ("Internal", "A mistake in the router; its log has the details.", ["internal"]),
    503: ("Unavailable", "Not now; try again later.", ["store_unavailable", "too_many_connections"]),
}
"""By status: a name, what it means, and the codes that any call may answer with it."""

_EVERYWHERE = (400, 403, 413, 500, 503)
_SOME_ID = "38538628301188804"

_HEADERS: Mapping[int, Mapping[str, Any]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": text("How to send the token.")}},
    503: {"Retry-After": {"schema": text("Seconds.", "5", pattern="^[0-9]+$")}},
}


class OpenApiHandler(AdminHandler):
    """The document; its `security` says whether this router asks for a token."""

    async def get(self) -> None:
        self.query()
        self.answer(document(asks_for_token=not self.guard.knows(None)))


@cache
def document(*, asks_for_token: bool) -> Mapping[str, Any]:
    """Write the document."""
    paths: dict[str, dict[str, Any]] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call, asks_for_token=asks_for_token)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Spaces Router: admin API",
            "version": __version__,
            "description": _SAYS,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(call.tag for call in CALLS)],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "responses": {
                name: _refused(status, _error(codes)) for status, (name, _, codes) in _REFUSALS.items() if codes
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token that the router was started with; on loopback it may have none.",
                }
            },
        },
    }


def _operation(call: Call, *, asks_for_token: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": call.name,
        "tags": [call.tag],
        "summary": call.summary,
        "security": [{"token": []}] if asks_for_token and call.needs_token else [],
        "parameters": _parameters(call),
        "responses": _responses(call),
    }
    if call.says:
        operation["description"] = call.says
    if call.body is not None:
        optional = {key: schema for key, schema in call.body.items() if key not in call.required}
        schema = record("", {key: call.body[key] for key in call.required}, optional, additionalProperties=False)
        content = {"schema": schema, "example": call.example}
        operation["requestBody"] = {"required": bool(call.required), "content": {"application/json": content}}
    return operation


def _parameters(call: Call) -> list[dict[str, Any]]:
    query: list[dict[str, Any]] = [
        {"name": name, "in": "query", "schema": call.own.get(name) or PARAMETERS[name], "allowEmptyValue": True}
        for name in call.query
    ]
    if not call.what:
        return query
    return [{"name": "id", "in": "path", "required": True, "schema": number_of(call.what, _SOME_ID)}, *query]


def _responses(call: Call) -> dict[str, Any]:
    statuses = {
        *_EVERYWHERE,
        *call.codes,
        *call.more,
        *([401] if call.needs_token else []),
        *([404] if call.what else []),
    }
    refusals = {str(status): _refusal(call, status) for status in sorted(statuses)}
    if call.stream:
        return {"200": {"description": call.answer, "content": {"text/event-stream": _stream(call)}}, **refusals}
    if call.schema is None:
        return {"200": {"description": call.answer, "content": {"text/plain": {"schema": text()}}}, **refusals}
    return {"200": _in_json(call.answer, ref(call.schema)), **refusals}


def _stream(call: Call) -> dict[str, Any]:
    """
    Describe a stream: one that ends is text to OpenAPI 3.1; the records stand in it as a list, each under its event.

    Source: OpenAPI 3.2, "Sequential media types", read 2026-11: its `itemSchema` says the same of each item.
    """
    records = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): ref(name) for name in call.stream}
    shown = "".join(
        f"event: {name}\ndata: {dump_json(example(schema)).decode()}\n\n" for name, schema in records.items()
    )
    return {"schema": text("Server-sent events."), "example": shown, "x-events": records}


def _refusal(call: Call, status: int) -> dict[str, Any]:
    """Refer to the refusal that all calls share, or write down one that is this call's own."""
    name, _, codes = _REFUSALS[status]
    codes = [*codes, *call.codes.get(status, ())]
    if status in call.more:
        own = ref(call.more[status])
        return _refused(status, {"anyOf": [own, _error(codes)]} if codes else own)
    return _refused(status, _error(codes)) if status in call.codes else {"$ref": f"#/components/responses/{name}"}


def _refused(status: int, schema: Schema) -> dict[str, Any]:
    response = _in_json(_REFUSALS[status][1], schema)
    return response | {"headers": _HEADERS[status]} if status in _HEADERS else response


def _error(codes: Sequence[str]) -> Schema:
    error = choice("For programs; stays the same from version to version.", codes)
    return record("", {"error": error, "message": text("For people: what was found, and how to mend it.", "…")})


def _in_json(says: str, schema: Schema) -> dict[str, Any]:
    return {"description": says, "content": {"application/json": {"schema": schema, "example": example(schema)}}}


def example(schema: Mapping[str, Any]) -> Any:
    """Put the examples of a schema's parts together."""
    if "$ref" in schema:
        return example(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0])
    kind = schema["type"]
    match kind if isinstance(kind, str) else kind[0]:
        case "object":
            return {key: example(part) for key, part in schema["properties"].items()}
        case "array":
            return [example(schema["items"])]
        case "boolean":
            return False
        case _:
            return ""
