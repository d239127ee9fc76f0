"""Every kind of warning: its code, why it matters and how to mend it. Codes stay as they are: people write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNUSED_IGNORE = "unused-ignore"


@dataclass(frozen=True)
class Code:
    """
    One kind of warning.

    Attributes:
        name: As it stands behind a warning, and in `# lint: ignore=…`.
        what: What was found, as a clause.
        why: Why it matters: what happens, or does not, if nothing is changed.
        fix: What to do.
    """

    name: str
    what: str
    why: str
    fix: str


_ALL = (
    Code(
        "unknown-event",
        "a pattern matches no event that is known for the rule's sources",
        "Nothing that is sent today is called so, and the rule never fires. It is taken all the same, as the sender may"
        " have new events that the router does not know yet.",
        "Correct the name; `spaces-router events` lists those that are known. `page*` is one word: write `page.*`.",
    ),
    Code(
        "bare-event-missed",
        "`page.updated.*` does not match `page.updated`, and no rule names that",
        "Patterns work word by word, so the most frequent event of all goes past the rule.",
        "Write both, `[page.updated, page.updated.*]`; or name the bare event under `except`, if it is not meant.",
    ),
    Code(
        "hidden-rule",
        "an earlier rule with `stop: true` takes every event of a rule",
        "The later rule never sees an event, and never sends anything.",
        "Put the later rule first, narrow the earlier one, or take its `stop` away.",
    ),
    Code(
        "duplicate-message",
        "two rules that surely match the same event send it to the same destination",
        "Whoever reads there is told everything twice. Only rules without conditions, or with the same ones, are"
        " compared, so that what is told is certain.",
        "Leave the events out of one rule with `except`, give the earlier rule `stop: true`, or remove one of them.",
    ),
    Code(
        "unknown-field",
        "a template, a condition or an expression asks for a field that Spaces does not document",
        "What is not there prints nothing, and equals nothing: the message has a hole, or the rule never fires.",
        "Correct the name. A field that your site sends although nobody documents it is asked for under `payload`.",
    ),
    Code(
        "impossible-value",
        "a field is compared with a value that it never has, such as an id with a name",
        "The comparison is never true: the rule never fires, the entry of the table is never found, or `unless` never"
        " keeps anything back.",
        "Compare with a value of the right kind, or ask the field that holds such values: `space.code` instead of"
        " `space.id`.",
    ),
    Code(
        "template-fails",
        "a template fails on the sample of an event that its rule can see",
        "A message that cannot be written is given up at once and becomes a dead letter.",
        "Mend the template, for example with `default`, or with an `{% if %}` around what may be missing.",
    ),
    Code(
        "single-braces",
        "a field stands in single braces in the text of a message",
        "Only what stands in two braces is filled in: people read `{page.title}` as it is written here.",
        "Write `{{ page.title }}`.",
    ),
    Code(
        "date-form",
        "a form of `date` has no code with a `%` in it",
        "The form is written as it stands: people read `DD.MM.YYYY` instead of a day.",
        'Write codes such as `date("%d.%m.%Y")`, or `date` alone for the usual form.',
    ),
    Code(
        "unused-template",
        "nothing uses one of your own templates",
        "Its name is misspelt, and the built-in template is sent in its place; or it is left over and misleads whoever"
        " edits it next.",
        "Rename it after an event, name it in a rule with `template`, include it, or remove it.",
    ),
    Code(
        "unused-destination",
        "no rule sends to a destination, and neither `alerts` nor a `fallback` names it",
        "Nothing ever arrives there, which may not be what its name promises.",
        "Name it in a rule, or remove it.",
    ),
    Code(
        "same-place",
        "two destinations have the same URL",
        "They are one place with one pace: the slower of the two settings holds for both, and a pause stops both.",
        "Let the rules use one of them; `format` and `message` can be said in each rule.",
    ),
    Code(
        "switched-off",
        "`fallback` or `defaults.alerts` names a destination that is switched off",
        "When it is needed most, nothing is sent.",
        "Switch the destination on, or name another one.",
    ),
    Code(
        "nobody-told",
        "`expect_every` without `defaults.alerts`",
        "When no event comes any more, the router knows it, but nobody else does.",
        "Name a destination under `defaults: {alerts: …}`.",
    ),
    Code(
        "secret-in-file",
        "a secret stands in the rule file itself",
        "Whoever sees the file, a copy of it, or the repository in which it is kept, can use the secret.",
        "Write a reference, `${NAME}`, and set that variable for the router; or put the secret into a file of its own,"
        " with `token_file` and the like.",
    ),
    Code(
        "readable-secret",
        "every user of this machine can read the file of a secret",
        "Any other program on this machine can sign as the sender, or post where only the router should.",
        "`chmod 600 FILE`, as the user that the router runs as. A file in a folder that is closed to others is not told"
        " of, nor one that lies where nothing can be written, as containers get their secrets.",
    ),
    Code(
        "key-in-clear",
        "the API key of a source is sent over `http://` to another machine",
        "Everybody on the way can read the key, and use it.",
        "Write `https://`.",
    ),
    Code(
        "mail-in-clear",
        "mails are handed to another machine without TLS",
        "Everybody on the way can read the mails and change them.",
        "Leave `tls: none` out: `starttls` is the default, and requires TLS.",
    ),
    Code(
        "unresolved-reference",
        "a `${NAME}` in the text of a message, or a `$NAME` without braces",
        "Both are plain text: people read `${NAME}`, or a token is the five letters `$NAME`.",
        "References are resolved under `sources` and `destinations` only, and need braces: `${NAME}`.",
    ),
    Code(
        UNUSED_IGNORE,
        "a comment `# lint: ignore=…` silences nothing",
        "A code in it is misspelt, so that the warning is still there; or the reason is gone, and the comment would"
        " hide the next such mistake.",
        "Correct the code, which stands in brackets behind each warning, or remove the comment. Errors have no code and"
        " cannot be ignored.",
    ),
)
CODES: Mapping[str, Code] = {code.name: code for code in _ALL}
