"""Text from others that reaches a terminal."""

import json
import time

import pytest

from agent_runtime.config.terminal import escaped, is_printable, printable

MARK = "\ufffd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\ttext\nzwei: ä, 日本, 👩\u200d💻, كتاب", "plain\ttext\nzwei: ä, 日本, 👩\u200d💻, كتاب"),
        ("a\r\nb", "a\nb"),
        ("a\rb", f"a{MARK}b"),
        ("\x1b[31mred\x1b[0m", f"{MARK}red{MARK}"),
        ("\x1b[2J\x1b[1;1H", MARK * 2),
        ("\x9b31mred", f"{MARK}red"),
        ("\x1b]0;title\x07x", f"{MARK}x"),
        ("\x1b]52;c;ZXZpbA==\x1b\\x", f"{MARK}x"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", f"{MARK}link{MARK}"),
        ("\x1b]0;never ends\nnext", f"{MARK}0;never ends\nnext"),
        ("\x1bP1$q\x1b\\x", f"{MARK}x"),
        ("\x1bcreset", f"{MARK}reset"),
        ("\x1b", MARK),
        ("bell\x07 back\x08 del\x7f nul\x00", f"bell{MARK} back{MARK} del{MARK} nul{MARK}"),
        ("c1\x85\x90", f"c1{MARK}{MARK}"),
        ("\u202eevil\u202c \u2066x\u2069 \u200f\u061c", f"{MARK}evil{MARK} {MARK}x{MARK} {MARK}{MARK}"),
        ("line\u2028para\u2029", f"line{MARK}para{MARK}"),
        ("tag\U000e0041\ufeff\ufff9", f"tag{MARK}{MARK}{MARK}"),
        ("lone \ud800", f"lone {MARK}"),
    ],
)
def test_what_controls_a_terminal_is_replaced(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert is_printable(expected)
    assert printable(expected) == expected


def test_every_control_character_is_replaced() -> None:
    codes = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    for code in codes:
        kept = chr(code) if chr(code) in "\t\n" else MARK
        assert printable(f"a{chr(code)}\tb") == f"a{kept}\tb", hex(code)


@pytest.mark.parametrize("text", ["\x7f", "\x9b31m", "\u202e", "\U000e0041", "\ud800", "a\nb\tc\x1b[0m", "ä"])
def test_escaped_json_has_the_same_value(text: str) -> None:
    written = escaped(json.dumps({text: text}, ensure_ascii=False))
    assert is_printable(written)
    assert json.loads(written) == {text: text}


@pytest.mark.parametrize("part", ["\x1b]", "\x1b[", "\x1b[0;", "\x9b", "\x1bP", "\x1b", "\x00", "a"])
def test_the_time_grows_with_the_length(part: str) -> None:
    """10 MB take seconds at most; a quadratic expression would take hours."""
    began = time.thread_time()
    printable(part * (10_000_000 // len(part)))
    assert time.thread_time() - began < 20
