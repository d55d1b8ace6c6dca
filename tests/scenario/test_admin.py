"""What an administrator sees and does: the command line, the metrics, the alerts;
also on a bad day."""
import contextlib
import email
import http.client
import json
import os
import re
import socket
import stat
import subprocess
import threading
import time

import case
import hops
import peers
import sink
import talk


def queue_of(sluice, count, hub="hub"):
    """So many messages that wait."""
    session = talk.session(sluice)
    ids = [hops.submit(session, hops.message(n), ["r%d@%s.example" % (n, hub)])
           for n in range(count)]
    session.quit()
    hops.wait(lambda: all(e["attempts"] for e in hops.queue(sluice).values()),
              "an attempt each")
    return ids


@case.case
def every_command_speaks_json(work):
    hub, spare = sink.Sink(start=False), sink.Sink()
    sluice = hops.gateway(work, {"hub": (hub, ""), "spare": (spare, "")},
                          "retry { after 1h; expire 1d; }\n")
    ids = queue_of(sluice, 3)
    rows = [
        (["status"], dict), (["stats"], dict), (["queue", "list"], list),
        (["queue", "list", "--limit", "1"], list),
        (["queue", "list", "--cred", "alice", "--state", "queued", "--lane",
          "personal", "--domain", "hub.example"], list),
        (["queue", "show", ids[0]], dict), (["queue", "flush", ids[0]], dict),
        (["queue", "flush", "--domain", "hub.example"], dict),
        (["queue", "flush", "--hop", "hub"], dict), (["queue", "flush"], dict),
        (["config", "show"], object), (["reload"], dict), (["user", "list"], list),
    ]
    for words, kind in rows:
        text = sluice.ctl("--json", *words).stdout
        got = json.loads(text)
        assert isinstance(got, kind), (words, text)
        assert text.endswith("\n"), words
        plain = sluice.ctl(*words).stdout  # for people; it must say something
        assert plain or words[0] == "config", words
        assert "\x1b" not in plain, "no terminal, no colours"
    entry = hops.queue(sluice)["r0@hub.example"]
    for key, value in (("id", ids[0]), ("cred", "alice"), ("state", "queued"),
                       ("from", "alice@example.com"), ("holds", [])):
        case.equal(entry[key], value, key)
    assert entry["attempts"] >= 1 and "refused" in entry["last_reply"], entry
    shown = hops.js(sluice, "queue", "show", ids[0])
    for key, value in (("cred", "alice"), ("client", "127.0.0.1"),
                       ("owner", "alice@example.com"), ("lane", "personal")):
        case.equal(shown[key], value, key)
    case.equal(hops.js(sluice, "queue", "list", "--domain", "other.example"), [])
    case.equal(len(hops.js(sluice, "queue", "list", "--limit", "2")), 2)
    status = hops.js(sluice, "status")
    case.equal((status["queued"], status["messages_accepted"],
                status["ledger_balances"]), (3, 3, True))
    case.equal([h["name"] for h in status["hops"]], ["hub", "spare"])
    text = sluice.ctl("status").stdout
    for part in ("gate.example.com", "3 recipients", "hub", "balances"):
        case.contains(text, part)
    assert len(text.splitlines()) <= 24, "one screen"
    sluice.stop()


@case.case
def usage_and_exit_codes(work):
    sluice = hops.gateway(work, {"hub": (sink.Sink(), "")})
    rows = [  # words, exit status, a word of what is said
        ([], 2, "usage"), (["nonsense"], 2, "nonsense"), (["queue"], 0, "usage"),
        (["queue", "list", "--no-such"], 2, "--no-such"), (["queue", "show"], 2, ""),
        (["queue", "show", "xyz"], 1, "13 letters"),
        (["queue", "show", "1m809msnr0003"], 1, "not in the queue"),
        (["queue", "list", "--state", "lost"], 2, "queued or held"),
        (["queue", "list", "--limit", "-1"], None, "limit"),
        (["queue", "flush", "--hop", "nowhere"], 1, "next hop"),
        (["queue", "flush", "--hop", "hub", "--domain", "x.example"], 2, ""),
        (["queue", "list", "--cred", "\x1b[31m"], 1, "--cred"),
        (["user", "del", "nobody-of-that-name"], 1, ""),
    ]
    for words, code, part in rows:
        got = sluice.ctl(*words, check=False)
        said = got.stdout + got.stderr
        assert got.returncode == code or code is None and got.returncode in (1, 2), \
            (words, got.returncode, said)
        case.contains(said, part, words)
        assert "\x1b" not in said, words
    for words in (["--help"], ["queue", "--help"], ["queue", "list", "--help"],
                  ["--version"]):
        case.equal(sluice.ctl(*words).returncode, 0)
    sluice.stop()
    got = sluice.ctl("status", check=False)
    case.equal(got.returncode, 69, "no daemon")
    case.contains(got.stderr, sluice.control)


