"""The JSON Schema of the rule file: editors know what the loader takes, and object to what has no right form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import BaseModel

from router.config.keys import fields_of
from router.config.load import TOP_LEVEL
from router.config.people_section import PersonKeys, SpaceKeys
from router.config.rule_section import RuleKeys
from router.config.schema import document
from router.config.source_section import SourceKeys
from router.config.syntax import read_yaml
from router.config.tests_section import RuleTestKeys
from router.destinations.base import destination_types
from router.sources import KINDS
from tests.cli import invoke
from tests.reference import PAGE, SCHEMA, page
from tests.rule_schema import objections
from tests.test_cookbook_doc import RECIPES, Recipe
from tests.test_rules_doc import EXAMPLES, completed

ROOT = Path(__file__).parent.parent
FILES = Path(__file__).parent / "config"
GOOD = [ROOT / "rules.example.yaml", *sorted((FILES / "good").glob("*.yaml"))]
DESTINATIONS = (ROOT / "docs" / "destinations.md").read_text(encoding="utf-8")

MEANS_SOMETHING_WRONG = {
    "names that nothing has": {"defaults-alerts", "long-line", "rule-name-twice", "rule-condition-kind"},
    "what a variable holds, or that there is none": {
        "reference-in-kind",
        "reference-in-template",
        "reference-malformed",
        "reference-no-text",
        "reference-required",
        "reference-unset",
    },
    "expressions": {"rule-if-places", "rule-if-too-long"},
    "templates": {
        "destination-template",
        "destination-template-tried",
        "template-body",
        "template-endless-loop",
        "template-fails",
        "template-folded",
        "template-functions",
        "template-literal",
        "template-plain",
        "template-quoted",
        "template-syntax",
        "template-tags",
        "template-too-long",
    },
    "keys that are of use only beside others": {"rule-body-nobody-takes", "source-api", "source-api-query"},
    "addresses, of which the schema looks for the @ alone": {"several-addresses"},
    "how it is written, of which a parsed file knows nothing": {"yaml-duplicate-key", "yaml-question-mark"},
}
"""Bad files that the schema takes: it sees the form of single values, and these are wrong by what they mean."""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


BAD = [path for path in sorted((FILES / "bad").glob("*.yaml")) if read_yaml(_text(path))[0] is not None]
"""Those that are YAML: whatever is not, editors tell without any schema."""


@pytest.mark.parametrize(
    "draft", ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"]
)
def test_it_is_a_schema(draft: str) -> None:
    """By its own draft, and by the one that the language server for YAML knows."""
    assert jsonschema_rs.meta.is_valid({**document(), "$schema": draft})


def test_it_says_nothing_that_draft_7_would_skip() -> None:
    """What stands beside a `$ref` is lost to older readers, so nothing does; nor are there words of later drafts."""
    for schema in _schemas(document()):
        assert "$ref" not in schema or set(schema) == {"$ref"}, schema
        assert not schema.keys() & {"dependentRequired", "dependentSchemas", "unevaluatedProperties", "prefixItems"}


def _schemas(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value
        for key, each in value.items():
            if key not in ("examples", "default", "const", "enum"):
                yield from _schemas(each)
    elif isinstance(value, list):
        for each in value:
            yield from _schemas(each)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_good_files_pass(path: Path) -> None:
    """An editor marks nothing in a file that is right."""
    assert objections(_text(path)) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_of_the_page_on_rules_pass(example: str) -> None:
    """Whoever copies from `docs/rules.md` sees no mark."""
    assert objections(completed(example)) == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_recipes_pass(recipe: Recipe) -> None:
    """Whoever copies from `docs/cookbook.md` sees no mark."""
    assert objections(recipe.rules) == []


def test_examples_of_other_pages_pass() -> None:
    """Whoever copies from `docs/destinations.md`, the README or the page on commands sees no mark."""
    found = re.findall(r"```yaml\n(destinations:\n.*?)```", DESTINATIONS, re.DOTALL)
    assert len(found) > 4
    for example in found:
        assert objections(completed(example)) == []
    for name in ("README.md", "docs/commands.md"):
        (whole,) = re.findall(r"```yaml\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)[:1]
        assert objections(whole) == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_files_of_a_wrong_form_fail(path: Path) -> None:
    """A bad file is marked in the editor too, unless only its meaning is wrong, or it draws but a warning."""
    told = path.with_suffix(".out").read_text(encoding="utf-8")
    only_warnings = all(": warning: " in line for line in told.splitlines() if line.startswith(path.name))
    allowed = only_warnings or any(path.stem in names for names in MEANS_SOMETHING_WRONG.values())
    found = objections(_text(path))
    assert (found == []) == allowed, f"{path.name}: {found}"


def test_the_list_of_exceptions_is_of_today() -> None:
    """No file is named that is not there any more."""
    assert set().union(*MEANS_SOMETHING_WRONG.values()) <= {path.stem for path in BAD}


SMALL = """\
sources: {{spaces: {{{source}}}}}
destinations: {{docs: {{type: {type}}}}}
rules: [{{name: pages, events: {events}, to: {to}{more}}}]
"""


def small(
    source: str = "unsigned: true",
    type: str = "log",  # noqa: A002 - the key is called so
    events: str = "page.*",
    to: str = "docs",
    more: str = "",
) -> list[str]:
    return objections(SMALL.format(source=source, type=type, events=events, to=to, more=f", {more}" if more else ""))


@pytest.mark.parametrize(
    "given",
    [
        {"source": "token: $T"},
        {"source": 'unsigned: "${YES}"'},
        {"source": 'unsigned: "${NO}", token_file: x'},
        {"source": 'kind: "${KIND}", token: x, site: "${SITE}", expect_every: "${DAY}", changes: "${YES}"'},
        {"source": "unsigned: true, people: {9: {slack: '${ADA}'}}"},
        {"type": "slack, url: '${URL}', rate: '${RATE}', timeout: '${TIME}', concurrency: '${N}', fail_fast: ['${N}']"},
        {"type": "'${TYPE}', whatever: it has"},
        {"type": "slack, url: 'https://x.example.com', rate: null"},
        {"type": "http, url_file: x, method: put, auth: {basic: {username: a, password_file: b}}, sign: x"},
        {"type": "http, url: 'HTTPS://x/{{ event.name }}', sign: {style: teamwork, secret_file: x}, body: null"},
        {"events": "[PAGE.CREATED, an-event.of_tomorrow, '**.deleted', page*.x]"},
        {"to": "{by: space.id, table: {42: docs, 7: []}}"},
        {"to": "012"},
        {"more": "when: {any: [{page.id: 1}, {not: {page.title: {not: {contains: x}}}}]}"},
        {"more": "retry: [], format: full, stop: true, describe: null"},
    ],
)
def test_what_loads_in_odd_forms_passes(given: dict[str, str]) -> None:
    """References where a number, a boolean or a name is wanted, files, both spellings of one thing: none is marked."""
    assert small(**given) == []


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"source": "token: x, unsigned: true"}, "sources/spaces/token"),
        ({"source": "token: x, token_file: y"}, "sources/spaces/token_file"),
        ({"source": "site: acme.teamwork.com"}, "sources/spaces"),
        ({"source": "unsigned: true, site: 'https://acme.teamwork.com/'"}, "sources/spaces/site"),
        ({"type": "slack"}, "destinations/docs"),
        ({"type": "slack, url: x"}, "destinations/docs/url"),
        ({"type": "slack, url: 'https://x', url_file: x"}, "destinations/docs/url_file"),
        ({"type": "slak"}, "destinations/docs/type"),
        ({"type": "log, timeout: 90"}, "destinations/docs/timeout"),
        ({"type": "log, timeout: 5min"}, "destinations/docs/timeout"),
        ({"type": "log, rate: 1/d"}, "destinations/docs/rate"),
        ({"type": "log, fail_fast: [200]"}, "destinations/docs/fail_fast/0"),
        ({"type": "log, concurrency: 65"}, "destinations/docs/concurrency"),
        ({"type": "log, url: 'https://x'"}, "destinations/docs"),
        ({"type": "http, url: 'https://x', auth: {}"}, "destinations/docs/auth"),
        ({"events": "page."}, "rules/0/events"),
        ({"events": "[]"}, "rules/0/events"),
        ({"events": "page.***"}, "rules/0/events"),
        ({"to": "[]"}, "rules/0/to"),
        ({"to": "{by: space.id}"}, "rules/0/to"),
        ({"more": "message: a, template: b"}, "rules/0/template"),
        ({"more": "body: {}, blocks: []"}, "rules/0/blocks"),
        ({"more": "when: {}"}, "rules/0/when"),
        ({"more": "when: {page.title: {like: x}}"}, "rules/0/when/page.title"),
        ({"more": "when: {page.title: {match_case: true}}"}, "rules/0/when/page.title"),
        ({"more": "when: {pge.title: x}"}, "rules/0/when"),
        ({"more": "stop: 'yes'"}, "rules/0/stop"),
        ({"more": "evnts: x"}, "rules/0"),
    ],
)
def test_mistakes_are_marked_at_their_place(given: dict[str, str], place: str) -> None:
    """Each kind of wrong form is marked, at the key or the map where it stands."""
    assert place in {each.partition(":")[0] for each in small(**given)}


def test_editors_offer_events_and_wildcards() -> None:
    """All 21 events of Spaces are offered, some patterns too, and no other name is refused."""
    other, offered = document()["$defs"]["pattern"]["anyOf"]
    assert set(KINDS["teamwork-spaces"].catalogue) < set(offered["enum"])
    assert {"*", "page.*", "*.deleted"} < set(offered["enum"])
    assert all(re.search(other["pattern"], name) for kind in KINDS.values() for name in kind.catalogue)


def _properties(value: Any, at: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, dict):
        if isinstance(value.get("properties"), dict) and value.get("type") == "object":
            yield from ((f"{at}/{key}", each) for key, each in value["properties"].items())
        for key, each in value.items():
            if key not in ("examples", "default"):
                yield from _properties(each, f"{at}/{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _properties(each, f"{at}/{number}")


PROPERTIES = dict(_properties(document()))


def test_every_key_is_explained() -> None:
    """Each has a title, a sentence and an example, wherever it stands."""
    assert len(PROPERTIES) > 100
    for place, schema in PROPERTIES.items():
        assert re.fullmatch(r"[A-Z][a-z ]+", schema.get("title", "")), place
        assert re.fullmatch(r"(?s).{5,}\.", schema.get("description", "")), place
        assert schema.get("examples"), place
        assert schema.get("default", schema) is not None, place


def test_no_key_of_a_model_is_missing() -> None:
    """Whatever the loader knows, the editor knows: at the top, in sources, people, spaces, destinations and rules."""
    whole = document()
    parts = whole["$defs"]
    assert set(whole["properties"]) == set(TOP_LEVEL)
    models: dict[str, type[BaseModel]] = {
        "source": SourceKeys,
        "person": PersonKeys,
        "space": SpaceKeys,
        "rule": RuleKeys,
        "test": RuleTestKeys,
        **destination_types(),
    }
    for name, model in models.items():
        assert set(fields_of(model)) <= set(parts[name]["properties"]), name
        assert {key for key in parts[name]["properties"] if not key.endswith("_file")} <= {
            *fields_of(model),
            *({"people", "spaces"} if name == "source" else {"type"}),
        }


def test_the_command_prints_it() -> None:
    """`schema` prints the schema and nothing else, and the file beside `rules.example.yaml` is that of today."""
    printed = invoke("schema")
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert json.loads(printed.stdout) == document()
    assert printed.stdout == SCHEMA.read_text(encoding="utf-8"), "write it anew: python -m tests.reference"


def test_the_reference_is_of_today() -> None:
    """`docs/reference.md` says what the schema says."""
    assert page() == PAGE.read_text(encoding="utf-8"), "write it anew: python -m tests.reference"


def test_rule_files_name_it_in_their_first_line(tmp_path: Path) -> None:
    """Editors complete and check the example and what `init` writes, without any setting and without network."""
    assert invoke("init", str(tmp_path)).exit_code == 0
    for folder, name in ((ROOT, "rules.example.yaml"), (tmp_path, "rules.yaml")):
        named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", (folder / name).read_text())
        assert named
        assert json.loads((folder / named[1]).read_text()) == document()
    assert objections((tmp_path / "rules.yaml").read_text()) == []
