"""What the trials of a store say: relation to information, importance, predicted gain."""
