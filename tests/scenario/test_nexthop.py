"""The next hop fails in every way that it can, and mail is neither lost nor sent
twice by our doing."""
import subprocess
import time

import case
import hops
import peers
import sink
import talk
from sink import (Sink, close, drip, drop, drop_after, endless, garbage, late,
                  never, overlong, reply)

BIG = b"".join(b"%07d %s\r\n" % (i, b"x" * 69) for i in range(80000))  # 6 MB

# label, faults, what the queue says after the first attempt, what becomes of it
# (taken: delivered in the end; a status: bounced with it; through: at once).
# "twice": the hop took it and we could not know.
FAULTS = [
    # a reset may be seen as early as when the connection is made
    ("connect-drop", {"connect": drop(times=1)}, "127.0.0.1: ", "taken"),
    ("connect-close", {"connect": close(times=1)}, "greeting", "taken"),
    ("greeting-4xx", {"greeting": reply("450 4.3.2 not now", times=1)},
     "450 4.3.2 not now", "taken"),
    ("greeting-421", {"greeting": reply("421 4.3.2 busy", times=1)},
     "421 4.3.2 busy", "taken"),
    ("greeting-5xx", {"greeting": reply("554 5.3.2 no mail here", times=1)},
     "554 5.3.2 no mail here", "taken"),
    ("greeting-garbage", {"greeting": garbage(times=1)}, "greeting", "taken"),
    ("greeting-overlong", {"greeting": overlong(code="220", times=1)}, "greeting",
     "taken"),
    ("greeting-endless", {"greeting": endless(code="220", times=1)}, "greeting",
     "taken"),
    ("greeting-never", {"greeting": never(times=1)}, "greeting", "taken"),
    ("greeting-drip", {"greeting": drip("220 sink.example.net very slow\r\n",
                                        times=1)}, "greeting", "taken"),
    ("greeting-then-drop", {"greeting": drop_after(times=1)}, "127.0.0.1: ", "taken"),
    ("ehlo-drop", {"EHLO": drop(times=1)}, "EHLO", "taken"),
    ("ehlo-4xx", {"EHLO": reply("451 4.3.0 later", times=1)}, "451 4.3.0", "taken"),
    ("ehlo-5xx", {"EHLO": reply("502 5.5.1 what", times=9)}, None, "through"),
    ("ehlo-garbage", {"EHLO": garbage(times=1)}, "EHLO", "taken"),
    ("ehlo-endless", {"EHLO": endless(times=1)}, "EHLO", "taken"),
    ("ehlo-never", {"EHLO": never(times=1)}, "EHLO", "taken"),
    ("mail-4xx", {"MAIL": reply("451 4.7.1 greylisted", times=1)},
     "451 4.7.1 greylisted", "taken"),
    ("mail-5xx", {"MAIL": reply("550 5.7.1 not from you")}, None, "5.7.1"),
    ("mail-421", {"MAIL": reply("421 4.3.2 closing", times=1)}, "421 4.3.2 closing",
     "taken"),
    ("mail-drop", {"MAIL": drop(times=1)}, "MAIL", "taken"),
    ("mail-then-drop", {"MAIL": drop_after(times=1)}, "RCPT", "taken"),
    ("mail-garbage", {"MAIL": garbage(times=1)}, "MAIL", "taken"),
    ("mail-overlong", {"MAIL": overlong(times=1)}, "MAIL", "taken"),
    ("mail-never", {"MAIL": never(times=1)}, "MAIL", "taken"),
    ("mail-drip", {"MAIL": drip(times=1)}, "MAIL", "taken"),
    ("mail-354", {"MAIL": reply("354 go on", times=1)}, "MAIL", "taken"),
    ("rcpt-4xx", {"RCPT": reply("450 4.2.1 later", times=1)}, "450 4.2.1 later",
     "taken"),
    ("rcpt-5xx", {"RCPT": reply("550 5.1.1 nobody")}, None, "5.1.1"),
    ("rcpt-bare-5xx", {"RCPT": reply("550 nobody")}, None, "5.0.0"),
    ("rcpt-drop", {"RCPT": drop(times=1)}, "RCPT", "taken"),
    ("rcpt-then-drop", {"RCPT": drop_after(times=1)}, "DATA", "taken"),
    ("rcpt-never", {"RCPT": never(times=1)}, "RCPT", "taken"),
    ("data-4xx", {"DATA": reply("451 4.3.0 full", times=1)}, "451 4.3.0 full",
     "taken"),
    ("data-5xx", {"DATA": reply("554 5.6.0 no")}, None, "5.6.0"),
    ("data-drop", {"DATA": drop(times=1)}, "DATA", "taken"),
    ("data-garbage", {"DATA": garbage(times=1)}, "DATA", "taken"),
    ("data-never", {"DATA": never(times=1)}, "DATA", "taken"),
    ("body-drop", {"body": drop(times=1)}, "", "taken"),
    ("body-close", {"body": close(times=1)}, "", "taken"),
    ("body-never", {"body": never(times=1)}, "", "taken"),
    ("dot-4xx", {"dot": reply("452 4.2.2 mailbox full", times=1)},
     "452 4.2.2 mailbox full", "taken"),
    ("dot-5xx", {"dot": reply("554 5.7.1 spam")}, None, "5.7.1"),
    ("dot-421", {"dot": reply("421 4.3.0 closing", times=1)}, "421 4.3.0 closing",
     "taken"),
    ("dot-drop", {"dot": drop(times=1)}, "end of data", "taken"),
    ("dot-garbage", {"dot": garbage(times=1)}, "end of data", "taken"),
    ("dot-overlong", {"dot": overlong(times=1)}, "end of data", "taken"),
    ("dot-never", {"dot": never(times=1)}, "end of data", "taken"),
    ("dot-drip", {"dot": drip("250-2.0.0 so slow\r\n", times=1)}, "end of data",
     "taken"),
    ("dot-then-drop", {"dot": drop_after(times=1)}, None, "lost"),
    ("no-pipelining", None, None, "through"),
]


