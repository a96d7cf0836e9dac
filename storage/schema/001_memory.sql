CREATE TABLE groups (
    id   INTEGER PRIMARY KEY,
    key  TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
) STRICT;

CREATE TABLE posts (
    id          INTEGER PRIMARY KEY,
    group_id    INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
    channel     TEXT NOT NULL,
    message     TEXT NOT NULL,
    author      TEXT NOT NULL,
    author_name TEXT NOT NULL,
    posted_at   TEXT NOT NULL,               -- ISO 8601, UTC
    caption     TEXT NOT NULL,
    link        TEXT,
    spoiler     INTEGER NOT NULL,
    protected   INTEGER NOT NULL,
    UNIQUE (group_id, channel, message)
) STRICT;

-- AUTOINCREMENT: an old answer must never point at another photo that got a freed id.
CREATE TABLE photos (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    post_id  INTEGER NOT NULL REFERENCES posts ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
    platform TEXT NOT NULL,
    key      TEXT NOT NULL,
    locator  TEXT NOT NULL,
    name     TEXT NOT NULL,
    refused  TEXT,                           -- the reason, for people
    final    INTEGER NOT NULL DEFAULT 0,     -- 1: refused for what it is, not for being out of reach
    UNIQUE (post_id, key)
) STRICT;
CREATE INDEX photos_of_group ON photos (group_id, post_id);

-- A row is something still to be done; doing it deletes the row in the same transaction.
CREATE TABLE jobs (
    photo_id INTEGER NOT NULL REFERENCES photos ON DELETE CASCADE,
    task     TEXT NOT NULL CHECK (task IN ('embed', 'read')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due      REAL NOT NULL DEFAULT 0,        -- seconds since 1970
    reason   TEXT,
    PRIMARY KEY (task, photo_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_of_photo ON jobs (photo_id);

CREATE TABLE models (
    id          INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    dimension   INTEGER NOT NULL
) STRICT;

CREATE TABLE vectors (
    photo_id INTEGER NOT NULL REFERENCES photos ON DELETE CASCADE,
    model_id INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
    vector   BLOB NOT NULL,                  -- little-endian float32, unit length
    UNIQUE (photo_id, model_id)
) STRICT;

-- Folded words (bot.words) of each photo: its post's caption, the text read in it.
CREATE TABLE texts (
    photo_id INTEGER PRIMARY KEY REFERENCES photos ON DELETE CASCADE,
    caption  TEXT NOT NULL,
    text     TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE VIRTUAL TABLE texts_index USING fts5 (
    caption, text, content = 'texts', content_rowid = 'photo_id', tokenize = 'trigram'
);
CREATE TRIGGER texts_insert AFTER INSERT ON texts BEGIN
    INSERT INTO texts_index (rowid, caption, text) VALUES (new.photo_id, new.caption, new.text);
END;
CREATE TRIGGER texts_delete AFTER DELETE ON texts BEGIN
    INSERT INTO texts_index (texts_index, rowid, caption, text)
    VALUES ('delete', old.photo_id, old.caption, old.text);
END;
CREATE TRIGGER texts_update AFTER UPDATE ON texts BEGIN
    INSERT INTO texts_index (texts_index, rowid, caption, text)
    VALUES ('delete', old.photo_id, old.caption, old.text);
    INSERT INTO texts_index (rowid, caption, text) VALUES (new.photo_id, new.caption, new.text);
END;
