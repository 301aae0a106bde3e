"""Stored trajectories for other programs."""
