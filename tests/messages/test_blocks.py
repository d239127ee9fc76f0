"""What Slack takes: whatever blocks become on an event, they can be sent, and nothing breaks in the middle."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from router.errors import RenderFailure
from router.events import Markup, Message
from router.messages.blocks import LONGEST_BLOCKS, fit_blocks
from router.messages.escaping import cut_slack, escape_slack, slack_length, slack_link
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.payload import JSON, dump_json
from tests.message_bodies import namespace_of
from tests.messages.known import PAGE_LINK, known_namespace

SLACK = Style(Markup.SLACK, "slack", forwards_as_is=False)
MORE = slack_link("more", "https://acme.teamwork.com/spaces/eng")


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": mrkdwn(text)}


def button(**parts: JSON) -> dict[str, Any]:
    return {"type": "button", "text": plain("Open"), **parts}


def test_what_is_empty_is_left_out() -> None:
    """A missing value must not cost the message: Slack refuses all of it for one empty text or address."""
    image = {"type": "image", "alt_text": "x"}
    blocks: list[dict[str, Any]] = [
        section(" "),
        {"type": "section", "text": mrkdwn("x") | {"text": []}},
        {"type": "section", "text": mrkdwn("x") | {"text": None}},
        {"type": "header", "text": plain("")},
        {"type": "section", "fields": [mrkdwn(""), plain(" ")]},
        {"type": "context", "elements": [mrkdwn(""), {**image, "image_url": ""}]},
        {
            "type": "actions",
            "elements": [button(url=""), button(url=None), button(url="https://x.example", text=plain(""))],
        },
        {**image, "image_url": None},
        {"type": "context", "elements": [mrkdwn(""), plain("kept")]},
        {"type": "actions", "elements": [button(url=""), button(action_id="kept")]},
        {**section("kept"), "fields": [plain("")], "accessory": button(url="")},
    ]
    assert fit_blocks(blocks) == [
        {"type": "context", "elements": [plain("kept")]},
        {"type": "actions", "elements": [button(action_id="kept")]},
        {"type": "section", "text": {**mrkdwn("kept"), "verbatim": True}},
    ]


@pytest.mark.parametrize(
    ("block", "length"),
    [
        (section, 3_000),
        (lambda text: {"type": "section", "fields": [mrkdwn(text)]}, 2_000),
        (lambda text: {"type": "header", "text": plain(text)}, 150),
        (lambda text: {"type": "context", "elements": [plain(text)]}, 2_000),
        (lambda text: {"type": "actions", "elements": [button(url="https://x.example", text=plain(text))]}, 75),
    ],
    ids=["section", "field", "header", "context", "button"],
)
@pytest.mark.parametrize(
    "text", ["word &amp; " * 2_000, "😀" * 10_000, "x" * 10_000], ids=["words", "emoji", "one word"]
)
def test_texts_are_cut_to_their_place(block: Any, length: int, text: str) -> None:
    """Each as long as Slack lets it be where it stands, at a word where there is one, with an ellipsis."""
    (fitted,) = fit_blocks([block(text)])
    (shown,) = re.findall(r'"text":"((?:word|😀|x)[^"]*)"', dump_json(fitted).decode())
    assert length - 20 < slack_length(shown) <= length
    assert shown.endswith("…")
    assert not re.search(r"&(?!amp;)", shown)
    (parsed,) = Block.parse_all([fitted])
    assert parsed.to_dict() == fitted


def test_lists_are_cut_to_what_slack_takes() -> None:
    """10 fields, 10 elements of a context, 25 buttons, 50 blocks."""
    blocks = [
        {"type": "section", "fields": [plain("x")] * 11},
        {"type": "context", "elements": [plain("x")] * 11},
        {"type": "actions", "elements": [button(action_id=str(number)) for number in range(26)]},
        *[{"type": "divider"}] * 60,
    ]
    fitted = fit_blocks(blocks)
    assert len(fitted) == 50
    assert [len(fitted[0]["fields"]), len(fitted[1]["elements"]), len(fitted[2]["elements"])] == [10, 10, 25]


def test_a_link_stands_behind_what_is_cut() -> None:
    """Where the page is known, its link leads to the rest of a text that Slack would not take."""
    blocks = [section("{{ page.content }}"), {"type": "header", "text": plain("{{ page.content }}")}]
    namespace: dict[str, Any] = known_namespace("page.updated", {})
    namespace["page"] = {**namespace["page"], "content": "some words " * 5_000}
    message = Renderer().render(MessageSpec(blocks=blocks), SLACK, namespace)
    cut, header = message.blocks[0]["text"]["text"], message.blocks[1]["text"]["text"]
    assert cut.endswith(f"some words… <{PAGE_LINK}|more>")
    assert len(cut) <= 3_000
    assert header.endswith(" some…")
    text = Renderer().render(MessageSpec(message="{{ page.content }}"), SLACK, namespace).text
    assert text.endswith(f"… <{PAGE_LINK}|more>")
    assert len(text) <= 40_000


def test_a_message_is_cut_as_a_whole() -> None:
    """Twenty sections of 3,000 letters are too much together: the longest are shortened, and the button stays."""
    blocks = [
        *(section("some words " * 250) for _ in range(20)),
        {"type": "actions", "elements": [button(action_id="a")]},
    ]
    fitted = fit_blocks(blocks, MORE)
    assert len(dump_json(fitted)) <= LONGEST_BLOCKS
    assert len(fitted) == 21
    assert all(each["text"]["text"].endswith(f"… {MORE}") for each in fitted[:20])
    endless = [{"type": "rich_text", "elements": [{"type": "text", "text": "x" * 5_000}]}] * 5
    assert len(fit_blocks(endless)) == 2


def test_a_number_is_printed() -> None:
    """A text that is one expression keeps its type, and Slack takes texts only."""
    message = Renderer().render(MessageSpec(blocks=[section("{{ page.id }}")]), SLACK, namespace_of("page.updated"))
    assert message.blocks[0]["text"]["text"] == "5148"


@pytest.mark.parametrize("title", [["<!here>", 1], {"<!here>": ["a & b"]}, [[]]])
def test_a_title_that_is_no_text_is_written_as_json(title: JSON) -> None:
    """Senders may put a list where a title is expected; the message arrives all the same, and calls nobody."""
    blocks = [section("{{ page.title }}"), {"type": "header", "text": plain("{{ page.title }}")}]
    namespace = namespace_of("page.updated", {"page": {"id": 7, "title": title}})
    told = Renderer().render(MessageSpec(blocks=blocks), SLACK, namespace).blocks
    written = escape_slack(dump_json(title).decode())
    assert [block["text"]["text"] for block in told] == [written, written]


def test_names_in_titles_are_not_looked_up() -> None:
    """Slack makes links of `#general` and calls some people by their names, but not in what is `verbatim`."""
    (fitted,) = fit_blocks([section("#general @ada")])
    assert fitted["text"]["verbatim"] is True
    (own,) = fit_blocks([{"type": "section", "text": {**mrkdwn("x"), "verbatim": False}}])
    assert own["text"]["verbatim"] is False


@pytest.mark.parametrize("kind", ["broadcast", "user", "usergroup", "channel", "broad\x01cast"])
def test_a_body_calls_nobody(kind: str) -> None:
    """Where a rule takes a part of its blocks from the body, the elements in it that call people are only text."""
    calling: dict[str, JSON] = {"type": kind, "range": "channel", "<!here>": 1}
    namespace = namespace_of("page.updated", {"page": {"id": 7, "calls": calling, "parts": [{"elements": [calling]}]}})
    rich = [{"type": "rich_text_section", "elements": ["{{ page.calls }}"]}]
    blocks = [{"type": "rich_text", "elements": rich}, {"type": "rich_text", "elements": "{{ page.parts }}"}]
    told = Renderer().render(MessageSpec(blocks=blocks), SLACK, namespace).blocks
    written = '{"type":"%s","range":"channel","&lt;!here&gt;":1}' % kind.replace("\x01", "")  # noqa: UP031 - has braces
    assert told[0]["elements"][0]["elements"] == [written]
    assert told[1]["elements"] == [{"elements": [written]}]


def test_an_author_may_call_people() -> None:
    """What stands in the rule file itself is meant."""
    blocks = [{"type": "rich_text", "elements": [{"type": "broadcast", "range": "channel"}]}]
    assert Renderer().render(MessageSpec(blocks=blocks), SLACK, namespace_of("page.updated")).blocks == blocks


JSON_TEXTS = st.text(st.sampled_from("ab <>&*_|😀\n"), max_size=40)
PARTS = st.recursive(
    st.none() | st.booleans() | st.integers() | JSON_TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "url", "elements", "fields", "accessory", "title"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
TYPES = st.sampled_from(["section", "header", "context", "actions", "image", "divider", "mrkdwn", "button"])


@given(
    st.lists(
        st.tuples(
            TYPES, st.dictionaries(st.sampled_from(["text", "elements", "fields", "accessory", "image_url"]), PARTS)
        )
    )
)
def test_any_blocks_are_fitted_without_a_bug(found: list[tuple[str, dict[str, Any]]]) -> None:
    """What a rule makes of an event may be no block at all; it is then Slack's to refuse."""
    blocks = [{"type": kind, **parts} for kind, parts in found]
    assert len(dump_json(fit_blocks(blocks))) <= LONGEST_BLOCKS


