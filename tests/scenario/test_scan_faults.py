"""An ICAP server that fails in each way there is. Clients get their 250 all the
same, nothing goes out that nobody looked at, and everything arrives once."""
import base64
import concurrent.futures
import itertools
import threading

import case
import hops
import icap_recorder
import icaplab
import scan_help
from icap_recorder import THREATS, Recorder
from icaplab import EICAR
from scan_help import distinct, send, session, with_file, zipped

THREAT = THREATS[EICAR]
FINE, EITHER, LATE, UNSCANNABLE, REFUSED = (
    "at once", "as it may", "later", "nobody could look inside", "all refused")
MODES = {
    None: FINE,
    "closes after each": FINE,
    "says keep-alive and closes": FINE,
    "the whole body back": FINE,
    "clean by the preview": FINE,
    "X-Virus-ID": FINE,
    "X-Violations-Found": FINE,
    "folded": FINE,
    "403 alone": FINE,
    "ICAP 403": FINE,
    "307": FINE,
    "repaired": FINE,
    "bare line feeds": EITHER,
    "another body": EITHER,
    "endless body": EITHER,  # another one, and that is known soon
    "container": UNSCANNABLE,
    "refused early": REFUSED,
    "hang": LATE,
    "drip": LATE,
    "close": LATE,
    "close in the head": LATE,
    "reset": LATE,
    "100 for ever": LATE,
    "half a head": LATE,
    "no end": LATE,
    "endless head": LATE,
    "long line": LATE,
    "bad chunk": LATE,
    "huge chunk": LATE,
    "bad Encapsulated": LATE,
    "HTTP": LATE,
    "garbage": LATE,
    "ICAP/9.9": LATE,
    "400": LATE, "404": LATE, "405": LATE, "408": LATE, "418": LATE, "500": LATE,
    "503": LATE, "539": LATE,
}
QUICK = "wait 1s; part-timeout 2s; "
LANES = 6


class Lane:
    """A gateway with a scanner of its own, for one row after the other."""
    numbers = itertools.count(1)

    def __init__(self, work, name, tls):
        self.icap = Recorder(tls)
        # what fails alone is tried again after half a minute
        env = scan_help.quick(work, 5)
        times = 5 if "QUICK_CLOCK" in env else 1
        self.sluice = scan_help.gateway(
            work, self.icap.url, "wait %ds; part-timeout %ds; verify off;" % (
                5 * times, 6 * times), name=name, start=False)
        self.sluice.start(env)
        scan_help.up(self.sluice)
        self.out, self.caught, self.refused = [], 0, 0
        self.wrong = []

    def one(self, infected):
        """Sends one; what was answered."""
        number = next(self.numbers)
        content = (EICAR if infected else b"") + distinct(number, 3000)
        talking = session(self.sluice)
        got = send(talking, with_file(number, content))
        talking.quit()
        return number, got

    def row(self, mode):
        wanted = MODES[mode]
        hops.wait(lambda: scan_help.scanner(self.sluice)["up"],
                  "%r: up before it" % mode)
        # what fails with everything is known by its canary, and so is its end
        self.icap.spare = wanted != LATE
        self.icap.mode = mode
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            (clean, first), (_, second) = pool.map(self.one, (False, True))
        late = [got[0] == 250 and "waiting" in got[1] for got in (first, second)]
        refused = [got[0] == 550 and "5.7.0" in got[1] for got in (first, second)]
        fine = {
            FINE: first[0] == 250 and not late[0] and refused[1],
            EITHER: (first[0] == 250 or refused[0]) and (late[1] or refused[1]),
            LATE: all(late),
            UNSCANNABLE: all(refused),
            REFUSED: all(refused),
        }[wanted]
        if wanted == FINE and mode not in ("403 alone", "X-Violations-Found"):
            fine = fine and "contains " + THREAT in second[1]
        if not fine:
            self.wrong.append("%s: wanted %s, got %r" % (mode, wanted, (first, second)))
        if first[0] == 250:
            self.out.append(clean)
        self.caught += second[0] == 250
        self.icap.well()
        # whatever it was, all is decided once it is over
        hops.wait(lambda: len(scan_help.numbers(self.sluice)) >= len(self.out),
                  "%s: what it kept back" % mode)
        hops.wait(lambda: scan_help.ledger(self.sluice)["quarantined"] == self.caught,
                  "%s: what it had not found" % mode)

    def end(self):
        hops.drained(self.sluice)
        scan_help.went_out(self.sluice, self.out)
        told = len(scan_help.notices(self.sluice))
        case.equal(told, self.caught, "notices")
        hops.ledger(self.sluice, accepted=len(self.out) + self.caught, generated=told,
                    delivered=len(self.out) + told, quarantined=self.caught)
        self.sluice.stop()
        self.icap.close()


