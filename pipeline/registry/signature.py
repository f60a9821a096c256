"""Ed25519 signatures of manifests (RFC 8032): who let a release in, beyond what its sha256 tell."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from pathlib import Path
from typing import Any

from decant.errors import GateError, InputError, TemporaryError
from pipeline.registry.records import Release
from pipeline.registry.registry import Registry, Sign, Vouch
from pipeline.registry.storage import LockedOutError

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


def voucher(key: Path) -> Vouch:
    """A function that holds a release's manifest to a public key: it raises GateError where that did not sign it.

    Args:
        key: PEM file of the public key.

    Raises:
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

    def vouch(release: Release, manifest: bytes) -> None:
        if release.signature is None:
            raise GateError(f"release {release.version} is not signed")
        try:
            public.verify(base64.b64decode(release.signature, validate=True), _signed(manifest))
        except (InvalidSignature, ValueError) as error:
            raise GateError(f"release {release.version} is not signed by {key.name}") from error

    return vouch


def check_signatures(location: str, key: Path) -> int:
    """Hold every release of a registry to a public key, its files to its manifest, and the pointer to a release.

    A registry that is not a folder is downloaded, one version at a time.

    Args:
        location: the registry's folder or URL.
        key: PEM file of the public key.

    Returns:
        The number of releases, 1 or more.

    Raises:
        GateError: nothing is deployed, or a release is not signed by the key, or not what was signed; names the first.
        InputError: it is no such key, or cryptography is not installed.
    """
    vouch, registry = voucher(key), Registry.at(location)
    pointer, releases = registry.current(), registry.releases()
    if pointer is None:
        raise GateError(f"nothing is deployed in {location}, so there is no signature to hold to {key.name}")
    if pointer.version not in {release.version for release in releases}:
        raise GateError(f"{location} deploys {pointer.version}, of which there is no release, so nobody signed it")
    for release in releases:
        try:
            with tempfile.TemporaryDirectory() as scratch:
                registry.fetch(release.version, Path(scratch), vouch)
        except (TemporaryError, LockedOutError):  # which tell nothing of the files
            raise
        except InputError as error:
            raise GateError(f"release {release.version} is not what was signed: {error}") from error
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
