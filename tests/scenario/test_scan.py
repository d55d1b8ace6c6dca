"""Viruses in whatever a mail client may wrap them in, and what becomes of them:
the real c-icap with clamd behind it, over TLS."""
import base64
import io
import os
import quopri
import sys
import tarfile

import case
import hops
import icaplab
import peers
import scan_help
from icaplab import EICAR, MARKER
from scan_help import (CLEAN, as_sent, head, mail, multipart, part, refusal, send,
                       session, shown, with_file, wrapped, zipped)

THREAT = icaplab.EICAR_NAME + ".UNOFFICIAL"
NAME = "report.doc"


def lab():
    return icaplab.shared(processes=2, threads=10)


# --- each form ------------------------------------------------------------------

def tarred(content):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        entry = tarfile.TarInfo("inside.com")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def uuencoded(content, name=NAME):
    lines = [b"begin 644 " + name.encode()]
    for n in range(0, len(content), 45):
        piece = content[n:n + 45]
        coded = bytearray((32 + len(piece) if piece else 96,))
        for k in range(0, len(piece), 3):
            a, b, c = piece[k:k + 3].ljust(3, b"\0")
            coded += bytes(x + 32 if x else 96 for x in (
                a >> 2, (a << 4 | b >> 4) & 63, (b << 2 | c >> 6) & 63, c & 63))
        lines.append(bytes(coded))
    return b"\r\n".join(lines + [b"`", b"end", b""])


def inner(content):
    """A message in itself."""
    return with_file(999999, zipped(content), "inner.zip")


def times(count, wrap, content):
    for _ in range(count):
        content = wrap(content)
    return content


def b64(content):
    return base64.b64encode(content)


def coded(text, **more):
    """A part whose base64 is written as it is here."""
    return part(b"", text=text + b"\r\n", **more)


def headed(lines, body):
    """A part of these header lines."""
    return "".join(line + "\r\n" for line in lines).encode() + b"\r\n" + body


FILE = "Content-Disposition: attachment; filename=\"%s\"" % NAME
BINARY = "Content-Type: application/octet-stream; name=\"%s\"" % NAME
MESSAGE = "Content-Type: message/rfc822"
BASE64 = "Content-Transfer-Encoding: base64"

