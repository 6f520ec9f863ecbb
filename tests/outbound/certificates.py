"""A certificate authority of the test's own."""

import datetime as dt
import ssl
from enum import StrEnum, auto
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_YEAR = dt.timedelta(days=365)


class Fault(StrEnum):
    """What is wrong with a server's TLS."""

    NONE = auto()
    SELF_SIGNED = auto()
    EXPIRED = auto()
    NOT_YET = auto()
    OTHER_NAME = auto()


def server_tls(folder: Path, address: str, fault: Fault = Fault.NONE) -> tuple[ssl.SSLContext, Path]:
    """Return a server's context with a certificate for `address`, and the file of the authority that issued it."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _sign(_builder("authority", authority_key, None), authority_key)
    start = {Fault.EXPIRED: -2 * _YEAR, Fault.NOT_YET: _YEAR}.get(fault, -_YEAR / 2)
    signing_key = key if fault is Fault.SELF_SIGNED else authority_key
    builder = _builder("receiver", key, None if fault is Fault.SELF_SIGNED else authority.subject, start)
    names: list[x509.GeneralName] = [x509.IPAddress(ip_address(address))]
    if fault is Fault.OTHER_NAME:
        names = [x509.DNSName("other.example.com")]
    certificate = _sign(builder.add_extension(x509.SubjectAlternativeName(names), critical=False), signing_key)
    chain, private, roots = folder / "certificate.pem", folder / "key.pem", folder / "authority.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    roots.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    return context, roots


def _builder(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name | None, start: dt.timedelta = -_YEAR / 2
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} of the tests")])
    begins = dt.datetime.now(dt.UTC) + start
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + _YEAR)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256())
