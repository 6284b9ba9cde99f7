"""What a running sweep knows and keeps: its state, its specification, the best encoders."""
