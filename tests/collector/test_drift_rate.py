"""When an alarm begins and ends: pure, by windows of counts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.collector.drift.device import MOST_PRODUCTS, WATCHED, Device
from cyberalarm.collector.drift.rate import LIMITS, Rate, judge_presence, judge_share
from cyberalarm.core.alarm import AlarmKind

W = LIMITS.window_s
START = 1_000_000.0


def learnt(share: float = 1.0, lines: int = 1000, windows: int = 20) -> Rate:
    rate = Rate()
    for at in range(windows):
        judge_share(rate, round(share * lines), lines, START + at * W, START + (at + 1) * W, LIMITS)
    return rate


def window(rate: Rate, share: float, lines: int = 1000, at: float = START + 100 * W) -> bool:
    judge_share(rate, round(share * lines), lines, at, at + W, LIMITS)
    return rate.stands


def test_nothing_is_said_while_learning() -> None:
    rate = Rate()
    assert not any(window(rate, share) for share in (1.0, 1.0, 0.0, 1.0, 0.0))


@pytest.mark.parametrize(("share", "raised"), [(0.96, False), (0.951, False), (0.95, True), (0.5, True), (0.0, True)])
def test_a_fall_of_five_points(share: float, raised: bool) -> None:
    assert window(learnt(), share) is raised


@given(before=st.floats(0.9, 1), lines=st.integers(1000, 100_000), fall=st.floats(0.06, 0.9))
@settings(deadline=None)
def test_any_fall_of_more_than_five_points_of_a_steady_share_is_noticed_at_once(
    before: float, lines: int, fall: float
) -> None:
    assert window(learnt(before, lines), max(before - fall, 0), lines)


@given(st.lists(st.integers(960, 1000), min_size=1, max_size=200))
@settings(deadline=None)
def test_small_ups_and_downs_raise_nothing(good: list[int]) -> None:
    rate = learnt(0.98)
    assert not any(window(rate, hits / 1000) for hits in good)


def test_few_lines_are_no_proof_but_all_of_few_are() -> None:
    assert not window(learnt(0.99), 0.9, 10)
    assert window(learnt(0.99), 0.0, 10)


def test_a_share_that_jumps_by_nature_is_left_alone() -> None:
    rate = Rate()
    shares = [0.6, 1.0] * 50
    assert not any(window(rate, share) for share in shares)


def test_it_ends_after_two_good_windows_and_does_not_flap() -> None:
    rate = learnt()
    assert window(rate, 0.4)
    since = rate.since
    assert all(window(rate, share) for share in (1.0, 0.4, 1.0, 0.4, 0.97, 1.0))
    assert rate.since == since, "it is one alarm"
    assert not window(rate, 1.0)
    assert rate.mean == pytest.approx(1.0), "what was wrong was not learnt"
    assert window(rate, 0.4), "and it may come again"


def test_after_two_weeks_it_is_the_new_usual() -> None:
    rate = learnt()
    assert window(rate, 0.4)
    late = START + 101 * W + LIMITS.accept_s + 1
    assert not window(rate, 0.4, at=late)
    for at in range(1, 10):
        assert not window(rate, 0.4, at=late + at * W)
    assert window(rate, 0.2, at=late + 11 * W)


def test_a_field_that_was_always_there() -> None:
    def after(*shares: float, before: float = 1.0) -> bool:
        rate = Rate()
        for share in (*[before] * 20, *shares):
            judge_presence(rate, round(share * 100), 100, START, START + W, LIMITS)
        return rate.stands

    assert after(0.5)
    assert after(0.0)
    assert not after(0.51)
    assert not after(0.0, before=0.98), "it was not always there"
    assert after(0.0, 1.0)
    assert not after(0.0, 1.0, 1.0)


def heard(
    device: Device, seconds: float, now: float, known: int = 10, lines: int = 10, own: int | None = None
) -> float:
    """Every second so many lines; gives the time after."""
    for _ in range(int(seconds)):
        now += 1
        device.hear(known if own is None else own, known, lines, now, LIMITS)
        device.listen(now, LIMITS)
    return now


def kinds(device: Device) -> set[AlarmKind]:
    return {alarm.kind for alarm in device.alarms("d-one")}


@given(st.integers(0, 239))
@settings(max_examples=20, deadline=None)
def test_a_change_is_said_within_ten_minutes_whenever_it_comes(offset: int) -> None:
    device = Device.new(START)
    changed = heard(device, 1500 + offset, START)
    now = changed
    while not kinds(device):
        now = heard(device, 1, now, known=4)
        assert now - changed < 600
    assert now - changed <= 2 * W + 1
    [alarm] = device.alarms("d-one")
    assert (alarm.before, alarm.now) == pytest.approx((1000, 400), abs=600)
    assert alarm.since / 1000 <= now


def test_a_device_with_few_lines_is_judged_when_it_has_sent_ten() -> None:
    device, now = Device.new(START), START
    for _ in range(300):
        now += 60
        device.hear(1, 1, 1, now, LIMITS)
    assert not kinds(device)
    for _ in range(21):
        now += 60
        device.hear(0, 0, 1, now, LIMITS)
    assert kinds(device) == {AlarmKind.NOT_RECOGNISED}


def test_lines_that_only_generic_rules_read_now() -> None:
    device = Device.new(START)
    now = heard(device, 2000, START)
    now = heard(device, 500, now, own=0)
    assert kinds(device) == {AlarmKind.GENERIC_ONLY}
    now = heard(device, 500, now, known=0)
    assert kinds(device) == {AlarmKind.NOT_RECOGNISED}, "one alarm for one thing"
    heard(device, 800, now)
    assert not kinds(device)


def test_silence_is_measured_by_what_is_usual() -> None:
    device, now = Device.new(START), START
    for _ in range(30):  # a device that sleeps two hours, then speaks for five minutes
        now = heard(device, 300, now)
        now += 7200
    assert not kinds(device)
    device.listen(now + 1.5 * 7200, LIMITS)
    assert not kinds(device), "three times as long is not over"
    device.listen(now + 2.5 * 7200, LIMITS)
    assert kinds(device) == {AlarmKind.SILENT}
    heard(device, 1, now + 4 * 7200)
    assert not kinds(device)


def test_a_new_device_is_not_said_to_be_silent() -> None:
    device = Device.new(START)
    device.listen(heard(device, 3000, START) + 10 * 86_400, LIMITS)
    assert not kinds(device)


def test_the_collectors_own_absence_is_nobodys_silence() -> None:
    device, now = Device.new(START), START
    for _ in range(30):
        now = heard(device, 300, now) + 3600
    now += 20 * 86_400
    device.resume(now)
    device.listen(now + 60, LIMITS)
    assert not kinds(device)


def test_products_and_fields_are_bounded() -> None:
    device = Device.new(START)
    for number in range(100):
        device.hear_event(f"product-{number}", {"src_ip": "192.0.2.1", f"unheard-of-{number}": 1}, START)
    assert len(device.products) == MOST_PRODUCTS
    assert all(set(product.had) == {"src_ip"} for product in device.products.values())
    assert {"src_ip", "dst_port", "action", "threat"} <= set(WATCHED)


def test_a_clock_that_goes_back_hurts_nothing() -> None:
    device = Device.new(START)
    now = heard(device, 2000, START)
    heard(device, 2000, now - 86_400)
    assert not kinds(device)
