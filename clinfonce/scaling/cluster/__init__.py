"""The machines of a cluster file: started, entered through SSH, sent sweeps as jobs."""
