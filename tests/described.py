"""What tests of the admin side share: answers are held against the OpenAPI document, more strictly than it asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
import jsonschema_rs

from router.admin.openapi import document

METHODS = {"get", "post"}


def strict(part: Any) -> Any:
    """The same document, but no object may have a key that is not in it: what is answered and not described shows."""
    if isinstance(part, list):
        return [strict(one) for one in part]
    if not isinstance(part, dict):
        return part
    closed = {key: strict(value) for key, value in part.items()}
    is_object = "properties" in part and isinstance(part.get("required"), list)
    return {"additionalProperties": False, **closed} if is_object else closed


@cache
def strict_document() -> Mapping[str, Any]:
    made: dict[str, Any] = strict(document(asks_for_token=False))
    return made


def described(path: str) -> str | None:
    """The path of the document that this one is an instance of."""
    for template in strict_document()["paths"]:
        if re.fullmatch(re.escape(template).replace(r"\{id\}", "[0-9]{1,30}"), path):
            return str(template)
    return None


@cache
def _validator(path: str, method: str, status: int) -> jsonschema_rs.Validator | None:
    whole = strict_document()
    responses = whole["paths"][path][method]["responses"]
    assert str(status) in responses, f"{method} {path} answers {status}, which is not described"
    response = responses[str(status)]
    if "$ref" in response:
        response = whole["components"]["responses"][response["$ref"].rpartition("/")[2]]
    if "application/json" not in response["content"]:
        return None
    schema = {**response["content"]["application/json"]["schema"], "components": whole["components"]}
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def check(answered: httpx.Response) -> None:
    """Fail where the answer of a call is not as the document has it."""
    method = (answered.request.method or "").lower()
    path = described(answered.request.url.path)
    if path is None or method not in strict_document()["paths"][path]:
        return  # 404 or 405: nothing of the document
    validator = _validator(path, method, answered.status_code)
    if validator is not None:
        errors = [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(answered.json())]
        assert not errors, f"{method} {path} answers {answered.status_code}: {errors}"
