#!/usr/bin/env python3
"""Messages that are signed by us and verified by others: odd ones of a table,
then such as chance makes; and each signed one once more with one thing changed
that matters, and with things that must not.

Usage: verify.py PROGRAM (dkim_signer)
"""
import os
import random
import struct
import subprocess
import sys
import tempfile

import dkimlab

SEED = int(os.environ.get("SEED", "0") or 0) or random.randrange(1 << 30)
ROUNDS = 150
BASE = b"From: Alice <a@example.com>\r\nTo: b@example.net\r\nSubject: x\r\n" \
    b"Date: Sat, 21 Nov 2026 12:00:00 +0100\r\nMessage-ID: <1@example.com>\r\n"
LIST = b"List-Unsubscribe: <https://example.com/u>\r\n" \
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"

# label, message
GOOD = [
    ("plain", BASE + b"\r\nhello\r\n"),
    ("no body", BASE + b"\r\n"),
    ("no empty line", BASE),
    ("one empty line", BASE + b"\r\n\r\n"),
    ("empty lines", BASE + b"\r\n" + b"\r\n" * 1000),
    ("blank lines", BASE + b"\r\n \r\n\t\r\n  \t \r\n"),
    ("empty lines at the end", BASE + b"\r\nx\r\n\r\n\r\n"),
    ("blank lines at the end", BASE + b"\r\nx\r\n \r\n\t\t\r\n"),
    ("empty lines in front", BASE + b"\r\n\r\n\r\nx\r\n"),
    ("no line end at the end", BASE + b"\r\nx"),
    ("blanks at the end", BASE + b"\r\nx  \t"),
    ("blanks in lines", BASE + b"\r\n  a \t b  \r\n\tc\t\r\n"),
    ("8 bits", BASE + b"\r\n" + bytes(range(128, 256)) + b"\xc3\xa4\r\n"),
    ("8 bits above", BASE.replace(b"x\r\n", b"gr\xc3\xbc\xc3\x9fe\r\n")
     + b"\r\nx\r\n"),
    ("long lines", BASE + b"\r\n" + (b"y" * 998 + b"\r\n") * 20),
    ("very long lines", BASE + b"\r\n" + b"z z\t" * 50000 + b"\r\n"),
    ("20 MB", BASE + b"\r\n" + (b"0123456789 abcdef\t" * 4 + b"\r\n") * 290000),
    ("folded", BASE.replace(b"Subject: x", b"Subject:\r\n  a\r\n\tb \r\n c \t")
     + b"\r\nx\r\n"),
    ("folded to", BASE.replace(b"To: b@example.net",
                               b"To: b@example.net,\r\n c@example.net")
     + b"\r\nx\r\n"),
    ("case", BASE.replace(b"From:", b"FROM:").replace(b"Date:", b"dATE:")
     + b"\r\nx\r\n"),
    ("no blank behind the colon", BASE.replace(b": ", b":") + b"\r\nx\r\n"),
    ("an empty subject", BASE.replace(b"Subject: x", b"Subject:") + b"\r\nx\r\n"),
    ("a blank subject", BASE.replace(b"Subject: x", b"Subject: \t ")
     + b"\r\nx\r\n"),
    ("from alone", b"From: a@example.com\r\n\r\nx\r\n"),
    ("trace fields", b"Received: from a by b\r\n\tid 1; now\r\n" * 5
     + b"Return-Path: <>\r\n" + BASE + b"\r\nx\r\n"),
    ("a list's", BASE + LIST + b"List-Id: <l.example.com>\r\n\r\nx\r\n"),
    ("MIME", BASE + b"MIME-Version: 1.0\r\nContent-Type: text/plain;\r\n"
     b"\tcharset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n"),
    ("references", BASE + b"References: <1@a>\r\n <2@b>\r\nIn-Reply-To: <2@b>"
     b"\r\nSender: s@example.com\r\nReply-To: r@example.com\r\n\r\nx\r\n"),
    ("comments twice", BASE + b"Comments: 1\r\nComments: 2\r\n\r\nx\r\n"),
    ("lists twice", BASE + b"List-Post: <mailto:a@b>\r\nX: y\r\n"
     b"List-Post: <mailto:c@d>\r\n\r\nx\r\n"),
    ("a stranger's signature", b"DKIM-Signature: v=1; a=rsa-sha256; d=other;"
     b" s=o; h=from; bh=AAAA; b=AAAA\r\n" + BASE + b"\r\nx\r\n"),
]

