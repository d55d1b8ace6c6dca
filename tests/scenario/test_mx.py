"""`via mx`: where mail for a domain goes, asked of a name server of the test's, in
a network of its own with addresses that look like everybody's."""
import subprocess
import time

import case
import dns
import hops
import sink
import talk

NET = "203.0.113."  # a documentation net is no private one
OPEN = []


def hosts(zone, **wanted):
    """A sink at port 25 of NET.n, and an address, for each name=n or
    name=(n, its faults). Those of the story before are gone."""
    while OPEN:
        OPEN.pop().close()
    made = {}
    for name, n in wanted.items():
        n, faults = n if isinstance(n, tuple) else (n, None)
        zone.setdefault((name, dns.A), []).append(NET + str(n))
        made[name] = sink.Sink(faults, host=NET + str(n), port=25)
    OPEN.extend(made.values())
    return made


def gateway(work, names, conf="", **more):
    """Nobody is refused at RCPT: it is the delivery that is looked at."""
    home = sink.Sink()
    sluice = hops.gateway(work, {"home": (home, "")},
                          "route example.com { domain example.com; via home; }\n"
                          "dns { resolver 127.0.0.1:%d; check off; }\n%s" % (names.port, conf)
                          + ("" if "retry" in conf else
                             "retry { after 1h; expire 1d; }\n"),
                          start=False, **more)
    sluice.home = home
    with open(sluice.conf_path) as f:
        text = f.read()
    assert "route default { via home; }" in text
    with open(sluice.conf_path, "w") as f:
        f.write(text.replace("route default { via home; }", "route default { via mx; }"))
    sluice.start()
    return sluice


@case.case
def preference_and_fail_over(work):
    zone = {}
    at = hosts(zone, best=1, second=2, third=3,
               busy=(4, {"greeting": sink.reply("421 4.3.2 busy")}))
    zone["shop.lab", dns.MX] = [(30, "third"), (10, "best"), (20, "second")]
    zone["half.lab", dns.MX] = [(10, "gone"), (20, "busy"), (30, "second")]
    zone["gone", dns.A] = [NET + "99"]  # nobody is there
    zone["a-only.lab", dns.A] = [NET + "3"]
    zone["large.lab", dns.MX] = [(10, "best")]
    names = dns.Server(zone)
    names.large.add("large.lab")
    sluice = gateway(work, names)
    session = talk.session(sluice)
    for n, to in enumerate((
            "a@shop.lab", "a@half.lab", "a@a-only.lab",
            "a@large.lab", "a@[%s2]" % NET)):
        hops.submit(session, hops.message(n), [to])
    hops.wait(lambda: hops.stats(sluice)["ledger_delivered"] == 5, "all delivered")
    where = {to: name for name, hop in at.items() for m in hop.mails for to in m["to"]}
    case.equal(where, {
        "a@shop.lab": "best", "a@half.lab": "second",
        "a@a-only.lab": "third", "a@large.lab": "best",
        "a@[%s2]" % NET: "second"})
    assert names.asked["large.lab", dns.MX, True], "TCP was asked"
    case.equal(names.asked["shop.lab", dns.A, False], 0, "A behind an MX")
    # one message to many in two domains: one transaction for each domain
    hops.submit(session, hops.message(2000), ["r%d@%s.lab" % (n, d)
                                              for d in ("shop", "large")
                                              for n in range(10)])
    hops.wait(lambda: hops.stats(sluice)["ledger_delivered"] == 25, "all delivered")
    case.equal(sorted(len(m["to"]) for m in at["best"].mails[-2:]), [10, 10])
    best, second = (len(at[n].mails) for n in ("best", "second"))
    at["best"].close()
    hops.submit(session, hops.message(2001), ["b@shop.lab"])
    hops.wait(lambda: len(at["second"].mails) > second, "fail-over")
    case.equal(len(at["best"].mails), best)
    session.quit()
    sluice.stop()


