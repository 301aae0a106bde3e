"""What scores come to: estimates with intervals over compounds, paired tests, the slope against distance."""

from mdstride.statistics.estimates import Estimate, summarise
from mdstride.statistics.significance import Comparison, compare_models, smallest_p
from mdstride.statistics.slope import Slope, slope
from mdstride.statistics.table import Table, read_scores

__all__ = [
    "Comparison",
    "Estimate",
    "Slope",
    "Table",
    "compare_models",
    "read_scores",
    "slope",
    "smallest_p",
    "summarise",
]
