"""The name of every key, and how long each lives.

Everything that belongs to a call carries its partition's hash tag, so that one script can touch it all on
any node of a cluster, and no script ever touches two partitions:

    rb:{07}:due                    sorted set   watch id -> Unix ms of the next poll (or end of a lease); with a
                                                fraction where something was promised for that moment (watches.py)
    rb:{07}:outbox                 sorted set   subscription, or subscription/sequence of a delivery that left
                                                the fast lane -> Unix ms of the next attempt (or end of a lease)
    rb:{07}:journal                stream       the last records of events, for streams: w watch, s the
                                                first event's sequence, i the events' ids
    rb:{07}:line:<line>            hash         what calls of one account, project and connector share: k<key>, by the
                                                name of the key that first sealed it, so that processes with other
                                                keys do not take it from each other
    rb:{07}:w<watch>               hash         i call, s state, x what the upstream told of it once,
                                                v version: Unix microseconds of the last record, or of g
                                                if that was later, n polls,
                                                f final type, p last poll,
                                                d when it would be due, while nobody is subscribed,
                                                g Unix ms since when it is followed anew, if it ever was,
                                                t span of the first registration that was traced, 24 bytes,
                                                e how many events, and each by its sequence
    rb:{07}:r<watch>               hash         registration digest -> "subscription filter", those alive
    rb:{07}:s<subscription>        hash         w watch, t tenant, d digest, st status, c cursor,
                                                b body, with b1 to b7 in pieces,
                                                u Unix ms of the last change of status,
                                                a failures of the delivery at the cursor,
                                                n Unix ms when that one is due, once it fails slowly,
                                                h what came while it was being tried: "new" for an event, 1 for a
                                                change or a replay,
                                                r<sequence> failures of one that left the fast lane,
                                                l how many attempts stand here as l1, l2, …, oldest first; or -1
    rb:{07}:l<subscription>        list         all attempts, oldest first, once they have become many or one long
    rb:{07}:c<digest>              string       the tenant's subscriptions of a SID, 20 characters each
    rb:{07}:of:<tenant>            sorted set   the tenant's subscriptions of the partition, by id, so by age
    rb:{07}:active:<tenant>        hash         period -> how many of the tenant's subscriptions that were made in it
                                                are active or paused and their call has not ended; a
                                                period is four characters of an id, 9.3 hours
    rb:{07}:failed:<tenant>        sorted set   subscription/sequence of a delivery that was given up
                                                -> Unix ms of its last attempt; one that is sent again leaves it

    rb:{ten_…}:tenant              hash         n name, a account, p project, c connector (sealed), g signing secrets
                                                (sealed), t Unix ms of its making; where there is a quota:
                                                qs active subscriptions, qc those of a call, qr requests a second;
                                                of each API key: k<key> record, h<key> SHA-256 of its chance,
                                                u<key> Unix ms of its last use
    rb:{ten_…}:rate                string       Unix microseconds when as many requests as fit into a second fit again
    rb:{ten_…}:once:<digest>       string       an idempotency key's reservation, for a minute, or answer, for a day
    rb:tenants                     sorted set   all tenants, by id
    rb:tenants:leaving             sorted set   tenants that are being deleted -> Unix ms since when
    rb:installation                hash         what may never change: the number of partitions; and layout:<number>,
                                                for each layout that may have been written, -> the version of Ringback
                                                that did so first: whoever cannot read it keeps away
    rb:connector:<digest>          string       says that this connector is used here, for this account and project
    rb:{dest}:breaker:<digest>     hash         a tenant's destination that has failed: d both, e what failed last,
                                                t Unix ms since when, f failures in a row, o how often opened,
                                                u Unix ms until when it is open, p until when a probe may take
    rb:{dest}:troubled             sorted set   digests of those -> Unix ms of the last failure
    rb:{dest}:troubled:<tenant>    sorted set   the same of one tenant's
    rb:{up:<digest>}:budget        hash         what is reserved of a credential set's polls per second: s slots, o Unix
                                                microseconds of the first, e early polls reserved lately, q patient
                                                ones whose turn has not come, t Unix microseconds of e and q

A call with one subscriber costs what Redis needs for its keys more than what stands in them. So there are few of them,
with short names: a watch is 24 characters, of which the first 12 are its line; a subscription goes without its prefix
and partition, which its key has already; what else is long is named by a digest. And Redis keeps a small hash in one
piece as long as no value is longer than 64 bytes, at a fifth of the memory: what could become longer is cut into pieces
(the body), written short (`app/store/short_forms.py`), or goes elsewhere (attempts). Beyond that all works the same.

`active` is counted by scripts, one up and one down. A subscription that expired with nobody to count it down (all
workers were away for as long as anything lives) goes with its period: what was made so long ago has ended.

Lifetimes. `due` and `outbox` hold only what there is to do. A call's keys live as long as it can be
followed plus the retention time; when it ends, the call's own are set to the retention time, and a delivery
that is to be retried later than that prolongs them (settle.lua). Tenants, keys and the installation have
no lifetime: they are configuration, removed by hand. A tenant's rate lives for the second that it counts. A breaker
lives for a quarter of an hour after a failure, and for a day once it has opened. A connector is
known for 90 days after its last use. A journal stays, and holds the last
thousand records. A budget lives for a minute longer than what is reserved of it.
"""

