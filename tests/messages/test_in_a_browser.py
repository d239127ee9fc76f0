"""What mails look like in a browser: nothing is wider than a narrow window, and dark is dark."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import escape
from pathlib import Path
from typing import Any

import pytest

from router.mail import Letter, Mailbox, compose
from tests.fakes import START
from tests.mail_sinks import Mail
from tests.messages.golden import written
from tests.messages.known import known_namespace

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: nobody looked at the mails")

MEASURE = """<script>
const colour = getComputedStyle(document.querySelector("h1")).color;
parent.document.title += `;${innerWidth} ${document.documentElement.scrollWidth} ${colour}`;
</script>"""


def document() -> str:
    """A mail that has every part, with a title that no line can hold, as it leaves."""
    namespace: dict[str, Any] = known_namespace("page.created", {})
    namespace["changes"] = {"name": {"before": "a", "after": "b" * 90}}
    namespace["page"] = {**namespace["page"], "title": "x" * 150, "changeMessage": "y" * 300}
    message = written("email", "full", namespace)
    sender = Mailbox("wiki@example.com")
    letter = Letter(sender, [sender], message.subject, message.text, message.html, "1", START, "pages")
    return Mail("", [], compose(letter), encrypted=False, login=None).part("html")


@needs_chromium
@pytest.mark.parametrize(
    ("scheme", "text"), [("1", "rgb(0, 0, 0)"), ("0", "rgb(255, 255, 255)")], ids=["light", "dark"]
)
def test_mails_fit_narrow_windows_and_both_colour_schemes(tmp_path: Path, scheme: str, text: str) -> None:
    """At 360 and 900 pixels nothing sticks out; the text is black in a light program, and white in a dark one."""
    mail = escape(document().replace("</body>", f"{MEASURE}</body>"))
    # In frames, since no window of a headless browser is narrower than 500 pixels.
    frames = "".join(
        f'<iframe style="width: {width}px; height: 3000px; border: 0" srcdoc="{mail}"></iframe>' for width in (360, 900)
    )
    page = tmp_path / "mail.html"
    page.write_text(f"<!doctype html><title></title>{frames}", encoding="utf-8")
    assert CHROMIUM is not None
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"),
        *("--window-size=1400,800", f"--blink-settings=preferredColorScheme={scheme}", "--dump-dom", page.as_uri()),
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    measured = re.search(r"<title>;(.*?)</title>", shown)
    assert measured is not None
    assert sorted(measured[1].split(";")) == [f"360 360 {text}", f"900 900 {text}"]
