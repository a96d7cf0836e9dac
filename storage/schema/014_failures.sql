-- So that what did not work is told without looking at all that waits.
CREATE INDEX jobs_that_failed ON jobs (task, reason) WHERE attempts > 0;
