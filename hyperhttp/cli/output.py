"""Where a response goes: to a terminal as text, to a pipe as bytes, into a file; in constant memory."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hyperhttp.cli.exits import NOT_WRITTEN, CommandError
from hyperhttp.cli.files import NewFile
from hyperhttp.cli.json_text import is_json, pretty
from hyperhttp.cli.progress import Progress
from hyperhttp.cli.style import Style, duration, printable, size
from hyperhttp.exceptions import HyperHTTPError
from hyperhttp.message.disposition import download_name
from hyperhttp.message.text import TextDecoder, decode_json_text, parse_content_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from hyperhttp.cli.arguments import Options
    from hyperhttp.message.response import Response
    from hyperhttp.message.url import URL

__all__ = ["Screen", "deliver", "looks_binary"]

#: Bytes of JSON that are collected to be formatted; more goes out as it comes.
_MAX_PRETTY: Final = 4 * 1024 * 1024
_TEXT_TYPES: Final = ("application/javascript", "application/xml", "application/x-www-form-urlencoded")
_GLANCE: Final = 4096


class Screen:
    """What a person sees: stdout for the response, stderr for remarks.

    Args:
        quiet: no remarks.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._out: TextIO = sys.stdout
        self._err: TextIO = sys.stderr
        self.quiet = quiet
        self.style = Style(self._out)

    def write(self, data: bytes) -> None:
        """Bytes to stdout, at once.

        Raises:
            BrokenPipeError: nobody reads any more.
            CommandError: they cannot be written.
        """
        try:
            self._out.buffer.write(data)
            self._out.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            msg = f"cannot write to stdout: {error.strerror or error}"
            raise CommandError(msg, NOT_WRITTEN) from error

    def write_text(self, text: str) -> None:
        """Text to stdout; what its encoding lacks is replaced."""
        self._out.flush()  # what others printed stands before it
        self.write(text.encode(self._out.encoding or "utf-8", "replace"))

    def remark(self, text: str) -> None:
        """A line to stderr."""
        if not self.quiet:
            print(f"hyperhttp: {printable(text)}", file=self._err, flush=True)

    def progress(self, response: Response) -> Progress | None:
        """A progress bar for content that is not shown; None for a quiet screen."""
        if self.quiet:
            return None
        length = response.headers.get("content-length", "")
        return Progress(self._err, int(length) if length.isascii() and length.isdigit() else None)

    @property
    def is_file(self) -> bool:
        """Whether stdout leads into a file."""
        try:
            return stat.S_ISREG(os.fstat(self._out.fileno()).st_mode)
        except (OSError, ValueError):  # a stream that is none of the system's
            return False


def deliver(response: Response, options: Options, url: URL, screen: Screen) -> None:
    """Put a response where the options say.

    Args:
        response: with its content still on the wire.
        options: what was typed.
        url: the URL that was asked for.
        screen: what the person sees.

    Raises:
        HTTPStatusError: it is an error, and the options say that errors fail.
        CommandError: the output cannot be written.
    """
    if options.include or options.head:
        for each in (*response.history, response):
            screen.write_text(_head(each, screen.style))
    if options.fail or options.download:
        response.raise_for_status()
    if options.head:
        return
    if options.download:
        name = download_name(url, response.headers.get("content-disposition"))
        _save(response, NewFile(Path(name), replace=options.force), screen, tell=True)
    elif options.output is not None and options.output != "-":
        tell = Style(sys.stderr).is_terminal
        _save(response, NewFile(Path(options.output), replace=True), screen, tell=tell)
    elif _wants_pretty(response, options, screen):
        _show_json(response, screen)
    elif screen.style.is_terminal and options.output is None:
        _show_text(response, screen)
    else:
        _copy(response, screen.write, screen.progress(response) if screen.is_file else None)


