"""Tools that the agent uses by itself, offered by MCP servers."""
