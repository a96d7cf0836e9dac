CREATE INDEX answers_of_asker ON answers (asker);
