"""JSON bodies: decoded once, straight into the type that the route asks for, and exactly.

Litestar decodes a body into builtins and converts those leniently, as it must for query strings: "1" would pass for a
number. It also takes a body of any media type for JSON.
"""

import re
from functools import lru_cache
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.exceptions import ValidationException

from app.problems import Problem

JSON: Final = re.compile(r"application/(?:[a-z0-9!#$&^_.+-]+\+)?json", re.IGNORECASE)
FIELD: Final = re.compile(r"^(?P<message>.*) - at `\$\.?(?P<field>.*)`$", re.DOTALL)


class JsonRequest(Request[Any, Any, Any]):
    """A request whose `json()` is the route's own type.

    Raises 415 `unsupported_media_type` for a body that says it is something else, 400 `bad_json`, and Litestar's
    `ValidationException` for JSON that does not fit the type.
    """

    async def json(self) -> Any:
        """The body; one without a Content-Type is taken for JSON (RFC 9110, 8.3: a recipient may look itself)."""
        given = self.headers.get("content-type")
        if given is not None and not JSON.fullmatch(given.partition(";")[0].strip()):
            raise Problem(415, "unsupported_media_type", "Send the body as application/json")
        field = self.route_handler.parsed_data_field
        try:
            return _decoder(field.annotation if field is not None else Any).decode(await self.body())
        except msgspec.ValidationError as error:
            raise ValidationException(extra=[_named(str(error))]) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Problem(400, "bad_json", f"The body is not JSON: {error}") from error


@lru_cache(maxsize=256)
def _decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(wanted)


def _named(error: str) -> dict[str, str]:
    """What msgspec says of a field, apart from where it stands."""
    found = FIELD.fullmatch(error)
    if found is None:
        return {"key": "body", "message": error}
    return {"key": found["field"] or "body", "message": found["message"]}
