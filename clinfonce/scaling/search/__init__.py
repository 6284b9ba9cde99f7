"""Which trial of a sweep comes next, and which ends early. No Ray Train or Tune trial in it."""
