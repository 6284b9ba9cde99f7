"""Images on a disk or in an object store, read like an array."""