def copies_of(hop, content):
    return [m for m in hop.mails if m["body"].endswith(content)]


@case.case
def faults_at_each_step(work):
    home = Sink()
    sinks = {"home": home}
    for label, faults, _, _ in FAULTS:
        caps = ("8BITMIME",) if label == "no-pipelining" else sink.CAPS
        sinks[label] = Sink(faults, caps=caps)
    sluice = hops.gateway(
        work, {n: (s, "timeout %ds;" % (5 * hops.PATIENCE))
               for n, s in sinks.items()}, "retry { after 1h; expire 1d; }\n")
    session = talk.session(sluice)
    ids, contents = {}, {}
    for n, (label, _, _, _) in enumerate(FAULTS):
        body = BIG if label.startswith("body-") else b".dots\r\n..\r\nfine\r\n"
        contents[label] = hops.message(n, body)
        ids[label] = hops.submit(session, contents[label], ["bob@%s.example" % label])
    session.quit()
    waiting = {"bob@%s.example" % r[0]: r for r in FAULTS if r[3] == "taken"}

    # a connection that fails may have been the one that asked what is offered,
    # and the next is made within a second: no message need have waited for it
    early = {to for to, row in waiting.items()
             if row[0].split("-")[0] in ("connect", "greeting", "ehlo")}

    def tried():
        queue = hops.queue(sluice)
        return queue if set(queue) <= set(waiting) and all(
            queue[w]["attempts"] if w in queue else w in early
            for w in waiting) else None
    queue = hops.wait(tried, "the first attempts")
    said = {to: queue[to]["last_reply"] for to in queue if to not in early}
    for to in early:
        said[to] = "127.0.0.1: " + " ".join(
            sluice.lines("connect-failed", "hop=%s " % waiting[to][0]))
    wrong = ["%s: %r" % (row[0], said[to]) for to, row in waiting.items()
             if row[2] not in said[to]]
    assert not wrong, "\n".join(wrong)
    hops.drained(sluice)
    dsns = {}
    bounced = [r for r in FAULTS if r[3][0] == "5"]
    for mail in hops.taken(home, len(bounced)):
        _, [rcpt], _ = hops.report(mail)
        dsns[rcpt["Final-Recipient"].split("@")[1].split(".")[0]] = rcpt["Status"]
    case.equal(dsns, {r[0]: r[3] for r in bounced}, "DSNs")
    for label, _, _, fate in FAULTS:
        hop = sinks[label]
        got = len(copies_of(hop, contents[label]))
        # what a hop with "lost" said was a good answer: it is believed
        wanted = 0 if fate[0] == "5" or fate == "lost" else 1
        case.equal((label, got, len(hop.mails)), (label, wanted, wanted))
    n, bad = len(FAULTS), len(bounced)
    hops.ledger(sluice, accepted=n, generated=bad, bounced=bad, delivered=n)
    # deliveries whose end nobody knows
    sluice.lines("deferred", "outcome=unknown",
                 count=sum(1 for r in FAULTS if r[2] == "end of data"))
    sluice.stop()


