"""The built-in messages as they are written down in `golden/`, each read as somebody in the channel would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from slack_sdk.models.blocks import Block

from router.events import FORMATS, Message
from router.messages.blocks import LONGEST_BLOCKS, LONGEST_SLACK_TEXT, MOST_BLOCKS
from router.messages.library import built_in_templates
from router.payload import JSON, dump_json
from router.samples import SAMPLES
from tests.message_bodies import namespace_of
from tests.messages.golden import FOLDER, RENDERER, Namespace, bare_cases, golden, known_cases, written
from tests.messages.known import known_namespace

KINDS = ("slack", "email", "log", "http")
CASES = [
    pytest.param(name, namespace, id=f"{name}: {case}") for name, case, namespace in (*known_cases(), *bare_cases())
]

HOSTILE = [
    "<!channel> & <@U1> *x* _y_ ~z~",
    "😀" * 10_000,
    "@here #general `x` :smile:",
    "<https://evil.example|click> " * 500,
]

UNWANTED = (
    *(r"\bNone\b", r"\bnull\b", r"\bundefined\b", r"  ", r"(?m)[ \t]$", r"\*\*", r"\* \*", r"<\|", r"\(\)", r"\[\]"),
    *(r"(?m)[:·›→,–—-]$", r"(?m)^[ ]*[:·›→,.]", r" [,.:;]( |$)", r"(?m)^>\s*$", r"\.\.", r"\n\n\n"),
    *(r"<(strong|p|h1|a|blockquote)[^>]*>\s*</\1>", r"(?i)\b(user|page|space|comment) \d+\b", r"\b(a|the) (a|the)\b"),
)
"""What no message says: words of programs, and the traces of something that is missing."""


class _Words(HTMLParser):
    """What a reader sees of HTML, a line for each paragraph."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen = ""
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.seen += data


def texts_of(message: Message) -> list[str]:
    """Every text of a message that a person reads."""
    blocks = list(_texts_in(message.blocks)) + list(_texts_in(message.body))
    html = [_Words(message.html).seen, re.sub(r' style="[^"]*"', "", message.html)] if message.html else []
    return [text for text in (message.text, message.subject, *blocks, *html) if text]


def _texts_in(value: JSON) -> Iterator[str]:
    """The texts of text objects, and of the parts of a body."""
    if isinstance(value, dict):
        for key, part in value.items():
            if isinstance(part, str) and key not in ("type", "url", "link"):
                yield part
            yield from _texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts_in(part)


def check_for_slack(message: Message) -> None:
    """What Slack itself, and those who make its library, ask of a message."""
    assert 0 < len(message.text) <= LONGEST_SLACK_TEXT
    blocks = message.blocks or []
    assert len(blocks) <= MOST_BLOCKS
    assert len(dump_json(blocks)) <= LONGEST_BLOCKS
    for block, parsed in zip(blocks, Block.parse_all(blocks), strict=True):
        assert parsed.to_dict() == block  # which checks it, and shows that every part is one that Slack knows
    for text in (message.text, *_texts_in(blocks)):
        assert not re.search(r"<[!@#]", text), "a mention"
        assert not re.search(r"&(?!amp;|lt;|gt;)", text), "half an escape"
        assert text.count("<") == len(re.findall(r"<https://acme\.teamwork\.com/[^<>|\s]+\|[^<>\n]+>", text))


@pytest.mark.parametrize("name", SAMPLES)
def test_messages_read_as_they_are_written_down(name: str) -> None:
    """`python -m tests.messages.golden` writes the files anew, for somebody to read what changed."""
    assert golden(name) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_no_file_is_left_over() -> None:
    """Each file is one event's."""
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(SAMPLES)


@pytest.mark.parametrize(("name", "namespace"), CASES)
def test_nothing_shows_that_something_is_missing(name: str, namespace: Namespace) -> None:
    """Whatever is known: no words of programs, no ids, nothing empty or dangling; compact is one line."""
    for kind in KINDS:
        for wanted in FORMATS:
            message = written(kind, wanted, namespace)
            texts = texts_of(message)
            assert texts
            for text in texts:
                for unwanted in UNWANTED:
                    assert not re.search(unwanted, text), f"{unwanted} in {text!r}"
                plain = re.sub(r"https://\S+", "", text)
                for number in ("5148", "5100", "42", "9", "7", "11", "12", "301", "88", "89", "61"):
                    assert not re.search(rf"\b{number}\b", plain), f"an id in {text!r}"
            assert wanted == "full" or "\n" not in message.text
            if kind != "http":
                assert re.match(r"\*?(Someone|Kim Osei|Grace Hopper|Ada Byrne)\*? [a-z]+", message.text)
            if kind == "slack":
                check_for_slack(message)
                assert (message.blocks is None) == (wanted == "compact")


