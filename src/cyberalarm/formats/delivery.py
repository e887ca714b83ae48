"""Packs that come after the program: may these be used together with the bundled ones, and what comes of both?

Invariants
- The bundled packs are the floor: a delivered pack takes the place of the bundled one of its name only with a higher version, and
  no delivery takes a pack away.
- A delivery is refused as a whole: when one of its packs cannot be read, is not the one it is said to be, or when the linter finds
  anything wrong with all packs together that it does not find with the bundled ones alone.
- Numbers only rise: an older release than one that was in use is refused, and so is another one of the same number.

Who signed them is not looked at here: that is `envelope.releases`, and comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.core.errors import RefusedError
from cyberalarm.core.versions import older
from cyberalarm.formats.library import bundled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyberalarm.formats.pack import Pack

_MOST_TOLD = 5  # issues, in the words of a refusal
_LONGEST_TOLD = 200  # characters of each
_BUILD_AGAIN = "The packs in use stay. Whoever publishes packs must mend them and publish a release of a higher number."


class DeliveryRefused(RefusedError):  # noqa: N818 - the field says "refused", and so do we
    """These packs are not loaded, though their signature may be good."""

    code = "release-unusable"


def check_number(number: int, sha256: str, newest: int, newest_sha256: str) -> None:
    """May a release of this number follow the newest that was in use (0: none)? Raises DeliveryRefused."""
    if number < newest:
        raise DeliveryRefused(
            f"Pack release {number} is older than release {newest}, which was in use here before.",
            next_step="Publish a release of a higher number.",
            code="release-older",
        )
    if number == newest and sha256 != newest_sha256:
        raise DeliveryRefused(
            f"There is another pack release of the number {number}.",
            next_step="Publish a release of a higher number.",
            code="release-conflict",
        )


def check_program(ours: str, needed: str) -> None:
    """Raises DeliveryRefused when this program is too old for the packs."""
    if older(ours, needed):
        raise DeliveryRefused(
            f"The packs need version {needed} of the program; this is {ours}.",
            next_step="Update the program.",
            code="release-program",
        )


def joined(delivered: Iterable[tuple[str, int, bytes]]) -> tuple[Pack, ...]:
    """The bundled packs and the delivered ones (name, version, TOML) as one library, linted. Raises DeliveryRefused."""
    from cyberalarm.formats.lint import lint_together
    from cyberalarm.formats.loader import PackError

    packs = merged(delivered)
    try:
        found = [str(issue) for issue in lint_together(packs)]
    except PackError as error:
        raise DeliveryRefused(f"The packs do not fit together: {_shown(error.what)}", next_step=_BUILD_AGAIN) from error
    before = {str(issue) for issue in lint_together(bundled().packs)} if found else set()
    if new := [issue for issue in found if issue not in before]:
        # What takes another's lines does most harm, so it is said first.
        new.sort(key=lambda issue: " is taken by " not in issue)
        told = "; ".join(_shown(issue) for issue in new[:_MOST_TOLD]) + ("; …" if len(new) > _MOST_TOLD else "")
        raise DeliveryRefused(
            f"The packs have faults ({len(new)}): {told}.", next_step=_BUILD_AGAIN, code="release-lint"
        )
    return packs


def _shown(text: str) -> str:
    """Short, and without what could steer a terminal: much of it is the pack's own words."""
    short = text[:_LONGEST_TOLD] + ("…" if len(text) > _LONGEST_TOLD else "")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in short)


def merged(delivered: Iterable[tuple[str, int, bytes]]) -> tuple[Pack, ...]:
    """As `joined`, for packs that were linted before. Bundled ones in their places, or what replaces them; then new ones."""
    coming = {pack.name: pack for pack in _read(delivered)}
    kept = [_higher(pack, coming.pop(pack.name, pack)) for pack in bundled().packs]
    return (*kept, *sorted(coming.values(), key=lambda pack: pack.name))


def newer(delivered: Iterable[tuple[str, int, bytes]]) -> list[str]:
    """Name and version of those delivered packs that are used: that are not bundled, or not in so high a version."""
    ours = {pack.name: pack.version for pack in bundled().packs}
    return [f"{name} {version}" for name, version, _ in delivered if version > ours.get(name, 0)]


def _read(delivered: Iterable[tuple[str, int, bytes]]) -> list[Pack]:
    from cyberalarm.formats.loader import PackError, parse_pack

    packs = []
    for name, version, content in delivered:
        try:
            pack = parse_pack(name, content)
        except PackError as error:
            raise DeliveryRefused(f"A pack cannot be read: {_shown(error.what)}", next_step=_BUILD_AGAIN) from error
        if (pack.name, pack.version) != (name, version):
            raise DeliveryRefused(f"The pack {name} is not the one it is said to be.", next_step=_BUILD_AGAIN)
        packs.append(pack)
    return packs


def _higher(ours: Pack, theirs: Pack) -> Pack:
    return theirs if theirs.version > ours.version else ours
