"""Domains in an administrator's hand: show, allow, flush, list; what a restart
keeps; what is told of the resolver."""
import signal
import subprocess

import case
import dns
import hops
import sink
import talk

CONF = """dns { resolver 127.0.0.1:%d; targets loopback; wait 20s; wait-message 1m; }
class machine { unverified defer; refuse-first 0; }
route partner { domain partner.lab; via hub; }
"""
ZONE = {
    ("good.lab", dns.MX): [(10, "mx.lab")],
    ("mx.lab", dns.A): ["203.0.113.10"],  # what `targets` decides is not kept
    ("null.lab", dns.MX): [(0, "")],
}


def gateway(work, names, conf="", **more):
    hub = sink.Sink()
    sluice = hops.gateway(work, {"hub": (hub, "")}, CONF % names.port + conf, **more)
    sluice.hub = hub
    return sluice


def show(sluice, *words):
    return hops.js(sluice, "domain", "show", *words)


def rcpt(session, address):
    """The reply to one RCPT, in a message of its own."""
    session.expect("MAIL FROM:<alice@example.com>", 250)
    answer = "%d %s" % session.say("RCPT TO:<%s>" % address)
    session.expect("RSET", 250)
    return answer


def asked(names, domain):
    return sum(n for (name, _, _), n in names.asked.items() if name == domain)


@case.case
def what_it_says_is_what_clients_hear(work):
    names = dns.Server(dict(ZONE))
    names.codes["ill.lab"] = dns.SERVFAIL
    sluice = gateway(work, names)
    session = talk.session(sluice)
    for domain, verdict, action in (
            ("good.lab", "deliverable", "accept"), ("gone.lab", "dead", "refuse"),
            ("gmial.com", "dead", "refuse"), ("null.lab", "refuses", "refuse"),
            ("here.test", "reserved", "refuse"), ("ill.lab", "unknown", "provisional")):
        got = show(sluice, domain)
        case.equal((got["verdict"], got["rcpt"]["action"], got["asked_about"]),
                   (verdict, action, True), domain)
        reply = rcpt(session, "x@" + domain)
        if action == "accept":
            case.contains(reply, "250", domain)
        else:
            case.contains(reply, "%(code)d %(enhanced)s %(text)s" % got["rcpt"],
                          domain)
    case.equal(show(sluice, "gone.lab")["rcpt_among_many"]["action"], "drop")
    case.equal(show(sluice, "gone.lab", "--class", "machine")["rcpt"]["action"], "drop")
    case.equal(show(sluice, "ill.lab", "--class", "machine")["rcpt"]["code"], 451)
    for domain in ("example.com", "partner.lab"):
        got = show(sluice, domain)
        case.equal((got["asked_about"], got["rcpt"]["action"]), (False, "accept"))
    # what is known is not asked again
    before = sum(names.asked.values())
    show(sluice, "gone.lab")
    rcpt(session, "y@gone.lab")
    case.equal(sum(names.asked.values()), before, "questions asked again")
    session.quit()
    sluice.stop()


@case.case
def allow_and_disallow(work):
    names = dns.Server(dict(ZONE))
    sluice = gateway(work, names)
    session = talk.session(sluice)
    case.contains(rcpt(session, "x@gone.lab"), "550 5.1.2")
    sluice.ctl("domain", "allow", "gone.lab", "--for", "2h", "--reason", "new office")
    case.contains(rcpt(session, "x@gone.lab"), "250")
    case.contains(rcpt(session, "x@below.gone.lab"), "550 5.1.2")
    got = show(sluice, "gone.lab")
    case.equal((got["asked_about"], got["allow"]["why"]), (False, "new office"))
    # in force over a restart, even over kill -9
    session.close()
    sluice.kill()
    sluice.start()
    session = talk.session(sluice)
    case.contains(rcpt(session, "x@gone.lab"), "250")
    case.equal([a["domain"] for a in hops.js(sluice, "domain", "list")], ["gone.lab"])
    hops.submit(session, hops.message(1), ["x@gone.lab"])
    hops.taken(sluice.hub, 1)
    sluice.ctl("domain", "disallow", "gone.lab")
    case.contains(rcpt(session, "x@gone.lab"), "550 5.1.2")
    case.equal(hops.js(sluice, "domain", "list"), [])
    trail = sluice.ctl("audit").stdout
    case.contains(trail, "sluice domain allow gone.lab --for 2h")
    case.contains(trail, "sluice domain disallow gone.lab")
    session.quit()
    sluice.stop()


@case.case
def registered_just_now(work):
    """A domain that is dead until its zone is loaded: flush, and it is not; mail
    that waits for an answer goes with it."""
    names = dns.Server(dict(ZONE))
    sluice = gateway(work, names, "retry { after 1h; expire 1d; }\n")
    session = talk.session(sluice)
    case.contains(rcpt(session, "x@new.lab"), "550 5.1.2")
    names.zone["new.lab", dns.MX] = [(10, "mx.lab")]
    case.contains(rcpt(session, "x@new.lab"), "550 5.1.2")
    sluice.ctl("domain", "flush", "new.lab")
    case.contains(rcpt(session, "x@new.lab"), "250 2.1.5")
    # nobody knows of it: accepted, and it waits
    names.codes["slow.lab"] = dns.SERVFAIL
    hops.submit(session, hops.message(1), ["x@slow.lab"])
    hops.wait(lambda: hops.queue(sluice)["x@slow.lab"]["attempts"], "an attempt")
    del names.codes["slow.lab"]
    names.zone["slow.lab", dns.MX] = [(10, "mx.lab")]
    sluice.ctl("domain", "flush", "slow.lab")
    hops.taken(sluice.hub, 1)
    # and so does an allow
    names.codes["other.lab"] = dns.SERVFAIL
    hops.submit(session, hops.message(2), ["x@other.lab"])
    hops.wait(lambda: hops.queue(sluice)["x@other.lab"]["attempts"], "an attempt")
    sluice.ctl("domain", "allow", "other.lab")
    hops.taken(sluice.hub, 2)
    session.quit()
    sluice.stop()


