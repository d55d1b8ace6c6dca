"""What a client hears about each kind of recipient domain, and what `sluice
domain show` says of it: asked of unbound and nsd with zones of the test's, and
of a resolver that misbehaves."""
import datetime

import case
import dnslab
import domains_help
import hops
import talk
from dnslab import A, AAAA, MX
from domains_help import (FINE, LATER, PUBLIC, missing, no_mail, no_name, nowhere,
                          refuses, reserved)

LONG = "l" * 63
DEEP = ".".join(["d" * 63] * 3)  # with ".lab" and a label of 56: 252 octets
ZONE = """
$TTL 300
good          IN MX 10 mx.good
mx.good       IN A 203.0.113.10
mixedcase     IN MX 10 MX.GoOd
a-only        IN A 203.0.113.11
aaaa-only     IN AAAA 2001:db8:1::1
both          IN A 203.0.113.11
both          IN AAAA 2001:db8:1::1
nothing       IN TXT "neither MX nor address"
below.empty   IN A 203.0.113.11
null          IN MX 0 .
null          IN A 203.0.113.11
null-ten      IN MX 10 .
null-more     IN MX 0 .
null-more     IN MX 10 mx.good
alias         IN CNAME good
alias-a       IN CNAME a-only
alias-null    IN CNAME null
chain1        IN CNAME chain2
chain2        IN CNAME chain3
chain3        IN CNAME chain4
chain4        IN CNAME chain5
chain5        IN CNAME good
loop1         IN CNAME loop2
loop2         IN CNAME loop1
dangling      IN CNAME nobody
mx-alias      IN MX 10 alias.mx-alias
alias.mx-alias IN CNAME mx.good
mx-loop       IN MX 10 loop1
mx-gone       IN MX 10 gone1
mx-gone       IN MX 20 gone2
mx-half       IN MX 10 gone1
mx-half       IN MX 20 mx.good
mx-nodata     IN MX 10 nothing
mx-ip         IN MX 10 203.0.113.10.
mx-localhost  IN MX 10 localhost.
mx-single     IN MX 10 mailhost.
mx-self       IN MX 10 mx-self
mx-self-a     IN MX 10 mx-self-a
mx-self-a     IN A 203.0.113.12
mx-big        IN MX 65535 mx.good
zero          IN MX 10 h.zero
h.zero        IN A 0.0.0.0
a-zero        IN A 0.0.0.0
multicast     IN MX 10 h.multicast
h.multicast   IN A 224.0.0.5
broadcast     IN A 255.255.255.255
future        IN A 240.0.0.1
mapped        IN MX 10 h.mapped
h.mapped      IN AAAA ::ffff:127.0.0.1
loopback      IN MX 10 h.loopback
h.loopback    IN A 127.0.0.1
loopback6     IN AAAA ::1
private       IN MX 10 h.private
h.private     IN A 10.1.2.3
private2      IN A 172.16.0.1
private3      IN A 192.168.1.1
link-local    IN A 169.254.1.1
unique-local  IN AAAA fd00::1
link-local6   IN AAAA fe80::1
half-private  IN MX 10 h.private
half-private  IN MX 20 mx.good
mx-silent     IN MX 10 mx.silent
mx-servfail   IN MX 10 mx.servfail
mx-half-silent IN MX 10 mx.silent
mx-half-silent IN MX 20 mx.good
mx-gone-silent IN MX 10 gone1
mx-gone-silent IN MX 20 mx.silent
*.wild        IN MX 10 mx.good
*.wild-a      IN A 203.0.113.11
xn--bcher-kva IN MX 10 mx.good
_under        IN MX 10 mx.good
1234          IN MX 10 mx.good
ttl0        0 IN MX 10 mx.good
""" + "%s IN MX 10 mx.good\n" % ("\u4e2d" * 22).encode("idna").decode() + \
    "%s IN MX 10 mx.good\n" % LONG + "".join(
        "%s.%s IN MX 10 mx.good\n" % ("e" * n, DEEP) for n in (56, 57)) + \
    "".join("big IN MX %d a-mail-exchanger-with-a-long-name-%03d.big\n"
            "a-mail-exchanger-with-a-long-name-%03d.big IN A %s%d\n" % (
                n, n, n, PUBLIC, n % 200 + 1) for n in range(1, 151))
