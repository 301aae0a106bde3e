"""Reading what others publish, and telling from the data what the files do not say."""
