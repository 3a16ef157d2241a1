"""The picture of a terminal, which `make pictures` writes."""

from xml.etree import ElementTree as ET

from tests import pictures


def test_a_terminal_is_an_svg_with_the_command_and_its_output() -> None:
    svg = pictures.terminal(
        "agentctl status shop", "AgentDeployment \x1b[1mshop\x1b[0m\n└── Pod \x1b[32mready\x1b[0m <&>\n"
    )

    root = ET.fromstring(svg)
    text = "".join(root.itertext()).replace("\xa0", " ")
    assert "$ agentctl status shop" in text
    assert "└── Pod ready <&>" in "".join(text.split("\n"))


def test_a_terminal_refers_to_no_other_server() -> None:
    """GitHub shows pictures without what they refer to."""
    svg = pictures.terminal("true", "")

    assert svg.replace("http://www.w3.org/2000/svg", "").count("://") == 0
