"""A user's image files: found, opened and decoded without being trusted."""
