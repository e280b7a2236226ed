"""The load generator: a process of its own, told what to do on stdin, answering on stdout.

python -m bench.load    one JSON object per line, both ways
"""

import json
import resource
import sys
from typing import Any, Protocol

from bench.chatter import Chatter, ChatterPlan
from bench.client import ClientError
from bench.conversation import Conversation
from bench.groupload import GroupPlan, Talk
from bench.idling import Idler
from bench.lockstep import Lockstep
from bench.orders import tell
from bench.sender import Plan, Sender

__all__ = ["Conversation", "Idler", "Plan", "Sender", "main", "tell"]


class Work(Protocol):
    """What a load generator may be told to do."""

    def run(self) -> dict[str, Any]:
        """Do it; return what was measured."""
        ...


def begin(order: dict[str, Any]) -> Work:
    """The work an order asks for."""
    ((kind, plan),) = order.items()
    match kind:
        case "idle":
            return Idler(**plan)
        case "group":
            return Talk(GroupPlan(**plan), tell)
        case "chatter":
            return Chatter(ChatterPlan(**plan))
    return Lockstep(Plan(**plan)) if plan.get("lockstep") else Sender(Plan(**plan))


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        tell(event="done", **begin(json.loads(sys.stdin.readline())).run())
    except ClientError as error:
        tell(event="failed", why=str(error))


if __name__ == "__main__":
    main()