# label: (what the reply must call it, or None: where the whole message was looked
# at too, either may be found first; function of the content that
# makes the parts, or the whole message behind its first lines)
PARTS = {
    "plain base64": (NAME, lambda c: part(c)),
    "zip": ("a.zip", lambda c: part(zipped(c), "a.zip", "application/zip")),
    "zip in zip in zip": ("a.zip", lambda c: part(times(3, zipped, c), "a.zip")),
    "tar.gz": ("a.tar.gz", lambda c: part(tarred(c), "a.tar.gz")),
    "wrong type": ("a.png", lambda c: part(zipped(c), "a.png", "image/png")),
    "a text that is attached": ("a.txt", lambda c: part(c, "a.txt", "text/plain")),
    "html that is attached": ("a.html", lambda c: part(c, "a.html", "text/html")),
    "inline": (NAME, lambda c: part(c, disposition="inline")),
    "named in the type alone": (NAME, lambda c: headed([BINARY, BASE64], wrapped(c))),
    "without any header": (None, lambda c: headed(
        ["Content-Type: application/x-thing", BASE64], wrapped(c))),
    "winmail.dat": ("winmail.dat", lambda c: part(
        b"\x78\x9f\x3e\x22\x01\x00" + c, "winmail.dat", "application/ms-tnef")),
    # messages in messages
    "eml": (None, lambda c: headed([MESSAGE], inner(c))),
    "eml in eml in eml": (None, lambda c: headed([MESSAGE], times(
        2, lambda m: mail(999998, headed([MESSAGE], m)), inner(c)))),
    "eml as a file": ("a.eml", lambda c: part(inner(c), "a.eml")),
    "eml in base64": (None, lambda c: headed([MESSAGE, BASE64], wrapped(inner(c)))),
    "digest": (None, lambda c: headed(
        ['Content-Type: multipart/digest; boundary="=_inner"'],
        multipart([b"\r\n" + inner(c)], b"=_inner"))),
    "multipart in multipart": (NAME, lambda c: headed(
        ['Content-Type: multipart/mixed; boundary="=_inner"'],
        multipart([part(c)], b"=_inner"))),
    # base64 in odd ways
    "lines of one": (NAME, lambda c: part(c, text=wrapped(c, 1))),
    "lines of three": (NAME, lambda c: part(c, text=wrapped(c, 3))),
    "one line": (NAME, lambda c: part(c, text=b64(c) + b"\r\n")),
    "spaces and tabs": (NAME, lambda c: coded(b" \t".join(
        b64(c)[n:n + 5] for n in range(0, 2 * len(c), 5)))),
    "strangers": (None, lambda c: coded(b"!".join(
        b64(c)[n:n + 4] for n in range(0, 2 * len(c), 4)))),
    "empty lines": (NAME, lambda c: coded(b"\r\n\r\n".join(
        b64(c)[n:n + 8] for n in range(0, 2 * len(c), 8)))),
    "no padding": (NAME, lambda c: coded(b64(c).rstrip(b"="))),
    "too much padding": (None, lambda c: coded(b64(c) + b"====")),
    "padding in between": (NAME, lambda c: coded(b64(c[:20]) + b"\r\n" + b64(c[20:]))),
    "padding in each line": (NAME, lambda c: coded(b"\r\n".join(
        b64(c[n:n + 10]) for n in range(0, len(c), 10)))),
    "text behind it": (None, lambda c: coded(
        b64(c) + b"\r\n\r\n-- \r\nsent by a list\r\n")),
    # the encoding's name in odd ways
    "BASE64": (NAME, lambda c: part(c, encoding="BASE64")),
    "a comment behind it": (None, lambda c: part(c, encoding="base64 (so they say)")),
    "a comment before it": (None, lambda c: part(c, encoding="(see) base64")),
    "folded": (NAME, lambda c: part(c, encoding="\r\n\tbase64")),
    "quotes": (None, lambda c: part(c, encoding='"base64"')),
    "a semicolon": (None, lambda c: part(c, encoding="base64;")),
    "two of them, the right one first": (None, lambda c: headed(
        [BINARY, FILE, BASE64, "Content-Transfer-Encoding: 7bit"], wrapped(c))),
    "two of them, the right one last": (None, lambda c: headed(
        [BINARY, FILE, "Content-Transfer-Encoding: 7bit", BASE64], wrapped(c))),
    "an unknown one": (None, lambda c: part(c, text=c + b"\r\n", encoding="x-own")),
    "none": (NAME, lambda c: part(c, text=c + b"\r\n", encoding=None)),
    # other encodings
    "quoted-printable": (NAME, lambda c: part(
        c, text=quopri.encodestring(c) + b"\r\n", encoding="quoted-printable")),
    "each octet quoted": (NAME, lambda c: part(c, text=b"=\r\n".join(
        b"=%02X" % o for o in c) + b"\r\n", encoding="quoted-printable")),
    "quoted in small letters": (NAME, lambda c: part(c, text=b"".join(
        b"=%02x" % o for o in c) + b"\r\n", encoding="quoted-printable")),
    "uuencode": (NAME, lambda c: part(c, text=uuencoded(c), encoding="x-uuencode")),
    "uuencode in a text": (None, lambda c: shown(
        b"See below.\r\n\r\n" + uuencoded(c) + b"\r\nRegards\r\n")),
    # names; a reply is ASCII to those who did not ask for SMTPUTF8
    "name in pieces": ("a very long name.doc", lambda c: headed(
        [BASE64, "Content-Type: application/octet-stream",
         "Content-Disposition: attachment; filename*0=\"a very \";\r\n"
         " filename*1=\"long name\"; filename*2=\".doc\""], wrapped(c))),
    "name of RFC 2231": ("r??tsel.doc", lambda c: headed(
        [BASE64, "Content-Type: application/octet-stream",
         "Content-Disposition: attachment; filename*=utf-8''r%C3%A4tsel.doc"],
        wrapped(c))),
    "name of RFC 2047": ("r??tsel.doc", lambda c: part(
        c, name="=?utf-8?B?csOkdHNlbC5kb2M=?=")),
    # boundaries
    "boundary in pieces": (None, lambda c: headed(
        ['Content-Type: multipart/mixed; boundary*0="=_in"; boundary*1="ner"'],
        multipart([part(c)], b"=_inner"))),
    "boundary with a comment": (None, lambda c: headed(
        ["Content-Type: (a) multipart/mixed (b); (c) boundary (d) = \"=_inner\" (e)"],
        multipart([part(c)], b"=_inner"))),
    "boundaries that prefix each other": (None, lambda c: headed(
        ['Content-Type: multipart/mixed; boundary="=_edge2"'],
        multipart([part(c)], b"=_edge2"))),
    "no boundary": (None, lambda c: headed(
        ["Content-Type: multipart/mixed"], multipart([part(c)], b"=_inner"))),
    "two types": (None, lambda c: headed(
        ["Content-Type: text/plain", BINARY, FILE, BASE64], wrapped(c))),
}
WHOLE = {
    "no multipart at all": (NAME, lambda n, c: head(
        n, 'application/octet-stream; name="%s"' % NAME, BASE64 + "\r\n") + wrapped(c)),
    "no MIME-Version": (NAME, lambda n, c: with_file(n, c).replace(
        b"MIME-Version: 1.0\r\n", b"")),
    "no end": (None, lambda n, c: mail(n, part(c), end=False)),
    "two types above": (None, lambda n, c: with_file(n, c).replace(
        b"Content-Type: multipart", b"Content-Type: text/plain\r\nContent-Type: "
        b"multipart", 1)),
    "a text with a uuencoded file": (NAME, lambda n, c: head(n) + b"Hello\r\n" +
                                     uuencoded(c)),
    "a message as a message": (None, lambda n, c: head(n, "message/rfc822") + inner(c)),
}


