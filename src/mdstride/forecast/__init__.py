"""Forecasts of one molecule with a trained model or a baseline: an application on top of the stages.

It may import the stages; no stage imports it.
"""

from mdstride.forecast.atoms import forecast_atoms

__all__ = ["forecast_atoms"]
