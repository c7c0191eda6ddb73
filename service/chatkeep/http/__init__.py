"""What every router shares: problems, bodies, pages. It knows HTTP and nothing of the domain."""
