"""Addresses that are not the public internet: ends of each special block, and what a cloud keeps in it."""

from tests.hostile.family import AddressFamily

ADDRESSES = (
    AddressFamily(
        "this network",
        source="RFC 791, RFC 1122: Linux dials 0.0.0.0 as the machine itself.",
        addresses=("0.0.0.0", "0.255.255.255"),  # noqa: S104 -- an address to refuse, nothing is bound
    ),
    AddressFamily(
        "private use",
        source="RFC 1918.",
        addresses=(
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "172.17.0.1",
            "10.96.0.1",
        ),
    ),
    AddressFamily(
        "carrier-grade NAT",
        source="RFC 6598.",
        addresses=("100.64.0.0", "100.100.100.200", "100.127.255.255"),
    ),
    AddressFamily(
        "loopback",
        source="RFC 1122, 3.2.1.3.",
        addresses=("127.0.0.0", "127.0.0.1", "127.255.255.255", "127.0.0.53", "127.1.2.3"),
    ),
    AddressFamily(
        "Azure's platform",
        source="Microsoft: What is IP address 168.63.129.16?",
        addresses=("168.63.129.16",),
    ),
    AddressFamily(
        "link-local and metadata",
        source="RFC 3927.",
        addresses=(
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "169.254.170.2",
            "169.254.170.23",
            "169.254.169.253",
            "169.254.169.123",
        ),
    ),
    AddressFamily(
        "protocol assignments",
        source="RFC 6890, RFC 7723, RFC 7050.",
        addresses=("192.0.0.0", "192.0.0.9", "192.0.0.170", "192.0.0.192", "192.0.0.255", "192.0.0.8", "192.0.0.171"),
    ),
    AddressFamily(
        "documentation",
        source="RFC 5737.",
        addresses=("192.0.2.0", "192.0.2.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255"),
    ),
    AddressFamily(
        "AS112",
        source="RFC 7535, RFC 7534.",
        addresses=("192.31.196.0", "192.31.196.255", "192.175.48.0", "192.175.48.255"),
    ),
    AddressFamily("multicast tunnels", "RFC 7450.", ("192.52.193.0", "192.52.193.255")),
    AddressFamily(
        "6to4 relays",
        source="RFC 3068, RFC 7526.",
        addresses=("192.88.99.0", "192.88.99.1", "192.88.99.255"),
    ),
    AddressFamily("benchmarking", "RFC 2544.", ("198.18.0.0", "198.19.255.255")),
    AddressFamily("multicast", "RFC 5771.", ("224.0.0.0", "224.0.0.1", "239.255.255.255")),
    AddressFamily(
        "reserved and broadcast",
        source="RFC 1112, RFC 919, RFC 8190.",
        addresses=("240.0.0.0", "255.255.255.254", "255.255.255.255"),
    ),
    AddressFamily(
        "IPv6 unspecified and loopback",
        source="RFC 4291, 2.5.2 and 2.5.3.",
        addresses=("::", "::1"),
    ),
    AddressFamily(
        "IPv4-compatible",
        source="RFC 4291, 2.5.5.1.",
        addresses=("::127.0.0.1", "::10.0.0.1", "::8.8.8.8"),
    ),
    AddressFamily(
        "IPv4-mapped",
        source="RFC 4291, 2.5.5.2.",
        addresses=(
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:169.254.169.254",
            "::ffff:100.100.100.200",
        ),
    ),
    AddressFamily(
        "IPv4-translated",
        source="RFC 2765 (SIIT), RFC 7915.",
        addresses=("::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", "::ffff:0:169.254.169.254"),
    ),
    AddressFamily(
        "NAT64",
        source="RFC 6052, RFC 8215.",
        addresses=(
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::",
            "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::10.0.0.1",
        ),
    ),
    AddressFamily(
        "discard",
        source="RFC 6666, RFC 9780.",
        addresses=("100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::1"),
    ),
    AddressFamily(
        "below global unicast",
        source="IANA, IPv6 address space.",
        addresses=("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",),
    ),
    AddressFamily(
        "above global unicast",
        source="IANA, IPv6 address space; RFC 9602 (SRv6).",
        addresses=("4000::", "5f00::1", "8000::1"),
    ),
    AddressFamily(
        "Teredo",
        source="RFC 4380.",
        addresses=(
            "2001::",
            "2001::ffff:ffff:ffff",
            "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        ),
    ),
    AddressFamily(
        "other protocol assignments",
        source="RFC 2928, RFC 7723, RFC 5180, RFC 7450, RFC 7535.",
        addresses=("2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:1ff:ffff::1"),
    ),
    AddressFamily(
        "ORCHID and drones",
        source="RFC 4843, RFC 7343, RFC 9374.",
        addresses=("2001:10::1", "2001:1f:ffff::1", "2001:20::1", "2001:2f:ffff::1", "2001:30::1"),
    ),
    AddressFamily(
        "IPv6 documentation",
        source="RFC 3849, RFC 9637.",
        addresses=("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::1", "3fff:fff:ffff::1"),
    ),
    AddressFamily(
        "6to4",
        source="RFC 3056.",
        addresses=(
            "2002::",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "2002:ffff:ffff::1",
            "2002:a9fe:a9fe::",
            "2002:c0a8:1::1",
        ),
    ),
    AddressFamily(
        "IPv6 AS112",
        source="RFC 7534.",
        addresses=("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"),
    ),
    AddressFamily("6bone", "RFC 3701.", ("3ffe::", "3ffe:ffff:ffff::1")),
    AddressFamily(
        "ISATAP of a private address",
        source="RFC 5214, 6.1.",
        addresses=(
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:127.0.0.1",
            "2606:4700::5efe:169.254.169.254",
            "2a00:1450::5efe:192.168.0.1",
            "2001:4860::200:5efe:100.64.0.1",
        ),
    ),
    AddressFamily(
        "unique-local and metadata",
        source="RFC 4193.",
        addresses=(
            "fc00::",
            "fd00:ec2::254",
            "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
        ),
    ),
    AddressFamily(
        "link-local",
        source="RFC 4291, 2.5.6.",
        addresses=("fe80::", "fe80::1", "febf:ffff::1", "fe80::1%eth0", "fe80::a9fe:a9fe"),
    ),
    AddressFamily("with a zone", "RFC 4007, RFC 6874.", ("2606:4700::1111%eth0",)),
    AddressFamily("site-local", "RFC 3879.", ("fec0::", "feff:ffff::1")),
    AddressFamily("IPv6 multicast", "RFC 4291, 2.7.", ("ff00::", "ff02::1", "ff0e::1")),
)
