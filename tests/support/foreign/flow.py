"""Records that keep coming while a test does other things."""

from __future__ import annotations

import threading

from .client import PLAIN, SECONDS, Client, Row, Writing, until


class Flow:
    """A producer in a thread: one record after another, to each partition in turn."""

    def __init__(
        self,
        client: Client,
        bootstrap: str,
        topic: str,
        *,
        partitions: int = 1,
        how: Writing = PLAIN,
    ) -> None:
        self.sent: list[bytes] = []  # values, in order, of what was acknowledged
        self._open = (client, bootstrap, how)
        self._topic, self._partitions = topic, partitions
        self._ending = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Return how many records were acknowledged so far."""
        return len(self.sent)

    def until(self, count: int) -> None:
        """Wait until so many records are acknowledged."""

        def is_sent() -> bool:
            if self._error is not None:
                raise self._error
            return len(self) >= count

        until(is_sent, lambda: f"{count} records are sent: {len(self)} are")

    def end(self) -> None:
        """End it once what is on its way has arrived; raise what went wrong."""
        self._ending.set()
        self._thread.join(2 * SECONDS)
        assert not self._thread.is_alive(), "the producer does not come to its end"
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            client, bootstrap, how = self._open
            writer = client.writer(bootstrap, how)
            while not self._ending.wait(0.005):
                number = len(self.sent)
                value = b"%d" % number
                writer.send(self._topic, [Row(value)], number % self._partitions)
                self.sent.append(value)
            writer.close()
        except BaseException as error:
            self._error = error
