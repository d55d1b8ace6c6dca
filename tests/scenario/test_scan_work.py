"""What may come between a message and its verdict: the client leaves, we end or
die, an administrator holds or purges, the disk fails, the settings change."""
import errno
import os
import random
import threading
import time

import case
import domains_help
import hops
import peers
import scan_help
import talk
from icap_recorder import Recorder
from icaplab import EICAR
from scan_help import distinct, send, session, with_file

QUICK = "wait 1s; part-timeout 3s; canary 10s; "


def quarantined(sluice):
    return hops.js(sluice, "quarantine", "list")


def at_the_dot(sluice, contents):
    """Clients whose dots are sent at once, and not answered."""
    clients = []
    for number, content in contents.items():
        talking = session(sluice)
        talking.envelope(["b%d@example.net" % number], "alice@example.com")
        talking.expect("DATA", 354)
        talking.send(hops.stuffed(with_file(number, content)))
        clients.append(talking)
    for talking in clients:
        talking.send(b".\r\n")
    return clients


@case.case
def the_client_leaves(work):
    """Nothing is kept of what was not answered, and the verdict is of use to
    the next one."""
    icap = Recorder()
    sluice = scan_help.up(scan_help.gateway(work, icap.url, "wait 20s;"))
    go_on = threading.Event()
    icap.mode = lambda asked: go_on.wait(peers.HANG_S) and None
    contents = {n: distinct(n, 20000) for n in range(8)}
    waiting = at_the_dot(sluice, contents)
    hops.wait(lambda: scan_help.scanner(sluice)["jobs"] == 8, "that it is asked")
    for talking in waiting:
        talking.close()
    go_on.set()
    hops.wait(lambda: scan_help.scanner(sluice)["jobs"] == 0, "the jobs' end")
    case.equal(scan_help.ledger(sluice)["accepted"], 0)
    talking = session(sluice)
    for number, content in contents.items():
        got = send(talking, with_file(number, content))
        case.equal((got[0], "waiting" in got[1]), (250, False), repr(got))
    talking.quit()
    assert all(n <= 2 for n in icap.seen().values()), icap.seen().values()
    scan_help.went_out(sluice, contents)
    sluice.stop()


@case.case
def sent_again_while_it_waits(work):
    """The client that lost the answer is told so, and it is one message."""
    icap = Recorder(start=False)
    sluice = scan_help.gateway(work, icap.url, QUICK)
    talking, text = session(sluice), with_file(1, distinct(1))
    case.contains(send(talking, text)[1], "waiting")
    code, said = send(talking, text)
    case.equal(code, 250)
    case.contains(said, "Already accepted as")
    talking.quit()
    icap.open()
    scan_help.went_out(sluice, [1])
    hops.drained(sluice)
    case.equal(scan_help.numbers(sluice), [1])
    sluice.stop()


@case.case
def ended_at_the_dot(work):
    """A clean end while clients wait for a verdict: what got its 250 is there
    after the start, what did not is not."""
    icap = Recorder()
    sluice = scan_help.up(scan_help.gateway(work, icap.url, "wait 20s;"))
    icap.mode = "hang"
    waiting = at_the_dot(sluice, {n: distinct(n) for n in range(1, 7)})
    hops.wait(lambda: scan_help.scanner(sluice)["jobs"] == 6, "six jobs")
    answers, threads = {}, []

    def listen(number, talking):
        try:
            answers[number] = talking.reply()
        except (talk.Closed, OSError) as error:
            answers[number] = error
    for number, talking in enumerate(waiting, 1):
        threads.append(threading.Thread(target=listen, args=(number, talking)))
        threads[-1].start()
    sluice.stop()
    for thread in threads:
        thread.join()
    taken = [n for n, got in answers.items() if isinstance(got, tuple) and got[0] == 250]
    odd = [got for got in answers.values()
           if isinstance(got, tuple) and got[0] not in (250, 421, 451)]
    case.equal(odd, [])
    icap.well()
    sluice.start()
    scan_help.went_out(sluice, taken)
    hops.drained(sluice)
    case.equal(sorted(scan_help.numbers(sluice)), sorted(taken))
    sluice.stop()


