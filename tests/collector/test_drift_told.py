"""Alarms on their way: only to a centre that reads them, without waiting for lines, and in the doctor's and the samples' words."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from cyberalarm.collector import state
from cyberalarm.collector.doctor import Verdict, examine
from cyberalarm.collector.drift.samples import Samples
from cyberalarm.collector.files import only_one
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.core.alarm import Alarm, AlarmKind
from cyberalarm.core.outcome import Ledger
from tests.collector.members import STRANGE, Home, blocked
from tests.collector.processes import cyberalarm

if TYPE_CHECKING:
    from cyberalarm.collector.service import Service
    from tests.collector.fake_centre import FakeCentre

SILENT = Alarm("d-one", AlarmKind.SILENT, "", "", 1_700_000_000_000, 0, 0)
FELL = Alarm("d-one", AlarmKind.NOT_RECOGNISED, "", "", 1_700_000_000_000, 998, 410)
MISSING = Alarm("d-one", AlarmKind.FIELD_MISSING, "cisco-asa", "dst_port", 1_700_000_000_000, 1000, 20)


def close(service: Service) -> None:
    assert service._pipeline.close_bundle()
    assert service._shipper.step() == 0.0


def test_an_older_centre_gets_what_it_knows(service: Service, centre: FakeCentre) -> None:
    centre.bundle_form = 1
    service._ask_status()
    service._watch.alarms = (SILENT,)
    assert not service._pipeline.due
    service._pipeline.take(Chunk("gateway", blocked(1) + b"\n"))
    close(service)
    assert [one.alarms for one in centre.taken] == [None]
    centre.bundle_form = 2  # it is updated
    service._ask_status()
    assert service._pipeline.due
    close(service)
    assert centre.taken[-1].alarms == (SILENT,)


def test_before_the_centre_has_said_what_it_reads_nothing_is_told(service: Service, centre: FakeCentre) -> None:
    service._watch.alarms = (SILENT,)
    service._pipeline.take(Chunk("gateway", blocked(1) + b"\n"))
    close(service)
    assert centre.taken[-1].alarms is None


def test_a_beginning_and_an_end_are_told_at_once_and_without_lines(service: Service, centre: FakeCentre) -> None:
    service._ask_status()
    assert not service._pipeline.due
    service._watch.alarms = (SILENT,)
    assert service._pipeline.due
    close(service)
    assert not service._pipeline.due, "it is told once"
    service._pipeline.take(Chunk("gateway", blocked(1) + b"\n"))
    close(service)
    service._watch.alarms = ()
    assert service._pipeline.due
    close(service)
    assert [one.alarms for one in centre.taken] == [(SILENT,), (SILENT,), ()]
    assert [sum(ledger.received for ledger in one.ledgers.values()) for one in centre.taken] == [0, 1, 0]
    assert centre.total().balanced


def noted(home: Home, *alarms: Alarm) -> None:
    ledger = Ledger()
    ledger.add([5, 0, 0, 0, 0, 0, 0, 0, 0])
    now = time.time()
    device = {
        "source": "192.0.2.1", "last_line": now, "products": {"x": 1}, "absurd_times": 0, "ledger": ledger.to_json(),
        "first_heard": now - 60,
    }  # fmt: skip
    note = {
        "written": now, "started": now - 60, "version": "0.1.0", "listening": {"udp": [], "tcp": []},
        "spool": {"waiting": 0, "bytes": 0, "limit": 1000}, "held": False, "clock_ahead_ms": 5,
        "shipping": {"sent": 1, "rows": 1, "last_receipt": now, "trouble_code": "", "trouble": "", "trouble_since": 0},
        "devices": {"d-one": device}, "alarms": [alarm.to_json() for alarm in alarms],
    }  # fmt: skip
    state.write(home.data, state.State.model_validate(note))


def test_the_doctor_says_what_changed_and_shows_it(member: Home) -> None:
    kept = Samples.open(member.data)
    kept.add("d-one", STRANGE, "unrecognised", time.time())
    kept.add("d-one", blocked(1).replace(b"DPT", b"XPT"), "field-missing", time.time())
    kept.save()
    with only_one(member.data):
        noted(member, FELL, MISSING, SILENT)
        checks = examine(member.path)
        drift = [check for check in checks if check.link == "Device d-one: drift"]
        assert [check.verdict for check in drift] == [Verdict.ATTENTION] * 3
        assert drift[0].found.endswith("Of its lines 41.0% are recognised; before it were 99.8%.")
        assert "14 November 2023" in drift[0].found
        assert drift[0].sample == "<13>Mar  0 00:00:00 gateway …: the … … on the …"
        assert "XPT=…" in drift[1].sample
        assert drift[2].sample == ""
        assert all(check.next_step for check in drift)
        [device] = [check for check in checks if check.link == "Device d-one"]
        assert device.found.endswith("It is new: first heard within the last day.")
        told = cyberalarm("collector", "doctor", "--config", str(member.path))
        assert told.returncode == 4
        assert "such a line, redacted: <13>Mar  0" in told.stdout


def test_an_alarm_that_only_a_newer_collector_knows_is_passed_over(member: Home) -> None:
    with only_one(member.data):
        noted(member, FELL)
        path = member.data / state.STATE
        path.write_text(path.read_text().replace("not-recognised", "of-tomorrow"))
        assert not [check for check in examine(member.path) if "drift" in check.link]


def test_the_samples_command(member: Home) -> None:
    config = ("--config", str(member.path))
    assert "No sample is kept" in cyberalarm("collector", "samples", *config).stdout
    kept = Samples.open(member.data)
    kept.add("d-one", STRANGE, "unrecognised", 1_700_000_000)
    kept.add("d-two", b"\x1b[2J \x07 bob", "malformed", 1_700_000_100)
    kept.save()
    told = cyberalarm("collector", "samples", *config)
    assert (told.returncode, "Device d-one" in told.stdout, "\x1b" in told.stdout) == (0, True, False)
    rows = json.loads(cyberalarm("collector", "samples", "d-two", *config, "--output", "json").stdout)
    assert [(row["device"], row["outcome"], row["times"]) for row in rows] == [("d-two", "malformed", 1)]
    assert "bob" not in rows[0]["form"]
