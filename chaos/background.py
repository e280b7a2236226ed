"""A thread that runs while a context lasts."""

import threading
import traceback
from abc import ABC, abstractmethod
from typing import Self


class Background(ABC):
    """`_run` goes on until `_over` is set, which the end of the context does."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        """What ended it before its time: what it is there for was not done any more."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name=str(self), daemon=True)

    def __str__(self) -> str:
        return type(self).__name__

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _guarded(self) -> None:
        try:
            self._run()
        except Exception as error:
            traceback.print_exception(error)
            self.failure = error

    @abstractmethod
    def _run(self) -> None: ...
