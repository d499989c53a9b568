"""What a table is: its description as persisted, and the keys of its items. Pure values and pure functions.

A `Description` belongs to one Region's copy. `shared` is the part that all replicas agree on, merged on its own:
settings by their version, and each member by the member's version, so that two Regions that were apart may both have
changed it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from antipodes.services.dynamodb import keys
from antipodes.services.dynamodb.values import INVALID, Item, decoded
from antipodes.store.records import Version
from antipodes.wire.errors import ValidationException

KEY_MISMATCH = "The provided key element does not match the schema"
MAX_HASH_BYTES = 2048
MAX_RANGE_BYTES = 1024
MAX_KEY_ATTRIBUTES = 4  # of one key of a global index
MAX_INDEX_KEYS = 2 * MAX_KEY_ATTRIBUTES  # of both

MemberState = Literal["joining", "active", "leaving", "gone", "failed"]


class KeyPart(msgspec.Struct, frozen=True):
    """One key attribute; kind is "S", "N" or "B"."""

    name: str
    kind: str


class Index(msgspec.Struct, frozen=True):
    """A secondary index, local or global. A global one may have up to four attributes in each of its two keys."""

    name: str
    hash: KeyPart
    range: KeyPart | None
    projection: str  # ALL, KEYS_ONLY, INCLUDE
    included: tuple[str, ...]
    is_global: bool
    read_units: int = 0
    write_units: int = 0
    reads_set: int = 0  # as Settings.reads_set
    more_hash: tuple[KeyPart, ...] = ()  # of a multi-attribute key: what follows its first attribute
    more_range: tuple[KeyPart, ...] = ()
    most_reads: int = 0  # these four as in Settings
    most_writes: int = 0
    warm_reads: int = 0
    warm_writes: int = 0

    @property
    def hashes(self) -> tuple[KeyPart, ...]:
        """The attributes of the partition key."""
        return (self.hash, *self.more_hash)

    @property
    def ranges(self) -> tuple[KeyPart, ...]:
        """The attributes of the sort key; () if there is none."""
        return () if self.range is None else (self.range, *self.more_range)

    @property
    def parts(self) -> tuple[KeyPart, ...]:
        """All key attributes, in the order of the key schema."""
        return self.hashes + self.ranges


class Member(msgspec.Struct, frozen=True):
    """One Region's part in a global table, as of a version.

    joining: told to be made, not complete yet. leaving: told to go. gone: it has gone. failed: it could not be made.
    """

    state: MemberState
    version: Version
    joined: int = 0  # time of the Version with which it was last told to join: an older copy is not this one
    seed: str = ""  # the Region whose copy it was made from
    progress: int = 0  # while joining: percent of the seed's items that are there
    left: int = 0  # time of the Version with which it was last told to leave: an older copy is no part of the table
    short: bool = False  # it went before all the others had all that was written there
    # Of a table of strong consistency (mrsc/membership.py):
    seat: str = ""  # the name of its memory of the journal
    stream: str = ""  # its own stream's view type, for the day when its disk is lost


class Charter(msgspec.Struct, frozen=True):
    """What makes a global table one of strong consistency (mrsc/membership.py)."""

    journal: str  # its name, and the seat of the Region that began it
    version: Version
    witness: str = ""  # the member that is no replica; "": there is none
    seats: dict[str, str] = {}  # Region -> the memory that the journal began with; {}: it has not begun
    keeper: str = ""  # it has ended, and this Region's copy is a plain table


class Overrides(msgspec.Struct, frozen=True):
    """What one replica has of its own (facts 1.5, the middle column). A setting's change on any replica that is later
    than `version` takes the override's place (`Settings.reads_set` and the like)."""

    version: Version
    read_units: int = 0  # 0: none
    most_reads: int = 0
    table_class: str = ""
    index_reads: dict[str, int] = {}
    kms_key: str = ""  # ARN; no other setting takes its place


