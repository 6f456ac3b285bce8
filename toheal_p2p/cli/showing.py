"""What came back, as lines for a person.

Every string of somebody else goes through the catalogue's isolation; texts of several lines are
indented, so that no message can pass for two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from toheal_p2p.cli.local_client import Item
from toheal_p2p.cli.showing_acts import entry_act_lines, short
from toheal_p2p.cli.terminal import clock_time
from toheal_p2p.locale import Words
from toheal_p2p.locale.shown import FIRST_STRONG_ISOLATE, POP_ISOLATE, Own, plain_lines


def circle_line(words: Words, circle: Item) -> str:
    """Return one circle."""
    line = words.text(
        "line.circle",
        id=short(circle["id"]),
        name=circle["name"],
        my_name=circle["my_name"],
        state=words.word("circle_state", circle["state"]),
        members=words.count("count.members", circle["members"]),
    )
    if circle["muted_until"] is not None:
        until = clock_time(circle["muted_until"], words)
        line = Own(f"{line}\n    {words.text('line.me_muted', until=until)}")
    return line if circle["charter_accepted"] else f"{line}\n    {words.text('line.charter_asks')}"


def member_line(words: Words, member: Item) -> str:
    """Return one member."""
    parts = [words.word("role", member["role"])]
    if member["is_me"]:
        parts.append(words.text("line.me"))
    if member["fork_seen"]:
        parts.append(words.text("line.fork_seen"))
    if member["stories_differ"]:
        parts.append(words.text("line.stories_differ"))
    if member["hidden"]:
        parts.append(words.text("line.hidden"))
    if member["muted_until"] is not None:
        parts.append(words.text("line.muted", until=clock_time(member["muted_until"], words)))
    if member["term_until"] is not None:
        key = "line.term_over" if member["term_over"] else "line.term"
        parts.append(words.text(key, until=clock_time(member["term_until"], words)))
    if not member["charter_accepted"]:
        parts.append(words.text("line.charter_not_accepted"))
    about = Own(words.text("line.comma").join(parts))
    return words.text("line.member", id=short(member["id"]), name=member["name"], about=about)


def invitation_line(words: Words, invitation: Item) -> str:
    """Return one offered seat, without its link, or one spoken code."""
    until = clock_time(invitation["expires_at"], words)
    if "code" in invitation:
        return words.text(
            "line.spoken",
            id=short(invitation["id"]),
            code=invitation["code"],
            until=until,
            state=words.word("spoken_state", invitation["state"]),
            tries=invitation["tries_left"],
        )
    if "used_by" in invitation:
        return _seat_line(words, invitation, until)
    return words.text("line.invitation", id=short(invitation["id"]), until=until)


def _seat_line(words: Words, seat: Item, until: str) -> str:
    state = words.word("seat_state", seat["state"])
    lines = [words.text("line.seat", state=state, until=until, id=short(seat["id"]))]
    if seat["used_by"] is not None:
        lines.append(Own("    " + words.text("line.seat_used_by", name=seat["used_by"])))
    for name in seat["at_door"]:
        lines.append(Own("    " + words.text("line.seat_at_door", name=name)))
    return "\n".join(lines)


def notice_line(words: Words, notice: Item) -> str:
    """Return one notice, and its link as long as it leads somewhere."""
    line = words.text(
        "line.notice",
        topic=notice["topic"],
        state=words.word("seat_state", notice["state"]),
        until=clock_time(notice["expires_at"], words),
        waiting=notice["waiting"],
        came=notice["came"],
        id=short(notice["id"]),
    )
    return f"{line}\n    {notice['link']}" if notice["link"] else line


def door_line(words: Words, said: Item) -> str:
    """Return a few words at the door, indented."""
    at = clock_time(said["at"], words)
    lines = [words.text("line.door", name=said["name"], at=at)]
    for line in plain_lines(said["text"]):
        lines.append(Own(f"    {FIRST_STRONG_ISOLATE}{line}{POP_ISOLATE}"))
    return "\n".join(lines)


def talk_line(words: Words, talk: Item) -> str:
    """Return one conversation of two, and how to go on."""
    state = words.word("talk_state", talk["state"])
    if talk["state"] == "introducing":
        return words.text(
            "line.talk_introducing", one=talk["partner_name"], two=talk["other_name"], state=state
        )
    lines = [words.text("line.talk", name=talk["partner_name"], state=state)]
    if talk["introducer_name"] is not None:
        lines.append(Own("    " + words.text("line.talk_by", name=talk["introducer_name"])))
    if talk["circle"] is not None:
        lines.append(Own("    " + words.text("line.talk_circle", id=short(talk["circle"]))))
    return "\n".join(lines)


def waiting_line(words: Words, person: Item) -> str:
    """Return one person at the door."""
    since = clock_time(person["since"], words)
    line = words.text("line.waiting", id=short(person["id"]), name=person["name"], since=since)
    if person["notice"] is None:
        return line
    return f"{line}\n    {words.text('line.waiting_notice', topic=person['notice'])}"


def relay_line(words: Words, relay: Item) -> str:
    """Return one relay, and what is wrong with it."""
    state = words.word("relay_state", relay["state"])
    line = words.text("line.relay", address=relay["address"], state=state)
    if relay["reason"] is None:
        return line
    reason = words.text(f"refused.{relay['reason']}", address=relay["address"])
    if relay["again_in"] is None:
        return f"{line}\n    {reason}"
    again = words.text("line.again_in", seconds=relay["again_in"])
    return f"{line}\n    {reason}\n    {again}"


def circle_relay_line(words: Words, relay: Item) -> str:
    """Return one relay of a circle: what it is for, who reads there, and what is wrong with it."""
    use: str = words.word("relay_use", relay["use"])
    if relay["state"] is not None:
        use += words.text("line.comma") + words.word("relay_state", relay["state"])
    lines: list[str] = [words.text("line.relay", address=relay["address"], state=Own(use))]
    if relay["readers"]:
        names = words.text("line.comma").join(relay["readers"])
        lines.append("    " + words.text("line.relay_readers", names=names))
    if relay["reason"] is not None:
        reason = words.text(f"refused.{relay['reason']}", address=relay["address"])
        lines.append("    " + reason)
    return "\n".join(lines)


def entry_lines(words: Words, entry: Item) -> Iterator[str]:
    """Give one entry: a line with its author and notes, then the text, indented."""
    at, author = clock_time(entry["sent_at"], words), entry["author_name"]
    if entry["kind"] in ("joined", "left"):
        yield words.text(f"entry.{entry['kind']}", at=at, name=entry["text"])
        return
    if entry["kind"] in ("act", "second") and entry["act"] is not None:
        yield from entry_act_lines(words, entry, at=at)
        return
    if entry["kind"] == "gap":
        yield words.text("entry.gap", at=at, name=author, number=entry["text"])
        return
    if entry["kind"] in _ABOUT_MESSAGES:
        about = entry["id"] if entry["kind"] == "retracted" else entry["reply_to"]
        yield words.text(f"entry.{entry['kind']}", at=at, name=author, id=short(about))
        yield from text_lines(entry["text"])
        return
    kind = entry["kind"] if entry["kind"] in _IN_A_LINE else "unknown"
    yield words.text(f"entry.{kind}", at=at, name=author, id=short(entry["id"]))
    if kind in ("text", "request", "attachment"):
        yield from _message_lines(words, entry)


_ABOUT_MESSAGES: Final = ("edit", "retraction", "not_theirs", "retracted")

_IN_A_LINE: Final = ("text", "request", "attachment", "crossed", "hidden")


def _message_lines(words: Words, entry: Item) -> Iterator[str]:
    """Give what is said in a message, after what it answers and what its author put on it."""
    if entry["attachment"] is not None:
        yield "    " + attachment_line(words, entry["attachment"])
    if entry["reply_to"] is not None:
        yield "    " + _quote_line(words, entry)
    if entry["edited"]:
        yield "    " + words.text("line.edited")
    if entry["audience"] == "facilitators":
        yield "    " + words.text("line.to_facilitators")
    if entry["notes"]:
        names = [words.word("content_note", note) for note in entry["notes"]]
        notes = Own(words.text("line.comma").join(names))
        yield "    " + words.text("line.notes", notes=notes)
    if entry["attachment"] is not None and not entry["text"]:
        yield "    " + words.text("line.no_description")
    yield from text_lines(entry["text"])
    if entry["passed_on_by"] is not None:
        yield "    " + words.text("line.passed_on", name=entry["passed_on_by"])


def attachment_line(words: Words, attachment: Item) -> str:
    """Return what a file is, how large, and how much of it is here."""
    is_picture = attachment["media_type"].startswith("image/")
    return words.text(
        "line.attachment_picture" if is_picture else "line.attachment_voice",
        size=words.text("line.kilobytes", number=-(-attachment["size"] // 1000)),
        state=words.text(f"attachment_state.{attachment['state']}", percent=attachment["percent"]),
    )


def text_lines(text: str) -> Iterator[str]:
    """Give the lines of somebody's text, indented; none for an empty one."""
    for line in plain_lines(text) if text else ():
        yield f"    {FIRST_STRONG_ISOLATE}{line}{POP_ISOLATE}"


