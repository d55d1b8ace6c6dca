"""DANE (RFC 7672) for `via mx`, in zones that are really signed, with a resolver
that validates, and hosts of all kinds behind them."""
import hashlib
import subprocess

import case
import dnssec
import hops
import peers
import sink
import talk

NET = "203.0.113."
FAR = NET + "9"  # a resolver that is not on loopback
OPEN_HOPS = []


def key_digest(crt):
    """The hex of a record with selector 1 and matching 1."""
    key = subprocess.run(["openssl", "x509", "-in", crt, "-noout", "-pubkey"],
                         check=True, capture_output=True).stdout
    spki = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key,
                          check=True, capture_output=True).stdout
    return hashlib.sha256(spki).hexdigest()


def authority(work):
    """A CA's certificate, and a server's chain and key under it for mx-ta.lab."""
    def run(*argv):
        subprocess.run(["openssl", *argv], check=True, capture_output=True)
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    ca, chain = work / "ca.crt", work / "chain.crt"
    run("req", "-x509", *new, "-days", "30", "-subj", "/CN=test CA", "-keyout",
        work / "ca.key", "-out", ca)
    run("req", *new, "-subj", "/CN=x", "-keyout", work / "ta.key", "-out",
        work / "ta.csr")
    run("x509", "-req", "-in", work / "ta.csr", "-CA", ca, "-CAkey", work / "ca.key",
        "-CAcreateserial", "-days", "30", "-extfile",
        work.write("ta.ext", "subjectAltName=DNS:mx-ta.lab\n"), "-out", work / "ta.crt")
    with open(chain, "w") as out:
        for path in (work / "ta.crt", ca):
            with open(path) as f:
                out.write(f.read())
    return ca, chain, work / "ta.key"


class World:
    """Hosts, by name; what of them is in DNS is in `records`."""

    def __init__(self, work):
        self.right, self.other = (peers.certificate(work, name, san="DNS:nobody.lab")
                                  for name in ("right", "other"))
        ca, chain, key = authority(work)
        self.at = {}
        while OPEN_HOPS:  # of the story before, which may have failed
            OPEN_HOPS.pop().close()
        digest = key_digest(self.right[0])
        strange = key_digest(self.other[0])
        own = sink.context(*self.right)
        self.records = ""
        for n, (name, tls, tlsa) in enumerate((
                ("mx-good", own, "3 1 1 " + digest),
                ("mx-wrong", own, "3 1 1 " + strange),
                ("mx-clear", None, "3 1 1 " + digest),
                ("mx-spoilt", own, "3 1 1 " + "00" * 32),
                ("mx-plain", own, None),
                ("mx-none", None, None),
                ("mx-pkix", own, "1 1 1 " + strange),
                ("mx-ta", sink.context(chain, key), "2 1 1 " + key_digest(ca))), 1):
            self.at[name] = sink.Sink(host=NET + str(n), port=25, tls=tls)
            OPEN_HOPS.append(self.at[name])
            self.records += "%s IN A %s%d\n" % (name, NET, n)
            if tlsa:
                self.records += "_25._tcp.%s IN TLSA %s\n" % (name, tlsa)

    def mails(self):
        """{recipient: (host, whether inside TLS)}"""
        return {to: (name, m["tls"]) for name, hop in self.at.items()
                for m in hop.mails for to in m["to"]}


DOMAINS = """
good IN MX 10 mx-good
second IN MX 10 mx-wrong
second IN MX 20 mx-good
third IN MX 10 mx-clear
third IN MX 20 mx-good
fourth IN MX 10 mx-spoilt
fourth IN MX 20 mx-good
wrong IN MX 10 mx-wrong
clear IN MX 10 mx-clear
spoilt IN MX 10 mx-spoilt
plain IN MX 10 mx-plain
none IN MX 10 mx-none
pkix IN MX 10 mx-pkix
ta IN MX 10 mx-ta
"""

# whose MX says the same as those of lab.
OPEN = """
good IN MX 10 mx-good.lab.
wrong IN MX 10 mx-wrong.lab.
clear IN MX 10 mx-clear.lab.
inside IN MX 10 host
host IN A %s2
_25._tcp.host IN TLSA 3 1 1 %s
""" % (NET, "00" * 32)


def gateway(work, resolver, conf=""):
    return hops.Gateway(work, case.BUILD, "via mx;", """
dns { resolver %s:%d; }
retry { after 1h; expire 1d; }
%s""" % (resolver.address, resolver.port, conf), users=dict(hops.USERS))


def lab(work, world):
    """The TLSA record of mx-spoilt is changed behind the signer's back."""
    return dnssec.Signed(work, world.records + DOMAINS, OPEN,
                         {"00" * 32: "11" * 32})


def submit(sluice, rcpts):
    session = talk.session(sluice)
    for n, to in enumerate(rcpts):
        hops.submit(session, hops.message(n), [to])
    session.quit()


def settled(sluice, delivered, deferred):
    """So many left, and each of the others was tried."""
    def done():
        queue = hops.queue(sluice)
        return len(queue) == deferred and \
            all(e["attempts"] for e in queue.values()) and queue
    hops.wait(lambda: hops.stats(sluice)["ledger_delivered"] == delivered,
              "%d to be delivered" % delivered)
    return hops.wait(done, "the others to be tried") if deferred else {}


