"""A scanner that dies, hangs, comes back, loads definitions, lies: mail goes on,
and what nobody has looked at waits until somebody does."""
import itertools
import threading
import time

import case
import hops
import icaplab
import scan_help
from icap_recorder import Recorder
from icaplab import EICAR
from scan_help import USERS, distinct, mail, part, send, session, with_file

SAME = distinct(0, 5000)  # everybody's letterhead
QUICK = "wait 1s; part-timeout 3s; canary 10s; "


def lab():
    return icaplab.shared(processes=2, threads=10)


def on_lab(work, scanner, scan=QUICK, **more):
    return scan_help.on_lab(work, scanner, scan, **more)


# --- a crowd while something happens ---------------------------------------------

class Crowd:
    """Four clients that send without end: nothing attached, a file of its own,
    everybody's file, a virus."""
    KINDS = ("nothing", "own", "same", "virus")

    def __init__(self, sluice, clients=4):
        self.sluice, self.numbers = sluice, itertools.count(1)
        self.ended, self.lock = threading.Event(), threading.Lock()
        self.sent, self.strange = {}, []  # number: (kind, reply)
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True)
                        for n in range(clients)]

    def content(self, number, kind):
        if kind == "nothing":
            return hops.message(number)
        return with_file(number, {
            "own": lambda: distinct(number), "same": lambda: SAME,
            "virus": lambda: b"%d " % number + EICAR}[kind]())

    def run(self, n):
        try:
            talking = None
            while not self.ended.is_set():
                number = next(self.numbers)
                # one that sends nothing but viruses is hung up on some day
                if talking is None or talking.count >= 20:
                    if talking:
                        talking.quit()
                    talking = session(self.sluice, ("alice", "bob")[n % 2])
                    talking.count = 0
                talking.count += 1
                kind = self.KINDS[number % len(self.KINDS)]
                got = send(talking, self.content(number, kind), ["b@example.net"],
                           "alice@example.com")
                with self.lock:
                    self.sent[number] = kind, got
                self.ended.wait(0.03)
            if talking:
                talking.quit()
        except Exception as error:
            self.strange.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *rest):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        if kind is None:
            case.equal(self.strange, [], "clients")

    def wait(self, count):
        """So many more were answered."""
        wanted = len(self.sent) + count
        hops.wait(lambda: len(self.sent) >= wanted or self.strange,
                  "%d more messages" % count)

    def verify(self):
        """No client saw an error; what may go out did, once; nothing without a
        file waited for the scanner."""
        out, caught = [], 0
        for number, (kind, (code, text)) in self.sent.items():
            if kind == "virus" and code == 550:
                case.contains(text, "contains Lab.Eicar")
                continue
            case.equal(code, 250, "%s: %s" % (kind, text))
            if kind == "virus":
                case.contains(text, "waiting")
                caught += 1
            else:
                out.append(number)
            if kind == "nothing":
                assert "waiting" not in text, text
        scan_help.went_out(self.sluice, out, 90)
        hops.wait(lambda: scan_help.ledger(self.sluice)["quarantined"] == caught,
                  "%d that are infected" % caught)
        hops.drained(self.sluice)
        scan_help.went_out(self.sluice, out)
        got = scan_help.ledger(self.sluice)
        case.equal((got["queued"], got["held"], got["duplicates"]), (0, 0, 0))
        return out, caught


def disturbed(work, ill, well, waits=True):
    scanner = lab()
    sluice = on_lab(work, scanner)
    with Crowd(sluice) as crowd:
        crowd.wait(30)
        ill(scanner)
        try:
            crowd.wait(40)
            time.sleep(1)
        finally:
            well(scanner)
        crowd.wait(30)
    _, caught = crowd.verify()
    if waits:
        assert caught > 0, "nothing happened"
    sluice.stop()


@case.case
def killed(work):
    disturbed(work, lambda s: s.kill(), lambda s: s.start())


@case.case
def frozen(work):
    disturbed(work, lambda s: s.freeze(), lambda s: s.thaw())


