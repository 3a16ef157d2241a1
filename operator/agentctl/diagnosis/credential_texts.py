r"""Removes what looks like a credential from texts. Pure.

Every pattern takes linear time: a repetition is bounded, or begins only where no other match of it can begin.
"""

import re
from collections.abc import Iterator

from agentctl.diagnosis.credential_names import is_credential

REDACTED = "(redacted)"
_LONGEST_KEY = 32_768
_LONGEST_INDENTATION = 72
_KEY_MARKER = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")

# A word that contains a URL. What stands before its last @ is a login, unless it is a path; digests follow an @, too.
_URL = re.compile(r"://([^\s\"'`<>]+)")
_DIGEST = re.compile(r"@sha(256|512):")
# A login without a scheme, as in `user:password@tcp(host)/db`.
_BARE_LOGIN = r"(?<![\w.+:@/-])([\w.+-]{1,64}:)[^\s@/\"'`<>:]{4,128}(?=@(?!sha(?:256|512):)[\w(\[])"
_JSON_WEB_TOKEN = r"(?<![\w-])eyJ[\w-]{8,16384}\.[\w-]{4,16384}(\.[\w-]{0,16384})?"  # noqa: S105  (a pattern)
_AUTHORIZATION = (
    r"(?i)\b(bearer|basic|digest|negotiate|apikey)(\s{1,8})"
    r"(?!(?:auth\w{0,20}|tokens?|credentials?|realm|error|scheme)\b)[\w.~+/=-]{8,16384}"
)
# Well-known beginnings: OpenAI and Anthropic, Stripe, GitHub, GitLab, Slack, AWS, Google, Hugging Face, and others.
_PREFIXED = (
    r"(?<![A-Za-z0-9])([sr]k[-_][\w-]{8,512}|gh[pousr]_\w{16,512}|github_pat_\w{16,512}|gl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent|oas)-[\w-]{16,256}"
    r"|xox[abceprs]-[\w-]{8,512}|xapp-[\w-]{8,512}|A(?:KIA|SIA)[A-Z0-9]{16}|AIza[\w-]{30,64}|ya29\.[\w-]{16,2048}"
    r"|hf_\w{16,256}|gsk_\w{16,256}|glsa_\w{16,256}|npm_\w{16,256}|dckr_pat_[\w-]{8,256}|hv[sb]\.[\w-]{8,512}"
    r"|pypi-[\w-]{16,512}|SG\.[\w.-]{16,256}|xai-\w{16,256}|nvapi-[\w-]{16,256}|shpat_\w{16,64}|tskey-[\w-]{8,256}"
    r"|AGE-SECRET-KEY-\w{16,128}|(?:pcsk|lsv2|phc|r8|dop_v1|whsec|sntrys)_\w{16,512})"
)
# Addresses that contain the right to post.
_WEBHOOK = (
    r"(?i)((?:hooks\.slack\.com|hooks\.zapier\.com|discord(?:app)?\.com/api|[\w-]{1,63}\.webhook\.office\.com"
    r"|api\.telegram\.org|chat\.googleapis\.com|/webhooks?b?2?|/hooks)/)[^\s\"'<>`]{8,2048}"
)
_QUERY = r"(?i)([?&;](?:code|sig|signature|key|auth|sas|pw|pass|state|client_assertion)=)[^\s\"'&;<>`]{1,4096}"
# Options of curl and others: `-u user:password`; `-p` of mysql, `-a` of redis-cli.
_USER_OPTION = r"((?<!\S)(?:-u|-U|--user|--proxy-user|--login)[ =]?[\"']?[^\s:\"'=]{0,256}:)[^\s\"']{1,4096}"
_LOGIN_PROGRAM = r"((?<![\w-])(?:redis-cli|sshpass|valkey-cli)[^\n;|&]{0,256}?\s-[ap])[ =]?(?![ =])[^\s\"';]{1,4096}"
_SHORT_OPTION = (
    r"((?<!\S)[\"']?-p)(?!(?:[a-z]{1,12}[-=\s\"']|[a-z]{1,12}$|\d{1,5}(?:[:/\s\"']|$)))[^\s\"';=:-][^\s\"';]{3,512}"
)
_MYSQL = r"((?<![\w-])(?:mysql|mariadb)\w{0,10}[^\n;|&]{0,256}?\s-p)(?=\S)[^\s\"';]{1,512}"
# Keys of Azure OpenAI, and of others: 32 or 64 hexadecimal digits. Digests of images follow a colon.
_HEXADECIMAL = r"(?<![0-9A-Za-z:_/.-])(?:[0-9a-f]{64}|[0-9a-f]{32}|[0-9A-F]{64}|[0-9A-F]{32})(?![0-9A-Za-z])"
_MIXED = r"(?<![\w+/=.-])(?=[\w+/=]{0,512}[A-Z])(?=[\w+/=]{0,512}[a-z])(?=[\w+/=]{0,512}[0-9])[\w+/=]{40,}"
_URL_SAFE = r"(?<![\w+/=.-])(?=[\w-]{0,512}[A-Z])(?=[\w-]{0,512}[a-z])(?=[\w-]{0,512}[0-9])[\w-]{40,}(?![.\w-])"
_SPOKEN = re.compile(
    r"(?i)\b((?:pass(?:word|phrase)|pwd|api[ -]?key)\s(?:(?:is|was)\s)?|(?:token|secret)\s(?:is|was)\s)"
    r"(?=[^\s]{0,64}[0-9])[^\s\"'`]{6,512}"
)
_PATTERNS = (
    (re.compile(_BARE_LOGIN), rf"\1{REDACTED}"),
    (re.compile(_WEBHOOK), rf"\1{REDACTED}"),
    (re.compile(_JSON_WEB_TOKEN), REDACTED),
    (re.compile(_AUTHORIZATION), rf"\1\2{REDACTED}"),
    (re.compile(_PREFIXED), REDACTED),
    (re.compile(_QUERY), rf"\1{REDACTED}"),
    (re.compile(_USER_OPTION), rf"\1{REDACTED}"),
    (re.compile(_LOGIN_PROGRAM), rf"\1 {REDACTED}"),
    (re.compile(_MYSQL), rf"\1{REDACTED}"),
    (re.compile(_SHORT_OPTION), rf"\1{REDACTED}"),
    (re.compile(_HEXADECIMAL), REDACTED),
    (re.compile(_MIXED), REDACTED),
    (re.compile(_URL_SAFE), REDACTED),
)
# `name=`, `"name": `, `--name value`, `<name>`, `name%3D`, and `name: NAME, value: ` of a variable.
_NAME = re.compile(
    r"(?<![\w.-])(?P<dashes>--?)?(?P<name>[A-Za-z_][\w.-]{0,127})"
    r"(?:(?:\\{0,8}[\"'])?\s{0,4}(?P<sign>:=|=>|==?|:(?!//)|%3[ADad])[ \t]{0,64}"
    r"|(?P<space>[ \t]{1,8})(?=\S)|>(?=[^\s<]))"
)
_VARIABLE = re.compile(
    r"\\{0,8}[\"']?\s{0,4},?\s{0,16}\\{0,8}[\"']?value\\{0,8}[\"']?\s{0,4}[:=][ \t]{0,8}", re.IGNORECASE
)
_VARIABLE_NAME = re.compile(r"\\{0,8}[\"']?([A-Za-z_][\w.-]{0,127})")
_QUOTED = re.compile(r"(?P<q>\"{3}|'{3}|\\{0,8}[\"'])(?P<inside>.{0,8192}?(?<!\\)(?=(?P=q))|[^\n]{0,8192})")
_BARE = re.compile(r"(?:[^\s\"';&<>\\]|[\"'](?=[\w!@#$%^*])|\\(?![nrt\"'])){1,8192}")
_LIST = re.compile(r"\[(?!\s{0,16}\{)[^\]]{0,4096}\]?")
_HEADER = re.compile(r"[^\n\"'\\]{1,8192}")
_REST = re.compile(r"[^\n]{1,8192}")
_BLOCK = re.compile(r"[|>][+-]?[0-9]?[ \t]{0,8}\n")
_LINE_START = re.compile(r"[ \t]{0,63}(?:- |export )?")
_EMPTY = re.compile(r"(?i)(?:(?:true|false|null|none|nil|\{\}?|\(redacted\))(?=[\s,;}\])\"']|$))|(?=\s|$|\{)")
# In the commands of remedies.
_PLACEHOLDER = re.compile(r"[\"']?VALUE(?!\w)")
_NUMBER = re.compile(r"[0-9][0-9.,]{0,15}(?![\w])")
_WORDS_OF_SENTENCES = frozenset({"secret", "secrets", "credential", "credentials", "auth"})
_COUNTED = ("tokens", "keys", "secrets", "credentials", "cookies", "auth", "pass")
_HEADERS = ("authorization", "cookie")


