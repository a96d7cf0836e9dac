-- What photos look like from afar (bot.perceptual), to know copies by.
CREATE TABLE fingerprints (
    photo_id INTEGER PRIMARY KEY REFERENCES photos ON DELETE CASCADE,
    value    BLOB NOT NULL
) STRICT;

-- A third task; SQLite can't change a CHECK.
CREATE TABLE jobs_of_three (
    photo_id INTEGER NOT NULL REFERENCES photos ON DELETE CASCADE,
    task     TEXT NOT NULL CHECK (task IN ('embed', 'read', 'fingerprint')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due      REAL NOT NULL DEFAULT 0,        -- seconds since 1970
    reason   TEXT,
    PRIMARY KEY (task, photo_id)
) STRICT, WITHOUT ROWID;
INSERT INTO jobs_of_three SELECT photo_id, task, attempts, due, reason FROM jobs;
INSERT INTO jobs_of_three (photo_id, task) SELECT id, 'fingerprint' FROM photos WHERE refused IS NULL;
DROP TABLE jobs;
ALTER TABLE jobs_of_three RENAME TO jobs;
CREATE INDEX jobs_of_photo ON jobs (photo_id);

-- A hit may stand for its copies: they have its rank, and their own place behind it.
CREATE TABLE answer_photos_and_copies (
    answer_id INTEGER NOT NULL REFERENCES answers ON DELETE CASCADE,
    rank      INTEGER NOT NULL,
    place     INTEGER NOT NULL DEFAULT 0,    -- 0: the one that is shown
    photo_id  INTEGER NOT NULL REFERENCES photos ON DELETE CASCADE,
    score     REAL NOT NULL,
    why       TEXT NOT NULL,
    PRIMARY KEY (answer_id, rank, place)
) STRICT, WITHOUT ROWID;
INSERT INTO answer_photos_and_copies (answer_id, rank, photo_id, score, why)
    SELECT answer_id, rank, photo_id, score, why FROM answer_photos;
DROP TABLE answer_photos;
ALTER TABLE answer_photos_and_copies RENAME TO answer_photos;
CREATE INDEX answers_of_photo ON answer_photos (photo_id);