@case.case
def no_mail_there(work):
    """Bounced at once, each with its code; what DNS cannot say waits."""
    zone = {}
    at = hosts(zone, well=1)
    zone["null.lab", dns.MX] = [(0, "")]
    zone["nothing.lab", 16] = [b"\x01x"]
    zone["dangling.lab", dns.MX] = [(10, "nowhere.lab")]
    zone["local.lab", dns.MX] = [(10, "loop.lab")]
    zone["loop.lab", dns.A] = ["127.0.0.1"]
    zone["inside.lab", dns.A] = ["10.1.2.3"]
    zone["ill.lab", dns.MX] = [(10, "well")]
    zone["silent.lab", dns.MX] = [(10, "well")]
    names = dns.Server(zone)
    names.codes.update({"ill.lab": 2, "refused.lab": 5,
                      "silent.lab": "drop"})
    sluice = gateway(work, names)
    session = talk.session(sluice)
    rows = {"nx": "5.1.2", "null": "5.1.10", "nothing": "5.1.2", "dangling": "5.4.4",
            "local": "5.4.4", "inside": "5.4.4"}
    waiting = ["ill", "refused", "silent"]
    for n, name in enumerate([*rows, *waiting]):
        hops.submit(session, hops.message(n), ["x@%s.lab" % name])
    hops.wait(lambda: len(sluice.home.mails) == len(rows), "the bounces")
    status = {}
    for mail in sluice.home.mails:
        _, [rcpt], _ = hops.report(mail)
        status[rcpt["Final-Recipient"].split("@")[1].split(".")[0]] = rcpt["Status"]
        assert rcpt["Diagnostic-Code"] is None or \
            not rcpt["Diagnostic-Code"].startswith("smtp"), rcpt.items()
    case.equal(status, rows)

    def tried():
        queue = hops.queue(sluice)
        return queue if len(queue) == 3 and all(e["attempts"] for e in queue.values()) \
            else None
    queue = hops.wait(tried, "those that wait")
    for name, word in (("ill", "SERVFAIL"), ("refused", "REFUSED"),
                       ("silent", "silent.lab")):
        entry = queue["x@%s.lab" % name]
        assert entry["last_reply"].startswith("4.4.3"), entry
        case.contains(entry["last_reply"], word)
    # the resolver gets well
    names.codes.clear()
    zone["refused.lab", dns.MX] = [(10, "well")]
    hops.drained(sluice)
    case.equal(sorted(m["to"][0] for m in at["well"].mails),
               ["x@%s.lab" % n for n in sorted(waiting)])
    session.quit()
    sluice.stop()


@case.case
def ourselves_are_no_target(work):
    """The MX that bears our name, and all behind it, are left out."""
    zone = {}
    at = hosts(zone, first=1, later=3, **{"gate.example.com": 2})
    own = at["gate.example.com"]
    zone["a.lab", dns.MX] = [(10, "first"), (20, "gate.example.com"),
                                  (30, "later")]
    zone["b.lab", dns.MX] = [(10, "gate.example.com"), (20, "later")]
    names = dns.Server(zone)
    sluice = gateway(work, names)
    session = talk.session(sluice)
    hops.submit(session, hops.message(1), ["x@a.lab"])
    hops.taken(at["first"], 1)
    hops.submit(session, hops.message(2), ["x@b.lab"])
    hops.wait(lambda: sluice.home.mails, "a bounce")
    at["first"].close()
    hops.submit(session, hops.message(3), ["y@a.lab"])
    hops.wait(lambda: hops.queue(sluice).get("y@a.lab", {"attempts": 0})
              ["attempts"], "an attempt")
    case.equal((len(own.mails), len(at["later"].mails)), (0, 0))
    session.quit()
    sluice.stop()


@case.case
def many_domains(work):
    """A slow domain holds nobody else; the answers are kept for their time."""
    zone = {}
    at = hosts(zone, well=1)
    for n in range(200):
        zone["d%d.lab" % n, dns.MX] = [(10, "well")]
    names = dns.Server(zone)
    for n in range(0, 200, 10):
        names.codes["d%d.lab" % n] = "drop"
    sluice = gateway(work, names)
    session = talk.session(sluice)
    hops.submit(session, hops.message(1), ["x@d%d.lab" % n
                                           for n in range(200)])
    hops.wait(lambda: len(at["well"].mails) >= 180, "the 180 that can")
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 20, "the others to wait")
    sluice.lines("deferred")
    events = [talk.field(line, "event") for line in sluice.log_lines()]
    assert events.index("delivered") < events.index("deferred"), "they were waited for"
    before = sum(names.asked.values())
    hops.submit(session, hops.message(2), ["y@d%d.lab" % n
                                           for n in range(1, 10)])
    hops.wait(lambda: len(at["well"].mails) >= 189, "nine more")
    case.equal(sum(names.asked.values()) - before, 0, "questions asked again")
    session.quit()
    sluice.stop()


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
