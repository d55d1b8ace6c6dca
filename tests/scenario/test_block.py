"""A block bites at once, wherever its client is; it goes as fast, and takes
only itself away; it survives; and commands answer whatever runs."""
import contextlib
import hashlib
import json
import resource
import socket
import threading
import time

import case
import hops
from limits_help import clear, door
from queue_help import USERS, ctl, deferred, waiting
from talk import Closed, Talk, plain, session, story

gate = door(users=USERS)
HEAD = b"From: alice@example.com\r\nSubject: x\r\n\r\n"
SECOND = 10.0 * hops.PATIENCE  # on a machine that has much else to do


def sent_away(t, what):
    t.next(550, "5.7.1", what)
    t.next(421, "", what)
    t.closed()


# --- live sessions -------------------------------------------------------------

MAIL = "MAIL FROM:<alice@example.com>"
RCPT = "RCPT TO:<b@example.net>"
# what was said before; each of NEXT is tried behind it
BEFORE = {
    "login": [],
    "MAIL": [(MAIL, 250)],
    "RCPT": [(MAIL, 250), (RCPT, 250)],
    "BDAT chunk": [(MAIL, 250), (RCPT, 250), ("BDAT 3\r\nabc", 250)],
    "RSET": [(MAIL, 250), ("RSET", 250)],
    "refused RCPT": [(MAIL, 250), ("RCPT TO:<@>", 501)],
}
NEXT = ["NOOP", "RSET", MAIL, RCPT, "DATA", "BDAT 3 LAST\r\nabc", "EHLO x",
        "VRFY b", "nonsense"]


def say(t, text, code):
    """BDAT has its bytes behind the command and no CRLF after them."""
    t.send(text + ("" if text.startswith("BDAT") else "\r\n"))
    t.next(code, "", text)


@story
def between_any_two_commands(work):
    sluice = gate(work)
    slowest = 0
    for label, before in BEFORE.items():
        for command in NEXT:
            t = clear(sluice)
            for text, code in before:
                say(t, text, code)
            began = time.monotonic()
            ctl(sluice, "block add cred alice")
            t.send(command + ("" if command.startswith("BDAT") else "\r\n"))
            sent_away(t, "%s behind %s" % (command[:9], label))
            slowest = max(slowest, time.monotonic() - began)
            ctl(sluice, "block del cred alice")
    print("     %d places, the slowest block bit after %.0f ms" % (
        len(BEFORE) * len(NEXT), slowest * 1000))
    assert slowest < SECOND, slowest
    # and who is let in again goes on
    t = clear(sluice)
    t.submit(HEAD)
    t.quit()
    case.equal(hops.stats(sluice)["ledger_accepted"], 1)
    sluice.stop()


@story
def in_the_middle_of_a_message(work):
    """The dot, and the last chunk, get 550; nothing is kept of it."""
    sluice = gate(work)
    for stealth in ("", " --stealth"):
        for big in (b"", b"x" * 70 + b"\r\n"):
            t = clear(sluice)
            t.envelope()
            t.expect("DATA", 354)
            t.send(HEAD + big * 10000)
            time.sleep(0.05)
            ctl(sluice, "block add cred alice" + stealth)
            t.send(b"the rest\r\n.\r\n")
            sent_away(t, "the dot")
            ctl(sluice, "block del cred alice")
            t = clear(sluice)
            t.envelope()
            body = HEAD + big * 1000
            t.send(b"BDAT %d LAST\r\n" % (len(body) + 5) + body)
            time.sleep(0.05)
            ctl(sluice, "block add ip 127.0.0.1" + ("" if not stealth else
                                                   " --for 1h"))
            t.send(b"12345")
            sent_away(t, "the last chunk")
            ctl(sluice, "block del ip 127.0.0.1")
    # pipelined: envelope and message in one go, blocked before the dot
    t = clear(sluice)
    t.send(MAIL + "\r\n" + RCPT + "\r\nDATA\r\n")
    t.next(250), t.next(250), t.next(354)
    ctl(sluice, "block add cred alice")
    t.send(b"x\r\n.\r\nNOOP\r\n" + MAIL.encode() + b"\r\n")
    sent_away(t, "pipelined")
    got = hops.stats(sluice)
    case.equal((got["ledger_accepted"], got["ledger_queued"]), (0, 0))
    case.equal(hops.js(sluice, "queue", "list"), [])
    sluice.stop()


# --- doors ----------------------------------------------------------------------

def greeting(sluice, source=None):
    t = Talk(sluice.port, source=source, greet=False)
    got = t.reply()
    t.close()
    return got


