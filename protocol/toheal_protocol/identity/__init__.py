"""Who somebody is: personas, prekeys, cards, names, and the words that tell an impostor.

Spec: docs/protocol/identity.md.
"""

from toheal_protocol.identity.card import (
    CARD_SIZE,
    Card,
    card_body,
    decode_card,
    encode_card,
    make_card,
)
from toheal_protocol.identity.names import UnusableName, clean_name
from toheal_protocol.identity.persona import (
    PersonaKeys,
    PersonaSecrets,
    decode_persona,
    draw_persona,
    encode_persona,
)
from toheal_protocol.identity.prekey import (
    PREKEY_LIFE,
    PREKEY_TURNOVER,
    PrekeySecrets,
    decode_prekey,
    draw_prekey,
    encode_prekey,
)
from toheal_protocol.identity.recovery import (
    NoRecoveryWords,
    RecoverySecret,
    count_recovery_words,
    draw_recovery_secret,
    is_same_word,
    parse_recovery_words,
    recovery_words,
)
from toheal_protocol.identity.safety import safety_positions, safety_words
from toheal_protocol.identity.spoken_code import (
    NAMEPLATE_LENGTH,
    NoSpokenCode,
    SpokenCode,
    draw_nameplate,
    draw_positions,
    draw_spoken_code,
    parse_spoken_code,
)
from toheal_protocol.identity.spoken_words import WordNotFound, find_spoken_word, fold_spoken
from toheal_protocol.identity.words import Language, UnknownWord, find_word, fold_word

__all__ = [
    "CARD_SIZE",
    "NAMEPLATE_LENGTH",
    "PREKEY_LIFE",
    "PREKEY_TURNOVER",
    "Card",
    "Language",
    "NoRecoveryWords",
    "NoSpokenCode",
    "PersonaKeys",
    "PersonaSecrets",
    "PrekeySecrets",
    "RecoverySecret",
    "SpokenCode",
    "UnknownWord",
    "UnusableName",
    "WordNotFound",
    "card_body",
    "clean_name",
    "count_recovery_words",
    "decode_card",
    "decode_persona",
    "decode_prekey",
    "draw_nameplate",
    "draw_persona",
    "draw_positions",
    "draw_prekey",
    "draw_recovery_secret",
    "draw_spoken_code",
    "encode_card",
    "encode_persona",
    "encode_prekey",
    "find_spoken_word",
    "find_word",
    "fold_spoken",
    "fold_word",
    "is_same_word",
    "make_card",
    "parse_recovery_words",
    "parse_spoken_code",
    "recovery_words",
    "safety_positions",
    "safety_words",
]
