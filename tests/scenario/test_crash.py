"""kill -9 at random moments while 50 clients submit.

A client that got no 250 sends the same message again, as mail clients do. So at
the end each message was answered 250 once, must be counted once by the ledger,
and must be at the next hop; twice only if the kill came between the hop's 250
and the commit that records it. SLUICE_ROUNDS: 10, by hand 200.
"""
import collections
import contextlib
import glob
import hashlib
import json
import os
import random
import smtplib
import ssl
import subprocess
import sys
import threading
import time

import case
import hops
import peers
import talk

ROUNDS = int(os.environ.get("SLUICE_ROUNDS", "3" if hops.PATIENCE > 1 else "10"))
SEED = int(os.environ.get("SLUICE_SEED", random.randrange(1 << 30)))
CLIENTS = 50
LARGE = 300 * 1024  # a segment of its own
HOP_CONNECTIONS = 20
# An outcome waits at most 50 ms for company, then for one commit; the rest is
# for a machine that is busy with other things.
UNRECORDED_S = 5.0 * hops.PATIENCE
# The sink notes the time when it has a turn: on a busy machine later.
SINK_LAG_S = 1.0 * hops.PATIENCE


def body_of(number):
    """Its bytes follow from its number; one in forty is large."""
    mark = b"%d %s\r\n" % (number, hashlib.sha256(b"%d" % number).hexdigest().encode())
    size = LARGE if number % 40 == 7 else 100 + number % 61 * 200
    return (mark * (size // len(mark) + 1)) + b"end %d\r\n" % number


class Client(threading.Thread):
    """Submits number after number; each until it is answered 250."""

    def __init__(self, crowd):
        super().__init__(daemon=True)
        self.crowd = crowd
        self.session = None

    def run(self):
        while not self.crowd.enough.is_set():
            number = self.crowd.next_number()
            content = hops.stuffed(hops.message(number, body_of(number)))
            while not self.send(number, content):
                time.sleep(0.02)
        if self.session:
            with contextlib.suppress(OSError):
                self.session.close()

    def send(self, number, content):
        try:
            if self.session is None:
                self.session = talk.session(self.crowd.sluice)
            # three commands at once, as a client with PIPELINING does
            self.session.send("MAIL FROM:<alice@example.com>\r\n"
                              "RCPT TO:<r%d@example.net>\r\nDATA\r\n" % number)
            for code in (250, 250, 354):
                self.session.next(code)
            self.session.send(content + b".\r\n")
            self.session.next(250, "2.0.0")
        except (OSError, talk.Closed, ssl.SSLError) as error:
            self.crowd.broken[type(error).__name__] += 1
            if self.session:
                self.session.close()
            self.session = None
            return False
        except AssertionError as error:  # an answer, but another one
            self.crowd.refused.append(str(error))
            self.session.close()
            self.session = None
            return False
        self.crowd.acked(number)
        return True


class Crowd:
    def __init__(self, sluice):
        self.sluice = sluice
        self.lock = threading.Lock()
        self.enough = threading.Event()
        self.last = 0
        self.done = set()
        self.broken = collections.Counter()
        self.refused = []
        self.clients = [Client(self) for _ in range(CLIENTS)]

    def start(self):
        for client in self.clients:
            client.start()

    def next_number(self):
        with self.lock:
            self.last += 1
            return self.last

    def acked(self, number):
        with self.lock:
            assert number not in self.done, number
            self.done.add(number)

    def finish(self):
        self.enough.set()
        for client in self.clients:
            client.join(120)
            assert not client.is_alive(), "a client hangs"


def rounds(sluice, crowd, dice):
    """Returns the times of the kills: when each began, when it was done."""
    kills = []
    crowd.start()
    for n in range(ROUNDS):
        before = len(crowd.done)
        # some very soon after the start, even in the middle of it
        time.sleep(dice.choice((0.05, 0.3, 0.6, 1.0)) * dice.random() * hops.PATIENCE
                   + (0.2 if n % 3 else 0))
        began = time.time()
        sluice.kill()
        kills.append((began, time.time()))
        sluice.start()
        hops.stats(sluice)  # the ledger holds at once
        if n % 3:  # and mail is taken again
            hops.wait(lambda: len(crowd.done) > before, "mail after the restart")
    crowd.finish()
    return kills


def settle(sluice, crowd):
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "the queue to empty",
              120)
    case.equal(crowd.refused, [], "answers that were no 250")
    assert len(crowd.done) == crowd.last, "each number was answered"
    got = hops.stats(sluice)
    hops.ledger(sluice, accepted=crowd.last, delivered=crowd.last,
                duplicates=got["ledger_duplicates"])
    return got



def start_sink(work, record):
    """In a process of its own: one more interpreter, one more core."""
    port = peers.free_port()
    out = open(work / "sink.out", "ab")
    process = subprocess.Popen([sys.executable, os.path.join(
        peers.ROOT, "tests/support/sink.py"), str(port), record],
        stdin=subprocess.PIPE, stdout=out, stderr=out)
    work.children.append(process)
    peers.wait_port(port, process)
    return port


@case.case
def killed_at_random(work):
    print("     %d rounds, SLUICE_SEED=%d" % (ROUNDS, SEED))
    record = work / "arrived"
    port = start_sink(work, record)
    hop = type("Hop", (), {"host": "127.0.0.1", "port": port})
    sluice = hops.gateway(work, {"hub": (hop, "connections %d;" % HOP_CONNECTIONS)},
                          "retry { after 1s; expire 1h; }\n",
                          auth="backend local; fail-delay 0s;")
    crowd = Crowd(sluice)
    kills = rounds(sluice, crowd, random.Random(SEED))
    got = settle(sluice, crowd)
    with open(record) as f:
        arrived = [json.loads(line) for line in f]
    times = collections.defaultdict(list)
    for mail in arrived:
        number = mail["number"]
        if number is None:
            continue
        case.equal(mail["tail"][-(len(str(number)) + 6):], "end %d\r\n" % number)
        times[number].append(mail["at"])
    missing = [n for n in crowd.done if n not in times]
    case.equal(missing[:20], [], "%d messages were answered 250 and lost" %
               len(missing))
    case.equal([n for n in times if n not in crowd.done], [], "nobody sent these")
    again = {n: at for n, at in times.items() if len(at) > 1}
    lag = check_again(again, kills)
    print("     %d messages, %d answered again as the same, %d seen twice at the hop "
          "(%.1f a kill; at most %.0f ms before it)" % (
              crowd.last, got["ledger_duplicates"], len(again),
              len(again) / ROUNDS, lag * 1000))
    sluice.stop()


def check_again(again, kills):
    """Each copy but the last was answered by the hop just before a kill: its
    outcome could not be on disk. Returns how long before, at most."""
    worst = 0
    for number, at in again.items():
        for earlier, later in zip(sorted(at), sorted(at)[1:]):
            # the kill between them that came first; that each was accepted once
            # is the ledger's word (settle)
            between = [began for began, done in kills
                       if earlier - SINK_LAG_S <= done and began <= later]
            assert between, "%d was sent twice without a kill: %s" % (number, at)
            worst = max(worst, between[0] - earlier)
            assert between[0] - earlier < UNRECORDED_S, (
                "%d was sent again though its delivery was %.3f s before the kill"
                % (number, between[0] - earlier))
    return worst


@case.case
def killed_with_a_maildir(work):
    """A file has the name of its message: what is delivered again replaces
    itself, and nothing is there twice."""
    mail = work / "mail"
    sluice = hops.Gateway(work, case.BUILD, "via maildir:%s;" % mail,
                          users=dict(hops.USERS), auth="backend local; fail-delay 0s;")
    crowd = Crowd(sluice)
    global ROUNDS
    kept, ROUNDS = ROUNDS, max(2, ROUNDS // 3)
    rounds(sluice, crowd, random.Random(SEED + 1))
    ROUNDS = kept
    settle(sluice, crowd)
    files = glob.glob(mail + "/new/*")
    case.equal(len(files), crowd.last, "files in the maildir")
    for path in random.sample(files, min(300, len(files))):
        with open(path, "rb") as f:
            content = f.read()
        number = int(content.split(b"\r\nX-Number: ")[1].split(b"\r\n")[0])
        assert content.endswith(hops.message(number, body_of(number))), path
    case.equal(os.listdir(mail + "/cur"), [])
    sluice.stop()


@case.case
def killed_while_the_hop_is_down(work):
    """Nothing is lost of a queue that only waits, nor doubled."""
    hop = hops.sink.Sink(start=False)
    sluice = hops.gateway(work, {"hub": (hop, "")},
                          "retry { after 1h; expire 1d; }\n")
    crowd = Crowd(sluice)
    crowd.start()
    for _ in range(2):
        before = len(crowd.done)
        hops.wait(lambda: len(crowd.done) > before + 100, "messages")
        sluice.kill()
        sluice.start()
    crowd.finish()
    hops.ledger(sluice, accepted=crowd.last, queued=crowd.last,
                duplicates=hops.stats(sluice)["ledger_duplicates"])
    hop.open()
    hops.drained(sluice, 240)
    settle(sluice, crowd)
    case.equal(sorted(int(m["to"][0][1:].split("@")[0]) for m in hop.mails),
               list(range(1, crowd.last + 1)), "each once")
    sluice.stop()


if __name__ == "__main__":
    case.main()
