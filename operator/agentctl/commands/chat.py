"""`agentctl chat`."""

import sys

from agent_runtime.cli import chat as terminal
from agent_runtime.cli.chat import Chat
from agentctl.cluster.conversation import PodConversation
from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import UsageError


def run(kubectl: Kubectl, name: str, *, pod: str, session: str, model: str) -> int:
    """Chat with an agent and return the exit status.

    Raises:
        CommandError: no pod is ready, or its port cannot be forwarded.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError("chat reads messages from standard input, which is closed: run it in a terminal or a pipe")
    chat = Chat("", session or None, model or None, terminal.key_from_environment())
    with PodConversation(kubectl, name, chat, pod) as conversation:
        return terminal.run(conversation)
