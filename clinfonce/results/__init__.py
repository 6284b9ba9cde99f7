"""What trials found: the tables, the store, SQL over them, the relation and the report.

Nothing here needs PyTorch or Ray.
"""

from clinfonce.results.analysis.factors import Factor, factors_of
from clinfonce.results.analysis.importance import Importance, attribute_importance
from clinfonce.results.analysis.ped_anova import Share, ped_anova
from clinfonce.results.analysis.relation import QUANTITIES, Relation, relate
from clinfonce.results.analysis.roles import (
    ColumnRole,
    SearchedObjective,
    column_roles,
    searched_objective,
)
from clinfonce.results.analysis.winner import best_of_sweep
from clinfonce.results.plot.files import figure_files
from clinfonce.results.report.page import report
from clinfonce.results.sql.output import write_table
from clinfonce.results.sql.query import Results, open_results
from clinfonce.results.store.store import Store

open = open_results

__all__ = [
    "QUANTITIES",
    "ColumnRole",
    "Factor",
    "Importance",
    "Relation",
    "Results",
    "SearchedObjective",
    "Share",
    "Store",
    "attribute_importance",
    "best_of_sweep",
    "column_roles",
    "factors_of",
    "figure_files",
    "open",
    "ped_anova",
    "relate",
    "report",
    "searched_objective",
    "write_table",
]