COM = """
gmail IN MX 10 mx.good.lab.
gmai  IN MX 10 mx.good.lab.
"""

ROWS = [  # label, domain, reply, verdict and reason of `domain show`
    ("an MX", "good.lab", FINE, "deliverable", "MX"),
    ("no such domain", "nobody.lab", missing("nobody.lab"), "dead", "NXDOMAIN"),
    ("no such TLD", "nobody.nowhere", missing("nobody.nowhere"), "dead", "NXDOMAIN"),
    ("below one that is missing", "a.b.nobody.lab", missing("a.b.nobody.lab"),
     "dead", "NXDOMAIN"),
    ("a typing error", "gmial.com", missing("gmial.com", "gmail.com"), "dead",
     "NXDOMAIN"),
    ("one in the TLD", "gmail.con", missing("gmail.con", "gmail.com"), "dead",
     "NXDOMAIN"),
    ("a typing error that exists", "gmai.com", FINE, "deliverable", "MX"),
    ("neither MX nor address", "nothing.lab", no_mail("nothing.lab"), "dead",
     "neither MX"),
    ("a name with names below it only", "empty.lab", no_mail("empty.lab"), "dead",
     "neither MX"),
    ("null MX, with an address", "null.lab", refuses("null.lab"), "refuses",
     "null MX"),
    ("null MX of preference 10", "null-ten.lab", refuses("null-ten.lab"), "refuses",
     "null MX"),
    ("null MX and another", "null-more.lab", FINE, "deliverable", "MX"),
    ("A only", "a-only.lab", FINE, "deliverable", "address"),
    ("AAAA only", "aaaa-only.lab", FINE, "deliverable", "address"),
    ("A and AAAA", "both.lab", FINE, "deliverable", "address"),
    ("alias of a good one", "alias.lab", FINE, "deliverable", "MX"),
    ("alias of an address", "alias-a.lab", FINE, "deliverable", "address"),
    ("alias of a null MX", "alias-null.lab", refuses("alias-null.lab"), "refuses",
     "null MX"),
    ("a chain of aliases", "chain1.lab", FINE, "deliverable", "MX"),
    ("an alias that leads nowhere", "dangling.lab", missing("dangling.lab"), "dead",
     "NXDOMAIN"),
    ("a circle of aliases", "loop1.lab", LATER, "unknown", "."),
    ("an MX that is an alias", "mx-alias.lab", FINE, "deliverable", "MX"),
    ("an MX in a circle", "mx-loop.lab", LATER, "unknown", "."),
    ("no MX exists", "mx-gone.lab", nowhere("mx-gone.lab"), "unroutable", "."),
    ("one MX of two exists", "mx-half.lab", FINE, "deliverable", "MX"),
    ("an MX without an address", "mx-nodata.lab", nowhere("mx-nodata.lab"),
     "unroutable", "address"),
    ("an IP address as MX", "mx-ip.lab", nowhere("mx-ip.lab"), "unroutable", "host"),
    ("localhost as MX", "mx-localhost.lab", nowhere("mx-localhost.lab"),
     "unroutable", "."),
    ("an MX of one label", "mx-single.lab", nowhere("mx-single.lab"), "unroutable",
     "."),
    ("itself as MX, no address", "mx-self.lab", nowhere("mx-self.lab"), "unroutable",
     "."),
    ("itself as MX", "mx-self-a.lab", FINE, "deliverable", "MX"),
    ("preference 65535", "mx-big.lab", FINE, "deliverable", "MX"),
    ("MX at 0.0.0.0", "zero.lab", nowhere("zero.lab"), "unroutable", "."),
    ("A 0.0.0.0", "a-zero.lab", nowhere("a-zero.lab"), "unroutable", "."),
    ("MX at a multicast address", "multicast.lab", nowhere("multicast.lab"),
     "unroutable", "."),
    ("A 255.255.255.255", "broadcast.lab", nowhere("broadcast.lab"), "unroutable",
     "."),
    ("MX at ::ffff:127.0.0.1", "mapped.lab", nowhere("mapped.lab"), "unroutable",
     "."),
    ("MX on loopback", "loopback.lab", nowhere("loopback.lab"), "unroutable", "."),
    ("AAAA ::1", "loopback6.lab", nowhere("loopback6.lab"), "unroutable", "."),
    ("MX at 10/8", "private.lab", nowhere("private.lab"), "unroutable", "."),
    ("A 172.16/12", "private2.lab", nowhere("private2.lab"), "unroutable", "."),
    ("A 192.168/16", "private3.lab", nowhere("private3.lab"), "unroutable", "."),
    ("A 169.254/16", "link-local.lab", nowhere("link-local.lab"), "unroutable", "."),
    ("AAAA fd00::/8", "unique-local.lab", nowhere("unique-local.lab"), "unroutable",
     "."),
    ("AAAA fe80::/10", "link-local6.lab", nowhere("link-local6.lab"), "unroutable",
     "."),
    ("one MX private, one not", "half-private.lab", FINE, "deliverable", "MX"),
    ("SERVFAIL", "x.servfail.lab", LATER, "unknown", "."),
    ("REFUSED", "x.refused.lab", LATER, "unknown", "."),
    ("a name server that is silent", "x.silent.lab", LATER, "unknown", "."),
    ("that of the only MX is", "mx-silent.lab", LATER, "unknown", "."),
    ("that of the only MX fails", "mx-servfail.lab", LATER, "unknown", "."),
    ("that of one MX of two is", "mx-half-silent.lab", FINE, "deliverable", "MX"),
    ("one MX missing, one silent", "mx-gone-silent.lab", LATER, "unknown", "."),
    ("150 MX, by TCP", "big.lab", FINE, "deliverable", "MX"),
    ("a wildcard MX", "what.ever.wild.lab", FINE, "deliverable", "MX"),
    ("a wildcard address", "what.wild-a.lab", FINE, "deliverable", "address"),
    ("UTF-8", "b\u00fccher.lab", FINE, "deliverable", "MX"),
    ("UTF-8, other case", "B\u00dcCHER.lab", FINE, "deliverable", "MX"),
    ("A-labels", "xn--bcher-kva.lab", FINE, "deliverable", "MX"),
    ("UTF-8, missing", "b\u00fbcher.lab", missing("xn--bcher-eva.lab"), "dead",
     "NXDOMAIN"),
    ("UTF-8, of 66 octets", "\u4e2d" * 22 + ".lab", FINE, "deliverable", "MX"),
    ("UTF-8, far too long", "".join(map(chr, range(0x4e00, 0x4e32))) + ".lab",
     (550, "5.1.2 ..."), None, None),
    ("mixed case", "MixedCase.LAB", FINE, "deliverable", "MX"),
    ("mixed case, missing", "NoBody.LAB", missing("nobody.lab"), "dead", "NXDOMAIN"),
    ("a trailing dot", "good.lab.", (501, "5.1.3 ..."), None, None),
    ("two dots", "good..lab", (501, "5.1.3 ..."), None, None),
    ("a label of 63", LONG + ".lab", FINE, "deliverable", "MX"),
    ("a label of 64", "x" + LONG + ".lab", (501, "5.1.3 ..."), None, None),
    ("252 octets, all that a path has", "e" * 56 + "." + DEEP + ".lab", FINE,
     "deliverable", "MX"),
    ("253 octets, all that DNS has", "e" * 57 + "." + DEEP + ".lab",
     (501, "5.1.3 ..."), "deliverable", "MX"),
    ("254 octets", "e" * 58 + "." + DEEP + ".lab", (501, "5.1.3 ..."), "dead", "."),
    ("an underscore", "_under.lab", FINE, "deliverable", "MX"),
    ("a label of digits", "1234.lab", FINE, "deliverable", "MX"),
    ("digits only", "1234", (550, "5.1.2 ..."), "dead", "."),
    ("an address without brackets", "203.0.113.10", (550, "5.1.2 ..."), "dead", "."),
    *[("special use", name, reserved(name.lower()), "reserved", ".") for name in (
        "a.test", "test", "a.example", "a.invalid", "localhost", "a.localhost",
        "printer.local", "a.onion", "a.alt", "home.arpa", "nas.home.arpa",
        "a.internal", "A.TEST", "10.in-addr.arpa", "a.ip6.arpa")],
    ("a literal", "[203.0.113.10]", FINE, "deliverable", "literal"),
    ("one of IPv6", "[IPv6:2001:db8:1::1]", FINE, "deliverable", "literal"),
    ("one of loopback", "[127.0.0.1]", nowhere("[127.0.0.1]"), "unroutable", "."),
    ("one of 10/8", "[10.1.2.3]", nowhere("[10.1.2.3]"), "unroutable", "."),
    ("one of 0.0.0.0", "[0.0.0.0]", nowhere("[0.0.0.0]"), "unroutable", "."),
    ("one of ::1", "[IPv6:::1]", nowhere("[ipv6:::1]"), "unroutable", "."),
    ("one that is none", "[300.1.1.1]", (501, "5.1.3 ..."), None, None),
    ("TTL 0", "ttl0.lab", FINE, "deliverable", "MX"),
]


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def whole(work):
    silent = dnslab.Odd(dnslab.silent)
    return dnslab.Lab(
        work, ZONE, zones={"com.": COM}, odd={
            "silent.lab.": silent.port,
            "servfail.lab.": dnslab.Odd(dnslab.with_code(2)).port,
            "refused.lab.": dnslab.Odd(dnslab.with_code(5)).port})


