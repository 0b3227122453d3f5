"""HPACK, the receiving half (RFC 7541): compressed field blocks to fields.

Servers repeat themselves, so the decoder remembers: a literal whose bytes were met before costs one
dictionary look-up instead of Huffman decoding and validation, and a whole response head whose bytes were met
before costs one look-up altogether, as long as the dynamic table has not changed in between. Both memos are
bounded, belong to one connection, and hold no field whose name says that its value may be a secret, nor one
the peer marked as never to be indexed.
"""

from __future__ import annotations

from typing import Final

from hyperhttp.protocol.http2 import huffman
from hyperhttp.protocol.http2.errors import ConnectionFault, ErrorCode
from hyperhttp.protocol.http2.fields import SENSITIVE, Entry, Head, make_entry, read_head
from hyperhttp.protocol.http2.static_table import STATIC_TABLE

__all__ = ["Decoder", "HeadReader", "decode_integer"]

DEFAULT_TABLE_SIZE: Final = 4096

_STATIC: Final[list[Entry]] = [make_entry(b"-", b""), *(make_entry(*pair) for pair in STATIC_TABLE)]
_FIRST_DYNAMIC: Final = len(_STATIC)

_MAX_LITERALS: Final = 512  # remembered literals per connection
_MAX_LITERAL_SIZE: Final = 256  # bytes on the wire of one remembered literal
_MAX_HEADS: Final = 128  # remembered response heads per connection
_MAX_HEAD_SIZE: Final = 1024  # bytes on the wire of one remembered head


class Decoder:
    """One direction's decoding state.

    Attributes:
        changes: grows whenever the dynamic table becomes another one; what was decoded under the same number
            from the same bytes is the same.
    """

    __slots__ = ("_allowed", "_literals", "_max_size", "_size", "_table", "changes")

    def __init__(self, table_size: int = DEFAULT_TABLE_SIZE) -> None:
        """Args: table_size: the SETTINGS_HEADER_TABLE_SIZE we announce, in bytes."""
        self._table = _STATIC.copy()  # static entries, then dynamic ones, the newest first (RFC 7541 section 2.3.3)
        self._size = 0
        self._max_size = DEFAULT_TABLE_SIZE
        self._allowed = table_size
        self._literals: dict[bytes, Entry] = {}
        self.changes = 0

    def decode(self, block: bytes) -> list[Entry]:
        """The fields of a block, in order.

        Work and memory are bounded by the length of the block: an entry of the tables is referred to, never
        copied, so a block of one-byte references to a huge entry (CVE-2016-6581) costs one pointer each.

        Raises:
            ConnectionFault: the block is not valid HPACK; the state of both sides differs from here on.
        """
        try:
            entries = self._decode_fields(block)
        except IndexError:
            raise _fault("it refers to a table entry that does not exist, or ends too early") from None
        except huffman.HuffmanError as error:
            raise _fault(str(error)) from None
        if self._max_size > self._allowed:
            raise _fault("its table is larger than we allow")
        return entries

    def _decode_fields(self, block: bytes) -> list[Entry]:
        """The hot loop of `decode`, in which a byte that is not there shows as IndexError."""
        entries: list[Entry] = []
        append = entries.append
        table = self._table
        remembered = self._literals.get
        end = len(block)
        pos = 0
        while pos < end:
            start = pos
            first = block[pos]
            pos += 1
            if first > 0x80:  # indexed field (section 6.1)
                index = first & 0x7F
                if index == 0x7F:
                    index, pos = decode_integer(block, pos, 0x7F)
                append(table[index])
                continue
            if first & 0x40:  # literal, to be indexed (section 6.2.1)
                index = first & 0x3F
                if index == 0x3F:
                    index, pos = decode_integer(block, pos, 0x3F)
            elif first < 0x20:  # literal, not to be indexed (sections 6.2.2, 6.2.3)
                index = first & 0x0F
                if index == 0x0F:
                    index, pos = decode_integer(block, pos, 0x0F)
            else:
                pos = self._resize(block, pos, first, entries)
                continue
            if not index:
                pos = _end_of_string(block, pos)  # of the name; the value follows
            length = block[pos] & 0x7F
            pos = pos + 1 + length if length != 0x7F else _end_of_string(block, pos)
            entry = remembered(block[start:pos]) if index < _FIRST_DYNAMIC else None
            if entry is None:
                if pos > end:
                    raise IndexError
                entry = self._new_literal(block[start:pos], index)
            if first & 0x40 and self._max_size:
                self._insert(entry)
            append(entry)
        return entries

    def _new_literal(self, raw: bytes, index: int) -> Entry:
        """The entry of a literal field met first here; `index` is that of its name, 0 if it brings one."""
        first = raw[0]
        pos = 1
        prefix = 0x3F if first & 0x40 else 0x0F
        if first & prefix == prefix:
            _, pos = decode_integer(raw, pos, prefix)
        if index:
            name = self._table[index][0]
        else:
            name, pos = _read_string(raw, pos)
        compressed = raw[pos] & 0x80
        _, pos = decode_integer(raw, pos + 1, 0x7F) if raw[pos] & 0x7F == 0x7F else (0, pos + 1)
        value = huffman.decode(raw[pos:]) if compressed else raw[pos:]
        never_indexed = first & 0xF0 == 0x10  # section 6.2.3: the peer says the value is precious
        entry = make_entry(name, value, SENSITIVE if never_indexed else 0)
        if index < _FIRST_DYNAMIC and len(raw) <= _MAX_LITERAL_SIZE and not entry[2] & SENSITIVE:
            if len(self._literals) >= _MAX_LITERALS:
                self._literals.clear()
            self._literals[raw] = entry
        return entry

    def _insert(self, entry: Entry) -> None:
        """Put an entry in front of the dynamic table and evict what no longer fits (RFC 7541 section 4.4)."""
        room = self._max_size - entry[3]
        if self._size <= room:
            self._table.insert(_FIRST_DYNAMIC, entry)
            self._size += entry[3]
            self.changes += 1
            return
        if self._size or room >= 0:
            self._evict(max(room, 0))
            self.changes += 1
        if room >= 0:
            self._table.insert(_FIRST_DYNAMIC, entry)
            self._size += entry[3]

    def _evict(self, room: int) -> None:
        while self._size > room:
            self._size -= self._table.pop()[3]

    def _resize(self, block: bytes, pos: int, first: int, entries: list[Entry]) -> int:
        """Obey a dynamic table size update (RFC 7541 section 6.3); the position after it."""
        if first == 0x80:
            raise _fault("it refers to table entry 0")
        size = first & 0x1F
        if size == 0x1F:
            size, pos = decode_integer(block, pos, 0x1F)
        if entries:
            raise _fault("it changes the table size after its first field")
        if size > self._allowed:
            raise _fault("its table is larger than we allow")
        if size != self._max_size:
            self._max_size = size
            self._evict(size)
        self.changes += 1
        return pos


