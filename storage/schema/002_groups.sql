ALTER TABLE groups ADD COLUMN left_at REAL; -- seconds since 1970: when the bot was sent away

ALTER TABLE posts ADD COLUMN album TEXT NOT NULL DEFAULT ''; -- messages that were sent as one
CREATE INDEX posts_of_album ON posts (group_id, album) WHERE album <> '';

CREATE INDEX photos_by_key ON photos (key, group_id);

-- Who was seen in a group; whether they still are in it is asked of the platform each time.
CREATE TABLE people (
    group_id INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
    person   TEXT NOT NULL,
    PRIMARY KEY (person, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX people_of_group ON people (group_id);

-- What an adapter has to know of a group after a restart.
CREATE TABLE notes (
    group_id INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (group_id, name)
) STRICT, WITHOUT ROWID;

-- Answers that buttons under them lead on from. AUTOINCREMENT: an old button must never lead on
-- from somebody else's answer.
CREATE TABLE answers (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id INTEGER REFERENCES groups ON DELETE CASCADE, -- NULL: given to the asker alone
    asker    TEXT NOT NULL,
    words    TEXT NOT NULL,
    given_at REAL NOT NULL
) STRICT;
CREATE INDEX answers_by_age ON answers (given_at);
CREATE INDEX answers_of_group ON answers (group_id);

CREATE TABLE answer_photos (
    answer_id INTEGER NOT NULL REFERENCES answers ON DELETE CASCADE,
    rank      INTEGER NOT NULL,
    photo_id  INTEGER NOT NULL REFERENCES photos ON DELETE CASCADE,
    score     REAL NOT NULL,
    why       TEXT NOT NULL,
    PRIMARY KEY (answer_id, rank)
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_of_photo ON answer_photos (photo_id);

-- Posts that must not come back by an edit or an import: salted hashes, not the ids themselves.
CREATE TABLE forgotten (
    group_id INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
    digest   BLOB NOT NULL,
    PRIMARY KEY (group_id, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE salt (value BLOB NOT NULL) STRICT;
INSERT INTO salt VALUES (randomblob(16));
