"""The agent: prompt, tool loop and token budget."""