@case.case
def flush_brings_what_it_names(work):
    hub, spare = sink.Sink(start=False), sink.Sink(start=False)
    sluice = hops.gateway(work, {"hub": (hub, ""), "spare": (spare, "")},
                          "retry { after 1h; expire 1d; }\n")
    session = talk.session(sluice)
    ids = {}
    for n, to in enumerate(("a@hub.example", "b@hub.example", "c@spare.example",
                            "d@third.example")):
        ids[to] = hops.submit(session, hops.message(n), [to])
    hops.wait(lambda: all(e["attempts"] for e in hops.queue(sluice).values()),
              "an attempt each")
    hub.open()
    spare.open()
    # a host that was down is left alone for a while; a flush is a word of weight
    sluice.ctl("queue", "flush", ids["b@hub.example"])
    hops.wait(lambda: hub.of("b@hub.example"), "the one")
    sluice.ctl("queue", "flush", "--domain", "SPARE.example")
    hops.wait(lambda: spare.of("c@spare.example"), "the domain's")
    sluice.ctl("queue", "flush", "--hop", "hub")
    hops.wait(lambda: len(hub.mails) == 3, "the hop's")
    case.equal(len(spare.mails), 1)
    hops.wait(lambda: hops.stats(sluice)["ledger_delivered"] == 4, "the outcomes")
    session.quit()
    sluice.stop()


@case.case
def what_a_peer_says_is_shown_tamely(work):
    """Terminal escapes, line ends, broken UTF-8 in replies and addresses."""
    evil = "450 4.2.0 \x1b[2J\x1b]0;owned\x07 \xff\xfe \x00 \u2028 \"; event=fake"
    hub = sink.Sink({"RCPT": sink.Fault("raw", evil + "\r\n")})
    sluice = hops.gateway(work, {"hub": (hub, "")}, "retry { after 1h; expire 1d; }\n")
    session = talk.session(sluice)
    # what may stand in an address or a parameter
    number = hops.submit(session, hops.message(1), [
        ("\"a b;rm -rf $(x)`x`'\"@hub.example", "")],
        sender="\"=cred=root level=error\"@x.example", params=" ENVID=a+1Bb")
    session.say("EHLO x\tevent=fake")
    hops.wait(lambda: all(e["attempts"] for e in hops.queue(sluice).values()),
              "an attempt")
    for words in (["queue", "list"], ["queue", "show", number], ["status"],
                  ["--json", "queue", "list"], ["--json", "queue", "show", number],
                  ["--json", "status"]):
        text = sluice.ctl(*words).stdout
        bad = re.search("[^\n\t -~\u00a1-\uffff]|\u2028", text)
        assert bad is None, (words, bad, text)
        if words[0] == "--json":
            json.loads(text)
    with open(sluice.log, "rb") as f:
        log = f.read()
    assert not re.search(rb"[^\n -~\x80-\xff]", log), "control bytes in the log"
    log.decode("utf-8")
    for line in log.decode().splitlines():
        case.equal(len(re.findall(r'(?:^| )event=', re.sub(r'"[^"]*"', '""',
                                                           line.replace(r'\"', "")))),
                   1, line)
    case.equal([l for l in log.decode().splitlines() if " event=fake" in
                re.sub(r'"(\\.|[^"\\])*"', '""', l)], [])
    session.quit()
    sluice.stop()


NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(r'(%s)(\{(?:%s="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (-?[0-9.e+-]+|NaN)$'
                    % (NAME, NAME))