# label, message: not signed
BAD = [
    ("nothing", b""),
    ("no header", b"hello\r\nworld\r\n"),
    ("no from", b"To: b@example.net\r\n\r\nx\r\n"),
    ("two from", BASE + b"From: b@example.net\r\n\r\nx\r\n"),
    ("two from, one above", b"fROM : b@example.net\r\n" + BASE + b"\r\nx\r\n"),
    ("a line that is no field", BASE + b"no field\r\nX: y\r\n\r\nx\r\n"),
    ("a bare LF", BASE + b"X: y\nFrom: b@example.net\r\n\r\nx\r\n"),
    ("a bare CR", BASE + b"X: y\rFrom: b@example.net\r\n\r\nx\r\n"),
    ("a NUL", BASE + b"X: \0\r\n\r\nx\r\n"),
    ("a blank first", b" From: b@example.net\r\n" + BASE + b"\r\nx\r\n"),
    ("an empty line first", b"\r\n" + BASE + b"\r\nx\r\n"),
    ("a huge header", BASE + b"X: " + b"y" * 140000 + b"\r\n\r\nx\r\n"),
    ("a header that is cut", BASE + b"X: y"),
    ("many of one field", BASE + b"List-Post: <mailto:a@b>\r\n" * 5 + b"\r\nx\r\n"),
]

# What must break it: a field above all, or a change of the message.
ADDED = [b"From: b@example.net\r\n", b"Subject: another\r\n", b"To: c@d\r\n",
         b"Cc: c@d\r\n", b"Reply-To: c@d\r\n", b"Date: now\r\n",
         b"Content-Type: text/html\r\n", b"Content-Transfer-Encoding: base64\r\n"]
HARMLESS = [b"Received: from x by y; now\r\n", b"X-Sluice-Scan: v=1; k=x\r\n",
            b"Return-Path: <a@b>\r\n", b"X-Spam: no\r\n",
            b"List-Id: <l.example.net>\r\n"]


