"""More clients than there is room for: who waits, who goes, who stays."""
import json
import os
import resource
import time

import case
import peers
from talk import Closed, Talk, delivered, gateway, message, session, story


def status(talk):
    """220: served, 421: turned away or shed, 0: closed without a word."""
    try:
        return talk.reply()[0]
    except Closed:
        return 0


def age(seconds, began):
    """Who has just come is not shed for who comes next."""
    time.sleep(max(0, began + seconds - time.monotonic()))


@story
def the_oldest_stranger_goes_first(work):
    sluice = gateway(work, conf="connections 10; preauth 60s; threads 1;\n")
    users = [session(sluice) for _ in range(4)]
    strangers = [Talk(sluice.port, greet=False) for _ in range(6)]
    # all are young: it is the newcomer who must come again
    late = Talk(sluice.port, greet=False)
    inside = Talk(sluice.tls_port, greet=False)
    began = time.monotonic()
    late.next(421, "4.7.0")
    late.closed()
    inside.closed()  # a handshake is no place for text
    for talk in strangers:
        talk.next(220)
    age(1.2, began)
    fresh = []
    for old in strangers[:3]:
        fresh.append(Talk(sluice.port))
        old.next(421, "4.7.0 Too many connections")
        old.closed()
    for talk in strangers[3:] + fresh + users:
        talk.expect("NOOP", 250)
    sluice.lines("shed", count=3)
    users[0].submit(message())
    delivered(work)
    for talk in fresh + strangers[3:]:
        talk.quit()
    # with logins alone in the house nobody is shed
    peers.wait_for(lambda: len(sluice.log_lines("disconnect")) >= 9)
    users += [session(sluice) for _ in range(6)]
    age(1.2, time.monotonic())
    late = Talk(sluice.port, greet=False)
    late.next(421, "4.7.0")
    for talk in users:
        talk.expect("NOOP", 250)
    users[0].quit()
    peers.wait_for(lambda: Talk(sluice.port, greet=False).reply()[0] == 220,
                   "the free place")


@story
def one_address_has_its_share(work):
    sluice = gateway(work, conf="connections-per-address 3;\n")
    mine = [Talk(sluice.port) for _ in range(3)]
    for _ in range(3):
        late = Talk(sluice.port, greet=False)
        late.next(421, "4.7.0")
        late.closed()
    Talk(sluice.port, source="127.0.0.2").quit()
    mine[0].quit()
    peers.wait_for(lambda: status(Talk(sluice.port, greet=False)) == 220,
                   "the free place")
    mine[1].expect("NOOP", 250)
    line = sluice.lines("refuse")[0]
    case.contains(line, "client=127.0.0.1")
    # an invitation to reload lifts it for who comes next
    sluice.configure("via maildir:%s;" % (work / "mail"),
                     "connections-per-address 0;\n")
    sluice.ctl("reload")
    for talk in [Talk(sluice.port) for _ in range(5)]:
        talk.quit()


@story
def a_flood_of_connections(work):
    sluice = gateway(work, conf="connections 200; preauth 60s; threads 2;\n")
    user = session(sluice)
    before = peers.rss_anon_kib(sluice.process.pid)
    talks = [Talk(sluice.port, greet=False) for _ in range(600)]
    served = [t for t in talks if status(t) == 220]
    assert 190 <= len(served) <= 600, len(served)
    user.expect("NOOP", 250)
    user.submit(message())
    if not case.SLOW:
        grown = peers.rss_anon_kib(sluice.process.pid) - before
        assert grown < 200 * 32, grown
    for talk in talks:
        talk.close()
    peers.wait_for(lambda: status(Talk(sluice.port, greet=False)) == 220)
    delivered(work)
    user.quit()


@story
def descriptors_run_out(work):
    sluice = gateway(work, conf="preauth 60s; threads 1;\n")
    users = [session(sluice) for _ in range(5)]
    pid = sluice.process.pid
    used = max(int(n) for n in os.listdir("/proc/%d/fd" % pid)) + 1
    old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 20, old[1]))
    talks = []
    for _ in range(60):
        talk = Talk(sluice.port, greet=False)
        talk.code = status(talk)
        talks.append(talk)
    # everybody was served in turn, the oldest made room
    case.equal([t.code for t in talks], [220] * 60)
    shed = sluice.log_lines("shed")
    assert len(shed) >= 35, len(shed)
    sluice.lines("descriptors-gone")
    for i in range(10):
        talks[i].next(421, "4.7.0")
        talks[i].closed()
    for talk in users + talks[-5:]:
        talk.expect("NOOP", 250)
    cpu = peers.cpu_seconds(pid)
    began = time.monotonic()
    time.sleep(0.5)  # full, and nobody comes: it must not spin
    assert peers.cpu_seconds(pid) - cpu < 0.25 * (time.monotonic() - began)
    # mail that is accepted now is delivered when there is room
    users[0].submit(message())
    for talk in talks:
        talk.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, old)

    def gone():  # what is tried just now may fail for the last time
        sluice.ctl("queue", "flush")
        return json.loads(sluice.ctl("--json", "stats").stdout)["ledger_queued"] == 0
    peers.wait_for(gone, "the queue to empty")
    delivered(work)
    for talk in users:
        talk.quit()


if __name__ == "__main__":
    case.main()