@case.case
def its_engine_killed(work):
    """c-icap lives and answers errors."""
    disturbed(work, lambda s: s.clamd.kill(), lambda s: s.clamd.start(), waits=False)


@case.case
def its_engine_frozen(work):
    disturbed(work, lambda s: s.clamd.freeze(), lambda s: s.clamd.thaw())


@case.case
def definitions_reloaded(work):
    """Three times; nothing waits for it, and what is new is found at once."""
    scanner = lab()
    sluice = on_lab(work, scanner, "wait 20s; canary 10s;")
    new = [b"sluice-lab-new-%d-" % n + b"found" for n in range(3)]
    talking = session(sluice)
    case.equal(send(talking, with_file(100000, b"known " + new[0]))[0], 250)
    with Crowd(sluice) as crowd:
        for n, octets in enumerate(new):
            crowd.wait(20)
            scanner.define(**{"Lab.New%d" % n: octets})
            crowd.wait(10)
            got = send(talking, with_file(100001 + n, b"file %d " % n + octets))
            case.equal(got[0], 550, repr(got))
            case.contains(got[1], "Lab.New%d" % n)
        # what was clean before is not believed for ever
        hops.wait(lambda: send(talking, with_file(
            100010, b"known " + new[0]))[0] == 550, "the old verdict to be over")
    talking.quit()
    late = [s for s in crowd.sent.values() if "waiting" in s[1][1]]
    case.equal(late, [], "what waited")
    crowd.sent[100000] = "own", (250, "")
    crowd.verify()
    sluice.stop()


# --- who lies ----------------------------------------------------------------------

@case.case
def begun_without_its_engine(work):
    """The real c-icap, started while clamd is away, calls everything clean."""
    scanner = lab()
    scanner.kill()
    scanner.clamd.kill()
    scanner.icap.start()
    sluice = scan_help.gateway(work, scanner.server, QUICK, ca=scanner.ca)
    talking = session(sluice)
    for number, content in ((1, distinct(1)), (2, EICAR)):
        case.contains(send(talking, with_file(number, content))[1], "waiting")
    hops.wait(lambda: scan_help.scanner(sluice)["servers"][0]["health"] == "blind",
              "it to be found out")
    case.contains(sluice.ctl("status").stdout.lower(), "scan")
    case.equal(scan_help.numbers(sluice), [])
    scanner.kill()
    scanner.start()
    scan_help.went_out(sluice, [1])
    hops.wait(lambda: scan_help.ledger(sluice)["quarantined"] == 1, "the virus")
    talking.quit()
    sluice.stop()


@case.case
def calls_all_clean(work):
    """From the start, and after it had been good: found out by the canary at
    the next change of its ISTag."""
    icap = Recorder(spare=False)
    icap.mode = "calls all clean"
    sluice = scan_help.gateway(work, icap.url, QUICK)
    talking = session(sluice)
    case.contains(send(talking, with_file(1, distinct(1)))[1], "waiting")
    case.contains(send(talking, with_file(2, EICAR))[1], "waiting")
    hops.wait(lambda: "blind" in sluice.ctl("status").stdout.lower() or
              scan_help.scanner(sluice)["servers"][0]["health"] == "blind", "blind")
    sluice.lines("alert")
    case.equal((icap.scans, scan_help.numbers(sluice)), ([], []))
    icap.mode = None
    scan_help.went_out(sluice, [1])
    hops.wait(lambda: scan_help.ledger(sluice)["quarantined"] == 1, "the virus")
    before = len(icap.canaries)
    icap.mode, icap.istag = "calls all clean", "recorder-2"
    send(talking, with_file(3, distinct(3)))
    hops.wait(lambda: len(icap.canaries) > before, "another canary")
    hops.wait(lambda: scan_help.scanner(sluice)["servers"][0]["health"] == "blind",
              "blind again")
    case.contains(send(talking, with_file(4, EICAR + b"4"))[1], "waiting")
    assert 4 not in scan_help.numbers(sluice)
    talking.quit()
    sluice.stop()


