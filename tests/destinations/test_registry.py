"""The folder is the registry: one new file is one new type."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import router.destinations
from router.destinations import base
from router.destinations.base import Clients, destination_types
from tests.destinations.conftest import outgoing

NTFY = '''
"""Push messages to phones."""

from router.destinations.base import Clients, Destination, Outgoing, Receipt
from router.secret import Secret


class MyPush(Destination, type="my-push"):
    topic: Secret

    async def send(self, outgoing: Outgoing, clients: Clients) -> Receipt:
        return Receipt(detail=f"pushed {outgoing.message.text}")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A second folder of the same package, so that no test writes into the program's own."""
    before = set(sys.modules), dict(base._TYPES)
    router.destinations.__path__.append(str(tmp_path))
    yield tmp_path
    router.destinations.__path__.remove(str(tmp_path))
    for name in set(sys.modules) - before[0]:
        del sys.modules[name]
    base._TYPES.clear()
    base._TYPES.update(before[1])


async def test_new_file_is_a_new_type(folder: Path, clients: Clients) -> None:
    """A file with a class is all it takes; its fields are the keys and its secrets are known."""
    (folder / "my_push.py").write_text(NTFY)
    destination = destination_types()["my-push"].model_validate({"topic": "wiki-topic", "timeout": "5s"})
    assert destination.secrets() == ["wiki-topic"]
    assert (await destination.send(outgoing(), clients)).detail == "pushed Page moved"


def test_file_that_defines_nothing_is_a_mistake(folder: Path) -> None:
    """A file whose name and type differ is found at once and not when somebody misses the type."""
    (folder / "other_push.py").write_text(NTFY)
    with pytest.raises(RuntimeError, match=r"other_push.py defines no destination of type 'other-push'"):
        destination_types()


def test_built_in_types() -> None:
    """Modules that types share are none themselves."""
    assert {"http", "log", "slack"} <= set(destination_types())
    assert not {"base", "address", "answers", "signing"} & set(destination_types())
