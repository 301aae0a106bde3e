"""The only code that touches files on disk: atomic writes, checked HDF5, tables, provenance."""
