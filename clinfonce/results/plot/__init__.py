"""Figures by matplotlib: as axes to restyle, and as files. The page draws its own."""
