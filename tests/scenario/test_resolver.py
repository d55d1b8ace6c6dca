"""A resolver that is silent, slow, dead, back again, lied to, or replaced: nobody
is refused because of it, nobody else waits for it, and what is known stays
known. In namespaces of its own: resolv.conf knows no ports."""
import contextlib
import subprocess
import threading
import time

import case
import dnslab
import domains_help
import hops
import peers
import talk
from dnslab import MX
from domains_help import FINE, LATER, missing, rcpt

PRIVATE = False
USERS = {"alice": "secret-a", "bob": "secret-b"}
ZONE = """
$TTL 3600
good    IN MX 10 mx.good
mx.good IN A 203.0.113.10
known   IN MX 10 mx.good
many    IN MX 10 mx.good
*.fresh IN MX 10 mx.good
"""
OURS = "internal example.com;\n"
WAITS = "wait 3s; wait-message 6s;"


def gateway(work, resolver, dns="", conf="", **more):
    more.setdefault("users", dict(USERS))
    if "retry" not in conf:
        conf += "retry { after 1h; expire 2d; }\n"
    return domains_help.gateway(work, resolver, dns, OURS + conf, **more)


def many_rcpts(session, domains):
    """Pipelined: the replies, the seconds to the first and to the last."""
    began = time.monotonic()
    session.send("MAIL FROM:<alice@example.com>\r\n" + "".join(
        "RCPT TO:<x%d@%s>\r\n" % pair for pair in enumerate(domains)))
    session.next(250)
    replies, first = [], None
    for _ in domains:
        replies.append(session.reply())
        first = first or time.monotonic() - began
    return replies, first, time.monotonic() - began


def to_hub(sluice):
    """Domains of what came to the hub, DSNs not among them."""
    return sorted({to.rpartition("@")[2] for m in sluice.hub.mails if m["from"]
                   for to in m["to"]})


def bounced(sluice):
    """{address: status} of all DSNs that came."""
    found = {}
    for mail in list(sluice.hub.mails):
        if mail["from"] == "":
            for one in hops.report(mail)[1]:
                found[one["Final-Recipient"].split(";")[1].strip()] = one["Status"]
    return found


class Neighbour(threading.Thread):
    """Bob writes to a domain that is known, one message after another, and is
    not told to wait."""

    def __init__(self, sluice, domain="known.lab"):
        super().__init__(daemon=True)
        self.sluice, self.domain = sluice, domain
        self.ended = threading.Event()
        self.sent, self.strange = 0, None

    def run(self):
        try:
            session = talk.session(self.sluice, "bob", "secret-b")
            while not self.ended.is_set():
                session.expect("MAIL FROM:<bob@example.com>", 250)
                case.equal(session.say("RCPT TO:<b%d@%s>" % (self.sent, self.domain)),
                           FINE)
                session.data(hops.message(100000 + self.sent))
                self.sent += 1
                time.sleep(0.02)
            session.quit()
        except Exception as error:
            self.strange = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *rest):
        if kind is None:  # a resolver that is dead keeps nobody busy for long
            peers.wait_for(lambda: self.sent > 10 or self.strange, "what bob sends")
        self.ended.set()
        self.join()
        if kind is None:
            assert self.strange is None, self.strange


def answered_in_time(sluice, domains, user="alice"):
    """Nothing is refused; the first reply comes within 3 s, all within 6 (here
    with much more for a busy machine)."""
    session = talk.session(sluice, user, "secret-" + user[0])
    replies, first, last = many_rcpts(session, domains)
    case.equal(set(replies), {LATER})
    assert first < 12 * hops.PATIENCE and last < 24 * hops.PATIENCE, (first, last)
    session.data(hops.message(1))
    session.quit()


FRESH = ["a%d.fresh.lab" % n for n in range(12)]
DEAD = ["nobody%d.lab" % n for n in range(3)]