@case.case
def matrix(work):
    lab = whole(work)
    sluice = domains_help.gateway(work, lab.resolver.port)
    domains_help.check(sluice, ROWS)
    asked = lab.resolver.questions()
    for name in ("test", "a.test", "localhost", "a.onion", "nas.home.arpa"):
        assert not any(what == name for what, _ in asked), name
    sluice.stop()


@case.case
def permitted_targets(work):
    """Loopback and private addresses where they are permitted; what is no
    address of a host never is."""
    lab = whole(work)
    sluice = domains_help.gateway(work, lab.resolver.port,
                                  "targets loopback private;")
    domains_help.check(sluice, [
        ("MX on loopback", "loopback.lab", FINE, "deliverable", "MX"),
        ("AAAA ::1", "loopback6.lab", FINE, "deliverable", "address"),
        ("MX at 10/8", "private.lab", FINE, "deliverable", "MX"),
        ("A 172.16/12", "private2.lab", FINE, "deliverable", "address"),
        ("AAAA fd00::/8", "unique-local.lab", FINE, "deliverable", "address"),
        ("public", "good.lab", FINE, "deliverable", "MX"),
        ("a literal", "[127.0.0.1]", FINE, "deliverable", "literal"),
        ("a private one", "[10.1.2.3]", FINE, "deliverable", "literal"),
        ("localhost as MX", "mx-localhost.lab", nowhere("mx-localhost.lab"),
         "unroutable", "."),
        ("localhost itself", "localhost", reserved("localhost"), "reserved", "."),
        ("0.0.0.0", "zero.lab", nowhere("zero.lab"), "unroutable", "."),
        ("multicast", "multicast.lab", nowhere("multicast.lab"), "unroutable", "."),
        ("::ffff:127.0.0.1", "mapped.lab", nowhere("mapped.lab"), "unroutable", "."),
        ("255.255.255.255", "broadcast.lab", nowhere("broadcast.lab"), "unroutable",
         "."),
    ])
    # taken away again by a reload: asked anew
    sluice.hub.mails.clear()
    with open(sluice.conf_path) as f:
        text = f.read()
    with open(sluice.conf_path, "w") as f:
        f.write(text.replace("targets loopback private;", "targets loopback;"))
    sluice.ctl("reload")
    session = talk.session(sluice)
    case.equal(domains_help.rcpt(session, "private.lab"), nowhere("private.lab"))
    case.equal(domains_help.rcpt(session, "loopback.lab"), FINE)
    session.quit()
    sluice.stop()


