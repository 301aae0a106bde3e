"""Stage energies: energies of forecasts above the true frames, and what forecasts cost beside the engine."""
