"""Clients that send as much as they are let, for the stories about limits."""
import contextlib
import json
import threading

import case
import peers
import talk
from talk import Closed, Talk, plain

KNOCKERS = 64
HEAD = b"From: a@example.com\r\nSubject: x\r\n\r\nhello\r\n"


def door(**more):
    """A gateway that also takes logins in the clear, so that the time goes
    into limits and not into handshakes; from any address of loopback."""
    def make(work, conf="", **rest):
        port = peers.free_port()
        conf += ("listen clear { address 127.0.0.1:%d; tls none; "
                 "insecure-auth on; }\n" % port)
        sluice = talk.gateway(work, conf=conf, **dict(more, **rest))
        sluice.clear = port
        return sluice
    return make


def clear(sluice, user="alice", password="secret-a", source=None, **more):
    """Logged in without TLS."""
    t = Talk(sluice.clear, source=source, **more)
    t.ehlo()
    return t.login(user, password)


def stats(sluice, name):
    return json.loads(sluice.ctl("--json", "stats").stdout)[name]


def accepted(sluice):
    """Recipients, by what is on disk."""
    return stats(sluice, "ledger_accepted")


def reload(sluice, work, conf):
    sluice.configure("via maildir:%s;" % (work / "mail"), conf + (
        "listen clear { address 127.0.0.1:%d; tls none; insecure-auth on; }\n"
        % sluice.clear))
    sluice.ctl("reload")


class Knocker(threading.Thread):
    """Sends messages of `rcpts` recipients until a whole one is refused.
    `accepted` are the recipients of messages that were answered 250."""

    def __init__(self, sluice, source="127.0.0.1", rcpts=1, name="r",
                 user="alice", body=HEAD, domain="example.net"):
        super().__init__(daemon=True)
        self.sluice, self.source, self.rcpts = sluice, source, rcpts
        self.who, self.user, self.body, self.domain = name, user, body, domain
        self.accepted = self.messages = 0
        self.open = 0  # of the message whose answer did not come
        self.refused = []
        self.strange = None
        self.lost = False

    def run(self):
        try:
            with contextlib.closing(clear(
                    self.sluice, self.user, "secret-" + self.user[0],
                    source=self.source)) as t:
                while self.one(t):
                    pass
        except (OSError, Closed):
            self.lost = True
        except Exception as error:
            self.strange = error

    def one(self, t):
        number = self.messages + len(self.refused)
        t.send("MAIL FROM:<a@example.com>\r\n" + "".join(
            "RCPT TO:<%s-%d-%d@%s>\r\n" % (self.who, number, i, self.domain)
            for i in range(self.rcpts)))
        t.next(250)
        good = 0
        for _ in range(self.rcpts):
            code, text = t.reply()
            if code == 250:
                good += 1
            else:
                assert code in (450, 550), (code, text)
                self.refused.append((code, text))
        if good == 0:
            return False
        t.expect("DATA", 354)
        self.open = good
        t.send(self.body + b".\r\n")
        code, text = t.reply()
        self.open = 0
        if code != 250:
            self.refused.append((code, text))
            return False
        self.accepted += good
        self.messages += 1
        return True


def crowd(sluice, count=KNOCKERS, addresses=16, start=True, **more):
    """Knockers from several addresses of loopback, all at once."""
    out = [Knocker(sluice, "127.0.0.%d" % (2 + i % addresses), name="k%d" % i,
                   **more) for i in range(count)]
    for knocker in out if start else ():
        knocker.start()
    return out


def finish(knockers, lost=False):
    """The sums of accepted recipients and messages, when all have ended."""
    for knocker in knockers:
        knocker.join(120)
        assert not knocker.is_alive(), "a client hangs"
        if knocker.strange:
            raise knocker.strange
        assert lost or not knocker.lost, "a connection was lost"
    return (sum(k.accepted for k in knockers),
            sum(k.messages for k in knockers))


def fill(sluice, **more):
    """One quiet client takes what is left."""
    knocker = Knocker(sluice, name="last%d" % id(more), **more)
    knocker.start()
    return finish([knocker])[0]


def told(sluice, *parts):
    """Lines of event=limit with all of these in them."""
    return [l for l in sluice.log_lines() if " event=limit " in l
            and all(p in l for p in parts)]
