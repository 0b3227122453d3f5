"""Save what a URL gives as a file: resumed, verified, and there whole or not at all.

What arrives goes to a hidden file beside the final one. Where the transfer breaks off, that file stays, together with the
validator of its representation, and the next download of the same URL to the same place asks for the rest with Range and
If-Range (RFC 9110 sections 13.1.5 and 14). A server is believed as far as its bytes: the folder is the caller's, and of the
name a server suggests one plain part is left.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.client.options import REQUEST_OPTIONS, SENDING_OPTIONS, RequestOptions, check_names
from hyperhttp.client.partial import Note, PartFile
from hyperhttp.client.refusals import refuse
from hyperhttp.exceptions import DownloadError, HyperHTTPError
from hyperhttp.message.cookie_date import parse_cookie_date
from hyperhttp.message.digests import expected_digests, sent_digests
from hyperhttp.message.disposition import download_name
from hyperhttp.message.headers import Headers
from hyperhttp.message.pieces import Bytes
from hyperhttp.message.progress import ProgressTypes, report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperhttp.client.core import ClientCore
    from hyperhttp.message.response import Response
    from hyperhttp.message.url import URL
    from hyperhttp.pool.pool import ConnectionPool

__all__ = ["Download", "DownloadOptions", "download"]

#: What a download does not carry, or decides itself.
_NOT_HERE: Final = frozenset({"content", "data", "files", "json", "stream"})
_OWN: Final = frozenset(
    {"digest", "length", "overwrite", "progress", "resume"}
)  # `progress` is the content's that comes
_RANGE: Final = re.compile(r"bytes +(?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)", re.IGNORECASE).fullmatch
_STRONG: Final = re.compile(r'"[\x21\x23-\x7e]*"').fullmatch  # other bytes are allowed, and not worth the risk
#: Seconds between Last-Modified and Date from which on the date tells versions apart (RFC 9110 section 8.8.2.2).
_SETTLED: Final = 60


class DownloadOptions(RequestOptions, total=False):
    """What ``client.download`` takes: the options of a request without content, and these.

    Attributes:
        progress: ``progress(done, total)``, plain or ``async``, of what has arrived; total is None where nobody knows it.
        resume: take what an earlier attempt has left, and leave something for a later one; True by default.
        digest: what the file must have, as ``"sha256:<hex>"`` or hexadecimal digests by algorithm of `hashlib`.
        length: bytes that the file must have.
        overwrite: whether a file of that name may be replaced; by default one that the caller has named may, one that
            the server has named may not.
    """

    digest: str | Mapping[str, str] | None
    length: int | None
    overwrite: bool | None
    resume: bool


@dataclass(frozen=True, slots=True)
class Download:
    """A file that was downloaded.

    Attributes:
        path: where it is.
        size: its bytes.
        resumed: how many of them an earlier attempt had left.
        verified: algorithms of the digests that were compared, the caller's and the server's.
        response: the last response; its content is in the file.
    """

    path: Path
    size: int
    resumed: int
    verified: tuple[str, ...]
    response: Response


async def download(
    core: ClientCore,
    pool: ConnectionPool,
    url: str | URL,
    target: str | os.PathLike[str],
    options: Mapping[str, Any],
) -> Download:
    """Save what `url` gives as the file `target`, or under the name its server suggests where `target` is a folder.

    Raises:
        DownloadError: length or digest are not the expected ones, or the server breaks the rules of ranges.
        FileExistsError: there is a file of that name, and it is not to be replaced.
        HTTPStatusError: the response is neither 200 nor 206.
        OSError: the file cannot be written.
        TransportError: the transfer failed; what has arrived is kept for the next attempt.
        TypeError, ValueError: an option is unknown or wrong.
    """
    job = _Job(core, pool, url, options)
    await job.choose_place(target)
    try:
        return await job.run()
    finally:
        job.part.let_go()


class _Job:
    """One download."""

    def __init__(
        self,
        core: ClientCore,
        pool: ConnectionPool,
        url: str | URL,
        options: Mapping[str, Any],
    ) -> None:
        check_names(options, REQUEST_OPTIONS - _NOT_HERE | _OWN, "a download")
        self._core = core
        self._pool = pool
        self._url = core.resolve(url)
        self._options = {name: value for name, value in options.items() if name not in _OWN}
        self._headers = Headers(options.get("headers"))
        if "range" in self._headers or "if-range" in self._headers:
            msg = "a download asks for ranges by itself: leave Range and If-Range out of headers="
            raise ValueError(msg)
        self._headers.setdefault("Accept-Encoding", "identity")  # ranges count the bytes of what is transferred
        self._progress: ProgressTypes | None = options.get("progress")
        self._expected = expected_digests(options.get("digest"))
        self._compared: set[str] = set()  # algorithms of single responses' digests
        self._length = _length_of(options.get("length"))
        self._may_overwrite: bool | None = options.get("overwrite")
        self._resume = bool(options.get("resume", True))

    async def choose_place(self, target: str | os.PathLike[str]) -> None:
        """See where the file goes, which may block as all work on files may."""
        self._folder, self._name = await self._pool.network.call(_place, target)
        overwrite = self._may_overwrite
        self._overwrite: bool = self._name is not None if overwrite is None else bool(overwrite)
        self.part = PartFile(self._folder, self._part_name(), resume=self._resume)

    def _part_name(self) -> str:
        """The same for the same URL and place."""
        key = str(self._url.copy_with(fragment=None)).encode("utf-8", "surrogatepass")
        shown = "" if self._name is None else f"{self._name.encode()[:60].decode('utf-8', 'ignore')}."
        return f"{shown}{sha256(key).hexdigest()[:16]}"

    async def _call(self, *work: Any) -> Any:
        """Run a method of the part where it may block."""
        return await self._pool.network.call(self.part.run, *work)

    # -- the whole ---------------------------------------------------------------------------------------------------

    async def run(self) -> Download:
        part = self.part
        await self._call(part.open)
        resumed = part.size
        response = await self._first()
        while True:
            try:
                resumed = min(resumed, part.size) if response.status_code != 200 else 0
                target = await self._call(self._target, response)
                total, before = self._total(response), part.size
                await self._save(response, total)
            except BaseException:
                response.give_up()
                raise
            if total is None or part.size >= total or response.status_code != 206:
                break
            if part.size == before:
                raise self._error("the server sent an empty range", response)
            response = await self._first()  # a server may send less of a range than was asked for
        verified = self._verify(response)
        await self._call(part.commit, target, self._overwrite)
        return Download(target, part.size, resumed, verified, response)

    async def _first(self) -> Response:
        """The response whose content comes next; the part stands where it begins."""
        part = self.part
        if part.size and part.note is not None:
            response = await self._send(part.size)
            if response.status_code not in (206, 416) or self._continues(response):
                return await self._accepted(response)
            response.give_up()
            await self._call(part.begin, None)
        response = await self._accepted(await self._send(0))
        if response.status_code == 206:
            response.give_up()
            raise self._error("the server sent a part (206) although the whole was asked for", response)
        return response

    async def _send(self, offset: int) -> Response:
        headers = self._headers.copy()
        note = self.part.note
        if offset and note is not None:
            headers["Range"] = f"bytes={offset}-"
            headers["If-Range"] = note.validator
        building = {name: value for name, value in self._options.items() if name not in SENDING_OPTIONS}
        sending = {name: value for name, value in self._options.items() if name in SENDING_OPTIONS}
        request = self._core.build_request("GET", self._url, {**building, "headers": headers})
        return await self._core.send(self._pool, request, {**sending, "stream": True})

    def _continues(self, response: Response) -> bool:
        """Whether it is what comes after the part, of the same representation; 416 where nothing comes any more."""
        part, note = self.part, self.part.note
        found = _RANGE(response.headers.get("content-range", "").strip())
        tag = response.headers.get("etag", "")
        if found is None or note is None or (note.validator[:1] == '"' and tag and tag != note.validator):
            return False
        first, last, total = found.groups()
        if note.length is not None and total != str(note.length):
            return False
        if response.status_code == 416:
            return first is None and total == str(part.size)
        if first is None or response._coded:
            return False
        return int(first) == part.size <= int(last) and (total == "*" or int(last) < int(total))

    async def _accepted(self, response: Response) -> Response:
        """A response that is, or continues, what was asked for.

        Raises:
            HTTPStatusError: it is something else.
        """
        if response.status_code not in (200, 206) and (response.status_code != 416 or not self.part.size):
            await refuse(response, "the file")
        return response

    # -- its parts ---------------------------------------------------------------------------------------------------

    def _target(self, response: Response) -> Path:
        name = self._name or download_name(self._url, response.headers.get("content-disposition"))
        target = self._folder / name
        if not self._overwrite and os.path.lexists(target):
            raise _os_error(errno.EEXIST, target, "the file exists; overwrite=True replaces it")
        if target.is_dir() and not target.is_symlink():
            raise _os_error(errno.EISDIR, target)
        return target

    def _total(self, response: Response) -> int | None:
        """Bytes of the whole file, as far as the head says.

        Raises:
            DownloadError: not as many as there should be.
        """
        field = response.headers.get("content-length", "")
        total = None
        if response.status_code in (206, 416):
            found = _RANGE(response.headers["content-range"].strip())
            total = None if found is None or found[3] == "*" else int(found[3])
        elif not response._coded and field.isascii() and field.isdigit():
            total = int(field)
        if self._length is not None and total is not None and total != self._length:
            self.part.note = None
            raise self._error(f"the file should have {self._length} bytes, but the server has {total}", response)
        return self._length if total is None else total

    async def _save(self, response: Response, total: int | None) -> None:
        """Write the content to the part."""
        part = self.part
        if response.status_code == 200:
            await self._call(part.begin, _note_of(response))
        whole, own = _sent(response, response.headers)
        await self._call(part.hash_with, {*self._expected, *whole}, set(own))
        if response.status_code == 416:
            response.give_up()
            return
        done = before = part.size
        try:
            async for piece in Bytes(response, None):
                done += len(piece)
                if self._length is not None and done > self._length:
                    part.note = None
                    raise self._error(f"the file should have {self._length} bytes, and more came", response)
                await self._call(part.write, piece)
                if self._progress is not None:
                    await report(self._progress, done, total)
        except HyperHTTPError as error:
            if error.request is None:
                error.request = response.request
            raise
        self._compare("content", own, part.piece_hashes, response)
        self._compared |= set(own)
        # What is said after the content is rare enough to read that again for it.
        whole, own = _sent(response, response.trailers)
        if own:
            self._compare("content", own, await self._call(part.hash_from, before, set(own)), response)
            self._compared |= set(own)
        if whole:
            await self._call(part.hash_with, set(whole), set())

    def _verify(self, response: Response) -> tuple[str, ...]:
        """Compare what should be with what is.

        Raises:
            DownloadError: they differ; nothing is kept.
        """
        part = self.part
        if self._length is not None and part.size != self._length:
            part.note = None
            raise self._error(f"the file should have {self._length} bytes, but {part.size} came", response)
        whole, _ = _sent(response, response.headers)
        after, _ = _sent(response, response.trailers)
        for digests in (self._expected, whole, after):
            self._compare("file", digests, part.hashes, response)
        return tuple(sorted({*self._expected, *whole, *after, *self._compared}))

    def _compare(self, what: str, digests: dict[str, bytes], hashes: dict[str, Any], response: Response) -> None:
        for name, digest in digests.items():
            found = hashes[name].digest()
            if found != digest:
                self.part.note = None
                msg = f"the {name} digest of the {what} is {found.hex()}, but should be {digest.hex()}"
                raise self._error(msg, response)

    def _error(self, what: str, response: Response) -> DownloadError:
        url = response.request.url
        msg = f"{url.redacted}: {what}"
        return DownloadError(msg, request=response.request, host=url.host, port=url.effective_port)


def _place(target: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Folder and name; no name where the target is a folder.

    Raises:
        NotADirectoryError, FileNotFoundError: there is no such folder.
        ValueError: there is something that is no file.
    """
    text = os.fsdecode(target)
    path = Path(text)
    if path.is_dir():
        return path, None
    if text.endswith(("/", os.sep)):
        raise _os_error(errno.ENOTDIR, text)
    path = Path(os.path.realpath(path))  # a link stays, what it leads to is replaced
    if path.exists() and not path.is_file():
        msg = f"{text} is no plain file: stream to it instead of downloading"
        raise ValueError(msg)
    if not path.parent.is_dir():
        raise _os_error(errno.ENOENT, path.parent)
    return path.parent, path.name


