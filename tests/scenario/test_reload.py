"""A new configuration, a new certificate and the end, under open sessions."""
import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import case
import peers
from talk import (Closed, Talk, delivered, gateway, listener, message, session,
                  story)


def maildir(work, name="mail"):
    return "via maildir:%s;" % (work / name)


def reloads(sluice, event):
    return len([l for l in sluice.log_lines() if " event=%s " % event in l + " "])


def hup(sluice, event="config-loaded"):
    before = reloads(sluice, event)
    os.kill(sluice.process.pid, signal.SIGHUP)
    peers.wait_for(lambda: reloads(sluice, event) > before, event)


@story
def no_session_is_dropped(work):
    sluice = gateway(work)
    idle, user, midway, chunks = (session(sluice) for _ in range(4))
    idle_clear = Talk(sluice.port)
    midway.envelope()
    midway.expect("DATA", 354)
    midway.send(message(1)[:50])
    chunks.envelope()
    chunks.send(b"BDAT 1000 LAST\r\nX: y\r\n")
    for i in range(6):
        sluice.configure(maildir(work, "mail%d" % i), "message-size %dM;\n" % (i + 1))
        if i % 2:
            hup(sluice)
        else:
            sluice.ctl("reload")
    midway.send(message(1)[50:] + b".\r\n")
    midway.next(250)
    chunks.send(b"y" * 990 + b"\r\n\r\n")
    chunks.next(250)
    for talk in (idle, user, midway, chunks, idle_clear):
        talk.expect("NOOP", 250)
    # whoever was there keeps what he was told; who comes is told the new
    case.contains(user.ehlo(), "SIZE 26214400")
    talk = Talk(sluice.port)
    case.contains(talk.ehlo(), "SIZE %d" % (6 << 20))
    user.submit(message(2))
    delivered(work, 3, "mail5")


@story
def reload_while_mail_flows(work):
    sluice = gateway(work)
    stop = threading.Event()
    sent, errors = [], []

    def submit(n):
        try:
            talk = session(sluice)
            while not stop.is_set():
                number = n * 100000 + len(sent)
                talk.submit(message(number))
                sent.append(number)
            talk.quit()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        hup(sluice)
        count = len(sent)
        peers.wait_for(lambda: errors or len(sent) > count + 3, "mail")
        Talk(sluice.port).quit()
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors, errors
    delivered(work, len(sent))


@story
def a_wrong_file_changes_nothing(work):
    sluice = gateway(work)
    user = session(sluice)
    good = open(sluice.conf_path).read()
    with open(sluice.conf_path, "w") as f:
        f.write(good.replace("tls implicit", "tls sometimes") +
                "message-size 5 bananas;\nnonsense on;\nhostname again.example.com;\n"
                "route other { domain example.org; via nowhere; }\n")
    result = sluice.ctl("reload", check=False)
    assert result.returncode != 0
    text = result.stdout + result.stderr
    for part in ("sometimes", "message-size", "nonsense", "hostname", "nowhere"):
        case.contains(text, part)
    case.contains(text, sluice.conf_path + ":")
    with open(sluice.conf_path) as f:
        last = len(f.readlines())
    case.contains(text, "%s:%d:" % (sluice.conf_path, last))
    checked = subprocess.run([case.BUILD + "/sluiced", "-t", "-c", sluice.conf_path],
                             capture_output=True, text=True)
    case.equal(checked.returncode, 78)
    for line in text.splitlines():
        if line.startswith(sluice.conf_path + ":"):
            case.contains(checked.stdout + checked.stderr, line)
    hup(sluice, "config-refused")
    log = "\n".join(sluice.log_lines())
    for part in ("sometimes", "nonsense", "nowhere"):
        case.contains(log, part)
    user.submit(message(1))
    session(sluice).submit(message(2))
    talk = Talk(sluice.tls_port, tls=True)
    case.contains(talk.ehlo(), "SIZE 26214400")
    # things that only doing it shows: an address that is taken, a bad key
    taken = socket.create_server(("127.0.0.1", 0))
    with open(sluice.conf_path, "w") as f:
        f.write(good + "message-size 1M;\n" + listener(taken.getsockname()[1]))
    result = sluice.ctl("reload", check=False)
    assert result.returncode != 0
    case.contains(result.stdout + result.stderr, str(taken.getsockname()[1]))
    with open(sluice.conf_path, "w") as f:
        f.write(good.replace("server.key", "missing.key"))
    result = sluice.ctl("reload", check=False)
    assert result.returncode != 0
    case.contains(result.stdout + result.stderr, "missing.key")
    case.contains(Talk(sluice.tls_port, tls=True).ehlo(), "SIZE 26214400")
    with open(sluice.conf_path, "w") as f:
        f.write(good)
    sluice.ctl("reload")
    delivered(work, 2)


def shown(talk):
    return hashlib.sha256(talk.socket.getpeercert(True)).hexdigest()


@story
def a_new_certificate(work):
    sluice = gateway(work)
    old = session(sluice)
    waiting = Talk(sluice.port)  # in the clear still
    before = shown(old)
    # the same files, as a renewal does it
    crt, key = peers.certificate(work, "renewed")
    os.replace(key, work / "server.key")
    os.replace(crt, work / "server.crt")
    case.equal(shown(session(sluice)), before)
    hup(sluice)
    after = shown(session(sluice))
    assert after != before
    case.equal(shown(Talk(sluice.tls_port, tls=True)), after)
    case.equal(shown(old), before)
    old.submit(message())
    waiting.starttls()
    waiting.login().quit()
    # a pair that does not fit is no pair
    other, _ = peers.certificate(work, "other")
    os.replace(other, work / "server.crt")
    result = sluice.ctl("reload", check=False)
    assert result.returncode != 0, result
    case.equal(shown(session(sluice)), after)
    delivered(work)


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), peers.HANG_S).close()
        return False
    except ConnectionRefusedError:
        return True


