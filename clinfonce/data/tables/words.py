"""One spelling for every text of a table, and the words that stand for nothing."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from clinfonce.errors import InputError

# What programs write where they have no value. Nobody means these, whatever the column is.
ERRORS = frozenset({
    "", "#N/A", "#N/A N/A", "#NA", "#NV", "#N/D", "#ND", "#NULL", "#ERROR", "#GETTING_DATA",
    "<NA>", "<NULL>", "<null>", "NaT", r"\N", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "1.#INF",
    "NA_character_", "NA_integer_", "NA_real_",
})  # fmt: skip
_SPREADSHEET = re.compile(r"#[¡¿]?[^\W\d_a-z][^\Wa-z]*(?:/[^\Wa-z]+)?[!?]|Err:\d{3}")
# Words that most people mean by nothing, and a few as a value.
WORDS = frozenset({
    "NA", "na", "N/A", "n/a", "N.A.", "n.a.", "NaN", "nan", "NAN", "-NaN", "-nan",
    "NULL", "Null", "null", "None", "none", "NONE", "nil", "NIL", "-", "--", "---", "–", "—",
    "?", "??", ".", "..",
})  # fmt: skip


@dataclass(frozen=True)
class Missing:
    """Which texts stand for no value.

    Empty texts and the error words of spreadsheets and pandas always do, unless written in quotes.

    Attributes:
        words: that do as well, unless written in quotes.
        of_column: words by the name of a column, there even in quotes or typed.
    """

    words: frozenset[str] = WORDS
    of_column: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def given(cls, words: Iterable[str], columns: Iterable[str]) -> "Missing":
        """Words in place of the usual ones; COLUMN=WORD is one of that column alone.

        Raises:
            InputError: a word that is not a text.
        """
        plain, of_column, names = set(), dict[str, set[str]](), set(columns)
        for word in words:
            if not isinstance(word, str):
                raise InputError(f"missing is {word!r}, not a word")
            name, separator, rest = clean(word).partition("=")
            if separator and name in names:
                of_column.setdefault(name, set()).add(rest)
            else:
                plain.add(clean(word))
        return cls(
            frozenset(plain) if plain else WORDS,
            {name: frozenset(found) for name, found in of_column.items()},
        )

    def is_word(self, text: str) -> bool:
        """Whether an unquoted text stands for nothing."""
        return text in ERRORS or text in self.words or _SPREADSHEET.fullmatch(text) is not None


def clean(text: str) -> str:
    """A text in its composed Unicode form (NFC), without blanks around it."""
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def alike(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of texts that differ in case, blanks, invisible or compatible characters alone."""
    first: dict[str, str] = {}
    pairs = []
    for text in texts:
        seen = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
        key = " ".join("".join(seen).casefold().split())
        if first.setdefault(key, text) != text:
            pairs.append((first[key], text))
    return pairs
