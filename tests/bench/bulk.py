"""The mass mailings' part of tests/bench/run: people's own mail beside a campaign
with dead addresses in it; what a million queued recipients cost, and whether the
queue is as fast with them as with a thousand."""
import json
import os
import statistics
import subprocess
import time

import dnslab
import peers

RCPTS, DEAD = 20000, 0.15  # of the campaign; half of DEAD by domain
RATE, PEOPLE = 5, 50       # messages a second, of so many sessions
MILLION = 1000000
FILL_S = 170               # what filling a queue may take
BATCH = 25                 # recipients of one message that leaves
ZONE = """
*.people    IN MX 10 mx.people
*.friends   IN MX 10 mx.people
mx.people   IN A 203.0.113.1
"""
BULK = ("bulk { when recipients 100; preflight off; site-rate 1000000/m; "
        "site-connections 0; guard 0; stop bounces 0% complaints 0%; "
        "warn bounces 0%; ")


def relay(work, build, port, conf="", **more):
    sluice = peers.Sluice(
        work, build, "via sink;",
        "relay sink { address 127.0.0.1:%d; tls none; }\n" % port + conf,
        users={"bench": "bench", "press": "press"}, **more)
    if sluice.process:
        sluice.pid = sluice.process.pid
    return sluice


def sink_of(build, port, expect, seconds, *more):
    sink = subprocess.Popen(
        [build + "/bench_sink", "--port", str(port), "--expect", str(expect),
         "--seconds", str(seconds), *more], stdout=subprocess.PIPE, text=True)
    peers.wait_port(port, sink)
    return sink


def table(head, rows):
    print("| %s |\n|%s" % (" | ".join(head), "---|" * len(head)))
    for row in rows:
        print("| %s |" % " | ".join(row))
    print(flush=True)


# --- people's own mail beside it ----------------------------------------------

def addresses(count, number):
    """Of a mailing: every seventh or so is dead, in turn by name and domain. Those
    of another are others: they would be suppressed."""
    dead, out = int(1 / DEAD * 2), []
    for n in range(count):
        if n % dead == 0:
            out.append("r%d@x%d-%d.dead.lab" % (n, n, number))
        elif n % dead == dead // 2:
            out.append("gone%d-%d@d%d.people.lab" % (n, number, n % 500))
        else:
            out.append("r%d-%d@d%d.people.lab" % (n, number, n % 500))
    return out


def load(build, sluice, to, messages, *more, seconds=100):
    return subprocess.Popen(
        [build + "/bench_load", "--port", str(sluice.port), "--rcpt-file", to,
         "--messages", str(messages), "--seconds", str(seconds), *more],
        stdout=subprocess.PIPE, text=True)


def people(build, work, sluice, port, seconds, first=lambda: None):
    """What the sink saw of their mail, accept to delivered. first: done once the
    sink is known to be there again."""
    to = work.write("friends", "".join(
        "x%d@d%d.friends.lab\n" % (n, n % 200) for n in range(1000)))
    others = work.write("others", "x@warm.people.lab\n")
    messages = int(RATE * seconds)
    sink = sink_of(build, port, messages, seconds + 90, "--suffix", ".friends.lab",
                   "--refuse", "<gone")
    load(build, sluice, others, 5, "--sessions", "1").communicate()
    sluice.ctl("queue", "flush")
    peers.wait_for(lambda: stats(sluice)["queue_recipients"] == 0,
                   "an empty queue")
    first()
    load(build, sluice, to, messages, "--rate", str(RATE), "--sessions",
         str(PEOPLE), seconds=seconds + 30).communicate()
    return json.loads(sink.communicate()[0])


def stats(sluice):
    return json.loads(sluice.ctl("--json", "stats").stdout)


def campaigns_of(sluice):
    """The newest first."""
    return json.loads(sluice.ctl("--json", "campaign", "list").stdout)


