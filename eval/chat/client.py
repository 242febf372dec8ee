"""One request to a chat endpoint and what came of it: a reply, or why there is none. Repeating is for the caller.

Not covered: a server that sends its reply byte by byte may take longer than ``timeout_s``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from env.refusal import Refusal
from env.servers.access import key_in
from env.servers.waiting import may_pass

_PATH = "/v1/chat/completions"
_CONNECT_S = 10.0
_SHOWN = 200
# Nothing else asked of this server would fare better.
_HOPELESS = {401: "wants a key", 403: "does not accept the key", 404: "has no such page or model", 405: "refuses POST"}


@dataclass(frozen=True, slots=True)
class ChatServer:
    """Where a model is asked, and how it replies.

    Attributes:
        section: of the configuration that the other values come from: refusals name its keys.
        command: that asks, for a refusal about the key.
        api_key_env: the environment variable that holds the key; "" is none.
        sampling: what every request says besides model and messages.
    """

    section: str
    command: str
    url: str
    model: str
    api_key_env: str
    timeout_s: float
    sampling: Mapping[str, float | int]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote; tokens as the server counts them, None where it does not."""

    text: str
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no reply.

    Attributes:
        passing: the same request may succeed later.
        retry_after: what the server asks to wait, as its header says it.
        may_cost: the model may have worked for it: the connection ended after the request was sent.
    """

    why: str
    passing: bool
    retry_after: str | None = None
    may_cost: bool = False


class Client:
    """A server that is asked; to be closed. Several threads may ask.

    Raises:
        Refusal: the variable that should hold the key is not set, or the HTTP library is missing.
    """

    def __init__(self, server: ChatServer) -> None:
        try:
            import httpx2
        except ImportError:
            raise Refusal(
                f"{server.command}: a server is asked by the package httpx2.", 'pip install "luagate[endpoint]"'
            ) from None
        self._errors = httpx2
        self._server = server
        self._key = key_in(server.api_key_env, f"{server.section}.api_key_env", server.command)
        self._url = server.url.rstrip("/").removesuffix("/v1") + _PATH
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            # certificates take a tenth of a second to read
            verify=self._url.startswith("https:"),
            timeout=httpx2.Timeout(server.timeout_s, connect=_CONNECT_S),
        )

    def close(self) -> None:
        """End every request."""
        self._client.close()

    def ask(self, messages: Sequence[Mapping[str, str]], seed: int) -> Reply | Trouble:
        """Return what the model says to a conversation. Raises Refusal where no request to it can succeed."""
        server = self._server
        body = {"model": server.model, "messages": list(messages), **server.sampling, "seed": seed}
        try:
            response = self._client.post(self._url, json=body)
        except (self._errors.ConnectError, self._errors.ConnectTimeout):
            return Trouble("cannot be reached", passing=True)
        except self._errors.TimeoutException:
            limit = f"{server.section}.timeout_s = {server.timeout_s:g}"
            return Trouble(f"did not answer within {limit}", True, may_cost=True)
        except self._errors.TransportError as error:
            return Trouble(f"ended the connection early ({type(error).__name__})", passing=True, may_cost=True)
        except (self._errors.RequestError, self._errors.InvalidURL) as error:
            key = f"{server.section}.url"
            raise Refusal(f"{key}: {type(error).__name__}: {error}.", f"Check {key}.") from None
        # some servers repeat the key that they did not accept
        text = response.content.decode("utf-8", errors="replace")
        text = text.replace(self._key, "***") if self._key else text
        status = response.status_code
        if status in _HOPELESS:
            raise Refusal(
                f"{self._url} {_HOPELESS[status]} ({status}): {_said(text)}",
                "Check " + ", ".join(f"{server.section}.{key}" for key in ("url", "model", "api_key_env")) + ".",
            )
        if status != 200:
            asked = response.headers.get("retry-after")
            return Trouble(f"answered {status}: {_said(text)}", may_pass(status), asked)
        return _reply(text)


def _reply(text: str) -> Reply | Trouble:
    """Return the reply in a server's answer of status 200: another schema is no reply, and would be none again."""
    try:
        data = json.loads(text)
        [choice] = data["choices"]
        content, model = choice["message"]["content"], data.get("model")
    except ValueError:
        return Trouble(f"answered what is not one reply in JSON: {_said(text)}", passing=False, may_cost=True)
    except (KeyError, TypeError, AttributeError):
        return Trouble(f"answered another schema: {_said(text)}", passing=False, may_cost=True)
    if not isinstance(content, str):
        return Trouble(f"answered a reply without text: {_said(text)}", passing=False, may_cost=True)
    usage = data.get("usage") if isinstance(data.get("usage"), dict) else {}
    return Reply(content, str(model or ""), _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _said(text: str) -> str:
    return " ".join(text.split())[:_SHOWN] or "nothing"