def logged(sluice, to):
    [line] = sluice.lines("delivered", "to=%s " % to, count=1)
    return talk.field(line, "dane") if "dane=" in line else None


@case.case
def what_records_ask(work):
    world = World(work)
    names = lab(work, world)
    sluice = gateway(work, names.resolver)
    rows = [  # to, host, inside TLS, dane= in the log
        ("x@good.lab", "mx-good", True, "verified"),
        ("x@second.lab", "mx-good", True, "verified"),
        ("x@third.lab", "mx-good", True, "verified"),
        ("x@fourth.lab", "mx-good", True, "verified"),
        ("x@ta.lab", "mx-ta", True, "verified"),
        ("x@plain.lab", "mx-plain", True, None),
        ("x@none.lab", "mx-none", False, None),
        ("x@pkix.lab", "mx-pkix", True, "unusable"),
        ("x@good.open", "mx-good", True, None),
        ("x@wrong.open", "mx-wrong", True, None),
        ("x@clear.open", "mx-clear", False, None),
        ("x@inside.open", "mx-wrong", True, None),
    ]
    waiting = {  # to, in the reply
        "x@wrong.lab": "mx-wrong.lab: DANE: TLS: certificate verify failed",
        "x@clear.lab": "mx-clear.lab: DANE: STARTTLS: not offered",
        "x@spoilt.lab": "TLSA _25._tcp.mx-spoilt.lab: SERVFAIL",
    }
    submit(sluice, [row[0] for row in rows] + list(waiting))
    queue = settled(sluice, len(rows), len(waiting))
    case.equal(world.mails(), {to: (host, tls) for to, host, tls, _ in rows})
    case.equal({to: logged(sluice, to) for to, _, _, _ in rows},
               {to: dane for to, _, _, dane in rows})
    for to, why in waiting.items():
        assert queue[to]["last_reply"].startswith("4.7.5 "), queue[to]
        case.contains(queue[to]["last_reply"], why)
    case.equal(world.at["mx-spoilt"].connections, 0, "spoken to without records")
    case.equal(names.resolver.asked("_25._tcp.host.open", "TLSA"), 0,
               "TLSA of an unsigned host")
    case.equal(names.resolver.asked("_25._tcp.mx-plain.lab", "TLSA"), 1)
    sluice.stop()


@case.case
def unsigned_domain_comes_first(work):
    """Two domains with one set of hosts: the unsigned one's connection and
    answer do for itself only, whoever came first."""
    world = World(work)
    names = lab(work, world)
    sluice = gateway(work, names.resolver)
    submit(sluice, ["x@wrong.open"])
    settled(sluice, 1, 0)
    submit(sluice, ["x@wrong.lab"])
    settled(sluice, 1, 1)
    submit(sluice, ["y@wrong.open"])
    settled(sluice, 2, 1)
    case.equal(sorted(world.mails()), ["x@wrong.open", "y@wrong.open"])
    sluice.stop()


@case.case
def records_are_mended(work):
    """What waits goes out once the host's records are right."""
    world = World(work)
    names = lab(work, world)
    sluice = gateway(work, names.resolver)
    submit(sluice, ["x@wrong.lab"])
    settled(sluice, 0, 1)
    zone = names.authority.zones["lab."]
    names.authority.change("lab.", zone.replace(key_digest(world.other[0]),
                                                key_digest(world.right[0])))
    # nsd reads it again a moment later; the resolver may have asked before
    def mended():
        names.resolver.flush("lab")
        sluice.ctl("queue", "flush")
        return hops.stats(sluice)["ledger_delivered"] == 1
    hops.wait(mended, "the message to leave")
    case.equal(world.mails(), {"x@wrong.lab": ("mx-wrong", True)})
    case.equal(logged(sluice, "x@wrong.lab"), "verified")
    sluice.stop()


def without(work, resolver, world, conf=""):
    sluice = gateway(work, resolver, conf)
    submit(sluice, ["x@wrong.lab", "x@clear.lab", "x@good.lab"])
    settled(sluice, 3, 0)
    case.equal(world.mails(), {"x@wrong.lab": ("mx-wrong", True),
                               "x@clear.lab": ("mx-clear", False),
                               "x@good.lab": ("mx-good", True)})
    case.equal([l for l in sluice.lines("delivered", count=3) if "dane=" in l], [])
    sluice.stop()


@case.case
def a_resolver_elsewhere_is_not_believed(work):
    """Its AD bit is anybody's to set on the way."""
    world = World(work)
    names = lab(work, world)
    far = names.another("far", FAR)
    without(work, far, world)
    case.equal(far.asked("_25._tcp.mx-wrong.lab"), 0)


@case.case
def switched_off(work):
    world = World(work)
    names = lab(work, world)
    without(work, names.resolver, world, "mx { dane off; }\n")
    case.equal(names.resolver.asked("_25._tcp.mx-wrong.lab"), 0)


def network():
    for argv in (["link", "set", "lo", "up"],
                 *(["address", "add", "%s%d/32" % (NET, n), "dev", "lo"]
                   for n in range(1, 10))):
        subprocess.run(["ip", *argv], check=True)


if __name__ == "__main__":
    if not hops.Private("--net").enter():
        print("skip: no network name space")
        raise SystemExit(77)
    network()
    case.main()
