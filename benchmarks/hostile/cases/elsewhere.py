"""Redirects and cookies: where a client may be sent, and what it may take along."""

from __future__ import annotations

from case import Case, Facts, Judge, Step, at_most, every, never, refused, without_field

REDIRECTS = "Redirects"
COOKIES = "Cookies"
SECRET = {"Authorization": "Bearer s3cret", "Cookie": "session=s3cret"}
ELSEWHERE = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nelsewhere"
SECRETS = "Secrets that travel too far (requests CVE-2018-18074, curl CVE-2022-27774 and kin)"


def moved(location: str, status: int = 302) -> bytes:
    """A redirect."""
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")


def redirect(
    name: str, location: str, rule: str, does: str, judge: Judge, *steps: Step, status: int = 302, tls: str = ""
) -> Case:
    """A redirect that is followed."""
    answers = {"/": moved(location, status), "/back": moved("{b}/elsewhere")}
    other = {"/elsewhere": ELSEWHERE, "/leave": moved("{a}/back")}
    steps = steps or (Step(headers=SECRET),)
    return Case(name, REDIRECTS, rule, does, answers, judge, steps, other=other, redirects=True, tls=tls)


def clean_targets(facts: Facts) -> str | None:
    """Each request line has three parts, and no field came from the Location."""
    for seen in facts.seen:
        if " " in seen.target:
            return f"sent the target {seen.target!r}"
        if seen.get("x-injected"):
            return "sent a field from the Location"
    return None


def becomes_get(facts: Facts) -> str | None:
    """After 303 the request is a GET without content."""
    later = facts.requests(server="b")
    if not later:
        return "not followed"
    seen = later[0]
    if seen.method != "GET":
        return f"sent {seen.method}"
    if seen.get(":content") or seen.get("content-length") not in {"", "0"} or seen.get("transfer-encoding"):
        return "sent the content again"
    return None


def no_cookie(host: str, value: str) -> Judge:
    """No request to this host carries this cookie."""

    def judge(facts: Facts) -> str | None:
        for seen in facts.seen:
            if seen.target.startswith(f"http://{host}/") and value in seen.get("cookie"):
                return f"sent {seen.get('cookie')[:60]} to {host}"
        return None

    return judge


def bounded_cookies(facts: Facts) -> str | None:
    """The next request is not made of cookies."""
    largest = max(each.size for each in facts.seen)
    return f"sent a head of {largest // 1024} KiB" if largest > 1024 * 1024 else None


def set_cookie(*values: str) -> bytes:
    """A response with cookies."""
    lines = "".join(f"Set-Cookie: {value}\r\n" for value in values)
    return f"HTTP/1.1 200 OK\r\n{lines}Content-Length: 5\r\n\r\nhello".encode("latin-1")


def cookie(name: str, value: str, source: str, target: str, rule: str, does: str) -> Case:
    """A cookie set by one host that another one must not get. The server is a proxy: all names lead to it."""
    steps = (Step(url=f"http://{source}/"), Step(url=f"http://{target}/after"))
    return Case(
        name, COOKIES, rule, does, {f"http://{source}/": set_cookie(value)}, no_cookie(target, "stolen"), steps,
        last=False, proxy=True, cookies=True,
    )  # fmt: skip


SUFFIX = "RFC 6265bis 5.7 (curl CVE-2022-27779, aiohttp #13653)"
BOMB_PAGES = 20

CASES = (
    redirect("redirect-loop", "{a}/", "Redirect loops", "redirects to itself: an error, after a bounded number of requests",
             every(refused, at_most(100))),
    redirect("redirect-authorization", "{b}/elsewhere", SECRETS, "redirects to another origin",
             without_field("authorization", server="b")),
    redirect("redirect-cookie", "{b}/elsewhere", "Secrets that travel too far (urllib3 CVE-2023-43804)",
             "redirects to another origin", without_field("cookie", server="b", value="s3cret")),
    redirect("redirect-chain", "{b}/leave", "Secrets that travel too far (Go CVE-2024-45336)",
             "redirects to another origin and back, and there again",
             without_field("authorization", server="b", value="s3cret")),
    redirect("redirect-downgrade", "{b}/elsewhere", SECRETS, "redirects from https to http: no credentials in clear",
             every(without_field("authorization", server="b"), without_field("cookie", server="b", value="s3cret")),
             tls="good"),
    redirect("redirect-file", "file:///etc/passwd", "Where a client may be sent", "redirects to a file",
             never(b"root:"), Step()),
    redirect("redirect-crlf", "/x%0d%0aX-Injected:%20yes", "Bytes that become another request",
             "redirects to a path with an encoded line end in it", clean_targets, Step()),
    redirect("redirect-blank", "/x HTTP/1.1", "Bytes that become another request",
             "redirects to a path with blanks in it: encoded, or not followed", clean_targets, Step()),
    redirect("redirect-userinfo", "http://alice:word@{b-authority}/elsewhere", "URLs that two parsers read differently",
             "redirects with userinfo: the caller's credentials stay here",
             without_field("authorization", server="b", value="s3cret")),
    redirect("redirect-post-303", "{b}/elsewhere", "RFC 9110 15.4.4 (urllib3 CVE-2023-45803)",
             "303 after a POST: a GET without content", becomes_get, Step("POST", body="secret=1"),
             status=303),
    cookie("cookie-other-domain", "stolen=1; Domain=bank.example", "shop.example", "bank.example", "RFC 6265 5.3",
           "sets a cookie for another domain"),
    cookie("cookie-public-suffix", "stolen=1; Domain=co.uk", "evil.co.uk", "bank.co.uk", SUFFIX,
           "sets a cookie for a public suffix"),
    cookie("cookie-suffix-dot", "stolen=1; Domain=co.uk.", "evil.co.uk", "bank.co.uk", SUFFIX,
           "sets a cookie for a public suffix, with a dot behind it"),
    cookie("cookie-sibling", "stolen=1", "a.shop.example", "b.shop.example", "RFC 6265 5.3",
           "sets a cookie without a domain: it is the host's own"),
    cookie("cookie-look-alike", "stolen=1; Domain=shop.example", "www.shop.example", "evilshop.example",
           "RFC 6265 5.1.3 (CPython CVE-2018-20852)", "sets a cookie for its domain: not for names that end alike"),
    cookie("cookie-secure", "stolen=1; Secure", "shop.example", "shop.example", "RFC 6265 5.4",
           "sets a Secure cookie: it is not sent in clear"),
    Case("cookie-bomb", COOKIES, "Cookies without end (curl CVE-2022-32205, Go CVE-2025-58186)",
         "twenty pages with 100 cookies of 4000 bytes each: the next request is not 8 MB long",
         {f"http://shop.example/{page}": set_cookie(*(f"c{page}x{number}={'v' * 3980}" for number in range(100)))
          for page in range(BOMB_PAGES)},
         bounded_cookies,
         (*(Step(url=f"http://shop.example/{page}") for page in range(BOMB_PAGES)), Step(url="http://shop.example/after")),
         last=False, proxy=True, cookies=True),
)  # fmt: skip
