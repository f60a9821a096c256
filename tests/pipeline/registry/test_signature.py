from pathlib import Path

import pytest

from decant.errors import GateError, InputError
from pipeline.registry.promote import roll_back
from pipeline.registry.registry import Registry
from pipeline.registry.signature import check_signatures, signer
from tests.tiny_artifacts import tiny_artifact
from tests.tiny_runs import decant

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
    with pytest.raises(GateError, match=r"^release 000001-\w{12} is not signed by other\.pub\.pem"):
        check_signatures(registry.location, other)
    version = registry.current().version
    registry.storage.put(f"versions/{version}/decant.json", b"{}")
    with pytest.raises(GateError, match=r"is not signed by mine\.pub\.pem"):
        check_signatures(registry.location, public)


def test_an_unsigned_release_is_named(tmp_path: Path) -> None:
    registry = Registry.at(tmp_path / "registry")
    registry.add(tiny_artifact(tmp_path / "a"))
    with pytest.raises(GateError, match=r"^release 000001-\w{12} is not signed$"):
        check_signatures(registry.location, keys(tmp_path, "mine")[1])


@pytest.fixture(params=["folder", "object store"])
def signed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Registry, Path]:
    """A registry with two releases that a key signed, and the public key."""
    location = str(tmp_path / "registry")
    if request.param == "object store":
        pytest.importorskip("fsspec", reason="fsspec is not installed")
        location = f"memory://signed/{tmp_path.name}"
    registry, (secret, public) = Registry.at(location), keys(tmp_path, "mine")
    for name in ("one", "two"):
        registry.add(tiny_artifact(tmp_path / name, name), sign=signer(secret))
    assert check_signatures(registry.location, public) == 2
    return registry, public


@pytest.mark.parametrize("file", ["onnx/model.onnx", "tokenizer.json"])
def test_a_file_that_was_replaced_after_signing_is_named(signed: tuple[Registry, Path], file: str) -> None:
    registry, public = signed
    version = registry.current().version
    registry.storage.put(f"versions/{version}/{file}", b"another model")
    with pytest.raises(GateError, match=rf"release {version} is not what was signed: .*{file} was changed"):
        check_signatures(registry.location, public)


def test_a_pointer_to_what_nobody_let_in_is_not_signed(signed: tuple[Registry, Path]) -> None:
    registry, public = signed
    elsewhere = registry.current().model_copy(update={"version": "000009-0123456789ab"})
    registry.storage.put("current", elsewhere.model_dump_json().encode())
    with pytest.raises(GateError, match=r"deploys 000009-0123456789ab, of which there is no release"):
        check_signatures(registry.location, public)


def test_an_empty_registry_is_not_signed(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"^nothing is deployed in .*, so there is no signature to hold to mine\.pub"):
        check_signatures(str(tmp_path / "registry"), keys(tmp_path, "mine")[1])


def test_a_rollback_can_ask_for_a_signature(tmp_path: Path, signed: tuple[Registry, Path]) -> None:
    registry, public = signed
    was = registry.current()
    unsigned = registry.add(tiny_artifact(tmp_path / "three", "three")).version
    roll_back(registry.location, None, public)
    assert registry.current().version == was.version
    with pytest.raises(GateError, match=f"release {unsigned} is not signed"):
        roll_back(registry.location, unsigned, public)
    assert registry.current().version == was.version
    assert registry.history()[-1].version == was.version


def test_the_verbs_take_a_public_key(tmp_path: Path) -> None:
    (secret, public), (_, other) = keys(tmp_path, "mine"), keys(tmp_path, "other")
    registry = tmp_path / "registry"
    for name in ("one", "two"):
        Registry.at(registry).add(tiny_artifact(tmp_path / name, name), sign=signer(secret))
    said = decant("releases", registry, "--verify", public)
    assert said.code == 0
    assert said.text.endswith("\n2 releases signed by mine.pub.pem, every file as signed\n")
    assert decant("rollback", registry, "--verify", other).code == 3
    assert decant("rollback", registry, "--verify", public).code == 0
    (registry / "versions" / Registry.at(registry).current().version / "onnx" / "model.onnx").write_bytes(b"another")
    assert decant("releases", registry, "--verify", public).code == 3


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
