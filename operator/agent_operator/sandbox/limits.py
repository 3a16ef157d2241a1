"""Limits of the worker process, which both sides of the pipe know."""

CPU_SECONDS = 0.5
"""CPU time of one request. Prompts take a few milliseconds."""
MEMORY_BYTES = 256 * 1024 * 1024
"""Address space of the process."""
RETIRE_BYTES = 96 * 1024 * 1024
"""A process that has used more memory than this ends after its reply."""
HEADER_BYTES = 4
"""Size of the length before each message, big-endian."""
NOT_EVALUATED = 70
"""Exit status of a process that ran out of memory, or out of stack, during a request."""
