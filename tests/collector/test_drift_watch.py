"""The watch over real lines and the real kernel, with a clock of its own: alarms, samples, bounds, and what survives a restart."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.collector.drift import samples, watch
from cyberalarm.collector.drift.rate import LIMITS
from cyberalarm.collector.drift.watch import Watch
from cyberalarm.core.alarm import Alarm, AlarmKind
from cyberalarm.formats.library import bundled
from tests.collector.members import STRANGE, blocked

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = b"".join(blocked(n) + b"\n" for n in range(20))
# As after an update of the firmware: the same words in another order, which no pack knows.
CHANGED = b"".join(
    b"<4>Mar  9 12:00:00 gw fwlog v2 verdict:block user:alice from:198.51.100.%d\n" % n for n in range(20)
)
PORTLESS = KNOWN.replace(b" DPT=", b" XPT=")
DECODE = partial(bundled().kernel.decode, received_ms=1_800_000_000_000)


class Clock:
    """Seconds since 1970, moved on by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watching(tmp_path: Path, clock: Clock) -> Watch:
    return Watch(tmp_path, clock=clock)


def give(watching: Watch, device: str, lines: bytes, products: list[tuple[str, int]] | None = None) -> None:
    batch = DECODE(lines)
    watching.saw(device, lines, batch, (batch.counts(), products or batch.products()), DECODE)


def hear(watching: Watch, clock: Clock, seconds: int, lines: bytes = KNOWN, device: str = "d-one") -> None:
    for _ in range(seconds):
        clock.now += 1
        give(watching, device, lines)
        watching.tick()


def standing(watching: Watch) -> set[tuple[AlarmKind, str, str]]:
    return {(alarm.kind, alarm.product, alarm.field) for alarm in watching.alarms}


NOT_RECOGNISED = (AlarmKind.NOT_RECOGNISED, "", "")


def test_a_device_that_changes_its_format_and_back(watching: Watch, clock: Clock) -> None:
    hear(watching, clock, 1800)
    assert watching.alarms == ()
    changed = clock.now
    hear(watching, clock, 500, KNOWN[: len(KNOWN) // 2].rpartition(b"\n")[0] + b"\n" + CHANGED)
    assert standing(watching) == {NOT_RECOGNISED}
    [alarm] = watching.alarms
    assert alarm.device == "d-one"
    assert (alarm.before, alarm.now < 700) == (1000, True)
    assert abs(alarm.since / 1000 - changed) <= LIMITS.window_s
    [sample] = watching.samples.devices["d-one"]
    assert sample.form == "<4>Mar  0 00:00:00 … … … verdict:block user:… from:[address]"
    assert sample.outcome == "unrecognised"
    assert watching.news
    assert watching.told() == (alarm,)
    assert not watching.news
    hear(watching, clock, 700)
    assert (watching.alarms, watching.news) == ((), True)


def test_a_device_whose_lines_only_a_generic_pack_reads_now(watching: Watch, clock: Clock) -> None:
    hear(watching, clock, 1800)
    for _ in range(500):
        clock.now += 1
        give(watching, "d-one", KNOWN, [("generic-kv", 20)])
        watching.tick()
    assert standing(watching) == {(AlarmKind.GENERIC_ONLY, "", "")}


def test_a_field_that_goes_missing(watching: Watch, clock: Clock) -> None:
    hear(watching, clock, 2400)
    assert watching.alarms == ()
    hear(watching, clock, 500, PORTLESS)
    assert standing(watching) == {(AlarmKind.FIELD_MISSING, "linux-netfilter", "dst_port")}
    assert [sample.outcome for sample in watching.samples.devices["d-one"]] == ["field-missing"]
    assert "XPT=…" in watching.samples.devices["d-one"][0].form
    hear(watching, clock, 700)
    assert watching.alarms == ()


def test_a_device_that_falls_silent(watching: Watch, clock: Clock) -> None:
    for _ in range(30):
        hear(watching, clock, 30)
        for _ in range(59):
            clock.now += 60
            watching.tick()
    assert watching.alarms == ()
    for _ in range(5 * 60):
        clock.now += 60
        watching.tick()
    assert standing(watching) == {(AlarmKind.SILENT, "", "")}
    hear(watching, clock, 1)
    assert watching.alarms == ()


def test_a_machine_that_slept_says_nothing_of_its_devices(watching: Watch, clock: Clock) -> None:
    for _ in range(30):
        hear(watching, clock, 30)
        clock.now += 3500
        watching.tick()
    clock.now += 10 * 86_400
    watching.tick()
    assert watching.alarms == ()


def test_what_was_learnt_survives_a_restart(watching: Watch, clock: Clock, tmp_path: Path) -> None:
    hear(watching, clock, 1800)
    watching.save()
    again = Watch(tmp_path, clock=clock)
    assert again.first_heard("d-one") == watching.first_heard("d-one")
    hear(again, clock, 500, CHANGED)
    assert standing(again) == {NOT_RECOGNISED}
    third = Watch(tmp_path, clock=clock)  # it was written when the alarm began
    assert third.alarms == again.alarms
    assert third.news
    assert [one.form for one in third.samples.devices["d-one"]] == [one.form for one in again.samples.devices["d-one"]]
    hear(third, clock, 700)
    assert third.alarms == ()
    for name in (watch.STATE, samples.SAMPLES):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"devices": {"d": 5}}', b"\xff", b'{"devices":{"d":{"first":"x"}}}']
)
def test_a_damaged_file_means_learning_anew(tmp_path: Path, clock: Clock, content: bytes) -> None:
    for name in (watch.STATE, samples.SAMPLES):
        (tmp_path / name).write_bytes(content)
    watching = Watch(tmp_path, clock=clock)
    assert (watching.alarms, watching.samples.devices) == ((), {})
    hear(watching, clock, 3)
    watching.save()
    json.loads((tmp_path / watch.STATE).read_bytes())