@given(st.text(st.sampled_from("ab <>&\n😀"), max_size=60), st.integers(30, 90))
def test_cutting_with_a_link_keeps_to_the_limit(text: str, limit: int) -> None:
    """However a text is cut, link and ellipsis fit, and no link or escape is broken."""
    more = slack_link("more", "https://a.ex/")
    for end in (f"<https://a.example/b|c d e>{escape_slack(text)}", "😀", ""):
        markup = f"{escape_slack(text)}{end}"
        shown = cut_slack(markup, limit, more)
        assert slack_length(shown) <= limit
        assert not re.search(r"&(?!amp;|lt;|gt;)", shown)
        assert shown.count("<") == shown.count(">")
        assert shown == markup or "…" in shown


class TestFiles:
    """Blocks in a file: `slack/<name>.yaml`."""

    def rendered(self, text: str, blocks: JSON, namespace: dict[str, JSON] | None = None) -> Message:
        renderer = Renderer({"slack/page.yaml": ""}, {"slack/page.yaml": {"text": text, "blocks": blocks}})
        return renderer.render(MessageSpec(), SLACK, namespace or namespace_of("page.updated"))

    def test_an_own_file_takes_the_place_of_the_built_in_one(self) -> None:
        """Texts are templates, values keep their types, and titles stay text."""
        page = {"id": 7, "title": "<!channel>", "wide": True}
        message = self.rendered(
            "{{ page.title }}",
            [{"type": "section", "text": plain("{{ page.title }}"), "expand": "{{ page.wide }}"}],
            namespace_of("page.updated", {"page": page}),
        )
        assert message.text == "&lt;!channel&gt;"
        assert message.blocks == [{"type": "section", "text": plain("&lt;!channel&gt;"), "expand": True}]

    def test_a_text_that_comes_out_empty_sends_nothing(self) -> None:
        """A way to stay silent, as with a template of text."""
        assert self.rendered("{% if page.nothing %}x{% endif %}", [section("x")]).is_empty

    @pytest.mark.parametrize(
        ("text", "blocks", "sentence"),
        [
            ("{{ 1 / 0 }}", [], "slack/page.yaml: text, line 1: a calculation divides by zero"),
            (
                "x",
                [section("a\n{{ 1 / 0 }}")],
                "slack/page.yaml: blocks.0.text.text, line 2: a calculation divides by zero",
            ),
            ("x", ["{{ page.title }}"], "slack/page.yaml: blocks: blocks must be a list of mappings"),
        ],
    )
    def test_a_failure_names_the_file_and_the_place_in_it(self, text: str, blocks: JSON, sentence: str) -> None:
        """A template that fails makes a dead letter with a sentence that leads to the line."""
        with pytest.raises(RenderFailure) as failure:
            self.rendered(text, blocks)
        assert str(failure.value).startswith(sentence)

    def test_its_templates_are_compiled_once(self) -> None:
        """The second message of a rule set costs no compiling."""
        renderer, namespace = Renderer(), namespace_of("page.updated")
        style = Style(Markup.SLACK, "slack", forwards_as_is=False, format="full")
        first = renderer.render(MessageSpec(), style, namespace)
        compiled = dict(renderer._compiled)
        assert renderer.render(MessageSpec(), style, namespace) == first
        assert renderer._compiled == compiled