def sick(work, ill, well):
    """Known domains go on while the resolver is ill; the others wait for it,
    and are decided before anybody else is handed them."""
    lab = dnslab.Lab(work, ZONE)
    sluice = gateway(work, lab.resolver.port, WAITS)
    session = talk.session(sluice)
    hops.wait(lambda: rcpt(session, "known.lab") == FINE, "that it is known")
    session.quit()
    ill(lab)
    with Neighbour(sluice):
        answered_in_time(sluice, FRESH + DEAD)
    hops.becomes(lambda: to_hub(sluice), ["known.lab"], "at the hub")
    case.equal(bounced(sluice), {})
    case.equal(hops.stats(sluice)["ledger_queued"] >= 15, True, "waiting")
    well(lab)
    hops.drained(sluice)
    case.equal(to_hub(sluice), sorted(FRESH + ["known.lab"]))
    hops.wait(lambda: len(bounced(sluice)) == 3, "reports on the dead ones")
    case.equal(set(bounced(sluice).values()), {"5.1.2"})
    reports = [m for m in sluice.hub.mails if m["from"] == ""]
    case.equal(len(reports), 1, "one report for the message")
    session = talk.session(sluice)
    case.equal(rcpt(session, DEAD[0]), missing(DEAD[0]))
    hops.wait(lambda: rcpt(session, "more.fresh.lab") == FINE, "an answer")
    session.quit()
    sluice.stop()


@case.case
def silent(work):
    sick(work, lambda lab: lab.resolver.freeze(), lambda lab: lab.resolver.thaw())


@case.case
def dead(work):
    sick(work, lambda lab: lab.resolver.kill(), lambda lab: lab.resolver.start())


@case.case
def slow(work):
    """10 s for each answer but of one domain."""
    dnslab.first_asked.clear()

    def answer(asked, tcp):
        if asked.name.startswith("nobody"):
            return dnslab.rest(asked, 10), asked.none(3)
        good = asked.reply([dnslab.record(None, MX, (10, "mx.good.lab"))]) \
            if asked.kind == MX else asked.reply(
                [dnslab.record(None, asked.kind, "203.0.113.10")]) \
            if asked.kind == dnslab.A else asked.none()
        return good if asked.name in ("known.lab", "mx.good.lab") else (
            dnslab.rest(asked, 10), good)
    odd = dnslab.Odd(answer)
    sluice = gateway(work, odd.port, WAITS)
    session = talk.session(sluice)
    hops.wait(lambda: rcpt(session, "known.lab") == FINE, "that it is known")
    session.quit()
    with Neighbour(sluice):
        answered_in_time(sluice, FRESH + DEAD)
    hops.becomes(lambda: to_hub(sluice), ["known.lab"], "at the hub")
    hops.drained(sluice, 90)
    case.equal(to_hub(sluice), sorted(FRESH + ["known.lab"]))
    hops.wait(lambda: len(bounced(sluice)) == 3, "reports on the dead ones")
    sluice.stop()


@case.case
def forged_answers(work):
    """The answer takes a second; meanwhile others say that nothing exists."""
    def answer(asked, tcp):
        if asked.kind != MX:
            return asked.reply(
                [dnslab.record(None, dnslab.A, "203.0.113.10")]
                if asked.kind == dnslab.A else (), [dnslab.soa()])
        denied = asked.none(3)
        return [dnslab.Elsewhere(denied)] * 20 + [
            asked.reply(code=3, number=(asked.number + n) & 0xffff)
            for n in range(1, 400)] + [
            (1, asked.reply([dnslab.record(None, MX, (10, "mx.good.lab"))]))]
    odd = dnslab.Odd(answer)
    sluice = gateway(work, odd.port)
    replies = domains_help.Sender(sluice).send(["a%d.lab" % n for n in range(8)])
    case.equal(set(replies), {FINE})
    hops.taken(sluice.hub, 8)
    sluice.stop()