FORMS = {  # label: (name, function(number, content))
    **{label: (name, lambda n, c, make=make: mail(n, make(c)))
       for label, (name, make) in PARTS.items()}, **WHOLE}


def each_form(sluice, content, first):
    """(label, name, number, message, answer), each form with a content of its
    own. Whoever is refused too often is cut off: a few in a session."""
    talking = None
    for number, (label, (name, make)) in enumerate(FORMS.items(), first):
        if talking is None or number % 10 == 0:
            if talking is not None:
                talking.quit()
            talking = session(sluice)
        text = make(number, content + b"%04d" % number)
        yield label, name, number, text, send(talking, text)
    talking.quit()


@case.case
def in_every_form(work):
    """Refused at the dot with the file's name and the threat's; the same with
    nothing bad in it goes out as it came."""
    sluice = scan_help.on_lab(work, lab())
    wrong, fine = [], {}
    for label, name, _, _, (code, text) in each_form(sluice, EICAR, 0):
        wanted = refusal(name, THREAT) if name else THREAT
        if code != 550 or wanted not in text or "message not sent" not in text:
            wrong.append("%s: %r" % (label, (code, text)))
    sluice.lines("refuse", count=len(FORMS))
    for label, _, number, text, got in each_form(sluice, CLEAN, 1000):
        fine[number] = text
        if got[0] != 250 or "waiting" in got[1]:
            wrong.append("%s, clean: %r" % (label, got))
    assert not wrong, "%d wrong:\n%s" % (len(wrong), "\n".join(wrong))
    scan_help.went_out(sluice, fine)
    for number, content in fine.items():
        as_sent(sluice, number, content)
    hops.drained(sluice)
    hops.ledger(sluice, accepted=len(fine), delivered=len(fine))
    sluice.stop()


@case.case
def ways_to_ask(work):
    """In the clear and as a request."""
    for number, (url, more) in enumerate((
            (lab().plain, ""), (lab().server, "method reqmod;"),
            (lab().server.replace("avscan", "antivirus_module"), ""))):
        sluice = scan_help.up(scan_help.gateway(
            work, url, "wait 20s; " + more, ca=lab().ca, name="way%d" % number))
        told = sluice.ctl("scan", "test").stdout
        for wanted in ("health        up", "profile c-icap, ISTag ",
                       "test virus    found, ", "clean file    clean ("):
            case.contains(told, wanted, url + more)
        talking = session(sluice)
        case.contains(send(talking, with_file(1, zipped(EICAR)))[1],
                      refusal(NAME, THREAT), url + more)
        case.equal(send(talking, with_file(2, zipped(CLEAN)))[0], 250, url + more)
        talking.quit()
        scan_help.went_out(sluice, [2])
        sluice.stop()