def _os_error(code: int, path: str | Path, said: str = "") -> OSError:
    """The subclass of OSError for a code."""
    return OSError(code, said or os.strerror(code), str(path))


def _length_of(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        msg = f"length= takes a number of bytes or None, not {value!r}"
        raise ValueError(msg)
    return value


def _sent(response: Response, fields: Headers) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """What the server says of the file, and of the content of this response (RFC 9530 sections 2 and 3).

    Args:
        response: whose content it is.
        fields: its headers, or its trailers, where a server sends what it has worked out while it was sending the content.
    """
    if response._coded or response.status_code == 416:
        return {}, {}  # they are of the coded bytes; of an error's content
    return sent_digests(fields, "repr-digest"), sent_digests(fields, "content-digest")


def _note_of(response: Response) -> Note | None:
    """What is needed to resume; None where that cannot be relied on (RFC 9110 sections 8.8.1 and 13.1.5)."""
    headers = response.headers
    if response._coded or headers.get("accept-ranges", "").strip().lower() == "none":
        return None
    field = headers.get("content-length", "")
    length = int(field) if field.isascii() and field.isdigit() else None
    tag = headers.get("etag")
    if tag is not None:
        return Note(tag, length) if _STRONG(tag) else None
    modified, sent = headers.get("last-modified", ""), headers.get("date", "")
    earlier, later = parse_cookie_date(modified), parse_cookie_date(sent)
    if earlier is None or later is None or later - earlier < _SETTLED:
        return None
    return Note(modified, length)
