"""The keys that requests carry: each with its roles, plain or hashed, in a setting or in a file.

`python -m serving.keys read` makes a new one: the key for who asks, and the line that admits it, which holds
a hash. A key has 256 random bits, so one round of SHA-256 hides it as well as many would, and a wrong key
costs the endpoint nothing.
"""

import difflib
import hashlib
import hmac
import re
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from serving import telemetry
from serving.state.regular import read_regular

ROLES = ("read", "write", "operate")
LEAST = 8  # characters of a plain key
ENTRY = re.compile(r"(?:(?P<roles>[A-Za-z]+(?:\+[A-Za-z]+)*):)?(?P<key>.+)", re.DOTALL)
HASHED = re.compile(r"sha256:(?P<salt>[A-Za-z0-9]{8,64}):(?P<digest>[0-9a-f]{64})")
REMARK = re.compile(r"(?:^|\s)#")  # in a line of a file; a key may hold the sign
OTHER_HASH = re.compile(r"\$?(sha\d+|scrypt|bcrypt|argon2\w*|pbkdf2\S*|2[aby])[$:].+", re.IGNORECASE)

PLACEHOLDER = re.compile(
    r"\$\{.*\}|\$\(.*\)|\{\{.*\}\}|<.*>|(change|replace)[-_ ]?(me|this).*", re.IGNORECASE
)


@dataclass(frozen=True)
class Key:
    """One key: the SHA-256 of its salt and itself, and what it may."""

    roles: frozenset[str]
    salt: bytes
    digest: bytes

    def admits(self, given: bytes) -> bool:
        return hmac.compare_digest(hashlib.sha256(self.salt + given).digest(), self.digest)


class Keys:
    """All keys that are known now; those of the file are read again when it has changed.

    A file that is missing or cannot be understood changes nothing: the keys before it stay, and a log line
    and a metric say so. Only the first reading raises ValueError, which names the setting and the entry.
    """

    def __init__(self, setting: str = "", file: Path | None = None, poll_seconds: float = 1.0) -> None:
        self._listed = parse(setting.split(","), "NEXTPLAY_API_KEYS", needs_roles=False) if setting else []
        self._file, self._poll_seconds = file, poll_seconds
        self._look_at, self._seen, self._problem = 0.0, (0, 0, 0), ""
        self._filed: list[Key] = []
        if file is not None:
            self._filed = _read(file)
            if twice := {key.digest for key in self._listed} & {key.digest for key in self._filed}:
                raise ValueError(f"{len(twice)} of its keys stand in NEXTPLAY_API_KEYS, too: give each once")

    def __bool__(self) -> bool:
        return bool(self._listed) or self._file is not None

    def roles(self, given: str) -> frozenset[str]:
        """What a key may; nothing where there is none such. All are compared, so time tells nothing."""
        self._follow()
        content = given.encode("utf-8", "surrogateescape")
        found = [key.roles for key in (*self._listed, *self._filed) if key.admits(content)]
        return frozenset[str]().union(*found)

    def _follow(self) -> None:
        now = time.monotonic()
        if self._file is None or now < self._look_at:
            return
        self._look_at = now + self._poll_seconds
        try:
            found = self._file.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._filed, self._seen = _read(self._file), seen
                telemetry.log("keys loaded", keys=len(self._filed))
            self._problem = ""
        except (OSError, ValueError) as error:
            if str(error) != self._problem:
                telemetry.log("keys not loaded", reason=str(error), kept_keys=len(self._filed))
            self._problem = str(error)
        telemetry.KEYS_FAILING.set(bool(self._problem))


def parse(entries: Iterable[str], where: str, needs_roles: bool) -> list[Key]:
    """The keys of `roles:key` or `key`; blank entries say nothing. Raises ValueError, without any key."""
    keys = [
        _key(entry.strip(), f"entry {number} of {where}", needs_roles)
        for number, entry in enumerate(entries, start=1)
        if entry.strip()
    ]
    if not keys:
        raise ValueError("it holds no key: give one, or unset it, and everybody may ask")
    if len({(key.salt, key.digest) for key in keys}) < len(keys):
        raise ValueError(f"a key stands twice in {where}: give it once, with its roles, as in read+write:KEY")
    return keys


def _key(entry: str, where: str, needs_roles: bool) -> Key:
    hashed = HASHED.fullmatch(entry)
    match = ENTRY.fullmatch(entry)
    assert match is not None  # an entry is not empty
    roles, text = (None, entry) if hashed else (match["roles"], match["key"])
    known = roles is not None and set(roles.split("+")) <= set(ROLES)
    if roles is not None and not known:
        near = any(difflib.get_close_matches(role.lower(), ROLES, 1, 0.7) for role in roles.split("+"))
        if near or needs_roles:
            raise ValueError(f"{where} has the roles {roles!r}: the roles are {', '.join(ROLES)}")
        text = entry  # a colon is a part of a plain key
    if needs_roles and not known:
        raise ValueError(f"{where} says no roles: write it as read:KEY, or read+write+operate:KEY")
    return _hashed(text.strip(), frozenset(roles.split("+") if roles and known else ROLES), where)


def _hashed(text: str, roles: frozenset[str], where: str) -> Key:
    if found := HASHED.fullmatch(text):
        return Key(roles, found["salt"].encode(), bytes.fromhex(found["digest"]))
    if OTHER_HASH.fullmatch(text):
        raise ValueError(
            f"{where} looks like a hash and is none that is understood: "
            "write sha256:SALT:HEX, as python -m serving.keys makes it"
        )
    if PLACEHOLDER.fullmatch(text):
        raise ValueError(f"{where} is a placeholder that nobody has filled in: everybody could guess it")
    if not text.isprintable():
        raise ValueError(f"{where} has a line's end or another sign that no header carries: take it out")
    if len(text) < LEAST:
        raise ValueError(f"{where} has {len(text)} characters: a key needs {LEAST}, or it can be guessed")
    return Key(roles, b"", hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest())


def _read(file: Path) -> list[Key]:
    """Raises OSError and ValueError."""
    lines = read_regular(file).decode("utf-8-sig").splitlines()
    return parse((REMARK.split(line, 1)[0] for line in lines), str(file), needs_roles=True)


def new(roles: str) -> Iterator[str]:
    """A new key and the line that admits it, for people to read."""
    key, salt = secrets.token_urlsafe(32), secrets.token_hex(8)
    digest = hashlib.sha256(f"{salt}{key}".encode()).hexdigest()
    yield f"Key, for who asks:        {key}"
    yield f"Line, for the endpoint:   {roles}:sha256:{salt}:{digest}"


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or not set(arguments[0].split("+")) <= set(ROLES):
        raise SystemExit("Say what the key may: python -m serving.keys read, or read+write, or operate.")
    sys.stdout.write("\n".join(new(arguments[0])) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