def login(sluice, user, password, source=None):
    t = Talk(sluice.clear, source=source)
    t.ehlo()
    got = t.say("AUTH PLAIN " + plain(user, password))
    with contextlib.suppress(Closed, OSError):
        t.close()
    return got


@story
def connections_and_logins(work):
    sluice = gate(work, conf='contact "helpdesk, phone 1234";\n')
    case.equal(login(sluice, "alice", "secret-a")[0], 235)  # and is remembered
    out = ctl(sluice, "--json block add cred Alice@EXAMPLE.com --reason phished")
    entry = json.loads(out.stdout)
    case.equal((entry["value"], entry["durable"], entry["result"]),
               ("alice", True, "blocked"))
    for user in ("alice", "ALICE", "alice@example.com", " Alice "):
        code, text = login(sluice, user, "secret-a")
        case.equal(code, 525, user)
        case.contains(text, "5.7.13")
        case.contains(text, "helpdesk, phone 1234")
        case.contains(text, "[%s]" % entry["id"])
    case.equal(login(sluice, "alice", "wrong")[0], 535)
    case.equal(login(sluice, "bob", "secret-b")[0], 235)
    why = ctl(sluice, "why [%s]" % entry["id"]).stdout
    case.contains(why, "phished")
    ctl(sluice, "block add cred alice --stealth")
    case.equal(login(sluice, "alice", "secret-a"), login(sluice, "alice", "no"))
    ctl(sluice, "block del cred alice")
    case.equal(login(sluice, "alice", "secret-a")[0], 235)
    # addresses: the longest match counts; for a time: a 421
    ctl(sluice, "block add ip 127.0.0.0/8 --for 1h")
    case.equal(greeting(sluice)[0], 421)
    ctl(sluice, "block add ip 127.0.0.2")
    case.equal(greeting(sluice, "127.0.0.2")[0], 554)
    ctl(sluice, "block del ip 127.0.0.0/8")
    case.equal(greeting(sluice)[0], 220)
    case.equal(greeting(sluice, "127.0.0.2")[0], 554)
    ctl(sluice, "block del ip 127.0.0.2")
    case.equal(greeting(sluice, "127.0.0.2")[0], 220)
    sluice.stop()


@story
def what_is_said_not_who(work):
    """Senders, recipients and bodies: the command is refused, the session is
    not sent away."""
    sluice = gate(work)
    t = clear(sluice)
    digest = hashlib.sha256(HEAD + b"the body\r\n").hexdigest()
    t.submit(HEAD + b"the body\r\n")
    ctl(sluice, "block add from @bad.example")
    ctl(sluice, "block add domain .worse.example")
    t.expect("MAIL FROM:<a@BAD.example>", 550, "5.7.1")
    t.expect("MAIL FROM:<a@sub.bad.example>", 250)
    t.expect("RCPT TO:<x@sub.worse.example>", 550, "5.7.1")
    t.expect("RCPT TO:<x@worse.example.net>", 250)
    t.expect("RSET", 250)
    ctl(sluice, "block add hash " + digest.upper())
    t.envelope()
    t.data(HEAD + b"the body\r\n", 550, "5.7.1")
    t.envelope()
    t.data(HEAD + b"another body\r\n", 250)
    t.quit()
    case.equal(len(hops.js(sluice, "block", "list")), 3)
    sluice.stop()


# --- the queue --------------------------------------------------------------------

@story
def queued_mail_is_held_and_goes(work):
    """Two blocks over the same mail: it goes when the last of them has gone."""
    hub, sluice = waiting(work)
    a, b = session(sluice), session(sluice, "bob", "secret-b")
    hops.submit(a, hops.message(1), ["a@hub.example"])
    hops.submit(b, hops.message(2), ["b@hub.example"])
    deferred(sluice, 2)
    ctl(sluice, "block add cred alice --reason one")
    ctl(sluice, "block add domain hub.example --reason two")
    hub.is_open = True
    ctl(sluice, "queue flush")
    held = hops.queue(sluice, "--state", "held")
    case.equal(sorted(held), ["a@hub.example", "b@hub.example"])
    case.equal(held["a@hub.example"]["holds"], ["block"])
    hops.wait(lambda: hops.stats(sluice)["queue_held_by_rule_recipients"] == 2,
              "both held")
    ctl(sluice, "block del domain hub.example")
    hops.wait(lambda: len(hub.mails) == 1, "bob's")
    time.sleep(0.3)
    case.equal([m["to"] for m in hub.mails], [["b@hub.example"]])
    began = time.monotonic()
    ctl(sluice, "block del cred alice")
    hops.wait(lambda: len(hub.mails) == 2, "alice's")
    print("     held mail left %.0f ms after its block went" % (
        (time.monotonic() - began) * 1000))
    assert time.monotonic() - began < SECOND
    case.equal(hub.mails[1]["to"], ["a@hub.example"])
    hops.drained(sluice)
    hops.ledger(sluice, accepted=2, delivered=2)
    sluice.stop()


