"""A thread that runs while a context lasts."""

import threading
from abc import ABC, abstractmethod
from typing import Self


class Background(ABC):
    """`_run` goes on until `_over` is set, which the end of the context does."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None: ...
