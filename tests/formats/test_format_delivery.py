"""Delivered packs beside the bundled ones: the floor stays, what is worse than before is refused."""

from __future__ import annotations

import pytest

from cyberalarm.formats import delivery
from cyberalarm.formats.delivery import DeliveryRefused
from cyberalarm.formats.library import bundled, bundled_files
from cyberalarm.formats.loader import build
from tests.collector.pack_releases import FAULTY, NAME, PACK, turnstile

NOON = 1_795_003_200_000
FORTIGATE = next(path for path in bundled_files() if path.stem == "fortigate").read_bytes()
OURS = next(pack for pack in bundled().packs if pack.name == "fortinet-fortigate").version
FLOOR = len(bundled().packs)


def at_version(version: int) -> bytes:
    changed = FORTIGATE.replace(f"\nversion = {OURS}\n".encode(), f"\nversion = {version}\n".encode(), 1)
    assert version == OURS or changed != FORTIGATE
    return changed


def test_a_new_pack_stands_beside_the_bundled_ones() -> None:
    packs = delivery.joined([(NAME, 1, PACK.encode())])
    assert len(packs) == FLOOR + 1
    assert {pack.name for pack in bundled().packs} < {pack.name for pack in packs}
    batch = build(packs).kernel.decode(turnstile(1), received_ms=NOON)
    assert batch.products() == [(NAME, 1)]
    assert bundled().kernel.decode(turnstile(1), received_ms=NOON).products() == []


@pytest.mark.parametrize("version", [OURS, OURS - 1])
def test_the_bundled_pack_stands_against_the_same_version_and_lower_ones(version: int) -> None:
    delivered = ("fortinet-fortigate", version, at_version(version).replace(b"summary = ", b'summary = "Ours?" #'))
    if version == 0:
        with pytest.raises(DeliveryRefused):
            delivery.joined([delivered])
        return
    packs = delivery.joined([delivered])
    assert packs == bundled().packs
    assert delivery.newer([delivered]) == []


def test_a_higher_version_takes_the_bundled_packs_place() -> None:
    delivered = ("fortinet-fortigate", OURS + 1, at_version(OURS + 1))
    packs = delivery.joined([delivered])
    assert [pack.name for pack in packs] == [pack.name for pack in bundled().packs]
    assert {pack.name: pack.version for pack in packs}["fortinet-fortigate"] == OURS + 1
    assert delivery.newer([delivered]) == [f"fortinet-fortigate {OURS + 1}"]


@pytest.mark.parametrize(
    ("delivered", "code"),
    [
        ((NAME, 1, FAULTY.encode()), "release-lint"),
        ((NAME, 1, PACK.partition("[[example]]")[0].encode()), "release-unusable"),
        ((NAME, 2, PACK.encode()), "release-unusable"),
        (("example-door", 1, PACK.encode()), "release-unusable"),
        ((NAME, 1, b"\xff"), "release-unusable"),
        ((NAME, 1, b""), "release-unusable"),
        ((NAME, 1, b"a = " + b"[" * 100_000), "release-unusable"),
        ((NAME, 1, b"a = " + b"9" * 5_000), "release-unusable"),
        ((NAME, 1, PACK.replace("{src:ip}", "{src:regex}").encode()), "release-unusable"),
        ((NAME, 1, PACK.replace("sensor", 'over = ["example-none"]\nsensor', 1).encode()), "release-lint"),
    ],
)
def test_what_is_wrong_is_refused_as_a_whole(delivered: tuple[str, int, bytes], code: str) -> None:
    with pytest.raises(DeliveryRefused) as caught:
        delivery.joined([delivered])
    assert caught.value.code == code
    assert caught.value.next_step


def test_a_pack_that_takes_anothers_lines_is_refused() -> None:
    """Not even one that is right in itself."""
    greedy = PACK.replace("turnstile9 ", "greedy9 ").replace('begins = ["greedy9 "]', 'begins = ["greedy9 ", "date="]')
    greedy = greedy.replace('templates = ["', 'templates = ["date={verdict:word}", "')
    with pytest.raises(DeliveryRefused) as caught:
        delivery.joined([(NAME, 1, greedy.encode())])
    assert caught.value.code == "release-lint"
    assert f"is taken by {NAME}" in caught.value.what


def test_a_packs_words_cannot_flood_or_steer_the_one_who_reads_of_it() -> None:
    strange = PACK.replace("[maps.action]", f'[maps."\\u001b[2J{"x" * 5_000}"]\na = "b"\n\n[maps.action]')
    with pytest.raises(DeliveryRefused) as caught:
        delivery.joined([(NAME, 1, strange.encode())])
    assert caught.value.code == "release-lint"
    assert len(caught.value.what) < 500
    assert caught.value.what.isprintable()


def test_packs_that_are_over_each_other_are_refused() -> None:
    other = PACK.replace(NAME, "example-second").replace("sensor", f'over = ["{NAME}"]\nsensor', 1)
    first = PACK.replace("sensor", 'over = ["example-second"]\nsensor', 1)
    with pytest.raises(DeliveryRefused, match="do not fit together"):
        delivery.joined([(NAME, 1, first.encode()), ("example-second", 1, other.encode())])


@pytest.mark.parametrize(
    ("number", "sha256", "code"),
    [(1, "a", "release-older"), (4, "b", "release-older"), (5, "b", "release-conflict"), (5, "a", ""), (6, "b", "")],
)
def test_numbers_only_rise(number: int, sha256: str, code: str) -> None:
    found = ""
    try:
        delivery.check_number(number, sha256, 5, "a")
    except DeliveryRefused as error:
        found = error.code
    assert found == code


def test_a_program_that_is_too_old_says_so() -> None:
    delivery.check_program("0.1.0", "0.1.0")
    delivery.check_program("0.2", "0.1.9")
    with pytest.raises(DeliveryRefused) as caught:
        delivery.check_program("0.9.9", "0.10")
    assert caught.value.code == "release-program"
