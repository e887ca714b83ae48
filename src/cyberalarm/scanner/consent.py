"""The consent record: who allowed what to be scanned, when, how, and until when.

One JSON file per consent. The proof token itself is never in it, only its hash, bound to member and
target, so a consent file that leaks proves nothing and a token of one target does not serve for another.
What is not plainly allowed is refused: `check_in_force` raises, it never returns False.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from cyberalarm.core.errors import ConfigurationError
from cyberalarm.scanner.errors import AuthorityError, TargetRefusedError
from cyberalarm.scanner.targets import SERVICE_PORTS, WEB_PORTS, parse_target

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The wording that the person accepted; docs/scanner.md holds the text of each version.
TEXT_VERSION = "2026-11"
LONGEST = timedelta(days=366)  # consent is renewed yearly, as an insurer or an auditor would ask
TOKEN_BYTES = 16  # 128 bit
_HASH_DOMAIN = b"cyberalarm/scanner/proof/1"


class Tier(StrEnum):
    """What kind of questions may be asked; each is consented to by itself."""

    WEB = "web"  # the website's own ports: HTTP and TLS
    SERVICES = "services"  # connect to the listed ports, read banners, ask what is there


class Window(BaseModel):
    """The hours of the day in which scanning may run; `start` after `end` means overnight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: time = time(0, 0)
    end: time = time(0, 0)  # equal to start: all day
    zone: str = "Europe/London"

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no such time zone: {value}") from error
        return value

    def holds(self, moment: datetime) -> bool:
        local = moment.astimezone(ZoneInfo(self.zone)).time()
        if self.start == self.end:
            return True
        if self.start < self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


PortNumber = Annotated[int, Field(ge=1, le=65535)]


class ConsentedTarget(BaseModel):
    """One host name or address, its ports, and the hash of its proof token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    token_hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    proof_scheme: Literal["http", "https"] = "http"
    proof_port: PortNumber = 80
    ports: tuple[PortNumber, ...] = SERVICE_PORTS
    web_ports: tuple[PortNumber, ...] = WEB_PORTS
    # With a hosting company or CDN: only the website itself may be asked, whatever the tiers say.
    hosted_elsewhere: bool = False

    @field_validator("host")
    @classmethod
    def _plain(cls, value: str) -> str:
        try:
            return parse_target(value).host
        except TargetRefusedError as error:
            raise ValueError(error.what) from error

    def allowed_ports(self, tiers: Iterable[Tier]) -> frozenset[int]:
        """The ports that these tiers open for this target."""
        tiers = frozenset(tiers)
        ports: set[int] = set()
        if Tier.WEB in tiers:
            ports.update(self.web_ports)
        if Tier.SERVICES in tiers and not self.hosted_elsewhere:
            ports.update(self.ports)
        if self.hosted_elsewhere:
            ports &= set(WEB_PORTS)
        return frozenset(ports)


class Consent(BaseModel):
    """A named person's permission, for one member, to scan the listed targets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["cyberalarm-scan-consent/1"] = "cyberalarm-scan-consent/1"
    member: Annotated[str, Field(min_length=1, max_length=64)]
    member_name: Annotated[str, Field(min_length=1, max_length=200)]
    accepted_by: Annotated[str, Field(min_length=1, max_length=200)]
    role: Annotated[str, Field(min_length=1, max_length=200)]
    text_version: Annotated[str, Field(min_length=1, max_length=32)] = TEXT_VERSION
    accepted: AwareDatetime
    expires: AwareDatetime
    withdrawn: AwareDatetime | None = None
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)]
    window: Window = Window()
    targets: Annotated[tuple[ConsentedTarget, ...], Field(min_length=1, max_length=64)]

    def check_in_force(self, now: datetime) -> None:
        """Raise AuthorityError unless scanning is allowed at this moment."""
        if self.withdrawn is not None:
            raise _refused("withdrawn", "The consent was withdrawn.", "Ask for a new one before scanning.")
        if now < self.accepted:
            raise _refused("early", "The consent is not in force yet.", "Check the dates in the consent file.")
        if now >= self.expires or self.expires - self.accepted > LONGEST:
            raise _refused("expired", "The consent has run out.", "Renew it: it lasts a year at most.")
        if self.text_version != TEXT_VERSION:
            raise _refused(
                "text",
                f"The consent is for wording {self.text_version}.",
                "Ask for consent to the present wording.",
            )
        if not self.window.holds(now):
            raise _refused(
                "window", "It is outside the hours that the consent allows.", "Scan within the agreed window."
            )


def _refused(code: str, what: str, step: str) -> AuthorityError:
    return AuthorityError(what, next_step=step, code=f"scanner.authority.{code}")


def token_hash(member: str, host: str, token: str) -> str:
    """The stored form of a proof token: SHA-256 over length-prefixed member, host and token."""
    digest = hashlib.sha256(_HASH_DOMAIN)
    for part in (member, host, token):
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()


def check_token(consent: Consent, target: ConsentedTarget, token: str) -> None:
    """Raise AuthorityError unless the token is the one made for this member and this target."""
    if not hmac.compare_digest(token_hash(consent.member, target.host, token), target.token_hash):
        raise _refused(
            "proof",
            f"The verification file on {target.host} does not hold this member's code.",
            "Put the code that was given for this very host into the file.",
        )


def new_target(
    member: str,
    host: str,
    *,
    ports: Iterable[int] | None = None,
    web_ports: Iterable[int] | None = None,
    proof_scheme: Literal["http", "https"] = "http",
    proof_port: int | None = None,
    hosted_elsewhere: bool = False,
) -> tuple[ConsentedTarget, str]:
    """A target for a consent, and its fresh proof token, which is shown once and never stored."""
    host = parse_target(host).host
    token = secrets.token_hex(TOKEN_BYTES)
    target = ConsentedTarget(
        host=host,
        token_hash=token_hash(member, host, token),
        proof_scheme=proof_scheme,
        proof_port=proof_port or (443 if proof_scheme == "https" else 80),
        ports=tuple(ports) if ports is not None else SERVICE_PORTS,
        web_ports=tuple(web_ports) if web_ports is not None else WEB_PORTS,
        hosted_elsewhere=hosted_elsewhere,
    )
    return target, token


def load_consent(path: Path) -> Consent:
    """Read a consent file. Raises ConfigurationError naming file and key."""
    try:
        return Consent.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}.", next_step="Check the path.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(file)"
        raise ConfigurationError(
            f"{path}: key {key!r}: {first['msg']}.",
            next_step="Make it with `cyberalarm scanner authority new`.",
        ) from error


def save_consent(consent: Consent, path: Path) -> None:
    """Write a consent file, readable by its owner only, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(consent.model_dump_json(indent=2) + "\n")
    part.replace(path)


def withdraw(path: Path, now: datetime | None = None) -> Consent:
    """Mark a consent file as withdrawn; a scan that is running stops before its next connection."""
    consent = load_consent(path)
    changed = consent.model_copy(update={"withdrawn": now or datetime.now(UTC)})
    save_consent(changed, path)
    return changed
