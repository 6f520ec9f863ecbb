"""Which addresses are the public internet: the neighbours of each special block are, its first and last are not."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.public_address import is_public
from tests.hostile.addresses import ADDRESSES

PUBLIC = [
    "1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.215.14", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0",
    "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0",
    "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
    "2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::1", "2001:db9::1", "2003::1", "2606:4700::1111",
    "2606:4700::5efe:8.8.8.8", "2606:4700::200:5efe:8.8.8.8", "2620:4f:7fff::1", "2620:4f:8001::1", "2a00:1450::1",
    "3ffd:ffff::1", "3fff:1000::1", "2600::",
]  # fmt: skip


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=f"{family.name}: {text}") for family in ADDRESSES for text in family.addresses]
)
def test_special_addresses_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_their_neighbours_are(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.ip_addresses())
def test_never_laxer_than_the_standard_library(address: IPv4Address | IPv6Address) -> None:
    assert address.is_global or not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_ipv6_address_that_wraps_an_ipv4_address_gets_round(inner: IPv4Address) -> None:
    wrapped = int(inner)
    for wrapping in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::"):
        assert not is_public(IPv6Address(int(IPv6Address(wrapping)) | wrapped))
    assert not is_public(IPv6Address(0x2002 << 112 | wrapped << 80))
    assert is_public(IPv6Address(int(IPv6Address("2606:4700::5efe:0:0")) | wrapped)) == is_public(inner)
