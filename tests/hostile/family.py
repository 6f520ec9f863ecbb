"""The shapes of the collection: rows in families, each of which names where it comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UrlFamily:
    """Callback URLs that are refused wherever one is given, and that lead nowhere should one be kept all the same.

    `says` is part of what each refusal tells the API's user; empty where the rows break several rules.
    """

    name: str
    source: str
    says: str
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NameFamily:
    """Hosts with names like any other. They are judged by the `answers` of a lookup whenever they are dialled."""

    name: str
    source: str
    answers: tuple[str, ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddressFamily:
    """Addresses that are refused as a URL's host, as a name's answer, and at the socket."""

    name: str
    source: str
    addresses: tuple[str, ...]
