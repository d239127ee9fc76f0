"""What `test` does, and how it shows what it found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from router.cli.group import FAILED, Failed
from router.cli.junit import as_junit
from router.cli.output import as_json, counted, paragraph, plain, shorten, width
from router.cli.preview_report import load_rules, tell_missing
from router.cli.subject import read_body
from router.config.model import Configuration
from router.config.problems import ConfigurationInvalid, Problem, format_github, format_text, summary
from router.config.references import UNRESOLVED
from router.config.rule_tests import RuleTest
from router.config.tests_file import load_tests
from router.config.tests_section import EXAMPLE
from router.delivery.testing import Mismatch, Result, run_test
from router.secret import Redactor

_MOST_LINES = 12


def report(rules: Path, more: Sequence[Path], junit: Path | None, form: str) -> int:
    """
    Run all tests and print what came of them.

    Args:
        more: Files of tests.
        junit: Where to write JUnit XML, or None.
        form: `text`, `json` or `github`.

    Returns:
        The exit code: 1 where a test failed.

    Raises:
        Failed: A file has problems, or there is no test.
    """
    missing: list[str] = []
    by = load_rules(rules, missing, "test")
    tests = [*by.tests, *_further_tests(more, by)]
    if not tests:
        where = plain(rules) if not more else f"{plain(rules)} and the other files"
        raise Failed(f"there are no tests in {where}. They stand under the key tests, such as {EXAMPLE}")
    redactor = Redactor(text for text in by.secrets() if text != UNRESOLVED)
    results = [run_test(test, by, _content(test)) for test in tests]
    told = [_told(result, redactor) for result in results]
    if form == "text":
        click.echo("\n".join(_lines(told)))
    elif form == "github":
        click.echo(format_github(list(_problems(told))), nl=False)
    else:
        failed = sum(not one["passed"] for one in told)
        click.echo(as_json({"tests": told, "passed": len(told) - failed, "failed": failed}))
    if missing:
        tell_missing(missing, "tests")
    if junit is not None:
        _write(junit, as_junit(told))
    return 0 if all(result.passed for result in results) else FAILED


def _further_tests(files: Sequence[Path], by: Configuration) -> Iterator[RuleTest]:
    """Load files of tests; of all that have problems, the problems are printed before that ends it."""
    found: list[RuleTest] = []
    problems: list[Problem] = []
    for file in files:
        try:
            found += load_tests(file, by)
        except ConfigurationInvalid as invalid:
            problems += invalid.problems
    if problems:
        click.echo(format_text(problems).rstrip("\n"), err=True)
        where = str(files[0]) if len(files) == 1 else "files of tests"
        raise Failed(f"{summary(problems, where)}; mend it first, then test.")
    yield from found


def _content(test: RuleTest) -> bytes | None:
    """Read the body of a test's event, where it is in a file of its own."""
    if test.payload_file is None:
        return None
    try:
        return read_body(Path(test.file).parent / test.payload_file)
    except Failed as failed:
        raise Failed(f"{plain(test.file)}:{test.lines['payload_file']}: {failed.message}") from None


# What is shown


def _told(result: Result, redactor: Redactor) -> Mapping[str, Any]:
    test = result.test
    return {
        "name": test.name,
        "file": test.file,
        "line": test.line,
        "passed": result.passed,
        "mismatches": [_mismatch(each, redactor) for each in result.mismatches],
    }


def _mismatch(each: Mismatch, redactor: Redactor) -> Mapping[str, Any]:
    return {
        "key": each.key,
        "line": each.line,
        "message": redactor.redact(each.sentence),
        "expected": [redactor.redact(line) for line in each.expected],
        "found": [redactor.redact(line) for line in each.found],
    }


def _lines(told: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in told:
        mark = click.style("ok    ", fg="green") if one["passed"] else click.style("FAILED", fg="red", bold=True)
        yield f"{mark}  {plain(one['name'])}"
        for mismatch in one["mismatches"]:
            yield from _mismatch_lines(one["file"], mismatch)
    failed = sum(not one["passed"] for one in told)
    yield ""
    if failed:
        yield click.style(f"{failed} of {counted(len(told), 'test')} failed", fg="red")
    else:
        yield click.style("The test passed" if len(told) == 1 else f"All {len(told)} tests passed", fg="green")


def _mismatch_lines(file: str, mismatch: Mapping[str, Any]) -> Iterator[str]:
    sentence = f": {plain(mismatch['message'])}" if mismatch["message"] else ""
    yield paragraph(f"{plain(file)}:{mismatch['line']}: {mismatch['key']}{sentence}", "        ", hanging="  ")
    for line in mismatch["expected"]:
        yield click.style(paragraph(f"- {plain(line)}", " " * 10, hanging="  "), fg="red")
    for line in mismatch["found"][:_MOST_LINES]:
        yield click.style(" " * 10 + shorten(f"+ {plain(line)}".rstrip(), width() - 10), fg="green")
    if (more := len(mismatch["found"]) - _MOST_LINES) > 0:
        yield f"{' ' * 10}… and {counted(more, 'line')} more"


def as_text(mismatch: Mapping[str, Any]) -> str:
    """Write what differs on one line."""
    parts = [mismatch["message"]] if mismatch["message"] else []
    parts += [f"expected {'; '.join(mismatch['expected'])}"] if mismatch["expected"] else []
    parts += [f"found {' / '.join(mismatch['found'][:_MOST_LINES])}"] if mismatch["found"] else []
    return f"{mismatch['key']}: {'; '.join(parts)}"


def _problems(told: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    for one in told:
        for mismatch in one["mismatches"]:
            yield Problem(one["file"], mismatch["line"], 1, f"test {one['name']!r}: {plain(as_text(mismatch))}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failed(f"{plain(path)} cannot be written: {error.strerror or error}.") from None
