-- The stand-in cloud's tables.
CREATE TABLE IF NOT EXISTS resource (
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    urn TEXT NOT NULL,
    state TEXT NOT NULL,
    made INTEGER NOT NULL,
    inputs TEXT NOT NULL,
    outputs TEXT NOT NULL,
    PRIMARY KEY (type, id)
);
CREATE TABLE IF NOT EXISTS object (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    version TEXT NOT NULL,
    number INTEGER NOT NULL,
    marker INTEGER NOT NULL,
    made REAL NOT NULL,
    metadata TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (bucket, key, version)
);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS busy (key TEXT PRIMARY KEY, pid INTEGER NOT NULL);
