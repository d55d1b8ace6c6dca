"""A campaign is looked at before it goes: what is wrong with it, and what DNS says
of those who stand for it. It goes, or a person is asked, whatever DNS does."""
import time

import campaign_help
import case
import dns
import hops
import sink
import talk
from campaign_help import bulk, letter, number_of, once_each, people, post, show, until
from talk import story


def txt(text):
    return bytes([len(text)]) + text.encode()


FINE = {("_dmarc.example.com", dns.TXT): [txt("v=DMARC1; p=none")],
        ("example.com", dns.TXT): [txt("v=spf1 -all")]}


def gateway(work, hub, names, text="", **more):
    return campaign_help.gateway(
        work, hub, "dns { check off; resolver 127.0.0.1:%d; }\n" % names.port +
        bulk(text, preflight="on", **more))


def launch(sluice, rcpts, fields=b"", number=1):
    """(what the reply says, the campaign)"""
    session = talk.session(sluice)
    said = post(session, rcpts, letter(number, fields=fields))
    session.quit()
    return said, number_of(said)


def cc(rcpts):
    return b"Cc: " + ",\r\n ".join(rcpts).encode() + b"\r\n"


@story
def a_person_is_told_and_asked(work):
    """Who reads whose address, who stands there twice, who is not written to: it
    is said, and nothing goes before a person saw it."""
    hub = sink.Sink()
    names = dns.Server(dict(FINE))
    sluice = gateway(work, hub, names, confirm="on")
    rcpts = people(60)
    sluice.ctl("suppress", "add", rcpts[7])
    said, cid = launch(sluice, [rcpts[0].upper()] + rcpts, cc(rcpts + rcpts[:1]))
    case.contains(said, "waits for confirmation")
    reason = until(sluice, cid, state="waiting")["reason"]
    for part in ("all 61 addresses stand in To or Cc", "1 suppressed",
                 "1 listed twice", "not signed (DKIM) for example.com"):
        case.contains(reason, part)
    case.contains(sluice.ctl("campaign", "show", cid).stdout, "all 61 addresses")
    case.equal(campaign_help.quiet(hub, rcpts, 1), 0)
    [line] = sluice.lines("preflight", count=1)
    for field in ("state=waiting", "rcpts=61", "suppressed=1", "duplicate=1",
                  "dkim=unsigned", "dmarc=none", "spf=fine", "complete=yes"):
        case.contains(line, field)
    sluice.ctl("campaign", "resume", cid)
    until(sluice, cid, sent=59, suppressed=1, duplicate=1)
    once_each(hub, [rcpts[0].upper()] + rcpts[1:7] + rcpts[8:])
    case.equal(campaign_help.copies(hub)[rcpts[0]], 0)
    sluice.stop()


@story
def nothing_to_say(work):
    """It runs at once; people's mail did not wait for it."""
    hub = sink.Sink()
    names = dns.Server(dict(FINE))
    sluice = gateway(work, hub, names)
    rcpts = people(60)
    _, cid = launch(sluice, rcpts)
    until(sluice, cid, sent=60)
    once_each(hub, rcpts)
    sluice.lines("preflight", "state=running rcpts=60", count=1)
    sluice.stop()


@story
def silent_dns(work):
    """It goes after some seconds, as not known; and what people send meanwhile
    goes at once. After a kill in the middle it is looked at again."""
    hub = sink.Sink()
    names = dns.Server({})
    names.codes = {n: "drop" for n in ("_dmarc.example.com", "example.com")}
    sluice = gateway(work, hub, names)
    rcpts = people(60)
    begun = time.monotonic()
    _, cid = launch(sluice, rcpts)
    session = talk.session(sluice)
    post(session, ["friend@people.example"],
         letter(2, b"Dear friend,", campaign_help.OTHER_TEXT))
    session.quit()
    hops.wait(lambda: campaign_help.arrived(hub, ["friend@people.example"]),
              "people's mail")
    state, had = show(sluice, cid)["state"], campaign_help.arrived(hub, rcpts)
    # a machine that takes longer for it says nothing of the look
    if time.monotonic() - begun < 4:
        case.equal((state, had), ("checking", 0))
    sluice.kill()
    had = campaign_help.settled(hub, rcpts)
    sluice.start()
    until(sluice, cid, sent=60)
    if had == 0:  # what was under way at a kill may come twice
        once_each(hub, rcpts)
    for line in sluice.lines("preflight"):
        case.contains(line, "DMARC not known: no answer from DNS")
    sluice.stop()


if __name__ == "__main__":
    case.main()
