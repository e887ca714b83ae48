"""The published vectors: our own code and an independent verifier must both agree with them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from cyberalarm.core.errors import RefusedError
from cyberalarm.envelope import canonical, payload, receipts, releases, sealing, source_list
from cyberalarm.envelope.documents import Enrolment, Status
from cyberalarm.envelope.errors import EnvelopeRefused, KeyRefused, ReleaseRefused, SourceListRefused
from cyberalarm.envelope.keys import AnalysisKey, AnalysisPublicKey, SigningKey, Suite, VerifyKey
from cyberalarm.envelope.requests import SignedRequest
from cyberalarm.envelope.revocations import revoked
from cyberalarm.envelope.tokens import RegistrationToken

VECTORS = Path(__file__).parent.parent / "vectors"


@pytest.mark.parametrize("suite", list(Suite))
def test_our_code_agrees_with_the_vectors(suite: Suite) -> None:
    vector = json.loads((VECTORS / f"envelope-{suite}.json").read_text())
    key = AnalysisKey(suite, bytes.fromhex(vector["centre"]["analysis_private"]))
    assert key.public.raw.hex() == vector["centre"]["analysis_public"]
    assert AnalysisPublicKey.from_text(vector["centre"]["analysis_public_text"]) == key.public
    assert key.public.key_id == vector["centre"]["key_id"]
    signer = SigningKey(bytes.fromhex(vector["collector"]["private"]))
    assert signer.public.hex() == vector["collector"]["public"]
    ring = {key.public.key_id: key}
    previous = sealing.FIRST_PREVIOUS
    for one in vector["envelopes"]:
        envelope = bytes.fromhex(one["envelope"])
        header = sealing.verify(envelope, signer.verify_key)
        assert {name: getattr(header, name) for name in one["header"]} == one["header"]
        assert header.previous == previous
        opened = sealing.open_sealed(envelope, ring)
        assert opened.hex() == vector["payload"]["bytes"]
        ledgers, arrow = payload.unpack(opened)
        assert {device: ledger.to_json() for device, ledger in ledgers.items()} == vector["payload"]["ledgers"]
        assert arrow.hex() == vector["payload"]["arrow"]
        previous = one["digest"]
        assert sealing.digest(envelope) == previous
    codes = set()
    for one in vector["refused"]:
        with pytest.raises(EnvelopeRefused) as caught:
            sealing.open_sealed(_verified(bytes.fromhex(one["envelope"]), signer.verify_key), ring)
        assert caught.value.code == one["code"], one["what"]
        codes.add(one["code"])
    assert len(codes) == 6


def test_our_code_agrees_with_the_payloads() -> None:
    vector = json.loads((VECTORS / "payloads.json").read_text())
    for one in vector["payloads"]:
        read = payload.read(bytes.fromhex(one["bytes"]))
        assert {device: ledger.to_json() for device, ledger in read.ledgers.items()} == one["ledgers"]
        assert (None if read.alarms is None else [alarm.to_json() for alarm in read.alarms]) == one["alarms"]
        assert read.arrow_ipc.hex() == one["arrow"]
        assert payload.pack(read.ledgers, read.arrow_ipc, read.alarms, read.release).hex() == one["bytes"]
        assert read.release == one["release"]
    for raw in vector["refused"]:
        with pytest.raises(EnvelopeRefused) as caught:
            payload.read(bytes.fromhex(raw))
        assert caught.value.code == "payload-malformed"


def _verified(envelope: bytes, key: VerifyKey) -> bytes:
    sealing.verify(envelope, key)
    return envelope


def test_our_code_agrees_with_the_documents() -> None:
    vector = json.loads((VECTORS / "documents.json").read_text())
    key = VerifyKey(bytes.fromhex(vector["receipt_key"]))
    read = {
        "receipt": lambda raw: receipts.read(raw, key),
        "status": lambda raw: Status.read(raw, key),
        "enrolment": Enrolment.read,
    }
    for one in vector["documents"]:
        code = ""
        try:
            read[one["kind"]](one["text"].encode())
        except RefusedError as error:
            code = error.code
        assert code == one["code"]
    token = RegistrationToken.from_text(vector["token"]["text"])
    assert token.secret_hash == vector["token"]["secret_hash"]
    assert token.centre == vector["token"]["content"]["centre"]
    request = vector["request"]
    signed = SignedRequest(request["collector"], request["time"], canonical.base64_bytes(request["signature"]))
    collector = VerifyKey(bytes.fromhex(vector["collector_key"]))
    signed.verify(collector, request["method"], request["path"], request["body"].encode(), request["time"])


def test_our_code_agrees_with_the_release() -> None:
    vector = json.loads((VECTORS / "release.json").read_text())
    key = VerifyKey.from_text(vector["release_key_text"])
    assert (key.raw.hex(), key.key_id) == (vector["release_key"], vector["key_id"])
    assert SigningKey(bytes.fromhex(vector["release_private"])).verify_key == key
    raw = bytes.fromhex(vector["release"])
    release = releases.read(raw, [key])
    assert releases.digest(raw) == vector["sha256"]
    assert [pack.content.hex() for pack in release.packs] == vector["packs"]
    manifest = vector["manifest"]
    assert (release.number, release.made, release.program) == tuple(manifest[n] for n in ("number", "made", "program"))
    assert [pack[:2] for pack in release.packs] == [(p["name"], p["version"]) for p in manifest["packs"]]
    codes = set()
    for one in vector["refused"]:
        with pytest.raises(ReleaseRefused) as caught:
            releases.read(bytes.fromhex(one["release"]), [key])
        assert caught.value.code == one["code"], one["what"]
        codes.add(one["code"])
    assert len(codes) == 4
    assert revoked(vector["revocation"]) == key
    for text in vector["revoking_nothing"]:
        with pytest.raises(KeyRefused):
            revoked(text)


def test_our_code_agrees_with_the_list_of_sources() -> None:
    vector = json.loads((VECTORS / "sources.json").read_text())
    by = SigningKey(bytes.fromhex(vector["sources_private"]))
    key, raw = VerifyKey(bytes.fromhex(vector["sources_key"])), bytes.fromhex(vector["sources"])
    listed = source_list.read(raw, key)
    assert ([str(one) for one in listed.v4], [str(one) for one in listed.v6]) == (vector["v4"], vector["v6"])
    assert source_list.sign(listed, by) == raw, "one list has one coding, and Ed25519 one signature"
    assert source_list.digest(raw) == vector["sha256"]
    codes = set()
    for one in vector["refused"]:
        with pytest.raises(SourceListRefused) as caught:
            source_list.read(bytes.fromhex(one["sources"]), key)
        assert caught.value.code == one["code"], one["what"]
        codes.add(one["code"])
    assert len(codes) == 3


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The independent verifier, installed outside of the tree."""
    folder = tmp_path_factory.mktemp("verifier") / "verifier"
    shutil.copytree(VECTORS / "verifier", folder, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=200,
    )
    return folder


