"""`replay` and `release` as a person at a terminal meets them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.admin_calls import PAGE, failing
from tests.cli import COMMAND, invoke, invoked
from tests.running import RunningRouter
from tests.sinks import Sink, answer, close, refused_port

RULES = """\
destinations:
  wiki: {type: http, url: "%s/hook", retry: [1h]}
  ops: {type: log}
rules:
  - {name: pages, events: page.*, to: wiki, message: "{{ page.title }}!"}
"""


async def ask(router: RunningRouter, *arguments: str, answers: str = "") -> Result:
    return await asyncio.to_thread(
        invoke, arguments[0], "--admin", router.app.admin_url, *arguments[1:], stdin=answers.encode()
    )


async def fail_pages(router: RunningRouter, sink: Sink, count: int) -> None:
    sink.answer_with(answer(400, "no such channel"))
    for number in range(count):
        await router.accept("page.updated", b'{"page": {"id": %d, "title": "Page %d"}}' % (number, number))
        await router.settle()
    sink.answer_with(answer())


# Many


async def test_many_are_shown_asked_for_and_sent(tmp_path: Path) -> None:
    """What would be sent, how much to which destination, the first messages, a question, and what came of it."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        await fail_pages(router, sink, 5)
        result = await ask(router, "replay", "--state", "dead", answers="y\n")
        await router.settle()
        dead = (await router.deliveries(state="dead"))[0]["id"]
        again = await ask(router, "replay", "--state", "dead")
    assert result.exit_code == 0, result.output
    shown, _, after = result.stdout.partition("Send them once more? [y/N]: y\n")
    assert shown == (
        f"5 dead letters would be sent once more by the router at {router.app.admin_url}:\n"
        "\n"
        "  COUNT  DESTINATION  RULE\n"
        "  5      wiki         pages\n"
        "\n"
        "The first of them would say:\n"
        "\n"
        f"  {dead} to wiki\n"
        "    Page 0!\n"
        "\n" + shown.partition("    Page 0!\n\n")[2]
    )
    assert after == "Replayed 5 deliveries. See what becomes of them: spaces-router deliveries --since 10m\n"
    assert [request.body.decode() for request in sink.received[5:]] == [f"Page {number}!" for number in range(5)]
    assert (again.exit_code, again.stdout) == (
        0,
        "Nothing to replay: all that fits was left out.\n\n  5 left out: replayed before; --again takes these too\n",
    )


async def test_nothing_is_sent_without_a_yes(tmp_path: Path) -> None:
    """A no, a missing answer and a dry run send nothing; the exit code tells which it was."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        await fail_pages(router, sink, 1)
        declined = await ask(router, "replay", "--state", "dead", answers="n\n")
        unanswered = await ask(router, "replay", "--state", "dead")
        rehearsed = await ask(router, "replay", "--state", "dead", "--dry-run")
        assert len(await router.deliveries()) == 1
        agreed = await ask(router, "replay", "--state", "dead", "--yes")
        await router.settle()
        assert len(await router.deliveries()) == 2
    assert (declined.exit_code, unanswered.exit_code, rehearsed.exit_code, agreed.exit_code) == (1, 1, 0, 0)
    assert declined.stderr == "Error: nothing was replayed.\n"
    assert "nothing was replayed: there was no answer. --yes goes on without asking." in unanswered.stderr
    assert "It would say:" in rehearsed.stdout
    assert rehearsed.stdout.endswith("\nNothing was sent: this was a dry run.\n")
    assert "Send them once more?" not in agreed.stdout
    assert "Replayed 1 delivery." in agreed.stdout


async def test_choice_of_many(tmp_path: Path) -> None:
    """Each option narrows the choice; `dead` is meant where no state is named, and --to sends elsewhere."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        await fail_pages(router, sink, 2)
        none = [
            await ask(router, "replay", *option, "--yes")
            for option in (
                ("--rule", "comments"),
                ("--state", "suppressed"),
                ("--since", "2026-03-02T09:16+00:00"),
                ("--until", "2026-03-02T09:15+00:00"),
                ("--destination", "ops"),
            )
        ]
        moved = await ask(router, "replay", "--destination", "wiki", "--to", "ops", "--yes")
        await router.settle()
        once_more = await ask(
            router, "replay", "--since", "2026-03-02", "--until", "2026-03-04", "--again", "--dry-run"
        )
        wrong = await ask(router, "replay", "--destination", "wikki", "--yes")
        assert len(await router.deliveries(destination="ops", state="delivered")) == 2
    assert [result.exit_code for result in none] == [0] * 5
    assert [result.stdout for result in none[:2]] == [
        "Nothing to replay: no dead letter fits.\n",
        "Nothing to replay: no delivery that ended as suppressed fits.\n",
    ]
    assert "Replayed 2 deliveries." in moved.stdout
    assert "2 dead letters would be sent once more" in once_more.stdout
    assert (wrong.exit_code, "did you mean 'wiki'?" in wrong.stderr) == (1, True)