def looks_binary(data: bytes, content_type: str) -> bool:
    """Whether content that begins like this is not for a terminal."""
    media_type, parameters = parse_content_type(content_type)
    charset = parameters.get("charset", "").lower()
    if b"\0" in data[:_GLANCE] and not charset.startswith(("utf-16", "utf-32")):
        return True
    if charset or media_type.startswith("text/") or media_type in _TEXT_TYPES:
        return False
    try:
        data[:_GLANCE].decode()
    except UnicodeDecodeError as error:
        return error.end < min(len(data), _GLANCE) - 3  # at the very end a character is only cut in two
    return False


def _head(response: Response, style: Style) -> str:
    """Status line and header fields, with the empty line."""
    colour = "green" if response.is_success else "red" if response.is_error else "yellow"
    status = f"{response.status_code} {printable(response.reason)}".rstrip()
    lines = [f"{style.paint(response.http_version, 'dim')} {style.paint(status, 'bold', colour)}"]
    for name, value in response.headers.multi_items():
        lines.append(f"{style.paint(printable(name), 'cyan')}: {printable(value)}")
    return "\n".join(lines) + "\n\n"


# -- to a file --------------------------------------------------------------------------------------------


def _save(response: Response, file: NewFile, screen: Screen, *, tell: bool) -> None:
    started = time.monotonic()
    with file:
        count = _copy(response, file.write, screen.progress(response))
        file.commit()
    if tell:
        took = max(time.monotonic() - started, 1e-6)
        facts = f"{size(count)} in {duration(took)}, {size(count / took)}/s"
        screen.remark(f"saved {file.path.name} ({facts})")


def _copy(response: Response, write: Callable[[bytes], None], progress: Progress | None) -> int:
    """Write the content as it comes; gives how many bytes there were."""
    count = 0
    try:
        for piece in response.iter_bytes():
            write(piece)
            count += len(piece)
            if progress is not None:
                progress.update(response.num_bytes_downloaded)
    finally:
        if progress is not None:
            progress.close()
    return count


# -- to a terminal ----------------------------------------------------------------------------------------


def _wants_pretty(response: Response, options: Options, screen: Screen) -> bool:
    wanted = screen.style.is_terminal and options.output is None if options.pretty is None else options.pretty
    return wanted and is_json(parse_content_type(response.headers.get("content-type", ""))[0])


def _show_json(response: Response, screen: Screen) -> None:
    """Format what is one JSON text of some length; let pass what is not."""
    pieces = response.iter_bytes()
    held: list[bytes] = []
    count = 0
    try:
        for piece in pieces:
            held.append(piece)
            count += len(piece)
            if count > _MAX_PRETTY:
                break
        else:
            screen.write_text(_formatted(b"".join(held), screen.style))
            return
    except HyperHTTPError:
        screen.write(b"".join(held))  # what there is, before the error is told
        raise
    screen.write(b"".join(held))
    for piece in pieces:
        screen.write(piece)


def _formatted(data: bytes, style: Style) -> str:
    try:
        text = decode_json_text(data)
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")
    formatted = pretty(text, style)
    return text if formatted is None else f"{formatted}\n"


def _show_text(response: Response, screen: Screen) -> None:
    content_type = response.headers.get("content-type", "")
    pieces = response.iter_bytes()
    first = next(pieces, b"")
    if looks_binary(first, content_type):
        length = response.headers.get("content-length", "")
        amount = f"{size(int(length))} of " if length.isascii() and length.isdigit() else ""
        kind = parse_content_type(content_type)[0] or "binary content"
        screen.remark(f"{amount}{kind} not shown on a terminal: -o FILE saves it, -o - shows it all the same")
        return
    text = ""
    for text in _decoded(first, pieces, response.encoding):
        screen.write_text(text)
    if text and not text.endswith("\n"):
        screen.write_text("\n")  # so that the prompt begins a line


def _decoded(first: bytes, rest: Iterator[bytes], encoding: str) -> Iterator[str]:
    decoder = TextDecoder(encoding)
    yield decoder.decode(first)
    for piece in rest:
        yield decoder.decode(piece)
    last = decoder.finish()
    if last:
        yield last