class Signer:
    def __init__(self, program, domain, **keys):
        self.process = subprocess.Popen(
            [program, domain, *("%s=%s" % (s, k.path) for s, k in keys.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def sign(self, message):
        pipe = self.process
        pipe.stdin.write(struct.pack("!I", len(message)) + message)
        pipe.stdin.flush()
        count, = struct.unpack("!I", pipe.stdout.read(4))
        got = pipe.stdout.read(count)
        assert got.endswith(message)
        # as DATA brings it to whoever verifies
        return got if got.endswith(b"\r\n") else got + b"\r\n"

    def end(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


def refused(message, zone):
    try:
        return not dkimlab.verified(message, zone)
    except (AssertionError, dkimlab.dkim.DKIMException):
        return True


def look_at(signed, message, zone, wanted):
    ours = signed[:signed.rindex(message)].decode("ascii")
    for line in ours.split("\r\n"):
        assert len(line) <= 78, line
    names = dkimlab.tags(signed)["h"].split(":")
    assert "received" not in names and "x-sluice-scan" not in names, names
    return dkimlab.verified(signed, zone)[:len(wanted)] == wanted


def tampered(label, signed, zone):
    for field in ADDED:
        assert refused(field + signed, zone), (label, field)
    for field in HARMLESS:
        assert not refused(field + signed, zone), (label, field)
    at = signed.find(b"X-Sluice-Scan")
    assert at < 0
    assert refused(signed + b"more\r\n", zone), label


def chance(random_):
    """A message of odd lines."""
    blanks = [b"", b" ", b"\t", b"  ", b" \t "]
    words = [b"a", b"=", b"\xc3\xa4", b"\xff", b";", b":", b"b=", b"From:", b".",
             b"x" * 90]

    def text(most):
        return b"".join(random_.choice(words + blanks)
                        for _ in range(random_.randrange(most)))

    fields = [b"From:%s<a@example.com>" % random_.choice(blanks)]
    for name in (b"Subject", b"To", b"CC", b"Message-Id", b"X-Other",
                 b"Received", b"List-Unsubscribe", b"List-Unsubscribe-Post",
                 b"MIME-Version", b"content-type", b"References"):
        if random_.randrange(3):
            value = text(12)
            for _ in range(random_.randrange(3)):
                value += b"\r\n" + random_.choice(blanks[1:]) + b"f" + text(8)
            fields.append(name + b":" + value)
    fields.append(b"dAte: " + text(5))
    random_.shuffle(fields)
    body = b"".join(text(10) + b"\r\n" * random_.randrange(1, 4)
                    for _ in range(random_.randrange(8)))
    return b"\r\n".join(fields) + b"\r\n\r\n" + body + text(3)


def many(program, work, other):
    random_ = random.Random(SEED)
    keys = {"r": dkimlab.Key(work + "/r.pem", 2048),
            "e": dkimlab.Key(work + "/e.pem", "ed25519")}
    zone = dkimlab.Zone().publish("example.com", **keys)
    wanted = [("example.com", "r", "rsa-sha256"),
              ("example.com", "e", "ed25519-sha256")]
    signer = Signer(program, "example.com", **keys)
    if other:
        dkimlab.serve(zone, work)
    for label, message in GOOD:
        signed = signer.sign(message)
        if label == "a stranger's signature":
            assert dkimlab.signatures(signed) == 3
            continue
        try:
            assert look_at(signed, message, zone, wanted)
        except Exception as error:
            raise AssertionError(label) from error
        if other and label != "from alone":  # it wants a Date
            told = dkimlab.opendkim(signed)
            assert told == "", (label, told)
        if len(signed) < 100000 and b"\r\n\r\n" in message:
            tampered(label, signed, zone)
    for label, message in BAD:
        assert signer.sign(message).rstrip() == message.rstrip(), label
    for _ in range(ROUNDS):
        message = chance(random_)
        signed = signer.sign(message)
        assert signed != message and look_at(signed, message, zone, wanted), message
        if other:
            told = dkimlab.opendkim(signed)
            assert told == "", (told, message)
    names = dkimlab.tags(signer.sign(BASE + LIST + b"\r\n"))["h"].split(":")
    for name in ("list-unsubscribe", "list-unsubscribe-post", "from", "subject"):
        assert names.count(name) == 2, (name, names)
    signer.end()


def sizes(program, work):
    """The largest key, and four at once."""
    keys = {"s%d" % n: dkimlab.Key("%s/s%d.pem" % (work, n), kind)
            for n, kind in enumerate([4096, "ed25519", 3072, 2048])}
    zone = dkimlab.Zone().publish("xn--bcher-kva.example", **keys)
    signer = Signer(program, "xn--bcher-kva.example", **keys)
    signed = signer.sign(BASE + b"\r\nx\r\n")
    found = dkimlab.verified(signed, zone)
    assert [s for _, s, _ in found] == sorted(keys), found
    signer.end()


def main():
    if dkimlab.dkim is None:
        print("python3-dkim is not here")
        sys.exit(77)
    other = dkimlab.private()
    if not other:
        print("no opendkim-testmsg, or no namespaces: one verifier alone")
    with tempfile.TemporaryDirectory() as work:
        try:
            many(sys.argv[1], work, other)
            sizes(sys.argv[1], work)
        except BaseException:
            print("SEED=%d" % SEED)
            raise
    print("ok")


main()
