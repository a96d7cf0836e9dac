-- The web chat's messages. AUTOINCREMENT: the memory knows posts by these ids, so that a freed
-- one must never come back for another message.
CREATE TABLE message (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    room        TEXT NOT NULL,
    author      TEXT NOT NULL,
    text        TEXT NOT NULL,
    posted_at   TEXT NOT NULL, -- ISO 8601, UTC
    question    TEXT,          -- what is looked for, if this is a question
    reply       TEXT,          -- JSON; NULL while a question waits for it
    attachments TEXT NOT NULL, -- JSON
    remembered  INTEGER NOT NULL DEFAULT 0,
    deleted     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX message_room ON message (room, id);