def hub_of(sluice, up):
    [hub] = hops.js(sluice, "status")["hops"]
    return hub if hub["up"] == up else None


@case.case
def refused_connections_and_recovery(work):
    hop = Sink(start=False)
    sluice = hops.gateway(work, {"hub": (hop, "")}, "retry { after 1h; expire 1d; }\n")
    session = talk.session(sluice)
    for n in range(20):
        hops.submit(session, hops.message(n), ["r%d@example.net" % n])
    session.quit()
    hops.wait(lambda: all(e["attempts"] for e in hops.queue(sluice).values()),
              "an attempt each")
    hub = hops.wait(lambda: hub_of(sluice, False), "the hop to be shown as down")
    case.contains(hub["error"], "127.0.0.1")
    hop.open()
    sluice.ctl("queue", "flush", "--hop", "hub")
    hops.taken(hop, 20)
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "the outcomes")
    hops.ledger(sluice, accepted=20, delivered=20)
    hops.wait(lambda: hub_of(sluice, True), "the hop to be shown as up")
    sluice.lines("hop-down", count=1)
    sluice.lines("hop-up", count=1)
    sluice.stop()


@case.case
def fail_over_priorities_and_weights(work):
    first, second, spare = Sink(), Sink(), Sink()
    dead, busy = Sink(start=False), Sink({"greeting": reply("421 4.3.2 busy")})
    sluice = hops.gateway(work, {
        "shared": ([(first, "weight 3"), (second, "weight 1"), (spare, "priority 1")],
                   "connections 1; messages-per-connection 1; idle 1s;"),
        "broken": ([(dead, ""), (busy, ""), (spare, "priority 5")], ""),
    }, default="shared")
    session = talk.session(sluice)
    # each was asked what it offers, and nothing is open any more
    hops.wait(lambda: all(s.steps("EHLO") for s in (first, second, spare)) and
              hops.stats(sluice)["hop_connections"] == 0, "the probes to end")
    for n in range(40):
        hops.submit(session, hops.message(n), ["a@shared.example"])
    hops.wait(lambda: len(first.mails) + len(second.mails) == 40, "all 40")
    case.equal(len(spare.mails), 0, "the spare one is not needed")
    # the probes at the start take turns too
    assert 28 <= len(first.mails) <= 32, len(first.mails)
    hops.submit(session, hops.message(41), ["a@broken.example"])
    hops.taken(spare, 1)
    first.close()
    hops.submit(session, hops.message(42), ["a@shared.example"])
    hops.wait(lambda: len(second.mails) + len(first.mails) == 41, "fail-over")
    second.close()
    hops.submit(session, hops.message(43), ["a@shared.example"])
    hops.taken(spare, 2)
    session.quit()
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "the outcomes")
    hops.ledger(sluice, accepted=43, delivered=43)
    sluice.stop()


