"""The result page and its figures."""
