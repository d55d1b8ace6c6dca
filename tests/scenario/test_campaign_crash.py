"""kill -9 at random moments while mailings go and people steer them.

At the end, when all that was canceled is back and everything has gone, each
campaign is done, its counts are those of its recipients, its report names who
did not get it, and nobody got two but by a kill between the hub's 250 and the
commit that records it. SLUICE_ROUNDS: 5, by hand 25.
"""
import collections
import contextlib
import csv
import io
import os
import random
import ssl
import threading
import time

import campaign_help
import case
import hops
import talk
from campaign_help import Refusing, bulk, copies, letter, people, post, show

ROUNDS = int(os.environ.get("SLUICE_ROUNDS", "5"))
SEED = int(os.environ.get("SLUICE_SEED", random.randrange(1 << 30)))
UNRECORDED_S = 5.0 * hops.PATIENCE  # as in test_crash.py
SINK_LAG_S = 1.0 * hops.PATIENCE
OTHER = b"".join(b"the %s is open again from %s on\r\n" % (what, when) for what, when in (
    (b"library", b"Monday"), (b"swimming pool", b"noon"), (b"north gate", b"May"),
    (b"archive in the cellar", b"the end of the month"), (b"car park", b"today")))


class Letters(threading.Thread):
    """A mail merge; what was not answered is sent again."""

    def __init__(self, sluice, rcpts):
        super().__init__(daemon=True)
        self.sluice, self.rcpts, self.failed = sluice, rcpts, None

    def run(self):
        try:
            for number, rcpt in enumerate(self.rcpts):
                while not self.send(number, rcpt):
                    time.sleep(0.1)
                time.sleep(0.05 * hops.PATIENCE)
        except AssertionError as error:
            self.failed = error

    def send(self, number, rcpt):
        with contextlib.suppress(OSError, talk.Closed, ssl.SSLError):
            session = talk.session(self.sluice, "bob", "secret-b")
            post(session, [rcpt], letter(1000 + number, b"Dear %d," % number, OTHER),
                 "bob@example.com")
            session.close()
            return True
        return False


class Administrators:
    """Two at once, each command at random; a killed daemon fails it."""

    def __init__(self, sluice, dice):
        self.sluice = sluice
        self.enough = threading.Event()
        self.done = collections.Counter()
        self.threads = [threading.Thread(target=self.run, daemon=True,
                                         args=(random.Random(dice.random()),))
                        for _ in range(2)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *rest):
        self.enough.set()
        for thread in self.threads:
            thread.join(2 * hops.peers.HANG_S)
            assert not thread.is_alive(), "a command hangs"

    def run(self, dice):
        while not self.enough.is_set():
            verb = dice.choice((["pause"], ["resume"], ["resume"], ["resume"],
                                ["cancel"], ["cancel", "--undo"],
                                ["cancel", "--undo"], ["rate"]))
            words = ["campaign", verb[0], "C%d" % dice.randint(1, 4)] + verb[1:]
            if verb == ["rate"]:
                words.append("%d/h" % dice.choice((20000, 100000, 400000)))
            result = self.sluice.ctl(*words, check=False)
            self.done[" ".join(verb), result.returncode == 0] += 1
            time.sleep(dice.random() * 0.3)


def rounds(sluice, dice):
    """Returns the times of the kills: when each began, when it was done."""
    kills = []
    done = collections.Counter()
    for _ in range(ROUNDS):
        with Administrators(sluice, dice) as admins:
            time.sleep((0.3 + 1.5 * dice.random()) * hops.PATIENCE)
            began = time.time()
            sluice.kill()
            kills.append((began, time.time()))
        done += admins.done
        sluice.start()
        for cid in campaign_help.campaigns(sluice):
            show(sluice, cid)  # its sums are right
    print("     %s" % ", ".join("%d %s%s" % (n, verb, "" if well else " failed")
                                for (verb, well), n in sorted(done.items())))
    return kills


