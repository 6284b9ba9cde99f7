"""What trials found: the tables, the store, SQL over them, the relation and the report.

Nothing here needs PyTorch or Ray.
"""

from clinfonce.results.importance import Importance, attribute_importance
from clinfonce.results.output import write_table
from clinfonce.results.page import figure_files, report
from clinfonce.results.ped_anova import Share, ped_anova
from clinfonce.results.query import Results, open_results
from clinfonce.results.relation import QUANTITIES, Relation, relate
from clinfonce.results.store import Store

open = open_results

__all__ = [
    "QUANTITIES",
    "Importance",
    "Relation",
    "Results",
    "Share",
    "Store",
    "attribute_importance",
    "figure_files",
    "open",
    "ped_anova",
    "relate",
    "report",
    "write_table",
]