def test_a_full_disk_stops_nothing(watching: Watch, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watch, "write_whole", full)
    hear(watching, clock, 200, CHANGED)
    watching.save()


def test_forged_senders_take_no_place_of_a_device_that_is_known(watching: Watch, clock: Clock) -> None:
    hear(watching, clock, 1800)
    for number in range(watch.MOST_DEVICES * 2):
        hear(watching, clock, 1, STRANGE + b"\n", f"d-forged{number}")
    assert len(watching._devices) == watch.MOST_DEVICES
    assert len(watching.samples.devices) == samples.MOST_DEVICES
    assert "d-one" in watching._devices
    hear(watching, clock, 500, CHANGED)
    assert NOT_RECOGNISED in standing(watching)


def test_samples_are_few_and_of_different_forms(watching: Watch, clock: Clock, tmp_path: Path) -> None:
    for number in range(30):
        for _ in range(3):
            hear(watching, clock, 1, b"<1>x " + b"!" * number + b" bob@example.org " + b"[" * 4000 + b"\n")
    kept = watching.samples.devices["d-one"]
    assert len(kept) == samples.EACH == len({sample.form for sample in kept})
    assert all(len(sample.form.encode()) <= 2048 for sample in kept)
    assert [sample.times for sample in kept] == [3] * samples.EACH
    watching.save()
    assert samples.read(tmp_path) == watching.samples.devices
    assert b"bob" not in (tmp_path / samples.SAMPLES).read_bytes()


lines = st.lists(
    st.one_of(st.binary(max_size=80).map(lambda raw: raw.replace(b"\n", b".")), st.just(STRANGE), st.just(blocked(1))),
    max_size=40,
)


@given(chunks=st.lists(st.tuples(st.sampled_from(["d-a", "d-b"]), lines, st.integers(-5, 400)), max_size=10))
@settings(max_examples=60, deadline=None)
def test_total_on_any_lines_and_any_clock(
    chunks: list[tuple[str, list[bytes], int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, clock = tmp_path_factory.mktemp("watch"), Clock()
    watching = Watch(folder, clock=clock)
    for device, some, step in chunks:
        clock.now += step
        buffer = b"".join(line + b"\n" for line in some)
        give(watching, device, buffer)
        watching.tick()
    watching.save()
    again = Watch(folder, clock=clock)
    assert set(again._devices) == set(watching._devices)
    assert again.samples.devices == watching.samples.devices


def test_an_alarm_is_read_back_and_what_is_newer_is_passed_over() -> None:
    alarm = Alarm("d-one", AlarmKind.FIELD_MISSING, "x-y", "dst_port", 1, 1000, 0)
    assert Alarm.from_json({**alarm.to_json(), "further": "words"}) == alarm
    assert Alarm.from_json({**alarm.to_json(), "kind": "of-tomorrow"}) is None
    assert Alarm.from_json({**alarm.to_json(), "field": "of_tomorrow"}) is None
    for wrong in (
        {"device": "a b"},
        {"since": -1},
        {"since": 2**62},
        {"before": 1001},
        {"now": True},
        {"product": "<b>"},
    ):
        with pytest.raises(ValueError, match="alarm"):
            Alarm.from_json({**alarm.to_json(), **wrong})
