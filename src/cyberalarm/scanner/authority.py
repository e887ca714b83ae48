"""Proof that the member controls the target, and the permit that follows from it.

Order, always: consent in force (no packet) → name resolved once and every answer checked (no packet to
the target) → one request for the verification file, at the checked address → permit. A `Permit` carries
the address that was checked; the engines connect to that and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.scanner.consent import Consent, ConsentedTarget, Tier, check_token
from cyberalarm.scanner.engines.http import HttpReply, Place, get, same_host_redirect
from cyberalarm.scanner.errors import AuthorityError, ProbeError
from cyberalarm.scanner.resolve import Resolver, ask_dns, resolve_once
from cyberalarm.scanner.targets import TargetName, parse_target
from cyberalarm.scanner.wire import Dialler, Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.core.addresses import Address
    from cyberalarm.scanner.networks import Lab

PROOF_PATH = "/.well-known/cyberalarm-verification.txt"
# Ports below 1024 are the administrator's; anybody with an account on a shared machine can serve a file on a higher one.
PROOF_PORTS = frozenset({80, 443})
MOST_REDIRECTS = 5
_MOST_PROOF_BYTES = 8 * 1024
_LONGEST_BODY = 128


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to scan one target now: which address, which ports, who said so and how it was proved."""

    host: str
    address: Address
    ports: frozenset[int]
    tiers: tuple[Tier, ...]
    proved: datetime
    source: str  # our own address on the connection that fetched the proof


async def obtain_permit(
    consent: Consent,
    target: ConsentedTarget,
    *,
    resolver: Resolver,
    lab: Lab,
    now: Callable[[], datetime],
    allowed: Callable[[], None] | None = None,
) -> Permit:
    """Check consent, resolve, fetch the proof. Raises AuthorityError, TargetRefusedError or ProbeError."""
    still = allowed or (lambda: consent.check_in_force(now()))
    still()
    name = parse_target(target.host)
    address = await resolve_once(name, resolver, lab)
    in_lab = address in lab.addresses
    if not in_lab and target.proof_port not in PROOF_PORTS:
        raise AuthorityError(
            f"A proof on port {target.proof_port} does not show who controls {target.host}.",
            next_step="Serve the file on port 80 or 443, which only the machine's administrator can.",
            code="scanner.authority.proof-port",
        )
    tiers = proven_tiers(consent.tiers, name, in_lab=in_lab)
    proof_ports = frozenset({target.proof_port}) if target.proof_port not in {80, 443} else frozenset({80, 443})
    dialler = Dialler(address, proof_ports, still, Pace(rate=2.0, at_once=1))
    token = await fetch_proof(dialler, target)
    check_token(consent, target, token)
    return Permit(target.host, address, target.allowed_ports(tiers), tiers, now(), dialler.source)


def proven_tiers(tiers: tuple[Tier, ...], name: TargetName, *, in_lab: bool) -> tuple[Tier, ...]:
    """What a proof under this name allows of what was consented to.

    A file on a website shows control of the website. The machine behind the name may be shared, or a CDN's: its other services are
    asked only where the proof was served under the address itself.
    """
    if in_lab or name.address is not None:
        return tiers
    return tuple(tier for tier in tiers if tier is Tier.WEB)


async def fetch_proof(dialler: Dialler, target: ConsentedTarget) -> str:
    """The content of the verification file, fetched from the target itself."""
    place = Place(target.proof_scheme == "https", target.proof_port, PROOF_PATH)
    for _ in range(MOST_REDIRECTS + 1):
        try:
            reply = await get(dialler, target.host, place.port, place.path, tls=place.tls, most=_MOST_PROOF_BYTES)
            if reply.status in {301, 302, 307, 308}:
                place = same_host_redirect(reply, target.host, place)
                continue
        except ProbeError as error:
            raise _no_proof(target, error.what) from error
        return _token_in(reply, target)
    raise _no_proof(target, "The host redirects without end.")


def _token_in(reply: HttpReply, target: ConsentedTarget) -> str:
    if reply.status != 200:
        raise _no_proof(target, f"The host answered {reply.status}.")
    kind = reply.header("content-type").split(";")[0].strip().lower()
    if kind != "text/plain":
        raise _no_proof(target, "The file is not served as text/plain.")
    try:
        token = reply.body.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise _no_proof(target, "The file holds something else.") from error
    if reply.cut or not token or len(token) > _LONGEST_BODY:
        raise _no_proof(target, "The file holds something else.")
    return token


def _no_proof(target: ConsentedTarget, why: str) -> AuthorityError:
    return AuthorityError(
        f"There is no proof yet that {target.host} is the member's. {why}",
        next_step=f"Serve the code at {PROOF_PATH} on that host as text/plain, then try again.",
        code="scanner.authority.proof",
    )


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a target proved control, and what to do where it did not."""

    target: str
    proved: bool
    ports: int
    code: str
    message: str


async def check_targets(consent: Consent, lab: Lab, resolver: Resolver = ask_dns) -> tuple[Checked, ...]:
    """Try every target's proof; nothing is scanned.

    Raises AuthorityError when the consent is not in force.
    """
    consent.check_in_force(datetime.now(UTC))
    found = []
    for target in consent.targets:
        try:
            permit = await obtain_permit(consent, target, resolver=resolver, lab=lab, now=lambda: datetime.now(UTC))
        except CyberAlarmError as error:
            found.append(Checked(target.host, False, 0, error.code, str(error)))
        else:
            found.append(Checked(target.host, True, len(permit.ports), "", ""))
    return tuple(found)
