"""What a case is: a server's behaviour, the requests made to it, and how the facts are judged.

A judge gets nothing but facts that are the same for every client: what each step gave (an error, or a status
with content and fields), which requests the servers saw on which connection, and how much memory it took.
Where an RFC leaves the outcome open, the judge accepts every lawful one. It returns None, or what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: Bytes by which the client's process may grow in one case.
MEMORY_LIMIT = 64 * 1024 * 1024

AFTER = b"after"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as a server saw it."""

    server: str
    connection: int
    method: str
    target: str
    fields: list[tuple[str, str]]
    size: int  # bytes of the head, or of the field block

    def get(self, name: str) -> str:
        """The values of a field, joined; empty when there is none."""
        return ", ".join(value for key, value in self.fields if key.lower() == name)


@dataclass(slots=True)
class Facts:
    """What happened."""

    steps: list[dict[str, Any]]
    seen: list[Seen]

    @property
    def hostile(self) -> dict[str, Any]:
        """The outcome of the first step."""
        return self.steps[0]

    def requests(self, *, server: str = "", method: str = "", target: str = "") -> list[Seen]:
        """Requests that were seen, the last one (`/after`) left out unless asked for."""
        return [
            each
            for each in self.seen
            if (not server or each.server == server)
            and (not method or each.method == method)
            and (each.target == target if target else not each.target.endswith("/after"))
        ]


Judge = Callable[[Facts], "str | None"]


@dataclass(frozen=True, slots=True)
class Step:
    """A request by the client, or a pause of it.

    `{a}` and `{b}` in the URL stand for the servers. A `slow` step streams: it takes one piece, waits a
    second, and leaves. A `patient` one is tried a second time when it fails.
    """

    method: str = "GET"
    url: str = "{a}/"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    size: int = 0  # a body of so many bytes instead
    slow: bool = False
    patient: bool = False
    sleep: float = 0.0  # seconds to wait, and no request at all


GET = Step()
LAST = Step(url="{a}/after", patient=True)


@dataclass(frozen=True, slots=True)
class Case:
    """One misbehaviour.

    Attributes:
        name: as in the table.
        section: the heading of the table it belongs to.
        rule: the RFC's section, or the class of weakness.
        does: what the server does.
        answers: what is sent for each target (`server.py`), by the first server and by the second one.
        judge: says what is wrong.
        steps: what the client is told to do.
        last: whether another request to the same server must get its own answer afterwards.
        tls: the certificate of the first server; empty for a server without TLS.
        http2: the servers speak HTTP/2, and the case is not for clients that do not.
        opening: bytes that the first server sends before it reads anything: on its first connection, and on
            HTTP/2 in place of its SETTINGS on each.
        proxy: the first server is the client's proxy instead.
        redirects: the client is told to follow redirects.
        cookies: the case is not for clients without a cookie jar.
    """

    name: str
    section: str
    rule: str
    does: str
    answers: dict[str, Any]
    judge: Judge
    steps: tuple[Step, ...] = (GET,)
    last: bool = True
    tls: str = ""
    http2: bool = False
    opening: bytes | None = None
    other: dict[str, Any] = field(default_factory=dict)
    proxy: bool = False
    redirects: bool = False
    cookies: bool = False

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps, with the one that looks whether the client still works."""
        return (*self.steps, LAST) if self.last else self.steps


# -- judges ------------------------------------------------------------------------------------------------


def refused(facts: Facts) -> str | None:
    """The first step must be an error."""
    return None if "error" in facts.hostile else f"delivered as good: {shown(facts.hostile)}"


def tolerated(facts: Facts) -> str | None:
    """Whatever the first step gave; only the follow-up and the memory count."""
    return None


def content(*bodies: bytes, status: int = 200) -> Judge:
    """The first step must give one of these contents."""

    def judge(facts: Facts) -> str | None:
        step = facts.hostile
        if "error" in step:
            return f"failed: {step['error']}"
        good = step["status"] == status and any(
            step["body"] == body.decode("latin-1") and step["length"] == len(body) for body in bodies
        )
        return None if good else f"delivered as good: {shown(step)}"

    return judge


def refused_or(*bodies: bytes, status: int = 200) -> Judge:
    """An error is right, and so is one of these contents."""
    exact = content(*bodies, status=status)
    return lambda facts: None if "error" in facts.hostile else exact(facts)


def every(*judges: Judge) -> Judge:
    """The first complaint of several judges."""
    return lambda facts: next((said for judge in judges if (said := judge(facts))), None)


def at_most(count: int, *, method: str = "", server: str = "") -> Judge:
    """The servers saw no more requests than this."""

    def judge(facts: Facts) -> str | None:
        number = len(facts.requests(method=method, server=server))
        return None if number <= count else f"{number} {method or 'requests'} were sent"

    return judge


def without_field(name: str, *, server: str, value: str = "") -> Judge:
    """No request to that server carries the field (or not with that value in it)."""

    def judge(facts: Facts) -> str | None:
        for seen in facts.seen:
            found = seen.get(name) if seen.server == server else ""
            if found and value in found:
                return f"sent {name}: {found[:60]}"
        return None

    return judge


def never(*bodies: bytes) -> Judge:
    """No step gives content with this in it."""

    def judge(facts: Facts) -> str | None:
        for step in facts.steps:
            for body in bodies:
                if body.decode("latin-1") in step.get("body", ""):
                    return f"delivered as good: {shown(step)}"
        return None

    return judge


def connection_given_up(facts: Facts) -> str | None:
    """The follow-up must not use the connection of the first request."""
    used = {each.connection for each in facts.seen if each.target.endswith("/after")}
    return "the connection was used again" if facts.requests()[0].connection in used else None


def last_step(facts: Facts) -> str | None:
    """The follow-up must get its own answer."""
    step = facts.steps[-1]
    if "error" in step:
        return f"the next request failed: {step['error']}"
    if step["status"] != 200 or step["body"] != AFTER.decode():
        return f"the next request got {shown(step)}"
    return None


def shown(step: dict[str, Any]) -> str:
    """A response in short."""
    if "error" in step:
        return str(step["error"])
    body = step["body"] if step["length"] <= 40 else f"{step['body'][:40]}..."
    return f"{step['status']}, {step['length']} bytes {body!r}"
