"""Administration: users, and the histories of all of them."""
