"""Tables of a user's: read as texts, then made into typed columns."""
