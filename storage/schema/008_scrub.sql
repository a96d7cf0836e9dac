-- What is deleted leaves traces behind: words in the segments of the full-text indexes, old pages
-- in the WAL, copies of rows that moved to another page. `wanted` counts the deletions, `done` says
-- up to which of them nothing is left (storage.scrubbing).
CREATE TABLE scrub (wanted INTEGER NOT NULL, done INTEGER NOT NULL) STRICT;
INSERT INTO scrub VALUES (1, 0);

CREATE TRIGGER scrub_posts AFTER DELETE ON posts BEGIN
    UPDATE scrub SET wanted = wanted + 1;
END;
CREATE TRIGGER scrub_captions AFTER UPDATE OF caption ON posts
WHEN old.caption NOT IN ('', new.caption) BEGIN
    UPDATE scrub SET wanted = wanted + 1;
END;
CREATE TRIGGER scrub_photos AFTER DELETE ON photos BEGIN
    UPDATE scrub SET wanted = wanted + 1;
END;
CREATE TRIGGER scrub_texts AFTER UPDATE ON texts
WHEN old.caption NOT IN ('', new.caption) OR old.text NOT IN ('', new.text) BEGIN
    UPDATE scrub SET wanted = wanted + 1;
END;
CREATE TRIGGER scrub_replies AFTER DELETE ON replies BEGIN
    UPDATE scrub SET wanted = wanted + 1;
END;
CREATE TRIGGER scrub_other_replies AFTER UPDATE OF text ON replies WHEN old.text <> new.text BEGIN
    UPDATE scrub SET wanted = wanted + 1;
END;
CREATE TRIGGER scrub_names AFTER DELETE ON names BEGIN
    UPDATE scrub SET wanted = wanted + 1;
END;
CREATE TRIGGER scrub_people AFTER DELETE ON people BEGIN
    UPDATE scrub SET wanted = wanted + 1;
END;
CREATE TRIGGER scrub_groups AFTER DELETE ON groups WHEN old.key <> '' BEGIN
    UPDATE scrub SET wanted = wanted + 1;
END;

-- Whose photos are never kept: salted hashes, not the people's ids.
CREATE TABLE refusing (digest BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE INDEX posts_of_author ON posts (group_id, author);
CREATE INDEX posts_by_age ON posts (posted_at);
