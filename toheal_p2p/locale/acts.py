"""What was done in a circle, as one sentence: the command line and the page say it alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toheal_p2p.locale import Words
from toheal_p2p.locale.shown import Own


def act_sentence(words: Words, act: Mapping[str, Any]) -> Own:
    """Return what was done, by whom, in one sentence."""
    author, kind = act["author_name"], act["kind"]
    match kind:
        case "remove" | "add":
            key = "act.remove" if kind == "remove" else "act.add"
            return Own(words.text(key, author=author, name=act["member_name"]))
        case "role":
            role = words.word("role", act["role"])
            return Own(words.text("act.role", author=author, name=act["member_name"], role=role))
        case "policy":
            key = "act.policy_direct" if act["direct"] else "act.policy_relayed"
            return Own(words.text(key, author=author))
        case "charter":
            return Own(words.text("act.charter", author=author))
        case "term":
            return Own(words.text("act.term", author=author, name=act["member_name"]))
        case "mute" | "unmute":
            key = "act.mute" if kind == "mute" else "act.unmute"
            return Own(words.text(key, author=author, name=act["member_name"]))
        case "leave":
            return Own(words.text("act.leave", author=author))
        case _:
            return Own(words.text("act.create", author=author))
