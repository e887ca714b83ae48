"""Findings and services as CSV that is safe to open in a spreadsheet.

A cell that a spreadsheet would take for a formula is led by an apostrophe (OWASP, CSV injection); banners
are a stranger's text.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyberalarm.scanner.result import ScanResult

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def safe_cell(value: object) -> str:
    """Text that no spreadsheet will run."""
    text = "" if value is None else str(value)
    return (
        f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA_STARTS) or text.startswith(_FORMULA_STARTS) else text
    )


def _written(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([[safe_cell(v) for v in row] for row in rows])
    return out.getvalue()


def findings_csv(result: ScanResult) -> str:
    """One row per finding, the present ones first."""
    header = (
        "lab", "state", "first seen", "target", "port", "severity", "CVSS", "confidence", "CVE",
        "exploited since", "ransomware",
        "product", "version", "finding", "why", "what to do", "fixed in", "evidence", "source", "key",
    )  # fmt: skip
    rows: list[tuple[object, ...]] = [
        (
            "LAB" if result.lab else "", f.state, f.first_seen, f.target, f.port, f.severity, f.score,
            f.confidence, " ".join(f.cves), f.exploited_since, "yes" if f.ransomware else "",
            f.product, f.version, f.title, f.why, f.advice, f.fixed_in, f.evidence, f.source, f.key,
        )
        for f in (*result.findings, *result.gone)
    ]  # fmt: skip
    return _written(header, rows)


def services_csv(result: ScanResult) -> str:
    """One row per product on an open port; a port whose product is not known has one row too."""
    header = (
        "lab",
        "target",
        "address",
        "port",
        "protocol",
        "product",
        "version",
        "package",
        "TLS",
        "banner",
    )
    rows: list[tuple[object, ...]] = []
    for service in result.services:
        tls = " ".join(service.tls.versions) if service.tls else ""
        names = [(i.title, i.version, i.revision or i.distribution) for i in service.identities] or [("", "", "")]
        rows += [
            (
                "LAB" if result.lab else "",
                service.target,
                service.address,
                service.port,
                service.protocol,
                *name,
                tls,
                service.banner,
            )
            for name in names
        ]
    return _written(header, rows)
