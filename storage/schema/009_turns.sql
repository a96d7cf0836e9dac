-- Whose photo it is, so that groups take turns and none waits for another's flood.
ALTER TABLE jobs ADD COLUMN group_id INTEGER;
UPDATE jobs SET group_id = (SELECT group_id FROM photos WHERE photos.id = jobs.photo_id);
CREATE INDEX jobs_of_group ON jobs (task, group_id, photo_id);
CREATE TRIGGER jobs_insert AFTER INSERT ON jobs BEGIN
    UPDATE jobs SET group_id = (SELECT group_id FROM photos WHERE photos.id = new.photo_id)
    WHERE task = new.task AND photo_id = new.photo_id;
END;
CREATE TRIGGER photos_move AFTER UPDATE OF group_id ON photos BEGIN
    UPDATE jobs SET group_id = new.group_id WHERE photo_id = new.id;
END;
