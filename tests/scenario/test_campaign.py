"""Campaigns from the reply to the end: what makes one, and that who is written
to gets it once, whatever is done to it on the way."""
import datetime
import re
import time

import campaign_help
import case
import hops
import sink
import talk
from campaign_help import (OTHER_TEXT, USERS, arrived, bulk, copies, counted, launch,
                           letter, number_of, once_each, people, post, quiet,
                           settled, show, until)
from queue_help import Closing
from talk import story

LETTERS = b"abcdefghijklmnopqrstuvwxyz"
MANY = 1000
# So that it is not over while a slow machine does something to it.
SLOWLY = 0.3 * hops.PATIENCE
CONNECTIONS = int(campaign_help.SETTLED["site-connections"])
# How late an outcome may be written down, when the machine has other work.
UNRECORDED_S = 5 * hops.PATIENCE


def restarted(sluice, kill=False):
    if kill:
        sluice.kill()
    else:
        sluice.stop()
    sluice.start()


@story
def told_by_the_reply(work):
    """What makes one, and what the client hears of it."""
    hub = sink.Sink()
    port = hops.peers.free_port()
    sluice = campaign_help.gateway(
        work, hub, bulk("suffix bulk; headers on; ") +
        "listen door { address 127.0.0.1:%d; tls starttls; bulk on; }\n"
        "class press { bulk on; }\n" % port +
        "limit few { per credential; cred bob; recipients 5/h; over bulk; }\n",
        users=dict(USERS))
    sluice.ctl("user", "add", "carol", "--address", "carol@example.com", "--class",
               "press", stdin="secret-c\n")
    few, all_rcpts = people(3), []
    # label: login, user, port, recipients, fields
    ways = {
        "nothing": ("alice", "alice", None, few, b""),
        "twenty": ("alice", "alice", None, people(20), b""),
        "more": ("alice", "alice", None, people(21), b""),
        "suffix": ("alice+bulk", "alice", None, few, b""),
        "listener": ("alice", "alice", port, few, b""),
        "class": ("carol", "carol", None, few, b""),
        "list": ("alice", "alice", None, few, b"List-Id: <a.example.com>\r\n"),
        "precedence": ("alice", "alice", None, few, b"Precedence: bulk\r\n"),
        "under the limit": ("bob", "bob", None, few, b""),
        "over the limit": ("bob", "bob", None, few, b""),
    }
    personal = {"nothing", "twenty", "under the limit"}
    seen = set()
    for number, (label, (login, user, where, rcpts, fields)) in enumerate(
            ways.items()):
        # a text of its own, of words that no other has
        text = b"".join(b"%s%s " % (word, LETTERS[number:number + 3])
                        for word in b"so that is the text of this one alone and "
                        b"of nobody else here".split()) + b"\r\n"
        rcpts = ["w%d-%s" % (number, r) for r in rcpts]
        all_rcpts += rcpts
        session = talk.session(sluice, login, "secret-" + user[0],
                               **({"port": where} if where else {}))
        said = post(session, rcpts, letter(number, text=text, fields=fields),
                    user + "@example.com")
        session.quit()
        if label in personal:
            assert "campaign" not in said, (label, said)
            continue
        cid = number_of(said)
        assert cid not in seen, (label, cid)
        seen.add(cid)
        case.contains(said, "%s, %d recipients" % (cid, len(rcpts)), label)
        case.equal(show(sluice, cid)["owner"], user, label)
    hops.wait(lambda: arrived(hub, all_rcpts) >= len(all_rcpts), "all of it")
    hops.drained(sluice)
    once_each(hub, all_rcpts)
    case.equal(sorted(campaign_help.campaigns(sluice)), sorted(seen))
    sluice.stop()


@story
def when_it_will_be_over(work):
    hub = sink.Sink()
    sluice = campaign_help.gateway(work, hub, bulk(rate="7200/h"))
    rcpts = people(1200)
    session = talk.session(sluice)
    said = post(session, rcpts, letter(1))
    cid = number_of(said)
    found = re.search(r"C\d+, 1,200 recipients, finishes about (\d\d):(\d\d)$", said)
    assert found, said
    now = datetime.datetime.now()
    told = now.replace(hour=int(found.group(1)), minute=int(found.group(2)))
    ahead = (told - now).total_seconds() % 86400
    assert 8 * 60 <= ahead <= 12 * 60, (said, str(now))
    # at another pace, it is over sooner
    sluice.ctl("campaign", "rate", cid, "10000000/h")
    hops.wait(lambda: arrived(hub, rcpts) >= len(rcpts), "all of it")
    hops.drained(sluice)
    once_each(hub, rcpts)
    counted(sluice, cid, recipients=len(rcpts), sent=len(rcpts))
    # a day and more: with its date
    sluice.configure("via hub;", hops.relay("hub", hub) + bulk(rate="10/h"))
    sluice.ctl("reload")
    said = post(session, people(300, name="q"), letter(2, text=OTHER_TEXT))
    assert re.search(r"finishes about \S*\d{4}-\d\d-\d\d|finishes about .*\d+ \w+",
                     said), said
    sluice.ctl("campaign", "cancel", number_of(said))
    sluice.stop()


