"""What may be typed after ``hyperhttp``: the options of a request, and the text of ``--help``."""

from __future__ import annotations

import argparse
import math
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from hyperhttp.cli.exits import CODES, CommandError
from hyperhttp.cli.style import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CommandParser", "Options", "parse_options"]

#: Methods that are meant whatever their case; any other is sent as it is typed (RFC 9110 section 9.1).
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"})
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_USAGE: Final = """hyperhttp [OPTIONS] [METHOD] URL
       hyperhttp demo [--fast] [--url BASE]
       hyperhttp plugins [--json] [--check]"""
_DESCRIPTION: Final = """Send one HTTP request and show what comes back.

  hyperhttp example.com                           GET https://example.com
  hyperhttp POST :8000/items -j name=tea -j n:=3  JSON to http://localhost:8000
  hyperhttp -O https://example.com/file.zip       a download, with a bar"""


class Options(argparse.Namespace):
    """The options of a request, with the types they have once parsed."""

    url: str
    method: str | None
    header: list[tuple[str, str | None]]
    param: list[tuple[str, str]]
    cookie: list[tuple[str, str]]
    auth: str | None
    bearer: str | None
    data: str | None
    form: list[tuple[str, str]]
    json: list[str]
    follow: bool
    max_redirects: int
    timeout: float | None
    connect_timeout: float | None
    max_time: float | None
    verify: bool
    cacert: str | None
    cert: str | None
    key: str | None
    proxy: str | None
    no_proxy: bool
    http1: bool
    http2: bool
    include: bool
    head: bool
    verbose: bool
    quiet: bool
    pretty: bool | None
    output: str | None
    download: bool
    force: bool
    fail: bool
    plugins: list[str] | None


class CommandParser(argparse.ArgumentParser):
    """A parser whose complaints are one line and an exit code, like every other."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            CommandError: always.
        """
        raise CommandError(f"{message}; {self.prog} --help lists what there is")


def parse_options(arguments: Sequence[str]) -> Options:
    """The options of a request.

    Raises:
        CommandError: they make no sense.
        SystemExit: help was asked for, and given.
    """
    parser = _parser()
    options = parser.parse_intermixed_args(list(arguments), namespace=Options())
    _take_words(parser, options)
    if (options.data is not None) + bool(options.form) + bool(options.json) > 1:
        parser.error("a request has one content: give one of -d, -F and -j")
    if options.auth is not None and options.bearer is not None:
        parser.error("give either -a or --bearer")
    if options.output is not None and options.download:
        parser.error("give either -o or -O")
    if options.key is not None and options.cert is None:
        parser.error("--key needs --cert")
    if options.http1 and options.http2:
        parser.error("give either --http1 or --http2")
    return options


def _take_words(parser: CommandParser, options: Options) -> None:
    """``[METHOD] URL`` from what is no option."""
    words: list[str] = options.words
    if not words:
        parser.error("a URL is missing")
    if len(words) > 2:
        parser.error(f"one METHOD and one URL, not {' '.join(words)!r}")
    if len(words) == 2:
        if options.method is not None:
            parser.error(f"the method is given twice: {words[0]} and {options.method}")
        options.method = words[0]
    options.url = words[-1]
    method = options.method
    if method is not None:
        if _TOKEN(method) is None:
            parser.error(f"{method!r} is no method")
        options.method = method.upper() if method.upper() in _METHODS else method


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="hyperhttp",
        usage=_USAGE,
        description=_DESCRIPTION,
        formatter_class=_HelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("words", nargs="*", metavar="URL", help=argparse.SUPPRESS)
    _add_request_options(parser.add_argument_group("what is sent"))
    _add_connection_options(parser.add_argument_group("how it gets there"))
    _add_output_options(parser.add_argument_group("what is shown"))
    other = parser.add_argument_group("the rest")
    other.add_argument(
        "--plugins", type=_names, metavar="NAME,...", help="use these plugins and no others (all installed)"
    )
    other.add_argument("--no-plugins", dest="plugins", action="store_const", const=[], help="use no plugin at all")
    other.add_argument("-V", "--version", action=_Version, nargs=0, help="show the version")
    other.add_argument("-h", "--help", action=_Help, nargs=0, help="show this")
    return parser


def _add_request_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add_several = partial(add, action="append", default=[])
    add_pairs = partial(add_several, type=_pair, metavar="NAME=VALUE")
    add("-X", "--method", metavar="METHOD", help="GET, or POST when there is content; also a word before URL")
    add_several(
        "-H",
        "--header",
        type=_header,
        metavar="FIELD",
        help="'Name: value'; 'Name:' leaves out a default one, 'Name;' sends it empty",
    )
    add_pairs("-p", "--param", help="add to the query")
    add("-d", "--data", action=_Once, metavar="TEXT", help="content as it is; @FILE from a file, @- stdin")
    add_pairs("-F", "--form", help="a form field; NAME=@FILE sends a file, and the form as multipart")
    add_several("-j", "--json", metavar="JSON", help="JSON, @FILE or @-; or pairs: NAME=TEXT, NAME:=JSON")
    add("-a", "--auth", metavar="USER:PASSWORD", help="Basic; asks for the password where it is left out")
    add("--bearer", metavar="TOKEN", help="a bearer token")
    add_pairs("-b", "--cookie", help="a cookie, for this host only")