def finish(sluice):
    """All that was canceled is back, and all goes."""
    def over():
        rows = campaign_help.campaigns(sluice)
        for cid, row in rows.items():
            if row["state"] == "canceled":
                sluice.ctl("campaign", "cancel", cid, "--undo", check=False)
            elif row["state"] in ("paused", "stopped", "waiting"):
                sluice.ctl("campaign", "resume", cid, check=False)
            if row["left"] > 0:
                sluice.ctl("campaign", "rate", cid, "10000000/h", check=False)
        time.sleep(0.2)
        # a mail merge may go on for two minutes: so long it is running yet
        return all(row["left"] == 0 and (row["state"] == "done" or (
            row["state"] == "running" and row["messages"] > 1))
            for row in rows.values())
    try:
        hops.wait(over, "all of them to be done", 120)
    except AssertionError as error:
        raise AssertionError("%s: %r" % (error, [
            show(sluice, cid) for cid in campaign_help.campaigns(sluice)])) from None
    hops.drained(sluice)


def reported(sluice, cid):
    text = sluice.ctl("campaign", "report", cid, "--csv").stdout
    return sorted(row["recipient"] for row in csv.DictReader(io.StringIO(text)))


def told(hub, failed):
    """There is a report that names them, and no other."""
    return any(failed == sorted(
        row["recipient"] for row in campaign_help.table_of(mail)[1])
        for mail in campaign_help.reports(hub))


def only_by_kills(hub, kills):
    again = {r for r, n in copies(hub).items() if n > 1 and "@people." in r}
    for rcpt in again:
        at = sorted(m["at"] for m in hub.mails if rcpt in m["to"])
        for earlier, later in zip(at, at[1:]):
            near = [began for began, done in kills if earlier - SINK_LAG_S <= done
                    and began <= min(later, earlier + UNRECORDED_S)]
            assert near, "%s got it twice, without a kill: %s" % (rcpt, at)
    print("     %d got it twice, by %d kills" % (len(again), len(kills)))


@case.case
def killed_while_they_are_steered(work):
    print("     %d rounds, SLUICE_SEED=%d" % (ROUNDS, SEED))
    lists = {"C1": people(120 * ROUNDS, name="a"), "C2": people(30 * ROUNDS, name="b")}
    merge = people(30 * ROUNDS, name="m")
    gone = {r for r in lists["C1"] + lists["C2"] + merge if r[:2] != "a1"
            and r.split("@")[0].endswith("7")}
    hub = Refusing(gone, seconds=0.1)
    sluice = campaign_help.gateway(work, hub, bulk(rate="100000/h"))
    for number, (cid, rcpts) in enumerate(lists.items()):
        text = campaign_help.OTHER_TEXT if number else campaign_help.TEXT
        case.equal(campaign_help.launch(sluice, rcpts, letter(number + 1, text=text)), cid)
    letters = Letters(sluice, merge)
    letters.start()
    kills = rounds(sluice, random.Random(SEED))
    letters.join(120 * hops.PATIENCE)
    assert not letters.is_alive() and letters.failed is None, letters.failed
    finish(sluice)
    seen = []
    for cid, row in campaign_help.campaigns(sluice).items():
        got = show(sluice, cid)
        print("     %s %s" % (cid, {k: v for k, v in got.items() if v}))
        failed = reported(sluice, cid)
        seen += failed
        case.equal(got["left"], 0, cid)
        case.equal(got["sent"] + got["bounced"] + got["suppressed"],
                   got["recipients"], cid)
        case.equal(len(failed), got["bounced"] + got["suppressed"], cid)
        if cid in lists:
            case.equal(got["recipients"], len(lists[cid]), cid)
            case.equal(failed, sorted(gone & set(lists[cid])), cid)
            hops.wait(lambda: told(hub, failed), "the report of %s" % cid)
    assert set(seen) <= gone, sorted(set(seen) - gone)
    had = copies(hub)
    case.equal([r for r in lists["C1"] + lists["C2"] + merge
                if (had[r] > 0) == (r in gone)], [], "lost, or nobody there")
    only_by_kills(hub, kills)
    # whatever a commit was in the middle of, the next start found it right
    case.equal(sluice.log_lines("campaign-recounted"), [], "counts that were not true")
    sluice.stop()


if __name__ == "__main__":
    case.main()
