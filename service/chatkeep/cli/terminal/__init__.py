"""The terminal: options, output, tables, progress bars, times and passwords."""