def _quote_line(words: Words, entry: Item) -> str:
    """Return what an entry answers or is about, by its beginning where it is here."""
    quote = entry["quote"]
    if quote is None:
        return words.text("line.reply_missing", id=short(entry["reply_to"]))
    name, text = quote["author_name"], quote["text"]
    return words.text("line.reply", id=short(entry["reply_to"]), name=name, text=text)


def retraction_lines(words: Words, retraction: Item) -> Iterator[str]:
    """Give what it means that a message was taken back."""
    yield words.text("retract.done", id=short(retraction["id"]))
    if retraction["delivered"]:
        yield words.text("retract.delivered", number=retraction["delivered"])
    if retraction["on_its_way"]:
        yield words.text("retract.on_its_way", number=retraction["on_its_way"])
    yield words.text("retract.limits")


def delivery_line(words: Words, delivery: Item) -> str:
    """Return where one message is, for one member."""
    state = words.word("delivery", delivery["state"])
    return words.text(
        "line.delivery", id=short(delivery["id"]), name=delivery["member_name"], state=state
    )


def link_line(words: Words, link: Item) -> str:
    """Return how one member is reached."""
    way = words.word("link", link["link"])
    line = words.text("line.link", name=link["member_name"], link=way)
    if link["round_trip_ms"] is not None:
        line = Own(line + words.text("line.round_trip", milliseconds=round(link["round_trip_ms"])))
    if link["trying"] is None:
        return line
    tried = words.text(f"progress.{link['trying']}", **link["trying_facts"])
    return f"{line}\n    {tried}"