@case.case
def our_own_names(work):
    """`internal` and what a route names is never asked about, reserved or not."""
    lab = whole(work)
    sluice = domains_help.gateway(
        work, lab.resolver.port, conf="internal corp.internal .staff.test;\n"
        "route printers { domain printers.local; via hub; }\n")
    domains_help.check(sluice, [
        (name, name, FINE, None, None) for name in (
            "corp.internal", "a.staff.test", "printers.local")] + [
        ("beside it", "other.internal", reserved("other.internal"), "reserved", "."),
        ("below it", "x.printers.local", reserved("x.printers.local"), "reserved",
         ".")])
    asked = lab.resolver.questions()
    for name in ("corp.internal", "a.staff.test", "printers.local"):
        assert not any(what == name for what, _ in asked), name
    assert domains_help.show(sluice, "corp.internal")["asked_about"] is False
    sluice.stop()


# --- a resolver that misbehaves, asked directly -------------------------------

GOOD = (10, "mx.odd.lab")


def good(asked, ttl=300):
    """What a well-behaved one would say to anything."""
    if asked.kind == MX:
        return asked.reply([dnslab.record(None, MX, GOOD, ttl)])
    if asked.kind == A:
        return asked.reply([dnslab.record(None, A, PUBLIC + "7", 7 * 86400)])
    return asked.none()


