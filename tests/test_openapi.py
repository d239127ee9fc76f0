"""The OpenAPI document: it has every call, says what the page on the API says, and each part of it is right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from router import __version__
from router.admin.api import ROUTES
from router.admin.calls import CALLS
from router.admin.openapi import document
from router.secret import Secret
from tests.admin_calls import RULES, ask
from tests.described import strict_document
from tests.running import RunningRouter

PAGE = (Path(__file__).parent.parent / "docs" / "api.md").read_text()
WHOLE = document(asks_for_token=False)
LINES = [call.line for call in CALLS]


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in WHOLE["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_route_is_described() -> None:
    """A call that is answered is in the document, and one that is in the document is answered."""
    answered = {
        f"{method} {path.replace('([0-9]{1,30})', '{id}')}"
        for path, handler in ROUTES
        for method in handler.methods
        if method != "HEAD"
    }
    assert sorted(LINES) == sorted(answered)
    assert [line for line, _ in operations()] == LINES


@pytest.mark.parametrize("asks_for_token", [False, True])
def test_it_is_an_openapi_document(asks_for_token: bool) -> None:
    """By the rules of OpenAPI 3.1."""
    whole = dict(document(asks_for_token=asks_for_token))
    assert whole["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(whole).validate()
    names = [operation["operationId"] for _, operation in operations()]
    assert len(set(names)) == len(names)


async def test_it_is_served(tmp_path: Path) -> None:
    """With the version of the router that serves it."""
    async with RunningRouter(tmp_path, RULES) as router:
        status, told = await ask(router, "/api/v1/openapi.json")
    assert (status, told) == (200, WHOLE)
    assert told["info"]["version"] == __version__


async def test_it_says_where_the_token_is_needed(tmp_path: Path) -> None:
    """A router with a token says so in its document, and refuses what the document says it refuses."""
    known = {"Authorization": "Bearer a-token-for-the-admin"}
    async with RunningRouter(tmp_path, RULES, admin_token=Secret("a-token-for-the-admin")) as router:
        _, whole = await ask(router, "/api/v1/openapi.json", headers=known)
        assert whole == document(asks_for_token=True)
        assert whole["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
        for path, methods in whole["paths"].items():
            for method, operation in methods.items():
                status, _ = await ask(router, path.replace("{id}", "1"), method.upper())
                assert (
                    (status == 401) == (operation["security"] == [{"token": []}]) == ("401" in operation["responses"])
                )


async def test_parameters_and_keys_are_those_that_are_taken(tmp_path: Path) -> None:
    """Asked with a wrong one, each call names those that it takes: exactly the described ones."""
    async with RunningRouter(tmp_path, RULES) as router:
        await router.accept("page.updated")
        for call in CALLS:
            path = call.path.replace("{id}", "1")
            _, told = await ask(router, f"{path}?colour=red", call.method)
            assert expected(told["message"]) == list(call.query), call.line
            if call.body is not None:
                _, told = await ask(router, path, call.method, json={"colour": "red"})
                assert expected(told["message"]) == list(call.body), call.line


def expected(message: str) -> list[str]:
    found = re.search(r"expected (?:one of: ([a-z_, ]+)|none)", message)
    assert found, message
    return found[1].split(", ") if found[1] else []


def test_examples_are_examples() -> None:
    """Each example, of answers, bodies and single values, fits its own schema."""
    count = 0
    for schema, example in examples(WHOLE):
        whole = {**schema, "components": strict_document()["components"]}
        jsonschema_rs.validator_for(whole, validate_formats=True).validate(example)
        count += 1
    assert count > 200


def examples(part: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    if isinstance(part, list):
        for one in part:
            yield from examples(one)
    if isinstance(part, dict):
        if "schema" in part and "example" in part:
            yield part["schema"], part["example"]
        if isinstance(part.get("examples"), list):
            yield from ((part, example) for example in part["examples"])
        for one in part.values():
            yield from examples(one)


def test_everything_has_a_summary() -> None:
    """What people read in a viewer is there: a summary of each call, and what each parameter, status and key means."""
    for line, operation in operations():
        assert 5 < len(operation["summary"]) <= 80, line
        assert all(response.get("description") or "$ref" in response for response in operation["responses"].values())
        for parameter in operation["parameters"]:
            assert parameter["schema"]["description"], line


# The page


def test_the_page_and_the_document_have_the_same_calls() -> None:
    """Each call of one is in the other, with the same parameters in the same order."""
    described = {}
    for method, path, query in re.findall(r"^### `([A-Z]+) ([^?`]+)\??([^`]*)`", PAGE, re.MULTILINE):
        described[f"{method} {path}"] = re.findall(r"(\w+)=", query)
    assert described == {call.line: list(call.query) for call in CALLS}


def test_the_page_and_the_document_have_the_same_codes() -> None:
    """The table of the page has each status with each code that an answer can have, and no other."""
    table = PAGE.partition("| status | codes |")[2].partition("\n\n")[0]
    listed = {
        int(status): set(re.findall(r"`([a-z_]+)`", codes))
        for status, codes in re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)
    }
    told: dict[int, set[str]] = {405: {"method_not_allowed"}}
    for _, operation in operations():
        for status, response in operation["responses"].items():
            if status != "200":
                told.setdefault(int(status), set()).update(codes_of(response))
    assert listed == told


def codes_of(response: dict[str, Any]) -> Iterator[str]:
    """The codes of a refusal, wherever they stand."""
    if "$ref" in response:
        kind, name = response["$ref"].split("/")[2:]
        yield from codes_of(WHOLE["components"][kind][name])
    if "error" in response.get("properties", {}):
        yield from response["properties"]["error"]["enum"]
    for part in response.get("anyOf", ()):
        yield from codes_of(part)
    for media_type in response.get("content", {}).values():
        yield from codes_of(media_type["schema"])
