"""DKIM: what the next hop gets is verified by others (python3-dkim), whatever
the message, the lane and the way it took; what is nobody's is untouched."""
import base64
import json
import os
import re

import case
import dkimlab
import dns
import hops
import scan_help
import sink
import talk
from icap_recorder import Recorder
from icaplab import EICAR
from scan_help import CLEAN, distinct, part

BOTH = [("example.com", "r1", "rsa-sha256"), ("example.com", "e1", "ed25519-sha256")]
GATE = [("gate.example.com", "g1", "rsa-sha256")]
RECEIVED = re.compile(rb"\AReceived: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")


class Lab:
    """Keys of two domains, as the configuration and as DNS have them."""

    def __init__(self, work):
        self.work, self.zone = work, dkimlab.Zone()
        self.keys = {}
        self.add("example.com", r1=2048, e1="ed25519")
        self.add("gate.example.com", g1=2048)

    def add(self, domain, **kinds):
        keys = {s: dkimlab.Key(self.work / ("%s-%s.pem" % (domain, s)), kind)
                for s, kind in kinds.items()}
        self.keys[domain] = keys
        self.zone.publish(domain, **keys)

    def conf(self, more="", but=()):
        return "".join("dkim %s { %s%s}\n" % (domain, "".join(
            "selector %s %s; " % (s, key.path) for s, key in keys.items()), more)
            for domain, keys in self.keys.items() if domain not in but)

    def of(self, message):
        return dkimlab.verified(message, self.zone)


def gateway(work, conf, **more):
    """sluice.hub takes all."""
    hub = sink.Sink(**more.pop("sink", {}))
    sluice = hops.gateway(work, {"hub": (hub, "")},
                          conf + "resubmission off;\ninternal example.com;\n"
                          "message-size 60M;\n", **more)
    sluice.hub = hub
    return sluice


def stamped(number=1, sender=b"Alice <alice@example.com>", more=b""):
    return (b"From: " + sender + b"\r\nTo: somebody@example.net\r\nSubject: %d\r\n"
            b"Date: Sat, 21 Nov 2026 12:00:00 +0100\r\n"
            b"Message-ID: <%d@example.com>\r\n" % (number, number)) + more + b"\r\n"


def sent_on(sluice):
    """Without the reports that we write ourselves."""
    return [mail for mail in sluice.hub.mails if mail["from"]]


def through(sluice, content, rcpts=("b@example.net",), params="", session=None):
    """What came out of it for the next hop."""
    talking = session or talk.session(sluice)
    before = len(sent_on(sluice))
    talking.envelope(rcpts, "alice@example.com", params)
    talking.expect("DATA", 354)
    talking.send(hops.stuffed(content) + b".\r\n")
    code, text = talking.reply()
    case.equal(code, 250, text)
    if session is None:
        talking.quit()
    hops.wait(lambda: len(sent_on(sluice)) > before, "that it goes out")
    return sent_on(sluice)[before]["body"]


def unsigned(message, sent):
    """As it came, but for our Received."""
    assert message.endswith(sent), message[:2000]
    assert RECEIVED.fullmatch(message[:-len(sent)]), message[:2000]


EIGHT = " BODY=8BITMIME"
MESSAGES = [
    ("plain", stamped() + b"hello  world \r\n", ""),
    ("an empty body", stamped(), ""),
    ("blank lines at the end", stamped() + b"x\r\n \r\n\r\n\t\r\n\r\n", ""),
    ("blank lines alone", stamped() + b"\r\n\r\n \r\n", ""),
    ("dots", stamped() + b".\r\n..\r\n.x\r\n", ""),
    ("8 bits", stamped() + bytes(range(128, 256)) + b"\r\n", EIGHT),
    ("8 bits above", stamped(sender=b"\"\xc3\xa4\" <alice@example.com>") +
     b"\xc3\xa4\r\n", EIGHT),
    ("long lines", stamped() + (b"z " * 499 + b"\r\n") * 50, ""),
    ("neither Date nor Message-ID",
     b"From: alice@example.com\r\nSubject: x\r\n\r\nhello\r\n", ""),
    ("a folded From", stamped(sender=b"Alice\r\n  (at home)\r\n\t<alice@EXAMPLE.com>"),
     ""),
    ("a signature that came with it", stamped(
        more=b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=o;\r\n"
        b"\th=from; bh=AAAA; b=AAAA\r\n") + b"x\r\n", ""),
    ("20 MB", stamped() + (b"0123456789 abcdef\t" * 4 + b"\r\n") * 280000, ""),
]


