"""What `check --explain` says of a kind of warning."""

from __future__ import annotations

import textwrap

import click

from router.cli.output import paragraph, plain
from router.config.lint.codes import CODES, UNUSED_IGNORE
from router.config.lint.examples import EXAMPLES
from router.config.problems import did_you_mean

_INDENT = "    "


def explanation(name: str) -> str:
    """
    Say what a warning means, why it matters and how to mend it, with an example.

    Args:
        name: Its code, in any case.

    Raises:
        click.BadParameter: There is no such code.
    """
    code = CODES.get(name.strip().strip("[]").lower())
    if code is None:
        guess = did_you_mean(name, CODES)
        message = f"no warning has the code '{plain(name)}'{guess}; there are: {', '.join(CODES)}"
        raise click.BadParameter(message, param_hint="--explain")
    example = EXAMPLES[code.name]
    parts = [paragraph(f"{code.name}: {code.what}.", ""), paragraph(f"Why: {code.why}"), paragraph(f"Mend: {code.fix}")]
    for file, text in example.beside.items():
        parts.append(f"With a file {file}:\n\n{textwrap.indent(text, _INDENT)}")
    parts.append(f"For example:\n\n{textwrap.indent(example.wrong.rstrip(), _INDENT)}")
    right = f"$ {example.then}" if example.then else example.right.rstrip()
    parts.append(f"Mended:\n\n{textwrap.indent(right, _INDENT)}")
    if code.name != UNUSED_IGNORE:
        parts.append(f"If it is meant so, say it behind the line, or above it:\n\n{_INDENT}# lint: ignore={code.name}")
    return "\n\n".join(parts)