def _add_connection_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("-L", "--follow", action="store_true", help="follow redirects")
    add("--max-redirects", type=_count, default=20, metavar="N", help="at most so many (20)")
    add(
        "-t",
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="for each phase and each wait for bytes (30); 0 for no limit",
    )
    add("--connect-timeout", type=_seconds, metavar="SECONDS", help="for name, connection and TLS together")
    add("--max-time", type=_seconds, metavar="SECONDS", help="for everything together")
    add("-k", "--no-verify", dest="verify", action="store_false", help="trust any certificate")
    add("--cacert", metavar="FILE", help="trust the certificates in this file or folder, and no others")
    add("--cert", metavar="FILE", help="a client certificate, with its key or with --key")
    add("--key", metavar="FILE", help="the key of the client certificate")
    add("--proxy", metavar="URL", help="instead of the environment's")
    add("--no-proxy", action="store_true", help="straight to the host, whatever the environment says")
    add("--http1", action="store_true", help="speak HTTP/1.1 only")
    add("--http2", action="store_true", help="HTTP/2 on http:// too, without asking (prior knowledge)")


def _add_output_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("-i", "--include", action="store_true", help="show the response head before the content")
    add("-I", "--head", action="store_true", help="send HEAD, or show nothing but the head")
    add("-v", "--verbose", action="store_true", help="tell on stderr what goes over the wire")
    add("-q", "--quiet", action="store_true", help="no progress and no remarks, only errors")
    add("-o", "--output", metavar="FILE", help="write the content to a file; - is stdout, binary or not")
    add(
        "-O",
        "--download",
        action="store_true",
        help="write it to a file of its own name in this folder; follows redirects, fails on 4xx and 5xx",
    )
    add("--force", action="store_true", help="let -O overwrite a file")
    add("-f", "--fail", action="store_true", help="for 4xx and 5xx: no content, exit code 22")
    add(
        "--json-pretty",
        dest="pretty",
        action=argparse.BooleanOptionalAction,
        help="format JSON; by default on a terminal",
    )


# -- values -----------------------------------------------------------------------------------------------


def _header(text: str) -> tuple[str, str | None]:
    name, colon, value = text.partition(":")
    if not colon and text.endswith(";"):
        return text[:-1].strip(), ""
    if not colon or not name.strip():
        msg = f"{text!r} is not 'Name: value'"
        raise argparse.ArgumentTypeError(msg)
    return name.strip(), value.strip() or None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        msg = f"{text!r} is not name=value"
        raise argparse.ArgumentTypeError(msg)
    return name, value


def _seconds(text: str) -> float | None:
    """A number of seconds, None for 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        msg = f"{text!r} is no number of seconds"
        raise argparse.ArgumentTypeError(msg)
    return seconds or None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        msg = f"{text!r} is no number"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


class _Once(argparse.Action):
    """Stores a value, and refuses a second one instead of forgetting the first."""

    def __call__(self, parser: Any, namespace: Any, value: Any, option: str | None = None) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option} is given twice")
        setattr(namespace, self.dest, value)


# -- help -------------------------------------------------------------------------------------------------


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """One line for most options: names in one column, what is behind them said once."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        names = ", ".join(action.option_strings)
        return f"{names} {action.metavar}" if action.metavar and action.nargs != 0 else names


class _Version(argparse.Action):
    """Shows the version and ends."""

    def __call__(self, parser: Any, *_: Any) -> None:
        from hyperhttp._version import __version__

        print(f"{parser.prog} {__version__}")
        parser.exit()


class _Help(argparse.Action):
    """Shows the help and ends. The list of commands is put together only now: it asks the plugins."""

    def __call__(self, parser: Any, *_: Any) -> None:
        parser.epilog = "\n".join([*_commands(), "", *_exit_codes(), "", *_environment()])
        parser.print_help()
        parser.exit()


def _commands() -> list[str]:
    from hyperhttp.exceptions import PluginError
    from hyperhttp.plugins.manager import compile_plugins

    lines = ["commands:", "  demo                  show what the library does, on a server of its own"]
    lines.append("  plugins               list what is installed")
    try:
        commands = compile_plugins().commands.values()
    except PluginError as error:
        return [*lines, f"  (commands of plugins are missing: {printable(str(error))})"]
    return [*lines, *(f"  {each.name:<20}  {printable(each.help)}" for each in commands)]


def _exit_codes() -> list[str]:
    return ["exit codes:", *(f"  {code:>3}  {meaning}" for code, meaning in CODES.items())]


def _environment() -> list[str]:
    return [
        "environment:",
        "  HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY    proxies",
        "  SSL_CERT_FILE, SSL_CERT_DIR                     certificates to trust",
        "  HYPERHTTP_PLUGINS, HYPERHTTP_DISABLE_PLUGINS    plugins to use, or not to",
        "  HYPERHTTP_DEBUG, NO_COLOR                       tracebacks; no colours",
    ]
