"""What trials found: the tables, the store, SQL over them, the relation and the report.

Nothing here needs PyTorch or Ray.
"""

from clinfonce.results.page import figure_files, report
from clinfonce.results.query import Results, open_results
from clinfonce.results.relation import QUANTITIES, Relation, relate
from clinfonce.results.store import Store

open = open_results

__all__ = ["QUANTITIES", "Relation", "Results", "Store", "figure_files", "open", "relate", "report"]
