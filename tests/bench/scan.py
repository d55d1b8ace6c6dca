"""The scanner's part of tests/bench/run: what scanning costs mail that has
nothing attached, also while the scanner is frozen; how many files a second go
through it, by the scan unit alone and through all of sluiced, beside c-icap's
own client against the same server; and what is known already."""
import contextlib
import functools
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "support"))
import icaplab  # noqa: E402
import peers  # noqa: E402

SIZES = (20000, 1000000)  # of attached files
CONNECTIONS = 16


def relay(work, build, sink_port, name, scan=""):
    sluice = peers.Sluice(
        work, build, "via sink;",
        "relay sink { address 127.0.0.1:%d; tls none; }\n%s" % (sink_port, scan),
        users={"bench": "bench"}, name=name)
    sluice.pid, sluice.speed = sluice.process.pid, 4000
    return sluice


def scanning(sluice):
    return json.loads(sluice.ctl("--json", "scan", "status").stdout)["scan"]


def both(bench, work, lab):
    """One that scans, and one that does not."""
    scan = "scan { server %s; ca %s; wait 8s; connections %d; }\n" % (
        lab.server, lab.ca, CONNECTIONS)
    pair = [relay(work, bench.build, bench.sink_port, name, conf)
            for name, conf in (("plain", ""), ("scanning", scan))]
    peers.wait_for(lambda: scanning(pair[1])["up"], "the scanner")
    return pair


