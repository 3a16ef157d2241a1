"""Text that others wrote, on a terminal: without what controls the terminal or changes the order of what is visible.

Answers of models, termination messages of pods and names in files reach terminals through agentctl, `agent-runtime
chat`, logs and kubectl. Escape sequences in them could forge output, change the title or write to the clipboard.
"""

import re

# U+FFFD shows that something was there.
REPLACEMENT = "\ufffd"
# Escape sequences of ECMA-48: CSI; OSC, DCS and other strings with a terminator; and all others.
_SEQUENCES = "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\\]PX^_](?:[^\x07\x1b\n]*(?:\x07|\x1b\\\\))?|\x1b[ -/]*[0-~]"
# C0 except tab and line feed, DEL, C1, line and paragraph separators, bidirectional controls, invisible tags, the byte
# order mark, interlinear annotations, and surrogates, which cannot be encoded. Joiners stay, because scripts and emoji
# need them.
_CHARACTERS = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_UNSAFE = re.compile(f"{_SEQUENCES}|{_CHARACTERS}")
_UNSAFE_CHARACTER = re.compile(_CHARACTERS)


def printable(text: str) -> str:
    """Return text in which U+FFFD replaces each escape sequence and each other control character.

    Tabs and line feeds stay.
    """
    return _UNSAFE.sub(REPLACEMENT, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return printable text on one line."""
    return " ".join(printable(text).split())


def is_printable(text: str) -> bool:
    """Return whether a text contains nothing that `printable` replaces."""
    return _UNSAFE_CHARACTER.search(text) is None


def escaped(text: str) -> str:
    r"""Return JSON in which \u escapes replace control characters. Its value is the same."""
    return text if text.isascii() and "\x7f" not in text else _UNSAFE_CHARACTER.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
