"""A published run against one that was made again: which numbers agree, and which need not."""