@case.case
def connections_are_used_again(work):
    hop, limited = Sink(), Sink()
    idle = Sink({"MAIL": [drop(times=1, after=1)]})
    sluice = hops.gateway(work, {
        "one": (hop, "connections 1; idle 60s;"),
        "ten": (limited, "connections 1; messages-per-connection 10;"),
        "stale": (idle, "connections 1; idle 60s;"),
    })
    session = talk.session(sluice)
    for n in range(50):
        hops.submit(session, hops.message(n), ["a@one.example"])
    hops.taken(hop, 50)
    case.equal(hop.connections, 1, "connections for 50 messages")
    for n in range(50, 80):
        hops.submit(session, hops.message(n), ["a@ten.example"])
    hops.taken(limited, 30)
    assert 3 <= limited.connections <= 4, limited.connections
    # one that dies when it is used again costs no attempt and no wait
    for n in (80, 81):
        hops.submit(session, hops.message(n), ["a@stale.example"])
        hops.taken(idle, n - 79)
    _, line = sluice.lines("delivered", "to=a@stale.example", count=2)
    case.equal(talk.field(line, "attempts"), "1", line)
    session.quit()
    sluice.stop()


def authority(work):
    """A CA; (its certificate, sign(name, days, san) -> (certificate, key))."""
    def run(*argv):
        subprocess.run(["openssl", *argv], check=True, capture_output=True)
    ca = work / "ca.crt"
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "30", "-subj", "/CN=test CA", "-keyout", work / "ca.key",
        "-out", ca)

    def sign(name, days, san):
        key, csr, crt = (work / (name + e) for e in (".key", ".csr", ".crt"))
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=" + name, "-keyout", key, "-out", csr)
        ext = work.write(name + ".ext", "subjectAltName=%s\n" % san)
        run("x509", "-req", "-in", csr, "-CA", ca, "-CAkey", work / "ca.key",
            "-CAcreateserial", "-days", str(days), "-extfile", ext, "-out", crt)
        return crt, key
    return ca, sign


@case.case
def tls_to_the_next_hop(work):
    ca, sign = authority(work)
    good = sink.context(*sign("good", 30, "DNS:localhost,IP:127.0.0.1"))
    wrong = sink.context(*sign("wrong", 30, "DNS:elsewhere.example"))
    stale = sink.context(*sign("stale", -1, "DNS:localhost,IP:127.0.0.1"))
    own = sink.context(*peers.certificate(work, "own"))
    with open(work / "password", "w") as f:
        f.write("hop secret\nnot this\n")
    with open(work / "wrong-password", "w") as f:
        f.write("nope\n")
    login = "login relay password-file %s;" % (work / "password")
    right = "ca %s;" % ca
    account = ("relay", "hop secret")
    rows = [  # label, sink, directives, delivered by TLS / in the clear / why not
        ("required-right", Sink(tls=good), "tls required; " + right, True),
        ("required-no-ca", Sink(tls=good), "tls required;", "certificate"),
        ("required-name", Sink(tls=wrong), "tls required; " + right, "certificate"),
        ("required-stale", Sink(tls=stale), "tls required; " + right, "certificate"),
        ("required-own", Sink(tls=own), "tls required; " + right, "certificate"),
        ("required-unverified", Sink(tls=own), "tls required; verify off;", True),
        ("required-absent", Sink(), "tls required; verify off;", "not offered"),
        ("required-refused", Sink({"STARTTLS": reply("454 4.7.0 no TLS")}, tls=good),
         "tls required; " + right, "454 4.7.0"),
        ("required-plain-bytes", Sink({"STARTTLS": sink.garbage(
            "220 go\r\n250 injected\r\n")}, tls=good), "tls required; " + right,
         "STARTTLS"),
        ("opportunistic-own", Sink(tls=own), "tls opportunistic;", True),
        ("opportunistic-absent", Sink(), "tls opportunistic;", False),
        ("opportunistic-refused", Sink({"STARTTLS": reply("454 4.7.0 no TLS")},
                                       tls=own), "tls opportunistic;", False),
        ("opportunistic-broken", Sink({"STARTTLS": sink.garbage("220 go\r\n", times=9)},
                                      tls=own), "tls opportunistic;", False),
        ("implicit-right", Sink(tls=good, implicit=True), "tls implicit; " + right,
         True),
        ("implicit-wrong", Sink(tls=wrong, implicit=True), "tls implicit; " + right,
         "certificate"),
        ("implicit-stale", Sink(tls=stale, implicit=True), "tls implicit; " + right,
         "certificate"),
        ("auth-right", Sink(tls=good, login=account), "tls required; " + right + login,
         True),
        ("auth-implicit", Sink(tls=good, implicit=True, login=account),
         "tls implicit; " + right + login, True),
        ("auth-wrong", Sink(tls=good, login=account), "tls required; " + right +
         "login relay password-file %s;" % (work / "wrong-password"), "535 5.7.8"),
        ("auth-absent", Sink(tls=good), "tls required; " + right + login, "AUTH"),
    ]
    # a hop that said 220 and does not know of it waits as long as we do
    sluice = hops.gateway(work, {r[0]: (r[1], r[2] + " timeout 15s;") for r in rows},
                          "retry { after 1h; expire 1d; }\n")
    session = talk.session(sluice)
    for n, row in enumerate(rows):
        hops.submit(session, hops.message(n), ["a@%s.example" % row[0]])
    failing = {"a@%s.example" % r[0]: r[3] for r in rows if isinstance(r[3], str)}

    def tried():
        queue = hops.queue(sluice)
        return queue if set(queue) == set(failing) and all(
            e["attempts"] for e in queue.values()) else None
    queue = hops.wait(tried, "the attempts that fail")
    problems = ["%s: %s" % (to, queue[to]["last_reply"]) for to, why in failing.items()
                if why not in queue[to]["last_reply"]]
    assert not problems, "\n".join(problems)
    for label, hop, _, wanted in rows:
        if isinstance(wanted, str):
            case.equal((label, len(hop.mails), hop.steps("MAIL")), (label, 0, 0))
        else:
            case.equal((label, [m["tls"] for m in hop.mails]), (label, [wanted]))
    for label in ("auth-right", "auth-implicit"):
        hop = dict((r[0], r[1]) for r in rows)[label]
        case.equal(hop.mails[0]["login"], "relay", label)
    log = "\n".join(sluice.log_lines())
    for secret in ("hop secret", "nope", "AHJlbGF5"):
        assert secret not in log, secret
    session.quit()
    sluice.stop()


