"""A self-signed certificate for this machine, for development and tests."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dev.services import write_private

VALID_DAYS = 365
RENEWED_DAYS = 30


def make_certificate(folder: Path) -> Path:
    """`certificate.pem` and `key.pem` in `folder`, made anew when there are none or they expire."""
    certificate = folder / "certificate.pem"
    if _is_good(certificate):
        return folder
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_private(
        folder / "key.pem",
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder


def _is_good(certificate: Path) -> bool:
    if not certificate.exists() or not (certificate.parent / "key.pem").exists():
        return False
    until = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return until - datetime.datetime.now(datetime.UTC) > datetime.timedelta(days=RENEWED_DAYS)


def certificate_settings(folder: Path) -> dict[str, str]:
    """The platform's settings for it."""
    return {
        "IM_TLS_CERTIFICATE": str(folder / "certificate.pem"),
        "IM_TLS_KEY": str(folder / "key.pem"),
    }
