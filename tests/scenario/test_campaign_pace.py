"""Lanes: a mailing goes at the pace that its receivers take, behind people's own
mail, and a small one is not held up by a large one."""
import threading
import time

import campaign_help
import case
import hops
import sink
import talk
from campaign_help import arrived, bulk, copies, launch, letter, once_each, people, \
    show, until
from talk import story

QUICK = 100 if case.SLOW else 300
THOUSANDS = 2 if case.SLOW else 10


class Throttling(sink.Sink):
    """Says once, to mail of `sender`, that it is too much."""

    def __init__(self, sender, after, text="421 4.7.28 Our system has detected an "
                 "unusual rate of mail originating from your address"):
        self.sender, self.left, self.text = sender, after, text
        self.said_at = None
        self.turn = threading.Lock()
        super().__init__({"MAIL": self.mail})

    def mail(self, _session, line):
        if "<%s>" % self.sender not in line:
            return None
        with self.turn:
            self.left -= 1
            if self.left != 0:
                return None
            self.said_at = time.time()
        return sink.reply(self.text)


@story
def slower_within_one_reply(work):
    """A receiver's 421 4.7.28: from that reply on the mailing goes there at the
    slowest pace, comes back step by step, and people's mail to the same hosts
    has nothing to do with it. Minutes pass in fractions of a second."""
    env = talk.quick_clock(work)
    if "libtsan" in env["LD_PRELOAD"]:
        return  # it waits past the shim: nothing would be told to the disk
    hub = Throttling("alice@example.com", 4)
    minute = 60 / QUICK
    site = 12000
    sluice = campaign_help.gateway(work, hub, bulk(
        site_rate="%d/m" % site, site_connections="2"))
    sluice.stop()  # its users are there; waiting for the disk takes its time
    sluice.start(dict(env, QUICK_CLOCK=str(QUICK)))
    rcpts = people(6000)
    cid = launch(sluice, rcpts, tries=20)
    hops.wait(lambda: hub.said_at, "the reply")
    at = hub.said_at
    friends = ["friend%d@people.example" % n for n in range(3)]
    for n, friend in enumerate(friends):
        mine = talk.session(sluice, "bob", "secret-b", tries=20)
        hops.submit(mine, hops.message(900 + n), [friend], "bob@example.com")
        mine.quit()
        hops.wait(lambda f=friend: copies(hub)[f] == 1, "personal mail")
    got = show(sluice, cid)
    assert got["left"] >= 5000, "personal mail waited for the mailing: %r" % got
    until(sluice, cid, 90 * 300 // QUICK, sent=len(rcpts))
    hops.drained(sluice)
    once_each(hub, rcpts + friends)
    with hub.lock:
        ours = [m for m in hub.mails if m["from"] == "alice@example.com"]

    def came(since, until_then):
        some = [m for m in ours if at + since * minute <= m["at"] <
                at + until_then * minute]
        return len(some), sum(len(m["to"]) for m in some)
    # what was under way when it was said may end; then five minutes' rest
    assert came(0, 5)[0] <= 3, came(0, 5)
    # an hour at one a minute
    assert came(5, 65)[0] <= 62, came(5, 65)
    # and a quarter of an hour at a 32nd of what is allowed
    most = 5 * (site >> 5) + 100
    assert came(65, 70)[1] <= most, (came(65, 70), most)
    assert max(m["at"] for m in ours) > at + 65 * minute, "it never was slow"
    sluice.stop()


@story
def small_ones_do_not_wait(work):
    """Three mailings begin together, of 100, of 1,000 and of ten times as many:
    the smaller ones end when as much of the large one has gone."""
    sizes = {"alice": THOUSANDS * 1000, "bob": 1000, "carol": 100}
    hub = sink.Sink({"dot": sink.late(0.05)})
    sluice = campaign_help.gateway(work, hub, bulk(confirm="on"), users={
        user: "secret-" + user[0] for user in sizes})
    rcpts = {user: people(n, name=user) for user, n in sizes.items()}
    cids = {user: launch(sluice, rcpts[user], letter(n, b"Dear %s," % user.encode()),
                         user) for n, user in enumerate(sizes)}
    for cid in cids.values():  # the large one first
        sluice.ctl("campaign", "resume", cid)
    for user, cid in cids.items():
        until(sluice, cid, 120, sent=sizes[user])
    hops.drained(sluice)
    for user in sizes:
        once_each(hub, rcpts[user], user)
    ends, had = {}, {user: 0 for user in sizes}
    with hub.lock:
        mails = [m for m in hub.mails if m["from"] != ""]
    for mail in mails:
        user = mail["from"].split("@")[0]
        had[user] += len(mail["to"])
        if had[user] == sizes[user]:
            ends[user] = dict(had)
    # resuming takes a moment each, so the large one is ahead by some
    print("     when the small one ended: %r, the middle one: %r" % (
        ends["carol"], ends["bob"]))
    began = begun_before(mails, "bob"), begun_before(mails, "carol")
    assert ends["carol"]["alice"] - began[1] <= 3 * 100 + 200, (ends, began)
    assert ends["carol"]["bob"] <= 3 * 100 + 200 + began[1], (ends, began)
    assert ends["bob"]["alice"] - began[0] <= 2 * 1000 + 300, (ends, began)
    sluice.stop()


def begun_before(mails, user):
    """How many of alice's had come when the first of this user did."""
    had = 0
    for mail in mails:
        if mail["from"].startswith(user):
            return had
        if mail["from"].startswith("alice"):
            had += len(mail["to"])
    return had


class Counting(sink.Sink):
    """How many messages of each sender are under way at once, at most. Each
    takes so long, but `crowd`'s until there are `size` of them."""

    def __init__(self, seconds, crowd, size):
        self.now, self.most = {}, {}
        self.turn = threading.Lock()
        self.seconds = seconds
        self.crowd, self.size, self.full = crowd, size, threading.Event()
        super().__init__({"DATA": self.data})

    def data(self, session, _line):
        with self.turn:
            sender = session.sender
            self.now[sender] = self.now.get(sender, 0) + 1
            self.most[sender] = max(self.most.get(sender, 0), self.now[sender])
            if self.now.get(self.crowd, 0) >= self.size:
                self.full.set()
        if sender == self.crowd:
            self.full.wait(hops.peers.HANG_S)
        self.stop.wait(self.seconds)
        with self.turn:
            self.now[sender] -= 1


@story
def slots_of_their_own(work):
    """Seven of ten connections are people's; a mailing never has them, and its
    slow receiver holds up nobody's mail."""
    hub = Counting(0.4, "bob@example.com", 6)
    sluice = campaign_help.gateway(
        work, hub, bulk(site_connections="0"), relay="connections 10;")
    rcpts = people(2000)
    cid = launch(sluice, rcpts)
    hops.wait(lambda: arrived(hub, rcpts) >= 50, "the first of it")
    friends = ["friend%d@people.example" % n for n in range(14)]
    mine = talk.session(sluice, "bob", "secret-b")
    for n, friend in enumerate(friends):
        hops.submit(mine, hops.message(900 + n), [friend], "bob@example.com")
    mine.quit()
    hops.wait(lambda: arrived(hub, friends) == len(friends), "personal mail")
    assert hub.most["bob@example.com"] >= 6, hub.most
    hops.wait(lambda: hub.most["alice@example.com"] >= 3, "three of it at once")
    case.equal(hub.most["alice@example.com"], 3, "the mailing's at once")
    sluice.ctl("campaign", "cancel", cid)
    sluice.stop()


@story
def as_fast_as_it_is_told(work):
    """A rate for each campaign, changed while it runs."""
    hub = sink.Sink()
    sluice = campaign_help.gateway(work, hub, bulk(rate="36000/h"))
    rcpts = people(500)
    cid = launch(sluice, rcpts)
    hops.wait(lambda: arrived(hub, rcpts) >= 1, "the first of it")
    began, had = time.monotonic(), arrived(hub, rcpts)
    hops.wait(lambda: arrived(hub, rcpts) >= had + 100, "more of it")
    went, took = arrived(hub, rcpts) - had, time.monotonic() - began
    assert went <= 10 * took + 50, "%d in %.1f s" % (went, took)  # ten a second
    sluice.ctl("campaign", "rate", cid, "10000000/h")
    until(sluice, cid, sent=len(rcpts))
    hops.drained(sluice)
    once_each(hub, rcpts)
    sluice.stop()


if __name__ == "__main__":
    case.main()
