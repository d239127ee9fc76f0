"""Field paths such as `page.space.id`: checked once, then followed through any JSON value."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from router.payload import JSON

MAX_CHARACTERS = 200
MAX_SEGMENTS = 20
MOST_ELEMENTS = 10_000
"""Elements of a list that a condition looks at, those of lists in it included: a body may hold millions."""

_MAX_INTEGER_BITS = 4_000
"""About 1,200 decimal digits. To turn one into text takes time that grows with the square of its length."""
_MAX_WHOLE_FLOAT = 1e16

Namespace = Mapping[str, JSON]
Find = Callable[[Namespace], Sequence[JSON]]
"""The values a path leads to; none of them null, and none at all where the field is missing."""


def path_problem(path: object, first_words: Collection[str], others: Collection[str] = ()) -> str | None:
    """
    Say what is wrong with a field path, or None.

    Args:
        path: Words joined by dots. A name that itself has a dot in it cannot be reached.
        first_words: What a path may begin with: the keys of the namespace.
        others: Words that may stand in the place of a path, for guessing what was meant.
    """
    if not isinstance(path, str) or not path.strip():
        return f"{named(path)} is no field; expected a path such as page.space.id"
    if len(path) > MAX_CHARACTERS or path.count(".") >= MAX_SEGMENTS:
        return f"the path has {len(path)} characters; expected at most {MAX_CHARACTERS}, and {MAX_SEGMENTS} words"
    words = path.split(".")
    if any(word != word.strip() or not word for word in words):
        return f"{named(path)} has an empty word or a space beside a dot; expected a path such as page.space.id"
    if words[0] not in first_words:
        choices = sorted(first_words)
        expected = f"expected a path that begins with one of: {', '.join(choices)}"
        return f"unknown field {named(path)}; {expected}{suggestion(words[0], [*choices, *others])}"
    return None


def compile_path(path: str) -> Find:
    """
    Make the function that follows a path.

    A word is the key of an object. On a list, a number picks that element (from 0) and any other word is looked up in
    each element, through lists in lists as well.
    """
    first, *rest = path.split(".")

    def find(namespace: Namespace) -> Sequence[JSON]:
        try:
            value = namespace[first]
        except KeyError:
            return ()
        for position, word in enumerate(rest):
            if isinstance(value, dict):
                value = value.get(word)
            elif isinstance(value, list):
                return _through_lists(value, rest[position:])
            else:
                return ()
        return () if value is None else (value,)

    return find


def _through_lists(value: list[JSON], words: Iterable[str]) -> Sequence[JSON]:
    found: list[JSON] = [value]
    for word in words:
        found = list(islice((below for above in found for below in _step(above, word)), MOST_ELEMENTS))
    return [value for value in found if value is not None]


def _step(value: JSON, word: str) -> Iterator[JSON]:
    if isinstance(value, dict):
        yield value.get(word)
    elif isinstance(value, list):
        if not (word.isascii() and word.isdigit()):
            yield from (element.get(word) for element in leaves(value) if isinstance(element, dict))
        elif int(word) < len(value):
            yield value[int(word)]


def leaves(values: Sequence[JSON]) -> Iterator[JSON]:
    """Walk the first `MOST_ELEMENTS` of a list, and of lists in it; those that are neither null nor a list."""
    stack = [iter(values)]  # no recursion: the nesting of a body is the sender's choice
    left = MOST_ELEMENTS
    while stack:
        for value in stack[-1]:
            left -= 1
            if left < 0:
                return
            if isinstance(value, list):
                stack.append(iter(value))
                break
            if value is not None:
                yield value
        else:
            stack.pop()


def elements(found: Sequence[JSON]) -> Iterator[JSON]:
    """Walk what a path led to: of each list its elements, as far as a condition looks at them."""
    for value in found:
        if isinstance(value, list):
            yield from leaves(value)
        else:
            yield value


def text_of(value: JSON) -> str | None:
    """
    Write a value as the text it is compared by; None for null, a list and an object, which equal no text.

    A whole number has no decimal point, so 5 and 5.0 are both `5`; booleans are `true` and `false`.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() < _MAX_INTEGER_BITS else None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _MAX_WHOLE_FLOAT else repr(value)
    return None


def suggestion(word: str, choices: Collection[str]) -> str:
    """Guess what was meant, as the end of a sentence; empty without a good guess. Case is ignored."""
    folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(word[:MAX_CHARACTERS].casefold(), folded, n=1)
    return f" (did you mean '{folded[close[0]]}'?)" if close else ""


def named(value: object) -> str:
    """Quote what somebody wrote in the rule file, cut short."""
    text = str(value)
    shown = text if len(text) <= 60 else text[:59] + "…"
    return f"'{shown}'"
