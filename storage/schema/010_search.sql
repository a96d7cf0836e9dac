-- What a search keeps in memory is brought up to date by this: each group's latest changes, in
-- order and without gaps. NULL: all of the group may have changed.
CREATE TABLE changes (
    group_id INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    photo_id INTEGER,
    PRIMARY KEY (group_id, seq)
) STRICT, WITHOUT ROWID;

-- Photos of a group in the order of their ids, with all that a search needs of them (storage.packs),
-- so that the first one after a start needn't read every vector. A pack holds all photos of its
-- group from `first` to `last`; what changes one of them deletes it, and it is written anew later.
CREATE TABLE packs (
    id       INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
    model_id INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    cohort   TEXT NOT NULL,                  -- which background its columns are about
    content  BLOB NOT NULL,
    UNIQUE (group_id, last)
) STRICT;
CREATE INDEX packs_of_model ON packs (model_id);
CREATE INDEX photos_by_age ON photos (group_id);

CREATE VIEW touched AS SELECT 0 AS group_id, 0 AS photo_id;
CREATE TRIGGER touched_insert INSTEAD OF INSERT ON touched BEGIN
    INSERT INTO changes SELECT new.group_id, 1 + coalesce(max(seq), 0), new.photo_id
        FROM changes WHERE group_id = new.group_id;
    DELETE FROM changes WHERE group_id = new.group_id
        AND seq <= (SELECT max(seq) FROM changes WHERE group_id = new.group_id) - 10000;
    DELETE FROM packs WHERE group_id = new.group_id AND new.photo_id IS NULL;
    DELETE FROM packs WHERE group_id = new.group_id AND first <= new.photo_id AND last =
        (SELECT min(last) FROM packs WHERE group_id = new.group_id AND last >= new.photo_id);
END;

CREATE TRIGGER photos_insert AFTER INSERT ON photos BEGIN
    INSERT INTO touched VALUES (new.group_id, new.id);
END;
CREATE TRIGGER photos_refused AFTER UPDATE OF refused ON photos
WHEN (old.refused IS NULL) <> (new.refused IS NULL) BEGIN
    INSERT INTO touched VALUES (new.group_id, new.id);
END;
CREATE TRIGGER photos_moved AFTER UPDATE OF group_id ON photos
WHEN old.group_id <> new.group_id BEGIN
    INSERT INTO touched VALUES (old.group_id, NULL);
    INSERT INTO touched VALUES (new.group_id, NULL);
END;
CREATE TRIGGER photos_delete AFTER DELETE ON photos
WHEN EXISTS (SELECT 1 FROM groups WHERE id = old.group_id) BEGIN
    INSERT INTO touched VALUES (old.group_id, old.id);
END;
CREATE TRIGGER groups_delete AFTER DELETE ON groups BEGIN -- its id may be given again
    INSERT INTO touched VALUES (old.id, NULL);
    DELETE FROM changes WHERE group_id = old.id AND photo_id IS NOT NULL;
END;
CREATE TRIGGER posts_update AFTER UPDATE OF channel, author, posted_at, protected ON posts
WHEN old.channel <> new.channel OR old.author <> new.author OR old.posted_at <> new.posted_at
    OR old.protected <> new.protected BEGIN
    INSERT INTO touched SELECT group_id, id FROM photos WHERE post_id = new.id;
END;
CREATE TRIGGER vectors_insert AFTER INSERT ON vectors BEGIN
    INSERT INTO touched SELECT group_id, id FROM photos WHERE id = new.photo_id;
END;
CREATE TRIGGER vectors_update AFTER UPDATE ON vectors BEGIN
    INSERT INTO touched SELECT group_id, id FROM photos WHERE id = new.photo_id;
END;
CREATE TRIGGER vectors_delete AFTER DELETE ON vectors BEGIN
    INSERT INTO touched SELECT group_id, id FROM photos WHERE id = old.photo_id;
END;
