"""A gateway in front of sinks: one relay and one route for each."""
import email
import json
import mmap
import os
import shutil
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

import case
import peers
import sink
import talk

USERS = {"alice": "secret-a"}
FAULTS = os.path.join(case.BUILD, "tests/scenario/libfaults.so")
PATIENCE = peers.PATIENCE


def relay(name, hops, more=""):
    """hops: a sink or a list of (sink, "weight 2 priority 1")."""
    if not isinstance(hops, list):
        hops = [(hops, "")]
    lines = "".join("address %s:%d %s; " % (s.host, s.port, how) for s, how in hops)
    if "tls " not in more:
        more += " tls none;"
    return "relay %s { %s%s }\n" % (name, lines, more)


class Gateway(peers.Sluice):
    def stop(self):
        """A clean end: the sanitizers tell what they saw by the exit status."""
        code = super().stop()
        if code != 0:
            with open(self.work / "sluiced.out", errors="replace") as f:
                raise AssertionError("sluiced ended with %d: %s" % (
                    code, f.read()[-8000:]))
        return code


def gateway(work, relays, conf="", default=None, **more):
    """relays: {name: (hops, directives)}; NAME.example goes there, everything
    else to `default`, by default the first of them."""
    text = "".join(relay(name, *hop) for name, hop in relays.items())
    default = default or next(iter(relays))
    text += "".join("route %s { domain %s.example; via %s; }\n" % (n, n, n)
                    for n in relays if n != default)
    if "retry" not in conf:
        conf += "retry { after 1s; expire 1h; }\n"
    more.setdefault("users", dict(USERS))
    return Gateway(work, case.BUILD, "via %s;" % default, text + conf, **more)


def message(number, body=b"hello\r\n"):
    return (b"From: Alice <alice@example.com>\r\nTo: somebody@example.net\r\nSubject: %d\r\n"
            b"Date: Sat, 21 Nov 2026 12:00:00 +0100\r\n"
            b"Message-ID: <%d@example.com>\r\nX-Number: %d\r\n\r\n" % (
                number, number, number)) + body


def stuffed(content):
    return b"".join(b"." + l if l[:1] == b"." else l
                    for l in content.splitlines(True))


def submit(session, content, rcpts, sender="alice@example.com", params=""):
    """The id. rcpts: addresses, or (address, parameters)."""
    session.expect("MAIL FROM:<%s>%s" % (sender, params), 250)
    for rcpt in rcpts:
        address, how = rcpt if isinstance(rcpt, tuple) else (rcpt, "")
        session.expect("RCPT TO:<%s>%s" % (address, how), 250)
    return session.data(stuffed(content), 250, "2.0.0").split()[-1]


def js(sluice, *words):
    return json.loads(sluice.ctl("--json", *words).stdout)


def queue(sluice, *filters):
    """{recipient: entry}"""
    return {e["recipient"]: e for e in js(sluice, "queue", "list", *filters)}


def stats(sluice):
    got = js(sluice, "stats")
    case.equal(got["ledger_difference"], 0, "the ledger")
    return got


def ledger(sluice, **wanted):
    """Soon each figure is as wanted, all others 0; and the sum always holds."""
    names = ("accepted", "generated", "queued", "held", "delivered", "bounced",
             "dropped", "discarded", "quarantined", "purged", "duplicates")
    wanted = {n: v for n, v in wanted.items() if v}

    def figures():
        got = stats(sluice)
        return {n: got["ledger_" + n] for n in names if got["ledger_" + n]}
    becomes(figures, wanted, "the ledger")


def wait(condition, what, seconds=60):
    return peers.wait_for(condition, what, seconds * PATIENCE)


def becomes(look, wanted, what=""):
    """Its value is that, or soon will be; returned as it was seen."""
    seen = []

    def there():
        seen[:] = [look()]
        return seen[0] == wanted
    try:
        wait(there, what or "%r" % (wanted,))
    except AssertionError as error:
        raise AssertionError("%s: got %r, wanted %r" % (error, seen[0], wanted)) \
            from None
    return seen[0]


