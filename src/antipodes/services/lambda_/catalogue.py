"""The functions of a Region: in memory for reading, in the store for keeping.

The store is the truth; memory is filled from it at start and changed in the same breath as the store is written, so
that between two awaits a reader sees either the old or the new. An answer waits until it is durable.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from antipodes.services.contract import Surroundings
from antipodes.services.lambda_ import records
from antipodes.services.lambda_.logs import LogBook
from antipodes.services.lambda_.metrics import Meter
from antipodes.services.lambda_.pool import Pool
from antipodes.services.lambda_.queue import Queue
from antipodes.services.lambda_.records import LATEST, Configuration, Function, LayerVersion, Reference
from antipodes.wire.errors import AccessDenied, ClientFault

SETTLE_S = (0.03, 0.12)  # how long Pending and InProgress last; AWS takes a second or two


class Catalogue:
    """What the operations work on."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self.functions: dict[str, Function] = {}
        self.versions: dict[str, dict[str, Configuration]] = {}  # name -> version -> published configuration
        self.layers: dict[str, dict[int, LayerVersion]] = {}  # name -> number -> layer version
        self.layer_numbers: dict[str, int] = {}  # name -> the newest number there ever was
        self.urls: dict[str, tuple[str, str]] = {}  # id of a function URL -> function, alias ("": none)
        self._reserved_total = 0
        self.logs = LogBook(surroundings)
        self.meter = Meter(surroundings)
        self.queue: Queue  # of asynchronous invocations; the service sets it
        self.pool = Pool(
            surroundings.world,
            surroundings.region,
            surroundings.settings,
            self.logs,
            self.meter,
            self._code_of,
            self._reserved_of,
            lambda: self._reserved_total,
        )

    def load(self) -> None:
        """Reads everything from the store; goes on with what was on its way to Active."""
        store = self.surroundings.store
        for _, value in store.range(records.FUNCTION_PREFIX, records.FUNCTION_PREFIX + b"\xff"):
            function = msgspec.msgpack.decode(value, type=Function)
            self.functions[function.name] = function
        for key, value in store.range(records.VERSION_PREFIX, records.VERSION_PREFIX + b"\xff"):
            name = key.removeprefix(records.VERSION_PREFIX).decode().partition("/")[0]
            version = msgspec.msgpack.decode(value, type=Configuration)
            self.versions.setdefault(name, {})[version.version] = version
        for _, value in store.range(records.LAYER_PREFIX, records.LAYER_PREFIX + b"\xff"):
            layer = msgspec.msgpack.decode(value, type=LayerVersion)
            self.layers.setdefault(layer.name, {})[layer.version] = layer
        for key, value in store.range(records.LAYERS_PREFIX, records.LAYERS_PREFIX + b"\xff"):
            self.layer_numbers[key.removeprefix(records.LAYERS_PREFIX).decode()] = int(value)
        self._recount()
        for name, function in list(self.functions.items()):
            self.settle(name)
            if function.provisioned:
                self.provide(name)

    # -- reading ---------------------------------------------------------------------------------------------------

    def reference(self, name: str, qualifier: str | None = None) -> Reference:
        """What a FunctionName parameter names; Region and account in an ARN must be these. Raises
        ResourceNotFoundException, AccessDeniedException."""
        reference = records.reference_of(name, qualifier)
        region, account = self.surroundings.region, self.surroundings.settings.account
        if reference.region is not None and reference.region != region:
            message = f"Functions from '{reference.region}' are not reachable in this region ('{region}')"
            raise ClientFault("ResourceNotFoundException", message, status=404, Type="User")
        if reference.account is not None and reference.account != account:  # AWS names the operation: not known here
            arn = records.function_arn(region, reference.account, reference.name, reference.qualifier)
            raise AccessDenied(
                "AccessDeniedException",
                f"User: arn:aws:iam::{account}:root is not authorized to perform this operation on resource: {arn} "
                "because no resource-based policy allows it",
            )
        return reference

    def function(self, reference: Reference) -> Function:
        """Raises ResourceNotFoundException."""
        function = self.functions.get(reference.name)
        if function is None:
            raise records.not_found(self.arn(reference.name, reference.qualifier))
        return function

    def configuration(self, function: Function, qualifier: str | None) -> Configuration:
        """$LATEST, a version, or what an alias points at. Raises ResourceNotFoundException."""
        if qualifier is None or qualifier == LATEST:
            return function.latest
        alias = function.aliases.get(qualifier)
        version = alias.version if alias is not None else qualifier
        if version == LATEST:
            return function.latest
        published = self.versions.get(function.name, {}).get(version)
        if published is None:
            raise records.not_found(self.arn(function.name, qualifier))
        return published

    def routed(self, function: Function, qualifier: str | None) -> Configuration:
        """What one invocation runs: of an alias with weights, one of its two versions, by lot."""
        alias = function.aliases.get(qualifier) if qualifier is not None else None
        if alias is not None and alias.weights:
            drawn = self.surroundings.world.chance.random()
            for version, share in alias.weights.items():
                if drawn < share:
                    return self.configuration(function, version)
                drawn -= share
        return self.configuration(function, qualifier)

    def arn(self, name: str, qualifier: str | None = None) -> str:
        return records.function_arn(self.surroundings.region, self.surroundings.settings.account, name, qualifier)

    async def settled(self) -> None:
        """To be awaited before a read is answered: it may have seen a write that is not on disk yet."""
        if not self.surroundings.store.settled:
            await self.surroundings.store.durable()

    def revision(self) -> str:
        drawn = f"{self.surroundings.world.chance.getrandbits(128):032x}"  # a UUID, version 4
        return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{'89ab'[int(drawn[16], 16) & 3]}{drawn[17:20]}-{drawn[20:]}"

    # -- writing ---------------------------------------------------------------------------------------------------

    async def save(self, function: Function, rows: Sequence[tuple[bytes, bytes | None]] = ()) -> None:
        """Writes the function (and further rows with it); returns when it is durable."""
        self._put(function, rows)
        await self.surroundings.store.durable()

    async def publish(self, function: Function, version: Configuration) -> None:
        self.versions.setdefault(function.name, {})[version.version] = version
        await self.save(
            function, [(records.version_key(function.name, version.version), msgspec.msgpack.encode(version))]
        )

    async def remove_version(self, function: Function, version: str) -> None:
        gone = self.versions[function.name].pop(version)
        rows: list[tuple[bytes, bytes | None]] = [(records.version_key(function.name, version), None)]
        await self.save(function, rows + self.unused_code([gone]))

    async def remove(self, function: Function) -> None:
        del self.functions[function.name]
        published = self.versions.pop(function.name, {})
        rows: list[tuple[bytes, bytes | None]] = [(records.FUNCTION_PREFIX + function.name.encode(), None)]
        rows += [(records.version_key(function.name, version), None) for version in published]
        rows += self.unused_code([function.latest, *published.values()])
        self._recount()
        self.surroundings.store.write(rows)
        self.pool.forget(function.name)
        await self.surroundings.store.durable()

    def provide(self, name: str) -> None:
        """Has the pool keep what the function's provisioned concurrency asks for, and no more."""
        function = self.functions[name]
        wanted: dict[str, int] = {}
        for qualifier, provisioned in function.provisioned.items():
            version = self.configuration(function, qualifier).version
            wanted[version] = wanted.get(version, 0) + provisioned.wanted
        for version, configuration in self.versions.get(name, {}).items():
            self.pool.provide(name, configuration, wanted.get(version, 0))

    def unused_code(self, gone: Sequence[Configuration | LayerVersion]) -> list[tuple[bytes, bytes | None]]:
        """Rows that delete the archives which only these used."""
        every: list[Configuration | LayerVersion] = [f.latest for f in self.functions.values()]
        every += [version for versions in self.versions.values() for version in versions.values()]
        every += [layer for layers in self.layers.values() for layer in layers.values()]
        used = {key for one in every for key in _code_keys(one)}
        keys = dict.fromkeys(key for one in gone for key in _code_keys(one) if key and key not in used)
        return [(records.CODE_PREFIX + key.encode(), None) for key in keys]

    def settle(self, name: str) -> None:
        """Brings Pending to Active and InProgress to Successful, after a short while."""
        latest = self.functions[name].latest
        if latest.state == "Pending" or latest.update_status == "InProgress":
            self.surroundings.world.spawn(self._settle(name, latest.revision), f"lambda {name} becomes Active")

    async def _settle(self, name: str, revision: str) -> None:
        world = self.surroundings.world
        await world.sleep(world.chance.uniform(*SETTLE_S))
        function = self.functions.get(name)
        if function is not None and function.latest.revision == revision:
            latest = msgspec.structs.replace(function.latest, state="Active", update_status="Successful")
            await self.save(msgspec.structs.replace(function, latest=latest))

    def _put(self, function: Function, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        self.functions[function.name] = function
        self._recount()
        key = records.FUNCTION_PREFIX + function.name.encode()
        self.surroundings.store.write([(key, msgspec.msgpack.encode(function)), *rows])

    def _recount(self) -> None:
        self._reserved_total = sum(f.reserved or 0 for f in self.functions.values())
        self.urls = {url.id: (f.name, alias) for f in self.functions.values() for alias, url in f.urls.items()}

    # -- for the pool ------------------------------------------------------------------------------------------------

    def is_closed(self, name: str) -> bool:
        """Whether the function may not run at all: its reserved concurrency is 0."""
        return self._reserved_of(name) == 0

    def _reserved_of(self, name: str) -> int | None:
        function = self.functions.get(name)
        return function.reserved if function is not None else None

    def _code_of(self, configuration: Configuration) -> tuple[bytes | Path, tuple[bytes, ...]]:
        layers = tuple(self.archive(one.code_key) for one in configuration.layers)
        code = Path(configuration.folder) if configuration.folder else self.archive(configuration.code_key)
        return code, layers

    def archive(self, code_key: str) -> bytes:
        code = self.surroundings.store.get(records.CODE_PREFIX + code_key.encode())
        assert code is not None, f"the archive {code_key} is not in the store"
        return code


def _code_keys(one: Configuration | LayerVersion) -> tuple[str, ...]:
    return (
        (one.code_key, *(layer.code_key for layer in one.layers)) if isinstance(one, Configuration) else (one.code_key,)
    )
