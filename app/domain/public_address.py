"""Which addresses are the public internet, and so may be dialled for a callback.

The standard library's `is_global` is no guard (Python 3.11: True of multicast, NAT64, 6to4, `::127.0.0.1`,
`fec0::/10` and 192.0.0.192), so this is a list of its own. IPv4: everything but the blocks of IANA's
special-purpose registry and their like. IPv6: nothing but the global unicast space that IANA hands out,
`2000::/3`, less its special blocks; IPv4-mapped (`::ffff:0:0/96`), IPv4-compatible, NAT64 (`64:ff9b::/96`,
`64:ff9b:1::/48`), SIIT, unique-local, link-local, site-local and multicast addresses all lie outside it.

What no list can know: a NAT64 gateway under a network's own prefix (RFC 6052) and addresses that a network
routes to itself although they are public. Both are for the network's own egress rules.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_SPECIAL_IPV4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network; Linux dials 0.0.0.0 as the machine itself (RFC 791, RFC 1122)
        "10.0.0.0/8",  # private use (RFC 1918)
        "100.64.0.0/10",  # carrier-grade NAT; also a cloud's metadata, 100.100.100.200 (RFC 6598)
        "127.0.0.0/8",  # loopback (RFC 1122)
        "168.63.129.16/32",  # Azure's platform services, reachable from inside every virtual machine (Microsoft)
        "169.254.0.0/16",  # link-local; also the clouds' metadata, 169.254.169.254 (RFC 3927)
        "172.16.0.0/12",  # private use (RFC 1918)
        "192.0.0.0/24",  # protocol assignments; also a cloud's metadata, 192.0.0.192 (RFC 6890)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112 (RFC 7535)
        "192.52.193.0/24",  # automatic multicast tunnelling (RFC 7450)
        "192.88.99.0/24",  # former 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private use (RFC 1918)
        "192.175.48.0/24",  # AS112 (RFC 7534)
        "198.18.0.0/15",  # benchmarking (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved, and broadcast at its end (RFC 1112, RFC 919)
    )
)

_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291, IANA's IPv6 address space registry
_SPECIAL_IPV6 = tuple(
    IPv6Network(block)
    for block in (
        # Protocol assignments (RFC 2928): Teredo 2001::/32 (RFC 4380), benchmarking 2001:2::/48 (RFC 5180),
        # AMT 2001:3::/32 (RFC 7450), AS112 2001:4:112::/48 (RFC 7535), ORCHID 2001:10::/28 (RFC 4843),
        # ORCHIDv2 2001:20::/28 (RFC 7343), drone identification 2001:30::/28 (RFC 9374).
        "2001::/23",
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4: carries an IPv4 address (RFC 3056)
        "2620:4f:8000::/48",  # AS112 (RFC 7534)
        "3ffe::/16",  # the former 6bone (RFC 3701)
        "3fff::/20",  # documentation (RFC 9637)
    )
)

# The upper half of an ISATAP interface identifier, with the universal bit clear and set; the lower half is
# an IPv4 address (RFC 5214, section 6.1).
_ISATAP_MARKS = frozenset({0x0000_5EFE, 0x0200_5EFE})
_LOW_32_BITS = 0xFFFF_FFFF


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether a callback may go to `address`. An address with a zone (`fe80::1%eth0`) never is public."""
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _SPECIAL_IPV4)
    if address.scope_id is not None or address not in _GLOBAL_UNICAST:
        return False
    return not any(address in block for block in _SPECIAL_IPV6) and _tunnel_end_is_public(address)


def _tunnel_end_is_public(address: IPv6Address) -> bool:
    """False for an ISATAP address that wraps an IPv4 address which is not public."""
    mark = int(address) >> 32 & _LOW_32_BITS
    return mark not in _ISATAP_MARKS or is_public(IPv4Address(int(address) & _LOW_32_BITS))