@case.case
def every_message(work):
    """Two keys, two signatures, and both are good."""
    lab = Lab(work)
    sluice = gateway(work, lab.conf())
    session = talk.session(sluice, timeout=300)
    for label, content, params in MESSAGES:
        got = through(sluice, content, params=params, session=session)
        assert got.endswith(content), label
        ours = got[:-len(content)]
        case.equal(ours.count(b"DKIM-Signature:"), 2, label)
        names = dkimlab.tags(got)["h"].split(":")
        assert "received" not in names, names
        if label == "a signature that came with it":
            got = got.replace(content, stamped() + b"x\r\n")
        case.equal(lab.of(got), BOTH, label)
        # what we added is covered, and a second one would not pass
        if label.startswith("neither"):
            assert ours.count(b"\r\nDate: ") == 1, ours
            for add in (b"Date: x\r\n", b"Message-ID: <x@y>\r\n", b"Subject: y\r\n"):
                try:
                    lab.of(add + got)
                except (AssertionError, dkimlab.dkim.DKIMException):
                    continue
                raise AssertionError("%r can be added" % add)
    session.quit()
    sluice.lines("accept", " dkim=example.com", count=len(MESSAGES))
    sluice.stop()


@case.case
def published(work):
    """What `dkim show` says is what the verifiers found."""
    lab = Lab(work)
    lab.add("xn--bcher-kva.example", big=4096)
    server = dns.Server(lab.zone.records())
    server.large.add("big._domainkey.xn--bcher-kva.example")  # asked again by TCP
    sluice = gateway(work, lab.conf() + "dns { check off; resolver 127.0.0.1:%d; }\n"
                     % server.port)
    shown = hops.js(sluice, "dkim", "show")
    case.equal({one["name"]: one["txt"] for one in shown}, dict(lab.zone))
    text = sluice.ctl("dkim", "show", "EXAMPLE.com.").stdout
    case.equal([line.split()[0] for line in text.splitlines() if line[:1] != ";"],
               ["r1._domainkey.example.com.", "e1._domainkey.example.com."])
    for line in text.splitlines():
        strings = re.findall(r'"([^"]*)"', line)
        if strings:
            assert max(map(len, strings)) <= 255
            assert "".join(strings) in lab.zone.values(), line
    missing = sluice.ctl("dkim", "show", "example.org", check=False)
    case.equal(missing.returncode, 1)
    case.contains(missing.stderr, "there is no 'dkim example.org'")

    def checked(*domain):
        return {one["selector"]: one["says"] for one in json.loads(
            sluice.ctl("--json", "dkim", "check", *domain, check=False).stdout)}
    case.equal(set(checked().values()), {"is published"})
    case.equal(sluice.ctl("dkim", "check").returncode, 0)
    for selector, text, says in (
            ("r1", lab.zone["e1._domainkey.example.com"], "has another key in DNS"),
            ("e1", None, "is not published")):
        key = ("%s._domainkey.example.com" % selector, dns.TXT)
        server.zone.pop(key)
        if text:
            server.zone[key] = [dkimlab.strings(text)]
        case.contains(checked("example.com")[selector], says)
    got = sluice.ctl("dkim", "check", check=False)
    case.equal(got.returncode, 1)
    case.contains(got.stdout, "g1._domainkey.gate.example.com is published\n")
    sluice.stop()


@case.case
def nobodys(work):
    """No key for it, or no single author: not a byte is added."""
    lab = Lab(work)
    sluice = gateway(work, lab.conf())
    session = talk.session(sluice)
    for sender in (b"a@example.org", b"a@sub.example.com", b"a@ample.com",
                   b"a@example.com, b@example.com", b"a@example.com, b@example.org",
                   b"none:;", b"a@example.com <b@example.org",
                   b"\"a@example.com\" <b@example.org>"):
        content = stamped(sender=sender) + b"x\r\n"
        unsigned(through(sluice, content, session=session), content)
    content = b"To: b@example.net\r\n" + stamped().split(b"\r\n", 2)[2] + b"no From\r\n"
    got = through(sluice, content, session=session)
    assert b"DKIM-Signature" not in got
    got = through(sluice, b"no header at all\r\n", session=session)
    assert b"DKIM-Signature" not in got
    session.quit()
    twice = talk.session(sluice)
    twice.envelope(["b@example.net"], "alice@example.com")
    code, text = twice.say("DATA")
    twice.send(stamped(more=b"From: b@example.com\r\n") + b".\r\n")
    code, text = twice.reply()
    case.equal(code, 550 if code == 550 else 554, text)
    twice.close()
    case.equal([l for l in sluice.log_lines("accept") if " dkim=" in l], [])
    sluice.stop()


