-- What was said in direct replies to a photo, folded (bot.words). Who said it is not kept. A reply
-- is known by its own message, in the channel that the photo was posted in.
CREATE TABLE replies (
    id       INTEGER PRIMARY KEY,
    photo_id INTEGER NOT NULL REFERENCES photos ON DELETE CASCADE,
    message  TEXT NOT NULL,
    text     TEXT NOT NULL,
    UNIQUE (photo_id, message)
) STRICT;
CREATE INDEX replies_by_message ON replies (message);

CREATE VIRTUAL TABLE replies_index USING fts5 (
    text, content = 'replies', content_rowid = 'id', tokenize = 'trigram'
);
CREATE TRIGGER replies_insert AFTER INSERT ON replies BEGIN
    INSERT INTO replies_index (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER replies_delete AFTER DELETE ON replies BEGIN
    INSERT INTO replies_index (replies_index, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER replies_update AFTER UPDATE ON replies BEGIN
    INSERT INTO replies_index (replies_index, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO replies_index (rowid, text) VALUES (new.id, new.text);
END;