def prometheus(text):
    """{name{labels}: value}, as strictly as promtool reads it."""
    assert text.endswith("\n")
    values, types, seen, family = {}, {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, help_ = line[7:].split(" ", 1)
            assert help_ and help_.strip() == help_ and name not in seen, line
            family = name
            seen.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == family and name not in types, line
            assert kind in ("counter", "gauge"), line
            case.equal(name.endswith("_total"), kind == "counter", line)
            types[name] = kind
        else:
            found = SAMPLE.match(line)
            assert found, line
            assert found.group(1) == family and family in types, line
            key = found.group(1) + (found.group(2) or "")
            assert key not in values, line
            values[key] = float(found.group(3))
    case.equal(set(types), seen, "each HELP has its TYPE")
    return values


def ask(sluice, method="GET", path="/metrics", host="localhost", raw=None):
    """(status, headers, body)"""
    with socket.create_connection(("127.0.0.1", sluice.http_port), 10) as s:
        s.sendall(raw if raw is not None else (
            "%s %s HTTP/1.1\r\n%s\r\n" % (
                method, path, "Host: %s\r\n" % host if host else "")).encode())
        s.settimeout(10)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while True:
                more = s.recv(65536)
                if not more:
                    break
                got += more
    if not got:
        return 0, {}, ""
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(l.lower().split(": ", 1) for l in lines[1:])
    return int(lines[0].split(" ")[1]), headers, body.decode()


@case.case
def metrics_and_http(work):
    hub = sink.Sink()
    sluice = hops.gateway(work, {"hub": (hub, ""), "dead": (sink.Sink(start=False), "")},
                          "retry { after 1h; expire 1d; }\n")
    session = talk.session(sluice)
    for n in range(5):
        hops.submit(session, hops.message(n), ["a@hub.example", "b@dead.example"])
    hops.wait(lambda: hops.stats(sluice)["ledger_delivered"] == 5, "deliveries")
    code, headers, body = ask(sluice)
    case.equal(code, 200)
    case.equal(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
    case.equal(int(headers["content-length"]), len(body.encode()))
    values = prometheus(body)
    wanted = {
        "sluice_messages_accepted_total": 5, "sluice_recipients_accepted_total": 10,
        "sluice_ledger_accepted": 10, "sluice_ledger_delivered": 5,
        "sluice_ledger_queued": 5, "sluice_ledger_difference": 0,
        "sluice_sessions_authenticated": 1, "sluice_queue_recipients": 5,
        'sluice_hop_up{hop="hub"}': 1, 'sluice_hop_up{hop="dead"}': 0,
        'sluice_hop_delivered_total{hop="hub"}': 5, "sluice_spool_full": 0,
    }
    # the figures of hops are a second's
    hops.becomes(lambda: {k: v for k, v in prometheus(ask(sluice)[2]).items()
                          if k in wanted}, wanted, "the figures")
    values = prometheus(ask(sluice)[2])
    # the same figures as `stats`
    for key, value in hops.stats(sluice).items():
        if key.startswith("ledger_"):
            case.equal(values["sluice_" + key], value, key)
    case.equal(ask(sluice, path="/healthz")[::2], (200, "ok\n"))
    rows = [  # method, path, host, status
        ("GET", "/metrics", "127.0.0.1:9925", 200), ("GET", "/metrics", "[::1]", 200),
        ("GET", "/metrics", "LOCALHOST:1", 200), ("HEAD", "/metrics", "localhost", 200),
        # a page in somebody's browser, whose name was made to mean 127.0.0.1
        ("GET", "/metrics", "evil.example", 403),
        ("GET", "/metrics", "127.0.0.1.evil.example", 403),
        ("GET", "/metrics", "localhost.evil.example", 403),
        ("GET", "/metrics", None, 400), ("GET", "/", "localhost", 404),
        ("GET", "/../etc/passwd", "localhost", 404),
        ("GET", "/metrics/x", "localhost", 404),
        ("POST", "/metrics", "localhost", 405), ("DELETE", "/", "localhost", 405),
        ("PUT", "/healthz", "evil.example", 403),
    ]
    for method, path, host, wanted in rows:
        code, headers, body = ask(sluice, method, path, host)
        case.equal(code, wanted, (method, path, host))
        case.equal(headers.get("connection"), "close")
        if method == "HEAD":
            case.equal(body, "")
    for raw, wanted in ((b"nonsense\r\n\r\n", (400,)), (b"\x16\x03\x01\x00\x05\r\n\r\n",
                                                        (400,)),
                        (b"GET / HTTP/1.1\r\nX: " + b"y" * 100000 + b"\r\n\r\n",
                         (431, 0)),
                        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n",
                         (400,))):
        code = ask(sluice, raw=raw)[0]
        assert code in wanted, (raw[:40], code)
    # who says nothing holds nobody up
    quiet = [socket.create_connection(("127.0.0.1", sluice.http_port))
             for _ in range(5)]
    case.equal(ask(sluice, path="/healthz")[0], 200)
    for s in quiet:
        s.close()
    connection = http.client.HTTPConnection("127.0.0.1", sluice.http_port,
                                            timeout=peers.HANG_S)
    connection.request("GET", "/healthz")
    case.equal(connection.getresponse().read(), b"ok\n")
    session.quit()
    sluice.stop()


PAGE = """#!/usr/bin/python3
import json, os, sys
with open(%r, "a") as f:
    f.write(json.dumps([sys.argv[1:], {k: v for k, v in os.environ.items()
                                       if k.startswith("SLUICE_")}]) + "\\n")
"""


def paged(work):
    try:
        with open(work / "paged") as f:
            return [json.loads(line) for line in f]
    except FileNotFoundError:
        return []


@case.case
def alerts_are_told_once(work):
    home = sink.Sink()
    page = work.write("page", PAGE % (work / "paged"), 0o755)
    crt, key = peers.certificate(work, days=5)
    sluice = hops.gateway(work, {"home": (home, ""),
                                 "dead": (sink.Sink(start=False), "")},
                          "retry { after 1h; expire 1d; }\n"
                          "alert { mail admin@home.example; exec %s; }\n" % page)
    hops.wait(lambda: paged(work), "the page")
    hops.wait(lambda: home.mails, "the mail")
    time.sleep(2.5)  # some ticks more
    [[argv, env]] = paged(work)
    case.equal(argv[0], "certificate")
    case.contains(argv[1], "expires in 5 days")
    for name, part in (("HOST", "gate.example.com"), ("CAUSE", "certificate"),
                       ("LEVEL", "2"), ("TEXT", "sluice reload"), ("SINCE", "T")):
        case.contains(env["SLUICE_ALERT_" + name], part)
    [mail] = home.mails
    case.equal((mail["from"], mail["to"]), ("", ["admin@home.example"]))
    message = email.message_from_bytes(mail["body"])
    case.contains(message["Subject"], "the TLS certificate expires in 5 days")
    case.equal(message["Auto-Submitted"], "auto-generated")
    assert message["Message-ID"] and message["Date"] and message["From"]
    case.contains(message.get_payload(), "sluice reload")
    [alert] = hops.js(sluice, "status")["alerts"]
    case.equal((alert["cause"], alert["level"]), ("certificate", 2))
    case.contains(sluice.ctl("status").stdout, "ALERTS")
    case.equal(prometheus(ask(sluice)[2])["sluice_alerts_active"], 1)
    # over with a new certificate; and told again when it comes back
    for path in (crt, key):
        os.rename(path, path + ".old")
    peers.certificate(work, days=90)
    sluice.ctl("reload")
    sluice.lines("alert-cleared")
    hops.becomes(lambda: hops.js(sluice, "status")["alerts"], [], "alerts")
    for path in (crt, key):
        os.rename(path + ".old", path)
    sluice.ctl("reload")
    hops.wait(lambda: len(paged(work)) == 2, "the second time")
    # generated mail is accounted for
    hops.wait(lambda: len(home.mails) == 2, "the second mail")
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "the outcomes")
    hops.ledger(sluice, generated=2, delivered=2)
    sluice.stop()