@pytest.mark.parametrize("name", ["page.deleted", "page.updated.trashed", "space.deleted"])
def test_nothing_leads_to_what_is_gone(name: str) -> None:
    """A page in the trash and a deleted space have no link, however much is known."""
    for namespace in (known_namespace(name, {}), namespace_of(name)):
        for kind in KINDS:
            for wanted in FORMATS:
                assert "https://" not in dump_json(written(kind, wanted, namespace).as_json()).decode()


@pytest.mark.parametrize("title", HOSTILE, ids=["mentions", "emoji", "names", "links"])
@pytest.mark.parametrize("name", SAMPLES)
def test_hostile_texts_arrive_as_text(name: str, title: str) -> None:
    """Titles, names and comments that look like mentions and links, or are endless, are sent, and call nobody."""
    namespace: dict[str, Any] = known_namespace(name, {})
    namespace["changes"] = {"title": {"before": title, "after": title + "!"}}
    resource = namespace["event"]["resource"]
    for word in ("actor", "page", "space", resource):
        if namespace[word] is not None:
            named = dict.fromkeys(("name", "title", "email", "changeMessage", "content", "details", "purpose"), title)
            namespace[word] = {
                **namespace[word],
                **named,
                "parent": {"id": 3, "title": title},
                "requester": {"name": title},
            }
    for wanted in FORMATS:
        check_for_slack(written("slack", wanted, namespace))
        mail = written("email", wanted, namespace)
        assert set(re.findall(r"<(\w+)", mail.html)) <= {"p", "h1", "strong", "a", "blockquote"}
        assert all(url.startswith("https://acme.teamwork.com/") for url in re.findall(r'href="([^"]*)', mail.html))


@pytest.mark.parametrize("nothing", ["\u200b", "\u202e\u2066", "\u200d \u200e", "\u3164", "\x00\x1b", "\ufeff\u00ad"])
def test_titles_and_names_that_show_nothing_count_as_unknown(nothing: str) -> None:
    """They leave no empty bold, no link without words, and no button text of nothing."""
    model = {"id": 1, "title": nothing, "space": {"id": 4, "name": nothing}, "updatedBy": {"id": 9, "name": nothing}}
    namespace = namespace_of("page.updated", {"page": model})
    for wanted in FORMATS:
        for kind in ("slack", "log"):
            for text in texts_of(written(kind, wanted, namespace)):
                assert nothing not in text
                assert "**" not in text
        assert written("slack", "compact", namespace).text.strip() == "Someone updated a page"


def test_a_title_cannot_turn_a_line_around() -> None:
    """Marks that change the direction of what follows are taken out; letters of any direction stay."""
    namespace = namespace_of(
        "page.updated", {"page": {"id": 1, "title": "abc\u202edef \u05d0\u05d1 \U0001f468\u200d\U0001f469"}}
    )
    shown = written("slack", "compact", namespace).text
    assert "*abcdef \u05d0\u05d1 \U0001f468\u200d\U0001f469*" in shown


@pytest.mark.parametrize("name", ["page.created", "page.updated", "page.updated.reverted", "comment.created"])
def test_what_is_private_is_not_quoted(name: str) -> None:
    """What stands in a private page or comment, or was said of its change, stays there; that it happened is told."""
    by = {"id": 9, "name": "Kim Osei"}
    model = {"id": 1, "isPrivate": True, "content": "<p>secret</p>", "changeMessage": "secret, too"}
    body = {name.partition(".")[0]: {**model, "createdBy": by, "updatedBy": by}}
    for each in KINDS:
        for wanted in FORMATS:
            told = dump_json(written(each, wanted, namespace_of(name, body)).as_json()).decode()
            assert "Kim Osei" in told
            assert "secret" not in told


def test_what_we_ship_passes_our_own_linter() -> None:
    """No template of ours has a problem that we would tell others of."""
    names = list(built_in_templates())
    assert len(names) > 10
    assert [problem for name in names for problem in RENDERER.inspection.file_problems(name)] == []
