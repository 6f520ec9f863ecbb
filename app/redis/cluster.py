"""redis-py's client of a Redis Cluster, with what it lacks to outlive a failover.

redis-py keeps the layout (which node has which slots), splits pipelines by node, follows MOVED and ASK, and begins anew
with a fresh layout when a node is lost or the cluster is down. Five things it does not do:

- A node that is lost is struck off the list of nodes to ask for the layout. When all were away at the same time nobody
  is left to be asked, for ever; and one that is struck off while the list is gone through ends that with a
  RuntimeError. Here a lost node is asked last, and those that the URL names are always asked.
- A pipeline that is to return errors instead of raising them takes a lost connection for an answer. Here it is tried
  again, as it is for every other pipeline.
- Without a layout there is no default node, and what looks at it meanwhile fails with an AttributeError.
- A redirection to a node that is not known yet is an AttributeError. Here the layout is asked for anew.
- Connections are not bounded in a way that waits for a free one. Here so many commands, and so many pipelines, are
  under way at once.

What is not to be had: a connection that was idle is not asked for its health before it is used (its loss is noticed,
and the command tried again), and a command that is cancelled costs its connection.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio.cluster import ClusterNode, ClusterPipeline, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ClusterDownError

from app.redis.urls import ClusterRedis, Node


class SteadyCluster(RedisCluster):
    """A client of a cluster; nothing is asked of it yet. `options` are redis-py's."""

    # redis-py's types demand one of every client.
    connection_pool: Any = None

    def __init__(
        self, address: ClusterRedis, connection_class: type[AbstractConnection], max_connections: int, **options: Any
    ) -> None:
        nodes = [ClusterNode(one.host, one.port) for one in address.nodes]
        options = {**options, **address.options}
        at_once: int = options.pop("max_connections", max_connections)
        super().__init__(startup_nodes=nodes, ssl=address.tls, **options)
        # redis-py takes no class of ours, but keeps it where its nodes find theirs.
        self.connection_kwargs["connection_class"] = connection_class
        self._named = address.nodes
        self.nodes_manager.startup_nodes = _StartupNodes()
        # Apart, for a pipeline that is redirected runs commands.
        self._commands_at_once = asyncio.Semaphore(at_once)
        self.pipelines_at_once = asyncio.Semaphore(at_once)

    async def initialize(self) -> "SteadyCluster":
        if self._initialize:
            self._name_nodes(self._named)
            await super().initialize()
        return self

    def _name_nodes(self, named: Sequence[Node]) -> None:
        known = self.nodes_manager.startup_nodes
        for one in named:
            node = ClusterNode(one.host, one.port, **self.connection_kwargs)
            known.setdefault(node.name, node)

    def get_default_node(self) -> ClusterNode:
        node: ClusterNode | None = self.nodes_manager.default_node
        return node or next(iter(self.nodes_manager.nodes_cache.values()))

    def get_node(self, host: str | None = None, port: int | None = None, node_name: str | None = None) -> ClusterNode:
        """Return a node; for one that is not known, which redis-py does not expect, the layout is asked for anew."""
        node = super().get_node(host, port, node_name)
        if node is None:
            raise ClusterDownError(f"unknown node {node_name or (host, port)}")
        return node

    async def _execute_command(self, target_node: ClusterNode, *args: Any, **kwargs: Any) -> Any:
        async with self._commands_at_once:
            return await super()._execute_command(target_node, *args, **kwargs)

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> "_SteadyPipeline":
        if transaction or shard_hint:
            raise ValueError("A cluster has no transactions over several nodes.")
        return _SteadyPipeline(self)


class _SteadyPipeline(ClusterPipeline):
    connection_pool: Any = None
    _client: SteadyCluster

    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        async with self._client.pipelines_at_once:
            return await super().execute(raise_on_error, allow_redirections)

    async def _execute(self, *args: Any, **kwargs: Any) -> list[Any]:
        answers: list[Any] = await super()._execute(*args, **kwargs)
        for answer in answers:
            if type(answer) in self.ERRORS_ALLOW_RETRY:
                raise answer
        return answers


class _StartupNodes(dict[str, ClusterNode]):
    """The nodes to ask for the layout, by name: those that were lost after all others."""

    def __init__(self) -> None:
        super().__init__()
        self._lost: set[str] = set()

    def __setitem__(self, name: str, node: ClusterNode) -> None:
        self._lost.discard(name)
        super().__setitem__(name, node)

    def pop(self, name: str, *default: Any) -> Any:
        # With a default redis-py strikes off what it has lost, without one what has left the cluster.
        if not default:
            return super().pop(name)
        self._lost.add(name)
        return default[0]

    def values(self) -> Any:
        """Return a list of its own, which may be gone through while nodes come and go."""
        return sorted(super().values(), key=lambda node: node.name in self._lost)