def drained(sluice, seconds=60):
    """Nothing waits any more; what was deferred is tried at once."""
    flushed = time.monotonic()

    def empty():
        nonlocal flushed
        if stats(sluice)["ledger_queued"] == 0:
            return True
        if time.monotonic() - flushed > 0.5:
            flushed = time.monotonic()
            sluice.ctl("queue", "flush")
        return False
    wait(empty, "an empty queue", seconds)


def taken(hop, count=1):
    """Its messages, once there are as many; a moment later not more."""
    wait(lambda: len(hop.mails) >= count, "%d messages at the hop" % count)
    case.equal(len(hop.mails), count, "messages at the hop")
    return hop.mails


def report(mail):
    """A DSN taken apart: (message, [fields of each recipient], fields of the
    message); it must be a proper one."""
    case.equal(mail["from"], "", "sender of a DSN")
    parsed = email.message_from_bytes(mail["body"])
    case.equal(parsed.get_content_type(), "multipart/report")
    assert not parsed.defects, parsed.defects
    case.equal(parsed["Auto-Submitted"], "auto-replied")
    parts = parsed.get_payload()
    assert len(parts) == 3, parts
    case.equal(parts[0].get_content_type(), "text/plain")
    assert parts[1].get_content_type() in (
        "message/delivery-status", "message/global-delivery-status"), parts[1]
    assert parts[1].get_content_type()[8:].replace("global-", "") == \
        parsed.get_param("report-type").replace("global-", "")
    # the email package knows delivery-status, but not its global sister
    text = parts[1].as_bytes().split(b"\n\n", 1)[1].strip().replace(b"\r", b"")
    blocks = [email.message_from_bytes(b) for b in text.split(b"\n\n")]
    assert blocks[0]["Reporting-MTA"], blocks[0].items()
    for block in blocks[1:]:
        for name in ("Final-Recipient", "Action", "Status"):
            assert block[name], (name, block.items())
    return parsed, blocks[1:], blocks[0]


def preload(library, **more):
    """The environment that puts a library under the daemon."""
    linked = subprocess.run(["ldd", case.BUILD + "/sluiced"], check=True,
                            capture_output=True, text=True).stdout
    first = [line.split("=> ")[1].split()[0] for line in linked.splitlines()
             if "libasan.so" in line or "libtsan.so" in line]
    return dict(more, LD_PRELOAD=":".join(first + [library]))


class Faults:
    """The disk of a daemon that is started with `env`: each call works, or
    fails with the errno that was set."""
    CALLS = ("segment_write", "segment_sync", "index_write", "index_sync")

    def __init__(self, work, part, **more):
        path = work / "faults"
        with open(path, "wb") as f:
            f.write(bytes(4 * len(self.CALLS)))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)
        self.env = preload(FAULTS, FAULTS=path, FAULTS_IN=part, **more)

    def set(self, call, number):
        struct.pack_into("=i", self.map, 4 * self.CALLS.index(call), number)

    def clear(self):
        self.map[:] = bytes(len(self.map))


def health(sluice):
    """(status, text) of /healthz"""
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d/healthz" % sluice.http_port,
                                    timeout=peers.HANG_S) as got:
            return got.status, got.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Private:
    """The test once more in namespaces of its own (`what`: of unshare), so
    that mounts and addresses are nobody else's and end with it."""

    def __init__(self, *what):
        self.what = what

    def enter(self):
        if os.environ.get("SLUICE_PRIVATE"):
            return True
        command = ["unshare", *self.what, "--"]
        if shutil.which("unshare") is None or subprocess.run(
                [*command, "true"], capture_output=True).returncode != 0:
            return False
        os.environ["SLUICE_PRIVATE"] = "1"
        os.execvp("unshare", [*command, sys.executable, *sys.argv])
