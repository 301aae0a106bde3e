"""Making splits, checking them for leaks, and how far what they test is from what they train on."""
