"""The server's side of a connection: limits that hold before a request is parsed, and before anybody has signed in."""