class Settings(msgspec.Struct, frozen=True):
    """What is synchronised between replicas and may change (facts 1.5)."""

    billing: str = "PROVISIONED"
    read_units: int = 0
    write_units: int = 0
    billing_since: float = 0.0  # epoch seconds of the last change to on-demand; 0: never changed
    stream_view: str = ""  # "": no stream
    ttl_attribute: str = ""  # "": disabled
    table_class: str = ""
    ttl_since: float = 0.0  # epoch seconds of the last change to ttl_attribute; 0: never changed
    most_reads: int = 0  # OnDemandThroughput, request units a second; 0: no bound
    most_writes: int = 0
    warm_reads: int = 0  # WarmThroughput asked for, units a second; 0: what the billing mode gives
    warm_writes: int = 0
    sse: str = ""  # "KMS", or "": DynamoDB's own keys
    # Time of the Version with which these were last changed: what a replica overrode before is void.
    reads_set: int = 0
    most_reads_set: int = 0
    class_set: int = 0


class Shared(msgspec.Struct, frozen=True):
    """What the replicas of a table agree on. A table that was never global has no members."""

    name: str
    group: str  # drawn when the first copy was made; tells tables of one name apart
    created: float
    hash: KeyPart
    range: KeyPart | None
    attributes: tuple[KeyPart, ...]  # AttributeDefinitions, in the order given
    indexes: tuple[Index, ...]
    settings: Settings
    settings_version: Version
    members: dict[str, Member] = {}
    overrides: dict[str, Overrides] = {}  # by Region
    common: str = ""  # in a global table of version 2017.11.29: drawn for it; its tables differ in group and settings
    charter: Charter | None = None

    @property
    def hashes(self) -> tuple[KeyPart, ...]:
        """The partition key; always one attribute."""
        return (self.hash,)

    @property
    def ranges(self) -> tuple[KeyPart, ...]:
        """The sort key, at most one attribute."""
        return () if self.range is None else (self.range,)

    @property
    def parts(self) -> tuple[KeyPart, ...]:
        """All key attributes."""
        return self.hashes + self.ranges

    @property
    def holders(self) -> tuple[str, ...]:
        """The Regions that replication must bring a copy to; () for a plain table, and for one of strong consistency,
        which a journal keeps equal."""
        return () if self.strong else self.replicas

    @property
    def replicas(self) -> tuple[str, ...]:
        """The Regions that have a replica, or are to have one; () for a plain table."""
        witness = self.charter.witness if self.charter is not None else ""
        present = [name for name, one in self.members.items() if one.state in {"joining", "active"}]
        return tuple(sorted(name for name in present if name != witness))

    @property
    def carriers(self) -> tuple[str, ...]:
        """The Regions between which changes travel: one that leaves still sends what it has."""
        if self.charter is not None:
            return self.holders
        return tuple(
            sorted(name for name, one in self.members.items() if one.state in {"joining", "active", "leaving"})
        )

    @property
    def strong(self) -> bool:
        """Whether it is a global table of multi-Region strong consistency."""
        return self.charter is not None and not self.charter.keeper


class Recovery(msgspec.Struct, frozen=True):
    """Point-in-time recovery is on: every change is recorded since `begun` (the time of a Version)."""

    begun: int
    days: int = 35


class Restored(msgspec.Struct, frozen=True):
    """Where a table was restored from: a backup, or a table as it was at `time` (epoch seconds)."""

    table_arn: str
    time: float
    backup_arn: str = ""
    running: bool = True


class Policy(msgspec.Struct, frozen=True):
    """A resource-based policy, kept and answered; antipodes evaluates none."""

    text: str
    revision: str


class Place(msgspec.Struct, frozen=True):
    """Where this copy keeps the rows of an index: index/<space>/<name>/. Not filled: the background is at it."""

    name: str
    filled: bool


class Leaving(msgspec.Struct, frozen=True):
    """Rows of an index that went, still to be deleted (index None: of an expiry order)."""

    place: str
    index: Index | None


