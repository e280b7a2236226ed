"""Closed loop: every user has one message outstanding and sends the next after its ack.

It shows what so many users get who wait for each other, and hides stalls: who waits does not send.
Latencies count from the moment of sending. `bench/sender.py` is the open loop beside it.
"""

import random
import time
from array import array

from bench.client import ClientError
from bench.conversation import FIRST_SEQ
from bench.sender import Plan, Sender


class Lockstep(Sender):
    """As `Sender`, paced by the acks."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._chance = random.Random(plan.seed)
        self._room = self._total
        self._sent_s = array("d")
        self._until_s = 0.0

    def _due_s(self, index: int) -> float:
        return self._sent_s[index]

    def _warm_up(self) -> None:
        self._by_message.clear()
        while time.perf_counter() < self._start_s:
            self._clients.run_once(0.01)
        self._until_s = self._start_s + self._plan.warmup_s + self._plan.duration_s
        for user in range(len(self._by_user)):
            self._send_next(user)
        self._run_until(self._start_s + self._plan.warmup_s)

    def _measure(self) -> float:
        began_s = time.perf_counter()
        self._first = len(self._sent_s)
        self._run_until(self._until_s)
        self._total = len(self._sent_s)
        for sized in (self._acked, self._pushed, self._ack_ms, self._push_ms, self._send_ms):
            del sized[self._total :]
        return began_s

    def _run_until(self, moment_s: float) -> None:
        while (left_s := moment_s - time.perf_counter()) > 0:
            self._clients.run_once(left_s)
            if self._clients.failures:
                raise ClientError(self._clients.failures[0])

    def _send_next(self, user: int) -> None:
        index = len(self._sent_s)
        if index >= self._room:
            raise ClientError("faster than foreseen: give the closed loop a higher rate")
        conversation = self._chance.choice(self._by_user[user])
        self._by_message.append(conversation)
        self._sent_s.append(time.perf_counter())
        conversation.say(index)

    def answered(self, seq: int, data: bytes, start: int, end: int) -> None:
        super().answered(seq, data, start, end)
        if time.perf_counter() < self._until_s:
            self._send_next(self._by_message[seq - FIRST_SEQ].client.index)
