"""What an assistant can do over MCP: read everything, and act on what it has shown a preview of."""
