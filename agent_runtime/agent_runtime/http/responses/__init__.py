"""The Responses API of OpenAI, translated from and to chat completions."""