@case.case
def stale_answers(work):
    """A good domain is believed in beyond its time while nobody answers, not
    for ever; a dead one is not called dead."""
    lab, wall = dnslab.Lab(work, ZONE), domains_help.Wall(work)
    sluice = gateway(work, lab.resolver.port, "stale 1d;", start=False)
    sluice.start(wall.env)
    session = talk.session(sluice)
    case.equal(rcpt(session, "good.lab"), FINE)
    case.equal(rcpt(session, "nobody.lab"), missing("nobody.lab"))
    lab.resolver.kill()
    wall.later(4 * 3600)  # longer than an hour's TTL and all clamps of dead ones
    case.equal(rcpt(session, "nobody.lab"), LATER)
    case.equal(rcpt(session, "good.lab"), FINE)
    case.equal(domains_help.show(sluice, "good.lab")["stale"], True)
    wall.later(86400)
    case.equal(rcpt(session, "good.lab"), LATER)
    lab.resolver.start()
    wall.later(3600)  # failures are remembered too, but minutes at most
    case.equal(rcpt(session, "good.lab"), FINE)
    case.equal(domains_help.show(sluice, "good.lab")["stale"], False)
    case.equal(rcpt(session, "nobody.lab"), missing("nobody.lab"))
    session.quit()
    sluice.stop()


