-- Times are milliseconds since 1970 in UTC. Large columns stand last, so that reading the others never walks past them.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta VALUES ('store_id', lower(hex(randomblob(16))));

-- Secrets stand in `text` as references only.
CREATE TABLE rulesets (
    hash      TEXT PRIMARY KEY,
    loaded_at INTEGER NOT NULL,
    text      TEXT NOT NULL,
    files     TEXT NOT NULL
) STRICT;

-- flags: 1 = repeated body.
CREATE TABLE events (
    id          INTEGER PRIMARY KEY,
    source      TEXT NOT NULL,
    name        TEXT NOT NULL,
    upstream_id TEXT,
    body_hash   BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    ruleset     TEXT NOT NULL,
    flags       INTEGER NOT NULL,
    headers     TEXT NOT NULL,
    facts       TEXT NOT NULL,
    body        BLOB NOT NULL
) STRICT;

-- Serves repeats and repeated bodies. Rows without an upstream id never collide here: for them 20 minutes decide.
CREATE UNIQUE INDEX events_seen ON events (body_hash, source, upstream_id, name);
CREATE INDEX events_by_name ON events (name COLLATE NOCASE);
CREATE INDEX events_by_source ON events (source);

CREATE TABLE rejected (
    id          INTEGER PRIMARY KEY,
    source      TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    headers     TEXT NOT NULL,
    body        BLOB NOT NULL
) STRICT;

CREATE TABLE deliveries (
    id            INTEGER PRIMARY KEY,
    event_id      INTEGER NOT NULL REFERENCES events (id),
    rule          TEXT NOT NULL,
    destination   TEXT NOT NULL,
    ruleset       TEXT NOT NULL,
    state         TEXT NOT NULL,
    due_at        INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    cause         TEXT NOT NULL,
    origin_id     INTEGER,
    merged_into   INTEGER,
    reason        TEXT NOT NULL,
    group_key     TEXT,
    opened_at     INTEGER,
    cap_at        INTEGER,
    failures      INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    interruptions INTEGER NOT NULL,
    epoch         INTEGER,
    last_error    TEXT NOT NULL,
    message       BLOB
) STRICT;

-- What a lane asks for, in the order in which it sends.
CREATE INDEX deliveries_due ON deliveries (destination, due_at, id) WHERE state IN ('pending', 'retrying');
-- An open window is a held delivery, one per key.
CREATE UNIQUE INDEX deliveries_open ON deliveries (rule, destination, group_key) WHERE state = 'held';
CREATE INDEX deliveries_held ON deliveries (due_at) WHERE state = 'held';
-- Lists, newest first (every index ends with the id), and what is under way in a lane.
CREATE INDEX deliveries_by_destination ON deliveries (destination, state);
CREATE INDEX deliveries_by_state ON deliveries (state);
CREATE INDEX deliveries_by_event ON deliveries (event_id);

-- The second and later events of a group.
CREATE TABLE delivery_events (
    delivery_id INTEGER NOT NULL,
    event_id    INTEGER NOT NULL,
    PRIMARY KEY (delivery_id, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX delivery_events_by_event ON delivery_events (event_id);

CREATE TABLE attempts (
    delivery_id INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    status      INTEGER,
    detail      TEXT NOT NULL,
    PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE lanes (
    destination          TEXT PRIMARY KEY,
    owner                TEXT NOT NULL DEFAULT '',
    epoch                INTEGER NOT NULL,
    lease_until          INTEGER,
    paused_until         INTEGER,
    consecutive_failures INTEGER NOT NULL DEFAULT 0,
    last_success_at      INTEGER,
    last_alert_at        INTEGER
) STRICT, WITHOUT ROWID;

-- Throttles, storms, parents of threads.
CREATE TABLE marks (
    kind        TEXT NOT NULL,
    source      TEXT NOT NULL,
    rule        TEXT NOT NULL,
    destination TEXT NOT NULL,
    key         TEXT NOT NULL,
    value       TEXT NOT NULL,
    expires_at  INTEGER,
    PRIMARY KEY (kind, source, rule, destination, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX marks_by_expiry ON marks (expires_at) WHERE expires_at IS NOT NULL;

-- People, spaces and pages: what the API and earlier bodies taught; the last body serves comparisons.
CREATE TABLE objects (
    source     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    version_at INTEGER,
    learned_at INTEGER NOT NULL,
    facts      TEXT NOT NULL,
    body       BLOB,
    PRIMARY KEY (source, kind, object_id)
) STRICT;

-- Totals kept in the same commits as what they count; the names stand in router/store/counts.py.
CREATE TABLE counters (
    node  TEXT NOT NULL,
    name  TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (node, name)
) STRICT, WITHOUT ROWID;