@case.case
def killed_in_the_middle(work):
    """kill -9 three times under load, with a scanner that comes and goes: every
    250 is kept; what is infected is quarantined or refused, and never out."""
    icap = Recorder()
    sluice = scan_help.up(scan_help.gateway(work, icap.url,
                                            QUICK + "infected quarantine;"))
    sent, ended, count = {}, threading.Event(), iter(range(1, 1 << 30))

    def client():
        while not ended.is_set():
            try:
                talking = session(sluice)
                while not ended.is_set():
                    number = next(count)
                    virus = number % 3 == 0
                    sent[number] = virus, None
                    got = send(talking, with_file(number, (
                        EICAR if virus else b"") + distinct(number)))
                    sent[number] = virus, got
                    ended.wait(0.05)
            except (talk.Closed, OSError, AssertionError):
                ended.wait(0.05)
    threads = [threading.Thread(target=client) for _ in range(3)]
    for thread in threads:
        thread.start()
    def enough(clean, infected):
        kinds = [virus for virus, got in list(sent.values()) if got and got[0] == 250]
        return kinds.count(False) > clean and kinds.count(True) > infected
    for turn in range(3):
        hops.wait(lambda t=turn: enough(4 * t, 2 * t), "mail before the kill")
        time.sleep(0.5 + random.random() * 0.5)
        icap.close()
        time.sleep(0.5 + random.random() * 0.5)
        icap.open()
        time.sleep(random.random() * 0.3)
        sluice.kill()
        sluice.start()
    hops.wait(lambda: enough(10, 5), "mail after the last")
    ended.set()
    for thread in threads:
        thread.join()
    clean = [n for n, (virus, got) in sent.items() if got and got[0] == 250 and not virus]
    viruses = [n for n, (virus, got) in sent.items() if got and got[0] == 250 and virus]
    unsure = {n for n, (_, got) in sent.items() if got is None}
    case.equal([got for _, got in sent.values() if got and got[0] != 250], [])
    hops.wait(lambda: not scan_help.pending(sluice) and
              scan_help.ledger(sluice)["queued"] == 0, "all to be decided", 90)
    seen = scan_help.numbers(sluice)
    case.equal(set(clean) - set(seen), set(), "lost")
    case.equal(set(seen) - set(clean) - unsure, set(), "from nowhere")
    scan_help.nothing_infected(sluice)
    kept = set()
    for entry in quarantined(sluice):
        kept.add(scan_help.number_of({"body": scan_help.exported(sluice, entry["id"])}))
    case.equal(set(viruses) - kept, set(), "viruses that are lost")
    case.equal(kept - set(viruses) - unsure, set(), "kept, and not accepted")
    case.equal(len(kept), len(quarantined(sluice)), "each once")
    case.equal(len(os.listdir(sluice.spool + "/quarantine")), len(kept), "files")
    sluice.stop()


