"""Encryption of payloads and results, with keys that can be changed."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Final, Protocol

from typedtasks.codecs.codec import Undecodable
from typedtasks.errors import DefinitionError

__all__ = ["Encrypt"]

_KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12
_LONGEST_ID: Final = 64


class _Cipher(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class Encrypt:
    """Encrypts with AES-256-GCM-SIV (RFC 8452), and binds what it encrypts to its task. Needs `typedtasks[encryption]`.

    `keys` maps an id, which is sent in clear text, to a key as `Encrypt.new_key()` returns it (or 32 bytes). The first key
    encrypts, all decrypt. What was not encrypted is refused; `accept_plain=True` reads it, while a deployment begins to encrypt.

    To change keys: first add the new key behind the old one in every process, then put it first, and take the old one away when
    no message and no result is left that was encrypted with it. A message whose key is not known waits, parked, for a worker
    that has it.
    """

    name: Final = "aes-256-gcm-siv"
    hides: Final = True

    def __init__(self, keys: Mapping[str, str | bytes], *, accept_plain: bool = False) -> None:
        if not isinstance(keys, Mapping) or not keys:  # pyright: ignore[reportUnnecessaryIsInstance]  # told apart for those without one
            raise DefinitionError("Encrypt(keys) needs a mapping from key ids to keys, such as {'2026-01': Encrypt.new_key()}.")
        self._ciphers: dict[str, _Cipher] = {id: _cipher(id, key) for id, key in keys.items()}
        self._first, self._encrypting = next(iter(self._ciphers.items()))
        first = self._first.encode()
        self._prefix = bytes([len(first)]) + first
        self.is_required = not accept_plain
        """Whether what was not encrypted is refused."""
        self.awaited = tuple(_token(id) for id in self._ciphers)
        """What messages are parked for that these keys can decrypt."""

    @staticmethod
    def new_key() -> str:
        """Return a new random key as text, for a secret store or an environment variable."""
        return base64.urlsafe_b64encode(os.urandom(_KEY_SIZE)).decode()

    def encode(self, data: bytes, bound_to: bytes) -> bytes:
        """Return the key's id, a nonce and the encrypted data."""
        nonce = os.urandom(_NONCE_SIZE)
        return self._prefix + nonce + self._encrypting.encrypt(nonce, data, bound_to)

    def decode(self, data: bytes, bound_to: bytes, limit: int) -> bytes:
        """Return the data, if it is what was encrypted for `bound_to`."""
        end = 1 + (data[0] if data else 0)
        try:
            id = data[1:end].decode()
        except UnicodeDecodeError:
            raise Undecodable("the id of its key cannot be read") from None
        cipher = self._ciphers.get(id)
        if cipher is None:
            if not 1 <= len(id) <= _LONGEST_ID or not id.isprintable():
                raise Undecodable("it names no key")
            raise Undecodable(f"it was encrypted with the key {id!r}, which is not among the keys here", awaits=_token(id))
        nonce, encrypted = data[end : end + _NONCE_SIZE], data[end + _NONCE_SIZE :]
        try:
            return cipher.decrypt(nonce, encrypted, bound_to)
        except Exception:  # noqa: BLE001 - the library has an error for each way in which it can be wrong; none says more
            raise Undecodable(
                f"it is not what was encrypted with the key {id!r} for this task: it was changed, belongs to another task, or "
                "the key is another one of the same id"
            ) from None

    def __repr__(self) -> str:
        return f"<Encrypt with the key {self._first!r} of {len(self._ciphers)}>"


def _cipher(id: object, key: object) -> _Cipher:
    if not isinstance(id, str) or not 1 <= len(id.encode("utf-8", "replace")) <= _LONGEST_ID or not id.isprintable():
        raise DefinitionError(f"Encrypt: {id!r} cannot be the id of a key: pass 1 to {_LONGEST_ID} printable characters.")
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
    except ImportError:
        raise DefinitionError("Encrypt needs the package cryptography: pip install 'typedtasks[encryption]'.") from None
    try:
        return AESGCMSIV(_key(id, key))
    except UnsupportedAlgorithm:
        raise DefinitionError(
            "Encrypt needs OpenSSL 3.2 or later below the package cryptography, as its wheels have: "
            "pip install 'typedtasks[encryption]'."
        ) from None


def _key(id: str, key: object) -> bytes:
    """Return the 32 bytes of a key. No error shows any of it."""
    if isinstance(key, str):
        try:
            key = base64.b64decode(key.encode().translate(bytes.maketrans(b"-_", b"+/")), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            key = b""
    if not isinstance(key, bytes) or len(key) != _KEY_SIZE:
        raise DefinitionError(f"Encrypt: the key {id!r} is none: pass what Encrypt.new_key() has returned, or {_KEY_SIZE} bytes.")
    return key


def _token(id: str) -> str:
    return f"the key {id}"
