"""What the application can say no to, as codes.

A refusal is an ordinary answer: it carries a code and a few facts, never a sentence. The doors
(command line, later the page) look the sentence up in the person's language, under
`refused.<code>`, and every sentence names a way on.

Nothing heavy is imported here: the commands load this at every start.

Docs: docs/command-line.md, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

Fact = str | int
"""What a fact can be: what the person wrote, or a limit. Never content of others."""

RefusalCode = Literal[
    # the profile and its vault
    "no_profile",
    "profile_exists",
    "folder_taken",
    "passphrase_empty",
    "passphrase_needed",
    "passphrases_differ",
    "wrong_passphrase",
    "vault_damaged",
    "vault_put_back",
    "vault_newer",
    "not_enough_memory",
    "disk_full",
    "storage_failed",
    # the running process
    "not_running",
    "locked",
    "already_running",
    "connection_lost",
    "other_version",
    "busy",
    "not_supported_here",
    "port_in_use",
    "internal",
    # circles and who is in them
    "no_such_circle",
    "no_such_member",
    "no_such_message",
    "no_such_invitation",
    "nobody_waiting",
    "ambiguous_name",
    "not_admitted_yet",
    "left_circle",
    "declined_at_door",
    "removed_from_circle",
    "already_a_member",
    "circle_full",
    "not_a_facilitator",
    "no_facilitator",
    "listens_only",
    "muted",
    "not_muted",
    "mute_unfit",
    "mute_renewed",
    "mute_so_soon",
    "mute_of_listener",
    "not_a_term",
    "term_unfit",
    "words_enough",
    "reply_narrower",
    "not_your_message",
    "nothing_to_change",
    "disappear_unfit",
    "no_such_share",
    "share_own_words",
    "share_other_words",
    "share_author_gone",
    "share_too_many",
    "share_needs_consent",
    "no_such_act",
    # backups
    "backup_there",
    "backup_closed",
    "backup_unknown",
    "recovery_words_count",
    "recovery_word_unknown",
    "recovery_words_unfit",
    "recovery_words_unproven",
    "restored_heard_nobody",
    # bundles
    "bundle_not_yet",
    "bundle_unknown",
    "bundle_too_large",
    "act_not_ours",
    "act_on_oneself",
    "role_already",
    "policy_already",
    "charter_already",
    "charter_to_accept",
    "charter_changed_again",
    "charter_not_here",
    "talk_is_for_two",
    "talk_open_already",
    "talk_asked_enough",
    "no_such_talk",
    "no_such_notice",
    "notice_enough",
    "door_said_enough",
    # invitations
    "invitation_foreign",
    "invitation_malformed",
    "invitation_expired",
    "invitation_used",
    "invitation_withdrawn",
    "invitation_unreachable",
    "invitation_of_a_room",
    "charter_not_accepted",
    # spoken codes
    "spoken_code_malformed",
    "spoken_word_unknown",
    "spoken_word_unsure",
    "spoken_no_relay",
    "spoken_not_in_room",
    "room_closed",
    "room_no_network",
    "spoken_relays_silent",
    "spoken_code_not_found",
    "spoken_no_answer",
    "spoken_words_wrong",
    "spoken_code_burned",
    "spoken_code_expired",
    "spoken_code_withdrawn",
    "spoken_code_over",
    "spoken_no_number",
    # relays
    "no_relay",
    "no_such_relay",
    "too_many_relays",
    "last_relay",
    "relay_address_malformed",
    "relay_unreachable",
    "relay_wrong_fingerprint",
    "relay_full",
    "proxy_unreachable",
    "proxy_refused",
    # the local network
    "no_such_interface",
    "lan_off",
    # settings
    "no_such_setting",
    "setting_unfit",
    "proxy_malformed",
    # what the person wrote
    "name_empty",
    "name_too_long",
    "name_unusable",
    "text_empty",
    "text_too_long",
    "charter_empty",
    "charter_too_long",
    "not_confirmed",
    "cannot_read_file",
    "cannot_write_file",
    # attached files
    "attachment_unknown",
    "attachment_moving",
    "attachment_too_many_pixels",
    "attachment_too_large",
    "attachment_not_clean",
    "attachment_not_here",
    "attachment_damaged",
    "attachments_full",
    "attachments_busy",
    "no_attachment",
    # the clock
    "clock_doubtful",
]
"""Every refusal there is."""

CODES: Final[tuple[RefusalCode, ...]] = get_args(RefusalCode)
"""The same as a tuple, for those who have to go through all of them."""

FACTS: Final[Mapping[RefusalCode, tuple[str, ...]]] = {
    "no_such_circle": ("name",),
    "no_such_member": ("name",),
    "no_such_message": ("name",),
    "no_such_invitation": ("name",),
    "nobody_waiting": ("name",),
    "no_such_act": ("name",),
    "no_such_share": ("name",),
    "ambiguous_name": ("name",),
    "talk_open_already": ("name",),
    "talk_asked_enough": ("limit",),
    "no_such_talk": ("name",),
    "no_such_notice": ("name",),
    "notice_enough": ("limit",),
    "door_said_enough": ("limit",),
    "circle_full": ("limit",),
    "muted": ("hours",),
    "mute_unfit": ("limit",),
    "term_unfit": ("limit",),
    "words_enough": ("limit",),
    "backup_there": ("path",),
    "recovery_word_unknown": ("place",),
    "bundle_not_yet": ("name",),
    "bundle_too_large": ("limit",),
    "spoken_word_unknown": ("name",),
    "spoken_word_unsure": ("name", "suggestion"),
    "spoken_words_wrong": ("tries",),
    "no_such_relay": ("address",),
    "too_many_relays": ("limit",),
    "relay_address_malformed": ("address",),
    "relay_unreachable": ("address",),
    "relay_wrong_fingerprint": ("address",),
    "relay_full": ("address",),
    "proxy_unreachable": ("address",),
    "proxy_refused": ("address",),
    "no_such_interface": ("name",),
    "no_such_setting": ("name",),
    "setting_unfit": ("name", "choices"),
    "name_too_long": ("limit",),
    "text_too_long": ("limit",),
    "charter_too_long": ("limit",),
    "attachment_too_many_pixels": ("limit",),
    "attachment_too_large": ("limit",),
    "attachments_full": ("limit",),
    "attachments_busy": ("limit",),
    "cannot_read_file": ("path",),
    "cannot_write_file": ("path",),
}
"""The facts a code's sentence names; `name` is what the person typed. Codes not listed have none."""


class Refused(Exception):
    """It cannot be done, for a reason the person can be told.

    Args:
        code: one of `CODES`.
        facts: what `FACTS` lists for this code. A missing one shows as "…", so that a refusal
            never turns into a fault of its own.
    """

    def __init__(self, code: RefusalCode, /, **facts: Fact) -> None:
        super().__init__(code)
        self.code: Final = code
        self.facts: Final[Mapping[str, Fact]] = facts


def refusal_in(error: BaseException) -> Refused | None:
    """Return the refusal that was raised, perhaps wrapped by nurseries; None if it is a fault."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = [refusal_in(inner) for inner in error.exceptions]
        return found[0] if all(found) else None
    return None
