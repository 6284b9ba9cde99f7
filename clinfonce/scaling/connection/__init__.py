"""How this process joins a Ray cluster, or starts Ray on this machine."""
