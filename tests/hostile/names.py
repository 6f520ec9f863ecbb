"""Hosts that look like any other, and lead inside once they are looked up."""

from tests.hostile.family import NameFamily

NAMES = (
    NameFamily(
        "names that answer with what they say",
        source="Public services for development that attackers use as well: nip.io, sslip.io, localtest.me, lvh.me, "
        "xip.name.",
        answers=("127.0.0.1",),
        hosts=(
            "127.0.0.1.nip.io",
            "7f000001.nip.io",
            "crm-127-0-0-1.sslip.io",
            "www.127-0-0-1.sslip.io",
            "localtest.me",
            "lvh.me",
            "crm.vcap.me",
            "localhost.example.com",
        ),
    ),
    NameFamily(
        "names of a metadata service",
        source="Write-ups of blind SSRF: names that point to 169.254.169.254; Tencent's and Packet's own names.",
        answers=("169.254.169.254",),
        hosts=(
            "169.254.169.254.nip.io",
            "a9fea9fe.nip.io",
            "metadata.nicob.net",
            "metadata.tencentyun.com",
            "metadata.packet.net",
            "1ynrnhl.xip.io",
        ),
    ),
    NameFamily(
        "names that change their mind",
        source="DNS rebinding: taviso/rbndr, 1u.ms, NCC Group's Singularity; here with both answers at once.",
        answers=("93.184.215.14", "192.168.0.1"),
        hosts=(
            "7f000001.c0a80001.rbndr.us",
            "make-93.184.215.14-rebind-192.168.0.1-rr.1u.ms",
            "s-93.184.215.14-192.168.0.1-1-ma-e.d.rebind.example",
            "crm.example.com",
        ),
    ),
    NameFamily(
        "names with an IPv6 side",
        source="RFC 6724 and RFC 8305: which of a name's answers is dialled is the dialler's choice.",
        answers=("2606:4700::1111", "::ffff:127.0.0.1"),
        hosts=("ip6.example.com", "0--1.ipv6-literal.example", "xn--bcher-kva.example"),
    ),
)