def setting_line(words: Words, setting: Item) -> str:
    """Return one setting, and what it means."""
    meaning = words.word("setting", setting["name"])
    line = words.text("line.setting", name=setting["name"], value=setting["value"])
    choices = Own(", ".join(setting["choices"]))
    offered = words.text("line.setting_choices", choices=choices) if choices else Own("")
    return f"{line}\n    {meaning}{offered}"


def meeting_line(words: Words, meeting: Item) -> str:
    """Return how meeting one circle on the local network goes; more lines where it is open."""
    state = words.word("meeting_state", meeting["state"])
    line = words.text("line.meeting", name=meeting["circle_name"], state=state)
    if not meeting["until"]:
        return line
    lines = [line + words.text("line.meeting_until", until=clock_time(meeting["until"], words))]
    if meeting["networks"]:
        networks = words.text("line.comma").join(meeting["networks"])
        lines.append("    " + words.text("line.meeting_networks", networks=networks))
    if meeting["met"]:
        names = words.text("line.comma").join(meeting["met"])
        lines.append("    " + words.text("line.meeting_met", names=names))
    if meeting["room_until"]:
        until = clock_time(meeting["room_until"], words)
        lines.append("    " + words.text("line.meeting_room", until=until))
    return "\n".join(lines)


def check_line(words: Words, check: Item) -> str:
    """Return one finding."""
    key = "line.check_well" if check["ok"] else "line.check_care"
    return words.text(key, finding=words.text(f"check.{check['code']}", **check["facts"]))
