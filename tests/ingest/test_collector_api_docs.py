"""docs/collector-api.md and docs/envelope.md list every code that can be answered, with its status, and no
other.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import cyberalarm.envelope
from cyberalarm.central import enrolment, ingest, releases, sources
from cyberalarm.central.enrolment.problems import PROBLEMS, problem_body
from cyberalarm.central.ingest.errors import ChainGapError

DOCS = Path(__file__).parent.parent.parent / "docs"
CODE = re.compile(r"[a-z]+(?:-[a-z]+)*")
# Raised where no request of a collector gets to, and base classes that are never raised themselves.
NOT_ANSWERED = {"member-not-approved", "enrolment-refused", "act-refused", "original-lost", "quarantine-decided"}
LIBRARY_ONLY = {
    "key-malformed",
    "seal-refused",
    "signature-refused",
    "envelope-refused",
    "document-malformed",
    "token-malformed",
    "release-refused",
    "release-malformed",
    "release-format",
    "release-key-unknown",
    "release-signature",
    "sources-refused",
    "sources-malformed",
    "sources-form",
    "sources-signature",
}


def codes_in(package: object) -> set[str]:
    """Every code that a package's source gives to an error: class attributes, `code=` arguments,
    BundleRefusedError's second.
    """
    found = set()
    for path in Path(str(package.__file__)).parent.glob("*.py"):  # type: ignore[attr-defined]
        for node in ast.walk(ast.parse(path.read_text())):
            values: list[ast.expr | None] = []
            if isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["code"]:
                values.append(node.value)
            if isinstance(node, ast.Call):
                values += [k.value for k in node.keywords if k.arg == "code"]
                if getattr(node.func, "id", "") == "BundleRefusedError":
                    values += node.args[1:]
            found |= {v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)}
    return found


def test_every_code_that_the_source_raises_has_a_status() -> None:
    raised = (
        codes_in(enrolment) | codes_in(ingest) | codes_in(releases) | codes_in(sources) | codes_in(cyberalarm.envelope)
    )
    assert set(PROBLEMS) == raised - NOT_ANSWERED - LIBRARY_ONLY
    assert raised >= NOT_ANSWERED | LIBRARY_ONLY


def test_the_api_page_lists_every_code_with_its_status() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", (DOCS / "collector-api.md").read_text(), re.MULTILINE)
    assert {code: int(status) for code, status in rows} == {code: int(s) for code, s in PROBLEMS.items()}
    assert len(rows) == len(PROBLEMS)


def test_the_envelope_page_lists_every_code_of_the_library() -> None:
    table = (DOCS / "envelope.md").read_text().partition("## Refusals of the library")[2].partition("## ")[0]
    listed = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", table))
    assert listed == codes_in(cyberalarm.envelope) - {"envelope-refused", "release-refused", "sources-refused"}


def test_a_chain_problem_says_what_is_expected() -> None:
    status, body = problem_body(ChainGapError(7))
    assert status == 409
    assert b'"expected": 7' in body


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_codes_have_one_form(code: str) -> None:
    assert CODE.fullmatch(code)
