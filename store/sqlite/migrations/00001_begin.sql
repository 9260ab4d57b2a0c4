-- Times are microseconds since 1970, revisions and sequences rise from 1. See ../../DESIGN.md.

-- +goose Up

-- The newest revision, and the newest per kind. Rewritten by every transaction that gives out revisions.
CREATE TABLE revision (
	one    INTEGER PRIMARY KEY CHECK (one = 1),
	newest INTEGER NOT NULL
) STRICT;
INSERT INTO revision (one, newest) VALUES (1, 0);

CREATE TABLE changed (
	kind     TEXT PRIMARY KEY,
	revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys are blobs so that they order bytewise and may hold any byte.
CREATE TABLE records (
	kind     TEXT NOT NULL,
	key      BLOB NOT NULL,
	revision INTEGER NOT NULL,
	expires  INTEGER, -- NULL: never
	value    BLOB NOT NULL,
	PRIMARY KEY (kind, key)
) STRICT;
CREATE INDEX records_expires ON records (expires) WHERE expires IS NOT NULL;

-- Rows are never deleted, so that sequence rises without AUTOINCREMENT.
CREATE TABLE ledger (
	sequence         INTEGER PRIMARY KEY,
	authority        TEXT NOT NULL,
	serial           BLOB NOT NULL,
	template         TEXT NOT NULL,
	requester        TEXT NOT NULL,
	issued_at        INTEGER NOT NULL,
	not_before       INTEGER NOT NULL,
	not_after        INTEGER NOT NULL,
	subject          TEXT NOT NULL,
	revoked_revision INTEGER, -- NULL: not revoked
	revoked_at       INTEGER,
	reason           INTEGER NOT NULL DEFAULT 0,
	signature        BLOB, -- NULL: not recorded yet
	tbs              BLOB NOT NULL,
	UNIQUE (authority, serial)
) STRICT;
CREATE INDEX ledger_sequence ON ledger (authority, sequence);
-- Covering: the feed of revocations reads this index alone, never the wide rows.
CREATE INDEX ledger_revocations ON ledger (revoked_revision, authority, serial, revoked_at, reason)
	WHERE revoked_revision IS NOT NULL;

-- AUTOINCREMENT: the id of a blob that is gone is never given to another.
CREATE TABLE blobs (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	size       INTEGER NOT NULL,
	chunk_size INTEGER NOT NULL,
	complete   INTEGER NOT NULL, -- 1: closed by its writer, may be read and kept
	due        INTEGER -- when the sweep takes it; NULL: kept
) STRICT;
CREATE INDEX blobs_due ON blobs (due) WHERE due IS NOT NULL;

CREATE TABLE chunks (
	blob INTEGER NOT NULL,
	n    INTEGER NOT NULL,
	data BLOB NOT NULL,
	PRIMARY KEY (blob, n)
) STRICT;
