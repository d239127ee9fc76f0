"""Imports point one way, so that a reader can understand each part without those above it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "router"

# From the top: a module may import from its own row and from the rows below. A module that is not named here by itself
# stands where its folder stands; what is in no folder and not named stands at the bottom.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"router.cli"}),
    frozenset({"router.app"}),
    frozenset(
        {
            "router.ingress",
            "router.connection",
            "router.listener",
            "router.admin",
            "router.delivery",
            "router.spaces",
            "router.config.reload",
        }
    ),
    frozenset({"router.config"}),
    frozenset(
        {"router.rules", "router.messages", "router.destinations", "router.store", "router.clients", "router.smtp"}
    ),
    frozenset({"router"}),
)

# Neighbours in one row that may not know each other.
STRANGERS = ("router.rules", "router.messages", "router.destinations", "router.store")


def _modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _layer(module: str) -> int:
    """The row of a module, counted from the top; the longest name that fits decides."""
    fitting = [
        (len(name), row)
        for row, names in enumerate(LAYERS)
        for name in names
        if module == name or module.startswith(name + ".")
    ]
    return max(fitting)[1]


def _neighbourhood(module: str) -> str | None:
    return next((name for name in STRANGERS if module == name or module.startswith(name + ".")), None)


def _imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of an import"
            assert node.module is not None
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return [(line, _module_of(name)) for line, name in found if name == "router" or name.startswith("router.")]


def _module_of(name: str) -> str:
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return name


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downward(module: str) -> None:
    """A module knows only what stands beside or below it; the failure names the line that points the wrong way."""
    path = MODULES[module]
    wrong = []
    for line, imported in _imports(path):
        if imported == "router":
            continue  # the version
        if _layer(imported) < _layer(module):
            wrong.append(f"{path.relative_to(ROOT)}:{line}: {module} must not know {imported}")
        mine, other = _neighbourhood(module), _neighbourhood(imported)
        if mine and other and mine != other:
            wrong.append(f"{path.relative_to(ROOT)}:{line}: {mine} and {other} do not know each other")
    assert not wrong, "\n".join(wrong)


def test_only_the_composition_root_names_a_concrete_store() -> None:
    """Whoever needs the store asks for the protocol; `app.py` and commands without a router choose which one it is."""
    allowed = {"router.app", "router.cli.reading", "router.cli.purge"}
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for module, path in MODULES.items()
        if not module.startswith("router.store") and module not in allowed
        for line, imported in _imports(path)
        if imported == "router.store.sqlite"
    ]
    assert not wrong, "\n".join(wrong)


def test_only_two_modules_make_clients() -> None:
    """Time limits, bounds and redaction of what goes out have one home each, for HTTP and for SMTP."""
    wrong = []
    for module, path in MODULES.items():
        if module in {"router.clients", "router.smtp.client"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                made = node.func.attr in {"AsyncClient", "Client", "ClientSession", "AsyncHTTPClient", "SMTP"}
                if made:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, "\n".join(wrong)


def test_the_page_on_the_design_names_files_that_are_there() -> None:
    """Whoever looks for an answer in the file that `docs/design.md` names finds that file."""
    named = re.findall(r"`((?:\w+/)*\w+\.py)`", (ROOT / "docs" / "design.md").read_text())
    assert len(named) > 20
    assert [name for name in named if not (PACKAGE / name).is_file() and not (ROOT / name).is_file()] == []
