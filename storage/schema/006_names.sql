-- The group's own words for what is in its photos, by examples: no name outlives its photos, and
-- who may not see any of them learns nothing of it.
CREATE TABLE names (
    photo_id INTEGER NOT NULL REFERENCES photos ON DELETE CASCADE,
    key      TEXT NOT NULL,                  -- what makes it the same name (bot.names)
    written  TEXT NOT NULL,
    giver    TEXT NOT NULL,
    PRIMARY KEY (photo_id, key)
) STRICT, WITHOUT ROWID;

-- The name by which a photo was found, for the pages of kept answers.
ALTER TABLE answer_photos ADD COLUMN name TEXT NOT NULL DEFAULT '';
