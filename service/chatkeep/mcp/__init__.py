"""`/mcp`: a user's own history for assistants, by the Model Context Protocol. It reads, and changes nothing."""