import base64
import hashlib
from zlib import crc32

from app.domain import ids
from app.domain.call import LINE_LENGTH

INSTALLATION = "rb:installation"
TENANTS = "rb:tenants"
LEAVING_TENANTS = "rb:tenants:leaving"
TROUBLED = "rb:{dest}:troubled"

# What a subscription's id begins with, its partition included, and what then names it within the partition.
_ID_HEAD = 6
_SHORT_ID = 20
_DIGEST_BYTES = 15


def tenant(tenant_id: str) -> str:
    return f"rb:{{{tenant_id}}}:tenant"


def once(tenant_id: str, digest: str) -> str:
    return f"rb:{{{tenant_id}}}:once:{digest}"


def tenant_rate(tenant_id: str) -> str:
    return f"rb:{{{tenant_id}}}:rate"


def connector(digest: str) -> str:
    return f"rb:connector:{digest}"


def breaker(digest: str) -> str:
    return f"rb:{{dest}}:breaker:{digest}"


def troubled_of(tenant_id: str) -> str:
    return f"{TROUBLED}:{tenant_id}"


def upstream_budget(digest: str) -> str:
    return f"rb:{{up:{digest}}}:budget"


class Partition:
    """The keys of one partition."""

    __slots__ = ("due", "journal", "number", "outbox", "prefix")

    def __init__(self, number: int) -> None:
        self.number = number
        self.prefix = f"rb:{{{number:02d}}}:"
        self.due = f"{self.prefix}due"
        self.outbox = f"{self.prefix}outbox"
        self.journal = f"{self.prefix}journal"

    def line(self, watch_id: str) -> str:
        return f"{self.prefix}line:{watch_id[:LINE_LENGTH]}"

    def watch(self, watch_id: str) -> str:
        return f"{self.prefix}w{watch_id}"

    def registrations(self, watch_id: str) -> str:
        return f"{self.prefix}r{watch_id}"

    def subscription(self, subscription_id: str) -> str:
        return f"{self.prefix}s{sort_key(subscription_id)}"

    def log(self, subscription_id: str) -> str:
        return f"{self.prefix}l{sort_key(subscription_id)}"

    def call(self, tenant_id: str, call_sid: str) -> str:
        return f"{self.prefix}c{call_digest(tenant_id, call_sid)}"

    def of_tenant(self, tenant_id: str) -> str:
        return f"{self.prefix}of:{tenant_id}"

    def active(self, tenant_id: str) -> str:
        return f"{self.prefix}active:{tenant_id}"

    def failed(self, tenant_id: str) -> str:
        return f"{self.prefix}failed:{tenant_id}"


def all_partitions(count: int) -> tuple[Partition, ...]:
    return tuple(Partition(number) for number in range(count))


def partition_number(call_sid: str, count: int) -> int:
    """Return the partition of a call. It depends on the SID alone, so that a tenant that knows no more finds it."""
    return crc32(call_sid.encode()) % count


def sort_key(subscription_id: str) -> str:
    """Return what subscriptions of all partitions sort by: their id without its partition."""
    return subscription_id[_ID_HEAD:]


def full_id(partition: int, short_id: str) -> str:
    """Return the id of a partition's subscription that is called so there."""
    return f"sub_{ids.encode(partition, _ID_HEAD - len('sub_'))}{short_id}"


def subscriptions_of_call(partition: Partition, written: bytes | None) -> list[str]:
    """Read what stands in `Partition.call`, in the order in which they were made."""
    text = (written or b"").decode()
    return [full_id(partition.number, text[at : at + _SHORT_ID]) for at in range(0, len(text), _SHORT_ID)]


def call_digest(tenant_id: str, call_sid: str) -> str:
    """Name a tenant's SID. Neither of the two has a space in it."""
    digest = hashlib.sha256(f"{tenant_id} {call_sid}".encode()).digest()
    return base64.urlsafe_b64encode(digest[:_DIGEST_BYTES]).decode()
