"""The version of a store and the way to the newest one: numbered SQL files, each applied in one transaction."""

from __future__ import annotations

from importlib.resources import files

import apsw

_FOLDER = files("router.store").joinpath("migrations/sqlite")


def _numbered() -> dict[int, str]:
    names = sorted(entry.name for entry in _FOLDER.iterdir() if entry.name.endswith(".sql"))
    return {int(name.split("_", 1)[0]): name for name in names}


_MIGRATIONS = _numbered()

NEWEST = max(_MIGRATIONS)
"""The schema version that this program reads and writes."""


def version(connection: apsw.Connection) -> int:
    """Read the schema version of a store; 0 for a database that is none."""
    if not connection.table_exists(None, "meta"):
        return 0
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    return 0 if row is None else int(row[0])


def migrate(connection: apsw.Connection) -> None:
    """Bring a store to the newest version."""
    for number in range(version(connection) + 1, NEWEST + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(_FOLDER.joinpath(_MIGRATIONS[number]).read_text(encoding="utf-8"))
            connection.execute(
                "INSERT INTO meta VALUES ('schema_version', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                (str(number),),
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