async def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    """What cannot be sent is counted with the reason, in words that say how to mend it."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        await fail_pages(router, sink, 2)
        router.write(failing(sink.url).replace("wiki", "other"))
        assert (await router.post("/-/reload")).status_code == 200
        result = await ask(router, "replay", "--state", "dead")
    assert result.exit_code == 0
    assert "2 left out: destination 'wiki' is gone from the rule file; give it back" in result.stdout


async def test_long_and_hostile_messages_are_shown_in_short(tmp_path: Path) -> None:
    """An example takes a few lines, and nothing in it can steer the terminal."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        sink.answer_with(answer(400))
        title = "\\u001b[31mred" + "\\nline" * 40
        await router.accept("page.updated", f'{{"page": {{"title": "{title}"}}}}'.encode())
        await router.settle()
        result = await ask(router, "replay", "--state", "dead", "--dry-run")
    assert "\x1b" not in result.stdout
    assert "… and 35 lines more" in result.stdout
    assert len(result.stdout.splitlines()) < 20


async def test_message_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A template that fails is seen before anything is sent."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        await fail_pages(router, sink, 1)
        router.write(failing(sink.url).replace("page.title", "1 // page.absent"))
        await router.post("/-/reload")
        result = await ask(router, "replay", "--state", "dead", "--dry-run")
    assert "cannot be written: " in result.stdout


def step(replayed: int, following: str | None, *, dry_run: bool = False) -> str:
    """What a router answers to one step."""
    counts = [{"destination": "wiki", "rule": "pages", "count": replayed}] if replayed else []
    told: Mapping[str, Any] = {
        "dry_run": dry_run,
        "replayed": [str(number) for number in range(replayed)],
        "counts": counts,
        "skipped": [],
        "examples": [],
        "next": following,
    }
    return json.dumps(told)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (
            answer(503, '{"error": "queue_full", "message": "9 deliveries are waiting already"}'),
            "are waiting already. ",
        ),
        (close, "does not speak as a router's admin side does"),
    ],
)
@pytest.mark.parametrize("again", [False, True])
async def test_what_was_done_is_told_where_it_breaks_off(ends: Any, said: str, again: bool) -> None:
    """If the router goes away in the middle, the command says how far it came and what the same command would do."""
    async with Sink() as router:
        router.answer_with(
            answer(200, step(1000, "more", dry_run=True)),
            answer(200, step(500, None, dry_run=True)),
            answer(200, step(1000, "more")),
            ends,
        )
        more = ["--again"] if again else []
        result = await invoked("replay", "--state", "dead", "--yes", "--admin", router.url, *more)
    assert result.exit_code == 1
    assert "1,500 dead letters would be sent once more" in result.stdout
    assert said in result.stderr
    assert "1,000 deliveries were replayed before that." in result.stderr
    if again:
        assert "With --again, the same command sends those once more." in result.stderr
    else:
        assert "The same command goes on with the rest, and sends nothing twice." in result.stderr
    asked = [request.json for request in router.received]
    assert [(one.get("dry_run", False), one["cursor"]) for one in asked] == [
        (True, None),
        (True, "more"),
        (False, None),
        (False, "more"),
    ]


def at_a_terminal(*arguments: str) -> tuple[str, int]:
    """Run the command at a terminal of its own, saying yes to whatever it asks."""
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SPACES_")}
    command = [str(COMMAND), *arguments]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**environ, "TERM": "xterm"}, start_new_session=True
    )
    os.close(theirs)
    output, answered = b"", False
    with contextlib.suppress(OSError):  # how Linux tells that nobody has the other end open
        while read := os.read(ours, 4096):
            output += read
            if b"[y/N]" in output and not answered:
                os.write(ours, b"y\n")
                answered = True
    os.close(ours)
    return output.decode(), process.wait(60)


async def test_progress_is_shown_at_a_terminal() -> None:
    """At a terminal a bar shows how far it is; elsewhere there is none."""
    async with Sink() as router:
        answers = [
            answer(200, step(4, None, dry_run=True)),
            answer(200, step(1, "more")),
            answer(200, step(3, None)),
        ]
        router.answer_with(*answers)
        output, code = await asyncio.to_thread(at_a_terminal, "replay", "--state", "dead", "--admin", router.url)
        router.answer_with(*answers)
        elsewhere = await invoked("replay", "--state", "dead", "--yes", "--admin", router.url)
    assert code == 0, output
    assert "Replaying" in output
    assert " 25%" in output
    assert "100%" in output
    assert "Replayed 4 deliveries." in output
    assert "Replaying" not in elsewhere.output


async def test_list_of_dead_letters_leads_to_their_replay(tmp_path: Path) -> None:
    """
    The list of what was given up names the command that shows what a replay of the same choice would send.

    Once all of them are handled there is nothing to send, and it names none.
    """
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        await fail_pages(router, sink, 1)
        listed = await ask(router, "deliveries", "--state", "dead", "--rule", "pages", "--since", "2026-03-01T00:00Z")
        command = listed.stdout.splitlines()[-1].partition(": spaces-router ")[2]
        rehearsed = await ask(router, *shlex.split(command))
        everything = await ask(router, "deliveries")
        await ask(router, "replay", "--state", "dead", "--yes")
        await router.settle()
        handled = await ask(router, "deliveries", "--state", "dead")
    assert command == "replay --state dead --rule pages --since 2026-03-01T00:00:00.000Z --dry-run"
    assert rehearsed.stdout.startswith("1 dead letter would be sent once more")
    assert "spaces-router replay" not in everything.stdout
    assert "dead, handled" in handled.stdout
    assert "spaces-router replay" not in handled.stdout


