"""Fuzz targets: what must hold for any bytes at all. `python -m tests.fuzz` looks for bytes for which it does not."""