@case.case
def held_purged_and_reloaded(work):
    """An administrator's hold stays when the verdict is there; what is purged
    is gone; without a scanner in the settings nothing new waits for one, and
    what waited does until a bypass."""
    icap = Recorder(start=False)
    sluice = scan_help.gateway(work, icap.url, QUICK)
    talking = session(sluice)
    for number in (1, 2):
        case.contains(send(talking, with_file(number, distinct(number)),
                           ["b%d@example.net" % number])[1], "waiting")
    bob = session(sluice, "bob")
    case.contains(send(bob, with_file(3, distinct(3)), ["b3@example.net"])[1], "waiting")
    hops.wait(lambda: len(scan_help.pending(sluice)) == 3, "three that wait")
    sluice.ctl("hold", "--cred", "bob", "--yes", "--reason", "a look")
    sluice.ctl("purge", "--cred", "alice", "--domain", "example.net", "--yes")
    hops.wait(lambda: len(scan_help.pending(sluice)) == 1, "one that waits")
    icap.open()
    hops.wait(lambda: not scan_help.pending(sluice), "its verdict")
    time.sleep(0.3)
    case.equal(scan_help.numbers(sluice), [])
    case.equal([e["state"] for e in hops.js(sluice, "queue", "list")], ["held"])
    sluice.ctl("release", "--cred", "bob", "--yes")
    scan_help.went_out(sluice, [3])
    icap.close()
    hops.wait(lambda: not scan_help.scanner(sluice)["up"], "that it is down")
    case.contains(send(bob, with_file(4, distinct(4)))[1], "waiting")
    with open(sluice.conf_path) as f:
        text = f.read()
    begin = text.index("scan {")
    with open(sluice.conf_path, "w") as f:
        f.write(text[:begin] + text[text.index("}\n", begin) + 2:])
    sluice.ctl("reload")
    case.equal(send(bob, with_file(5, distinct(5)))[1].split()[1], "Accepted")
    scan_help.went_out(sluice, [3, 5])
    case.equal(len(scan_help.pending(sluice)), 1)
    sluice.ctl("scan", "bypass", "--for", "5m", "--reason", "no scanner any more")
    scan_help.went_out(sluice, [3, 4, 5])
    talking.quit()
    bob.quit()
    sluice.stop()


@case.case
def the_quarantine_cannot_be_written(work):
    """What is infected waits where it is until it can, and is not lost."""
    icap = Recorder()
    sluice = scan_help.gateway(work, icap.url, "wait 10s; infected quarantine;",
                               start=False)
    faults = hops.Faults(work, sluice.spool + "/quarantine")
    sluice.start(scan_help.quick(work, 10, faults))
    scan_help.up(sluice)
    faults.set("segment_write", errno.ENOSPC)
    talking = session(sluice)
    case.equal(send(talking, with_file(1, EICAR))[0], 250)
    case.equal(send(talking, with_file(2, distinct(2)))[0], 250)
    scan_help.went_out(sluice, [2])
    sluice.lines("scan-not-durable")
    faults.set("segment_write", 0)
    faults.set("segment_sync", errno.EIO)
    before = len(sluice.log_lines("scan-not-durable"))
    hops.wait(lambda: len(sluice.log_lines("scan-not-durable")) > before, "another")
    case.equal(quarantined(sluice), [])
    case.equal(scan_help.ledger(sluice)["held"], 1)
    case.equal(os.listdir(sluice.spool + "/quarantine"), [])
    faults.clear()
    hops.wait(lambda: quarantined(sluice), "the virus to be kept", 90)
    hops.drained(sluice)
    case.equal(scan_help.ledger(sluice)["quarantined"], 1)
    case.equal(scan_help.numbers(sluice), [2])
    talking.quit()
    sluice.stop()


@case.case
def its_time_is_over(work):
    """After `quarantine` nothing is left of it."""
    icap, wall = Recorder(), domains_help.Wall(work)
    sluice = scan_help.gateway(
        work, icap.url, "wait 10s; infected quarantine; quarantine 2h;", start=False)
    sluice.start(wall.env)
    scan_help.up(sluice)
    talking = session(sluice)
    case.equal(send(talking, with_file(1, EICAR))[0], 250)
    talking.quit()
    hops.wait(lambda: quarantined(sluice), "it to be kept")
    hops.drained(sluice)
    wall.later(3600)
    sluice.stop()
    sluice.start(wall.env)
    case.equal(len(quarantined(sluice)), 1)
    wall.later(3700)
    sluice.stop()
    sluice.start(wall.env)
    hops.wait(lambda: not quarantined(sluice), "its end")
    hops.wait(lambda: os.listdir(sluice.spool + "/quarantine") == [], "its file's end")
    case.equal(scan_help.numbers(sluice), [])
    sluice.stop()


if __name__ == "__main__":
    case.main()
