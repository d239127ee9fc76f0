"""Which keys there are: those of later versions, those that hold secrets, and what a name may look like."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from router.destinations.address import WebAddress
from router.destinations.base import destination_types
from router.secret import Secret

SOURCE_NAME = re.compile(r"[a-z0-9-]{1,100}", re.ASCII)
NAME = re.compile(r"[a-z0-9][a-z0-9_. -]{0,99}", re.ASCII)

LATER: Mapping[str, frozenset[str]] = {
    "destination": frozenset({"bot_token", "channel", "api"}),
    "rule": frozenset({"settle", "digest", "throttle", "hours", "thread", "storm"}),
    "defaults": frozenset({"storm"}),
    "type": frozenset({"teams", "discord", "google-chat", "mattermost"}),
}
"""Keys and types that the design has and this version does not; they are errors, so that nobody relies on them."""

# What secrets are called wherever they stand: here and elsewhere, and in versions to come.
_SECRET_NAMES = frozenset(
    {"token", "tokens", "url", "urls", "sign", "secret", "secrets", "password", "bearer", "auth", "authorization"}
    | {"api_key", "bot_token", "apikey", "key", "webhook", "smtp", "signing", "signature", "credentials"}
)
_PUBLIC_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "user-agent"}
)
_PUBLIC_NAMES = frozenset(
    {"type", "kind", "site", "unsigned", "name", "expect_every", "changes", "people", "spaces"}
) | frozenset({"slack", "email", "code"})


def not_yet(key: str) -> str:
    """Say that a key belongs to a later version."""
    return f"the key '{key}' is not available in this version yet; remove it"


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Give a model's fields by the keys of the rule file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def parts_of(annotation: Any) -> Iterator[Any]:
    """Walk an annotation through `Annotated`, unions and lists down to the types that one value can have."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from parts_of(get_args(annotation)[0])
    elif origin in {Union, UnionType, tuple, list}:
        for argument in get_args(annotation):
            yield from parts_of(argument)
    else:
        yield annotation


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """List the models that a value of this annotation may be read as."""
    return [part for part in parts_of(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]


def takes_secret(field: FieldInfo) -> bool:
    """Tell whether a text under this key is a secret, so that it may also stand in a file of its own."""
    if any(part in {Secret, WebAddress} for part in parts_of(field.annotation)):
        return True
    written_as_text = any(
        isinstance(each, BeforeValidator) for each in (*field.metadata, *nested_metadata(field.annotation))
    )
    return written_as_text and any(_secret_keys(model) for model in models_in(field.annotation))


def nested_metadata(annotation: Any) -> Iterator[Any]:
    """Walk the metadata of the parts of a union: validators that a `| None` wraps."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        yield from metadata
        yield from nested_metadata(inner)
    elif get_origin(annotation) in {Union, UnionType}:
        for argument in get_args(annotation):
            yield from nested_metadata(argument)


def holds_secret(annotation: Any) -> bool:
    """Tell whether a secret may stand anywhere in a value of this annotation, in the values of a map as well."""
    for part in parts_of(annotation):
        if part in {Secret, WebAddress} or any(holds_secret(argument) for argument in get_args(part)):
            return True
    return any(
        holds_secret(field.annotation) for model in models_in(annotation) for field in model.model_fields.values()
    )


def _secret_keys(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(key for key, field in fields_of(model).items() if takes_secret(field))


def _known_keys(model: type[BaseModel]) -> Iterator[tuple[str, bool]]:
    for key, field in fields_of(model).items():
        yield key, holds_secret(field.annotation)
        for inner in models_in(field.annotation):
            yield from _known_keys(inner)


@cache
def _known() -> tuple[frozenset[str], frozenset[str]]:
    """Public and secret keys of all destination types."""
    keys = {pair for model in destination_types().values() for pair in _known_keys(model)}
    secret = {key for key, is_secret in keys if is_secret} | _SECRET_NAMES
    return frozenset({key for key, _ in keys} - secret) | _PUBLIC_NAMES, frozenset(secret)


def is_public(key: str, text: str = "") -> bool:
    """
    Tell whether what stands under a key of a source or destination may be shown.

    Only what is known to be public is: a misspelt `tokn` still holds a token, and a URL is one also as a `type`; a type
    of several words has the next line in it.
    """
    if ("://" in text and key != "site") or (key in {"type", "kind"} and len(text.split()) > 1):
        return False
    return key in _known()[0] or key.lower() in _PUBLIC_HEADERS or key.endswith("_file")


def is_known(key: str) -> bool:
    """Tell whether a word is a key of the program's, and so no secret itself."""
    return key.removesuffix("_file") in _known()[0] | _known()[1] | {"sources", "destinations", "rules", "defaults"}


def is_secret(key: str) -> bool:
    """Tell whether a key holds a secret wherever it stands."""
    return key in _known()[1]
