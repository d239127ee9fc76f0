"""What must be true of a store's file whatever happened to it, asked of the file itself."""

from __future__ import annotations

from pathlib import Path

import apsw

_FAULTS = {
    "a delivery without its event": "SELECT id FROM deliveries WHERE event_id NOT IN (SELECT id FROM events)",
    "an attempt without its delivery": "SELECT delivery_id FROM attempts WHERE delivery_id NOT IN"
    " (SELECT id FROM deliveries)",
    "attempts with a gap in their numbers": "SELECT delivery_id FROM attempts GROUP BY delivery_id"
    " HAVING min(number) <> 1 OR max(number) <> count(*)",
    "attempts that are counted wrong": "SELECT id FROM deliveries WHERE attempts <>"
    " (SELECT count(*) FROM attempts WHERE delivery_id = deliveries.id)",
    "interruptions that are counted wrong": "SELECT id FROM deliveries WHERE interruptions <>"
    " (SELECT count(*) FROM attempts WHERE delivery_id = deliveries.id AND outcome = 'interrupted')",
    "something sent that nobody owns": "SELECT d.id FROM deliveries d LEFT JOIN lanes l USING (destination)"
    " WHERE (d.state = 'sending') <> (d.epoch IS NOT NULL) OR d.epoch > coalesce(l.epoch, 0)",
    "something delivered that no attempt delivered": "SELECT id FROM deliveries WHERE state = 'delivered' AND 1 <>"
    " (SELECT count(*) FROM attempts WHERE delivery_id = deliveries.id AND outcome = 'delivered')",
    "something else of which an attempt was delivered": "SELECT id FROM deliveries WHERE state <> 'delivered' AND id IN"
    " (SELECT delivery_id FROM attempts WHERE outcome = 'delivered')",
    "a dead letter without a reason": "SELECT id FROM deliveries WHERE state = 'dead' AND reason = ''",
    "an event stored twice": "SELECT max(id) FROM events WHERE upstream_id IS NOT NULL"
    " GROUP BY source, upstream_id, name, body_hash HAVING count(*) > 1",
    "a counter that is wrong": """
        WITH waiting(name, value) AS (
            SELECT 'deliveries/' || state || '/' || destination, count(*) FROM deliveries
            WHERE state IN ('held', 'pending', 'retrying', 'sending') GROUP BY state, destination
        ), counted(name, value) AS (
            SELECT name, sum(value) FROM counters WHERE name LIKE 'deliveries/%/%' GROUP BY name HAVING sum(value) <> 0
        )
        SELECT name FROM (SELECT * FROM waiting EXCEPT SELECT * FROM counted)
        UNION ALL SELECT name FROM (SELECT * FROM counted EXCEPT SELECT * FROM waiting)""",
}


def faults(path: Path) -> list[str]:
    """Tell what is wrong in a store's file; an empty list where nothing is."""
    connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY)
    try:
        found = {what: [row[0] for row in connection.execute(sql)] for what, sql in _FAULTS.items()}
    finally:
        connection.close()
    return [f"{what}: {rows}" for what, rows in found.items() if rows]
