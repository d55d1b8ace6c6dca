"""Gateways with a virus scanner, and messages with attachments, for the stories
about scanning."""
import base64
import email
import io
import os
import re
import subprocess
import zipfile

import case
import hops
import peers
import sink
import talk
from icaplab import EICAR, MARKER

CLEAN = b"".join(b"%d bottles of harmless water stand on the wall\r\n" % n
                 for n in range(2))[:len(EICAR)]
USERS = {"alice": "secret-a", "bob": "secret-b"}


# --- messages ------------------------------------------------------------------

def head(number, kind="", more=""):
    """kind: the Content-Type; more: further lines."""
    return ("From: Alice <alice@example.com>\r\nTo: somebody@example.net\r\n"
            "Subject: number %d\r\nDate: Sat, 21 Nov 2026 12:00:00 +0100\r\n"
            "Message-ID: <%d@example.com>\r\nX-Number: %d\r\nMIME-Version: 1.0\r\n"
            "%s%s\r\n" % (number, number, number, "Content-Type: %s\r\n" % kind
                          if kind else "", more)).encode()


def wrapped(data, width=76):
    """base64 in lines."""
    text = base64.b64encode(data)
    return b"".join(text[n:n + width] + b"\r\n" for n in range(0, len(text), width))


def part(content, name="report.doc", kind="application/octet-stream", text=None,
         encoding="base64", disposition="attachment", more=""):
    """One part of a multipart; text: how it is written, by default as base64."""
    lines = "Content-Type: %s\r\n" % kind
    if disposition:
        lines += "Content-Disposition: %s; filename=\"%s\"\r\n" % (disposition, name)
    if encoding:
        lines += "Content-Transfer-Encoding: %s\r\n" % encoding
    return (lines + more + "\r\n").encode() + (
        wrapped(content) if text is None else text)


def shown(text=b"Please find it attached.\r\n"):
    return b"Content-Type: text/plain\r\n\r\n" + text


def multipart(parts, boundary=b"=_edge", end=True):
    out = b"".join(b"--" + boundary + b"\r\n" + p + b"\r\n" for p in parts)
    return out + (b"--" + boundary + b"--\r\n" if end else b"")


def mail(number, *parts, subtype="mixed", more="", end=True):
    """A message of a text and these parts."""
    return head(number, 'multipart/%s; boundary="=_edge"' % subtype, more) + \
        multipart((shown(),) + parts, end=end)


def with_file(number, content, name="report.doc", **more):
    return mail(number, part(content, name, **more))


def zipped(content, name="inside.com"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, content)
    return out.getvalue()


def distinct(number, size=2000):
    """A file like no other."""
    return b"file %d\r\n" % number + os.urandom(size)


# --- the gateway -----------------------------------------------------------------

def gateway(work, servers, scan="wait 2s;", conf="", ca=None, **more):
    """servers: what is behind `server`; sluice.hub takes what goes out."""
    hub = more.pop("hub", None) or sink.Sink()
    lines = "".join("server %s; " % one for one in (
        [servers] if isinstance(servers, str) else servers))
    if ca:
        lines += "ca %s; " % ca
    more.setdefault("users", dict(USERS))
    sluice = hops.gateway(work, {"hub": (hub, "")},
                          "scan { %s%s }\n" % (lines, scan) + conf, **more)
    sluice.hub = hub
    return sluice


def quick(work, times, faults=None):
    """The environment of a daemon whose clock is so quick. Under TSan it is not:
    waits pass by the shim there, and what takes seconds takes half a minute."""
    env, clock = dict(faults.env) if faults else {}, talk.quick_clock(work)
    if "libtsan" in clock["LD_PRELOAD"]:
        return env
    if faults:
        clock["LD_PRELOAD"] = ":".join((env["LD_PRELOAD"],
                                        clock["LD_PRELOAD"].split(":")[-1]))
    return dict(env, **clock, QUICK_CLOCK=str(times))


def on_lab(work, lab, scan="wait 20s;", **more):
    return up(gateway(work, lab.server, scan, ca=lab.ca, **more))


