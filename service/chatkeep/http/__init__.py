"""Shared by every router: problems, bodies, pages. It knows HTTP and nothing of the domain."""