def mx(asked, *data, **more):
    return asked.reply([dnslab.record(None, MX, d, **more) for d in data])


def cut(asked):
    return asked.reply(flags=0x8380)


def at_self(asked):
    """Compression that points to where it stands."""
    here = struct_pointer(12 + len(asked.question) + 14)
    return mx(asked, b"\0\x0a" + here)


def struct_pointer(offset):
    return bytes([0xc0 | offset >> 8, offset & 255])


def aliases(asked, count):
    names = ["c%d.odd.lab" % n for n in range(count + 1)]
    return asked.reply(
        [dnslab.record(None, dnslab.CNAME, names[0])] +
        [dnslab.record(a, dnslab.CNAME, b) for a, b in zip(names, names[1:])] +
        [dnslab.record(names[-1], MX, GOOD)])


ODD = {  # label: f(asked, tcp), for MX; addresses are answered well
    "right": lambda q, tcp: good(q),
    "garbage": lambda q, tcp: bytes(range(7, 200)),
    "short": lambda q, tcp: good(q)[:9],
    "cut-off": lambda q, tcp: good(q)[:-3],
    "wrong-id": lambda q, tcp: q.reply(
        [dnslab.record(None, MX, GOOD)], number=q.number ^ 0x5555),
    "wrong-question": lambda q, tcp: q.reply(
        [dnslab.record(None, MX, GOOD)],
        asked=dnslab.question("other.lab", MX)[12:]),
    "forged-id-first": lambda q, tcp: [
        q.reply(code=3, number=q.number ^ 1), good(q)],
    "forged-port-first": lambda q, tcp: [
        dnslab.Elsewhere(q.none(3)), (good(q))],
    "forged-question-first": lambda q, tcp: [
        q.reply(code=3, asked=dnslab.question("other.lab", MX)[12:]), good(q)],
    "twice": lambda q, tcp: [good(q), good(q)],
    "twice-differing": lambda q, tcp: [good(q), q.none(3)],
    "one-second": lambda q, tcp: (1, good(q)),
    "ten-seconds": lambda q, tcp: (dnslab.rest(q, 10), good(q)),
    "loop": lambda q, tcp: at_self(q),
    "pointer-ahead": lambda q, tcp: mx(q, b"\0\x0a\xff\xff"),
    "length-lies": lambda q, tcp: mx(q, GOOD, length=4000),
    "label-type": lambda q, tcp: mx(q, b"\0\x0a\x94" + b"x" * 20 + b"\0"),
    "long-name": lambda q, tcp: mx(q, b"\0\x0a" + (b"\x3f" + b"x" * 63) * 6 + b"\0"),
    "empty-record": lambda q, tcp: mx(q, b""),
    "a-question": lambda q, tcp: q.reply([dnslab.record(None, MX, GOOD)],
                                         flags=0x0100),
    "strange-host": lambda q, tcp: mx(q, b"\0\x0a\x03a b\x03lab\0"),
    "strange-and-good": lambda q, tcp: mx(q, b"\0\x0a\x03a b\x03lab\0", GOOD),
    "by-tcp": lambda q, tcp: good(q) if tcp else cut(q),
    "tcp-closes": lambda q, tcp: None if tcp else cut(q),
    "cut-always": lambda q, tcp: cut(q),
    "tcp-lies": lambda q, tcp: dnslab.Raw(b"\xff\xff" + good(q)) if tcp else cut(q),
    "no-soa": lambda q, tcp: q.reply(code=3),
    "not-implemented": lambda q, tcp: q.reply(code=4),
    "format-error": lambda q, tcp: q.reply(code=1),
    "code-9": lambda q, tcp: q.reply(code=9),
    "another-owner": lambda q, tcp: q.reply(
        [dnslab.record("elsewhere.lab", MX, GOOD), dnslab.record(None, MX, (5, ""))]),
    "aliases": lambda q, tcp: aliases(q, 6),
    "many-aliases": lambda q, tcp: aliases(q, 20),
    "ttl-0": lambda q, tcp: good(q, 0),
    "ttl-1": lambda q, tcp: good(q, 1),
    "ttl-year": lambda q, tcp: good(q, 365 * 86400),
    "ttl-max": lambda q, tcp: good(q, 0xffffffff),
    "dead-1": lambda q, tcp: q.none(3, ttl=1, minimum=1),
    "dead-day": lambda q, tcp: q.none(3, ttl=86400, minimum=86400),
    "dead-max": lambda q, tcp: q.none(3, ttl=0xffffffff, minimum=0xffffffff),
}