@case.case
def below(work):
    """`subdomains on`, and a domain below that has a key of its own."""
    lab = Lab(work)
    lab.add("news.example.com", n1="ed25519")
    sluice = gateway(work, lab.conf("subdomains on; "))
    for sender, wanted in ((b"a@x.y.example.com", BOTH), (b"a@EXAMPLE.COM", BOTH),
                           (b"a@news.example.com",
                            [("news.example.com", "n1", "ed25519-sha256")])):
        got = through(sluice, stamped(sender=sender) + b"x\r\n")
        case.equal(lab.of(got), wanted, sender)
    sluice.stop()


@case.case
def lanes(work):
    """Mass mail alone, where it is said so; its readers' link stands in what is
    signed and nowhere else, and is covered."""
    lab = Lab(work)
    url = "https://example.com/u?c={campaign}&m={message}"
    bulk = 'bulk { when recipients 2; preflight off; unsubscribe "%s"; }\n' % url
    three = ["b%d@example.net" % n for n in range(3)]
    sluice = gateway(work, lab.conf("lanes bulk; ") + bulk)
    content = stamped() + b"x\r\n"
    unsigned(through(sluice, content), content)
    got = through(sluice, content, three)
    case.equal(lab.of(got), BOTH)
    link = re.search(rb"\r\nList-Unsubscribe: <https://example\.com/u\?c=(C\d+)&m=(\w+)>"
                     rb"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", got)
    assert link, got[:3000]
    names = dkimlab.tags(got)["h"].split(":")
    for name in ("list-unsubscribe", "list-unsubscribe-post"):
        assert name in names, names
    # the sender's own
    own = stamped(more=b"List-Unsubscribe: <mailto:off@example.com>\r\n") + b"x\r\n"
    got = through(sluice, own, three)
    case.equal(lab.of(got), BOTH)
    case.equal(got.count(b"List-Unsubscribe"), 1)
    # nobody signs: nobody adds
    content = stamped(sender=b"a@example.org") + b"x\r\n"
    got = through(sluice, content, three)
    unsigned(got, content)
    sluice.stop()
    sluice = gateway(work, lab.conf() + bulk, name="all")
    got = through(sluice, stamped() + b"x\r\n")
    case.equal(lab.of(got), BOTH, "personal")
    assert b"List-Unsubscribe" not in got
    case.equal(lab.of(through(sluice, stamped() + b"x\r\n", three)), BOTH, "bulk")
    # and what its sender is told of it at the end
    hops.wait(lambda: len(sent_on(sluice)) < len(sluice.hub.mails), "its report")
    case.equal([lab.of(m["body"]) for m in sluice.hub.mails if not m["from"]], [GATE])
    sluice.stop()


@case.case
def reports(work):
    """A report of ours is signed for our own name; where there is no key for it,
    it is sent as before."""
    lab = Lab(work)
    faults = {"RCPT": lambda session, argument: sink.reply("550 5.1.1 no such user")
              if "dead" in str(argument) else None}
    for name, but, wanted in (("with", (), GATE),
                              ("without", ("gate.example.com",), [])):
        sluice = gateway(work, lab.conf(but=but), name=name, sink={"faults": faults})
        talking = talk.session(sluice)
        hops.submit(talking, stamped() + b"x\r\n", ["dead@example.net"])
        talking.quit()
        report = hops.taken(sluice.hub)[0]
        hops.report(report)
        case.equal(lab.of(report["body"]) if wanted else
                   dkimlab.signatures(report["body"]), wanted or 0, name)
        sluice.stop()


