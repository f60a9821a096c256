"""Ed25519 signatures of manifests (RFC 8032): who let a release in, beyond what its sha256 tell."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from export.manifest import MANIFEST
from pipeline.registry.registry import VERSIONS, Registry, Sign
from teachers.errors import GateError, InputError

CONTEXT = b"decant release 1\0"  # so that a signature of something else is none of a release


def signer(key: Path | None) -> Sign | None:
    """A function that signs a manifest's bytes with a private key; None where no key is given.

    Args:
        key: PEM file, unencrypted, such as `openssl genpkey -algorithm ed25519` writes.

    Raises:
        InputError: it is no such key, or cryptography is not installed.
    """
    if key is None:
        return None
    serialization, ed25519 = _cryptography()
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise InputError(f"{key} is no unencrypted private key in PEM; `openssl genpkey -algorithm ed25519`") from error
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise InputError(f"{key} is no ed25519 key; `openssl genpkey -algorithm ed25519` makes one")

    def sign(manifest: bytes) -> str:
        return base64.b64encode(private.sign(_signed(manifest))).decode("ascii")

    return sign


def check_signatures(location: str, key: Path) -> int:
    """Hold every release of a registry to a public key.

    Args:
        location: the registry's folder or URL.
        key: PEM file of the public key.

    Returns:
        The number of releases.

    Raises:
        GateError: a release is not signed by it; names the first.
        InputError: it is no such key, or cryptography is not installed.
    """
    serialization, ed25519 = _cryptography()
    from cryptography.exceptions import InvalidSignature

    try:
        public = serialization.load_pem_public_key(key.read_bytes())
    except ValueError as error:
        raise InputError(f"{key} is no public key in PEM; `openssl pkey -in KEY -pubout` writes one") from error
    if not isinstance(public, ed25519.Ed25519PublicKey):
        raise InputError(f"{key} is no ed25519 key; `openssl pkey -in KEY -pubout` of an ed25519 key writes one")
    registry = Registry.at(location)
    releases = registry.releases()
    for release in releases:
        if release.signature is None:
            raise GateError(f"release {release.version} of {location} is not signed")
        manifest = registry.storage.read(f"{VERSIONS}/{release.version}/{MANIFEST}") or b""
        try:
            public.verify(base64.b64decode(release.signature, validate=True), _signed(manifest))
        except (InvalidSignature, ValueError) as error:
            raise GateError(f"release {release.version} of {location} is not signed by {key.name}") from error
    return len(releases)


def _signed(manifest: bytes) -> bytes:
    return CONTEXT + hashlib.sha256(manifest).digest()


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise InputError("signatures need cryptography, which is not installed; pip install 'decant[ops]'") from error
    return serialization, ed25519
