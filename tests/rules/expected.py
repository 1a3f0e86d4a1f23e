"""Works out tests/rules/expected.txt from docs/masking.md alone: python3 tests/rules/expected.py > tests/rules/expected.txt"""
import datetime
import hashlib
import hmac

FIRST = ("Ada Alan Anna Ben Clara Daniel Elena Emil Eva Felix Grace Hugo Ida Jonas Julia Karl Laura Leo Lina Marie "
         "Max Mila Nina Noah Oscar Paula Peter Rosa Sara Simon Tom Vera").split()
LAST = ("Abel Adler Baker Berg Brook Carter Cole Dale Engel Field Fisher Ford Gray Hale Hill Hunt Keller King Lane Lang "
        "Marsh Miller Moore Novak Page Reed Rose Stone Taylor Vogel Ward Wood").split()

key = hmac.new(b"the tests' own mask key", b"driftwarden mask 1\0group\0g", hashlib.sha256).hexdigest()[:32]


def digest(value):
    inner = hashlib.sha256(value.encode()).hexdigest()
    return hashlib.sha256((key + inner).encode()).hexdigest()


def number(value):
    return int(digest(value)[:16], 16)


def email(value):
    return f"u{digest(value)[:16]}@example.com"


def name(value):
    d = digest(value)
    return f"{FIRST[int(d[0:4], 16) % 32]} {LAST[int(d[4:8], 16) % 32]}"


def shifted(value):
    days = int(digest(value)[:8], 16) % 30 + 1
    return str(datetime.date.fromisoformat(value) - datetime.timedelta(days=days))


def digits(value):
    stream = digest(value).translate(str.maketrans("abcdef", "012345"))
    return stream[:len(value)]


print("mail", email("ann@acme.com"), email("zoë@acme.com"), email("Bob@acme.com"))
print("nr", *(number(v) % 2**31 for v in "567"))
print("born", shifted("1980-02-03"), shifted("1990-02-03"))
print("name", name("Ann"), name("Zoë"))
print("phone", *("+000%09d" % (number(v) % 10**9) for v in ("+44 1", "+44 2")))
print("digits", digits("42"), digits("4111-1"))
print("h", digest("x"), digest("y"))
print("code", digest("5")[:20])
