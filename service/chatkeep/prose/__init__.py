"""Prose as HTML: for the pages, and for files that are read alone."""