class Description(msgspec.Struct, frozen=True):
    """One Region's table, as persisted."""

    shared: Shared
    space: str  # the rows of this copy lie under it; drawn anew for every copy
    table_id: str
    status: str  # CREATING, ACTIVE, DELETING; UPDATING is derived from the members
    since: float  # when this copy was made, epoch seconds
    stream_label: str = ""
    deletion_protection: bool = False
    tags: dict[str, str] = {}
    recovery: Recovery | None = None
    copying: tuple[str, ...] = ()  # jobs that copy this table as it was at a moment (copying.py)
    restored: Restored | None = None
    format: int = 1
    places: dict[str, Place] = {}  # by index name; what is not here lies under its own name, filled
    leaving: tuple[Leaving, ...] = ()
    kms_key: str = ""  # ARN of the KMS key of SSEDescription; "": DynamoDB's own key, which has none
    policy: Policy | None = None
    joined: int = 0  # of a replica: `Member.joined` when it was made
    seat: str = ""  # `Member.seat` of this copy
    own_stream: str = ""  # of a table of strong consistency, whose replicas do not share their streams' settings

    @property
    def stream_view(self) -> str:
        """The view type of this copy's stream; "": none."""
        return self.own_stream if self.shared.strong else self.shared.settings.stream_view


def merged(one: Shared, other: Shared) -> Shared:
    """What both know: newer settings, and of each member the newer state. Commutative and idempotent.

    In version 2017.11.29 every table has settings and indexes of its own: those of `one` stay.
    """
    assert one.group == other.group or (one.common and one.common == other.common)
    members = dict(one.members)
    for region, member in other.members.items():
        if region not in members or members[region].version < member.version:
            members[region] = member
    overrides = dict(one.overrides)
    for region, override in other.overrides.items():
        if region not in overrides or overrides[region].version < override.version:
            overrides[region] = override
    newer = other if one.settings_version < other.settings_version and not one.common else one
    charters = [found.charter for found in (one, other) if found.charter is not None]
    return msgspec.structs.replace(
        newer,
        charter=max(charters, key=lambda charter: charter.version, default=None),
        members={region: members[region] for region in sorted(members)},
        overrides={region: overrides[region] for region in sorted(overrides)},
        created=min(one.created, other.created),
    )


def shared_to_json(shared: Shared) -> dict[str, Any]:
    """As it travels between Regions."""
    found: dict[str, Any] = msgspec.to_builtins(shared)
    return found


def shared_from_json(raw: Any) -> Shared:
    """Raises msgspec.ValidationError on what is no Shared."""
    return msgspec.convert(raw, Shared)


def key_from_key(hash_part: KeyPart, range_part: KeyPart | None, key: Any) -> bytes:
    """The key bytes of a Key parameter, whose values are measured already. Raises ValidationException."""
    if len(key) != (1 if range_part is None else 2):
        raise ValidationException(KEY_MISMATCH)
    first = _required(key, hash_part, MAX_HASH_BYTES)
    return keys.item_key(first, b"" if range_part is None else _required(key, range_part, MAX_RANGE_BYTES))


def _required(key: Item, part: KeyPart, limit: int) -> bytes:
    value = key.get(part.name)
    if value is None or part.kind not in value:
        raise ValidationException(KEY_MISMATCH)
    return _encoded(part, value[part.kind], limit)


class EmptyKey(ValidationException):
    """A key attribute with an empty value. Seen on AWS: unlike other faults of keys it does not cancel a transaction
    but refuses it."""


def _encoded(part: KeyPart, content: str, limit: int) -> bytes:
    if part.kind == "N":
        return keys.encoded_number(content)
    raw = content.encode() if part.kind == "S" else decoded(content)
    if not raw:
        kind = "string" if part.kind == "S" else "binary"
        raise EmptyKey(
            "One or more parameter values are not valid. "
            f"The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {part.name}"
        )
    if len(raw) > limit:
        raise _too_long(limit)
    return raw


