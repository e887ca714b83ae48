"""Three-valued configurations, package revisions and confidence: the traps that real records set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.scanner.configurations import Configuration, Criterion, Node, Truth, evaluate
from cyberalarm.scanner.cpe import parse_cpe
from cyberalarm.scanner.explaining import explain_cve, identify
from cyberalarm.scanner.feeds.store import VulnDb
from cyberalarm.scanner.identity import Identity
from cyberalarm.scanner.matching import match
from cyberalarm.scanner.recognise import Recogniser

REDIS = Identity("redis", "redis", "Redis", "7.0.15")


def criterion(cpe: str, vulnerable: bool = True, **bounds: object) -> Criterion:
    part, vendor, product, version, update, *software = (*cpe.split(), "*", "*", "*")[:6]
    return Criterion(
        parse_cpe(f"cpe:2.3:{part}:{vendor}:{product}:{version}:{update}:*:*:*:{software[0]}:*:*"),
        vulnerable,
        **bounds,
    )  # type: ignore[arg-type]


def any_of(*criteria: Criterion, negate: bool = False) -> Node:
    return Node(False, negate, criteria)


def plain(*nodes: Node) -> Configuration:
    return Configuration(False, False, nodes)


def both(*nodes: Node) -> Configuration:
    return Configuration(True, False, nodes)


def truth(identity: Identity, *configurations: Configuration) -> Truth:
    return evaluate(configurations, identity).truth


def test_not_applicable_is_not_any() -> None:
    """CVE-2022-0543: redis `-` on Debian or Ubuntu must not touch redis 7.0.15."""
    systems = any_of(criterion("o debian debian_linux 11.0", False), criterion("o canonical ubuntu_linux 20.04", False))
    assert truth(REDIS, both(any_of(criterion("a redis redis -")), systems)) is Truth.NO
    assert truth(REDIS, both(any_of(criterion("a redis redis *")), systems)) is Truth.UNKNOWN
    assert truth(REDIS, plain(any_of(criterion("a redis redis *")))) is Truth.YES


def test_running_on_is_never_affected() -> None:
    """`vulnerable: false` names the platform: WordPress is not what is wrong with its plug-in."""
    wordpress = Identity("wordpress", "wordpress", "WordPress", "6.1")
    plugin = any_of(criterion("a example plugin *"))
    assert truth(wordpress, both(plugin, any_of(criterion("a wordpress wordpress *", False)))) is Truth.NO


def test_hardware_that_cannot_be_seen_is_unknown() -> None:
    firmware = Identity("tp-link", "archer_ax21_firmware", "Archer", "1.1.3")
    node = any_of(criterion("o tp-link archer_ax21_firmware *", end="1.1.4", end_open=True))
    assert truth(firmware, both(node, any_of(criterion("h tp-link archer_ax21 -", False)))) is Truth.UNKNOWN
    newer = Identity("tp-link", "archer_ax21_firmware", "Archer", "1.1.5")
    assert truth(newer, both(node, any_of(criterion("h tp-link archer_ax21 -", False)))) is Truth.NO


def test_a_list_of_systems_is_not_about_the_service() -> None:
    ssh = Identity("openbsd", "openssh", "OpenSSH", "9.2p1", distribution="debian", platform="linux")
    assert truth(ssh, plain(any_of(criterion("o debian debian_linux 12.0")))) is Truth.NO


@pytest.mark.parametrize(("platform", "expected"), [("windows", Truth.YES), ("linux", Truth.NO), ("", Truth.UNKNOWN)])
def test_platform(platform: str, expected: Truth) -> None:
    php = Identity("php", "php", "PHP", "8.1.2", platform=platform)
    node = any_of(criterion("a php php *", end="8.1.29", end_open=True))
    assert truth(php, both(node, any_of(criterion("o microsoft windows -", False)))) is expected
    assert truth(php, plain(any_of(criterion("a php php * * windows", end="8.1.29", end_open=True)))) is expected


@pytest.mark.parametrize(
    ("version", "cpe", "expected"),
    [
        ("8.5p1", "a openbsd openssh 8.5 p1", Truth.YES), ("8.5", "a openbsd openssh 8.5 p1", Truth.NO),
        ("8.5p2", "a openbsd openssh 8.5 *", Truth.YES), ("8.5p2", "a openbsd openssh 8.5 -", Truth.NO),
        ("8.6", "a openbsd openssh 8.5 *", Truth.NO), ("", "a openbsd openssh 8.5 p1", Truth.UNKNOWN),
        ("8.5", "a openssh openssh 8.5 -", Truth.YES), ("8.5", "a openbsd opensmtpd 8.5 -", Truth.NO),
    ],
)  # fmt: skip
def test_update_field(version: str, cpe: str, expected: Truth) -> None:
    assert truth(Identity("openbsd", "openssh", "OpenSSH", version), plain(any_of(criterion(cpe)))) is expected


def test_negation() -> None:
    on_windows = any_of(criterion("o microsoft windows *", False), negate=True)
    configuration = both(any_of(criterion("a redis redis *")), on_windows)
    assert truth(Identity("redis", "redis", "Redis", "7", platform="windows"), configuration) is Truth.NO
    assert truth(Identity("redis", "redis", "Redis", "7", platform="linux"), configuration) is Truth.YES
    assert truth(REDIS, configuration) is Truth.UNKNOWN
    assert truth(REDIS, Configuration(False, True, (any_of(criterion("a redis redis *")),))) is Truth.NO


def test_second_product_in_an_and_node() -> None:
    node = Node(True, False, (criterion("a redis redis *"), criterion("a example module 1.0", False)))
    assert truth(REDIS, plain(node)) is Truth.UNKNOWN


CRITERIA = st.sampled_from(
    [
        criterion("a redis redis *"),
        criterion("a redis redis -"),
        criterion("a redis redis *", False),
        criterion("o linux linux_kernel *", False),
        criterion("a redis redis *", end="7.0", end_open=True),
        criterion("h some box -", False),
    ]
)
NODES = st.builds(Node, st.booleans(), st.booleans(), st.lists(CRITERIA, max_size=4).map(tuple))
CONFIGURATIONS = st.builds(Configuration, st.booleans(), st.booleans(), st.lists(NODES, max_size=4).map(tuple))


@given(
    st.lists(CONFIGURATIONS, max_size=4),
    st.sampled_from(["", "6.0", "7.0.15"]),
    st.sampled_from(["", "linux", "windows"]),
)
def test_any_tree_has_an_answer(configurations: list[Configuration], version: str, platform: str) -> None:
    identity = Identity("redis", "redis", "Redis", version, platform=platform)
    verdict = evaluate(configurations, identity)
    # More alternatives never make it less affected, and without a named product it never is.
    assert evaluate([*configurations, plain(any_of(criterion("a redis redis *")))], identity).truth is Truth.YES
    assert evaluate(configurations, Identity("a", "b", "C", version)).truth is Truth.NO
    assert (verdict.truth is Truth.NO) == (verdict.criterion is None)


def found(banner: str) -> dict[str, str]:
    db = VulnDb.open(None)
    try:
        return {
            a.vulnerability.cve: str(a.confidence)
            for i in identify(banner, Recogniser())
            for a in match(i, db)
            if a.confidence is not None
        }
    finally:
        db.close()


SSH = "SSH-2.0-OpenSSH_"


@pytest.mark.parametrize(
    ("banner", "cve", "confidence"),
    [
        (SSH + "9.2p1 Debian-2+deb12u2", "CVE-2024-6387", "firm"),
        (SSH + "9.2p1 Debian-2", "CVE-2024-6387", "firm"),
        (SSH + "9.2p1 Debian-2+deb12u3", "CVE-2024-6387", None),
        (SSH + "9.2p1 Debian-2+deb12u10", "CVE-2024-6387", None),
        (SSH + "8.9p1 Ubuntu-3ubuntu0.9", "CVE-2024-6387", "firm"),
        (SSH + "8.9p1 Ubuntu-3ubuntu0.10", "CVE-2024-6387", None),
        (SSH + "8.7p1 Debian-4", "CVE-2024-6387", "possible"),
        (SSH + "9.6", "CVE-2024-6387", "probable"),
        (SSH + "9.8", "CVE-2024-6387", None),
        (SSH + "8.4p1", "CVE-2024-6387", None),
        (SSH + "for_Windows_7.7", "CVE-2018-15473", "firm"),
        (SSH + "7.8", "CVE-2018-15473", None),
        ("Server: Apache/2.4.49 (Unix)", "CVE-2021-41773", "firm"),
        ("Server: Apache/2.4.49", "CVE-2021-41773", "probable"),
        ("Server: Apache/2.4.49 (Debian)", "CVE-2021-41773", "possible"),
        ("Server: Apache/2.4.50 (Unix)", "CVE-2021-41773", None),
        ("Server: Apache/2.4.50 (Unix)", "CVE-2021-42013", "firm"),
        ("Server: Apache/2.4.51 (Unix)", "CVE-2021-42013", None),
        ("Server: Apache", "CVE-2021-41773", "possible"),
        ("Server: nginx/1.18.0", "CVE-2021-23017", "possible"),
        ("Server: nginx/1.20.1", "CVE-2021-23017", None),
        ("220 (vsFTPd 2.3.4)", "CVE-2011-2523", "probable"),
        ("220 (vsFTPd 3.0.3)", "CVE-2011-2523", None),
        ("220 ProFTPD 1.3.5 Server (x) [192.0.2.1]", "CVE-2015-3306", "probable"),
        ("220 ProFTPD 1.3.5a Server (x) [192.0.2.1]", "CVE-2015-3306", None),
        ("220 m ESMTP Exim 4.91", "CVE-2019-10149", "probable"),
        ("220 m ESMTP Exim 4.92", "CVE-2019-10149", None),
        ("Server: Apache/2.4.6 (CentOS) OpenSSL/1.0.1e-fips", "CVE-2014-0160", "possible"),
        ("Server: Apache/2.4.6 (Unix) OpenSSL/1.0.1g", "CVE-2014-0160", None),
        ("X-Powered-By: PHP/8.1.2", "CVE-2024-4577", "possible"),
        ("Server: Apache/2.4.57 (Debian) PHP/8.1.2", "CVE-2024-4577", None),
        ("Server: Microsoft-IIS/6.0", "CVE-2017-7269", "firm"),
        ("Server: Microsoft-IIS/10.0", "CVE-2017-7269", None),
        ("SSH-2.0-libssh-0.6.3", "CVE-2018-10933", "probable"),
        ("SSH-2.0-libssh_0.7.6", "CVE-2018-10933", None),
    ],
)
def test_confidence(banner: str, cve: str, confidence: str | None) -> None:
    assert found(banner).get(cve) == confidence


def test_no_version_match_is_ever_confirmed() -> None:
    for banner in (SSH + "7.0", "Server: Apache/2.2.3", "220 (vsFTPd 2.3.4)", "220 m ESMTP Exim 4.60"):
        assert found(banner)
        assert "confirmed" not in found(banner).values()


def test_explain_gives_every_step() -> None:
    (explanation,) = explain_cve("cve-2024-6387", SSH + "9.2p1 Debian-2+deb12u10", None)
    assert explanation.confidence == "does not apply"
    text = "\n".join(explanation.steps)
    for wanted in (
        "9.2p1-2+deb12u10",
        "packaged by debian",
        "from 8.5p1 before 9.8",
        "applies",
        "9.2p1-2+deb12u3",
    ):
        assert wanted in text
