"""Results of tests as JUnit XML, the format that CI systems read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

# Source: the XML recommendation 1.0, production 2: the characters that a document may hold.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(told: Sequence[Mapping[str, Any]]) -> str:
    """
    Write results, a suite for each file.

    Source: "JUnit XML reporting file format" at llg.cubic.org, of what Jenkins reads, and GitLab's page "Unit test
    reports", read 2026-11. All of them show the text of a failure and few its message; some read `file` and `line`.
    """
    root = ET.Element("testsuites", _counts(told))
    for file in dict.fromkeys(one["file"] for one in told):
        of_file = [one for one in told if one["file"] == file]
        suite = ET.SubElement(root, "testsuite", {"name": _clean(file), **_counts(of_file)})
        for one in of_file:
            place = {"file": _clean(file), "line": str(one["line"])}
            case = ET.SubElement(
                suite, "testcase", {"name": _clean(one["name"]), "classname": _clean(file), "time": "0", **place}
            )
            if not one["passed"]:
                _add_failure(case, one)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _counts(told: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    failures = sum(not one["passed"] for one in told)
    return {"tests": str(len(told)), "failures": str(failures), "errors": "0", "skipped": "0", "time": "0"}


def _add_failure(case: ET.Element, one: Mapping[str, Any]) -> None:
    keys = ", ".join(dict.fromkeys(mismatch["key"] for mismatch in one["mismatches"]))
    failure = ET.SubElement(case, "failure", {"message": f"not as expected: {keys}", "type": "mismatch"})
    lines = []
    for mismatch in one["mismatches"]:
        about = f": {mismatch['message']}" if mismatch["message"] else ""
        lines.append(f"{one['file']}:{mismatch['line']}: {mismatch['key']}{about}")
        lines += [f"  - {line}" for line in mismatch["expected"]]
        lines += [f"  + {line}" for line in mismatch["found"]]
    failure.text = _clean("\n".join(lines))


def _clean(text: str) -> str:
    return _NOT_XML.sub("�", text)
