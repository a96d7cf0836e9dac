-- Who said it, as a salted hash, so that it goes when they have themselves forgotten. NULL: said
-- before this was kept.
ALTER TABLE replies ADD COLUMN author BLOB;
CREATE INDEX replies_by_author ON replies (author) WHERE author IS NOT NULL;