def misbehave(asked, tcp):
    label, _, rest = asked.name.partition(".")
    if rest == "odd.lab" and label in ODD and asked.kind == MX:
        return ODD[label](asked, tcp)
    if rest == "odd.lab" and label.startswith("dead") or label == "no-soa":
        return asked.none(3)
    return good(asked)


@case.case
def misbehaving_resolver(work):
    odd = dnslab.Odd(misbehave)
    sluice = domains_help.gateway(work, odd.port)

    def row(label, reply=FINE, verdict=None, reason="."):
        name = label + ".odd.lab"
        return (label, name, reply(name) if callable(reply) else reply, verdict or (
            "deliverable" if reply == FINE else "unknown"), reason)
    failing = ["garbage", "short", "cut-off", "wrong-id", "wrong-question", "loop",
               "pointer-ahead", "length-lies", "label-type", "long-name",
               "empty-record", "a-question", "tcp-closes", "cut-always", "tcp-lies",
               "not-implemented", "format-error", "code-9", "many-aliases"]
    fine = ["right", "forged-id-first", "forged-port-first",
            "forged-question-first", "twice", "twice-differing", "one-second",
            "strange-and-good", "by-tcp", "aliases", "ttl-0", "ttl-1",
            "ttl-year", "ttl-max"]
    domains_help.check(sluice, [
        *[row(label) for label in fine],
        *[row(label, LATER) for label in failing],
        row("strange-host", nowhere, "unroutable"),
        row("another-owner", refuses, "refuses", "null MX"),
        row("no-soa", missing, "dead", "NXDOMAIN"),
        row("dead-1", missing, "dead", "NXDOMAIN"),
        row("dead-day", missing, "dead", "NXDOMAIN"),
        row("dead-max", missing, "dead", "NXDOMAIN"),
    ])
    assert odd.count["by-tcp.odd.lab", MX, True], "TCP was asked"
    for label, least, most in (
            ("ttl-0", 300, 300), ("ttl-1", 300, 300), ("right", 300, 300),
            ("ttl-year", 86400, 86400), ("ttl-max", 300, 300),
            ("no-soa", 60, 10800), ("dead-1", 60, 60), ("dead-day", 10800, 10800),
            ("dead-max", 60, 10800), ("code-9", 1, 300)):
        said = domains_help.show(sluice, label + ".odd.lab")
        keeps = (when(said["until"]) - when(said["since"])).total_seconds()
        assert least <= keeps <= most, (label, keeps, least, most)
    sluice.stop()


