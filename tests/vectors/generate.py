"""Writes the published test vectors beside this file: python tests/vectors/generate.py

All keys are fixed (SHA-256 of a label), so that anybody can follow; they protect nothing. HPKE draws fresh
randomness for every envelope, so a new run gives other envelopes of equal standing: run this when the format
changes, not otherwise.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from cyberalarm.central.events.arrow import table_of
from cyberalarm.core.alarm import Alarm, AlarmKind
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.envelope import canonical, payload, receipts, releases, revocations, sealing, source_list
from cyberalarm.envelope.documents import Enrolment, Offer, Status
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
from cyberalarm.envelope.receipts import Receipt
from cyberalarm.envelope.releases import PackFile, Release
from cyberalarm.envelope.requests import sign_request
from cyberalarm.envelope.sealing import Header
from cyberalarm.envelope.source_list import SourceList
from cyberalarm.envelope.tokens import RegistrationToken

HERE = Path(__file__).parent
COLLECTOR = "c-vect0rs"
SEALED = 1_767_225_600_000  # 2026-01-01 in ms UTC
SIGNED = b"CyberAlarm envelope v1\0"


def fixed(label: str, length: int = 32) -> bytes:
    return hashlib.shake_256(b"CyberAlarm test vectors: " + label.encode()).digest(length)


def ledgers() -> dict[str, Ledger]:
    made = Ledger()
    counts = {Outcome.KEPT: 3, Outcome.ROUTINE: 40, Outcome.NOISE: 2}
    made.add(counts.get(outcome, 0) for outcome in Outcome)
    return {"d1": made}


def events() -> bytes:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    row = {
        "time": at, "sensor": "firewall", "product": "linux-netfilter", "device": "d1",
        "action": "blocked", "direction": "inbound", "src_ip": "198.51.100.23", "dst_ip": "203.0.113.7",
        "dst_port": 22, "protocol": 6,
    }  # fmt: skip
    table = table_of([{**row, "count": 2}, {**row, "src_ip": "2001:db8::23", "dst_port": 3389}])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as out:
        out.write_table(table)
    return bytes(sink.getvalue())


def with_header(envelope: bytes, header: bytes, by: SigningKey) -> bytes:
    """The same ciphertext under another header, signed by the collector itself."""
    length = int.from_bytes(envelope[4:8])
    body = envelope[:4] + len(header).to_bytes(4) + header + envelope[8 + length : -64]
    return body + by.sign(SIGNED + body)


def refused(good: bytes, by: SigningKey, other: SigningKey) -> list[dict[str, str]]:
    length = int.from_bytes(good[4:8])
    header = good[8 : 8 + length]
    middle = 8 + length + 4 + 60
    flipped = bytearray(good)
    flipped[middle] ^= 1
    lower = header.replace(b'"lines":45', b'"lines":44')
    spaced = header.replace(b",", b", ")

    def renamed(name: str, value: str | int) -> bytes:
        return with_header(good, _replaced(header, name, value), by)

    cases = [
        ("empty", b"", "envelope-malformed"),
        ("cut off", good[:-1], "envelope-malformed"),
        ("followed by a byte", good + b"\0", "envelope-malformed"),
        ("another magic", b"CAE2" + good[4:], "envelope-malformed"),
        ("a bit of the ciphertext changed", bytes(flipped), "envelope-signature"),
        ("a header field changed", good.replace(b'"lines":45', b'"lines":44'), "envelope-signature"),
        ("signed by another collector", good[:-64] + other.sign(SIGNED + good[:-64]), "envelope-signature"),
        ("another header, signed again", with_header(good, lower, by), "envelope-unopenable"),
        ("another key, signed again", renamed("key", "0" * 16), "envelope-key-unknown"),
        ("version 2, signed", renamed("version", 2), "envelope-version"),
        ("an unknown suite, signed", renamed("suite", "rot13"), "envelope-suite"),
        ("spaces in the header, signed", with_header(good, spaced, by), "envelope-malformed"),
        ("a first envelope that follows one", renamed("previous", "a" * 64), "envelope-malformed"),
    ]  # fmt: skip
    return [{"what": what, "code": code, "envelope": envelope.hex()} for what, envelope, code in cases]


def _replaced(header: bytes, name: str, value: str | int) -> bytes:
    content = json.loads(header)
    content[name] = value
    return canonical.encode(content)


def suite_vector(suite: Suite) -> dict[str, object]:
    by, other = SigningKey(fixed("collector")), SigningKey(fixed("another collector"))
    private = fixed(f"analysis {suite}", 32 if suite is Suite.CLASSIC else 96)
    to = AnalysisKey(suite, private).public
    content = payload.pack(ledgers(), events())
    previous, envelopes = sealing.FIRST_PREVIOUS, []
    for sequence in (1, 2):
        envelope = sealing.seal(content, Header(COLLECTOR, sequence, previous, SEALED, 2, 45), to, by)
        previous = sealing.digest(envelope)
        length = int.from_bytes(envelope[4:8])
        header = json.loads(envelope[8 : 8 + length])
        envelopes.append({"header": header, "envelope": envelope.hex(), "digest": previous})
    return {
        "suite": suite,
        "collector": {"private": fixed("collector").hex(), "public": by.public.hex()},
        "centre": {
            "analysis_private": private.hex(),
            "analysis_public": to.raw.hex(),
            "analysis_public_text": to.to_text(),
            "key_id": to.key_id,
        },
        "payload": {
            "bytes": content.hex(),
            "ledgers": {device: ledger.to_json() for device, ledger in ledgers().items()},
            "arrow": payload.unpack(content)[1].hex(),
        },
        "envelopes": envelopes,
        "refused": refused(bytes.fromhex(str(envelopes[0]["envelope"])), by, other),
    }


def payloads_vector() -> dict[str, object]:
    """Payloads of both forms, unsealed; and some that are no payload."""
    alarms = (
        Alarm("d1", AlarmKind.FIELD_MISSING, "linux-netfilter", "dst_port", SEALED, 1000, 20),
        Alarm("d1", AlarmKind.NOT_RECOGNISED, "", "", SEALED, 998, 410),
        Alarm("d2", AlarmKind.SILENT, "", "", SEALED, 0, 0),
    )
    counts = {device: ledger.to_json() for device, ledger in ledgers().items()}
    arrow = events()
    good = [
        (payload.pack(ledgers(), arrow), counts, None, None),
        (payload.pack(ledgers(), arrow, alarms), counts, [alarm.to_json() for alarm in alarms], None),
        (payload.pack({}, arrow, ()), {}, [], None),
        (payload.pack(ledgers(), arrow, (), 7), counts, [], 7),
    ]
    second = good[1][0]
    bad = [
        b"",
        b"CAP3" + second[4:],
        second[:-1],
        second + b"\0",
        b"CAP1" + second[4:],
        second.replace(b":410", b": 41"),
    ]
    return {
        "payloads": [
            {"bytes": raw.hex(), "ledgers": inside, "alarms": standing, "arrow": arrow.hex(), "release": release}
            for raw, inside, standing, release in good
        ],
        "refused": [raw.hex() for raw in bad],
    }


def documents_vector() -> dict[str, object]:
    centre, by = SigningKey(fixed("receipts")), SigningKey(fixed("collector"))
    key = AnalysisKey(Suite.CLASSIC, fixed("analysis x25519")).public
    first = sealing.FIRST_PREVIOUS
    receipt = receipts.issue(Receipt("ab" * 32, COLLECTOR, 1, 2, SEALED), centre).decode()
    enrolment = Enrolment(COLLECTOR, "https://centre.example.org", centre.public, (key,), 1, first, SEALED)
    status = Status(COLLECTOR, "0.1.0", (), "0.1.0", False, SEALED, 1, first, (key,))
    token = RegistrationToken("https://centre.example.org", "cd" * 32, COLLECTOR, fixed("token", 24))
    headers = sign_request(by, COLLECTOR, "GET", "/api/collector/v1/status", b"", SEALED)
    release_key = SigningKey(fixed("release")).verify_key
    with_keys = replace(enrolment, release_keys=(release_key,))
    with_release = replace(status, release=Offer(7, "ef" * 32, 699))
    listed = [
        ("receipt", receipt, ""),
        ("receipt", receipt.replace('"rows":2', '"rows":3'), "signature-refused"),
        ("receipt", receipt.replace(":", ": "), "document-malformed"),
        ("status", receipt, "document-malformed"),
        ("status", receipt.replace('"kind":"receipt"', '"kind":"status"'), "signature-refused"),
        ("enrolment", enrolment.sign(centre).decode(), ""),
        ("status", status.sign(centre).decode(), ""),
        ("enrolment", with_keys.sign(centre).decode(), ""),
        ("status", with_release.sign(centre).decode(), ""),
        ("status", with_release.sign(centre).decode().replace('"number":7', '"number":8'), "signature-refused"),
    ]
    return {
        "receipt_key": centre.public.hex(),
        "collector_key": by.public.hex(),
        "documents": [{"kind": kind, "text": text, "code": code} for kind, text, code in listed],
        "request": {
            "method": "GET",
            "path": "/api/collector/v1/status",
            "body": "",
            "collector": COLLECTOR,
            "time": SEALED,
            "signature": headers["CyberAlarm-Signature"],
        },
        "token": {
            "text": token.to_text(),
            "content": {
                "centre": token.centre,
                "collector": token.collector,
                "pin": token.pin,
                "secret": canonical.base64_text(token.secret),
            },
            "secret_hash": token.secret_hash,
        },
    }


PACK_TOML = b'name = "example-door"\nversion = 3\n# A pack in form only: a signature does not care what it means.\n'
PURPOSE = b"CyberAlarm pack release v1\0"
REVOKING = b"CyberAlarm release key revocation v1\0"


def release_vector() -> dict[str, object]:
    by, other = SigningKey(fixed("release")), SigningKey(fixed("another release"))
    packs = (PackFile("example-door", 3, PACK_TOML), PackFile("example-gate", 1, b'name = "example-gate"\n'))
    good = releases.sign(Release(7, SEALED, "0.1.0", packs), by)

    def outline(manifest: bytes, content: bytes, key: SigningKey = by) -> bytes:
        packed = zlib.compress(content, 9)
        body = b"CAR1" + len(manifest).to_bytes(4) + manifest + len(packed).to_bytes(4) + packed
        return body + key.sign(PURPOSE + body)

    manifest = good[8 : 8 + int.from_bytes(good[4:8])]
    content = b"".join(pack.content for pack in packs)
    cases = [
        ("empty", b"", "release-malformed"),
        ("cut off", good[:-1], "release-malformed"),
        ("followed by a byte", good + b"\0", "release-malformed"),
        ("another magic", b"CAR2" + good[4:], "release-malformed"),
        ("another number", good.replace(b'"number":7', b'"number":8'), "release-signature"),
        ("signed by another key", outline(manifest, content, other), "release-signature"),
        ("naming another key", releases.sign(Release(7, SEALED, "0.1.0", packs), other), "release-key-unknown"),
        ("format 2, signed", outline(manifest.replace(b'"format":1', b'"format":2'), content), "release-format"),
        ("spaces in the manifest, signed", outline(manifest.replace(b",", b", "), content), "release-malformed"),
        ("more than the manifest says, signed", outline(manifest, content + b"\n"), "release-malformed"),
        ("less than the manifest says, signed", outline(manifest, content[:-1]), "release-malformed"),
        ("another pack, signed", outline(manifest, content.replace(b"3", b"4")), "release-malformed"),
    ]
    return {
        "release_private": fixed("release").hex(),
        "release_key": by.public.hex(),
        "release_key_text": by.verify_key.to_text(),
        "key_id": by.verify_key.key_id,
        "release": good.hex(),
        "sha256": releases.digest(good),
        "manifest": json.loads(manifest),
        "packs": [pack.content.hex() for pack in packs],
        "refused": [{"what": what, "code": code, "release": raw.hex()} for what, raw, code in cases],
        "revocation": revocations.revoke(by),
        "revoking_nothing": [
            "revoked:",
            by.verify_key.to_text(),
            revocations.revoke(by)[:-1],
            # By another key, and by the key itself for another purpose.
            "revoked:" + canonical.base64_text(by.public + other.sign(REVOKING + by.public)),
            "revoked:" + canonical.base64_text(by.public + by.sign(PURPOSE + by.public)),
        ],
    }


def sources_vector() -> dict[str, object]:
    by, other = SigningKey(fixed("centre")), SigningKey(fixed("another centre"))
    v4 = (0, 1, 0xC6336417, 0xC6336418, 0xCB007107, 2**32 - 1)  # 198.51.100.23 and .24, 203.0.113.7
    v6 = (0x20010DB8_00000000, 0x20010DB8_00000017, 2**64 - 1)
    made = SourceList(7, SEALED, SEALED + 3 * 86_400_000, v4, v6)
    good = source_list.sign(made, by)

    def outline(manifest: bytes, coded: bytes, key: SigningKey = by) -> bytes:
        body = b"CAS1" + len(manifest).to_bytes(4) + manifest + len(coded).to_bytes(4) + coded
        return body + key.sign(b"CyberAlarm source list v1\0" + body)

    length = int.from_bytes(good[4:8])
    manifest, coded = good[8 : 8 + length], good[12 + length : -64]
    cases = [
        ("empty", b"", "sources-malformed"),
        ("cut off", good[:-1], "sources-malformed"),
        ("followed by a byte", good + b"\0", "sources-malformed"),
        ("another magic", b"CAS2" + good[4:], "sources-malformed"),
        ("another number", good.replace(b'"number":7', b'"number":8'), "sources-signature"),
        ("signed by another key", outline(manifest, coded, other), "sources-signature"),
        ("form 2, signed", outline(manifest.replace(b'"form":1', b'"form":2'), coded), "sources-form"),
        ("one source more, signed", outline(manifest.replace(b'"v6":3', b'"v6":4'), coded), "sources-malformed"),
        ("one source less, signed", outline(manifest.replace(b'"v6":3', b'"v6":2'), coded), "sources-malformed"),
        ("a byte more, signed", outline(manifest, coded + b"\0"), "sources-malformed"),
        ("a byte less, signed", outline(manifest, coded[:-1]), "sources-malformed"),
        ("ends before it begins, signed", outline(_replaced(manifest, "expires", SEALED), coded), "sources-malformed"),
    ]
    return {
        "sources_private": fixed("centre").hex(),
        "sources_key": by.public.hex(),
        "sources": good.hex(),
        "sha256": source_list.digest(good),
        "manifest": json.loads(manifest),
        "v4": [str(one) for one in v4],
        "v6": [str(one) for one in v6],
        "refused": [{"what": what, "code": code, "sources": raw.hex()} for what, raw, code in cases],
    }


def main() -> None:
    vectors = {f"envelope-{suite}": suite_vector(suite) for suite in Suite}
    vectors["documents"] = documents_vector()
    vectors["payloads"] = payloads_vector()
    vectors["release"] = release_vector()
    vectors["sources"] = sources_vector()
    for name, vector in vectors.items():
        (HERE / f"{name}.json").write_text(json.dumps(vector, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