@story
def reject_queued_and_undo(work):
    hub, sluice = waiting(work)
    a, b = session(sluice), session(sluice, "bob", "secret-b")
    for n in range(5):
        hops.submit(a, hops.message(n), ["a%d@hub.example" % n, "c@hub.example"])
    hops.submit(b, hops.message(9), ["b@hub.example"])
    deferred(sluice, 11)
    got = hops.js(sluice, "block", "add", "cred", "alice", "--reject-queued")
    case.equal((got["purged"]["messages"], got["purged"]["recipients"]), (5, 10))
    case.equal(list(hops.queue(sluice)), ["b@hub.example"])
    hops.ledger(sluice, accepted=11, queued=1, purged=10)
    [trash] = hops.js(sluice, "trash")
    case.equal((trash["id"], trash["messages"], trash["recipients"]),
               (got["purged"]["id"], 5, 10))
    undone = hops.js(sluice, "undo", got["purged"]["id"])
    case.equal((undone["messages"], undone["recipients"]), (5, 10))
    hops.ledger(sluice, accepted=11, queued=11)
    hub.is_open = True
    ctl(sluice, "queue flush")
    hops.wait(lambda: len(hub.mails) == 1, "bob's")
    time.sleep(0.3)  # alice is blocked yet: hers are held
    case.equal(len(hub.mails), 1)
    ctl(sluice, "block del cred alice")
    hops.wait(lambda: len(hub.mails) == 6, "alice's")
    hops.drained(sluice)
    hops.ledger(sluice, accepted=11, delivered=11)
    sluice.stop()


@story
def it_ends_by_itself(work):
    hub, sluice = waiting(work)
    a = session(sluice)
    hops.submit(a, hops.message(1), ["a@hub.example"])
    a.quit()
    deferred(sluice, 1)
    seconds = 5 * hops.PATIENCE
    began = time.monotonic()
    ctl(sluice, "block add cred alice --for %ds" % seconds)
    hub.is_open = True
    ctl(sluice, "queue flush")
    case.equal(login_tls(sluice), 525)
    while login_tls(sluice) != 235:
        assert time.monotonic() - began < seconds + 2 * SECOND, "it stays"
        time.sleep(0.05)
    took = time.monotonic() - began
    assert took >= seconds - 1.1, took  # whole seconds of the wall clock
    hops.wait(lambda: hub.mails, "what it held")
    hops.wait(lambda: hops.js(sluice, "block", "list") == [], "the list")
    sluice.stop()
    sluice.start()
    case.equal(hops.js(sluice, "block", "list"), [])
    sluice.stop()


def login_tls(sluice):
    t = Talk(sluice.port)
    t.starttls()
    code = t.say("AUTH PLAIN " + plain("alice", "secret-a"))[0]
    t.close()
    return code


@story
def it_survives(work):
    """A restart and a kill right behind the answer; holds and hidden ones too."""
    sluice = gate(work)
    ctl(sluice, "block add cred alice --reason restart")
    ctl(sluice, "hold --cred bob --yes")
    sluice.stop()
    sluice.start()
    case.equal(login(sluice, "alice", "secret-a")[0], 525)
    ctl(sluice, "block add ip 127.0.0.9 --stealth", check=False)
    ctl(sluice, "block del cred alice")
    ctl(sluice, "block add ip 127.0.0.3 --for 1h --reason kill")
    sluice.kill()
    sluice.start()
    case.equal(login(sluice, "alice", "secret-a")[0], 235)
    case.equal(greeting(sluice, "127.0.0.3")[0], 421)
    [hold, block] = hops.js(sluice, "block", "list")
    case.equal((hold["action"], hold["value"]), ("hold", "bob"))
    case.equal((block["action"], block["reason"]), ("refuse", "kill"))
    assert block["until"] and block["author"].startswith("uid "), block
    trail = [e["command"] for e in hops.js(sluice, "audit", "--limit", "3")]
    case.equal(trail, ["block add ip 127.0.0.3 --for 1h --reason kill",
                       "block del cred alice", "hold --cred bob --yes"])
    sluice.stop()


# --- lists ------------------------------------------------------------------------