@story
def letters_of_one_text(work):
    """A mail merge: one letter each, a name in each. The first ones were
    personal mail and wait; they move over."""
    hub = Closing()
    sluice = campaign_help.gateway(work, hub, bulk(retry="1h") +
                                   "retry { after 1h; expire 1d; }\n")
    rcpts, said = people(40), []
    session = talk.session(sluice)
    for number, rcpt in enumerate(rcpts):
        name = rcpt.split("@")[0].encode()
        said.append(post(session, [rcpt], letter(number, b"Dear Mr %s," % name)))
    session.quit()
    assert not any("campaign" in s for s in said[:10]), said[:10]
    [cid] = {number_of(s) for s in said[10:]}
    until(sluice, cid, recipients=40, left=40, messages=40)
    hops.wait(lambda: len(hops.queue(sluice, "--campaign", cid)) == 40,
              "all in the campaign")
    case.equal(hops.queue(sluice, "--lane", "personal"), {})
    hub.is_open = True
    hops.drained(sluice)
    until(sluice, cid, sent=40)
    once_each(hub, rcpts)
    counted(sluice, cid, recipients=40, sent=40)
    sluice.stop()


@story
def letters_that_had_gone(work):
    """Those that were delivered before it was one are counted. Then it is
    killed: it is the same campaign."""
    hub = sink.Sink()
    sluice = campaign_help.gateway(work, hub)
    rcpts = people(30)
    session = talk.session(sluice)
    for number, rcpt in enumerate(rcpts[:10]):
        said = post(session, [rcpt], letter(number, b"Dear %d," % number))
        assert "campaign" not in said, said
    hops.drained(sluice)
    once_each(hub, rcpts[:10])
    [cid] = {number_of(post(session, [rcpt], letter(100 + n, b"Dear %d," % n)))
             for n, rcpt in enumerate(rcpts[10:20])}
    until(sluice, cid, recipients=20, sent=20)
    session.close()
    restarted(sluice, kill=True)
    session = talk.session(sluice)
    [again] = {number_of(post(session, [rcpt], letter(200 + n, b"Dear %d," % n)))
               for n, rcpt in enumerate(rcpts[20:])}
    session.quit()
    case.equal(again, cid)
    until(sluice, cid, recipients=30, sent=30, messages=30)
    once_each(hub, rcpts)
    hops.drained(sluice)
    sluice.stop()


@story
def paused_killed_and_resumed(work):
    """It stands, and stays so over a kill; nobody gets two."""
    hub = campaign_help.Refusing(seconds=SLOWLY)
    sluice = campaign_help.gateway(work, hub)
    rcpts = people(MANY)
    cid = launch(sluice, rcpts)
    hops.wait(lambda: arrived(hub, rcpts) >= 50, "the first of it")
    sluice.ctl("campaign", "pause", cid)
    begun = hub.steps("MAIL")
    had = settled(hub, rcpts)
    assert 50 <= had < len(rcpts), had
    # from the answer on nothing new: what was on its way to the hub may come
    assert hub.steps("MAIL") <= begun + CONNECTIONS, (begun, hub.steps("MAIL"))
    got = until(sluice, cid, state="paused", sent=had)
    case.equal(got["left"], len(rcpts) - had)
    # people's own mail goes on
    mine = talk.session(sluice, "bob", "secret-b")
    hops.submit(mine, hops.message(900), ["friend@people.example"])
    mine.quit()
    hops.wait(lambda: copies(hub)["friend@people.example"] == 1, "personal mail")
    sluice.kill()
    sluice.start()
    case.equal(show(sluice, cid)["state"], "paused")
    sluice.ctl("queue", "flush")
    case.equal(quiet(hub, rcpts, 2), had)
    counted(sluice, cid, recipients=len(rcpts), sent=had, left=len(rcpts) - had)
    hub.quick()
    sluice.ctl("campaign", "resume", cid)
    until(sluice, cid, sent=len(rcpts), left=0)
    hops.drained(sluice)
    once_each(hub, rcpts)
    counted(sluice, cid, recipients=len(rcpts), sent=len(rcpts))
    sluice.stop()


@story
def stopped_in_the_middle(work):
    """A restart in good order loses nothing and sends nothing twice; after a
    kill the counts are those of the queue all the same."""
    rcpts = people(2 * MANY)  # not over while a slow machine restarts
    hub = campaign_help.Refusing(rcpts[::10], seconds=SLOWLY)
    sluice = campaign_help.gateway(work, hub)
    good = [r for r in rcpts if r not in hub.bad]
    cid = launch(sluice, rcpts)
    for some in (50, 150):
        hops.wait(lambda: arrived(hub, good) >= some, "some of it")
        restarted(sluice)
        of_the_queue(sluice, cid, len(rcpts))
    once = arrived(hub, good)
    case.equal(max(copies(hub).values()), 1)
    hops.wait(lambda: arrived(hub, good) >= once + 50, "more of it")
    at = time.time()
    sluice.kill()
    before = hub.connections
    sluice.start()
    of_the_queue(sluice, cid, len(rcpts))
    hub.quick()
    until(sluice, cid, left=0)
    counted(sluice, cid, recipients=len(rcpts), sent=len(good),
            bounced=len(hub.bad))
    hops.drained(sluice)
    got = copies(hub)
    case.equal([r for r in good if got[r] == 0], [], "lost")
    # whom the 250 did not reach, or who had not written it down
    late = [r for r in good if got[r] > 1 and not any(
        at - UNRECORDED_S <= m["at"] and m["connection"] <= before
        for m in hub.mails if r in m["to"])]
    case.equal(late, [], "twice, without a kill")
    sluice.stop()