# One


async def test_event_is_replayed(tmp_path: Path) -> None:
    """An event is judged by today's rules; where nothing matches, the command says so."""
    async with Sink() as sink, RunningRouter(tmp_path, RULES % sink.url) as router:
        page, user = await router.accept("page.updated", PAGE), await router.accept("user.updated")
        await router.settle()
        result = await ask(router, "replay", "--event", page)
        await router.settle()
        nothing = await ask(router, "replay", "--event", user)
        newest = (await router.deliveries())[-1]
        unknown = await ask(router, "replay", "--event", newest["id"])
    assert (result.exit_code, nothing.exit_code, unknown.exit_code) == (0, 0, 1)
    assert result.stdout == (
        f"Replayed as delivery {newest['id']}; see what became of it: spaces-router show {newest['id']}\n"
    )
    assert nothing.stdout.startswith("Nothing was sent: no rule of today matches this user.updated")
    assert f"there is no event {newest['id']}" in unknown.stderr


async def test_rejected_request_is_replayed(tmp_path: Path) -> None:
    """What was answered 400 becomes an event once its name is given."""
    async with Sink() as sink, RunningRouter(tmp_path, RULES % sink.url) as router:
        assert (await router.receive("?", PAGE)).status_code == 400
        number = (await router.get("rejected"))["rejected"][0]["id"]
        unnamed = await ask(router, "replay", "--rejected", number)
        result = await ask(router, "replay", "--rejected", number, "--event-name", "page.created")
        await router.settle()
        (event,) = (await router.get("events"))["events"]
        (made,) = await router.deliveries()
        gone = await ask(router, "replay", "--rejected", number)
    assert (unnamed.exit_code, result.exit_code, gone.exit_code) == (1, 0, 1)
    assert "the header Event is '?'" in unnamed.stderr
    assert result.stdout == (
        f"It is event {event['id']} now: spaces-router show {event['id']}\n"
        f"Replayed as delivery {made['id']}; see what became of it: spaces-router show {made['id']}\n"
    )
    assert "was replayed and is an event now" in " ".join(gone.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Say what to replay: the ID of a delivery, --event, --rejected, or many with --state dead."),
        (["--again"], "Say what to replay"),
        (["--to", "ops"], "Say what to replay"),
        (["7", "--event", "8"], "ID and --event exclude each other"),
        (["--event", "8", "--rejected", "9"], "--event and --rejected exclude each other"),
        (["7", "--state", "dead"], "--state is for a choice of many and does not go with ID."),
        (["7", "--dry-run"], "--dry-run is for a choice of many and does not go with ID."),
        (["--event", "8", "--to", "ops"], "--to does not go with --event"),
        (["7", "--event-name", "page.updated"], "--event-name goes with --rejected only."),
        (["--state", "pending"], "'pending' is not one of 'delivered', 'dead', 'suppressed', 'merged'"),
        (["seven"], "'seven' is not an id"),
    ],
)
def test_what_does_not_go_together(arguments: list[str], said: str) -> None:
    """Wrong usage sends nothing, says what is wrong, and ends with 2."""
    result = invoke("replay", *arguments, "--admin", f"127.0.0.1:{refused_port()}")
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


async def test_release(tmp_path: Path) -> None:
    """What waits for its next attempt is sent; `show` names the command, and what cannot be released says why."""
    async with Sink() as sink, RunningRouter(tmp_path, RULES % sink.url) as router:
        sink.answer_with(answer(503), answer())
        await router.accept("page.updated", PAGE)
        await router.settle()
        (waiting,) = await router.deliveries()
        shown = await ask(router, "show", waiting["id"])
        result = await ask(router, "release", waiting["id"])
        await router.settle()
        again = await ask(router, "release", waiting["id"])
        unknown = await ask(router, "release", "5")
        assert await router.states() == ["delivered"]
    assert f"To send it now: spaces-router release {waiting['id']}" in shown.stdout
    assert (result.exit_code, again.exit_code, unknown.exit_code) == (0, 1, 1)
    assert result.stdout == f"Released; see what becomes of it: spaces-router show {waiting['id']}\n"
    assert "is delivered: it has come to its end; to send it once more, replay it" in " ".join(again.stderr.split())
    assert "there is no delivery 5" in unknown.stderr


@pytest.mark.parametrize("command", [["replay", "7"], ["replay", "--state", "dead"], ["release", "7"]])
def test_only_the_running_router_can_send(command: list[str]) -> None:
    """Without a router the command says how to start one."""
    result = invoke(*command, "--admin", f"127.0.0.1:{refused_port()}")
    assert result.exit_code == 1
    assert "Only the running router can send: start it with `spaces-router serve`" in " ".join(result.stderr.split())
