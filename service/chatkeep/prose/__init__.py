"""What people and models wrote, as HTML: for the pages, and for files that are read alone."""