def of_the_queue(sluice, cid, total):
    """Before it goes on: the ledger and the campaign agree."""
    def difference():
        got, ledger = show(sluice, cid), hops.stats(sluice)
        return [(k, got[k], ledger["ledger_" + k_]) for k, k_ in (
            ("sent", "delivered"), ("bounced", "bounced"), ("left", "queued"))
            if got[k] != ledger["ledger_" + k_]]
    sluice.ctl("campaign", "pause", cid)
    case.equal(hops.stats(sluice)["ledger_accepted"], total)
    hops.becomes(difference, [], "what is not the ledger's")
    sluice.ctl("campaign", "resume", cid)


@story
def canceled_and_undone(work):
    hub = campaign_help.Refusing(seconds=SLOWLY)
    sluice = campaign_help.gateway(work, hub)
    rcpts = people(MANY)
    cid = launch(sluice, rcpts)
    hops.wait(lambda: arrived(hub, rcpts) >= 50, "the first of it")
    sluice.ctl("campaign", "cancel", cid)
    had = settled(hub, rcpts)
    hub.quick()
    got = until(sluice, cid, state="canceled", sent=had, left=0)
    case.equal(got["canceled"], len(rcpts) - had)
    campaign_help.one_report(hub)
    hops.ledger(sluice, accepted=len(rcpts), generated=1, delivered=had + 1,
                purged=len(rcpts) - had)
    restarted(sluice, kill=True)
    case.equal(quiet(hub, rcpts, 1), had)
    # what comes of it afterwards waits for a person
    session = talk.session(sluice)
    said = post(session, people(25, name="late"), letter(2))
    session.quit()
    case.contains(said, "waits for confirmation")
    late = number_of(said)
    assert late != cid, late
    sluice.ctl("campaign", "cancel", late)
    # back it comes, and stands
    sluice.ctl("campaign", "cancel", cid, "--undo")
    until(sluice, cid, state="paused", sent=had, left=len(rcpts) - had)
    case.equal(quiet(hub, rcpts, 1), had)
    sluice.ctl("campaign", "resume", cid)
    until(sluice, cid, sent=len(rcpts))
    hops.drained(sluice)
    once_each(hub, rcpts)
    counted(sluice, cid, recipients=len(rcpts), sent=len(rcpts))
    case.equal(arrived(hub, people(25, name="late")), 0)
    sluice.stop()


@story
def thousands_on_their_way(work):
    """The answer does not wait for the disk; what a kill comes before is done
    after it. An undo that comes too early waits for what it undoes."""
    hub = campaign_help.Refusing(seconds=SLOWLY)
    sluice = campaign_help.gateway(work, hub)
    rcpts = people(6000)
    cid = launch(sluice, rcpts)
    hops.wait(lambda: arrived(hub, rcpts) >= 20, "the first of it")
    case.contains(sluice.ctl("campaign", "cancel", cid).stdout,
                  "recipients go to the trash")
    restarted(sluice, kill=True)
    had = settled(hub, rcpts)  # the hub still takes in what it had been given
    gone = until(sluice, cid, state="canceled", left=0)["canceled"]
    for words in ([], ["--undo"], [], ["--undo"]):
        sluice.ctl("campaign", "cancel", cid, *words, check=False)
    until(sluice, cid, state="paused", left=gone, canceled=0)
    case.equal(quiet(hub, rcpts, 1), had)
    hops.wait(lambda: sluice.ctl("campaign", "resume", cid, check=False)
              .returncode == 0, "the end of the undo")
    hops.wait(lambda: arrived(hub, rcpts) > had, "more of it")
    sluice.ctl("campaign", "cancel", cid)
    sluice.stop()


@story
def waits_for_a_person(work):
    """`confirm`: nothing goes before somebody says so; over a restart too."""
    hub = sink.Sink()
    sluice = campaign_help.gateway(work, hub, bulk(confirm="on"))
    rcpts = people(60)
    session = talk.session(sluice)
    said = post(session, rcpts, letter(1))
    session.quit()
    cid = number_of(said)
    case.contains(said, "waits for confirmation")
    case.equal(quiet(hub, rcpts, 1), 0)
    restarted(sluice, kill=True)
    case.equal(show(sluice, cid)["state"], "waiting")
    case.equal(quiet(hub, rcpts, 1), 0)
    sluice.ctl("campaign", "resume", cid)
    until(sluice, cid, sent=60)
    hops.drained(sluice)
    once_each(hub, rcpts)
    sluice.stop()


if __name__ == "__main__":
    case.main()
