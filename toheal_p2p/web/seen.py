"""Parts of a page that ask whether they changed: they say what they have, by a short sum of it.

Docs: docs/decisions/0104-parts-that-ask.md.
"""

from __future__ import annotations

import zlib
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.web.site import SEEN


def sum_of(shown: object) -> str:
    """Return a short sum of what is shown. It tells two states apart and keeps nothing secret."""
    return f"{zlib.crc32(repr(shown).encode(errors='replace')):08x}"


def unchanged(request: Request, now: str) -> Response | None:
    """Return the answer for a part that has just this already, None for any other."""
    if request.query_params.get(SEEN) == now:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return None