def verify(verifier: Path, vectors: Path) -> tuple[int, dict[str, object]]:
    done = subprocess.run(["node", "verify.mjs", str(vectors)], cwd=verifier, capture_output=True, timeout=60)
    return done.returncode, json.loads(done.stdout or done.stderr)


def test_an_independent_verifier_agrees(verifier: Path) -> None:
    code, said = verify(verifier, VECTORS)
    assert (code, said["differences"]) == (0, [])
    assert isinstance(said["checked"], int)
    assert said["checked"] > 50


@pytest.mark.parametrize("suite", list(Suite))
def test_the_independent_verifier_can_say_no(verifier: Path, tmp_path: Path, suite: Suite) -> None:
    """A ciphertext that was sealed to another key must show as a difference, or nothing is checked."""
    vector = json.loads((VECTORS / f"envelope-{suite}.json").read_text())
    signer = SigningKey(bytes.fromhex(vector["collector"]["private"]))
    good = bytes.fromhex(vector["envelopes"][0]["envelope"])
    strange = sealing.seal(
        bytes.fromhex(vector["payload"]["bytes"]),
        sealing.read_header(good),
        AnalysisKey.generate(suite).public,
        signer,
    )
    length = int.from_bytes(good[4:8])
    body = good[: 8 + length] + strange[8 + int.from_bytes(strange[4:8]) : -64]
    forged = body + signer.sign(b"CyberAlarm envelope v1\0" + body)
    vector["refused"] = [{"what": "sealed to another key", "code": "envelope-signature", "envelope": forged.hex()}]
    (tmp_path / "vector.json").write_text(json.dumps(vector))
    code, said = verify(verifier, tmp_path)
    assert code == 1
    differences = said["differences"]
    assert isinstance(differences, list)
    assert [d["found"] for d in differences] == ["envelope-unopenable"]


def test_freshly_sealed_envelopes_open_in_the_independent_verifier(verifier: Path, tmp_path: Path) -> None:
    """What the library emits today, not only what it emitted when the vectors were made."""
    for suite in Suite:
        vector = json.loads((VECTORS / f"envelope-{suite}.json").read_text())
        signer = SigningKey.generate()
        key = AnalysisKey(suite, bytes.fromhex(vector["centre"]["analysis_private"]))
        header = sealing.read_header(bytes.fromhex(vector["envelopes"][0]["envelope"]))
        envelope = sealing.seal(bytes.fromhex(vector["payload"]["bytes"]), header, key.public, signer)
        vector["collector"]["public"] = signer.public.hex()
        vector["envelopes"] = [
            {
                "header": vector["envelopes"][0]["header"],
                "envelope": envelope.hex(),
                "digest": sealing.digest(envelope),
            }
        ]
        vector["refused"] = []
        (tmp_path / f"{suite}.json").write_text(json.dumps(vector))
    assert verify(verifier, tmp_path)[0] == 0