@story
def listeners_come_and_go(work):
    sluice = gateway(work)
    kept, extra = sluice.common, peers.free_port()
    for _ in range(2):
        sluice.common = kept + listener(extra)
        sluice.configure(maildir(work))
        sluice.ctl("reload")
        guest = session(sluice, port=extra)
        old = session(sluice)
        sluice.common = kept
        sluice.configure(maildir(work))
        sluice.ctl("reload")
        peers.wait_for(lambda: refused(extra), "the door to be shut")
        # who came by it stays
        guest.expect("NOOP", 250)
        old.quit()
        guest.quit()
    # another kind of door at the same place
    plain = kept.replace("tls implicit", "tls starttls")
    assert plain != kept
    sluice.common = plain
    sluice.configure(maildir(work))
    sluice.ctl("reload")
    Talk(sluice.tls_port).quit()
    # and nothing of all this leaks
    sluice.common = kept
    sluice.configure(maildir(work))
    sluice.ctl("reload")
    count = lambda: len(os.listdir("/proc/%d/fd" % sluice.process.pid))
    peers.wait_for(lambda: refused(extra))
    time.sleep(2.2)  # the sweep of sockets that were replaced
    before = count()
    for _ in range(5):
        sluice.ctl("reload")
    peers.wait_for(lambda: count() <= before, "descriptors: %d, now %d" % (
        before, count()))


@story
def scanning_comes_and_goes(work):
    """Named by a reload; left as it is by a file that is wrong; and not taken
    away without a word."""
    def scan():
        return json.loads(sluice.ctl("--json", "scan", "status").stdout)["scan"]
    sluice = gateway(work)
    case.equal((scan()["on"], scan()["servers"]), (False, []))
    conf = "scan { server icap://127.0.0.1:%d/avscan; wait 300ms; %%s }\n" % \
        peers.free_port()
    sluice.configure(maildir(work), conf % "")
    sluice.ctl("reload")
    peers.wait_for(lambda: [s["health"] for s in scan()["servers"]] == ["down"],
                   "a scanner that is down")
    talk = session(sluice)
    attached = message(1).replace(
        b"\r\n\r\n", b"\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\n", 1)
    talk.submit(attached)
    peers.wait_for(lambda: scan()["waiting_recipients"] == 1, "one that waits")
    sluice.configure(maildir(work), conf % "ca /nonexistent/ca.pem;")
    refused = sluice.ctl("reload", check=False)
    assert refused.returncode == 1 and "the authorities cannot be used" in refused.stderr
    assert scan()["on"]
    sluice.configure(maildir(work))
    case.contains(sluice.ctl("reload").stderr, "nothing is scanned any more")
    assert not scan()["on"]
    case.equal(scan()["waiting_recipients"], 1)
    sluice.ctl("scan", "bypass", "--for", "5m", "--reason", "no scanner any more")
    got, = delivered(work, 1)
    assert got.endswith(attached)


@story
def a_clean_stop(work):
    sluice = gateway(work)
    idle, clear = session(sluice), Talk(sluice.port)
    midway, at_rcpt, chunks = (session(sluice) for _ in range(3))
    half = Talk(sluice.tls_port, greet=False)
    midway.envelope()
    midway.expect("DATA", 354)
    midway.send(message(1)[:40])
    at_rcpt.expect("MAIL FROM:<a@example.com>", 250)
    chunks.envelope()
    chunks.send(b"BDAT 6\r\nX: y\r\n")
    chunks.next(250)
    sluice.process.terminate()
    for talk in (idle, clear):
        talk.next(421, "4.3.2")
        talk.closed()
    half.closed()
    # each thread closes its own share of the listener
    peers.wait_for(lambda: refused(sluice.port), "that nobody listens")
    # inside a transaction: it is finished, kept, and then it is over
    at_rcpt.expect("RCPT TO:<c@example.net>", 250)
    at_rcpt.data(message(2), 250, "2.0.0")
    midway.send(message(1)[40:] + b".\r\n")
    midway.next(250, "2.0.0")
    chunks.send(b"BDAT 5 LAST\r\n\r\nx\r\n")
    chunks.next(250, "2.0.0")
    for talk in (midway, at_rcpt, chunks):
        talk.next(421, "4.3.2")
        talk.closed()
    case.equal(sluice.process.wait(peers.HANG_S), 0)
    sluice.lines("stopped")
    # what was answered is there, now or after the next start
    sluice.start()
    got = delivered(work, 3)
    for content in (message(1), message(2), b"X: y\r\n\r\nx\r\n"):
        assert [m for m in got if m.endswith(content)], content
    sluice.process.terminate()
    case.equal(sluice.process.wait(peers.HANG_S), 0)


@story
def a_second_signal_means_now(work):
    sluice = gateway(work)
    talk, done = session(sluice), session(sluice)
    done.submit(message(1))
    talk.envelope()
    talk.expect("DATA", 354)
    sluice.process.terminate()
    done.next(421)
    began = time.monotonic()
    sluice.process.send_signal(signal.SIGTERM)
    case.equal(sluice.process.wait(peers.HANG_S), 0)
    assert time.monotonic() - began < 10 * peers.PATIENCE
    sluice.start()
    delivered(work, 1)


if __name__ == "__main__":
    case.main()
