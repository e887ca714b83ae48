"""docs/command-line.md names every command with its arguments and options, every exit code and every code of machine errors."""

from __future__ import annotations

import re

import pytest

from cyberalarm.cli import app
from cyberalarm.cli.printing import ExitCode
from tests.cli.program import ROOT, commands

PAGE = (ROOT / "docs" / "command-line.md").read_text("utf-8")
# heading -> what stands under it
SECTIONS = dict(re.findall(r"^#{2,3} cyberalarm ([^\n]+)\n(.*?)(?=^#{2,3} |\Z)", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = {" ".join(words): command for words, command in commands() if not hasattr(command, "list_commands")}


def declared(command: object) -> set[str]:
    """Options by their long name, arguments in capitals, with … where there may be several."""
    named = set()
    for parameter in command.params:  # type: ignore[attr-defined]
        if parameter.param_type_name == "argument":
            named.add(parameter.name.upper() + ("…" if parameter.nargs == -1 else ""))
        else:
            named |= set(parameter.opts)
    return named - {"--help"}


def test_the_page_has_every_command_and_no_other() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_arguments_and_options_and_no_other(name: str) -> None:
    assert set(re.findall(r"^\| `([^`]+)` \|", SECTIONS[name], re.MULTILINE)) == declared(COMMANDS[name])


def test_the_table_of_exit_codes_is_the_programs() -> None:
    table = re.findall(r"^\| (\d) \| ([a-z ]+) \|", PAGE, re.MULTILINE)
    assert [(int(code), name.upper().replace(" ", "_")) for code, name in table] == [
        (c.value, c.name) for c in ExitCode
    ]


def test_the_codes_of_machine_errors_are_named() -> None:
    told = {code for code, _, _ in (*app._SYSTEM.values(), *app._DATABASE.values())} | {"part-missing", "not-reachable"}
    table = PAGE.partition("## Exit codes")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z-]+)`(?=[,` ]| \|)", table.partition("code of the error")[2])) == told
