"""The section `sources`: who sends, and how it is known to be them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, get_args
from urllib.parse import urlsplit

from annotated_types import Ge, Le
from pydantic import AfterValidator, Field, WithJsonSchema

from router.config.keys import SOURCE_NAME, is_public
from router.config.model import Source
from router.config.nodes import Entry, Mapping, Node, Scalar, has_unresolved, kind_of, plain
from router.config.nodes import Sequence as ListNode
from router.config.people_section import PEOPLE, SPACES, read_given
from router.config.problems import did_you_mean, listed, named
from router.config.reading import Reading
from router.config.references import Outside, expand, read_files
from router.config.settings import Address
from router.config.validate import Section, fit
from router.destinations.address import WebAddress, without_template
from router.fields import Duration, Model, TextOrTexts, shape, whole
from router.secret import Secret
from router.sources import DEFAULT_KIND, KINDS

_HOST = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::\d{1,5})?"
)
_EXPECTED_SITE = "expected a host name alone, such as acme.teamwork.com"
_HOW_TO_SIGN = "give the token that its webhook has in Spaces, such as token: ${SPACES_TOKEN}"

_ONE_OR_MANY = get_args(TextOrTexts)[1]

_NAMING = ("site", PEOPLE, SPACES)

_BY_NAME = "write the name above it and its keys further right below that"

EXAMPLE = 'sources: {spaces: {token: "${SPACES_TOKEN}"}}'


class SourceKeys(Model):
    """
    What the rule file says about one source, but for `people` and `spaces`.

    Attributes:
        kind: The product that sends: names of headers and events.
        token: What the sender signs with, needed unless `unsigned` is set; or a list of which any will do, while a new
            token takes the place of an old one.
        unsigned: `true` takes everything that comes, without any token. Only where nobody else can reach the address.
        site: Host name of your site, without `https://`; it makes the links in messages.
        api_key: A key of the Spaces API, which is asked for names then; it needs `site`. Empty is as if it were not
            there.
        api: Where that API is, for sites that are not reached under `https://<site>/spaces/api/v1`.
        changes: `false` does not remember what pages were like before, so that messages cannot tell what changed.
        expect_every: Whoever is named in `defaults.alerts` is told when no event came for so long; from `1m` to `366d`.
    """

    kind: Annotated[str, Field(json_schema_extra={"enum": list(KINDS)}, examples=["teamwork-projects"])] = (
        DEFAULT_KIND.name
    )
    token: Annotated[
        Annotated[tuple[Secret, ...], _ONE_OR_MANY] | None,
        Field(examples=["${SPACES_TOKEN}", ["${SPACES_TOKEN}", "${OLD_TOKEN}"]]),
    ] = None
    unsigned: Annotated[bool, Field(examples=[True])] = False
    site: Annotated[
        Annotated[str, WithJsonSchema(shape("host name", whole(_HOST), _EXPECTED_SITE))] | None,
        Field(examples=["acme.teamwork.com"]),
    ] = None
    api_key: Annotated[Secret | None, Field(examples=["${SPACES_API_KEY:-}"])] = None
    api: Annotated[
        Annotated[WebAddress, AfterValidator(without_template)] | None,
        Field(examples=["https://wiki.example.com/spaces/api/v1"]),
    ] = None
    changes: Annotated[bool, Field(examples=[False])] = True
    expect_every: Annotated[
        Annotated[Duration, Ge(timedelta(minutes=1)), Le(timedelta(days=366))] | None, Field(examples=["1d"])
    ] = None


def read_sources(entry: Entry | None, reading: Reading, outside: Outside) -> dict[str, Source]:
    """Read all sources; those with problems are left out, and the problems noted."""
    if entry is None:
        return {}
    if not isinstance(entry.value, Mapping) or not entry.value.entries:
        what = f"is {kind_of(entry.value)}" if plain(entry.value) else "holds no source"
        reading.error(entry, f"sources {what}; expected at least one by its name, such as {EXAMPLE}")
        return {}
    found = {name: _source(each, reading, outside) for name, each in entry.value.entries.items()}
    return {name: source for name, source in found.items() if source is not None}


def kinds_by_source(entry: Entry | None) -> dict[str, str | None]:
    """The kind of each source, also of those with problems; None where it is not one that is known."""
    sources = entry.value.entries if entry is not None and isinstance(entry.value, Mapping) else {}
    return {name: _kind_name(each.value) for name, each in sources.items()}


def _kind_name(node: Node) -> str | None:
    if not isinstance(node, Mapping) or "kind" not in node.entries:
        return DEFAULT_KIND.name
    kind = node.entries["kind"].value
    return kind.text if isinstance(kind, Scalar) and kind.text in KINDS else None


def _source(entry: Entry, reading: Reading, outside: Outside) -> Source | None:
    name, node = entry.key, entry.value
    if not SOURCE_NAME.fullmatch(name):
        guess = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
        hint = f" (did you mean '{guess}'?)" if guess and SOURCE_NAME.fullmatch(guess) else ""
        reading.error(
            entry, f"source name {named(name)} becomes a path; expected lower-case letters, digits and -{hint}"
        )
    if not isinstance(node, Mapping):
        if name in SourceKeys.model_fields:
            reading.error(entry, f"the key {named(name)} stands where the name of a source is expected; {_BY_NAME}")
        else:
            reading.error(entry, f"source {named(name)} has no keys; {_HOW_TO_SIGN}, or say unsigned: true")
        return None
    expanded = expand(node, reading, outside)
    assert isinstance(expanded, Mapping)  # noqa: S101 - a map stays one
    given = read_given(expanded.entries.get(PEOPLE), expanded.entries.get(SPACES), reading, of_source=True)
    own = {key: each for key, each in expanded.entries.items() if key not in (PEOPLE, SPACES)}
    resolved = read_files(Mapping(expanded.place, own), SourceKeys, reading, outside)
    section = Section(f"source {named(name)}", further=(PEOPLE, SPACES))
    keys = fit(SourceKeys, resolved, entry, section, reading)
    if keys is None:
        return None
    if not reading.lenient:
        _check_tokens(keys, resolved, entry, reading)
    kind = KINDS.get(keys.kind)
    if kind is None:
        _report_kind(keys.kind, resolved.entries["kind"].value, reading)
        return None
    _check_site(keys.site, resolved, reading)
    return Source(
        name=name,
        kind=kind,
        tokens=keys.token or (),
        unsigned=keys.unsigned,
        site=_site(keys, resolved),
        api=_api(keys, resolved, reading),
        api_key=keys.api_key,
        given=given,
        changes=keys.changes,
        expect_every=keys.expect_every,
        is_partly_known=any(has_unresolved(each.value) for key, each in expanded.entries.items() if key in _NAMING),
    )


def _site(keys: SourceKeys, node: Mapping) -> str | None:
    """The host that links lead to; None also where a reference to it is not resolved, as no link beats a wrong one."""
    return None if not keys.site or has_unresolved(node.entries["site"].value) else keys.site


def _api(keys: SourceKeys, node: Mapping, reading: Reading) -> str | None:
    """
    The address of the source's API; None where it is not asked.

    Source: the vendor's Go SDK and guides, `https://{site}/spaces/api/v1`, read 2026-11.
    """
    if keys.api_key is None:
        if keys.api is not None:
            reading.error(node.entries["api"], "api without api_key is of no use; give the key, or remove api")
        return None
    if keys.kind != DEFAULT_KIND.name:
        reading.error(
            node.entries["api_key"], f"api_key is for sources of kind {DEFAULT_KIND.name}; remove it from this one"
        )
        return None
    if not keys.api_key.reveal().strip():
        return None  # `${SPACES_API_KEY:-}`: an API that may be asked one day
    if keys.api is not None:
        if "?" in keys.api.rest or "#" in keys.api.rest:
            reading.error(node.entries["api"], "api has a query; expected an address such as that of the default")
        elif keys.api.scheme == "http" and not _is_loopback(keys.api):
            reading.warn(
                node.entries["api"],
                "key-in-clear",
                "the API key is sent in clear over http://, where others can read it; write https://",
            )
        return keys.api.text.rstrip("/")
    if keys.site is None:
        if not reading.lenient:
            reading.error(node.entries["api_key"], "api_key needs the site that it is for; add site: acme.teamwork.com")
        return None
    return f"https://{keys.site}/spaces/api/v1"


def _report_kind(kind: str, node: Node, reading: Reading) -> None:
    expected = f"expected one of: {listed(KINDS)}"
    if isinstance(node, Scalar) and node.outside:
        reading.error(node, f"this reference stands for no source kind; {expected}")
        return
    shown = f" {named(kind)}" if is_public("kind", kind) else ""
    guess = did_you_mean(kind, KINDS) or did_you_mean(f"teamwork-{kind}", KINDS)
    reading.error(node, f"unknown source kind{shown}; {expected}{guess}")


def _check_tokens(keys: SourceKeys, node: Mapping, entry: Entry, reading: Reading) -> None:
    token = node.entries.get("token")
    if keys.unsigned and token is not None:
        reading.error(node.entries["unsigned"], "token and unsigned: true exclude each other; remove one of them")
    if token is None:
        if not keys.unsigned:
            reading.error(
                entry, f"source {named(entry.key)} has no token; {_HOW_TO_SIGN}, or say unsigned: true to take anything"
            )
        return
    if isinstance(token.value, ListNode) and not token.value.items:
        reading.error(token.value, f"the list of tokens is empty; {_HOW_TO_SIGN}")
    if isinstance(token.value, Scalar) and token.value.value is None:
        reading.error(token, f"token is empty; {_HOW_TO_SIGN}")
    for node_of_token in token.value.items if isinstance(token.value, ListNode) else [token.value]:
        if isinstance(node_of_token, Scalar) and not str(node_of_token.value).strip():
            why = ": the variable that it refers to is empty" if node_of_token.outside else ""
            reading.error(node_of_token, f"token is set but empty{why}; anybody could sign with it; {_HOW_TO_SIGN}")


def _check_site(site: str | None, node: Mapping, reading: Reading) -> None:
    if site is None or "site" not in node.entries:
        return
    value = node.entries["site"].value
    shown = "the site" if isinstance(value, Scalar) and value.outside else f"site {named(site)}"
    bare = re.sub(r"^[a-z]+://", "", site.strip(), flags=re.IGNORECASE).split("/")[0]
    if bare != site and _HOST.fullmatch(bare):
        what = "a scheme" if "://" in site else "a path" if "/" in site else "white space"
        hint = "" if shown == "the site" else f" (did you mean '{bare}'?)"
        reading.error(value, f"{shown} has {what}; {_EXPECTED_SITE}{hint}")
    elif not _HOST.fullmatch(site) and not reading.lenient:
        reading.error(value, f"{shown} is no host name; expected one such as acme.teamwork.com")


def _is_loopback(api: WebAddress) -> bool:
    return Address(urlsplit(api.origin).hostname or "", 0).is_loopback
