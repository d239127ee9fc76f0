-- Dead letters of a destination that no alert has told of yet: how many, and when the first of them died.
ALTER TABLE lanes ADD COLUMN untold_deaths INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN untold_since INTEGER;
