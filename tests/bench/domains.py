"""The domains' part of tests/bench/run: a flood to dead domains with a tenth of
good mail in it, Postfix beside it with the same resolver; what verdicts cost when
they are known; cache_bench and dns_bench. In namespaces of its own, with
addresses that look like everybody's."""
import json
import os
import random
import socket
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "support"))
import dnslab  # noqa: E402
import peers  # noqa: E402

SITES = 20          # of good mail, each with a host and its own address
SILENT_HOSTS = 50   # mail servers that answer nothing
SILENT_ZONES = 100  # name servers that answer nothing
GOOD, DROPS, REFUSES = "203.0.113.", "203.0.114.", "203.0.115."
SECONDS = 240       # what one flood may take
ZONE = """
*.null      IN MX 0 .
*.mail      IN MX 10 mx.good
mx.good     IN A 203.0.113.1
*.closed    IN MX 10 mx.closed
mx.closed   IN A 203.0.115.1
""" + "".join("*.g%d.good IN MX 10 mx%d.good\nmx%d.good IN A %s%d\n" % (
    n, n, n, GOOD, n + 1) for n in range(SITES)) + "".join(
    "*.h%d.drops IN MX 10 mx%d.drops\nmx%d.drops IN A %s%d\n" % (
        n, n, n, DROPS, n + 1) for n in range(SILENT_HOSTS))


# --- what answers nothing ----------------------------------------------------

class SilentNames:
    """Name servers at all of 127.9.0.0/24: what comes is never read."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("0.0.0.0", 0))
        port = self.socket.getsockname()[1]
        self.stubs = {"s%d.lab." % n: "127.9.0.%d@%d" % (n + 1, port)
                      for n in range(SILENT_ZONES)}


class SilentHosts:
    """Port 25 where nobody accepts: once a backlog is full, the kernel drops
    what comes, as a firewall does."""

    def __init__(self):
        self.sockets = []
        for n in range(SILENT_HOSTS):
            at = (DROPS + str(n + 1), 25)
            server = socket.socket()
            server.bind(at)
            server.listen(0)
            self.sockets.append(server)
            for _ in range(2):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(at)
                self.sockets.append(client)


def network():
    """Ours alone; the caller is in name spaces of its own."""
    for argv in (["link", "set", "lo", "up"],
                 *(["address", "add", net + "0/24", "dev", "lo"]
                   for net in (GOOD, DROPS, REFUSES))):
        subprocess.run(["ip", *argv], check=True)


# --- the flood ----------------------------------------------------------------

def recipients(messages, hosts):
    """A tenth good; the rest dead, silent and refusing, in equal parts. hosts:
    silent and refusing are mail servers too, not only name servers."""
    out = []
    for n in range(messages):
        part, half = n % 10, n // 10 % 2
        if part == 0:
            name = "d%d.g%d.good" % (n, n // 10 % SITES)
        elif part < 4:
            name = "d%d.dead" % n
        elif part < 7:
            name = "d%d.h%d.drops" % (n, n % SILENT_HOSTS) if hosts and half else \
                "d%d.s%d" % (n, n % SILENT_ZONES)
        elif hosts and n % 3 == 0:
            name = "d%d.closed" % n
        else:
            name = "d%d.null" % n if n % 3 == 1 else "d%d.refused" % n
        out.append("x%d@%s.lab" % (n, name))
    random.Random(4).shuffle(out)
    return out


def flood(build, work, relay, messages, hosts, port):
    """The figures of one relay."""
    to = work.write("recipients", "\n".join(recipients(messages, hosts)) + "\n")
    at = sum((["--host", GOOD + str(n + 1)] for n in range(SITES)), []) if hosts \
        else ["--host", "127.0.0.1"]
    sink = subprocess.Popen(
        [build + "/bench_sink", "--port", str(port), *at, "--suffix", ".good.lab",
         "--expect", str(messages // 10), "--seconds", str(SECONDS), "--linger", "10"],
        stdout=subprocess.PIPE, text=True)
    peers.wait_for(lambda: peers.stat_fields(sink.pid)[0] == "S", "the sink")
    load = subprocess.Popen(
        [build + "/bench_load", "--port", str(relay.port), "--messages",
         str(messages), "--sessions", "50", "--seconds", str(SECONDS),
         "--rcpt-file", to], stdout=subprocess.PIPE, text=True)
    sent = json.loads(load.communicate()[0])
    got = json.loads(sink.communicate()[0])
    return dict(got, refused=sent["refused"], accepted=sent["accepted"],
                took=sent["seconds"], broken=sent["failed"] + sent["lost"])


def lab_of(work, name):
    """Afresh for each relay: nobody profits of what another has asked. It also
    is the resolver of this name space, which is all that Postfix knows."""
    inner = Folder(work, name)
    names = SilentNames()
    refused = dnslab.Odd(dnslab.with_code(5))
    lab = dnslab.Lab(inner, ZONE, odd=dict(
        names.stubs, **{"refused.lab.": refused.port}), log=False, port=53)
    return lab, (names, refused)


class Folder(peers.Work):
    """A part of another's directory; what it starts is ended with it."""

    def __init__(self, work, name):
        self.path = work / name
        os.makedirs(self.path)
        self.children = work.children


