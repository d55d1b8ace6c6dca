"""Gateways with a resolver of their own, for the stories about recipient domains."""
import concurrent.futures
import mmap
import os
import re
import struct
import subprocess

import case
import hops
import sink
import talk

PUBLIC = "203.0.113."  # a documentation net: to us as good as any
FINE = (250, "2.1.5 Recipient OK")
LATER = (250, "2.1.5 OK (domain not yet verified)")


def missing(name, hint=None):
    return 550, "5.1.2 Domain %s does not exist%s" % (
        name, "; did you mean %s?" % hint if hint else "")


def no_mail(name):
    return 550, "5.1.2 Domain %s has no mail server" % name


def no_name(name):
    return 550, "5.1.2 %s is not a domain name" % name


def refuses(name):
    return 556, "5.1.10 Domain %s does not accept mail" % name


def reserved(name):
    return 550, "5.1.2 %s is a reserved name and cannot receive mail" % name


def nowhere(name):
    return 550, "5.4.4 Domain %s has no usable mail server" % name


def gateway(work, resolver, dns="", conf="", relay="", **more):
    """One relay `hub` takes everything; sluice.hub is its sink. resolver: a
    port, or what `resolver` says in the configuration; None: no such line."""
    hub = sink.Sink()
    if isinstance(resolver, int):
        resolver = "127.0.0.1:%d" % resolver
    if "wait" not in dns:  # a machine that is slow is no resolver that is
        dns += "wait 20s; wait-message 1m;"
    text = "dns { %s%s }\n" % ("resolver %s; " % resolver if resolver else "", dns)
    sluice = hops.gateway(work, {"hub": (hub, relay)}, text + conf, **more)
    sluice.hub, sluice.dns_conf = hub, text
    return sluice


def show(sluice, name, *more):
    return hops.js(sluice, "domain", "show", name, *more)


def rcpt(session, domain, local="x"):
    """The reply to one recipient of a message that goes no further."""
    params = "" if domain.isascii() else " SMTPUTF8"
    session.expect("MAIL FROM:<alice@example.com>" + params, 250)
    reply = session.say("RCPT TO:<%s@%s>" % (local, domain))
    session.expect("RSET", 250)
    return reply


class Sender:
    """Messages of one recipient, each in a session of its own, many at once:
    rows that must wait for DNS wait together."""

    def __init__(self, sluice, width=24, user="alice"):
        self.sluice, self.width, self.user = sluice, width, user
        self.number = 0

    def one(self, job):
        number, domain = job
        session = talk.session(self.sluice, self.user, "secret-" + self.user[0])
        params = "" if domain.isascii() else " SMTPUTF8"
        session.expect("MAIL FROM:<alice@example.com>" + params, 250)
        # a path has 256 octets: the longest domains leave one for the rest
        local = "x" if len(domain) > 240 else "x%d" % number
        reply = session.say("RCPT TO:<%s@%s>" % (local, domain))
        if reply[0] == 250:
            session.data(hops.message(number))
        session.quit()
        return reply

    def send(self, domains):
        """Their replies, in their order."""
        jobs = list(enumerate(domains, self.number + 1))
        self.number += len(jobs)
        with concurrent.futures.ThreadPoolExecutor(self.width) as pool:
            return list(pool.map(self.one, jobs))


def at_hub(sluice):
    """Domains of what came to the hub, with how often."""
    return sorted(to.rpartition("@")[2] for m in sluice.hub.mails for to in m["to"])


def warned(sluice, word):
    """`status` says so."""
    hops.wait(lambda: word in sluice.ctl("status").stdout, word + " in status", 90)


def check(sluice, rows):
    """rows: (label, domain, reply, verdict, reason): all that is wrong is told
    at once. verdict and reason as `sluice domain show` tells them; None: not
    looked at. A reply that is ours is compared whole, any other (a text that
    ends in "...") by its beginning."""
    replies = Sender(sluice).send([row[1] for row in rows])
    wrong = []
    for (label, domain, wanted, verdict, reason), got in zip(rows, replies):
        text = wanted[1]
        same = got[1].startswith(text[:-3]) if text.endswith("...") else \
            got[1] == text
        if got[0] != wanted[0] or not same:
            wrong.append("%s (%s): answered %r, wanted %r" % (
                label, domain, got, wanted))
        if verdict is None:
            continue
        said = show(sluice, domain)
        if said["verdict"] != verdict or not re.search(reason, said["reason"]):
            wrong.append("%s (%s): shown as %r, wanted %r" % (
                label, domain, said, (verdict, reason)))
    assert not wrong, "%d of %d rows:\n%s" % (len(wrong), len(rows),
                                               "\n".join(wrong))
    fine = sorted(domain for _, domain, reply, *_ in rows if reply == FINE)
    hops.wait(lambda: len(sluice.hub.mails) >= len(fine), "those that can")
    case.equal(at_hub(sluice), fine, "at the hub")
    waiting = sum(reply == LATER for _, _, reply, *_ in rows)
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == waiting, "%d undecided "
              "recipients to wait" % waiting)


class Wall:
    """The wall time of a daemon that is started with `env`: later() lets hours
    pass at once."""

    def __init__(self, work):
        path, shim = work / "wall", work / "wall_clock.so"
        with open(path, "wb") as f:
            f.write(bytes(8))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                              "wall_clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", shim, source, "-ldl"],
                       check=True)
        self.env = hops.preload(shim, WALL_CLOCK=path)

    def later(self, seconds):
        now, = struct.unpack("=q", self.map[:8])
        self.map[:8] = struct.pack("=q", now + seconds)
