"""What an image file may ask for, and what is said if it asks for more."""

MAX_PIXELS = 100_000_000


class BadImageError(Exception):
    """What is wrong with an image file, in a few words."""


def check_size(width: int, height: int) -> None:
    """Refuse an image before its pixels are read.

    Raises:
        BadImageError: more than `MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise BadImageError(f"{width} x {height} pixels are more than {MAX_PIXELS}")
