"""One request to a chat endpoint and what came of it: a reply, or why there is none. Repeating is for the caller.

Not covered: a server that sends its reply byte by byte may take longer than ``judge.timeout_s``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from env.refusal import Refusal
from env.servers.access import key_in
from env.servers.waiting import may_pass
from eval.judge.settings import JudgeSettings

_PATH = "/v1/chat/completions"
_CONNECT_S = 10.0
_SHOWN = 200
# Nothing else asked of this server would fare better.
_HOPELESS = {401: "wants a key", 403: "does not accept the key", 404: "has no such page or model", 405: "refuses POST"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a judge wrote; tokens as the server counts them, None where it does not."""

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
    """The judge's server; to be closed. Several threads may ask.

    Raises:
        Refusal: the variable that should hold the key is not set, or the HTTP library is missing.
    """

    def __init__(self, settings: JudgeSettings) -> None:
        try:
            import httpx2
        except ImportError:
            raise Refusal("judge=endpoint needs the package httpx2.", 'pip install "luagate[endpoint]"') from None
        self._errors = httpx2
        self._settings = settings
        self._key = key_in(settings.api_key_env, "judge.api_key_env", "judge")
        self._url = settings.url.rstrip("/").removesuffix("/v1") + _PATH
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            # certificates take a tenth of a second to read
            verify=self._url.startswith("https:"),
            timeout=httpx2.Timeout(settings.timeout_s, connect=_CONNECT_S),
        )

    def close(self) -> None:
        """End every request."""
        self._client.close()

    def ask(self, messages: Sequence[Mapping[str, str]], seed: int) -> Reply | Trouble:
        """Return what the judge says to a conversation. Raises Refusal where no request to it can succeed."""
        settings = self._settings
        body = {"model": settings.model, "messages": list(messages), **settings.sampling, "seed": seed}
        try:
            response = self._client.post(self._url, json=body)
        except (self._errors.ConnectError, self._errors.ConnectTimeout):
            return Trouble("cannot be reached", passing=True)
        except self._errors.TimeoutException:
            return Trouble(f"did not answer within judge.timeout_s = {settings.timeout_s:g}", True, may_cost=True)
        except self._errors.TransportError as error:
            return Trouble(f"ended the connection early ({type(error).__name__})", passing=True, may_cost=True)
        except (self._errors.RequestError, self._errors.InvalidURL) as error:
            raise Refusal(f"judge.url: {type(error).__name__}: {error}.", "Check judge.url.") from None
        # some servers repeat the key that they did not accept
        text = response.content.decode("utf-8", errors="replace")
        text = text.replace(self._key, "***") if self._key else text
        status = response.status_code
        if status in _HOPELESS:
            raise Refusal(
                f"{self._url} {_HOPELESS[status]} ({status}): {_said(text)}",
                "Check judge.url, judge.model and judge.api_key_env.",
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
