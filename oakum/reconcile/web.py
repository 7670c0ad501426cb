"""One page by http, bounded in size and time, and never by less than it was asked for."""

import http.client
import signal
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, NoReturn
from urllib.parse import urlsplit

SECONDS: Final = 60
"""That a page may take as a whole: its name, its connection, its last byte."""


class NoPage(Exception):
    """It could not be had; the message says why."""


class _Onward(urllib.request.HTTPRedirectHandler):
    """Follows a redirect, but from https to nothing else."""

    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and (scheme != "http" or urlsplit(req.full_url).scheme == "https"):
            raise NoPage(f"{req.full_url}: redirects to {scheme}, which is refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _limited(url: str) -> Iterator[None]:
    """By an alarm, for a server that sends a byte now and then meets no other limit."""

    def late(*_: object) -> NoReturn:
        raise NoPage(f"{url}: took longer than {SECONDS} s")

    former = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def get(url: str, most: int) -> bytes:
    """The bytes of a page; certificates are verified by the host's own authorities.

    Raises:
        NoPage: it is not there, redirects to less, has more than ``most`` bytes, or is too slow.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Onward(),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(url, headers={"User-Agent": "oakum"})
    try:
        with _limited(url), opener.open(request, timeout=20) as page:
            found: bytes = page.read(most + 1)
    except urllib.error.HTTPError as error:
        raise NoPage(f"{url}: {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        words = getattr(error, "reason", None) or error
        raise NoPage(f"{url}: {words}") from None
    if len(found) > most:
        raise NoPage(f"{url}: has more than {most} bytes")
    return found
