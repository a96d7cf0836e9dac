-- Which model's embeddings are asked: one answers; while another one is chosen, its embeddings are
-- made; those of the others go, bit by bit.
ALTER TABLE models ADD COLUMN role TEXT NOT NULL DEFAULT ''
    CHECK (role IN ('', 'answering', 'coming', 'retired'));
ALTER TABLE models ADD COLUMN since REAL NOT NULL DEFAULT 0; -- seconds since 1970, of its role
UPDATE models SET role = 'answering' WHERE id =
    (SELECT model_id FROM vectors GROUP BY model_id ORDER BY count(*) DESC LIMIT 1);

-- Photos that a model has not seen and will not, since their originals are gone; their words stay.
CREATE TABLE unseen (
    photo_id INTEGER NOT NULL REFERENCES photos ON DELETE CASCADE,
    model_id INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
    reason   TEXT NOT NULL,
    PRIMARY KEY (photo_id, model_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX unseen_by_model ON unseen (model_id);

-- Small copies that other models can look at (KEEP_THUMBNAILS).
CREATE TABLE thumbnails (
    photo_id INTEGER PRIMARY KEY REFERENCES photos ON DELETE CASCADE,
    jpeg     BLOB NOT NULL
) STRICT;

-- A fourth task: a photo that one model has embedded waits for another one. And since when a photo
-- waits, so that whoever watches over the bot sees whether it keeps up. SQLite can't change a CHECK.
CREATE TABLE jobs_of_four (
    photo_id INTEGER NOT NULL REFERENCES photos ON DELETE CASCADE,
    task     TEXT NOT NULL CHECK (task IN ('embed', 'read', 'fingerprint', 'renew')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due      REAL NOT NULL DEFAULT 0,        -- seconds since 1970
    reason   TEXT,
    group_id INTEGER,
    since    REAL,                           -- seconds since 1970: when the photo began to wait
    PRIMARY KEY (task, photo_id)
) STRICT, WITHOUT ROWID;
INSERT INTO jobs_of_four SELECT photo_id, task, attempts, due, reason, group_id,
    CAST(strftime('%s', 'now') AS REAL) FROM jobs;
-- Up to now a photo that had a vector of another model waited like a new one, and was lost with its
-- original.
UPDATE jobs_of_four SET task = 'renew' WHERE task = 'embed'
    AND photo_id IN (SELECT photo_id FROM vectors);
DROP TRIGGER photos_move;
DROP TABLE jobs;
ALTER TABLE jobs_of_four RENAME TO jobs;
CREATE INDEX jobs_of_photo ON jobs (photo_id);
CREATE INDEX jobs_of_group ON jobs (task, group_id, photo_id);
-- So that what did not work is told without looking at all that waits.
CREATE INDEX jobs_that_failed ON jobs (task, reason) WHERE attempts > 0;
CREATE TRIGGER jobs_insert AFTER INSERT ON jobs BEGIN
    UPDATE jobs SET group_id = (SELECT group_id FROM photos WHERE photos.id = new.photo_id),
        since = CAST(strftime('%s', 'now') AS REAL)
    WHERE task = new.task AND photo_id = new.photo_id;
END;
CREATE TRIGGER photos_move AFTER UPDATE OF group_id ON photos BEGIN
    UPDATE jobs SET group_id = new.group_id WHERE photo_id = new.id;
END;

-- So that refused photos are counted without looking at all others.
CREATE INDEX photos_refused_index ON photos (id) WHERE refused IS NOT NULL;

-- What is made of a model that doesn't answer yet, or taken away of one that no longer does, changes
-- nothing for searches.
DROP TRIGGER vectors_insert;
DROP TRIGGER vectors_update;
DROP TRIGGER vectors_delete;
CREATE TRIGGER vectors_insert AFTER INSERT ON vectors
WHEN (SELECT role FROM models WHERE id = new.model_id) <> 'coming' BEGIN
    INSERT INTO touched SELECT group_id, id FROM photos WHERE id = new.photo_id;
END;
CREATE TRIGGER vectors_update AFTER UPDATE ON vectors
WHEN (SELECT role FROM models WHERE id = new.model_id) <> 'coming' BEGIN
    INSERT INTO touched SELECT group_id, id FROM photos WHERE id = new.photo_id;
END;
CREATE TRIGGER vectors_delete AFTER DELETE ON vectors
WHEN (SELECT role FROM models WHERE id = old.model_id) <> 'retired' BEGIN
    INSERT INTO touched SELECT group_id, id FROM photos WHERE id = old.photo_id;
END;
