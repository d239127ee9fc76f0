-- People, spaces and pages: what the API and bodies told. Nothing wrote this table until now.
DROP TABLE objects;

CREATE TABLE objects (
    source     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    version_at INTEGER,          -- of the object, by its sender's clock
    learned_at INTEGER NOT NULL,
    facts      TEXT NOT NULL,
    previous   TEXT,             -- the facts of the version before, where they differ
    PRIMARY KEY (source, kind, object_id)
) STRICT, WITHOUT ROWID;
