ALTER TABLE message ADD COLUMN answers INTEGER; -- the message that this one replies to
