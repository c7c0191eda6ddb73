"""One folding of texts: equal for everything that one keyboard and another write for the same thing."""