@case.case
def late_answer(work):
    """10 s: provisional within 3, then told and delivered."""
    odd = dnslab.Odd(misbehave)
    sluice = domains_help.gateway(work, odd.port, "wait 3s;",
                                  conf="retry { after 2s; }\n")
    [reply] = domains_help.Sender(sluice).send(["ten-seconds.odd.lab"])
    case.equal(reply, LATER)
    case.equal(sluice.hub.mails, [])
    hops.taken(sluice.hub, 1)
    sluice.stop()


@case.case
def rewriting_resolver(work):
    """One that gives an address for what does not exist: nothing can be told
    dead, and the administrator is."""
    odd = dnslab.Odd(lambda asked, tcp: asked.reply(
        [dnslab.record(None, A, PUBLIC + "99")] if asked.kind == A else (),
        [dnslab.soa()] if asked.kind != A else ()))
    sluice = domains_help.gateway(work, odd.port)
    domains_help.check(sluice, [
        ("missing", "nobody.lab", FINE, "deliverable", "address"),
        ("reserved all the same", "a.test", reserved("a.test"), "reserved", ".")])
    domains_help.warned(sluice, "REWRITES")
    sluice.lines("alert", "rewrites")
    sluice.stop()


@case.case
def second_opinion(work):
    """One resolver denies everything; the second is asked before a domain is
    first called dead."""
    lab = whole(work)
    denies = dnslab.Odd(lambda asked, tcp: asked.none(3))
    sluice = domains_help.gateway(
        work, denies.port, "second-opinion 127.0.0.1:%d;" % lab.resolver.port)
    domains_help.check(sluice, [
        ("the second knows it", "good.lab", FINE, "deliverable", "MX"),
        ("an address", "a-only.lab", FINE, "deliverable", "address"),
        ("neither does", "nobody.lab", missing("nobody.lab"), "dead", "NXDOMAIN"),
    ])
    before = lab.resolver.asked("nobody.lab")
    assert before, "the second was asked"
    session = talk.session(sluice)
    for _ in range(3):
        case.equal(domains_help.rcpt(session, "nobody.lab"), missing("nobody.lab"))
    case.equal(lab.resolver.asked("nobody.lab"), before, "asked again")
    # without the second the first is believed
    lab.resolver.kill()
    case.equal(domains_help.rcpt(session, "else.lab"), missing("else.lab"))
    session.quit()
    sluice.stop()


if __name__ == "__main__":
    case.main()
