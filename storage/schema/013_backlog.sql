-- Since when something waits (seconds since 1970), and what fails, for who looks after the server.
-- NULL: since before this was kept.
ALTER TABLE jobs ADD COLUMN since REAL;
DROP TRIGGER jobs_insert;
CREATE TRIGGER jobs_insert AFTER INSERT ON jobs BEGIN
    UPDATE jobs SET group_id = (SELECT group_id FROM photos WHERE photos.id = new.photo_id),
        since = coalesce(new.since, (julianday('now') - 2440587.5) * 86400.0)
    WHERE task = new.task AND photo_id = new.photo_id;
END;
CREATE INDEX jobs_that_failed ON jobs (task, reason) WHERE attempts > 0;
CREATE INDEX photos_given_up ON photos (refused, final) WHERE refused IS NOT NULL;
