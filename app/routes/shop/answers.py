"""How the shop's pages and files are answered: who wants a page, validators, compression, and the strict policy."""

from typing import Any, Final

from litestar import Request, Response

from app.etags import matches
from app.problems import Problem
from app.routes.shop.build import File, built
from app.routes.shop.page import Head, composed

AnyRequest = Request[Any, Any, Any]

# Scripts, styles, pictures and calls from here and nowhere else; nothing inline; nobody turns text into markup.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types"
)
PAGE_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Vary": "Accept, Accept-Encoding",
}
REVALIDATED: Final = "public, no-cache"
FOREVER: Final = "public, max-age=31536000, immutable"  # the name changes with the content
HTML: Final = "text/html"
MISSING: Final = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quire: the shop is not built</title>
</head>
<body>
<h1>Quire is running, the shop is not built</h1>
<p>The HTTP API is here: <a href="/docs">/docs</a>. Its pages for people are built once, with Node 20.19 or newer:</p>
<pre>make shop</pre>
<p>It takes the Node of this machine, or installs one for Quire alone. Then load this page again.</p>
</body>
</html>
"""


def wants_page(request: AnyRequest) -> bool:
    """Whether a GET names text/html among what it accepts: browsers do, programs that take anything do not."""
    ranges = [each.strip() for each in request.headers.get("accept", "").lower().split(",")]
    named = [each for each in ranges if each.split(";")[0].strip() == "text/html"]
    return request.method == "GET" and any(not each.replace(" ", "").endswith(";q=0") for each in named)


def page(request: AnyRequest, head: Head, *, status: int = 200) -> Response[bytes]:
    """The shop's page with this head; without a build, how to get one."""
    build = built()
    if build is None:
        headers = {**PAGE_HEADERS, "Cache-Control": "no-store"}
        return Response(MISSING, status_code=status, headers=headers, media_type=HTML)
    return file_answer(
        request,
        File.of(composed(build.page, head), ".html"),
        REVALIDATED,
        status=status,
        headers=PAGE_HEADERS,
    )


def file_answer(
    request: AnyRequest,
    file: File,
    cache_control: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response[bytes]:
    """A file, gzipped for those who take that, or a 304 for those who have it."""
    packed = file.gzipped if _takes_gzip(request) else None
    etag = file.etag if packed is None else f'{file.etag[:-1]}-gzip"'
    given = {"Vary": "Accept-Encoding", **(headers or {}), "ETag": etag, "Cache-Control": cache_control}
    if status == 200 and matches(request.headers.getall("if-none-match", []), etag):
        unchanged: Response[Any] = Response(None, status_code=304, headers=given)
        return unchanged
    if packed is not None:
        given["Content-Encoding"] = "gzip"
    return Response(packed or file.body, status_code=status, headers=given, media_type=file.media_type)


def _takes_gzip(request: AnyRequest) -> bool:
    codings = [
        each.strip().replace(" ", "") for each in request.headers.get("accept-encoding", "").split(",")
    ]
    return any(each.split(";")[0] == "gzip" and not each.endswith(";q=0") for each in codings)


def no_page(request: AnyRequest) -> Problem:
    """The problem of a page that was asked for by somebody who takes no page."""
    path = request.url.path
    return Problem(
        404,
        "not_found",
        f"There is nothing at {path} for programs: the API is below /v1, its documentation at /docs",
    )


def origin_of(request: AnyRequest) -> str:
    """Where this shop is, as the request names it: scheme and host, no slash."""
    return str(request.base_url).rstrip("/")