@case.case
def each_fault(work):
    """Messages with and without a virus, while the scanner is so."""
    case.equal(set(MODES) | {"calls all clean"}, set(icap_recorder.MODES))
    tls = icaplab.server_context(icaplab.Authority(work).issue())
    lanes = [Lane(work, "lane%d" % n, tls if n % 2 else None) for n in range(LANES)]
    rows, lock, strange = list(reversed(MODES)), threading.Lock(), []

    def work_off(lane):
        try:
            while True:
                with lock:
                    if not rows:
                        break
                    mode = rows.pop()
                lane.row(mode)
            lane.end()
        except Exception as error:
            strange.append(error)
            raise
    with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        for done in [pool.submit(work_off, lane) for lane in lanes]:
            done.exception()
    wrong = sum((lane.wrong for lane in lanes), [])
    assert not wrong, "%d rows:\n%s" % (len(wrong), "\n".join(wrong))
    if strange:
        raise strange[0]


@case.case
def a_file_it_fails_on(work):
    """Whatever else is sent is scanned at once; this one is tried again, later
    and later, and goes when it can be scanned."""
    icap, bad = Recorder(), distinct(0)
    icap.mode = lambda asked: "500" if asked.body == bad else None
    sluice = scan_help.gateway(work, icap.url, "wait 25s;", start=False)
    sluice.start(scan_help.quick(work, 5))
    scan_help.up(sluice)
    talking = session(sluice)
    for number in range(1, 21):
        got = send(talking, with_file(number, bad if number == 10 else distinct(number)))
        case.equal((got[0], "waiting" in got[1]), (250, number == 10), repr(got))
    case.equal(send(talking, with_file(30, EICAR))[0], 550)
    scan_help.went_out(sluice, [n for n in range(1, 21) if n != 10])
    case.equal(scan_help.scanner(sluice)["up"], True)
    hops.wait(lambda: icap.seen()[bad] >= 2, "it to be tried again")
    assert icap.seen()[bad] < 5, icap.seen()[bad]
    icap.mode = None
    scan_help.went_out(sluice, range(1, 21), 90)
    talking.quit()
    sluice.stop()


def as_asked(asked):
    """A request is what RFC 3507 says, and what scanners need."""
    case.equal(asked.method, "RESPMOD")
    case.equal(asked.service, "scan")
    for name in ("host", "encapsulated", "allow"):
        assert asked.head.get(name), (name, asked.head)
    case.contains(asked.head["allow"], "204")
    case.equal(asked.head.get("x-client-ip"), "127.0.0.1")
    case.equal(base64.b64decode(asked.head["x-authenticated-user"]), b"Local://alice")
    request, answer = asked.http
    assert request.startswith("GET "), request
    case.contains(request.split("\r\n")[0], "report.doc")
    assert answer.startswith("HTTP/1.1 200 "), answer
    case.contains(answer.lower(), "content-length: %d" % len(asked.body))
    case.contains(answer.lower(), "content-type: application/octet-stream")


