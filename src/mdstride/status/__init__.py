"""What a run has done, does and has still to do, read from its files alone."""