@contextlib.contextmanager
def sinking(bench):
    """Somebody takes whatever comes."""
    sink = subprocess.Popen(
        [bench.build + "/bench_sink", "--port", str(bench.sink_port), "--expect",
         "100000000", "--seconds", "900"], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        sink.terminate()
        sink.wait()


def sending(bench, sluice, messages, *more):
    return json.loads(subprocess.run(
        [bench.build + "/bench_load", "--port", str(sluice.port), "--messages",
         str(messages), "--seconds", "200", *more],
        stdout=subprocess.PIPE, text=True).stdout)


@contextlib.contextmanager
def beside(bench, sluice, rate):
    """Somebody sends files meanwhile; what waits for a verdict holds its
    session for as long as it may."""
    load = subprocess.Popen(
        [bench.build + "/bench_load", "--port", str(sluice.port), "--sessions", "100",
         "--rate", str(rate), "--messages", "1000000", "--seconds", "600", "--attach",
         "--size", "20000", "--user", "bench", "--rcpt", "file@other.example"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.5)
    try:
        yield
    finally:
        load.terminate()
        load.wait()


def dots(bench, lab, pair, scale, rounds):
    """{what: [p99 of the dot, ms]} of messages without attachments, 500/s."""
    n, out = int(max(500, 5000 * scale)), {}
    plain, scans = pair

    def one(what, sluice):
        with sinking(bench):
            sent = sending(bench, sluice, n, "--rate", "500")
        if sent["accepted"] < n or sent["late"]:
            what += " (%d of %d, %d late)" % (sent["accepted"], n, sent["late"])
        out.setdefault(what, []).append((sent["dot_p50_ms"], sent["dot_p99_ms"],
                                         sent["dot_max_ms"]))
    for _ in range(rounds):
        one("no scan block", plain)
        one("scanner running", scans)
        with beside(bench, scans, 20):
            one("running, 20 files/s beside", scans)
        lab.freeze()
        try:
            one("frozen", scans)
            with beside(bench, scans, 5):
                one("frozen, 5 files/s beside", scans)
        finally:
            lab.thaw()
        peers.wait_for(lambda: scanning(scans)["waiting_recipients"] == 0,
                       "what waited", seconds=180)
    return out


def print_dots(found):
    print("| messages without attachments, 500/s: the dot | p50, ms | p99, ms (median, "
          "min-max) | max, ms | asked |\n|---|---|---|---|---|")
    for what, rows in found.items():
        p99 = [r[1] for r in rows]
        print("| %s | %.2f | %.2f (%.2f-%.2f) | %.1f | %s |" % (
            what, statistics.median(r[0] for r in rows), statistics.median(p99),
            min(p99), max(p99), max(r[2] for r in rows),
            "unchanged" if what.startswith("frozen") else "-"))


def rates(bench, pair, scale, rounds):
    """[(accepts/s, CPU s per 1,000) of each of the pair], each first in turn:
    what one load leaves to be written is paid for by the next."""
    n, found = int(16000 * scale), []
    for turn in range(2 * rounds + 1):
        row = [None, None]
        for which in ((0, 1), (1, 0))[turn % 2]:
            sent, got, cpu = bench.load(pair[which], n)
            row[which] = (sent["per_second"], cpu * 1000 / got["delivered"])
        found.append(row)
    return found[1:]  # the first pair warms up


def print_rates(found):
    print("\n| messages without attachments | no scan block | scanning | ratio (median, "
          "min-max) | asked |\n|---|---|---|---|---|")
    for n, name, asked in ((0, "accepts/s, 50 sessions", "1"),
                           (1, "CPU s per 1,000", "20 us a message")):
        off, on = ([row[which][n] for row in found] for which in (0, 1))
        ratios = [b / a for a, b in zip(off, on)]
        print("| %s | %.4g | %.4g | %.3f (%.3f-%.3f) | %s |" % (
            name, statistics.median(off), statistics.median(on),
            statistics.median(ratios), min(ratios), max(ratios), asked))


# --- through the scanner --------------------------------------------------------------

def files(work, count, size, name):
    """Random ones that nobody has seen."""
    where = work / ("files-%s" % name)
    os.makedirs(where)
    for n in range(count):
        with open("%s/%d" % (where, n), "wb") as f:
            f.write(os.urandom(size))
    return where


def client_loop(lab, where, count, at_once):
    """c-icap-client, a process for each file, `at_once` of them: files/s."""
    began = time.monotonic()
    subprocess.run(
        ["xargs", "-0", "-P", str(at_once), "-n", "1", "c-icap-client", "-i",
         "127.0.0.1", "-p", str(lab.icap.port), "-s", "avscan", "-resp",
         "http://bench.example/file", "-f"],
        input="\0".join("%s/%d" % (where, n) for n in range(count)), text=True,
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return count / (time.monotonic() - began)


def kept_loop(lab, where, count, at_once):
    """Connections that are kept and nothing else to do: what the server gives to
    whoever asks well. In two processes, since each runs on one core."""
    began = time.monotonic()
    halves = [subprocess.Popen(
        [sys.executable, os.path.abspath(__file__), "loop", str(lab.icap.port), where,
         str(n * count // 2), str((n + 1) * count // 2), str(at_once // 2)])
        for n in range(2)]
    for half in halves:
        if half.wait() != 0:
            raise RuntimeError("the loop ended with %d" % half.returncode)
    return count / (time.monotonic() - began)


def unit_loop(build, lab, where, count, at_once):
    """Our scan unit and nothing else of the relay."""
    did = json.loads(subprocess.run(
        [build + "/scan_bench", str(lab.icap.port), "avscan", str(at_once), where],
        check=True, stdout=subprocess.PIPE, text=True).stdout)
    if did["files"] != count:
        raise RuntimeError("%d of %d files" % (did["files"], count))
    return did["per_second"]


def loop(port, where, begin, end, threads):
    """One half of it."""
    numbers, lock = iter(range(begin, end)), threading.Lock()

    def work():
        asked, s = 90, None
        while True:
            with lock:
                n = next(numbers, None)
            if n is None:
                return
            if asked == 90:  # c-icap closes after 100
                s, asked = socket.create_connection(("127.0.0.1", port)), 0
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                f = s.makefile("rb")
            asked += 1
            with open("%s/%d" % (where, n), "rb") as content:
                ask(s, f, content.read())
    crowd = [threading.Thread(target=work) for _ in range(threads)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()


def ask(s, f, body):
    """RESPMOD without a preview, which is the quickest; it must be clean."""
    request = b"GET http://bench.example/file HTTP/1.1\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    s.sendall(b"RESPMOD icap://127.0.0.1/avscan ICAP/1.0\r\nHost: 127.0.0.1\r\n"
              b"Allow: 204\r\nEncapsulated: req-hdr=0, res-hdr=%d, res-body=%d\r\n\r\n"
              % (len(request), len(request) + len(answer)) + request + answer +
              b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    line = f.readline()
    if b" 204 " not in line:
        raise RuntimeError("answered %r" % line)
    while f.readline() not in (b"\r\n", b""):
        pass


def through(bench, sluice, count, size):
    """Messages/s, each with a file of its own: (from the first to the last 250,
    how many of these had no verdict in time)."""
    with sinking(bench):
        sent = sending(bench, sluice, count, "--attach", "--size", str(size),
                       "--sessions", str(CONNECTIONS + 8))
    return sent["per_second"], sent["late"]


def throughput(bench, work, lab, scale, rounds):
    """{size: [{way: files/s}]} and how many had no verdict in time. Each way comes
    first in turn and both before and after its neighbours, and begins with nothing
    left to be written."""
    conf = "scan { server %s; ca %s; wait 25s; connections %d; }\n"
    relays = {name: relay(work, bench.build, bench.sink_port, name,
                          conf % (url, lab.ca, CONNECTIONS))
              for name, url in (("in-clear", lab.plain), ("by-tls", lab.server))}
    loops = {"client": client_loop, "kept": kept_loop,
             "unit": functools.partial(unit_loop, bench.build)}
    ways, found, late = [*loops, *relays], {}, 0

    def one(way, turn, count, size):
        if way in relays:
            os.sync()
            return through(bench, relays[way], count, size)
        where = files(work, count, size, "%d-%d-%s" % (size, turn, way))
        os.sync()
        rate = loops[way](lab, where, count, CONNECTIONS)
        subprocess.run(["rm", "-r", where], check=True)
        return rate, 0
    try:
        for sluice in relays.values():
            peers.wait_for(lambda: scanning(sluice)["up"], "the scanner")
        for size in SIZES:
            count = max(40, int(scale * (3000 if size < 100000 else 200)))
            for turn in range(rounds):
                row, first = {}, turn % len(ways)
                order = ways[first:] + ways[:first]
                for way in order[::-1] if turn % 2 else order:
                    row[way], missed = one(way, turn, count, size)
                    late += missed
                found.setdefault(size, []).append(row)
    finally:
        for sluice in relays.values():
            sluice.stop()
    return found, late


def print_throughput(found, late):
    print("\n| files/s (MB/s), each another | c-icap-client, %d at once | a bare loop, "
          "%d kept connections | scan unit alone | unit / client (asked: 0.9) | unit / "
          "loop | through sluiced | over TLS | sluiced / client | sluiced / loop |\n"
          "|---|---|---|---|---|---|---|---|---|---|" % (CONNECTIONS, CONNECTIONS))
    for size, rows in found.items():
        def rate(way):
            median = statistics.median(r[way] for r in rows)
            return "%.0f (%.1f)" % (median, median * size / 1e6)

        def ratio(way, other):
            ratios = [r[way] / r[other] for r in rows]
            return "%.2f (%.2f-%.2f)" % (statistics.median(ratios), min(ratios),
                                         max(ratios))
        print("| %d kB | %s |" % (size // 1000, " | ".join((
            rate("client"), rate("kept"), rate("unit"), ratio("unit", "client"),
            ratio("unit", "kept"), rate("in-clear"), rate("by-tls"),
            ratio("in-clear", "client"), ratio("in-clear", "kept")))))
    if late > 0:
        print("\n%d of them had no verdict in time" % late)


def known(bench, pair, scale, rounds):
    """[(accepts/s without the scanner, with it)]: everybody attaches one file."""
    count, found = max(500, int(8000 * scale)), []
    for turn in range(rounds + 1):
        row = [None, None]
        for which in ((0, 1), (1, 0))[turn % 2]:
            with sinking(bench):
                sent = sending(bench, pair[which], count, "--attach", "--same",
                               "--size", "20000")
            row[which] = sent["per_second"]
        found.append(row)
    return found[1:]


def report(bench, scale, rounds):
    print("\nScanning\n")
    sys.stdout.flush()
    with peers.Work("bench-scan") as work:
        lab = icaplab.Lab(work, processes=2, threads=40,
                          clamd_conf="DisableCache yes\nMaxThreads 10\n")
        try:
            pair = both(bench, work, lab)
            # first, while both have the same behind them
            print_rates(rates(bench, pair, scale, rounds))
            print_dots(dots(bench, lab, pair, scale, rounds))
            rows = known(bench, pair, scale, rounds)
            print("| accepts/s, all with one file of 20 kB | %.0f | %.0f | %.3f | - |" % (
                statistics.median(r[0] for r in rows),
                statistics.median(r[1] for r in rows),
                statistics.median(b / a for a, b in rows)))
            for sluice in pair:
                sluice.stop()
            print_throughput(*throughput(bench, work, lab, scale, rounds))
        finally:
            lab.close()


if __name__ == "__main__" and sys.argv[1] == "loop":
    loop(int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:7]))