def without_credentials(text: str, *, is_sentence: bool) -> str:
    """Return a text without credentials.

    Args:
        text: of any kind, such as a log.
        is_sentence: keep plain words after a colon, as in `no token: sign in`.
    """
    text = "".join(_outside(text, _private_keys(text)))
    text = _URL.sub(_without_login, text)
    text = "".join(_outside(text, _assigned(text, is_sentence)))
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _SPOKEN.sub(rf"\1{REDACTED}", text)


def _outside(text: str, ranges: Iterator[tuple[int, int]]) -> Iterator[str]:
    """Yield the text with each range redacted."""
    at = 0
    for start, end in ranges:
        yield text[at:start]
        yield REDACTED
        at = end
    yield text[at:]


def _private_keys(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of private keys, in one pass. A log may begin or end within a key."""
    begin, is_first = -1, True
    for marker in _KEY_MARKER.finditer(text):
        is_end = marker[1] == "END"
        if begin >= 0 and (is_end or marker.start() - begin > _LONGEST_KEY):
            yield begin, min(marker.end() if is_end else marker.start(), begin + _LONGEST_KEY)
            begin = -1
        elif is_end and is_first:
            yield max(0, marker.start() - _LONGEST_KEY), marker.end()
        if not is_end and begin < 0:
            begin = marker.start()
        is_first = False
    if begin >= 0:
        yield begin, min(len(text), begin + _LONGEST_KEY)


def _without_login(url: re.Match[str]) -> str:
    word = _DIGEST.sub(lambda it: it[0].replace("@", "\0"), url[1])
    login, found, host = word.rpartition("@")
    if not found or ("/" in login and ":" not in login):
        return url[0]
    return f"://{REDACTED}@{host}".replace("\0", "@")


def _assigned(text: str, is_sentence: bool) -> Iterator[tuple[int, int]]:
    """Yield the ranges of values whose names say that they are credentials."""
    at = 0
    for found in _NAME.finditer(text):
        if found.start() < at:
            continue
        name, start = _named_value(text, found)
        if (
            not is_credential(name)
            or _EMPTY.match(text, start)
            or _PLACEHOLDER.match(text, start)
            or _is_count(name, text, start)
        ):
            continue
        first, end = _value(text, start, found, name, is_sentence)
        if end > first:
            yield first, end
            at = end


def _is_count(name: str, text: str, start: int) -> bool:
    return name.lower().endswith(_COUNTED) and _NUMBER.match(text, start) is not None


def _named_value(text: str, found: re.Match[str]) -> tuple[str, int]:
    """Return the name of a value, and where the value begins."""
    name = found["name"]
    if found["space"]:  # an option and its value
        is_option = found["dashes"] and not text.startswith("--", found.end())
        return (name, found.end()) if is_option else ("", 0)
    if not found["sign"]:
        return (name, found.end()) if text[found.start() - 1 : found.start()] == "<" else ("", 0)
    if name.lower() == "name" and (variable := _VARIABLE_NAME.match(text, found.end())):
        value = _VARIABLE.match(text, variable.end())
        return (variable[1], value.end()) if value else ("", 0)
    return name, found.end()


def _value(text: str, start: int, found: re.Match[str], name: str, is_sentence: bool) -> tuple[int, int]:
    """Return the range of a value, which is empty if it is no credential."""
    lower = name.lower()
    if quoted := _QUOTED.match(text, start):
        return quoted.span("inside")
    if lower.endswith(_HEADERS) and found["sign"]:
        header = _HEADER.match(text, start)
        return header.span() if header else (start, start)
    if several := _LIST.match(text, start):
        return (start, start) if is_sentence else several.span()
    if not is_sentence and found["sign"] and _is_at_line_start(text, found.start()):
        return start, _end_of_lines(text, start, found.start())
    bare = _BARE.match(text, start)
    is_found = bare and (not is_sentence or _is_no_word(bare[0], lower, found))
    return bare.span() if bare and is_found else (start, start)


def _is_no_word(value: str, name: str, found: re.Match[str]) -> bool:
    """Return whether a value in a sentence is a credential: what follows a colon or an option may be a word."""
    if found["sign"] not in (":", None):
        return True
    return name not in _WORDS_OF_SENTENCES and any(map(str.isdigit, value))


def _is_at_line_start(text: str, at: int) -> bool:
    line = text.rfind("\n", max(0, at - _LONGEST_INDENTATION), at) + 1
    return (line > 0 or at <= _LONGEST_INDENTATION) and _LINE_START.fullmatch(text, line, at) is not None


def _end_of_lines(text: str, start: int, name: int) -> int:
    """Return the end of the line, or of the YAML block that begins there: its lines are further to the right."""
    block = _BLOCK.match(text, start)
    if block is None:
        rest = _REST.match(text, start)
        return rest.end() if rest else start
    indentation = name - (text.rfind("\n", max(0, name - _LONGEST_INDENTATION), name) + 1)
    lines = re.compile(rf"(?:[ \t]{{{indentation + 1},72}}[^\n]{{0,8192}}(?:\n|$)|[ \t]{{0,72}}\n)*")
    found = lines.match(text, block.end())
    return found.end() if found else block.end()
