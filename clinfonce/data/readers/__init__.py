"""Data sets as other tools lay them out: images and a table about them, wherever both lie."""
