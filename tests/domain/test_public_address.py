"""Which addresses are the public internet: the first and last of each special block, and their neighbours."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.public_address import is_public

# Grouped by the block that they are in; sources beside the blocks in public_address.py.
NOT_PUBLIC = {
    "this network": ["0.0.0.0", "0.255.255.255"],  # noqa: S104 -- an address to refuse, nothing is bound
    "private use": ["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"],
    "carrier-grade NAT": ["100.64.0.0", "100.100.100.200", "100.127.255.255"],
    "loopback": ["127.0.0.0", "127.0.0.1", "127.255.255.255"],
    "Azure's platform": ["168.63.129.16"],
    "link-local and metadata": ["169.254.0.0", "169.254.169.254", "169.254.255.255"],
    "protocol assignments": ["192.0.0.0", "192.0.0.9", "192.0.0.170", "192.0.0.192", "192.0.0.255"],
    "documentation": ["192.0.2.0", "192.0.2.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255"],
    "AS112": ["192.31.196.0", "192.31.196.255", "192.175.48.0", "192.175.48.255"],
    "multicast tunnels": ["192.52.193.0", "192.52.193.255"],
    "6to4 relays": ["192.88.99.0", "192.88.99.1", "192.88.99.255"],
    "benchmarking": ["198.18.0.0", "198.19.255.255"],
    "multicast": ["224.0.0.0", "224.0.0.1", "239.255.255.255"],
    "reserved and broadcast": ["240.0.0.0", "255.255.255.254", "255.255.255.255"],
    "IPv6 unspecified and loopback": ["::", "::1"],
    "IPv4-compatible": ["::127.0.0.1", "::10.0.0.1", "::8.8.8.8"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"],
    "IPv4-translated": ["::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"],
    "discard": ["100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::1"],
    "below global unicast": ["1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    "above global unicast": ["4000::", "5f00::1", "8000::1"],
    "Teredo": ["2001::", "2001::ffff:ffff:ffff", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"],
    "other protocol assignments": ["2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:1ff:ffff::1"],
    "ORCHID and drones": ["2001:10::1", "2001:1f:ffff::1", "2001:20::1", "2001:2f:ffff::1", "2001:30::1"],
    "IPv6 documentation": ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::1", "3fff:fff:ffff::1"],
    "6to4": ["2002::", "2002:7f00:1::1", "2002:808:808::1", "2002:ffff:ffff::1"],
    "IPv6 AS112": ["2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"],
    "6bone": ["3ffe::", "3ffe:ffff:ffff::1"],
    "ISATAP of a private address": [
        "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:127.0.0.1",
        "2606:4700::5efe:169.254.169.254",
    ],
    "unique-local and metadata": ["fc00::", "fd00:ec2::254", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    "link-local": ["fe80::", "fe80::1", "febf:ffff::1", "fe80::1%eth0"],
    "with a zone": ["2606:4700::1111%eth0"],
    "site-local": ["fec0::", "feff:ffff::1"],
    "IPv6 multicast": ["ff00::", "ff02::1", "ff0e::1"],
}

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
    "text", [pytest.param(text, id=f"{block}: {text}") for block, texts in NOT_PUBLIC.items() for text in texts]
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
