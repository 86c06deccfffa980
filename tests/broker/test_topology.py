"""The topology is data: every message has a place to go, and every name derives from its group's."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo import AsyncMongoClient

from broker.groups import OrderedGroup
from broker.messages import COMMANDS, EVENTS, MESSAGES, Command, Event, Message
from broker.retry import IN_PLACE_MAX_S, Delayed, in_place_delay
from broker.topology import (
    BY_NAME,
    COMMANDS_EXCHANGE,
    DEAD_EXCHANGE,
    EVENTS_EXCHANGE,
    EXCHANGES,
    GROUPS,
    RETRY_TIERS,
    SLOTS,
    WATCHED_EVENTS,
    Group,
    bindings,
    queues,
    slot_of,
)
from ops.groups import groups
from ops.settings import Settings

ROUTES: dict[tuple[str, str], list[str]] = {}
for each in bindings():
    ROUTES.setdefault((each.exchange, each.routing_key), []).append(each.queue)


def takers(exchange: str, routing_key: str) -> list[str]:
    """The queues that a routing key reaches, also through `<type>.*`."""
    kind, _, _slot = routing_key.rpartition(".")
    return [*ROUTES.get((exchange, routing_key), []), *ROUTES.get((exchange, f"{kind}.*"), [])]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda kind: kind.__name__)
def test_every_slot_of_a_command_reaches_its_groups_partition(command: type[Command]) -> None:
    """One queue a slot, of that group and no other."""
    group = BY_NAME[command.group]
    for slot in range(SLOTS):
        assert takers(COMMANDS_EXCHANGE, f"{command.group}.{slot}") == [group.queue_of(slot)]


@pytest.mark.parametrize("event", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_is_consumed_or_may_be_missed(event: type[Event]) -> None:
    """A mandatory event has a group for every slot; one that no group takes says that nobody waits for it."""
    groups = [group for group in GROUPS if event in group.events]
    for slot in range(SLOTS):
        wanted = sorted(group.queue_of(slot) for group in groups)
        assert sorted(takers(EVENTS_EXCHANGE, f"{event.__name__}.{slot}")) == wanted
    assert bool(groups) == event.mandatory


def test_an_actors_commands_and_events_share_its_partition() -> None:
    """What is told of an order and what is asked of it go through one mailbox."""
    orders = BY_NAME["orders"]
    for slot in range(SLOTS):
        for event in orders.events:
            assert takers(EVENTS_EXCHANGE, f"{event.__name__}.{slot}") == [orders.queue_of(slot)]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_names_derive_from_the_group(group: Group) -> None:
    """Work, retry, undertaker and dead-letter queues all begin with the group's name, and all are declared."""
    names = {spec.name for spec in queues()}
    mine = {*group.queues, group.dead, group.undertaker}
    if not group.ordered:
        mine |= {group.retry(tier) for tier in RETRY_TIERS}
    assert mine <= names
    assert all(name == group.name or name.startswith(f"{group.name}.") for name in mine)
    assert takers(DEAD_EXCHANGE, group.name) == [group.undertaker]


def test_nothing_is_declared_that_nobody_knows() -> None:
    """Every queue belongs to a group, every binding joins a declared exchange and a declared queue."""
    names = {spec.name for spec in queues()}
    known = {name for group in GROUPS for name in (*group.queues, group.dead, group.undertaker)}
    known |= {group.retry(tier) for group in GROUPS if not group.ordered for tier in RETRY_TIERS}
    assert names == known
    assert {each.exchange for each in bindings()} == {name for name, _ in EXCHANGES}
    assert {each.queue for each in bindings()} <= names


def test_work_queues_refuse_when_full_and_never_drop() -> None:
    """reject-publish, at-least-once, a length and a delivery limit belong together (RabbitMQ, "Quorum Queues")."""
    work = {name: group for group in GROUPS for name in group.queues}
    for spec in queues():
        assert spec.arguments["x-queue-type"] == "quorum"
        if spec.name in work:
            assert spec.arguments["x-overflow"] == "reject-publish"
            assert spec.arguments["x-dead-letter-strategy"] == "at-least-once"
            assert spec.arguments["x-max-length"] > 0
            assert spec.arguments["x-delivery-limit"] > 0
            assert bool(spec.arguments.get("x-single-active-consumer")) == work[spec.name].ordered


@pytest.mark.parametrize("name", [group.name for group in GROUPS])
def test_a_groups_table_handles_what_it_is_sent(name: str, tmp_path: Path) -> None:
    """Its commands and the events that it subscribed to, no more and no less."""
    nowhere: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient("mongodb://127.0.0.1:9", connect=False)
    (group,) = groups((name,), Settings(data=tmp_path), nowhere["nowhere"])
    commands = {kind for kind in COMMANDS if kind.group == name}
    assert set(group.handlers) == commands | set(BY_NAME[name].events)
    if isinstance(group, OrderedGroup):
        assert group.offers_for | group.stock_for <= set(group.handlers)


def test_every_message_is_known_by_its_name_and_says_whose_it_is() -> None:
    """No two share a name; each has a key; what watchers are told is told to somebody else too."""
    assert len(MESSAGES) == len(COMMANDS) + len(EVENTS)
    for kind in (*COMMANDS, *EVENTS):
        assert kind.key is not Message.key
        assert kind.version >= 1
    assert set(WATCHED_EVENTS) <= set(EVENTS)


@given(st.text())
def test_a_slot_is_stable_and_in_range(key: str) -> None:
    """The same in every process: it depends on nothing but the key."""
    assert 0 <= slot_of(key) < SLOTS
    assert slot_of(key) == slot_of(str(key))


def test_slots_of_known_keys_do_not_move_between_releases() -> None:
    """A slot that moved would let two partitions work on one actor: these were computed once."""
    assert [slot_of(key) for key in ("", "c1", "9786600000004")] == [62, 2, 39]


@given(attempts=st.integers(0, 40))
def test_waiting_in_place_grows_to_a_bound_and_is_never_nothing(attempts: int) -> None:
    """Jittered, at least a quarter of the ceiling, at most 5 s."""
    assert 0 < in_place_delay(attempts) <= IN_PLACE_MAX_S


def test_tiers_follow_one_another_and_the_last_is_repeated_until_attempts_are_spent() -> None:
    """After the first failure the first tier; after the last allowed one, none."""
    policy = Delayed(attempts_max=6)
    names = [tier.name if (tier := policy.next(failed)) else None for failed in range(1, 8)]
    assert names == ["1s", "10s", "1m", "10m", "10m", None, None]
