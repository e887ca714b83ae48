"""`python -m cyberalarm.appliance console|setup`, started by the appliance's units."""

from __future__ import annotations

import sys

from cyberalarm.appliance.machine import Machine


def main(arguments: list[str]) -> int:
    if arguments == ["setup"]:
        from cyberalarm.appliance import unattended

        return unattended.main(Machine())
    if arguments == ["console"]:
        from cyberalarm.appliance.console import Console
        from cyberalarm.appliance.terminal import Terminal

        Console(Machine(), Terminal()).run()
        return 0
    sys.stderr.write("Say console or setup.\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
