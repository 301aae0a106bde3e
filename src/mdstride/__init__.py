"""mdstride: from seed compounds to a pretrained neural operator that forecasts molecular dynamics."""

__version__ = "0.1.0"
