"""A self-made TLS certificate for the centre, which registration tokens pin.

P-256 (every TLS stack has it), two years. Does not renew: a new certificate means a new pin, which the
operator plans.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cyberalarm.envelope.errors import KeyRefused
from cyberalarm.envelope.files import write_secret

if TYPE_CHECKING:
    from pathlib import Path

LIFETIME = timedelta(days=730)
_CLOCK_SLACK = timedelta(hours=1)  # a member's clock may be behind ours


@dataclass(frozen=True, slots=True)
class CertificatePaths:
    """Two PEM files."""

    certificate: Path
    key: Path


def make(folder: Path, names: list[str]) -> CertificatePaths:
    """Make a key and a certificate for these host names and IP addresses; the first is the common name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_name(n) for n in dict.fromkeys(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = CertificatePaths(folder / "tls-certificate.pem", folder / "tls-key.pem")
    write_secret(
        paths.key,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    write_secret(paths.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    return paths


def pin(pem: bytes) -> str:
    """Hex SHA-256 of the first certificate's DER bytes. Raises KeyRefused when there is none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise KeyRefused("This is not a certificate in PEM form.") from error
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def issuer(der: bytes) -> str:
    """Who issued a certificate, by its organisation or common name, for people; empty where it cannot be read.

    Whoever made the certificate chose the words: they are cut short, and what cannot be printed is left out.
    """
    try:
        name = x509.load_der_x509_certificate(der).issuer
        said = [
            *name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME),
            *name.get_attributes_for_oid(NameOID.COMMON_NAME),
        ]
        text = str(said[0].value) if said else ""
    except ValueError:
        return ""
    return "".join(character for character in text if character.isprintable())[:80]


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
