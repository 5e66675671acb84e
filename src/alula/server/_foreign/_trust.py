"""Whom an encrypted connection trusts, and as whom it comes."""

import ssl
from dataclasses import dataclass
from typing import Self

__all__ = ["Trust"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Files of certificates, and how strictly they are asked for.

    Attributes
    ----------
    authorities
        A file with the certificates of those who may vouch for the server; empty for the system's.
    certificate, key
        Files by which the server knows us, if it asks; the key may lie in the certificate's.
    verified, named
        Whether somebody has to vouch for the server, and for it under the name of its host.
    """

    authorities: str = ""
    certificate: str = ""
    key: str = ""
    verified: bool = True
    named: bool = True

    @classmethod
    def taken(cls, options: dict[str, str]) -> Self:
        """Take what redis-py calls ``ssl_ca_certs`` and so on out of the options of a URL.

        Raises
        ------
        ValueError
            If one of them has no such value.
        """
        return cls(
            authorities=options.pop("ssl_ca_certs", ""),
            certificate=options.pop("ssl_certfile", ""),
            key=options.pop("ssl_keyfile", ""),
            verified=_choice(options, "ssl_cert_reqs", {"required": True, "none": False}),
            named=_choice(options, "ssl_check_hostname", {"true": True, "false": False}),
        )

    def context(self) -> ssl.SSLContext:
        """Read the files.

        Raises
        ------
        OSError
            If one cannot be read, or holds no such thing.
        """
        context = ssl.create_default_context(cafile=self.authorities or None)
        context.check_hostname = self.named and self.verified
        if not self.verified:
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key or None)
        return context


def _choice(options: dict[str, str], name: str, known: dict[str, bool]) -> bool:
    """Take an option; without it the first of its values counts."""
    word = options.pop(name, next(iter(known))).lower()
    if word not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}")
    return known[word]