@case.case
def one_question(work):
    """10,000 recipients in one domain, from five sessions at once."""
    lab = dnslab.Lab(work, ZONE)
    sluice = gateway(work, lab.resolver.port)
    strange = []

    def sender(number):
        try:
            session = talk.session(sluice)
            for n in range(4):
                replies, _, _ = many_rcpts(session, ["many.lab"] * 500)
                case.equal(set(replies), {FINE})
                session.data(hops.message(number * 10 + n))
            session.quit()
        except Exception as error:
            strange.append(error)
    threads = [threading.Thread(target=sender, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    case.equal(strange, [])
    hops.wait(lambda: hops.stats(sluice)["ledger_delivered"] == 10000, "all", 240)
    asked = lab.resolver.questions()
    # once; and again where an answer took its time
    assert 1 <= asked["many.lab", "MX"] <= 2, asked
    case.equal((asked["many.lab", "A"], asked["many.lab", "AAAA"]), (0, 0))
    assert asked["mx.good.lab", "A"] <= 2, asked
    sluice.stop()


@case.case
def kept_over_restarts(work):
    """A clean end keeps all, a kill what was saved: within 10 s."""
    lab = dnslab.Lab(work, ZONE)
    sluice = gateway(work, lab.resolver.port)
    first = ["a%d.fresh.lab" % n for n in range(50)] + DEAD
    second = ["b%d.fresh.lab" % n for n in range(50)]

    def replies(domains):
        session = talk.session(sluice)
        got = [rcpt(session, d) for d in domains]
        session.quit()
        return got
    wanted = [missing(d) if d in DEAD else FINE for d in first]
    case.equal(replies(first), wanted)
    sluice.stop()
    sluice.start()
    before = lab.resolver.questions()
    case.equal(replies(first), wanted)
    asked = lab.resolver.questions() - before
    case.equal([d for d, _ in asked if d in first], [], "asked again")
    case.equal(replies(second), [FINE] * 50)
    time.sleep(10 + 3 * hops.PATIENCE)
    sluice.kill()
    lab.resolver.kill()
    sluice.start()
    case.equal(replies(first + second), wanted + [FINE] * 50)
    sluice.stop()


@contextlib.contextmanager
def resolv_conf(work, text):
    """/etc/resolv.conf is a file of ours; in a mount name space of our own."""
    path = work.write("resolv.conf", text)
    subprocess.run(["mount", "--bind", path, "/etc/resolv.conf"], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "/etc/resolv.conf"], check=True)


@case.case
def resolv_conf_changes(work):
    """Noticed without a reload or a restart."""
    if not PRIVATE:
        print("skip: no name space")
        return
    one = dnslab.Lab(work, ZONE)
    other = dnslab.Authority(work, {"lab.": ZONE + "ns IN A 127.0.0.1\n"
                                            "*.moved IN MX 10 mx.good\n"},
                             name="nsd2")
    for n, port in ((2, one.authority.port), (3, other.port)):
        dnslab.Resolver(work, {zone: "127.0.0.1@%d" % (
            port if zone == "lab." else one.authority.port) for zone in ("lab.", ".")},
            name="unbound%d" % n, port=53, address="127.0.0.%d" % n)
    with resolv_conf(work, "nameserver 127.0.0.2\n") as path:
        sluice = gateway(work, None)
        session = talk.session(sluice)
        case.equal(rcpt(session, "good.lab"), FINE)
        case.equal(rcpt(session, "a.moved.lab"), missing("a.moved.lab"))
        with open(path, "w") as f:
            f.write("# changed\nnameserver 127.0.0.3\n")
        number = iter(range(10000))
        hops.wait(lambda: rcpt(session, "b%d.moved.lab" % next(number)) == FINE,
                  "the other resolver")
        # an empty file, as a tool leaves it for a moment, is not believed
        with open(path, "w"):
            pass
        time.sleep(3)
        case.equal(rcpt(session, "c.moved.lab"), FINE)
        session.quit()
        sluice.stop()


@case.case
def resolver_of_the_configuration_changes(work):
    one = dnslab.Lab(work, ZONE)
    denies = dnslab.Odd(lambda asked, tcp: asked.none(3))
    sluice = gateway(work, denies.port)
    session = talk.session(sluice)
    case.equal(rcpt(session, "good.lab"), missing("good.lab"))
    with open(sluice.conf_path) as f:
        text = f.read()
    with open(sluice.conf_path, "w") as f:
        f.write(text.replace(":%d;" % denies.port, ":%d;" % one.resolver.port))
    sluice.ctl("reload")
    case.equal(rcpt(session, "known.lab"), FINE)
    session.quit()
    sluice.stop()


@case.case
def a_login_has_its_share(work):
    """Who asks for one silent domain after another waits alone."""
    lab = dnslab.Lab(work, ZONE, odd={"silent.lab.": dnslab.Odd(dnslab.silent).port})
    sluice = gateway(work, lab.resolver.port, "in-flight-per-login 5; wait 10s; "
                     "wait-message 20s;")
    alice = talk.session(sluice)
    alice.send("MAIL FROM:<alice@example.com>\r\n" + "".join(
        "RCPT TO:<x@d%d.silent.lab>\r\n" % n for n in range(60)))
    bob = talk.session(sluice, "bob", "secret-b")
    for n in range(10):  # behind alice's it would be LATER
        case.equal(rcpt(bob, "b%d.fresh.lab" % n), FINE)
    alice.next(250)
    case.equal({alice.reply() for _ in range(60)}, {LATER})
    alice.data(hops.message(1))
    assert lab.resolver.questions()["d59.silent.lab", "MX"] <= 2
    alice.quit()
    bob.quit()
    sluice.stop()


@case.case
def dead_domains_hold_the_login(work):
    """`dead-domains 20/10m`: what is sent once 20 were met waits for review;
    others go on. `top` shows whose list is rotten."""
    lab = dnslab.Lab(work, ZONE)
    sluice = gateway(work, lab.resolver.port, conf="limit hijacked { per credential; "
                     "dead-domains 20/10m; over hold; }\n")
    alice = talk.session(sluice)
    for n in range(3):  # one typing error, repeated, is one
        case.equal(rcpt(alice, "typo.lab"), missing("typo.lab"))
    for n in range(18):
        case.equal(rcpt(alice, "dead%d.lab" % n), missing("dead%d.lab" % n))
    hops.submit(alice, hops.message(1), ["x@good.lab"])
    hops.taken(sluice.hub, 1)
    case.equal(rcpt(alice, "dead18.lab")[0], 550)
    alice.envelope(["x@good.lab"], "alice@example.com")
    alice.data(hops.message(2), 250, "2.0.0")
    bob = talk.session(sluice, "bob", "secret-b")
    hops.submit(bob, hops.message(3), ["x@good.lab"])
    hops.taken(sluice.hub, 2)
    case.equal(hops.stats(sluice)["ledger_held"], 1)
    lines = {line["name"]: line for line in hops.js(sluice, "top")}
    case.equal(lines["alice"]["dead_domains"], 20)
    case.equal(lines["bob"]["dead_domains"], 0)
    case.contains(sluice.ctl("top").stdout, "20")
    sluice.ctl("release", "--cred", "alice", "--yes")
    hops.taken(sluice.hub, 3)
    alice.close()
    bob.quit()
    sluice.stop()


@case.case
def lenient_from_the_21st(work):
    """Of a message's first 20 recipients the dead are refused, of the rest they
    are dropped and told of in one report."""
    lab = dnslab.Lab(work, ZONE)
    sluice = gateway(
        work, lab.resolver.port, conf="class list { refuse-first 0; }\n"
        "class machine { unverified defer; }\n", users={})
    for name, kind in (("alice", None), ("bob", "list"), ("carol", "machine")):
        sluice.ctl("user", "add", name, "--address", name + "@example.com",
                   *(["--class", kind] if kind else []),
                   stdin="secret-%s\n" % name[0])
    alice = talk.session(sluice)
    domains = [("a%d.fresh.lab" if n % 2 else "dead%d.lab") % n for n in range(50)]
    replies, _, _ = many_rcpts(alice, domains)
    case.equal(replies, [FINE if n % 2 or n >= 20 else missing(d)
                         for n, d in enumerate(domains)])
    alice.data(hops.message(1))
    hops.wait(lambda: len(sluice.hub.mails) >= 2, "the message and the report")
    hops.wait(lambda: len(to_hub(sluice)) == 25, "the good ones")
    case.equal(to_hub(sluice), sorted(d for n, d in enumerate(domains) if n % 2))
    hops.becomes(lambda: bounced(sluice), {
        "x%d@%s" % (n, d): "5.1.2" for n, d in enumerate(domains)
        if n >= 20 and n % 2 == 0}, "the report")
    [report] = [m for m in sluice.hub.mails if m["from"] == ""]
    case.equal(report["to"], ["alice@example.com"])
    # all of them: nothing but the report
    bob = talk.session(sluice, "bob", "secret-b")
    replies, _, _ = many_rcpts(bob, ["dead%d.lab" % n for n in range(10)])
    case.equal(set(replies), {FINE})
    bob.data(hops.message(2))
    hops.wait(lambda: len([m for m in sluice.hub.mails if m["from"] == ""]) == 2,
              "the second report")
    case.equal(len(to_hub(sluice)), 25)
    lab.resolver.kill()
    carol = talk.session(sluice, "carol", "secret-c")
    code, text = rcpt(carol, "late.fresh.lab")
    assert code == 451 and text.startswith("4.4.3 "), (code, text)
    for session in (alice, bob, carol):
        session.quit()
    hops.drained(sluice)
    hops.ledger(sluice, accepted=40 + 10, generated=2, delivered=25 + 2, bounced=15 + 10)
    sluice.stop()


@case.case
def administrators_allow_and_flush(work):
    lab, wall = dnslab.Lab(work, ZONE), domains_help.Wall(work)
    sluice = gateway(work, lab.resolver.port, start=False)
    sluice.start(wall.env)
    session = talk.session(sluice)
    for name in ("nobody.lab", "a.test", "other.lab", "later.lab"):
        case.equal(rcpt(session, name)[0], 550)
    # in force for a session that is open, and kept
    sluice.ctl("domain", "allow", "nobody.lab", "--reason", "the registrar sleeps")
    sluice.ctl("domain", "allow", ".test", "--for", "2h")
    case.equal(rcpt(session, "nobody.lab"), FINE)
    case.equal(rcpt(session, "a.test"), FINE)
    case.equal(rcpt(session, "other.lab"), missing("other.lab"))
    hops.submit(session, hops.message(1), ["x@nobody.lab", "x@a.test"])
    hops.wait(lambda: to_hub(sluice) == ["a.test", "nobody.lab"], "both")
    session.quit()
    sluice.kill()
    sluice.start(wall.env)
    session = talk.session(sluice)
    case.equal(rcpt(session, "nobody.lab"), FINE)
    case.equal(rcpt(session, "a.test"), FINE)
    listed = {line["domain"]: line for line in hops.js(sluice, "domain", "list")}
    case.equal(set(listed), {"nobody.lab", ".test"})
    case.equal(listed["nobody.lab"]["why"], "the registrar sleeps")
    wall.later(3 * 3600)
    case.equal(rcpt(session, "a.test")[0], 550)
    case.equal(rcpt(session, "nobody.lab"), FINE)
    sluice.ctl("domain", "disallow", "nobody.lab")
    case.equal(rcpt(session, "nobody.lab"), missing("nobody.lab"))
    assert sluice.ctl("domain", "disallow", "nobody.lab", check=False).returncode != 0
    # it exists from now on; whoever was told otherwise asks again after a flush
    case.equal(rcpt(session, "later.lab"), missing("later.lab"))
    lab.authority.change("lab.", lab.authority.zones["lab."] +
                         "later IN MX 10 mx.good\n")

    def there():
        lab.resolver.flush()
        return dnslab.query("127.0.0.1", lab.resolver.port, "later.lab", MX)[3] & 15 \
            == 0
    hops.wait(there, "the new zone")
    case.equal(rcpt(session, "later.lab"), missing("later.lab"))
    sluice.ctl("domain", "flush", "later.lab")
    case.equal(rcpt(session, "later.lab"), FINE)
    before = lab.resolver.asked("good.lab", "MX")
    case.equal(rcpt(session, "good.lab"), FINE)
    case.equal(rcpt(session, "good.lab"), FINE)
    case.equal(lab.resolver.asked("good.lab", "MX"), before + 1)
    sluice.ctl("domain", "flush", "--all")
    case.equal(rcpt(session, "good.lab"), FINE)
    case.equal(lab.resolver.asked("good.lab", "MX"), before + 2)
    audit = sluice.ctl("audit").stdout
    for part in ("nobody.lab", "later.lab", ".test"):
        case.contains(audit, part, "audit")
    session.quit()
    sluice.stop()


@case.case
def senders(work):
    """A sender's domain must exist, no more; and nobody waits for it in vain."""
    lab = dnslab.Lab(work, ZONE + "nothing IN TXT x\nnull IN MX 0 .\n")
    sluice = gateway(work, lab.resolver.port)
    session = talk.session(sluice)
    for sender, code, text in (
            ("a@nobody.lab", 550, "5.1.8 Your sender address a@nobody.lab has a "
             "domain that does not exist"),
            ("a@good.lab", 250, ""), ("a@null.lab", 250, ""),
            ("a@example.com", 250, ""), ("", 250, "")):
        session.expect("MAIL FROM:<%s>" % sender, code, text)
        session.expect("RSET", 250)
    lab.resolver.kill()
    session.expect("MAIL FROM:<a@else.lab>", 250)
    session.quit()
    sluice.stop()


@case.case
def warnings(work):
    """What is wrong with the resolver is in the log and in `status`."""
    def answer(asked, tcp):
        return 0.3, asked.none(3)
    odd = dnslab.Odd(answer)
    sluice = gateway(work, odd.port)
    session = talk.session(sluice)
    for n in range(30):
        rcpt(session, "n%d.lab" % n)
    domains_help.warned(sluice, "SLOW")
    odd.close()
    for n in range(10):
        case.equal(rcpt(session, "m%d.lab" % n), LATER)
    domains_help.warned(sluice, "FAILING")
    session.quit()
    sluice.stop()
    if PRIVATE:
        subprocess.run(["ip", "address", "replace", "203.0.113.53/32", "dev", "lo"],
                       check=True)
        far = dnslab.Odd(lambda asked, tcp: asked.none(3), host="203.0.113.53")
        sluice = gateway(work, "203.0.113.53:%d" % far.port, name="far")
        domains_help.warned(sluice, "not on loopback")
        sluice.lines("alert", "dns-remote")
        sluice.stop()


if __name__ == "__main__":
    PRIVATE = hops.Private("--net", "--mount", "--propagation", "private").enter()
    if PRIVATE:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    case.main()
