"""Tells from the name of a variable, a field, an option or a header whether its value is a credential. Pure."""

import re
from functools import lru_cache

_LONGEST_NAME = 256
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# Parts of a name, without separators, wherever they appear in it.
_PARTS = re.compile(
    r"passw|passphrase|pwd|secret|(?<!ized)token|api?key|accesskey|accountkey|privatekey|sharedkey|masterkey|"
    r"(sign|signing|encrypt|encryption|license|subscription|service|storage|host|function)key|credential|"
    r"authorization|cookie|connectionstring|connstr|webhook|bearer|signature|sentrydsn"
)
# Words of a name.
_CREDENTIAL_WORDS_TEXT = "auth key keys pw pass passwd pat sk sig sas psk jwt otp creds cred dsn apikey apikeys"
_CREDENTIAL_WORDS = frozenset(_CREDENTIAL_WORDS_TEXT.split())
# Words that end a name and say that the value only describes or refers to a credential.
_DESCRIPTIONS_TEXT = (
    "file files path paths ref refs name names count audience audiences hash missing volume policy type "
    "kind mode expiry expiration ttl seconds ready enabled valid version limit limits budget usage age "
    "size bytes length issuer provider rotated rotation from source store namespace projection interval "
    "status changed check checks"
)
_DESCRIPTIONS = frozenset(_DESCRIPTIONS_TEXT.split())
# Words beside `tokens` in names of quantities.
_QUANTITIES_TEXT = (
    "max min prompt completion total input output cached reasoning per used usage count limit budget new "
    "rate day month hour minute number num context window estimated remaining"
)
_QUANTITIES = frozenset(_QUANTITIES_TEXT.split())
_KEYS_WITHOUT_SECRET = re.compile(
    r"(topology|public|primary|partition|sort|foreign|cache|hot|label|labels|idempotency|group|routing|object|row|config)keys?$"
    r"|monkeys?$|turkeys?$"
)


@lru_cache(maxsize=4_096)
def is_credential(name: str) -> bool:
    """Return whether the value behind a name is a credential, such as `DB_PASSWORD_RO` or `openaiKeys`."""
    words = [word.lower() for word in _WORDS.findall(name[:_LONGEST_NAME])]
    joined = "".join(words)
    if not words or joined in ("key", "keys") or is_quantity(name):
        return False
    if words[-1] in _DESCRIPTIONS or joined.endswith(("tokenurl", "tokenendpoint", "tokenuri")):
        return False
    if _KEYS_WITHOUT_SECRET.search(joined):
        return False
    return (
        _PARTS.search(joined) is not None
        or joined.endswith(("key", "keys", "pass", "auth"))
        or not _CREDENTIAL_WORDS.isdisjoint(words)
    )


@lru_cache(maxsize=4_096)
def is_quantity(name: str) -> bool:
    """Return whether a name is that of a number of tokens, such as `max_tokens`."""
    words = [word.lower() for word in _WORDS.findall(name[:_LONGEST_NAME])]
    return ("tokens" in words or "token" in words) and not _QUANTITIES.isdisjoint(words)
