from pathlib import Path

import pytest

from pipeline.registry.registry import Registry
from pipeline.registry.signature import check_signatures, signer
from teachers.errors import GateError, InputError
from tests.tiny_artifacts import tiny_artifact

ed25519 = pytest.importorskip(
    "cryptography.hazmat.primitives.asymmetric.ed25519", reason="the extra `ops` is not installed"
)
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402


def keys(folder: Path, name: str, private=None) -> tuple[Path, Path]:
    private = private or ed25519.Ed25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    secret.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return secret, public


def test_releases_are_held_to_a_key(tmp_path: Path) -> None:
    registry, artifact = Registry.at(tmp_path / "registry"), tiny_artifact(tmp_path / "a")
    (secret, public), (_, other) = keys(tmp_path, "mine"), keys(tmp_path, "other")
    registry.add(artifact, sign=signer(secret))
    assert check_signatures(registry.location, public) == 1
    with pytest.raises(GateError, match=r"000001-\w{12} of .* is not signed by other\.pub\.pem"):
        check_signatures(registry.location, other)
    version = registry.current().version
    registry.storage.put(f"versions/{version}/decant.json", b"{}")
    with pytest.raises(GateError, match=r"is not signed by mine\.pub\.pem"):
        check_signatures(registry.location, public)


def test_an_unsigned_release_is_named(tmp_path: Path) -> None:
    registry = Registry.at(tmp_path / "registry")
    registry.add(tiny_artifact(tmp_path / "a"))
    with pytest.raises(GateError, match=r"release 000001-\w{12} of .* is not signed$"):
        check_signatures(registry.location, keys(tmp_path, "mine")[1])


def test_other_keys_are_refused(tmp_path: Path) -> None:
    secret, public = keys(tmp_path, "curve", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(InputError, match=r"curve\.pem is no ed25519 key"):
        signer(secret)
    with pytest.raises(InputError, match=r"curve\.pub\.pem is no ed25519 key"):
        check_signatures(str(tmp_path), public)
    with pytest.raises(InputError, match=r"curve\.pub\.pem is no unencrypted private key"):
        signer(public)
    with pytest.raises(InputError, match=r"curve\.pem is no public key"):
        check_signatures(str(tmp_path), secret)
    assert signer(None) is None
