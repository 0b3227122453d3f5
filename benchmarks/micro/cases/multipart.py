"""Multipart forms: three fields and a file of 64 KiB, as one body."""

from __future__ import annotations

from timing import case

CONTENT = b"z" * 65536


@case("multipart, three fields and a file", "hyperhttp")
def encode():
    from hyperhttp import MultipartEncoder

    fields = {"a": "1", "b": "two", "c": "three", "file": ("data.bin", CONTENT, "application/octet-stream")}
    return lambda: b"".join(MultipartEncoder(fields))


@case("multipart, three fields and a file", "urllib3")
def urllib3_encode():
    from urllib3.filepost import encode_multipart_formdata

    fields = {"a": "1", "b": "two", "c": "three", "file": ("data.bin", CONTENT, "application/octet-stream")}
    return lambda: encode_multipart_formdata(fields)
