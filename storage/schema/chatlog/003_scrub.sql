-- As in the memory (schema/008_scrub.sql).
CREATE TABLE scrub (wanted INTEGER NOT NULL, done INTEGER NOT NULL) STRICT;
INSERT INTO scrub VALUES (1, 0);
CREATE TRIGGER scrub_messages AFTER DELETE ON message BEGIN
    UPDATE scrub SET wanted = wanted + 1;
END;
CREATE TRIGGER scrub_answered AFTER UPDATE OF reply ON message WHEN old.reply IS NOT NULL BEGIN
    UPDATE scrub SET wanted = wanted + 1;
END;