@case.case
def kept_over_a_restart(work):
    names = dns.Server(dict(ZONE))
    names.ttl = 3600
    sluice = gateway(work, names)
    session = talk.session(sluice)
    rcpt(session, "x@good.lab")
    rcpt(session, "x@gone.lab")
    rcpt(session, "x@flushed.lab")
    session.quit()
    sluice.ctl("domain", "flush", "flushed.lab")
    sluice.stop()
    names.asked.clear()
    sluice.start()
    session = talk.session(sluice)
    case.contains(rcpt(session, "x@good.lab"), "250")
    case.contains(rcpt(session, "x@gone.lab"), "550 5.1.2")
    case.equal((asked(names, "good.lab"), asked(names, "gone.lab")), (0, 0))
    rcpt(session, "x@flushed.lab")
    assert asked(names, "flushed.lab"), "it was flushed"
    sluice.ctl("domain", "flush", "--all")
    rcpt(session, "x@good.lab")
    assert asked(names, "good.lab"), "all was flushed"
    session.quit()
    sluice.stop()


@case.case
def commands_while_nobody_answers(work):
    """A resolver that is silent holds neither show's neighbours nor a client
    that went away."""
    names = dns.Server(dict(ZONE))
    names.codes["silent.lab"] = "drop"
    sluice = gateway(work, names)
    waiting = subprocess.Popen(
        [sluice.build + "/sluice", "-s", sluice.control, "domain", "show",
         "silent.lab"], stdout=subprocess.PIPE, text=True)
    hops.wait(lambda: asked(names, "silent.lab"), "the question")
    case.equal(show(sluice, "good.lab")["verdict"], "deliverable")
    gone = subprocess.Popen([sluice.build + "/sluice", "-s", sluice.control,
                             "domain", "show", "silent.lab"],
                            stdout=subprocess.DEVNULL)
    gone.send_signal(signal.SIGKILL)
    gone.wait()
    out = waiting.communicate(timeout=hops.peers.HANG_S)[0]
    case.contains(out, "unknown")
    sluice.stop()


@case.case
def told_of_the_resolver(work):
    names = dns.Server(dict(ZONE))
    names.wild = {dns.A: ["192.0.2.80"]}
    sluice = gateway(work, names, "alert { }\n")

    def resolver():
        return hops.js(sluice, "status")["resolver"]
    hops.wait(lambda: resolver()["rewrites_nxdomain"], "the liar to be found")
    case.equal((resolver()["remote"], resolver()["asked"]), (False, True))
    hops.wait(lambda: "dns-rewrites" in [a["cause"] for a in hops.js(
        sluice, "status")["alerts"]], "the alert")
    case.contains(sluice.ctl("status").stdout, "REWRITES NXDOMAIN")
    case.equal(hops.js(sluice, "stats")["dns_rewrites"], 1)
    sluice.lines("alert", count=1)
    # another resolver, by a reload: asked at once, and the alert is over
    honest = dns.Server(dict(ZONE))
    with open(sluice.conf_path) as f:
        text = f.read()
    with open(sluice.conf_path, "w") as f:
        f.write(text.replace(":%d; targets" % names.port,
                             ":%d; targets" % honest.port))
    sluice.ctl("reload")
    hops.wait(lambda: not resolver()["rewrites_nxdomain"], "the honest one")
    sluice.lines("alert-cleared")
    case.contains(resolver()["servers"], str(honest.port))
    sluice.stop()


@case.case
def special_names_that_exist_here(work):
    names = dns.Server({**ZONE, ("here.test", dns.MX): [(10, "mx.lab")]})
    sluice = gateway(work, names)
    session = talk.session(sluice)
    case.contains(rcpt(session, "x@here.test"), "550 5.1.2")
    case.equal(asked(names, "here.test"), 0)
    with open(sluice.conf_path) as f:
        text = f.read()
    with open(sluice.conf_path, "w") as f:
        f.write(text.replace("targets loopback;", "targets loopback; except test;"))
    sluice.ctl("reload")
    for domain, verdict, code in (("here.test", "deliverable", "250"),
                                  ("gone.test", "dead", "550"),
                                  ("here.local", "reserved", "550")):
        case.contains(rcpt(session, "x@" + domain), code, domain)
        case.equal(show(sluice, domain)["verdict"], verdict, domain)
    session.quit()
    sluice.stop()


@case.case
def check_off(work):
    """Nothing is asked, nothing is watched, and nobody hears of it."""
    names = dns.Server(dict(ZONE))
    sluice = gateway(work, names)
    with open(sluice.conf_path) as f:
        text = f.read()
    with open(sluice.conf_path, "w") as f:
        f.write(text.replace("targets loopback;", "targets loopback; check off;"))
    sluice.ctl("reload")
    names.asked.clear()
    session = talk.session(sluice)
    case.contains(rcpt(session, "x@gone.lab"), "250")
    case.equal(sum(names.asked.values()), 0, "questions")
    got = show(sluice, "gone.lab")
    case.equal((got["verdict"], got["asked_about"], got["not_asked_why"]),
               ("dead", False, "'check off'"))
    case.contains(sluice.ctl("status").stdout, "resolver     not asked")
    session.quit()
    sluice.stop()


if __name__ == "__main__":
    case.main()