@case.case
def what_is_asked(work):
    """The files, each once, decoded, with what a scanner wants to know."""
    icap = Recorder()
    sluice = scan_help.up(scan_help.gateway(work, icap.url, "wait 20s;"))
    files = {n: distinct(n, size) for n, size in enumerate(
        (0, 1, 1015, 1016, 3000, 200000))}
    sizes = {n: len(f) for n, f in files.items()}
    talking = session(sluice)
    for number, content in files.items():
        case.equal(send(talking, with_file(number, content))[0], 250)
    case.equal(send(talking, hops.message(100))[0], 250)
    talking.quit()
    case.equal(icap.seen(), {f: 1 for f in files.values()})
    for asked in icap.scans:
        as_asked(asked)
        if len(asked.body) <= 1024:
            case.equal((asked.preview, asked.ieof), (asked.body, True), sizes)
        else:
            case.equal((len(asked.preview), asked.ieof), (1024, False), sizes)
    case.equal(icap.connections, 1, "connections")
    scan_help.went_out(sluice, list(files) + [100])
    sluice.stop()


LEGAL = {  # what OPTIONS say, and how many connections there may be
    "no preview": ({"Preview": None}, 4),
    "a preview of nothing": ({"Preview": "0"}, 4),
    "a huge preview": ({"Preview": "1000000000"}, 4),
    "no 204": ({"Allow": None}, 4),
    "one connection": ({"Max-Connections": "1"}, 1),
    "no connections": ({"Max-Connections": "-1"}, 4),
    "no TTL": ({"Options-TTL": None}, 4),
    "a TTL of nothing": ({"Options-TTL": "0"}, 4),
    "both methods in small letters": ({"Methods": "reqmod, respmod"}, 4),
}


@case.case
def what_options_may_say(work):
    """Each server with options of its own; a reload leads from one to the
    next."""
    icaps = {}
    for label, (options, _) in LEGAL.items():
        icaps[label] = Recorder()
        icaps[label].options = options
    scan = "wait 20s; connections 4;"
    sluice, out = None, []
    for number, (label, icap) in enumerate(icaps.items()):
        if sluice is None:
            sluice = scan_help.gateway(work, icap.url, scan)
        else:
            with open(sluice.conf_path) as f:
                text = f.read()
            with open(sluice.conf_path, "w") as f:
                f.write(text.replace(before.url, icap.url))
            sluice.ctl("reload")
        before = icap
        icap.slow = 0.05
        hops.wait(lambda: icap.canaries, label + ": its canary")
        scan_help.up(sluice)

        def one(n):
            talking = session(sluice)
            content = (EICAR if n % 100 == 7 else b"") + distinct(n, 5000)
            got = send(talking, with_file(n, content))
            talking.quit()
            return n, got
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for n, got in pool.map(one, range(100 * number, 100 * number + 8)):
                code = 550 if n % 100 == 7 else 250
                case.equal((got[0], "waiting" in got[1]), (code, False),
                           "%s: %r" % (label, got))
                if code == 250:
                    out.append(n)
        case.equal(len(icap.scans), 8, label)
        most = LEGAL[label][1]
        assert icap.open_most <= most, (label, icap.open_most)
    scan_help.went_out(sluice, out)
    sluice.stop()


@case.case
def options_that_fail(work):
    """Nobody to be asked: what has attachments waits, nothing else does. Who has
    no options but finds the test virus would do."""
    icaps = []
    for mode in icap_recorder.OPTIONS_MODES:
        icaps.append(Recorder(spare=False))
        icaps[-1].options_mode = mode
        icaps[-1].mode = mode if mode in icap_recorder.MODES else None
    icaps.append(Recorder(start=False))
    icaps.append(Recorder(spare=False))
    icaps[-1].options, icaps[-1].mode = {"Methods": "REQMOD"}, "405"
    sluice = scan_help.gateway(work, [i.url for i in icaps], QUICK)
    talking = session(sluice)
    case.contains(send(talking, with_file(1, distinct(1)))[1], "waiting")
    case.equal(send(talking, hops.message(2))[0], 250)
    case.contains(send(talking, with_file(3, EICAR))[1], "waiting")
    scan_help.went_out(sluice, [2])
    case.equal(sum((i.scans for i in icaps), []), [])
    for icap in icaps:
        icap.well()
        if icap.server is None:
            icap.open()
    scan_help.went_out(sluice, [1, 2])
    hops.wait(lambda: scan_help.ledger(sluice)["quarantined"] == 1, "the other one")
    talking.quit()
    sluice.stop()