def large(size):
    """Random: nothing of it packs."""
    block = os.urandom(1 << 20)
    return b"".join(block[n:] + block[:n] for n in range(size >> 20))


@case.case
def at_the_end_of_20_megabytes(work):
    sluice = scan_help.on_lab(work, lab(), "wait 25s;", conf="message-size 40M;\n")
    content = large(20 << 20)
    talking = session(sluice)
    got = send(talking, with_file(1, content + EICAR))
    assert got[0] == 550 and refusal(NAME, THREAT) in got[1], got
    fine = with_file(10, content + CLEAN)
    case.equal(send(talking, fine)[0], 250)
    talking.quit()
    scan_help.went_out(sluice, [10])
    as_sent(sluice, 10, fine)
    sluice.stop()


@case.case
def texts(work):
    """What is shown is not an attachment; the site may want it scanned."""
    for scan, code in (("", 250), ("texts on;", 550)):
        sluice = scan_help.on_lab(work, lab(), "wait 20s;" + scan,
                                  name="texts%d" % code)
        talking = session(sluice)
        got = send(talking, hops.message(1, b"See:\r\n" + EICAR + b"\r\n"))
        case.equal(got[0], code, scan)
        case.equal(send(talking, hops.message(2))[0], 250, scan)
        talking.quit()
        hops.taken(sluice.hub, 2 if code == 250 else 1)
        sluice.stop()


# --- what becomes of it -----------------------------------------------------------

def quarantined(sluice, count):
    """The entries, once there are as many."""
    def there():
        found = hops.js(sluice, "quarantine", "list")
        return found if len(found) >= count else None
    found = hops.wait(there, "%d quarantined messages" % count) if count else \
        hops.js(sluice, "quarantine", "list")
    case.equal(len(found), count, "quarantined")
    return found


def notice(sluice, number=1):
    """The one that tells of this message."""
    hops.wait(lambda: len(scan_help.notices(sluice)) >= number, "a notice")
    return scan_help.notices(sluice)[number - 1]["body"].decode()


@case.case
def quarantine(work):
    """Kept apart, shown, looked at again before it may go, sent once, deleted;
    the login's address is told and never the sender that it gave."""
    scanner = lab()
    sluice = scan_help.on_lab(work, scanner, "wait 20s; infected quarantine;")
    talking = session(sluice)
    content = {n: with_file(n, octets) for n, octets in (
        (1, zipped(EICAR)), (2, b"see " + MARKER), (3, EICAR), (4, CLEAN))}
    for number, text in content.items():
        case.equal(send(talking, text, ["b@example.net", "c@example.net"],
                        "boss@elsewhere.example")[0], 250)
    talking.quit()
    scan_help.went_out(sluice, [4])
    entries = quarantined(sluice, 3)
    hops.wait(lambda: len(scan_help.notices(sluice)) == 3, "three notices")
    assert not [m for m in sluice.hub.mails if "boss@elsewhere.example" in m["to"]]
    case.contains(notice(sluice), "Lab.")
    # no program that reads files finds a virus in the spool
    for top, _, names in os.walk(sluice.spool + "/quarantine"):
        for name in names:
            with open(os.path.join(top, name), "rb") as f:
                kept = f.read()
            for mark in (EICAR, MARKER, wrapped(EICAR)[:40], b"Subject:"):
                assert mark not in kept, name
    by_number = {}
    for entry in entries:
        raw = scan_help.exported(sluice, entry["id"])
        number = scan_help.number_of({"body": raw})
        assert raw.endswith(content[number]), raw
        by_number[number] = entry["id"]
        case.equal((entry["verdict"], entry["from"], entry["owner"], entry["part"]),
                   ("infected", "boss@elsewhere.example", "alice@example.com", NAME))
        shown_text = sluice.ctl("quarantine", "show", entry["id"]).stdout
        for wanted in ("alice", "boss@elsewhere.example", "b@example.net", "Lab."):
            case.contains(shown_text, wanted, "show")
    case.equal(sorted(by_number), [1, 2, 3])
    refused = sluice.ctl("quarantine", "release", by_number[1], check=False)
    assert refused.returncode != 0, "without a reason"
    refused = sluice.ctl("quarantine", "release", by_number[1], "--reason", "asked",
                         check=False)
    assert refused.returncode != 0 and "Lab.Eicar" in refused.stderr + refused.stdout
    sluice.ctl("quarantine", "release", by_number[1], "--reason", "a sample for the lab",
               "--anyway")
    hops.wait(lambda: 1 in scan_help.numbers(sluice), "what was released")
    as_sent(sluice, 1, content[1])
    out, = [m for m in scan_help.mails(sluice) if scan_help.number_of(m) == 1]
    case.equal((out["from"], out["to"]), ("boss@elsewhere.example",
                                          ["b@example.net", "c@example.net"]))
    # the definitions were wrong: a look with better ones lets it go
    scanner.clamd.signatures.pop("Lab.Marker")
    scanner.define()
    try:
        sluice.ctl("quarantine", "release", by_number[2], "--reason", "a false alarm")
    finally:
        scanner.define(**{"Lab.Marker": MARKER})
    hops.wait(lambda: 2 in scan_help.numbers(sluice), "the false alarm")
    as_sent(sluice, 2, content[2])
    again = sluice.ctl("quarantine", "release", by_number[2], "--reason", "again",
                       check=False)
    assert again.returncode != 0, "twice"
    sluice.ctl("quarantine", "delete", by_number[3], "--reason", "seen")
    quarantined(sluice, 0)
    case.equal(os.listdir(sluice.spool + "/quarantine"), [])
    for wanted in ("a sample for the lab", "a false alarm"):
        case.contains(sluice.ctl("audit").stdout, wanted)
    hops.drained(sluice)
    case.equal(sorted(scan_help.numbers(sluice)), [1, 2, 4], "each once")
    sluice.stop()


