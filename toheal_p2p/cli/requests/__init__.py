"""What can be asked over the local channel: one class per command, checked on the way in.

Bytes become a request or `MalformedRequest`; a request carries itself out on the application and
gives what comes back, value by value.

Docs: docs/command-line.md, section 7.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from toheal_p2p.cli.local_wire import VERSION
from toheal_p2p.cli.requests import (
    bundle,
    circles,
    doors,
    files,
    governance,
    keeping,
    meeting,
    notices,
    paths,
    profile,
    relays,
    rules,
    settings,
    sharing,
    spoken,
    talk,
    talks,
)
from toheal_p2p.cli.requests.base import Give, Request
from toheal_protocol.errors import MalformedFrame

__all__ = ["REQUESTS", "Give", "MalformedRequest", "OtherVersion", "Request", "parse_request"]


class MalformedRequest(MalformedFrame):
    """The line is not a request."""


class OtherVersion(MalformedFrame):
    """The line is a request of another version of the program."""


REQUESTS: Final[dict[str, type[Request]]] = {
    "circle_create": circles.CircleCreate,
    "circle_list": circles.CircleList,
    "circle_members": circles.CircleMembers,
    "circle_disappear": circles.CircleDisappear,
    "circle_leave": circles.CircleLeave,
    "circle_seen": circles.CircleSeen,
    "circle_relays": circles.CircleRelays,
    "circle_relay": circles.CircleRelay,
    "circle_acts": governance.CircleActs,
    "circle_remove": governance.CircleRemove,
    "circle_role": governance.CircleRole,
    "circle_second": governance.CircleSecond,
    "circle_term": governance.CircleTerm,
    "circle_mute": governance.CircleMute,
    "circle_unmute": governance.CircleUnmute,
    "hide": talk.Hide,
    "circle_readmit": governance.CircleReadmit,
    "circle_charter": rules.CircleCharter,
    "circle_charter_set": rules.CircleCharterSet,
    "circle_accept": rules.CircleAccept,
    "circle_policy": rules.CirclePolicy,
    "circle_policy_set": rules.CirclePolicySet,
    "backup": keeping.Backup,
    "bundle_export": bundle.BundleExport,
    "bundle_import": bundle.BundleImport,
    "invite": doors.Invite,
    "invitations": doors.Invitations,
    "seats": doors.Seats,
    "withdraw": doors.Withdraw,
    "look_at_invitation": doors.LookAtInvitation,
    "join": doors.Join,
    "waiting": doors.Waiting,
    "admit": doors.Admit,
    "decline": doors.Decline,
    "invite_spoken": spoken.InviteSpoken,
    "spoken_codes": spoken.SpokenCodes,
    "follow_spoken": spoken.FollowSpoken,
    "look_up_spoken": spoken.LookUpSpoken,
    "relay_add": relays.RelayAdd,
    "relay_list": relays.RelayList,
    "relay_remove": relays.RelayRemove,
    "say": talk.Say,
    "request": talk.AskFacilitators,
    "edit": talk.Edit,
    "retract": talk.Retract,
    "read": talk.Read,
    "attach": files.Attach,
    "fetch": files.Fetch,
    "fetched_file": files.FetchedFile,
    "drop_file": files.DropFile,
    "deliveries": talk.Deliveries,
    "share_ask": sharing.ShareAsk,
    "share_list": sharing.ShareList,
    "share_answer": sharing.ShareAnswer,
    "share_withdraw": sharing.ShareWithdraw,
    "share_export": sharing.ShareExport,
    "links": paths.Links,
    "direct": paths.Direct,
    "safety_words": talk.SafetyWords,
    "search": talk.Search,
    "notice_open": notices.NoticeOpen,
    "notices": notices.Notices,
    "notice_close": notices.NoticeClose,
    "door": notices.Door,
    "door_say": notices.DoorSay,
    "talks": talks.Talks,
    "talk_ask": talks.TalkAsk,
    "talk_introduce": talks.TalkIntroduce,
    "talk_accept": talks.TalkAccept,
    "talk_decline": talks.TalkDecline,
    "meet": meeting.Meet,
    "meet_off": meeting.MeetOff,
    "meetings": meeting.Meetings,
    "settings_list": settings.SettingsList,
    "settings_get": settings.SettingsGet,
    "settings_set": settings.SettingsSet,
    "doctor": profile.Doctor,
    "lock": profile.Lock,
    "wipe": profile.Wipe,
}
"""The name on the wire of each request."""


class _Head(msgspec.Struct, frozen=True):
    v: int
    command: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")


_head_decoder: Final = msgspec.json.Decoder(_Head)
_decoders: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(request) for name, request in REQUESTS.items()
}


def parse_request(line: bytes) -> Request:
    """Read one line.

    Raises:
        MalformedRequest: not a request.
        OtherVersion: not of this version, or a command this version does not have.
    """
    try:
        head = _head_decoder.decode(line)
        if head.v != VERSION or head.command not in _decoders:
            raise OtherVersion("a request of another version")
        request: Request = _decoders[head.command].decode(head.args)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise MalformedRequest("not a request") from None
    return request