@case.case
def certificates(work):
    """Whoever cannot show who he is, is not asked, and it is told why."""
    right, other = icaplab.Authority(work), icaplab.Authority(work, "other")
    rows = {
        "another name": right.issue("elsewhere", "DNS:elsewhere.example"),
        "its time is over": right.issue("late", days=-3),
        "another authority": other.issue(),
    }
    icaps = {label: Recorder(icaplab.server_context(certificate))
             for label, certificate in rows.items()}
    icaps["no TLS"] = Recorder()
    urls = [i.url.replace("icap:", "icaps:") for i in icaps.values()]
    sluice = scan_help.gateway(work, urls, QUICK, ca=right.pem)
    talking = session(sluice)
    case.contains(send(talking, with_file(1, distinct(1)))[1], "waiting")
    hops.wait(lambda: [s["health"] for s in scan_help.scanner(sluice)["servers"]] ==
              ["down"] * 4, "all to be down")
    for label, server in zip(icaps, scan_help.scanner(sluice)["servers"]):
        assert server["error"], (label, server)
    case.equal(sum((i.asked for i in icaps.values()), []), [])
    case.equal(scan_help.numbers(sluice), [])
    good = Recorder(icaplab.server_context(right.issue("good", days=5)))
    with open(sluice.conf_path) as f:
        text = f.read()
    with open(sluice.conf_path, "w") as f:
        f.write(text.replace(urls[0], good.url))
    sluice.ctl("reload")
    scan_help.went_out(sluice, [1])
    case.contains(send(talking, with_file(2, EICAR))[1], THREAT)
    case.contains(sluice.ctl("status").stdout, "its certificate: valid until")
    sluice.lines("alert", "certificate")  # for the one that ends soon
    talking.quit()
    sluice.stop()


@case.case
def another_server(work):
    """What one cannot answer the other is asked, within the client's wait; a
    virus that one of them sees is one."""
    ill, well = Recorder(), Recorder()
    sluice = scan_help.up(scan_help.gateway(work, [ill.url, well.url],
                                            "wait 20s; part-timeout 3s;"))
    scan_help.all_up(sluice)
    talking, out = session(sluice), []
    for number, mode in enumerate(("500", "hang", "close", "garbage"), 1):
        ill.mode = mode
        for n in (2 * number, 2 * number + 1):
            got = send(talking, with_file(n, distinct(n)))
            case.equal((got[0], "waiting" in got[1]), (250, False),
                       "%s: %r" % (mode, got))
            out.append(n)
    ill.close()
    for n in range(100, 110):
        got = send(talking, with_file(n, distinct(n)))
        case.equal((got[0], "waiting" in got[1]), (250, False), repr(got))
        out.append(n)
    case.equal(send(talking, with_file(200, zipped(b"x") + EICAR))[0], 550)
    scan_help.went_out(sluice, out)
    talking.quit()
    sluice.stop()


@case.case
def shares(work):
    """By weight; who has none is for when the others are down."""
    three, one, spare = Recorder(), Recorder(), Recorder()
    sluice = scan_help.up(scan_help.gateway(work, [
        three.url + " weight 3", one.url, spare.url + " weight 0"], "wait 20s;"))
    scan_help.all_up(sluice)

    def send_many(numbers):
        talking = session(sluice)
        for n in numbers:
            got = send(talking, with_file(n, distinct(n)))
            case.equal((got[0], "waiting" in got[1]), (250, False), repr(got))
        talking.quit()
    send_many(range(1, 81))
    counts = [len(i.scans) for i in (three, one, spare)]
    case.equal((sum(counts), counts[2]), (80, 0), "shares %r" % counts)
    assert 45 <= counts[0] <= 75, counts
    three.close()
    one.close()
    send_many(range(81, 86))
    case.equal(len(spare.scans), 5, "of the spare one")
    scan_help.went_out(sluice, range(1, 86))
    sluice.stop()


if __name__ == "__main__":
    case.main()