@case.case
def a_page_that_fails_or_hangs(work):
    """It is in the log, and nothing else stops."""
    peers.certificate(work, days=5)
    fails = work.write("fails", "#!/bin/sh\nexit 3\n", 0o755)
    sluice = hops.gateway(work, {"hub": (sink.Sink(), "")},
                          "alert { exec %s; }\n" % fails)
    sluice.lines("alert-exec-failed", "exit=3")
    sluice.stop()
    hang = work.write("hang", "#!/bin/sh\necho $$ > %s\nexec sleep 600\n" %
                      (work / "hanging"), 0o755)
    with open(sluice.conf_path) as f:
        text = f.read()
    with open(sluice.conf_path, "w") as f:
        f.write(text.replace(fails, hang))
    sluice.start()
    hops.wait(lambda: os.path.exists(work / "hanging"), "the program")
    sluice.ctl("status")
    talk.session(sluice).quit()
    sluice.stop()
    with open(work / "hanging") as f:
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(f.read()), 9)


@case.case
def the_control_socket_is_private(work):
    sluice = hops.gateway(work, {"hub": (sink.Sink(), "")})
    got = os.stat(sluice.control)
    case.equal((stat.S_ISSOCK(got.st_mode), stat.S_IMODE(got.st_mode)), (True, 0o660))
    if os.geteuid() == 0:
        run = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
             case.BUILD + "/sluice", "-s", sluice.control, "status"],
            capture_output=True, text=True)
        assert run.returncode not in (0, 2), (run.returncode, run.stdout)
        assert run.stderr, "it says why"
    # not the protocol: it hangs up, and goes on with others
    for raw in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100000, b"\0" * 64, b""):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(peers.HANG_S)
            s.connect(sluice.control)
            with contextlib.suppress(OSError):
                s.sendall(raw)
                s.shutdown(socket.SHUT_WR)
                s.recv(4096)
        sluice.ctl("status")
    # another daemon does not take the socket away
    other = subprocess.run([case.BUILD + "/sluiced", "-c", sluice.conf_path],
                           capture_output=True, text=True, timeout=peers.HANG_S)
    assert other.returncode != 0
    sluice.ctl("status")
    sluice.stop()
    assert not os.path.exists(sluice.control), "taken away at the end"
    # what a kill left behind is no obstacle
    sluice.start()
    sluice.kill()
    sluice.start()
    sluice.stop()