@story
def a_hundred_thousand_prefixes(work):
    """Import and export, while other commands answer."""
    sluice = gate(work)
    count = 20000 if case.SLOW else 100000
    path = work.write("list", "# spamhaus\n" + "".join(
        "ip 10.%d.%d.%d/30 reason=\"listed %d\"\n" % (
            n >> 14, n >> 6 & 255, n << 2 & 255, n) for n in range(count)))
    slowest, done = [0], threading.Event()

    def look():
        while not done.is_set():
            began = time.monotonic()
            ctl(sluice, "block list ip 10.0.0.0/30 --limit 1")
            slowest[0] = max(slowest[0], time.monotonic() - began)
    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    began = time.monotonic()
    out = hops.js(sluice, "block", "import", path)
    took = time.monotonic() - began
    case.equal((out["result"], out["added"], out["renewed"]),
               ("imported", count, 0))
    began = time.monotonic()
    text = ctl(sluice, "block export").stdout
    exported = time.monotonic() - began
    done.set()
    watcher.join()
    print("     %d entries: import %.1f s, export %.1f s, the slowest other "
          "answer %.0f ms" % (count, took, exported, slowest[0] * 1000))
    assert slowest[0] < SECOND, slowest
    case.equal(text.count("\nip 10."), count)
    case.equal(greeting(sluice)[0], 220)
    # one wrong line: none of them
    wrong = work.write("wrong", "cred carl\nip 10.0.0.1/30\n")
    got = ctl(sluice, "block import " + wrong, check=False)
    case.equal(got.returncode, 1)
    case.contains(got.stderr, "line 2: '10.0.0.1/30' has bits set")
    case.equal(hops.js(sluice, "block", "list", "cred"), [])
    # what was exported goes into an empty list, by a pipe
    began = time.monotonic()
    sluice.stop()
    sluice.start()
    print("     restart with them: %.1f s" % (time.monotonic() - began))
    again = ctl(sluice, "block import -", stdin=text)
    case.contains(again.stdout, "0 new, {:,} renewed".format(count))
    sluice.stop()


# --- under load -------------------------------------------------------------------

@story
def commands_answer_in_a_flood(work):
    """5,000 sessions open, a login floods, a purge runs: status, top, block
    answer in under a second, and the block ends the flood."""
    want = 500 if case.SLOW else 5000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < want + 2000:
        want = hard - 2000
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sluice = gate(work, conf="connections 20000; preauth 10m; "
                  "connections-per-address 0;\n")
    idle = []
    for n in range(want):
        s = socket.socket()
        s.bind(("127.0.%d.%d" % (1 + n // 200, 1 + n % 200), 0))
        s.connect(("127.0.0.1", sluice.port))
        idle.append(s)
    hops.wait(lambda: hops.stats(sluice)["sessions"] >= want, "the sessions")
    sent, enough = [0] * 20, threading.Event()

    def flood(k):
        t = None
        while not enough.is_set():
            try:
                t = t or clear(sluice)
                t.submit(HEAD + b"x" * 900 + b"\r\n", [
                    "r%d@example%d.net" % (i, k) for i in range(10)])
                sent[k] += 1
            except (Closed, AssertionError, OSError):
                t = None  # blocked, or in the middle of it
                time.sleep(0.02)
    threads = [threading.Thread(target=flood, args=(k,), daemon=True) for k in range(20)]
    for t in threads:
        t.start()
    hops.wait(lambda: sum(sent) > 100, "the flood")
    times = {}
    for _ in range(5):
        for words in ("status", "--json stats", "top", "top --by domain",
                      "block add ip 192.0.2.7 --for 1h", "block list",
                      "block del ip 192.0.2.7", "limits", "why cred alice",
                      "audit --limit 5", "hold --cred nobody --dry-run"):
            began = time.monotonic()
            ctl(sluice, words)
            times[words] = max(times.get(words, 0), time.monotonic() - began)
    for words, took in sorted(times.items()):
        print("     %-34s %4.0f ms" % (words, took * 1000))
    assert max(times.values()) < SECOND, times
    [first] = hops.js(sluice, "top", "--by", "cred", "--limit", "1")
    case.equal(first["name"], "alice")
    assert first["recipients"] >= 1000, first
    ctl(sluice, "block add cred alice")
    at = sum(sent)
    # 20 messages may have been committed and not yet answered
    time.sleep(hops.PATIENCE)
    assert sum(sent) - at <= 20, (at, sum(sent))
    enough.set()
    for t in threads:
        t.join()
    for s in idle:
        s.close()
    hops.stats(sluice)
    sluice.stop()


if __name__ == "__main__":
    case.main()