@case.case
def kept_over_a_restart(work):
    sluice = scan_help.on_lab(work, lab(), "wait 20s; infected quarantine;")
    talking = session(sluice)
    case.equal(send(talking, with_file(1, EICAR))[0], 250)
    talking.quit()
    before = quarantined(sluice, 1)
    sluice.kill()
    sluice.start()
    case.equal([e["id"] for e in quarantined(sluice, 1)], [before[0]["id"]])
    case.contains(scan_help.exported(sluice, before[0]["id"]), b"X-Number: 1")
    sluice.stop()


@case.case
def cleaned(work):
    """The part is gone, with a word in its place; every other byte is as it was,
    the original is kept. What is signed, or reads in two ways, is not touched."""
    sluice = scan_help.on_lab(
        work, lab(), 'wait 20s; infected clean; subject "[cleaned]"; replacement '
        '"{name} held {threat}.";')
    good, bad = part(CLEAN, "fine.doc"), part(EICAR, "evil.doc")
    talking = session(sluice)
    message = mail(1, good, bad, part(b"third", "third.doc"))
    case.equal(send(talking, message)[0], 250)
    case.equal(send(talking, head(2, 'application/zip; name="evil.zip"',
                                  BASE64 + "\r\n") + wrapped(zipped(EICAR)))[0], 250)
    signed = head(3, 'multipart/signed; protocol="application/pgp-signature"; '
                  'micalg=pgp-sha256; boundary="=_edge"') + multipart(
                      (bad, part(b"sig", "s.asc", "application/pgp-signature")))
    talking.envelope()
    talking.expect("DATA", 354)
    talking.send(hops.stuffed(signed) + b".\r\n")
    case.equal(talking.reply()[0] in (250, 550), True)
    talking.quit()
    scan_help.went_out(sluice, [1, 2])
    got = scan_help.body_of(sluice, 1)
    before, after = message.split(bad)
    case.contains(got, after, "behind the part")
    case.contains(got, before.split(b"Subject: number 1\r\n")[1], "before it")
    case.contains(got, b"Subject: [cleaned] number 1\r\n")
    case.contains(got, b"evil.doc held " + THREAT.encode())
    whole = scan_help.body_of(sluice, 2)
    case.contains(whole, b"evil.zip held " + THREAT.encode())
    for text in (got, whole):
        scan_help.parsed(text)
    entries = quarantined(sluice, len(hops.js(sluice, "quarantine", "list")))
    assert {2, 3} & {len(entries)}, entries
    assert 3 not in scan_help.numbers(sluice)
    hops.drained(sluice)
    sluice.stop()