@case.case
def tokens(work):
    """A scan token stands beside the signature, and is taken out at the edge:
    neither breaks it, nor does another gateway of ours on the way."""
    lab, icap = Lab(work), Recorder()
    site = work.write("site.key", base64.b64encode(os.urandom(32)).decode() + "\n",
                      0o600)
    pair = []
    for name, conf in (("a", lab.conf()), ("b", "")):
        inside, edge = sink.Sink(), sink.Sink()
        sluice = hops.gateway(
            work, {"inside": (inside, "scan-token keep;"), "edge": (edge, "")},
            conf + "scan { server %s; wait 20s; token-key site %s; token-sign site; }\n"
            "resubmission off;\n" % (icap.url, site),
            users=dict(scan_help.USERS), name=name)
        sluice.inside, sluice.edge = inside, edge
        pair.append(scan_help.up(sluice))
    sent = scan_help.with_file(1, distinct(1))

    def pass_on(sluice, content, to, hub):
        talking = scan_help.session(sluice)
        case.equal(scan_help.send(talking, content, [to])[0], 250)
        talking.quit()
        hops.wait(lambda: hub.mails, "that it goes out")
        return hub.mails[-1]["body"]
    kept = pass_on(pair[0], sent, "b@inside.net", pair[0].inside)
    case.equal(kept.count(b"X-Sluice-Scan:"), 1)
    case.equal(lab.of(kept), BOTH, "with the token")
    direct = pass_on(pair[0], sent, "b@edge.example", pair[0].edge)
    case.equal(direct.count(b"X-Sluice-Scan:"), 0)
    case.equal(lab.of(direct), BOTH, "at once to the edge")
    second = pass_on(pair[1], kept, "b@edge.example", pair[1].edge)
    case.equal(second.count(b"X-Sluice-Scan:"), 0)
    case.equal(lab.of(second), BOTH, "by way of another")
    for sluice in pair:
        sluice.stop()


@case.case
def cleaned(work):
    """A copy without its virus is another message: signed anew, once for each
    key, and so is the notice of it."""
    lab, icap = Lab(work), Recorder()
    sluice = scan_help.up(scan_help.gateway(
        work, icap.url, "wait 20s; infected clean;", lab.conf()))
    message = scan_help.mail(1, part(CLEAN, "fine.doc"), part(EICAR, "evil.doc"))
    talking = scan_help.session(sluice)
    case.equal(scan_help.send(talking, message)[0], 250)
    talking.quit()
    hops.wait(lambda: len(sluice.hub.mails) == 2, "the copy and the notice")
    for mail in sluice.hub.mails:
        text = mail["body"]
        copy = b"X-Number: 1" in text.split(b"\r\n\r\n")[0]
        case.equal(lab.of(text), BOTH if copy else GATE, text[:2000])
    hops.drained(sluice)
    sluice.stop()


@case.case
def keys_change(work):
    """A reload takes another key for what comes from then on; one that cannot be
    read changes nothing. What waits is sent as it was signed, kill or not."""
    lab = Lab(work)
    sluice = gateway(work, lab.conf(),
                     sink={"faults": {"MAIL": sink.reply("451 4.7.1 later", times=1)}})
    talking = talk.session(sluice)
    hops.submit(talking, stamped(1) + b"x\r\n", ["b@example.net"])
    hops.wait(lambda: sluice.log_lines("deferred"), "that it waits")
    talking.close()
    lab.add("example.com", new="ed25519")
    sluice.configure("via hub;", hops.relay("hub", sluice.hub) + lab.conf())
    sluice.ctl("reload")
    got = through(sluice, stamped(2) + b"x\r\n")
    sluice.kill()
    sluice.start()
    hops.drained(sluice)
    bodies = {m["body"] for m in sluice.hub.mails}  # the kill may send one again
    case.equal(sorted(tuple(s for _, s, _ in lab.of(b)) for b in bodies),
               [("new",), ("r1", "e1")])
    assert got in bodies
    path = lab.keys["example.com"]["new"].path
    for number, (spoil, word) in enumerate([
            (lambda: os.chmod(path, 0o604), "chmod o="),
            (lambda: work.write("example.com-new.pem", "x\n", 0o600),
             "no PEM private key")]):
        spoil()
        refused = sluice.ctl("reload", check=False)
        assert refused.returncode != 0, refused
        case.contains(refused.stdout + refused.stderr, word)
        case.equal(lab.of(through(sluice, stamped(3 + number) + b"x\r\n"))[0][1], "new")
    sluice.stop()


if __name__ == "__main__":
    if dkimlab.dkim is None:
        print("python3-dkim is not here")
        raise SystemExit(77)
    case.main()
