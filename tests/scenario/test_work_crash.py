"""kill -9 at random moments while administrators hold, purge, undo and release.

The ledger holds after each restart, what was purged can be brought back, and at
the end each recipient has its message: once while nothing was being delivered;
twice only when a kill came between the hop's 250 and the commit that records
it. SLUICE_ROUNDS: 5, by hand 100.
"""
import collections
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time

import case
import hops
import peers
import talk

ROUNDS = int(os.environ.get("SLUICE_ROUNDS", "5"))
SEED = int(os.environ.get("SLUICE_SEED", random.randrange(1 << 30)))
MESSAGES = int(os.environ.get("SLUICE_MESSAGES", 2000 // hops.PATIENCE))
USERS = {"alice": "secret-a", "bob": "secret-b"}
HOP_CONNECTIONS = 4
UNRECORDED_S = 5.0 * hops.PATIENCE  # as in test_crash.py
SINK_LAG_S = 1.0 * hops.PATIENCE
DOMAINS = ("one.test", "two.test", "sub.two.test")
ALL = ("--ip", "::/0")
SELECTIONS = (
    ("--cred", "alice"), ("--cred", "bob"), ("--domain", "one.test"),
    ("--domain", ".two.test"), ("--cred", "bob", "--domain", "two.test"),
    ("--from", "bob@example.com"), ("--ip", "127.0.0.0/8", "--cred", "alice"), ALL)


def rcpts_of(number):
    """Two or three, at most one a domain."""
    return ["r%d@%s" % (number, d) for d in DOMAINS[:2 + number % 2]]


def submit(sluice, user, numbers):
    session = talk.session(sluice, user, USERS[user])
    for number in numbers:
        rcpts = rcpts_of(number)
        session.send("MAIL FROM:<%s@example.com>\r\n" % user + "".join(
            "RCPT TO:<%s>\r\n" % r for r in rcpts) + "DATA\r\n")
        for code in [250] * (len(rcpts) + 1) + [354]:
            session.next(code)
        session.send(hops.stuffed(hops.message(number)) + b".\r\n")
        session.next(250, "2.0.0")
    session.quit()


def fill(sluice):
    half = MESSAGES // 2
    threads = [threading.Thread(target=submit, args=(sluice, user, part)) for user, part in (
        ("alice", range(1, half + 1, 2)), ("alice", range(2, half + 1, 2)),
        ("bob", range(half + 1, MESSAGES + 1, 2)),
        ("bob", range(half + 2, MESSAGES + 1, 2)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Administrators:
    """Three at once, each command at random; a killed daemon fails it."""

    def __init__(self, sluice, dice, holding):
        self.sluice, self.dice, self.holding = sluice, dice, holding
        self.enough = threading.Event()
        self.done = collections.Counter()
        self.threads = [threading.Thread(target=self.run, daemon=True,
                                         args=(random.Random(dice.random()),))
                        for _ in range(3)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *rest):
        self.enough.set()
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a command hangs"

    def run(self, dice):
        while not self.enough.is_set():
            verb = dice.choice(("purge", "undo", "undo", "rule"))
            with contextlib.suppress(ValueError, IndexError):
                getattr(self, verb)(dice)
            time.sleep(0.01)

    def ctl(self, *words):
        result = self.sluice.ctl("--json", *words, check=False)
        self.done[words[0], result.returncode == 0] += 1
        return result.stdout

    def purge(self, dice):
        self.ctl("purge", *dice.choice(SELECTIONS), "--yes")

    def undo(self, dice):
        self.ctl("undo", dice.choice(json.loads(self.ctl("trash")))["id"])

    def rule(self, dice):
        """Comes and goes beside the hold of all."""
        kind, value = dice.choice((("cred", "alice"), ("domain", "one.test"),
                                   ("from", "@example.com"), ("ip", "127.0.0.1")))
        if dice.random() < 0.5:
            self.ctl("block", "add", kind, value, *(
                ("--for", "1s") if dice.random() < 0.5 else ()))
        else:
            self.ctl("block", "del", kind, value)
        if not self.holding:
            self.ctl("hold" if dice.random() < 0.3 else "release", *ALL, "--yes")


def total():
    return sum(len(rcpts_of(n)) for n in range(1, MESSAGES + 1))


def sound(sluice):
    """After a restart: every recipient is somewhere, and counted once."""
    got = hops.stats(sluice)
    case.equal(got["ledger_queued"] + got["ledger_held"] + got["ledger_purged"] +
               got["ledger_delivered"], total(), "recipients")
    return got


def rounds(sluice, dice, holding):
    """Returns the times of the kills: when each began, when it was done."""
    kills = []
    done = collections.Counter()
    for _ in range(ROUNDS):
        with Administrators(sluice, dice, holding) as admins:
            time.sleep((0.1 + dice.random()) * hops.PATIENCE)
            began = time.time()
            sluice.kill()
            kills.append((began, time.time()))
        done += admins.done
        sluice.start()
        sound(sluice)
    print("     %s" % ", ".join("%d %s%s" % (n, verb, "" if well else " failed")
                                for (verb, well), n in sorted(done.items())))
    return kills


def bring_back(sluice):
    """All purges undone, all rules gone."""
    def undone():
        for line in hops.js(sluice, "trash"):
            sluice.ctl("undo", line["id"], check=False)
        return hops.js(sluice, "trash") == []
    hops.wait(undone, "an empty trash")
    case.equal(sound(sluice)["ledger_purged"], 0, "in the trash")
    for entry in hops.js(sluice, "block", "list"):
        # one that ends by itself may be gone by now
        if entry["action"] == "hold":
            sluice.ctl("release", *ALL, "--yes", check=False)
        else:
            sluice.ctl("block", "del", entry["kind"], entry["value"], check=False)


def start(work):
    record, port = work / "arrived", peers.free_port()
    out = open(work / "sink.out", "ab")
    process = subprocess.Popen([sys.executable, os.path.join(
        peers.ROOT, "tests/support/sink.py"), str(port), record],
        stdin=subprocess.PIPE, stdout=out, stderr=out)
    work.children.append(process)
    peers.wait_port(port, process)
    hop = type("Hop", (), {"host": "127.0.0.1", "port": port})
    sluice = hops.gateway(work, {"hub": (hop, "connections %d;" % HOP_CONNECTIONS)},
                          "retry { after 1s; expire 1h; }\n", users=dict(USERS),
                          auth="backend local; fail-delay 0s;")
    sluice.ctl("hold", *ALL, "--yes")
    fill(sluice)
    sound(sluice)
    return sluice, record


def arrivals(record):
    """{recipient: when it got it}; each the message that was for it."""
    times = collections.defaultdict(list)
    with open(record) as f:
        for mail in map(json.loads, f):
            for rcpt in mail["to"]:
                assert rcpt in rcpts_of(mail["number"]), mail
                times[rcpt].append(mail["at"])
    return times


def settle(sluice, record):
    bring_back(sluice)
    hops.drained(sluice)
    hops.ledger(sluice, accepted=total(), delivered=total())
    times = arrivals(record)
    case.equal(len(times), total(), "recipients that got it")
    sluice.stop()
    return {rcpt: sorted(at) for rcpt, at in times.items() if len(at) > 1}


@case.case
def killed_while_all_is_held(work):
    print("     %d rounds, SLUICE_SEED=%d" % (ROUNDS, SEED))
    sluice, record = start(work)
    rounds(sluice, random.Random(SEED), True)
    assert not os.path.getsize(record), "held mail has left: %s" % list(
        arrivals(record).items())[:10]
    case.equal(settle(sluice, record), {}, "got it twice")


@case.case
def killed_while_it_is_delivered(work):
    sluice, record = start(work)
    sluice.ctl("release", *ALL, "--yes")
    kills = rounds(sluice, random.Random(SEED + 1), False)
    again = settle(sluice, record)
    for rcpt, at in again.items():
        for earlier, later in zip(at, at[1:]):
            near = [began for began, done in kills
                    if earlier - SINK_LAG_S <= done
                    and began <= min(later, earlier + UNRECORDED_S)]
            assert near, "%s got it twice, without a kill: %s" % (rcpt, at)
    print("     %d of %d got it twice, by %d kills" % (len(again), total(), len(kills)))


if __name__ == "__main__":
    case.main()
