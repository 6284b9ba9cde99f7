"""A first sweep for a data set: what is worth a search, and what there is time for."""
