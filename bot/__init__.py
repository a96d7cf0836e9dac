"""Shoebox: a group's shared photo memory. The core; it knows no chat SDK and no SQL."""

__version__ = "0.1.0"
