"""Which event names a pattern describes."""

from __future__ import annotations

import pytest

from router.rules.patterns import MAX_CHARACTERS, PatternError, compile_pattern

EVENTS = (
    "access.created",
    "comment.created",
    "comment.updated",
    "comment.deleted",
    "page.created",
    "page.updated",
    "page.deleted",
    "page.updated.reverted",
    "page.updated.moved",
    "page.updated.trashed",
    "page.updated.restored",
    "pagepermission.created",
    "pagepermission.deleted",
    "pagepermissions.deleted",
    "pluginstate.created",
    "pluginstate.updated",
    "space.deleted",
    "space.imported",
    "user.updated",
    "user.enabled",
    "user.disabled",
)


def described(pattern: str) -> set[str]:
    compiled = compile_pattern(pattern)
    return {name for name in EVENTS if compiled.matches(name)}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", set(EVENTS)),
        ("**", set(EVENTS)),
        ("page.*", {name for name in EVENTS if name.startswith("page.")}),
        ("page.**", {name for name in EVENTS if name.startswith("page.")}),
        (
            "page.updated.*",
            {"page.updated.reverted", "page.updated.moved", "page.updated.trashed", "page.updated.restored"},
        ),
        ("page.updated", {"page.updated"}),
        (
            "page.updated.**",
            {"page.updated"} | {name for name in EVENTS if name.startswith("page.updated.")},
        ),
        (
            "*.deleted",
            {"comment.deleted", "page.deleted", "pagepermission.deleted", "pagepermissions.deleted", "space.deleted"},
        ),
        ("pagepermission*.deleted", {"pagepermission.deleted", "pagepermissions.deleted"}),
        ("pagepermission.*", {"pagepermission.created", "pagepermission.deleted"}),
        ("page*", set()),
        ("page", set()),
        ("page*.deleted", {"page.deleted", "pagepermission.deleted", "pagepermissions.deleted"}),
        ("user.*abled", {"user.enabled", "user.disabled"}),
        ("user.*", {"user.updated", "user.enabled", "user.disabled"}),
        ("*.updated.*", {name for name in EVENTS if name.startswith("page.updated.")}),
        ("**.moved", {"page.updated.moved"}),
        ("*.*.*", {name for name in EVENTS if name.count(".") == 2}),
        ("*.*", set(EVENTS)),
        ("p*e.u*d.m*d", {"page.updated.moved"}),
        ("PAGE.Updated.MOVED", {"page.updated.moved"}),
    ],
)
def test_patterns_describe_known_events(pattern: str, names: set[str]) -> None:
    """Each pattern describes exactly the documented events that the rule file's reader expects."""
    assert described(pattern) == names


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "single", True),
        ("*", "a.b.c.d.e", True),
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.c", False),
        ("a.*.c", "a.b.b.c", False),
        ("a.**.c", "a.c", True),
        ("a.**.c", "a.b.b.c", True),
        ("a.**.c", "a.b", False),
        ("**.c.**", "c", True),
        ("**.*", "a", True),
        ("a.**.*", "a", False),
        ("a.*", "a", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*a", "aba", True),
        ("a*b*b", "ab", False),
        ("*b", "ab", True),
        ("*b", "a.b", False),
        ("new.event_*", "New.Event_Kind", True),
        ("page.updated", "PAGE.UPDATED", True),
        ("page-x.y", "page-x.y", True),
    ],
)
def test_stars_stay_within_their_segments(pattern: str, name: str, matches: bool) -> None:
    """A star inside a segment never crosses a dot; `*` and `**` count segments."""
    assert compile_pattern(pattern).matches(name) is matches


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("page .updated", "white space"),
        ("page.created, *.deleted", 'write several as a list: [page.created, "*.deleted"]'),
        ("page.created page.updated", "one pattern per entry"),
        ("page..updated", "empty segment"),
        (".updated", "begins with a dot; expected 'updated'"),
        ("page.", "ends with a dot; expected 'page.*'"),
        (".", "dot"),
        ("page/updated", "'/' in it"),
        ("pagé.updated", "'é' in it"),
        ("page.\x1b[2J", "'�' in it"),
        ("page.updated|page.created", "'|' in it"),
        ("a" * (MAX_CHARACTERS + 1), "201 characters; expected at most 200"),
        ("***", "'***'"),
        ("page.****", "'***'"),
        ("page**", "** inside the segment"),
        ("a.b**c.d", "** inside the segment 'b**c'"),
    ],
)
def test_unusable_patterns_are_refused_with_advice(text: str, says: str) -> None:
    """A pattern that can mean nothing is refused in a sentence that says how to mend it."""
    with pytest.raises(PatternError) as refusal:
        compile_pattern(text)
    assert says in str(refusal.value)
    assert "\x1b" not in str(refusal.value)


def test_a_pattern_of_the_greatest_length_is_fine() -> None:
    """Two hundred characters are within bounds."""
    text = "a" * MAX_CHARACTERS
    assert compile_pattern(text).matches(text)


def test_the_worst_pattern_and_name_take_no_time() -> None:
    """Stars that would send a backtracking matcher astray for ages end at once, for thousands of names."""
    for text in ("**.a." * 39 + "b", "a*" * 99 + "b", "*a" * 40 + "." + "*a" * 40):
        pattern = compile_pattern(text)
        for _ in range(20):
            assert not pattern.matches("a." * 99 + "c")
            assert not pattern.matches("a" * 198 + "c")