def sluice_of(build, work, route, name, conf="", dns=""):
    sluice = peers.Sluice(
        work, build, route, "dns { resolver 127.0.0.1; %s }\n"
        "internal example.com;\n" % dns + conf, users={"bench": "bench"}, name=name)
    sluice.pid = sluice.process.pid
    return sluice


def floods(build, scale):
    """{(what, relay): figures}"""
    results, messages = {}, int(5000 * scale)
    for hosts in (False, True):
        for who in ("Postfix", "Sluice"):
            with peers.Work("bench-flood") as work:
                port = 25 if hosts else peers.free_port()
                lab, kept = lab_of(work, "lab")
                if who == "Sluice":
                    relay = sluice_of(
                        build, work, "via mx;" if hosts else "via hub;", "sluice",
                        "relay hub { address 127.0.0.1:%d; tls none; }\n" % port)
                else:
                    auth = peers.free_port()
                    peers.Dovecot(work, {"bench": "bench"}, auth)
                    relay = peers.Postfix(
                        work, port, auth, {"relayhost": ""} if hosts else None)
                try:
                    results["mx" if hosts else "hub", who] = flood(
                        build, work, relay, messages, hosts, port)
                finally:
                    relay.stop()
                    lab.resolver.kill()
                    kept[0].socket.close()
                    kept[1].close()
    return results


def print_floods(results):
    print("| the flood | Postfix | Sluice | asked |\n|---|---|---|---|")
    for way in ("hub", "mx"):
        theirs, ours = (results[way, who] for who in ("Postfix", "Sluice"))
        rows = [("good delivered", "delivered", "%d", "all"),
                ("of a good one, accept to delivered: p50, s", "p50_ms", "s", "-"),
                ("p95, s", "p95_ms", "s", "2"), ("max, s", "max_ms", "s", "-"),
                ("bad ones that came to a next hop", "others", "%d", "0"),
                ("refused at RCPT", "refused", "%d", "-"),
                ("reports that came to the hub", "reports", "%d", "-"),
                ("accepted", "accepted", "%d", "-"),
                ("the clients took, s", "took", "%.1f", "-")]
        for name, key, how, asked in rows:
            cells = ["%.3f" % (r[key] / 1000) if how == "s" else how % r[key]
                     for r in (theirs, ours)]
            print("| via %s: %s | %s | %s | %s |" % (way, name, *cells, asked))


# --- what known verdicts cost --------------------------------------------------