def beside(build, scale, rounds):
    """[(alone, beside it, what the campaign did meanwhile)]"""
    seconds, count = max(10, int(60 * scale)), max(1000, int(RCPTS * scale))
    out, port = [], peers.free_port()
    with peers.Work("bench-bulk") as work:
        lab = dnslab.Lab(work, ZONE, log=False)
        # as long as what is measured beside it
        sluice = relay(work, build, port, "dns { resolver 127.0.0.1:%d; }\n" %
                       lab.resolver.port + BULK +
                       "rate %d/h; }\n" % (count * 3600 // seconds))

        def launch():
            load(build, sluice, many, 1, "--rcpts", str(count), "--sessions", "1",
                 "--user", "press", "--password", "press").communicate()
        try:
            people(build, work, sluice, port, 5)  # names are known then
            for number in range(rounds):
                many = work.write("many", "\n".join(
                    addresses(count, number)) + "\n")
                pair = [people(build, work, sluice, port, seconds),
                        people(build, work, sluice, port, seconds, launch)]
                out.append((*pair, campaigns_of(sluice)[0]))
                sluice.ctl("campaign", "cancel", "C%d" % out[-1][2]["id"],
                           check=False)
        finally:
            sluice.stop()
            lab.resolver.kill()
    return seconds, count, out


def print_beside(seconds, count, rows):
    print("%d messages/s of %d sessions for %d s; a campaign of %d recipients, %d %% "
          "of them dead, at %d/h\n" % (RATE, PEOPLE, seconds, count, DEAD * 100,
                                       count * 3600 // seconds))
    out = []
    for key, what, asked in (("p50_ms", "p50", "-"), ("p99_ms", "p99", "1.1"),
                             ("max_ms", "max", "-")):
        alone, both = ([r[n][key] for r in rows] for n in (0, 1))
        ratios = [b / a if a else 0 for a, b in zip(alone, both)]
        out.append(("accept to delivered %s, ms" % what,
                    "%.2f" % statistics.median(alone),
                    "%.2f" % statistics.median(both), "%.2f (%.2f-%.2f)" % (
                        statistics.median(ratios), min(ratios), max(ratios)), asked))
    table(("people's mail", "alone", "beside it", "ratio (median, min-max)", "asked"),
          out)
    table(("the campaign meanwhile", "", "asked"), [
        ("delivered", "%d" % statistics.median(r[2]["sent"] for r in rows), "-"),
        ("failed", "%d" % statistics.median(r[2]["failed"] for r in rows), "-"),
        ("left", "%d" % statistics.median(r[2]["left"] for r in rows), "-"),
        ("people's mail lost", "%d" % sum(
            RATE * seconds - r[n]["delivered"] for r in rows for n in (0, 1)), "0")])


# --- a million ------------------------------------------------------------------

def fill(build, sluice, recipients, per_message, campaigns=1):
    """How many there are then."""
    made = subprocess.run(
        [build + "/bench_fill", sluice.spool, str(recipients), str(per_message),
         str(campaigns), str(FILL_S)], stdout=subprocess.PIPE, text=True)
    got = json.loads(made.stdout)
    if got["recipients"] < recipients:
        print("(%d recipients in %d s, no more)" % (got["recipients"], FILL_S))
    return got["recipients"]


def started(sluice, queued):
    """Seconds until it answers, and until its queue is complete."""
    sluice.users, began = {}, time.monotonic()
    sluice.start()
    answers = time.monotonic() - began
    sluice.pid = sluice.process.pid
    peers.wait_for(lambda: stats(sluice)["queue_recipients"] >= queued,
                   "the queue to be complete", seconds=120)
    return answers, time.monotonic() - began


def timed(sluice, words, times=5):
    """The median of a command's time in ms, its own process included."""
    took = []
    for _ in range(times):
        began = time.monotonic()
        sluice.ctl(*words.split())
        took.append((time.monotonic() - began) * 1000)
    return statistics.median(took)


def commands(sluice, cid):
    """{command: ms}"""
    out = {}
    for words in ("status", "campaign list", "campaign show " + cid,
                  "campaign rate %s 100000000/h" % cid, "campaign report " + cid):
        out[words] = timed(sluice, words)
    both = {"campaign resume " + cid: [], "campaign pause " + cid: []}
    for _ in range(5):
        for words, took in both.items():
            took.append(timed(sluice, words, 1))
    out.update((words, statistics.median(took)) for words, took in both.items())
    return {words.replace(cid, "ID"): ms for words, ms in out.items()}


def million(build, scale):
    """{what: figures}, as a few large messages and as a letter each."""
    count, out = int(MILLION * scale), {}
    for what, per, campaigns in (("messages of 20,000", 20000, 50),
                                 ("a letter each", 1, 1)):
        port = peers.free_port()
        with peers.Work("bench-million") as work:
            sluice = relay(work, build, port, BULK + "rate 100000000/h; }\n",
                           start=False)
            found = fill(build, sluice, count, min(per, count // campaigns),
                         campaigns)
            sink = sink_of(build, port, 1 << 24, 600)
            try:
                answers, complete = started(sluice, found)
                figures = {"queued": found, "answers": answers, "complete": complete,
                           "RssAnon, MB": peers.rss_anon_kib(sluice.pid) / 1024}
                cid, *_, last = ["C%d" % c["id"] for c in campaigns_of(sluice)] * 2
                drain(sluice, figures, last, max(2, int(10 * scale)))
                figures["commands"] = commands(sluice, cid)
                figures["RssAnon after that, MB"] = \
                    peers.rss_anon_kib(sluice.pid) / 1024
                for words in ("campaign cancel %s" % cid,
                              "campaign cancel %s --undo" % cid):
                    figures["commands"][words.replace(cid, "ID")] = timed(
                        sluice, words, 1)
                out[what] = figures
            finally:
                sink.terminate()
                sink.wait()
                sluice.kill()
    return out


def show(sluice, cid):
    return json.loads(sluice.ctl("--json", "campaign", "show", cid).stdout)


def drain(sluice, figures, cid, seconds):
    sluice.ctl("campaign", "resume", cid)
    had, began = stats(sluice)["ledger_delivered"], time.monotonic()
    while time.monotonic() < began + seconds:
        time.sleep(0.05)
        now, took = stats(sluice)["ledger_delivered"], time.monotonic() - began
        if show(sluice, cid)["left"] == 0:
            break
    figures["recipients/s"] = (now - had) / took
    sluice.ctl("campaign", "pause", cid, check=False)


def print_million(results):
    def row(name, asked, of):
        return (name, *(of(figures) for figures in results.values()), asked)
    rows = [row("queued recipients", "1000000", lambda f: "%d" % f["queued"]),
            row("start-up until it answers, s", "5", lambda f: "%.2f" % f["answers"]),
            row("until its queue is complete, s", "5",
                lambda f: "%.2f" % f["complete"]),
            row("RssAnon, MB", "400", lambda f: "%.0f" % f["RssAnon, MB"]),
            row("RssAnon while it goes, MB", "400",
                lambda f: "%.0f" % f["RssAnon after that, MB"]),
            row("recipients/s of one of them", "-",
                lambda f: "%.0f" % f["recipients/s"])]
    rows += [row("%s, ms" % words, "-" if "cancel" in words else "100",
                 lambda f, w=words: "%.1f" % f["commands"][w])
             for words in next(iter(results.values()))["commands"]]
    table(("a million queued, as", *results, "asked"), rows)


# --- as fast with them as without -------------------------------------------------

def flat(build, scale, rounds):
    """{queued: [recipients/s]} of the same campaign beside so many that wait."""
    # no more than a site's pace lets go at once: 5 s of the largest there is
    part, out = max(BATCH * 800, int(75000 * scale)), {}
    for queued in (1000, 10000, 100000, MILLION):
        queued = max(1000, int(queued * scale))
        port = peers.free_port()
        with peers.Work("bench-flat") as work:
            sluice = relay(work, build, port, BULK + "}\n", start=False)
            there = fill(build, sluice, queued, BATCH)
            for _ in range(rounds):
                there += fill(build, sluice, part, BATCH)
            sink = sink_of(build, port, 1 << 24, 600)
            started(sluice, there)
            try:
                for number in [c["id"] for c in campaigns_of(sluice)][:rounds]:
                    out.setdefault(queued, []).append(
                        part / gone_after(sluice, "C%d" % number))
                    time.sleep(6)  # that pace is full again
            finally:
                sink.terminate()
                sink.wait()
                sluice.kill()
    return out


def gone_after(sluice, cid):
    """Seconds until all of it is on disk as delivered."""
    began = time.monotonic()
    sluice.ctl("campaign", "resume", cid)
    while show(sluice, cid)["left"]:
        time.sleep(0.01)
    return time.monotonic() - began


def print_flat(results):
    base = statistics.median(next(iter(results.values())))
    table(("queued beside it", "recipients/s (median, min-max)", "of the first",
           "asked"), [
        ("%d" % queued, "%.0f (%.0f-%.0f)" % (
            statistics.median(rates), min(rates), max(rates)),
         "%.2f" % (statistics.median(rates) / base if base else 0), "1")
        for queued, rates in results.items()])


def report(build, scale, rounds):
    build = os.path.abspath(build)
    print("\nMass mailings\n", flush=True)
    print_beside(*beside(build, scale, rounds))
    print_million(million(build, scale))
    print_flat(flat(build, scale, rounds))
