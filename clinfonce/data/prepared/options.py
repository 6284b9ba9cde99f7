"""How a data set is made, as its user says."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias, get_args

from clinfonce.data.image_files.rendering import MOST_CHANNELS
from clinfonce.data.prepared.packing import Progress
from clinfonce.data.storage.shards import Storage
from clinfonce.data.table import Column
from clinfonce.errors import InputError

LARGEST_RAW = 128  # pixels a side: beyond, the user's own files are usually smaller than pixels

StorageChoice: TypeAlias = Literal["auto", "raw", "encoded"]
Announce: TypeAlias = Callable[[Mapping[str, Column]], None]


@dataclass(frozen=True)
class Options:
    """How a data set is made.

    Attributes:
        types: column name to type, where the one found is wrong; "ignore" leaves a column out.
        missing: words that stand for no value, in place of the usual ones (`words.WORDS`);
            COLUMN=WORD is one of that column alone, also in quotes.
        targets: what is to be predicted beside `label`: NAME, NAME:KIND of class, multilabel or
            number, or NAME=COLUMN,COLUMN for booleans that are one label each.
        splits: value of the column `split` to train, validation or test, beside the usual words.
        group: column (a patient, a contributor) whose values are never in two splits.
        skip_bad: leave out rows with an unreadable image, an unsafe, missing or repeated path or,
            to validate or test, no label, and values that do not fit their column; and count them.
        progress: called with the rows done and in all.
        announce: called with the auxiliary columns before the first image is read.
        say: called with what is unsure, a line each, as soon as it is known.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    missing: Iterable[str] = ()
    targets: Sequence[str] = ()
    splits: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    skip_bad: bool = False
    progress: Progress | None = None
    announce: Announce | None = None
    say: Callable[[str], None] | None = None

    def tell(self, notes: Iterable[str]) -> list[str]:
        """Say what is unsure, and return it."""
        lines = list(notes)
        if self.say is not None:
            for line in lines:
                self.say(line)
        return lines


@dataclass(frozen=True)
class ImageOptions:
    """How images are kept.

    Attributes:
        image_size: s; images become (c, s, s), shorter side resized to s, centre cropped.
        channels: c; 3 makes RGB of any image, 1 grey; any other number, up to 16, takes files of
            so many samples a pixel as they are.
        storage: "raw" keeps pixels; "encoded" keeps the image files and decodes them whenever
            they are read; "auto" is raw up to 128 pixels a side.
        background: colour that transparent images are laid on: a name, or #rrggbb.
        depth: what is white in files of more than 8 bits a sample: their bits, or LOW:HIGH; None
            finds it.
        threads: that decode images; None takes one per core.
    """

    image_size: int
    channels: int = 3
    storage: StorageChoice = "auto"
    background: str = "white"
    depth: str | None = None
    threads: int | None = None

    @property
    def kept_as(self) -> Storage:
        """How images are kept.

        Raises:
            InputError: an unknown storage, no pixels, or too many channels.
        """
        if self.storage not in get_args(StorageChoice):
            allowed = ", ".join(get_args(StorageChoice))
            raise InputError(f"storage {self.storage!r} is none of {allowed}")
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise InputError(f"channels must be 1 to {MOST_CHANNELS}, got {self.channels}")
        if self.image_size < 1:
            raise InputError(f"image_size must be at least 1, got {self.image_size}")
        if self.storage == "auto":
            return "raw" if self.image_size <= LARGEST_RAW else "encoded"
        return self.storage


OF_IMAGES = tuple(option.name for option in fields(ImageOptions))
