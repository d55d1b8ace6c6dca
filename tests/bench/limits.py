"""The limits' part of tests/bench/run: what ten rules cost, what a decision
costs, and what a flooding neighbour does to a good user."""
import json
import statistics
import subprocess
import time

import peers

GENEROUS = """
limit a { per credential; messages 60000/m burst 10000000; recipients 10000000/10m;
          recipients 100000000/h; all-recipients 100000000/d; over pace; }
limit b { per ip; messages 100000000/h; recipients 100000000/h; bytes 1000G/d;
          over defer; }
limit c { per credential-ip; recipients 100000000/h; over hold; }
limit d { per site; recipients 100000000/h; internal-recipients 100000000/h;
          messages 100000000/d; over reject; }
internal example.org;
"""  # ten rules that every message asks, and one that it does not
NOISY = "limit flood { per credential; cred noisy; messages 60/m; over defer; }\n"


def relay(work, build, sink_port, name, conf, users):
    sluice = peers.Sluice(
        work, build, "via sink;",
        "relay sink { address 127.0.0.1:%d; tls none; }\n" % sink_port + conf,
        users=users, name=name)
    sluice.pid, sluice.speed = sluice.process.pid, 4000
    return sluice


def ten_rules(bench, scale, rounds):
    """Pairs of the same load, without and with rules, in turn."""
    n, pairs = int(16000 * scale), []
    with peers.Work("bench-rules") as work:
        both = [relay(work, bench.build, bench.sink_port, name, conf,
                      {"bench": "bench"})
                for name, conf in (("plain", ""), ("rules", GENEROUS))]
        try:
            for _ in range(2 * rounds + 1):
                pairs.append([bench.load(sluice, n)[0]["per_second"]
                              for sluice in both])
        finally:
            for sluice in both:
                sluice.stop()
    return pairs[1:]  # the first pair warms up


def good_user(bench, port, user, seconds):
    """5 messages a second; the report."""
    out = subprocess.run(
        [bench.build + "/bench_load", "--port", str(port), "--sessions", "5",
         "--rate", "5", "--messages", str(int(5 * seconds)), "--seconds",
         str(seconds * 3), "--user", user, "--password", user, "--bind",
         "127.0.0.3"], stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out)


def neighbour(bench, port, seconds):
    """The good user alone, then beside 200 connections that never pause."""
    sink = subprocess.Popen(
        [bench.build + "/bench_sink", "--port", str(bench.sink_port), "--expect",
         "100000000", "--seconds", str(int(seconds * 6))],
        stdout=subprocess.PIPE, text=True)
    try:
        alone = good_user(bench, port, "good", seconds)
        flood = subprocess.Popen(
            [bench.build + "/bench_load", "--port", str(port), "--sessions",
             "200", "--messages", "100000000", "--seconds",
             str(int(seconds * 2 + 5)), "--user", "noisy", "--password", "noisy",
             "--bind", "127.0.0.2", "--hammer"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        time.sleep(3)
        beside = good_user(bench, port, "good", seconds)
        flood.terminate()
        flood.wait()
    finally:
        sink.terminate()
        sink.wait()
    return alone, beside


def neighbours(bench, scale, rounds):
    users, results = {"noisy": "noisy", "good": "good"}, {}
    seconds = max(4, int(30 * scale))
    with peers.Work("bench-neighbour") as work:
        auth_port = peers.free_port()
        peers.Dovecot(work, users, auth_port)
        sluice = relay(work, bench.build, bench.sink_port, "sluice", NOISY, users)
        postfix = peers.Postfix(work, bench.sink_port, auth_port, {
            "smtpd_client_event_limit_exceptions": "127.0.0.3",
            "smtpd_client_message_rate_limit": "60",
            "anvil_rate_time_unit": "60s"})
        try:
            for name, port in (("postfix", postfix.port), ("sluice", sluice.port)):
                results[name] = [neighbour(bench, port, seconds)
                                 for _ in range(rounds)]
        finally:
            postfix.stop()
            sluice.stop()
    return results


def report(bench, scale, rounds):
    print("\nLimits\n")
    print(subprocess.run([bench.build + "/limit_bench"], text=True,
                         stdout=subprocess.PIPE).stdout)
    pairs = ten_rules(bench, scale, rounds)
    ratios = [rules / plain for plain, rules in pairs]
    print("| figure | without | with | ratio (median, min-max) | asked |")
    print("|---|---|---|---|---|")
    print("| accepts/s, ten rules | %.0f | %.0f | %.3f (%.3f-%.3f) | 0.95 |" % (
        statistics.median(p for p, _ in pairs),
        statistics.median(r for _, r in pairs), statistics.median(ratios),
        min(ratios), max(ratios)))
    for name, rows in neighbours(bench, scale, rounds).items():
        for key, what in (("dot_p99_ms", "dot to 250"), ("mail_p99_ms",
                                                        "MAIL to 250")):
            alone = [a[key] for a, _ in rows]
            beside = [b[key] for _, b in rows]
            ratios = [b / a if a else 0 for a, b in zip(alone, beside)]
            print("| %s, good user's p99 %s, alone and beside a flood, ms | "
                  "%.2f | %.2f | %.2f (%.2f-%.2f) | %s |" % (
                      name, what, statistics.median(alone),
                      statistics.median(beside), statistics.median(ratios),
                      min(ratios), max(ratios), "2" if name == "sluice" else "-"))
