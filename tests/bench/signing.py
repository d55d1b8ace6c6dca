"""Signing's part of tests/bench/run: what an RSA-2048 and an Ed25519 signature
cost, and what both of one message do."""
import statistics
import subprocess

import peers
from limits import relay

KINDS = [("none", ()), ("Ed25519", ("e",)), ("RSA 2048", ("r",)),
         ("both", ("r", "e"))]
FIGURES = ["accepts/s, 50 sessions", "dot to 250 p99, ms", "CPU s per 1,000",
           "dot to 250 p50 at 200/s, ms", "dot to 250 p99 at 200/s, ms"]


def keys(work):
    """{selector: path}"""
    made = {}
    for selector, how in (("r", ["genrsa", "2048"]),
                          ("e", ["genpkey", "-algorithm", "ed25519"])):
        text = subprocess.run(["openssl", *how], check=True,
                              capture_output=True, text=True).stdout
        made[selector] = work.write(selector + ".pem", text, 0o600)
    return made


def measure(bench, sluice, n, scale):
    sent, got, cpu = bench.load(sluice, n)
    steady = bench.load(sluice, int(max(400, 2000 * scale)), "--rate", "200")[0]
    return [sent["per_second"], sent["dot_p99_ms"], cpu * 1000 / got["delivered"],
            steady["dot_p50_ms"], steady["dot_p99_ms"]]


def report(bench, scale, rounds):
    n, results = int(8000 * scale), {name: [] for name, _ in KINDS}
    with peers.Work("bench-dkim") as work:
        made = keys(work)
        relays = {
            name: relay(work, bench.build, bench.sink_port, "dkim%d" % i,
                        "dkim example.com { %s}\n" % "".join(
                            "selector %s %s; " % (s, made[s]) for s in selectors)
                        if selectors else "", {"bench": "bench"})
            for i, (name, selectors) in enumerate(KINDS)}
        try:
            for _ in range(rounds + 1):
                for name, sluice in relays.items():
                    results[name].append(measure(bench, sluice, n, scale))
        finally:
            for sluice in relays.values():
                sluice.stop()
    print("| signatures | %s |\n|---|%s" % (" | ".join(FIGURES),
                                            "---|" * len(FIGURES)))
    for name, _ in KINDS:
        columns = zip(*results[name][1:])  # the first round warms up
        print("| %s | %s |" % (name, " | ".join(
            "%.4g" % statistics.median(column) for column in columns)))
    print()