def cached(build, scale, rounds):
    """[(accepts/s, CPU s per 1,000) without the check, with it], in turn; and how
    many recipients a message has."""
    count, rcpts, pairs = int(20000 * scale), 5, []
    with peers.Work("bench-verdicts") as work:
        lab, kept = lab_of(work, "lab")
        to = work.write("recipients", "".join(
            "x%d@d%d.mail.lab\n" % (n, n) for n in range(5000)))
        port = peers.free_port()
        both = [sluice_of(build, work, "via sink;", name,
                          "relay sink { address 127.0.0.1:%d; tls none; }\n" % port,
                          "check %s;" % name) for name in ("off", "on")]

        def once(sluice, messages):
            sink = subprocess.Popen(
                [build + "/bench_sink", "--port", str(port), "--expect",
                 str(messages), "--seconds", "120"], stdout=subprocess.PIPE)
            peers.wait_for(lambda: peers.stat_fields(sink.pid)[0] == "S",
                           "the sink")
            before = peers.cpu_seconds(sluice.pid)
            sent = json.loads(subprocess.run(
                [build + "/bench_load", "--port", str(sluice.port), "--messages",
                 str(messages), "--rcpt-file", to, "--rcpts", str(rcpts)],
                stdout=subprocess.PIPE, text=True).stdout)
            if sent["accepted"] < messages:
                sink.terminate()
            sink.wait()
            cpu = peers.cpu_seconds(sluice.pid) - before
            return sent["per_second"], cpu * 1000 / sent["accepted"]
        try:
            for i in range(2 * rounds + 1):
                first = i % 2  # each is the first in every other pair
                pair = {n: once(both[n], max(count, 1000))
                        for n in (first, 1 - first)}
                pairs.append([pair[0], pair[1]])
        finally:
            for sluice in both:
                sluice.stop()
            lab.resolver.kill()
            del kept
    return pairs[1:], rcpts  # the first pair asks for them


def print_cached(pairs, rcpts):
    print("\n| known verdicts, %d recipients a message | check off | check on | ratio "
          "(median, min-max) | asked |\n|---|---|---|---|---|" % rcpts)
    for n, name, asked in ((0, "accepts/s", "1"), (1, "CPU s per 1,000", "-")):
        off, on = ([pair[which][n] for pair in pairs] for which in (0, 1))
        ratios = [b / a for a, b in zip(off, on)]
        print("| %s | %.4g | %.4g | %.3f (%.3f-%.3f) | %s |" % (
            name, statistics.median(off), statistics.median(on),
            statistics.median(ratios), min(ratios), max(ratios), asked))
    print("| verdicts/s in it | - | %.0f | - | 20000 a core |" % (
        rcpts * statistics.median(pair[1][0] for pair in pairs)))


def look_ups(build):
    """cache_bench; dns_bench against a resolver that drops what is asked of
    silent.lab."""
    print()
    sys.stdout.flush()
    subprocess.run([build + "/cache_bench"], check=False)
    with peers.Work("bench-look-ups") as work:
        dnslab.Lab(work, ZONE, log=False, port=53,
                   conf='  local-zone: "silent.lab." deny\n')
        subprocess.run([build + "/dns_bench", "127.0.0.1:53", "d%u.mail.lab",
                        "d%u.silent.lab"], check=False)


def inside(build, scale, rounds):
    network()
    with peers.Work("bench-resolv") as work:
        path = work.write("resolv.conf", "nameserver 127.0.0.1\n")
        subprocess.run(["mount", "--bind", path, "/etc/resolv.conf"], check=True)
        try:
            hosts = SilentHosts()
            print_floods(floods(build, scale))
            print_cached(*cached(build, scale, rounds))
            del hosts
        finally:
            subprocess.run(["umount", "/etc/resolv.conf"], check=True)
    look_ups(build)


def report(build, scale, rounds):
    print("\nDomains\n")
    sys.stdout.flush()
    subprocess.run(["unshare", "--net", "--mount", "--propagation", "private", "--",
                    sys.executable, os.path.abspath(__file__), build, str(scale),
                    str(rounds)], check=True)


if __name__ == "__main__":
    inside(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
