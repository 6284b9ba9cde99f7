"""Text for people: what a name may do to a terminal, and tables that fit one, values as YAML."""

from clinfonce.text.flow import flow
from clinfonce.text.printable import one_line, printable, width_of
from clinfonce.text.table import Table, wrap

__all__ = ["Table", "flow", "one_line", "printable", "width_of", "wrap"]