class HeadReader:
    """Turns field blocks into response heads, and remembers whole heads by their bytes."""

    __slots__ = ("_changes", "_decoder", "_heads", "_max_fields", "_max_size")

    def __init__(self, decoder: Decoder, max_size: int, max_fields: int) -> None:
        self._decoder = decoder
        self._heads: dict[bytes, Head] = {}
        self._changes = 0
        self._max_size = max_size
        self._max_fields = max_fields

    def read(self, block: bytes) -> Head:
        """The head that `block` encodes; its list of fields is shared, to be copied before it is given away.

        Raises:
            StreamFault: the response is malformed or its fields are larger than allowed.
            ConnectionFault: the block is not valid HPACK.
        """
        decoder = self._decoder
        if decoder.changes == self._changes:
            head = self._heads.get(block)
            if head is not None:
                return head
        else:
            self._heads.clear()
            self._changes = decoder.changes
        head = read_head(decoder.decode(block), self._max_size, self._max_fields)
        if decoder.changes == self._changes and not head[2] & SENSITIVE and len(block) <= _MAX_HEAD_SIZE:
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()
            self._heads[block] = head
        return head


def decode_integer(block: bytes, pos: int, prefix: int) -> tuple[int, int]:
    """An integer whose prefix bits are all ones (RFC 7541 section 5.1), and the position after it.

    Four more bytes at most: no length or index that we allow needs 2^28, and an endless integer must not be
    followed.
    """
    value = prefix
    for shift in (0, 7, 14, 21):
        byte = block[pos]
        pos += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, pos
    raise _fault("it holds an integer that is too large")


def _end_of_string(block: bytes, pos: int) -> int:
    length = block[pos] & 0x7F
    pos += 1
    if length == 0x7F:
        length, pos = decode_integer(block, pos, 0x7F)
    return pos + length


def _read_string(raw: bytes, pos: int) -> tuple[bytes, int]:
    """A string literal (RFC 7541 section 5.2) and the position after it."""
    compressed = raw[pos] & 0x80
    end = _end_of_string(raw, pos)
    length = raw[pos] & 0x7F
    pos += 1
    if length == 0x7F:
        _, pos = decode_integer(raw, pos, 0x7F)
    data = raw[pos:end]
    return (huffman.decode(data) if compressed else data), end


def _fault(what: str) -> ConnectionFault:
    return ConnectionFault(
        ErrorCode.COMPRESSION_ERROR, f"the server sent a header block that cannot be decoded: {what}"
    )
