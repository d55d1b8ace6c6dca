"""Dead addresses in a mailing: one report to who sent it, not one bounce for
each; the next mailing leaves them alone; too many, and it stops."""

import campaign_help
import case
import dnslab
import hops
import talk
from campaign_help import (OTHER_TEXT, Refusing, bulk, copies, counted, launch, letter,
                           once_each, one_report, people, reports, show, table_of,
                           until)
from talk import story

ZONE = "people IN MX 10 mx.people\nmx.people IN A 203.0.113.1\n"


@story
def one_report_of_the_dead(work):
    """Mailboxes that do not exist, and domains that do not: a table of them,
    and nothing else, comes to the login's address."""
    lab = dnslab.Lab(work, ZONE)
    living = people(170, "people.lab")
    gone = people(20, "people.lab", "gone")
    dead = ["d%d@dead%d.lab" % (n, n) for n in range(10)]
    hub = Refusing(gone)
    sluice = campaign_help.gateway(work, hub, "dns { resolver 127.0.0.1:%d; }\n" %
                                   lab.resolver.port + bulk())
    rcpts = living + gone + dead  # the first ones of a message are refused
    cid = launch(sluice, rcpts)
    until(sluice, cid, state="done")
    counted(sluice, cid, recipients=200, sent=170, bounced=20, dead_domain=10)
    text, rows = one_report(hub)
    once_each(hub, living)
    case.equal(sorted(r["recipient"] for r in rows), sorted(gone + dead))
    for row in rows:
        what = ("failed", "bad-mailbox", "550 5.1.1") if row["recipient"] in gone \
            else ("dead-domain", "bad-domain", "5.1.2")
        case.equal((row["state"], row["class"], row["code"]), what, str(row))
    case.contains(text, "200")
    case.contains(text, "170")
    # it is the same that a person is shown
    shown = sluice.ctl("campaign", "report", cid, "--csv").stdout
    for address in gone + dead:
        case.contains(shown, address)
    # and it is told once, whatever happens then
    hops.drained(sluice)
    sluice.kill()
    sluice.start()
    hops.drained(sluice)
    case.equal(len(reports(hub)), 1)
    case.equal(show(sluice, cid)["state"], "done")
    sluice.stop()


@story
def a_table_that_runs_nothing(work):
    """What stands in it came from others."""
    odd = ["=1+1@people.example", "+a@people.example", "-b@people.example",
           "'c@people.example"]
    living = people(40)
    hub = Refusing(odd)
    sluice = campaign_help.gateway(work, hub)
    cid = launch(sluice, living + odd)
    until(sluice, cid, state="done")
    _text, rows = one_report(hub)
    case.equal(len(rows), len(odd))
    for row in rows:
        for cell in row.values():
            assert cell[:1] not in tuple("=+-@|%\t\r"), row
    once_each(hub, living)
    sluice.stop()


@story
def left_alone_the_next_time(work):
    """A mailbox that does not exist is suppressed, for mailings alone."""
    gone, living = people(12, name="gone"), people(60)
    hub = Refusing(gone)
    sluice = campaign_help.gateway(work, hub)
    first = launch(sluice, living + gone)
    until(sluice, first, state="done")
    counted(sluice, first, recipients=72, sent=60, bounced=12)
    hops.becomes(lambda: sorted(e["address"] for e in hops.js(
        sluice, "suppress", "list")), sorted(gone), "the suppressed")
    hub.bad.clear()  # they are back, but nobody knows
    hub.asked.clear()
    sluice.kill()
    sluice.start()
    second = launch(sluice, gone + living, letter(2, text=OTHER_TEXT))
    assert second != first, second
    until(sluice, second, state="done")
    counted(sluice, second, recipients=72, sent=60, suppressed=12)
    case.equal([r for r in gone if hub.asked[r]], [], "asked about")
    got = copies(hub)
    case.equal({got[r] for r in living}, {2})
    # a colleague writes to one of them
    mine = talk.session(sluice, "bob", "secret-b")
    hops.submit(mine, hops.message(900), [gone[0]], "bob@example.com")
    mine.quit()
    hops.wait(lambda: copies(hub)[gone[0]] == 1, "personal mail")
    # taken off the list it is written to again; put on it, not
    sluice.ctl("suppress", "del", gone[1])
    sluice.ctl("suppress", "add", living[0], "--reason", "asked for it")
    third = launch(sluice, gone[:2] + living, letter(3, text=OTHER_TEXT + b"soup\r\n" +
                                                     campaign_help.TEXT))
    until(sluice, third, state="done")
    counted(sluice, third, recipients=62, sent=60, suppressed=2)
    got = copies(hub)
    case.equal((got[gone[0]], got[gone[1]], got[living[0]], got[living[1]]),
               (1, 1, 2, 3))
    hops.drained(sluice)
    hops.stats(sluice)
    sluice.stop()


@story
def stopped_by_its_bounces(work):
    """An old list: after two hundred it stops, and who sent it is told. A person
    may let it go on, and is not asked again."""
    rcpts = people(800)
    gone = [r for n, r in enumerate(rcpts) if n % 8 == 0]  # 12.5 %
    hub = Refusing(gone, seconds=0.05)
    sluice = campaign_help.gateway(work, hub, bulk(
        stop="bounces 8% complaints 0.3%", stop_min="200", site_connections="1"))
    cid = launch(sluice, rcpts)
    got = until(sluice, cid, state="stopped")
    case.contains(got["reason"], "bounce")
    done = got["sent"] + got["bounced"]
    # a batch or two are under way when the rule bites
    assert 200 <= done <= 200 + 75, got
    campaign_help.settled(hub, rcpts)
    got = show(sluice, cid)
    assert got["left"] >= 500, got
    hops.wait(lambda: reports(hub), "word of it")
    _text, rows = table_of(reports(hub)[0])
    assert {r["recipient"] for r in rows} <= set(gone), rows
    sluice.kill()
    sluice.start()
    case.equal(show(sluice, cid)["state"], "stopped")
    campaign_help.quiet(hub, rcpts, 1)
    sluice.ctl("campaign", "resume", cid)
    until(sluice, cid, state="done")
    counted(sluice, cid, recipients=800, sent=700, bounced=100)
    once_each(hub, [r for r in rcpts if r not in hub.bad])
    hops.drained(sluice)
    sluice.stop()


@story
def fewer_than_that_stop_nothing(work):
    """Half of a small list is dead: too few to say anything."""
    rcpts = people(100)
    hub = Refusing(rcpts[::2])
    sluice = campaign_help.gateway(work, hub, bulk(
        stop="bounces 8% complaints 0.3%", stop_min="200"))
    cid = launch(sluice, rcpts)
    until(sluice, cid, state="done")
    counted(sluice, cid, recipients=100, sent=50, bounced=50)
    _text, rows = one_report(hub)
    case.equal(len(rows), 50)
    once_each(hub, rcpts[1::2])
    sluice.stop()


if __name__ == "__main__":
    case.main()