def scanner(sluice):
    return hops.js(sluice, "scan", "status")["scan"]


def up(sluice):
    """Its servers have shown that they look."""
    hops.wait(lambda: scanner(sluice)["up"], "a scanner that is up")
    return sluice


def all_up(sluice):
    """Each of its servers."""
    hops.wait(lambda: {s["health"] for s in scanner(sluice)["servers"]} == {"up"},
              "all to be up")


def session(sluice, user="alice", **more):
    more.setdefault("timeout", peers.HANG_S)
    return talk.session(sluice, user, USERS[user], **more)


def send(talking, content, rcpts=("b@example.net",), sender="alice@example.com"):
    """The answer to the dot."""
    talking.envelope(rcpts, sender)
    talking.expect("DATA", 354)
    talking.send(hops.stuffed(content) + b".\r\n")
    return talking.reply()


def refusal(name, threat):
    """What stands in the answer to an infected message."""
    return "5.7.0 Attachment %s contains %s; message not sent [" % (name, threat)


# --- what came out -----------------------------------------------------------------

def number_of(found):
    got = re.search(rb"(?m)^X-Number: (\d+)\r$", found["body"])
    return int(got.group(1)) if got else None


def mails(sluice):
    """What came to the hub but our own reports and notices."""
    return [m for m in list(sluice.hub.mails) if m["from"]]


def notices(sluice, to="alice@example.com"):
    return [m for m in list(sluice.hub.mails) if not m["from"] and to in m["to"]]


def numbers(sluice):
    """In the order in which they came; twice what came twice."""
    return [number_of(m) for m in mails(sluice)]


def body_of(sluice, number):
    found, = [m["body"] for m in mails(sluice) if number_of(m) == number]
    return found


def nothing_infected(sluice):
    """Nothing that the hub got has a virus in it, as written or as decoded."""
    marks = {EICAR, MARKER}
    for mark in tuple(marks):  # each base64 alignment of its middle
        marks |= {base64.b64encode(mark[n:n + 21]) for n in range(3)}
    for found in list(sluice.hub.mails):
        joined = found["body"].replace(b"\r\n", b"")
        for mark in marks:
            assert mark not in found["body"] and mark not in joined, (
                "a virus left", number_of(found), found["from"])


def went_out(sluice, wanted, seconds=60):
    """Exactly these numbers, once each, and nothing infected among them."""
    wanted = sorted(wanted)
    hops.wait(lambda: len(numbers(sluice)) >= len(wanted), "%d messages at the hub" %
              len(wanted), seconds)
    case.equal(sorted(numbers(sluice)), wanted, "at the hub")
    nothing_infected(sluice)


def as_sent(sluice, number, content):
    """Byte for byte, behind our own lines."""
    got = body_of(sluice, number)
    assert got.endswith(content), (number, got[:2000], content[:2000])


def parsed(text):
    """As Python's email package reads it, which must find nothing odd."""
    got = email.message_from_bytes(text)
    for one in got.walk():
        assert not one.defects, (one.defects, text[:3000])
    return got


def rss_kib(sluice):
    return peers.rss_anon_kib(sluice.process.pid)


def exported(sluice, entry):
    """A quarantined message's bytes."""
    return subprocess.run(
        [sluice.build + "/sluice", "-s", sluice.control, "quarantine", "export", entry],
        stdout=subprocess.PIPE, check=True).stdout


def ledger(sluice):
    return {name[7:]: value for name, value in hops.stats(sluice).items()
            if name.startswith("ledger_")}


def pending(sluice):
    """Messages that wait for a verdict."""
    return [e for e in hops.js(sluice, "queue", "list") if "scan" in e["holds"]]


def keep_work_of(lab, work):
    """So that a failed story shows the lab's logs too."""
    for name in ("c-icap/log", "clamd/log"):
        path = lab.work / name
        if os.path.exists(path):
            with open(path, errors="replace") as f:
                work.write(name.replace("/", "-") + ".log", f.read())