@case.case
def eightbit_and_utf8(work):
    bare = tuple(c for c in sink.CAPS if c not in ("8BITMIME", "SMTPUTF8"))
    home, seven, passed, full = Sink(), Sink(caps=bare), Sink(caps=bare), Sink()
    sluice = hops.gateway(work, {
        "home": (home, ""), "seven": (seven, ""),
        "passed": (passed, "eightbit pass;"), "full": (full, "")})
    session = talk.session(sluice)
    # not offered: one of the routes' hops cannot
    words = hops.wait(lambda: [w for w in session.ehlo() if w], "EHLO")
    assert "SMTPUTF8" not in words, words
    assert "8BITMIME" in words, words
    session.expect("MAIL FROM:<alice@example.com> SMTPUTF8", 555)
    eight = hops.message(1, "höflich\r\n".encode())
    hops.submit(session, eight, ["a@seven.example", "a@passed.example",
                                 "a@full.example"], params=" BODY=8BITMIME")
    assert hops.taken(passed)[0]["body"].endswith(eight)
    assert "8BITMIME" not in passed.mails[0]["mail"], passed.mails[0]["mail"]
    assert hops.taken(full)[0]["body"].endswith(eight)
    case.contains(full.mails[0]["mail"], "BODY=8BITMIME")
    [dsn] = hops.taken(home)
    message, [rcpt], _ = hops.report(dsn)
    case.equal(rcpt["Status"], "5.6.3")
    case.contains(rcpt["Final-Recipient"], "a@seven.example")
    case.equal(len(seven.mails), 0)
    # what is 8-bit without saying so is 8-bit all the same
    undeclared = hops.message(2, "höflich\r\n".encode())
    hops.submit(session, undeclared, ["b@seven.example"])
    hops.taken(home, 2)
    # 7-bit mail may say BODY=8BITMIME
    hops.submit(session, hops.message(3), ["c@seven.example"],
                params=" BODY=8BITMIME")
    hops.drained(sluice)
    hops.taken(seven, 1)
    session.quit()
    sluice.stop()


