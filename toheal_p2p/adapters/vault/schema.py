"""The tables of the store.

Circles and members get small numbers, so that a row does not carry 64 bytes of ids. What is
rewritten often (`logs`, `pairs`) lies apart from what is large and rests (`circles`, `envelopes`):
SQLite writes a changed row anew as a whole. A frame that ends with the common part of one of our
messages is kept without it, and `owed.envelope` names where that is. `words` is an index without its text. `edit` of an entry
is the number of the edit whose text it has. `ending` names envelopes that are erased once they are
owed to nobody any more. `forgotten` keeps the ids of what has disappeared, lest a repeat bring it back.

Spec: docs/vault.md, section 6.
"""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 1
"""Kept in `PRAGMA user_version`. Raise it with every change of `TABLES` or of `normalise_text`."""

TABLES: Final = """
CREATE TABLE profile (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL,
    was_put_back INTEGER NOT NULL DEFAULT 0,
    seen INTEGER NOT NULL DEFAULT 0,
    unseen INTEGER NOT NULL DEFAULT 0,
    aged_at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE circles (
    number INTEGER PRIMARY KEY,
    circle BLOB NOT NULL UNIQUE,
    blob BLOB
) STRICT;

CREATE TABLE logs (
    circle INTEGER PRIMARY KEY,
    blob BLOB NOT NULL
) STRICT;

CREATE TABLE peers (
    number INTEGER PRIMARY KEY,
    circle INTEGER NOT NULL,
    member BLOB NOT NULL,
    UNIQUE (circle, member)
) STRICT;

CREATE TABLE pairs (
    peer INTEGER PRIMARY KEY,
    blob BLOB NOT NULL
) STRICT;

CREATE TABLE owed (
    peer INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    mid BLOB,
    boot BLOB NOT NULL,
    item BLOB NOT NULL,
    frame BLOB NOT NULL,
    envelope INTEGER,
    PRIMARY KEY (peer, seq)
) STRICT;

CREATE TABLE undelivered (
    mid BLOB NOT NULL,
    peer INTEGER NOT NULL,
    PRIMARY KEY (mid, peer)
) STRICT, WITHOUT ROWID;

CREATE TABLE held (
    circle INTEGER NOT NULL,
    mid BLOB NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (circle, mid)
) STRICT;

CREATE TABLE entries (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    circle INTEGER NOT NULL,
    mid BLOB NOT NULL,
    author INTEGER NOT NULL,
    audience INTEGER NOT NULL,
    author_seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    is_mine INTEGER NOT NULL,
    passed_on_by INTEGER,
    reply BLOB,
    edit INTEGER NOT NULL DEFAULT 0,
    ttl INTEGER NOT NULL,
    came INTEGER NOT NULL,
    shown INTEGER,
    notes BLOB NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (circle, mid)
) STRICT;

CREATE TABLE envelopes (
    position INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    recipients BLOB NOT NULL,
    parents BLOB NOT NULL,
    previous BLOB,
    common BLOB NOT NULL
) STRICT;

CREATE TABLE attachments (
    circle INTEGER NOT NULL,
    mid BLOB NOT NULL,
    file BLOB NOT NULL,
    key BLOB NOT NULL,
    size INTEGER NOT NULL,
    medium INTEGER NOT NULL,
    is_whole INTEGER,
    PRIMARY KEY (circle, mid)
) STRICT;

CREATE TABLE chunks (
    circle INTEGER NOT NULL,
    file BLOB NOT NULL,
    place INTEGER NOT NULL,
    proof BLOB NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (circle, file, place)
) STRICT;

CREATE TABLE forgotten (
    circle INTEGER NOT NULL,
    mid BLOB NOT NULL,
    PRIMARY KEY (circle, mid)
) STRICT, WITHOUT ROWID;

CREATE TABLE ending (
    position INTEGER PRIMARY KEY
) STRICT;

CREATE VIRTUAL TABLE words USING fts5 (
    text, content='', detail='none', columnsize=0, tokenize='ascii'
);
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
"""
"""`words` gets text from `normalise_text`: every word between spaces, so the tokenizer `ascii`,
which takes all letters beyond ASCII as they are, cuts where we cut."""

INDEXES: Final = """
CREATE INDEX IF NOT EXISTS owed_by_message ON owed (mid) WHERE mid IS NOT NULL;
CREATE INDEX IF NOT EXISTS entries_by_circle ON entries (circle);
CREATE INDEX IF NOT EXISTS entries_by_author ON entries (author, audience, author_seq);
CREATE INDEX IF NOT EXISTS entries_about ON entries (circle, reply)
    WHERE kind IN ('edit', 'retraction');
CREATE INDEX IF NOT EXISTS entries_of_acts ON entries (circle, text) WHERE kind IN
    ('joined', 'left', 'remove', 'role', 'policy', 'charter', 'term', 'mute', 'unmute');
CREATE INDEX IF NOT EXISTS entries_shown ON entries (shown + ttl)
    WHERE ttl > 0 AND shown IS NOT NULL;
CREATE INDEX IF NOT EXISTS entries_unseen ON entries (came) WHERE ttl > 0;
CREATE INDEX IF NOT EXISTS entries_of_ours ON entries (circle) WHERE is_mine;
CREATE INDEX IF NOT EXISTS attachments_by_file ON attachments (circle, file);
"""
"""Made at each opening where they are missing, for statements name them: so a vault from before one of
them still opens and answers. Adding one asks for no other version; one that changes needs another name."""