@case.case
def discarded(work):
    for how, told in (("discard", 1), ("discard-silently", 0)):
        sluice = scan_help.on_lab(work, lab(), "wait 20s; infected %s;" % how,
                                  name=how)
        talking = session(sluice)
        case.equal(send(talking, with_file(1, EICAR))[0], 250)
        case.equal(send(talking, with_file(2, CLEAN))[0], 250)
        talking.quit()
        scan_help.went_out(sluice, [2])
        hops.wait(lambda: scan_help.ledger(sluice)["discarded"] == 1, "the other")
        hops.drained(sluice)
        case.equal(len(scan_help.notices(sluice)), told, how)
        if told:
            case.contains(notice(sluice), THREAT)
        quarantined(sluice, 0)
        sluice.stop()


def nested(number, depth):
    content = part(CLEAN)
    for n in range(depth):
        content = headed(['Content-Type: multipart/mixed; boundary="=_%d"' % n],
                         multipart([content], b"=_%d" % n))
    return mail(number, content)


UNSCANNABLE = {
    "a piece of a message": lambda n: head(
        n, 'message/partial; id="x"; number=1; total=2') + with_file(n, CLEAN),
    "a body elsewhere": lambda n: mail(n, headed(
        ['Content-Type: message/external-body; access-type=URL; URL="http://a.example"'],
        b"Content-Type: application/zip\r\n\r\n")),
    "too deep": lambda n: nested(n, 60),
    "too large for us": lambda n: with_file(n, b"x" * 200000),
}


@case.case
def unscannable(work):
    """As the class wants: refused, held until somebody lets it go, sent; never
    called clean."""
    sluice = scan_help.on_lab(
        work, lab(), "wait 20s; size-max 100K; unscannable reject;",
        conf="class careful { unscannable hold; }\nclass bold { unscannable pass; }\n",
        users={})
    for user, words in (("alice", ()), ("bob", ("--class", "careful")),
                        ("carol", ("--class", "bold"))):
        sluice.ctl("user", "add", user, "--address", user + "@example.com", *words,
                   stdin="secret-%s\n" % user[0])
    wrong = []
    for k, (label, make) in enumerate(UNSCANNABLE.items()):
        for user, number, code in (("alice", k, 550), ("bob", 100 + k, 250),
                                   ("carol", 200 + k, 250)):
            talking = scan_help.talk.session(sluice, user, "secret-" + user[0],
                                             timeout=120)
            got = send(talking, make(number))
            talking.quit()
            if got[0] != code or (code == 550) != ("5.7.0" in got[1]):
                wrong.append((label, user, got))
    case.equal(wrong, [])
    passed = [200 + k for k in range(len(UNSCANNABLE))]
    held = [100 + k for k in range(len(UNSCANNABLE))]
    scan_help.went_out(sluice, passed)
    hops.becomes(lambda: scan_help.ledger(sluice)["held"], len(held), "held")
    sluice.ctl("release", "--cred", "bob", "--yes")
    scan_help.went_out(sluice, passed + held)
    sluice.stop()


@case.case
def a_million_parts(work):
    """10 MB of nothing but boundaries: refused, quickly, in little memory."""
    sluice = scan_help.on_lab(work, lab())
    talking = session(sluice)
    line = b"--=_edge\r\n\r\n"
    text = head(1, 'multipart/mixed; boundary="=_edge"') + line * (10000000 // len(line))
    before = scan_help.rss_kib(sluice)
    began = peers.cpu_seconds(sluice.process.pid)
    got = send(talking, text)
    took = peers.cpu_seconds(sluice.process.pid) - began
    assert got[0] == 550 and "5.7.0" in got[1], got
    assert took < 10 * hops.PATIENCE, took
    assert scan_help.rss_kib(sluice) - before < 60000 * hops.PATIENCE
    case.equal(send(talking, hops.message(2))[0], 250)
    talking.quit()
    scan_help.went_out(sluice, [2])
    sluice.stop()


if __name__ == "__main__":
    if icaplab.missing():
        print("skip: no %s" % icaplab.missing())
        sys.exit(77)
    case.main()
