"""The AsyncAPI 3.0 document, made from the messages and the topology, so that it cannot say anything else.

FastStream's own generator describes queues and pydantic models; ours are slots of an exchange and msgspec structs.
"""

import inspect
from importlib.metadata import version
from typing import Any

import msgspec

from broker.messages import MESSAGES, Command, Envelope, Message
from broker.topology import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, GROUPS, SLOTS

REF = "#/components/schemas/{name}"
BINDING_VERSION = "0.3.0"
ABOUT = """\
Commands go to one group, events to whoever subscribed. Every body is an envelope whose `data` is the message. The
routing key ends in the slot of the actor that the message is about: blake2b of its key, modulo {slots}."""


def document() -> dict[str, Any]:
    """The document as JSON builtins."""
    kinds = list(MESSAGES.values())
    _, schemas = msgspec.json.schema_components([Envelope, *kinds], ref_template=REF)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Quire", "version": version("quire"), "description": ABOUT.format(slots=SLOTS)},
        "defaultContentType": "application/json",
        "channels": {kind.__name__: _channel(kind) for kind in kinds},
        "operations": dict(_operations()),
        "components": {"messages": {kind.__name__: _message(kind) for kind in kinds}, "schemas": schemas},
    }


def _channel(kind: type[Message]) -> dict[str, Any]:
    if issubclass(kind, Command):
        exchange, prefix, type_of = COMMANDS_EXCHANGE, kind.group, "direct"
    else:
        exchange, prefix, type_of = EVENTS_EXCHANGE, kind.__name__, "topic"
    return {
        "address": f"{prefix}.{{slot}}",
        "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"}},
        "parameters": {"slot": {"description": f"0 to {SLOTS - 1}: of the actor that the message is about"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": exchange, "type": type_of, "durable": True},
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def _message(kind: type[Message]) -> dict[str, Any]:
    schema = {"$ref": REF.format(name=kind.__name__)}
    return {
        "name": kind.__name__,
        "summary": inspect.getdoc(kind),
        "contentType": "application/json",
        "payload": {
            "allOf": [
                {"$ref": REF.format(name="Envelope")},
                {
                    "type": "object",
                    "required": ["data"],
                    "properties": {
                        "type": {"const": kind.__name__},
                        "version": {"const": kind.version},
                        "data": schema,
                    },
                },
            ]
        },
        "correlationId": {"location": "$message.payload#/correlation_id"},
    }


def _operations() -> list[tuple[str, dict[str, Any]]]:
    """What each group receives."""
    operations = []
    for group in GROUPS:
        commands = (
            kind for kind in MESSAGES.values() if issubclass(kind, Command) and kind.group == group.name
        )
        for kind in (*commands, *group.events):
            name = kind.__name__
            queues = ", ".join(group.queues)
            operations.append(
                (
                    f"{group.name}.{name}",
                    {
                        "action": "receive",
                        "channel": {"$ref": f"#/channels/{name}"},
                        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
                        "summary": f"The group {group.name} takes it from {queues}",
                    },
                )
            )
    return operations
