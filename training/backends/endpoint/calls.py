"""Requests to servers: many at a time, repeated while a failure may pass, and refused in one sentence when it does not.

Not covered: a server that accepts a request and never answers is noticed after ``sampler.timeout_s``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import random
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2

from env.refusal import Refusal
from env.servers.access import key_in
from env.servers.waiting import delay_s, may_pass
from training.sampler import SamplerSettings

_LOG = logging.getLogger(__name__)
# The reader of answers looks up this often, so that a stop is heard and progress shown.
_LOOK_S = 0.5
_CONNECT_S = 10.0
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said: HTTP status, the decoded JSON (None where it is none), and the name of its software."""

    status: int
    data: Any
    software: str


class Calls:
    """The servers of ``settings``; requests are made by a thread of its own. To be closed.

    Raises:
        Refusal: the environment variable that should hold the key is not set.
    """

    def __init__(self, settings: SamplerSettings) -> None:
        self.urls = tuple(url.rstrip("/").removesuffix("/v1") for url in settings.urls)
        self.retries = 0
        self._settings = settings
        self._key = key_in(settings.api_key_env, "sampler.api_key_env", "advance")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="requests", daemon=True)
        self._thread.start()
        self._client = self._run(self._opened())

    def get(self, server: int, path: str) -> Reply:
        """Return what server number ``server`` says to GET ``path``; a status that will not pass is returned.

        Raises:
            Refusal: it could not be reached, or did not recover within ``retry_s``.
        """
        reply: Reply = self._run(self._reply("GET", server, path, None))
        return reply

    def post(self, server: int, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON with which server number ``server`` answers. Raises Refusal as ``answers``."""
        return self._run(self._answer(server, path, body))

    def tried(self, server: int, path: str, body: Mapping[str, Any]) -> Reply:
        """Return what server number ``server`` says to POST ``path``, a status that will not pass too."""
        reply: Reply = self._run(self._reply("POST", server, path, body))
        return reply

    def answers(self, path: str, bodies: Sequence[Mapping[str, Any]]) -> Generator[list[tuple[int, Any]], None, None]:
        """Yield (number of the body, JSON) of requests as they are answered; an empty list when a while has passed.

        Closing it ends the requests that still wait.

        Raises:
            Refusal: a server refused a request, answered what is no JSON, or did not recover within ``retry_s``. What
                was answered before is yielded first.
        """
        found: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        work = asyncio.run_coroutine_threadsafe(self._all(path, bodies, found), self._loop)
        left = len(bodies)
        try:
            while left:
                arrived = _arrived(found)
                good = [one for one in arrived if not isinstance(one[1], BaseException)]
                yield good
                for _, answer in arrived:
                    if isinstance(answer, BaseException):
                        raise answer
                left -= len(arrived)
        finally:
            work.cancel()

    def close(self) -> None:
        """End every request and the thread."""
        if self._loop.is_closed():
            return
        self._run(self._closed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _opened(self) -> httpx2.AsyncClient:
        most = self._settings.concurrency
        return httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            # certificates take a tenth of a second to read
            verify=any(url.startswith("https:") for url in self.urls),
            timeout=httpx2.Timeout(self._settings.timeout_s, connect=_CONNECT_S),
            limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
        )

    async def _closed(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()

    async def _all(self, path: str, bodies: Sequence[Mapping[str, Any]], found: queue.SimpleQueue[Any]) -> None:
        turns = asyncio.Semaphore(self._settings.concurrency)

        async def one(number: int) -> None:
            async with turns:
                try:
                    found.put((number, await self._answer(number % len(self.urls), path, bodies[number])))
                except Exception as error:  # the reader raises it
                    found.put((number, error))

        await asyncio.gather(*map(one, range(len(bodies))))

    async def _answer(self, server: int, path: str, body: Mapping[str, Any]) -> Any:
        reply = await self._reply("POST", server, path, body)
        if reply.status != 200:
            raise Refusal(f"{self.urls[server]}{path} refused a request ({reply.status}): {_said(reply.data)}", _LOOK)
        return reply.data

    async def _reply(self, method: str, server: int, path: str, body: Mapping[str, Any] | None) -> Reply:
        """Return the reply; what may pass is tried again until ``retry_s`` have gone since it first failed."""
        url, began_s, failed = self.urls[server] + path, 0.0, 0
        while True:
            try:
                response = await self._client.request(method, url, json=body)
                if not may_pass(response.status_code):
                    return Reply(response.status_code, self._json(response), response.headers.get("server", ""))
                why = f"answered {response.status_code}: {_said(self._json(response))}"
                asked = response.headers.get("retry-after")
            except httpx2.TransportError as error:
                why, asked = _trouble(error, self._settings.timeout_s), None
            except (httpx2.RequestError, httpx2.InvalidURL) as error:
                raise Refusal(f"{url}: {type(error).__name__}: {error}.", "Check sampler.urls.") from None
            failed += 1
            began_s = began_s or time.monotonic()
            wait_s = delay_s(failed, asked, datetime.now(UTC), random.random())
            if time.monotonic() - began_s + wait_s > self._settings.retry_s:
                tries = f" {failed} times" if failed > 1 else ""
                raise Refusal(f"{url} {why.rstrip('.')}{tries}; sampler.retry_s is over.", _AGAIN)
            self.retries += 1
            _LOG.warning("%s %s; tried again in %.1f s", url, why, wait_s)
            await asyncio.sleep(wait_s)

    def _json(self, response: httpx2.Response) -> Any:
        """Return the JSON of ``response``, or its text where it promises none. Raises Refusal on a broken promise."""
        # some servers repeat the key that they did not accept
        text = _text(response)
        text = text.replace(self._key, "***") if self._key else text
        try:
            return json.loads(text)
        except ValueError:
            if response.status_code != 200 or "json" not in response.headers.get("content-type", ""):
                return text
            raise Refusal(
                f"{response.url} answered what is not JSON: it ends after {len(response.content):,} bytes with "
                f"{_said(text[-40:])!r}.",
                _LOOK,
            ) from None


_LOOK = "Look at the server's log; nothing of this answer was stored."
_AGAIN = "What was drawn is stored. When the server is back, `advance` continues."


def _said(data: Any) -> str:
    """Return what a server said, short and on one line."""
    found = data.get("error", data.get("detail", data)) if isinstance(data, dict) else data
    message = found.get("message", found) if isinstance(found, dict) else found
    text = message if isinstance(message, str) else json.dumps(message)
    return " ".join(text.split())[:_SHOWN] or "nothing"


def _arrived(found: queue.SimpleQueue[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Return what has arrived, waiting a little for the first."""
    arrived = []
    try:
        arrived.append(found.get(timeout=_LOOK_S))
        while True:
            arrived.append(found.get_nowait())
    except queue.Empty:
        return arrived


def _text(response: httpx2.Response) -> str:
    return response.content.decode("utf-8", errors="replace")


def _trouble(error: httpx2.TransportError, timeout_s: float) -> str:
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return "cannot be reached"
    if isinstance(error, httpx2.TimeoutException):
        return f"did not answer within sampler.timeout_s = {timeout_s:g}"
    return f"ended the connection before its answer was complete ({type(error).__name__})"