# --- what is known, and for how long --------------------------------------------------

@case.case
def one_scan_for_all(work):
    """100 messages with the same file, from ten clients at once, while the
    scanner needs its time; each with another that is its own."""
    icap = Recorder()
    icap.slow = 0.3
    sluice = scan_help.up(scan_help.gateway(work, icap.url, "wait 20s; connections 8;"))
    strange = []

    def client(n):
        try:
            talking = session(sluice)
            for number in range(10 * n, 10 * n + 10):
                more = (part(b"own %d" % n, "own.doc"),) if number % 10 == 0 else ()
                got = send(talking, mail(number, part(SAME, "logo.png"), *more))
                case.equal((got[0], "waiting" in got[1]), (250, False), repr(got))
            talking.quit()
        except Exception as error:
            strange.append(error)
    threads = [threading.Thread(target=client, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    case.equal(strange, [])
    case.equal(icap.seen(), {SAME: 1, **{b"own %d" % n: 1 for n in range(10)}})
    scan_help.went_out(sluice, range(100))
    sluice.ctl("scan", "flush")
    talking = session(sluice)
    send(talking, with_file(200, SAME))
    case.equal(icap.seen()[SAME], 2, "after a flush")
    talking.quit()
    sluice.stop()


@case.case
def another_istag(work):
    """New definitions: what is known is looked at again when it comes again, at
    no more than the configured rate; a tag that never stays is noticed."""
    icap = Recorder()
    sluice = scan_help.up(scan_help.gateway(
        work, icap.url, "wait 20s; rescans 2; canary 1h;"))
    files = [distinct(n) for n in range(40)]
    numbers = itertools.count()

    def send_all():
        began, talking = time.monotonic(), session(sluice)
        for content in files:
            got = send(talking, with_file(next(numbers), content))
            case.equal((got[0], "waiting" in got[1]), (250, False), repr(got))
        talking.quit()
        return time.monotonic() - began
    send_all()
    send_all()
    case.equal(len(icap.scans), 40, "the second time all was known")
    icap.istag = "recorder-2"
    talking = session(sluice)  # by this one it learns of it
    case.equal(send(talking, with_file(next(numbers), distinct(99)))[0], 250)
    talking.quit()
    canaries = len(icap.canaries)
    took = send_all()
    again = len(icap.scans) - 41
    assert 1 <= again <= 2 * (took + 2), (again, took)
    hops.wait(lambda: len(icap.canaries) >= canaries >= 2, "a canary for the new tag")
    ever = itertools.count()
    icap.istag = lambda: "tag-%d" % next(ever)
    talking = session(sluice)
    for n in range(12):
        case.equal(send(talking, with_file(next(numbers), distinct(n)))[0], 250)
    case.equal(send(talking, with_file(next(numbers), EICAR + b"!"))[0], 550)
    case.equal(scan_help.scanner(sluice)["istag_unsteady"], True)
    talking.quit()
    hops.drained(sluice)
    scan_help.nothing_infected(sluice)
    sluice.stop()


# --- what waits -----------------------------------------------------------------------

@case.case
def pending_over_restarts(work):
    """Oldest first when the scanner is back, after an end and a kill."""
    icap = Recorder(start=False)
    sluice = scan_help.gateway(work, icap.url, QUICK + "connections 1;")
    talking = session(sluice)
    files = {n: distinct(n) for n in range(1, 13)}
    for number, content in files.items():
        case.contains(send(talking, with_file(number, content))[1], "waiting")
    case.equal(send(talking, hops.message(50))[0], 250)
    talking.quit()
    scan_help.went_out(sluice, [50])
    hops.drained(sluice)
    case.equal(scan_help.ledger(sluice)["held"], 12)
    case.equal(len(scan_help.pending(sluice)), 12, hops.queue(sluice))
    # no release of an administrator's lets anything unscanned go
    sluice.ctl("release", "--cred", "alice", "--yes", check=False)
    sluice.stop()
    sluice.start()
    case.equal(scan_help.ledger(sluice)["held"], 12)
    sluice.kill()
    sluice.start()
    case.equal(scan_help.ledger(sluice)["held"], 12)
    case.equal(scan_help.numbers(sluice), [50])
    icap.slow = 0.05
    icap.open()
    scan_help.went_out(sluice, [*files, 50])
    order = [n for asked in icap.scans for n, f in files.items() if f == asked.body]
    case.equal(order, list(files), "oldest first")
    hops.drained(sluice)
    hops.ledger(sluice, accepted=13, delivered=13)
    sluice.stop()


@case.case
def bypassed(work):
    """For a time, on somebody's word: what waits goes, and what comes; then
    all is as before."""
    icap = Recorder(start=False)
    sluice = scan_help.gateway(work, icap.url, QUICK)
    talking = session(sluice)
    case.contains(send(talking, with_file(1, distinct(1)))[1], "waiting")
    sluice.ctl("scan", "bypass", "--for", "30m", "--reason", "the licence ended")
    scan_help.went_out(sluice, [1])
    got = send(talking, with_file(2, distinct(2)))
    case.equal((got[0], "waiting" in got[1]), (250, False), repr(got))
    scan_help.went_out(sluice, [1, 2])
    case.contains(sluice.ctl("status").stdout.lower(), "bypass")
    case.contains(sluice.ctl("audit").stdout, "the licence ended")
    sluice.ctl("scan", "bypass", "--off", "--reason", "it was paid")
    case.contains(send(talking, with_file(3, distinct(3)))[1], "waiting")
    icap.open()
    scan_help.went_out(sluice, [1, 2, 3])
    talking.quit()
    sluice.stop()


@case.case
def bypassed_but_known(work):
    """What was found infected while there was a scanner is refused without it,
    by hand and by the test's word; `flush` forgets it."""
    icap = Recorder()
    sluice = scan_help.up(scan_help.gateway(work, icap.url, QUICK))
    talking = session(sluice)
    case.equal(send(talking, with_file(1, EICAR + b"k"))[0], 550)
    icap.close()
    failed = sluice.ctl("scan", "test", check=False)
    case.equal(failed.returncode, 1, failed.stdout)
    case.contains(failed.stdout, "test virus    FAILED: ")
    sluice.ctl("scan", "bypass", "--for", "30m", "--reason", "the licence ended")
    case.equal(send(talking, with_file(2, EICAR + b"k"))[0], 550)
    case.equal(send(talking, with_file(3, distinct(3)))[0], 250)
    sluice.ctl("scan", "flush", "--reason", "a false alarm")
    case.equal(send(talking, with_file(4, EICAR + b"k"))[0], 250)
    hops.wait(lambda: sorted(scan_help.numbers(sluice)) == [3, 4], "both of them")
    talking.quit()
    sluice.stop()


@case.case
def what_a_class_wants(work):
    """`down` open, reject, hold; each for its own."""
    icap = Recorder(start=False)
    users = dict(USERS, carol="secret-c")
    sluice = scan_help.gateway(
        work, icap.url, QUICK + "down hold;",
        "class open { down open; }\nclass hard { down reject; }\n", users={})
    for user, more in (("alice", ()), ("bob", ("--class", "open")),
                       ("carol", ("--class", "hard"))):
        sluice.ctl("user", "add", user, "--address", user + "@example.com", *more,
                   stdin=users[user] + "\n")
    rows = {"alice": (250, "waiting"), "bob": (250, "2.0.0"), "carol": (451, "4.3.2")}
    for number, (user, (code, text)) in enumerate(rows.items(), 1):
        talking = scan_help.talk.session(sluice, user, users[user])
        got = send(talking, with_file(number, distinct(number)))
        assert got[0] == code and text in got[1], (user, got)
        talking.quit()
    scan_help.went_out(sluice, [2])
    icap.open()
    scan_help.went_out(sluice, [1, 2])
    hops.drained(sluice)
    hops.ledger(sluice, accepted=2, delivered=2)
    sluice.stop()


if __name__ == "__main__":
    case.main()
