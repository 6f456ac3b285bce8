"""What a circle lives by, for the doors: its charter and its policy, shown, changed and accepted.

Docs: docs/command-line.md, section 4; docs/protocol/circle.md, section 6.4.
"""

from __future__ import annotations

from toheal_p2p.app.act_view import ActView
from toheal_p2p.app.governance import now_in
from toheal_p2p.app.profile import require_charter
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.rules_interface import CharterView, PolicyView
from toheal_p2p.app.running import RunningCircle, require_active
from toheal_p2p.app.showing import act_view, name_of
from toheal_p2p.app.voices import Voices
from toheal_protocol.membership import Standing
from toheal_protocol.messages.acts import Acceptance, CharterChange, PolicyChange, charter_hash


class Rules(Voices):
    """What an application offers of this. It is part of `Application`, which has the circles."""

    async def circle_charter(self, circle: str) -> CharterView:
        """Return the charter in force, and who has said yes to it."""
        return _charter_view(self._find(circle))

    async def circle_charter_set(self, circle: str, text: str) -> ActView:
        """Sign that the circle is to have another charter."""
        running = require_active(self._find(circle))
        require_charter(text)
        if charter_hash(text) == now_in(running).charter_hash:
            raise Refused("charter_already")
        return await self._sign(running, CharterChange(charter_hash(text)), text)

    async def circle_accept(self, circle: str, charter: str) -> CharterView:
        """Say yes to a charter, if it is still the one in force."""
        running = require_active(self._find(circle))
        shown = _charter_view(running)
        if shown.id != charter:
            raise Refused("charter_changed_again")
        if not shown.text:
            raise Refused("charter_not_here")
        if not shown.mine:
            await self._sign(running, Acceptance(bytes.fromhex(shown.id)), "")
        return _charter_view(running)

    async def circle_policy(self, circle: str) -> PolicyView:
        """Return how members connect, and what is proposed."""
        running = require_active(self._find(circle))
        cold, now = running.service.circle.cold, now_in(running)
        waiting = [
            act_view(cold, one)
            for one in now.outcomes
            if isinstance(one.act, PolicyChange) and one.standing is Standing.WAITS
        ]
        return PolicyView(now.is_direct, tuple(waiting))

    async def circle_policy_set(self, circle: str, *, direct: bool) -> ActView:
        """Sign that members are to connect otherwise."""
        running = require_active(self._find(circle))
        if now_in(running).is_direct is direct:
            raise Refused("policy_already")
        return await self._sign(running, PolicyChange(direct), "")


def _charter_view(running: RunningCircle) -> CharterView:
    cold, now = running.service.circle.cold, now_in(running)
    ours = cold.persona.keys.member_id
    names = {member: name_of(cold, member) for member in (ours, *now.members)}
    return CharterView(
        id=now.charter_hash.hex(),
        text=cold.texts.get(now.charter_hash, ""),
        mine=ours in now.accepted,
        accepted=tuple(names[member] for member in now.members if member in now.accepted),
        open=tuple(names[member] for member in now.members if member not in now.accepted),
    )
