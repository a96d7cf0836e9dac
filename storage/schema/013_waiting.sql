-- Since when a photo waits, so that whoever watches over the bot sees whether it keeps up.
ALTER TABLE jobs ADD COLUMN since REAL;          -- seconds since 1970
UPDATE jobs SET since = CAST(strftime('%s', 'now') AS REAL);
DROP TRIGGER jobs_insert;
CREATE TRIGGER jobs_insert AFTER INSERT ON jobs BEGIN
    UPDATE jobs SET group_id = (SELECT group_id FROM photos WHERE photos.id = new.photo_id),
        since = CAST(strftime('%s', 'now') AS REAL)
    WHERE task = new.task AND photo_id = new.photo_id;
END;

-- So that refused photos are counted without looking at all others.
CREATE INDEX photos_refused_index ON photos (id) WHERE refused IS NOT NULL;
