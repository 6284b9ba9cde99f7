"""How trials run on Ray: alone in a Tune process, or in a group of Ray Train workers."""