@case.case
def commands_answer_under_load(work):
    """50 sessions submit, thousands wait, a listing is not read: still each answer
    comes within a second (here within ten: others use the machine)."""
    hub = sink.Sink({"MAIL": sink.reply("451 4.3.0 later")})
    sluice = hops.gateway(work, {"hub": (hub, "")}, "retry { after 1h; expire 1d; }\n",
                          auth="backend local; fail-delay 0s;")
    enough = threading.Event()
    count = [0] * 50

    def submit(k):
        session = talk.session(sluice)
        while not enough.is_set():
            content = hops.message(k * 100000 + count[k])
            hops.submit(session, content, ["r%d@hub.example" % n for n in range(3)])
            count[k] += 1
        session.close()
    threads = [threading.Thread(target=submit, args=(k,)) for k in range(50)]
    for thread in threads:
        thread.start()
    hops.wait(lambda: sum(count) > 300, "a queue")
    # one who does not read what he asked for
    stuck = subprocess.Popen([case.BUILD + "/sluice", "-s", sluice.control, "--json",
                              "queue", "list"], stdout=subprocess.PIPE)
    slowest = 0
    began = time.monotonic()
    while time.monotonic() - began < 3:
        for words in (["status"], ["--json", "stats"], ["queue", "list", "--limit", "5"],
                      ["queue", "list", "--domain", "nowhere.example"],
                      ["queue", "flush", "--domain", "other.example"]):
            at = time.monotonic()
            sluice.ctl(*words)
            slowest = max(slowest, time.monotonic() - at)
        at = time.monotonic()
        case.equal(ask(sluice)[0], 200)
        slowest = max(slowest, time.monotonic() - at)
    enough.set()
    for thread in threads:
        thread.join()
    print("     %d messages meanwhile, the slowest answer took %.0f ms" % (
        sum(count), slowest * 1000))
    assert slowest < 10 * hops.PATIENCE, slowest
    all_ = json.loads(stuck.stdout.read())
    case.equal(stuck.wait(peers.HANG_S), 0)
    assert len(all_) >= 900, len(all_)
    keys = [(e["id"], e["index"]) for e in all_]
    case.equal(len(set(keys)), len(keys), "each entry once")
    case.equal(keys, sorted(keys), "in order")
    hops.ledger(sluice, accepted=3 * sum(count), queued=3 * sum(count))
    case.equal(len(hops.js(sluice, "queue", "list")), 3 * sum(count))
    sluice.stop()


if __name__ == "__main__":
    case.main()
