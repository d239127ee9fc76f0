"""
`docs/lint.md`, written from the table of warnings.

To write it anew: `python -m tests.lint_page`
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from router.config.lint.codes import CODES, UNUSED_IGNORE, Code
from router.config.lint.examples import EXAMPLES, Example
from router.config.load import load
from router.config.problems import format_text

ENVIRON = {
    "SPACES_TOKEN": "a-token",
    "SPACES_API_KEY": "a-key",
    "SLACK_URL": "https://hooks.slack.com/services/T/B/x",
}
PAGE = Path(__file__).parent.parent / "docs" / "lint.md"

_TOP = f"""\
# Warnings

A rule file can be right and still not do what you meant. `spaces-router check` warns of that: each warning has a code
in brackets behind it, and does not keep the file from being used. Only what is certain is told.

- `spaces-router check --explain CODE` prints what this page says about one of them.
- `spaces-router check --strict` fails where there are warnings, for a pipeline.
- `# lint: ignore=CODE` behind the line of a warning, where the caret is, keeps it back:

```yaml
sources:
  spaces: {{token: "${{SPACES_TOKEN}}"}}
destinations:
  docs: {{type: log}}
  # lint: ignore=unused-destination, secret-in-file (until the new channel is open)
  news: {{type: http, url: https://news.example.com/, sign: in-clear}}
rules:
  - name: pages
    events: [page.*, page.archived]  # lint: ignore=unknown-event
    to: docs
    message: |  # lint: ignore=unknown-field
      {{{{ page.title }}}}
      {{{{ page.ourOwnField }}}}
```

Several codes are divided by commas, and a reason may follow. On a line of its own, the comment is about the next line
that is no comment. A text of several lines counts as one: for what stands in it, the comment belongs on the line where
it begins, before the text. In a template file it is `{{# lint: ignore=CODE #}}`. A comment that keeps nothing back is
itself a warning (`{UNUSED_IGNORE}`), unless it is about `readable-secret`, which depends on the machine. Errors have no
code and cannot be ignored.

Codes stay the same from version to version. People and spaces that no rule names are not told of: they are there for
the names in messages. What is not built yet, such as `hours`, has no warnings either.

| code | what was found |
| --- | --- |
"""


def page() -> str:
    """Write the page."""
    rows = [f"| [`{code.name}`](#{code.name}) | {_cell(code.what)} |" for code in CODES.values()]
    sections = [part for code in CODES.values() for part in _section(code, EXAMPLES[code.name])]
    return _TOP + "\n".join([*rows, "", *sections]).rstrip() + "\n"


def _section(code: Code, example: Example) -> Iterator[str]:
    yield f"## {code.name}\n"
    yield f"{code.what[:1].upper()}{code.what[1:]}. {code.why}\n"
    for file, text in example.beside.items():
        yield f"With a file `{file}`:\n\n```text\n{text}\n```\n"
    yield f"```yaml wrong\n{example.wrong}```\n"
    if told := _told(example):
        yield f"```text\n{told}```\n"
    yield f"{code.fix}\n"
    yield f"```sh\n{example.then}\n```\n" if example.then else f"```yaml\n{example.right}```\n"


def _told(example: Example) -> str:
    """What `check` says; nothing where that depends on the machine."""
    if example.then:
        return ""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, text in example.beside.items():
            Path(name).parent.mkdir()
            Path(name).write_text(text, encoding="utf-8")
        Path("rules.yaml").write_text(completed(example.wrong), encoding="utf-8")
        return format_text(load(Path("rules.yaml"), ENVIRON).warnings)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def completed(example: str) -> str:
    """Add the sections that an example does not show."""
    names = [name for name in ("docs", "ops") if re.search(rf"\b{name}\b", example)] or ["docs"]
    places = [f"  {name}: {{type: slack, url: https://{name}.example.com}}\n" for name in names]
    rest = {
        "sources": 'sources: {spaces: {token: "${SPACES_TOKEN}"}}\n',
        "destinations": "destinations:\n" + "".join(places),
        "rules": "rules: [{name: the rest, events: page.*, to: docs}]\n",
    }
    missing = [text for key, text in rest.items() if not re.search(rf"^{key}:", example, re.MULTILINE)]
    return "\n".join([example, *missing])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
