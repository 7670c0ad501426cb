"""A published port keeps answering while its host is changed: how often it did not, how long."""

from __future__ import annotations

import http.client
import threading
import time
from pathlib import Path

from .desk import Operator
from .hosts import LabHost

LONGEST = 2.0
"""Seconds for which the port may be silent, at the very most."""


class Requests(threading.Thread):
    """Asks for a page again and again, each time over a connection of its own."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.over = threading.Event()
        self.answered: list[float] = []
        self.failed: list[float] = []

    def run(self) -> None:
        while not self.over.wait(0.005):
            connection = http.client.HTTPConnection(self.address, 8080, timeout=0.5)
            try:
                connection.request("GET", "/index.html")
                good = connection.getresponse().read() == b"ahoy\n"
            except (OSError, http.client.HTTPException):
                good = False
            finally:
                connection.close()
            (self.answered if good else self.failed).append(time.monotonic())

    def gaps(self) -> list[float]:
        """Seconds from the last answer to the next one, wherever a request failed between."""
        pairs = zip(self.answered, self.answered[1:], strict=False)
        return [end - start for start, end in pairs if any(start < at < end for at in self.failed)]

    def longest_wait(self) -> float:
        """Seconds between two answers, be it that nothing failed and one was late."""
        pairs = zip(self.answered, self.answered[1:], strict=False)
        return max(end - start for start, end in pairs)


def test_published_port_answers_through_an_apply(
    busy_host: LabHost, tmp_path: Path, figures: dict[str, str]
) -> None:
    me = Operator(tmp_path, [busy_host], oakum_time_limits={"answer": 20, "watch": 2, "shadow": 10})
    loop = Requests(busy_host.run("hostname -i").stdout.strip())
    loop.start()
    time.sleep(0.5)
    began = time.monotonic()
    done = me.apply()
    ended = time.monotonic()
    time.sleep(0.5)
    loop.over.set()
    loop.join()
    assert (done.code, done.host()["outcome"]) == (0, "applied"), done.err
    assert loop.answered[0] < began
    assert loop.answered[-1] > ended
    gaps = "".join(f", {gap:.2f} s" for gap in loop.gaps())
    figures["a published port through an apply"] = (
        f"{len(loop.answered)} requests answered, {len(loop.failed)} failed"
        f" in an apply of {ended - began:.1f} s; {len(loop.gaps())} gaps{gaps};"
        f" the longest wait for an answer was {loop.longest_wait():.2f} s"
    )
    assert loop.longest_wait() < LONGEST
