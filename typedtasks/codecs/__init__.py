"""Codecs: what happens to payloads and results between JSON and the store. `Broker(url, codecs=[Compress(), Encrypt(keys)])`."""

from typedtasks.codecs.codec import PayloadCodec, Undecodable
from typedtasks.codecs.compression import Compress
from typedtasks.codecs.encryption import Encrypt

__all__ = ["Compress", "Encrypt", "PayloadCodec", "Undecodable"]
