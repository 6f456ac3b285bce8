"""Pictures and voice notes: sent, fetched after a tap, and given to the page that shows them.

Docs: docs/page.md, sections 2 and 4; docs/protocol/attachments.md.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.interface import AppInterface, Report
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vocabulary import CONTENT_NOTES
from toheal_p2p.web.aiming import aim_from, chosen_notes, require_audience
from toheal_p2p.web.events import Doing
from toheal_p2p.web.finding import circle_of
from toheal_p2p.web.guard import FILE_POLICY
from toheal_p2p.web.pages.message import message
from toheal_p2p.web.site import FILE_TYPE, MAX_FIELDS, MAX_FORM, Endpoint, Fields, Form, Site
from toheal_protocol.messages.file_chunks import MAX_FILE_SIZE

TAKEN: Final = ("image/jpeg", "image/png", "image/webp", "image/gif", "audio/*")
"""What a browser offers to choose from. What a file is, is seen from its bytes."""

RECORDED_MOST: Final = 10 * 60
"""Seconds of a voice note that is recorded here: it stops by itself, and nothing of it is lost."""


async def attach_form(site: Site, request: Request, form: Form) -> Response:
    """Ask for a file and a description; whom it is for was chosen beside the words, or is here."""
    async with site.house.visit() as app:
        view = await circle_of(app, request.path_params["circle"])
        aim = await aim_from(app, view, form, answer=form["reply"])
    return site.show(
        "attach.html",
        circle=view,
        aim=aim,
        all_notes=CONTENT_NOTES,
        notes_given=chosen_notes(form),
        taken=",".join(TAKEN),
        most=RECORDED_MOST,
    )


async def attach(site: Site, request: Request, form: Form) -> Response:
    """Clean, seal and announce a file, and tell how it goes."""
    if request.headers.get("content-type") != FILE_TYPE:
        return await attach_form(site, request, form)
    wanted = request.path_params["circle"]
    given, content = await _read_with_file(request)

    async def work(app: AppInterface, report: Report) -> str:
        if not content:
            raise Refused("attachment_unknown")
        await app.files.attach_content(
            wanted,
            content,
            about=given["about"],
            notes=chosen_notes(given),
            report=report,
            to_facilitators=require_audience(given),
            reply=given["reply"] or None,
        )
        return site.fill("then.html", address=f"/circle/{wanted}")

    return Doing(site, work)


async def fetch(site: Site, request: Request, _form: Form) -> Response:
    """Fetch a file from whoever has it, and tell how it goes."""
    wanted, which = request.path_params["circle"], request.path_params["message"]

    async def work(app: AppInterface, report: Report) -> str:
        await app.files.fetch(wanted, which, report=report)
        return site.fill("file_again.html", entry=await app.entry(wanted, which))

    return Doing(site, work, is_ours=False)


async def content(site: Site, request: Request, _form: Form) -> Response:
    """Give the bytes of a file that is here: as one of the media we know, whatever they are."""
    wanted, which = request.path_params["circle"], request.path_params["message"]
    async with site.house.visit() as app:
        entry = await app.entry(wanted, which)
        if entry.attachment is None:
            raise Refused("no_attachment")
        found = await app.files.content(wanted, which)
    headers = {"content-security-policy": FILE_POLICY, "content-disposition": "attachment"}
    return Response(found, headers=headers, media_type=entry.attachment.media_type)


async def drop(site: Site, request: Request, form: Form) -> Response:
    """Give the room back that a file takes here."""
    async with site.house.visit() as app:
        await app.files.drop(request.path_params["circle"], request.path_params["message"])
    return await message(site, request, form)


async def _read_with_file(request: Request) -> tuple[Fields, bytes]:
    """Read a form in one line and the bytes of a file after it; nothing touches the disk.

    Raises:
        Refused: attachment_too_large; internal for what our page does not send.
    """
    received = bytearray()
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            received += piece
            if len(received) > MAX_FORM + MAX_FILE_SIZE:
                raise Refused("attachment_too_large", limit=MAX_FILE_SIZE // (1024 * 1024))
    line, _, content = received.partition(b"\n")
    if len(content) > MAX_FILE_SIZE:
        raise Refused("attachment_too_large", limit=MAX_FILE_SIZE // (1024 * 1024))
    try:
        pairs = parse_qsl(line.decode(), max_num_fields=MAX_FIELDS, errors="replace")
    except ValueError:  # not of our page
        raise Refused("internal") from None
    return Fields(pairs), bytes(content)


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/attach", attach_form),
    ("POST", "/circle/{circle}/attach", attach),
    ("POST", "/circle/{circle}/fetch/{message}", fetch),
    ("GET", "/circle/{circle}/attached/{message}", content),
    ("POST", "/circle/{circle}/drop/{message}", drop),
)
