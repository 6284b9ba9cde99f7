"""How much a sweep puts up with."""

MOST_DEATHS = 3  # of a trial's processes, one after the other, without an epoch in between