@case.case
def utf8_offered_then_lost(work):
    home, hop = Sink(), Sink()
    relays = {"home": (home, ""), "hub": (hop, "")}
    sluice = hops.gateway(work, relays, "internal example.com;\n")

    def offered():
        with_ = talk.session(sluice)
        words = with_.ehlo()
        if "SMTPUTF8" in words:
            return with_
        with_.close()
        return None
    session = hops.wait(offered, "SMTPUTF8 to be offered")
    hops.submit(session, hops.message(1), ["jörg@hub.example"], params=" SMTPUTF8")
    [mail] = hops.taken(hop)
    case.equal(mail["to"], ["jörg@hub.example"])
    case.contains(mail["mail"], "SMTPUTF8")
    case.contains(mail["body"].decode("utf-8"), "with UTF8SMTPSA id ")
    hop.close()
    hop.caps = ("8BITMIME",)
    hops.submit(session, hops.message(2), ["jürgen@hub.example"], params=" SMTPUTF8")
    hops.wait(lambda: hops.queue(sluice).get("jürgen@hub.example", {}).get("attempts"),
              "an attempt")
    hop.open()
    hops.drained(sluice)
    [dsn] = hops.taken(home)
    message, [rcpt], _ = hops.report(dsn)
    case.equal(rcpt["Status"], "5.6.7")
    # or the same hop might refuse the DSN for what it refused the mail
    assert "SMTPUTF8" not in dsn["mail"], dsn["mail"]
    case.equal(len(hop.mails), 1)
    session.quit()
    hops.wait(lambda: "SMTPUTF8" not in talk.session(sluice).ehlo(),
              "SMTPUTF8 to go away")
    sluice.stop()


@case.case
def greylisting(work):
    met = {}

    def grey(_session, line):
        to = sink.address(line)
        now = time.monotonic()
        if now - met.setdefault(to, now) < 0.9:
            return reply("451 4.7.1 greylisted, come again")
        return None
    hop = Sink({"RCPT": grey})
    sluice = hops.gateway(work, {"hub": (hop, "")}, "retry { after 1s; expire 1h; }\n")
    session = talk.session(sluice)
    hops.submit(session, hops.message(1), ["a@example.net", "b@example.net"])
    hops.wait(lambda: hops.stats(sluice)["ledger_delivered"] == 2, "the second try")
    case.equal(sorted(to for m in hop.mails for to in m["to"]),
               ["a@example.net", "b@example.net"])
    case.equal(len(sluice.log_lines("hop-down")), 0, "greylisting is no outage")
    line = sluice.lines("delivered", count=2)[0]
    assert int(talk.field(line, "attempts")) <= 4, line
    session.quit()
    sluice.stop()


@case.case
def each_recipient_for_itself(work):
    def answer(_session, line):
        to = sink.address(line)
        if to.startswith("later"):
            return reply("450 4.2.1 later", times=1) if to not in refused else None
        if to.startswith("no"):
            return reply("550 5.1.1 <%s>: no such user" % to)
        return None
    refused = set()
    home, hop = Sink(), Sink({"RCPT": answer})
    sluice = hops.gateway(work, {"home": (home, ""), "hub": (hop, "")},
                          "retry { after 1h; expire 1d; }\n")
    session = talk.session(sluice)
    content = hops.message(1)
    hops.submit(session, content, [
        "yes@hub.example", "later@hub.example",
        ("no@hub.example", " ORCPT=rfc822;No+2Bone@hub.example")],
        params=" ENVID=envelope+2B7 RET=HDRS")
    hops.taken(hop)
    case.equal(hop.mails[0]["to"], ["yes@hub.example"])
    hops.wait(lambda: list(hops.queue(sluice)) == ["later@hub.example"], "the rest")
    hops.ledger(sluice, accepted=3, generated=1, delivered=2, bounced=1, queued=1)
    [dsn] = hops.taken(home)
    message, [rcpt], about = hops.report(dsn)
    case.equal(dsn["to"], ["alice@example.com"])
    case.equal((rcpt["Action"], rcpt["Status"]), ("failed", "5.1.1"))
    case.equal(rcpt["Final-Recipient"], "rfc822; no@hub.example")
    case.equal(rcpt["Original-Recipient"], "rfc822; No+one@hub.example")
    case.contains(rcpt["Diagnostic-Code"], "smtp; 550 5.1.1 <no@hub.example>: no such")
    case.contains(rcpt["Remote-MTA"], "127.0.0.1")
    case.equal(about["Original-Envelope-Id"], "envelope+7")
    case.contains(about["Reporting-MTA"], "gate.example.com")
    last = message.get_payload()[2]
    case.equal(last.get_content_type(), "text/rfc822-headers")
    case.contains(last.get_payload(), "Message-ID: <1@example.com>")
    assert "hello" not in last.get_payload()
    refused.add("later@hub.example")
    hops.drained(sluice)
    case.equal(sorted(m["to"][0] for m in hop.mails),
               ["later@hub.example", "yes@hub.example"])
    assert all(m["body"].endswith(content) for m in hop.mails)
    session.quit()
    sluice.stop()


