"""What trials found: the tables, the store, SQL over them, the relation and the report.

`Store` writes; `open` gives SQL over a store. `results.relate.relate` and `results.report.report`
answer from it. Nothing here needs PyTorch or Ray.
"""

from clinfonce.results.query import Results, open_results
from clinfonce.results.store import Store

open = open_results

__all__ = ["Results", "Store", "open"]