def _too_long(limit: int) -> ValidationException:
    if limit == MAX_HASH_BYTES:
        return ValidationException(INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes")
    return ValidationException(INVALID + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes")


def key_from_item(hash_part: KeyPart, range_part: KeyPart | None, item: Item) -> bytes:
    """The key bytes of a whole item. Raises ValidationException."""
    first = _held(item, hash_part, MAX_HASH_BYTES)
    return keys.item_key(first, b"" if range_part is None else _held(item, range_part, MAX_RANGE_BYTES))


def _held(item: Item, part: KeyPart, limit: int) -> bytes:
    value = item.get(part.name)
    if value is None:
        raise ValidationException(INVALID + f"Missing the key {part.name} in the item")
    content = value.get(part.kind)
    if content is None:
        raise ValidationException(
            INVALID + f"Type mismatch for key {part.name} expected: {part.kind} actual: {next(iter(value))}"
        )
    return _encoded(part, content, limit)


def index_entry(index: Index, item: Item, item_key: bytes) -> bytes | None:
    """The key of the item's entry in the index; None: the item has no place in it.

    An item that was written before the index was there may hold anything under the names of its keys: another kind of
    value, an empty one, one that is too long for a key. It is passed over, as on AWS.
    """
    if index.more_hash or index.more_range:
        return _composite_entry(index, item, item_key)
    first = _indexed(index.hash, item, MAX_HASH_BYTES)
    if first is None:
        return None
    second = _indexed(index.range, item, MAX_RANGE_BYTES) if index.range is not None else b""
    if second is None:
        return None
    return keys.index_key(first, second, item_key)


def _composite_entry(index: Index, item: Item, item_key: bytes) -> bytes | None:
    """As `index_entry`, of a multi-attribute key: an item that lacks one of the attributes is passed over."""
    found: list[list[bytes]] = []
    for parts, limit in ((index.hashes, MAX_HASH_BYTES), (index.ranges, MAX_RANGE_BYTES)):
        encoded = []
        for part in parts:
            raw = _indexed(part, item, limit)
            if raw is None:
                return None
            encoded.append(raw)
        if sum(len(raw) for raw in encoded) > limit:
            return None
        found.append(encoded)
    return keys.composite_key(found[0], found[1], item_key)


def _indexed(part: KeyPart, item: Item, limit: int) -> bytes | None:
    value = item.get(part.name)
    if value is None:
        return None
    content = value.get(part.kind)
    if not content:
        return None
    raw = keys.encoded(part.kind, content)
    return raw if len(raw) <= limit else None


def check_index_keys(indexes: tuple[Index, ...], item: Item) -> None:
    """Refuses an item whose index key attributes have another kind, are empty or too long."""
    for index in indexes:
        for part in index.parts:
            value = item.get(part.name)
            if value is None:
                continue
            if part.kind not in value:
                raise ValidationException(
                    INVALID + f"Type mismatch for Index Key {part.name} Expected: {part.kind} "
                    f"Actual: {next(iter(value))} IndexName: {index.name}"
                )
            if part.kind != "N" and len(value[part.kind]) > MAX_RANGE_BYTES // 4:  # else it fits, however encoded
                limit = MAX_HASH_BYTES if part in index.hashes else MAX_RANGE_BYTES
                _encoded(part, value[part.kind], limit)
            if not value[part.kind]:
                kind = "string" if part.kind == "S" else "binary"
                raise EmptyKey(
                    "One or more parameter values are not valid. A value specified for a secondary index key is not "
                    "supported. The AttributeValue for a key attribute cannot contain an empty "
                    f"{kind} value. IndexName: {index.name}, IndexKey: {part.name}"
                )
        if index.more_hash or index.more_range:
            _check_composite(index, item)


def _check_composite(index: Index, item: Item) -> None:
    """The attributes of a multi-attribute key share the room that one attribute has (a guess: AWS's sentence for sort
    keys speaks of their aggregated size)."""
    for parts, limit in ((index.hashes, MAX_HASH_BYTES), (index.ranges, MAX_RANGE_BYTES)):
        held = [(part, item[part.name][part.kind]) for part in parts if part.name in item]
        sizes = [len(keys.encoded(part.kind, content)) for part, content in held]
        if sum(sizes) > limit:
            raise _too_long(limit)