@case.case
def who_gets_a_bounce(work):
    """A forged FROM gets nothing; a bounce of a bounce goes nowhere."""
    home = Sink({"RCPT": lambda s, line: reply("550 5.1.1 not him")
                 if "stranger" in line or "forged" in line else None})
    dead = Sink({"RCPT": reply("550 5.1.1 no such user")})
    sluice = hops.gateway(work, {"home": (home, ""), "dead": (dead, "")},
                          "internal ours.example;\n")
    session = talk.session(sluice)
    rows = [  # sender, parameters of RCPT, who is told
        ("alice@example.com", "", "alice@example.com"),
        ("boss@OURS.example", "", "boss@OURS.example"),
        ("forged@elsewhere.example", "", "alice@example.com"),
        ("alice@example.com", " NOTIFY=NEVER", None),
        ("alice@example.com", " NOTIFY=SUCCESS,DELAY", None),
        ("alice@example.com", " NOTIFY=FAILURE", "alice@example.com"),
        ("", "", None),
    ]
    for n, (sender, params, _) in enumerate(rows):
        hops.submit(session, hops.message(n), [("x%d@dead.example" % n, params)],
                    sender=sender)
    # a DSN that cannot be delivered itself ends there
    hops.submit(session, hops.message(50), ["x50@dead.example"],
                sender="stranger@ours.example")
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "an end")
    told = {}
    for mail in home.mails:
        _, [rcpt], _ = hops.report(mail)
        told[rcpt["Final-Recipient"][8:].split("@")[0]] = mail["to"]
    case.equal(told, {"x%d" % n: [r[2]] for n, r in enumerate(rows) if r[2]})
    got = hops.stats(sluice)
    case.equal(got["ledger_generated"], len(told) + 1, "one was refused")
    case.equal(got["ledger_bounced"], len(rows) + 2)
    assert not any("forged@" in line for line in
                   sum((m["rcpt"] for m in home.mails), []))
    session.quit()
    sluice.stop()


@case.case
def expiry_and_delay(work):
    home, hop = Sink(), Sink({"RCPT": reply("450 4.2.1 try later")})
    dead = Sink(start=False)
    sluice = hops.gateway(
        work, {"home": (home, ""), "hub": (hop, ""), "dead": (dead, "")},
        # tried some times before it ends, on a slow machine too
        "retry { after 1s; expire %ds; delay-notice 1s; }\n" % (6 * hops.PATIENCE))
    session = talk.session(sluice)
    hops.submit(session, hops.message(1), ["a@hub.example"], params=" RET=FULL")
    hops.submit(session, hops.message(2), [("b@dead.example", " NOTIFY=FAILURE")])
    hops.wait(lambda: len(home.mails) >= 3, "a delay notice and two bounces")
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "an end")
    seen = []
    for mail in home.mails:
        message, [rcpt], _ = hops.report(mail)
        seen.append((rcpt["Final-Recipient"][8:], rcpt["Action"],
                     rcpt["Status"][0]))
        if rcpt["Action"] == "failed" and "hub" in rcpt["Final-Recipient"]:
            case.contains(rcpt["Diagnostic-Code"], "450 4.2.1 try later")
            last = message.get_payload()[2]
            case.equal(last.get_content_type(), "message/rfc822")
            case.contains(last.get_payload()[0].as_string(), "hello")
        if rcpt["Action"] == "delayed":
            assert rcpt["Will-Retry-Until"], rcpt.items()
    case.equal(sorted(seen), [("a@hub.example", "delayed", "4"),
                              ("a@hub.example", "failed", "5"),
                              ("b@dead.example", "failed", "5")])
    session.quit()
    sluice.stop()


