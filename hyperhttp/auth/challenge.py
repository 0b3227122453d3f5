"""Challenges and authentication parameters by their grammar (RFC 9110 sections 11.2 to 11.6).

A WWW-Authenticate or Proxy-Authenticate field is a list of challenges, and each of them a list of parameters, both
separated by commas; a server may send several such fields. What does not follow the grammar is left out up to the next
comma outside quotes, nothing is raised, and the time taken grows with the length of the text and no faster: no pattern
gives back what it has matched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MAX_CHALLENGES", "MAX_LENGTH", "MAX_PARAMETERS", "Challenge", "parse_challenges", "parse_parameters"]

MAX_LENGTH: Final = 65536
"""Characters of the fields of one response that are looked at, as many as a head may have."""

MAX_CHALLENGES: Final = 32
"""Challenges taken from one response."""

MAX_PARAMETERS: Final = 64
"""Parameters kept of one challenge."""

# RFC 9110 section 5.6.2: token = 1*tchar
_TCHARS: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"

# RFC 9110 section 5.6.4: quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE
_QUOTED: Final = r'"((?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\U0010ffff]|\\[\t\x20-\x7e\x80-\U0010ffff])*+)"'

# RFC 9110 section 5.6.1: an element of a list ends at a comma or with the field.
_END: Final = r"[ \t]*+(?=,|\Z)"
_separators: Final = re.compile(r"[ \t,]*+").match

# RFC 9110 section 11.2: auth-param = token BWS "=" BWS ( token / quoted-string )
_parameter: Final = re.compile(rf"({_TCHARS})[ \t]*+=[ \t]*+(?:{_QUOTED}|({_TCHARS})){_END}").match

# RFC 9110 section 11.3: challenge = auth-scheme [ 1*SP ( token68 / #auth-param ) ]
_scheme: Final = re.compile(rf"({_TCHARS})(?:{_END}|[ \t]++(?!=))").match

# RFC 9110 section 11.2: token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
_token68: Final = re.compile(rf"([A-Za-z0-9\-._~+/]++=*+){_END}").match

# What is malformed: whether it was meant as a parameter, and where it ends.
_named: Final = re.compile(rf"{_TCHARS}[ \t]*+=").match
_malformed: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))*+', re.DOTALL).match

_unquote: Final = re.compile(r"\\(.)", re.DOTALL).sub


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a server (RFC 9110 section 11.3).

    Attributes:
        scheme: the auth-scheme, in lower case.
        token68: what follows the scheme in the form of Negotiate; None where there are parameters.
        params: the parameters, names in lower case, values unquoted. Of several with one name it is the first.
    """

    scheme: str
    token68: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """The challenges of WWW-Authenticate or Proxy-Authenticate fields, in order.

    Args:
        values: the values of all field lines with that name. One that does not fit into `MAX_LENGTH` together with
            those before it is left out, for what remained of it might mean something else.
    """
    found: list[Challenge] = []
    params: dict[str, str] | None = None  # of the challenge that the next parameter belongs to
    for value in _within_limit(values):
        params = _read_challenges(value, found, params)
    return found


def parse_parameters(values: Iterable[str]) -> dict[str, str]:
    """The parameters of Authentication-Info or Proxy-Authentication-Info fields (RFC 9110 section 11.6.3).

    Args:
        values: the values of all field lines with that name.

    Returns:
        Values by name in lower case; what does not follow the grammar is left out.
    """
    params: dict[str, str] = {}
    for value in _within_limit(values):
        at = _skip(value, 0)
        while at < len(value):
            match = _parameter(value, at)
            if match is None:
                at = _skip_malformed(value, at)
            else:
                _keep(params, match)
                at = _skip(value, match.end())
    return params


def _within_limit(values: Iterable[str]) -> list[str]:
    room = MAX_LENGTH
    fitting = []
    for value in values:
        room -= len(value)
        if room < 0:
            break
        fitting.append(value)
    return fitting


def _read_challenges(text: str, found: list[Challenge], params: dict[str, str] | None) -> dict[str, str] | None:
    """Add the challenges of one field line; gives the parameters of the last one.

    Lines are parts of one list (RFC 9110 section 5.3), so a line may begin with parameters of the challenge before.
    """
    at = _skip(text, 0)
    while at < len(text):
        match = _parameter(text, at)
        if match is not None:
            if params is not None:
                _keep(params, match)
            at = _skip(text, match.end())
            continue
        match = _scheme(text, at)
        if match is not None:
            if len(found) >= MAX_CHALLENGES:
                return None
            params, at = _open_challenge(text, match, found)
            continue
        if _named(text, at) is None:
            params = None  # it may have been another challenge, whose parameters are not ours
        at = _skip_malformed(text, at)
    return params


def _open_challenge(text: str, scheme: re.Match[str], found: list[Challenge]) -> tuple[dict[str, str] | None, int]:
    """Add a challenge; gives where to put its parameters, if it may have any, and the place to read on."""
    name = scheme.group(1).lower()
    at = scheme.end()
    match = _token68(text, at)
    if match is not None:
        found.append(Challenge(name, match.group(1)))
        return None, _skip(text, match.end())
    params: dict[str, str] = {}
    found.append(Challenge(name, params=params))
    if at < len(text) and text[at] != "," and _parameter(text, at) is None:
        return params, _skip_malformed(text, at)
    return params, _skip(text, at)


def _keep(params: dict[str, str], match: re.Match[str]) -> None:
    name, quoted, token = match.groups()
    if len(params) < MAX_PARAMETERS:
        params.setdefault(name.lower(), token if quoted is None else _unquote(r"\1", quoted))


def _skip_malformed(text: str, at: int) -> int:
    match = _malformed(text, at)
    return _skip(text, match.end() if match else len(text))


def _skip(text: str, at: int) -> int:
    """The place of the next element; those that are empty do not count (RFC 9110 section 5.6.1.2)."""
    match = _separators(text, at)
    return match.end() if match else at
