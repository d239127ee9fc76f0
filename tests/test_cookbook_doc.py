"""`docs/cookbook.md` tells the truth: every recipe is run through a router, and what it shows is what comes out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from router.config.load import load
from router.samples import sample
from tests.running import TOKEN, RunningRouter

PAGE = (Path(__file__).parents[1] / "docs" / "cookbook.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"```(\w+)(?: ([^\n]*))?\n(.*?)```", re.DOTALL)
_CLAIM = re.compile(
    r"^(?:After `(?P<before>[\w.]+)`, )?`(?P<event>[\w.]+)`(?: with `(?P<fields>\{[^`]*\})`)? → (?P<end>[^\n]+?):?\n"
    r"(?:\n```(?P<language>text|json)\n(?P<shown>.*?)```)?",
    re.DOTALL | re.MULTILINE,
)
_FILLED = {"SPACES_TOKEN": TOKEN, "PARTNER_SECRET": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}


@dataclass(frozen=True)
class Claim:
    """What the page says becomes of an event."""

    event: str
    fields: dict[str, Any]
    before: str | None
    end: str
    shown: str | None


@dataclass(frozen=True)
class Recipe:
    title: str
    rules: str
    files: dict[str, str]
    claims: list[Claim]


def _only_shown(block: re.Match[str]) -> str:
    return block[0] if block[1] in ("text", "json") else ""


def _recipes() -> list[Recipe]:
    beginning = next(text for _, more, text in _BLOCK.findall(PAGE) if more == "beginning")
    found = []
    for section in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        blocks = _BLOCK.findall(text)
        (rules,) = [
            beginning + body if more != "whole" else body for language, more, body in blocks if language == "yaml"
        ]
        files = {more.removeprefix("file "): body for _, more, body in blocks if more.startswith("file ")}
        claims = [
            Claim(claim["event"], json.loads(claim["fields"] or "{}"), claim["before"], claim["end"], claim["shown"])
            for claim in _CLAIM.finditer(_BLOCK.sub(_only_shown, text))
        ]
        found.append(Recipe(title, rules, files, claims))
    return found


RECIPES = _recipes()


def test_there_are_recipes_and_the_list_at_the_top_leads_to_them() -> None:
    """Each claims something, and no link of the page is dead."""
    assert len(RECIPES) >= 15
    assert [recipe.title for recipe in RECIPES if not recipe.claims] == []
    anchors = {re.sub(r"[^a-z0-9 -]", "", recipe.title.lower()).replace(" ", "-") for recipe in RECIPES}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors


class Kitchen(RunningRouter):
    """A router on the text of a recipe; it sends nothing."""

    def write(self, rules: str) -> None:
        self.path.write_text(rules)

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        for name, text in recipe.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        super().__init__(folder, recipe.rules, dry_run=True)
        names = re.findall(r"\$\{([A-Z_]+)", recipe.rules)
        self.environ = {name: f"https://chat.example.com/{name.lower()}" for name in names} | _FILLED


def body_of(claim: Claim) -> bytes:
    body = json.loads(sample(claim.event))
    ((root, model),) = body.items()
    return json.dumps({root: model | claim.fields}).encode()


def shown(message: dict[str, Any]) -> Any:
    """What the page shows of a message: JSON, or text with the subject of a mail above it."""
    if "body" in message or "blocks" in message:
        return message.get("body", {key: message[key] for key in ("text", "blocks") if key in message})
    subject = f"Subject: {message['subject']}\n\n" if message.get("html") else ""
    return subject + message["text"]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
async def test_recipes(recipe: Recipe, tmp_path: Path) -> None:
    """Each event goes where the page says, and reads as the page shows."""
    for number, claim in enumerate(recipe.claims):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with Kitchen(folder, recipe) as router:
            if claim.before is not None:
                await router.accept(claim.before)
            event = await router.accept(claim.event, body_of(claim))
            await router.settle()
            made = await router.deliveries(event=event)
            messages = [(await router.get(f"deliveries/{each['id']}"))["message"] for each in made]
        places = [f"`{each['destination']}`" for each in made]
        if claim.end == "nothing":
            assert places == []
        elif claim.end.startswith("nothing to say to"):
            assert (places, messages[0]["text"].strip()) == ([claim.end.split()[-1]], "")
        elif claim.end.endswith(", as it came"):
            assert (places, messages) == ([claim.end.split(",")[0]], [{"forward": True}])
        else:
            assert places == claim.end.split(", ")
        if claim.shown is not None:
            expected = json.loads(claim.shown) if claim.shown.startswith("{") else claim.shown.strip()
            assert shown(messages[0]) == expected


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_recipes_give_the_linter_no_reason_for_a_warning(recipe: Recipe, tmp_path: Path) -> None:
    """But for addresses that stand in the file, as they may in an example."""
    kitchen = Kitchen(tmp_path, recipe)
    warnings = [warning for warning in load(kitchen.path, kitchen.environ).warnings if warning.code != "secret-in-file"]
    assert [str(warning) for warning in warnings] == []