@case.case
def slow_but_alive_is_waited_for(work):
    hop = Sink({"MAIL": late(0.7), "dot": late(0.7)})
    sluice = hops.gateway(work, {"hub": (hop, "timeout 20s;")})
    session = talk.session(sluice)
    hops.submit(session, hops.message(1), ["a@example.net"])
    hops.taken(hop)
    case.equal(len(sluice.log_lines("deferred")), 0)
    # nobody else waits behind a hop that hangs
    session.quit()
    sluice.stop()


@case.case
def one_hanging_hop_holds_nobody_else(work):
    hanging, well = Sink({"MAIL": never()}), Sink()
    sluice = hops.gateway(work, {"well": (well, ""), "hanging": (hanging, "")},
                          "delivery-connections 30;\n")
    session = talk.session(sluice)
    for n in range(100):
        hops.submit(session, hops.message(n), ["a@hanging.example"])
    hops.submit(session, hops.message(1000), ["a@well.example"])
    hops.taken(well, 1)
    # not one of them has come to an end
    case.equal([e["attempts"] for e in hops.js(sluice, "queue", "list")
                if "hanging" in e["recipient"]], [0] * 100)
    status = hops.js(sluice, "status")
    assert status["active"] <= 20, status["active"]
    session.quit()
    hanging.close()
    sluice.stop()


@case.case
def postfix_as_next_hop(work):
    """What a real MTA makes of it, and what arrives is what was sent."""
    final = Sink()
    hub = peers.PostfixMx(work, final.port)
    hop = type("Hop", (), {"host": "127.0.0.1", "port": hub.port})
    sluice = hops.gateway(work, {"hub": (hop, "tls opportunistic;")},
                          "internal example.com;\n")
    session = hops.wait(lambda: utf8_session(sluice), "SMTPUTF8 from Postfix")
    plain = hops.message(1, b".leading dot\r\n..two\r\n" + b"x" * 900 + b"\r\n\r\n")
    eight = hops.message(2, "größer\r\n".encode() * 1000)
    large = hops.message(3, BIG[:3000000 // 79 * 79])
    many = ["r%d@example.net" % n for n in range(120)]
    for content, rcpts, params in (
            (plain, ["a@example.net"], ""),
            (eight, ["b@example.net"], " BODY=8BITMIME"),
            (large, ["c@example.net"], ""),
            (hops.message(4), ["jörg@example.net"], " SMTPUTF8"),
            (hops.message(5), many, "")):
        hops.submit(session, content, rcpts, params=params)
    hops.wait(lambda: sum(len(m["to"]) for m in final.mails) >= 124, "all at the end")
    for content, to in ((plain, "a@example.net"), (eight, "b@example.net"),
                        (large, "c@example.net")):
        [mail] = final.of(to)
        assert mail["body"].endswith(content), (to, mail["body"][:2000])
    case.equal(sorted(to for m in final.mails for to in m["to"] if to[0] == "r"),
               sorted(many))
    # refused by the hub: a bounce with its words
    hops.submit(session, hops.message(6), ["nobody@refused.example"])
    hops.wait(lambda: final.of("alice@example.com"), "the bounce")
    _, [rcpt], _ = hops.report(final.of("alice@example.com")[0])
    case.contains(rcpt["Diagnostic-Code"], "smtp; 550 5.1.1")
    for line in sluice.lines("delivered")[:3]:
        case.contains(line, 'tls="TLSv1.3 ')
    session.quit()
    sluice.stop()
    hub.stop()


def utf8_session(sluice):
    session = talk.session(sluice)
    if "SMTPUTF8" in session.ehlo():
        return session
    session.close()
    return None


if __name__ == "__main__":
    case.main()
