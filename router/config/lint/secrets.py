"""Secrets that stand in the rule file itself, where backups and repositories carry them on."""

from __future__ import annotations

import re
from collections.abc import Iterable

from router.config.keys import is_known
from router.config.nodes import Mapping, Node, Scalar, scalars
from router.config.reading import Reading

_ONLY_HOST = re.compile(r"https?://[^/?#@]*/?")  # a stand-in for Slack: nothing in it is secret
_BARE_REFERENCE = re.compile(r"\$[A-Z_][A-Z0-9_]*", re.ASCII)
_SECRET_KEY = re.compile(r"token|sign|secret|password|bearer|(?i:authorization|[\w-]*(?:api-?key|token|secret))")


def lint_secrets(tree: Node, reading: Reading) -> None:
    """Look for secrets that stand in the file, where backups and repositories carry them on; `$NAME` is none yet."""
    for section in ("sources", "destinations"):
        for entry in _maps_below(tree, section):
            kind = entry.entries["type"].value if "type" in entry.entries else None
            is_slack = isinstance(kind, Scalar) and kind.value == "slack"
            for key, scalar in scalars(entry):
                if isinstance(scalar.value, str) and not scalar.outside and _BARE_REFERENCE.fullmatch(scalar.value):
                    what = key if is_known(key) else "value"  # a key that is none may hold a secret
                    reading.warn(
                        scalar,
                        "unresolved-reference",
                        f"this {what} is taken as it stands; a reference needs braces, as in ${{NAME}}",
                    )
                elif _is_secret(key, scalar, is_slack=is_slack) and _is_written_out(scalar):
                    reading.warn(
                        scalar,
                        "secret-in-file",
                        f"this {key} is a secret in the file itself; move it out and write ${{NAME}} here",
                    )


def _is_secret(key: str, scalar: Scalar, *, is_slack: bool) -> bool:
    if key == "url" and is_slack:
        return _ONLY_HOST.fullmatch(scalar.text) is None
    return _SECRET_KEY.fullmatch(key) is not None


def _maps_below(tree: Node, section: str) -> Iterable[Mapping]:
    below = tree.entries[section].value if isinstance(tree, Mapping) and section in tree.entries else None
    entries = below.entries.values() if isinstance(below, Mapping) else ()
    return [entry.value for entry in entries if isinstance(entry.value, Mapping)]


def _is_written_out(scalar: Scalar) -> bool:
    return isinstance(scalar.value, str) and bool(scalar.value.strip()) and "${" not in scalar.text
