"""Limits are exact: N and not one more, not one less, whatever clients do."""
import contextlib
import json
import random
import re
import threading
import time

import case
import peers
from limits_help import (HEAD, KNOCKERS, Knocker, accepted, clear, crowd, door,
                         fill, finish, reload, stats, told)
from talk import Closed, Talk, delivered, field, message, plain, session, story

gate = door()
PERSON = "limit person { per credential; %s over %s; }\n"
REF = r"\[([0-9a-z]{13})\]$"


def limit(name, text, over="reject"):
    return "limit %s { %s over %s; }\n" % (name, text, over)


def ref_of(text):
    return re.search(REF, text).group(1)


# --- exactness ---------------------------------------------------------------

# label, the limit, what a client sends, how much is accepted: (rcpts, messages)
EXACT = [
    ("recipients of a login", "per credential; recipients 200/h;",
     {}, (200, 200)),
    ("recipients, three a message", "per credential; recipients 200/h;",
     {"rcpts": 3}, (200, None)),
    ("messages", "per credential; messages 150/h;", {"rcpts": 2}, (300, 150)),
    ("pace and burst", "per credential; messages 1/d burst 120;",
     {}, (120, 120)),
    ("all recipients", "per credential; all-recipients 100/d;", {}, (100, 100)),
    ("internal ones", "per credential; internal-recipients 90/h;",
     {"domain": "example.com"}, (90, 90)),
    ("bytes", "per credential; bytes %d/h;" % (100 * (len(HEAD))),
     {}, (100, 100)),
    ("a network", "per ip; prefix 24 56; recipients 200/h;", {}, (200, 200)),
    ("the site", "per site; recipients 200/h;", {}, (200, 200)),
]


@story
def exactly_so_many(work):
    sluice = gate(work, conf="internal example.com;\n")
    before = 0
    for label, text, how, (rcpts, messages) in EXACT:
        # another name is another count, from zero
        reload(sluice, work, "internal example.com;\n" +
               limit(re.sub("[^a-z]+", "-", label), text))
        got = finish(crowd(sluice, **how))
        case.equal(got[0], rcpts, label)
        if messages:
            case.equal(got[1], messages, label)
        case.equal(fill(sluice, **how), 0, label + ": nothing is left")
        case.equal(accepted(sluice) - before, rcpts, label)
        before += rcpts


@story
def each_address_and_each_login_on_its_own(work):
    conf = limit("address", "per ip; recipients 10/h;") + limit(
        "both", "per credential-ip; recipients 6/h;")
    sluice = gate(work, conf=conf, users={"alice": "secret-a", "bob": "secret-b"})
    # one login from 16 addresses: 6 each; then another: what the address has
    case.equal(finish(crowd(sluice))[0], 16 * 6)
    case.equal(finish(crowd(sluice, user="bob"))[0], 16 * 4)


@story
def a_kill_loses_no_charge(work):
    most = 3000
    sluice = gate(work, conf=PERSON % ("recipients %d/h;" % most, "reject"))
    dice = random.Random(7)
    acked = unknown = 0
    for i in range(4):
        began = accepted(sluice)
        knockers = crowd(sluice, 32, rcpts=2)
        # on a fast disk all of them are there before the last kill
        peers.wait_for(lambda: accepted(sluice) > min(began, most - 1), "the first")
        time.sleep(dice.uniform(0, 0.1))
        sluice.kill()
        acked += finish(knockers, lost=True)[0]
        unknown += sum(k.open for k in knockers)
        sluice.start()
        now = accepted(sluice)
        assert acked <= now <= acked + unknown, (acked, now, unknown)
    print("     killed 4 times: %d answered, %d unknown" % (acked, unknown))
    finish(crowd(sluice))
    case.equal(accepted(sluice), most, "all that was on disk counted, no more")
    sluice.kill()
    sluice.start()
    case.equal(fill(sluice), 0, "after one more kill")


def vanish_after_rcpt(t):
    t.close()


def vanish_in_data(t):
    t.expect("DATA", 354)
    t.send(HEAD[:20])
    t.close()


def vanish_in_bdat(t):
    t.send("BDAT 1000\r\nabc")
    t.close()


def say_rset(t):
    t.expect("RSET", 250)
    t.quit()


def say_ehlo(t):
    t.ehlo()
    t.quit()


def say_quit(t):
    t.quit()


def a_bad_message(t):
    t.expect("DATA", 354)
    t.send(b"a\0b\r\n.\r\n")
    t.next(554)
    t.quit()


def twice_from(t):
    t.data(b"From: a@b\r\nFrom: c@d\r\n\r\n", 554)
    t.quit()


def a_bare_lf(t):
    t.expect("DATA", 354)
    t.send(b"a\nb\r\n.\r\n")
    t.next(521)
    t.close()


GIVE_BACK = [vanish_after_rcpt, vanish_in_data, vanish_in_bdat, say_rset,
             say_ehlo, say_quit, a_bad_message, twice_from, a_bare_lf]


@story
def what_is_not_accepted_is_given_back(work):
    sluice = gate(work, conf=PERSON % ("recipients 40/h; messages 1/d burst 30;",
                                       "reject"))
    for how in GIVE_BACK:
        talks = []
        for i in range(8):
            t = clear(sluice, source="127.0.0.%d" % (2 + i))
            t.expect("MAIL FROM:<a@example.com> SIZE=100", 250)
            for j in range(5):
                t.expect("RCPT TO:<v%d-%d@example.net>" % (i, j), 250)
            talks.append(t)
        other = clear(sluice)
        other.expect("MAIL FROM:<a@example.com>", 250)
        assert other.say("RCPT TO:<o@example.net>")[0] == 550, "40 are reserved"
        for t in talks:
            how(t)
        peers.wait_for(lambda: other.say("RCPT TO:<o@example.net>")[0] == 250,
                       "what %s held" % how.__name__)
        other.quit()
    case.equal(accepted(sluice), 0)
    finish(crowd(sluice))
    case.equal(accepted(sluice), 30)
    case.equal(stats(sluice, "messages_accepted_total"), 30)


@story
def clients_vanish_while_others_send(work):
    most = 300
    sluice = gate(work, conf=PERSON % ("recipients %d/h;" % most, "reject"))
    enough = threading.Event()

    def vanish(i):
        while not enough.is_set():
            with contextlib.suppress(OSError, Closed, AssertionError):
                t = clear(sluice, source="127.0.0.%d" % (30 + i))
                t.send("MAIL FROM:<a@example.com>\r\n" + "".join(
                    "RCPT TO:<v%d@example.net>\r\n" % j for j in range(4)))
                for _ in range(5):
                    t.reply()
                (vanish_in_data if i % 2 else vanish_after_rcpt)(t)
    ghosts = [threading.Thread(target=vanish, args=(i,)) for i in range(8)]
    for ghost in ghosts:
        ghost.start()
    finish(crowd(sluice, 32))
    enough.set()
    for ghost in ghosts:
        ghost.join()
    peers.wait_for(lambda: fill(sluice) == 0, "the last to be given back")
    case.equal(accepted(sluice), most)


@story
def a_resubmission_is_not_charged(work):
    sluice = gate(work, conf=PERSON % ("recipients 3/h; bytes 1K/h;", "reject"))
    talk = clear(sluice)
    first = talk.submit(message(1))
    for _ in range(5):
        talk.envelope()
        case.contains(talk.data(message(1)), "Already accepted as " + first)
    case.equal(fill(sluice), 2)


@story
def one_address_twice_is_one(work):
    sluice = gate(work, conf=PERSON % ("recipients 3/h;", "reject"))
    talk = clear(sluice)
    talk.envelope(["b@example.net"] * 10 + ["c@example.net", "b@example.net"])
    talk.data(HEAD)
    case.equal(accepted(sluice), 2)
    case.equal(fill(sluice), 1)


@story
def ten_rules_at_once(work):
    """All or nothing: who is refused by one has charged none of them."""
    most = 57
    names = ["credential", "ip", "site", "credential-ip"]
    conf = "".join(
        limit("wide%d" % i, "per %s; prefix 8 56; %s %d/%s;" % (
            names[i % 4], ("recipients", "messages", "all-recipients")[i % 3],
            100, ("h", "d", "30m")[i % 3])) for i in range(9))
    sluice = gate(work, conf=conf + limit(
        "tight", "per credential; recipients %d/h;" % most))
    case.equal(finish(crowd(sluice, 32))[0], most)
    # the wide ones have charged 57 each, though hundreds were refused
    reload(sluice, work, conf)
    case.equal(finish(crowd(sluice, 32))[0], 100 - most)
    case.equal(accepted(sluice), 100)


@story
def every_window_has_so_many(work):
    """A short window, until two are full: no 3 s have more than 40."""
    seconds, most = 3.0, 40
    sluice = gate(work, conf=PERSON % ("recipients %d/3s;" % most, "defer"))
    enough, lock, times = threading.Event(), threading.Lock(), []

    def knock(i):
        t = clear(sluice, source="127.0.0.%d" % (2 + i))
        while not enough.is_set():
            t.expect("MAIL FROM:<a@example.com>", 250)
            if t.say("RCPT TO:<r%d@example.net>" % i)[0] == 250:
                began = time.monotonic()
                t.data(HEAD)
                with lock:
                    times.append((began, time.monotonic()))
            else:
                t.close()  # who stays is slowed
                t = clear(sluice, source="127.0.0.%d" % (2 + i))
        t.close()
    threads = [threading.Thread(target=knock, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    peers.wait_for(lambda: len(times) > 2 * most, "more than one window has")
    enough.set()
    for thread in threads:
        thread.join()
    times.sort()
    # a message counts somewhere between its RCPT and its 250
    for began, _ in times:
        inside = [1 for b, e in times if b >= began and e <= began + seconds]
        assert len(inside) <= most, "%d in a window of %d" % (len(inside), most)


# --- what the client is told, and what becomes of the mail --------------------

@story
def defer_and_reject(work):
    sluice = gate(work, conf=limit(
        "soft", "per credential; recipients 2/h;", "defer") + limit(
        "hard", "per credential; all-recipients 4/10m;") +
        "contact \"helpdesk, phone 1234\";\ninternal example.com;\n")
    talk = clear(sluice)
    talk.envelope(["a@example.net", "b@example.net"])
    text = talk.expect("RCPT TO:<c@example.net>", 450, "4.7.1 Sending limit "
                       "reached (2 recipients per hour). Try again after ")
    soft = ref_of(text)
    talk.expect("RCPT TO:<d@example.com>", 250)
    talk.expect("RCPT TO:<e@example.com>", 250)
    text = talk.expect("RCPT TO:<f@example.com>", 550, "5.7.1 Sending limit of 4 "
                       "all recipients per 10m reached. It frees at ")
    case.contains(text, "ask helpdesk, phone 1234 [")
    # the stronger of both
    text = talk.expect("RCPT TO:<g@example.net>", 550)
    case.equal(ref_of(text), ref_of(talk.expect("RCPT TO:<h@example.net>", 550)))
    talk.data(HEAD)
    case.equal(accepted(sluice), 4)
    case.equal(len(told(sluice, "rule=soft")), 1)
    [line] = told(sluice, "rule=hard")
    for part in ("counted=all-recipients", "used=4", "limit=4", "action=reject",
                 "cred=alice", "client=127.0.0.1"):
        case.contains(line, part)
    refusals = sluice.log_lines("refuse")
    case.equal(field(refusals[0], "ref"), soft)
    case.equal(len({field(l, "ref") for l in refusals}), 2)
    case.equal(stats(sluice, "recipients_refused_total"), 4)
    talk.quit()


@story
def pace_sends_later(work):
    sluice = gate(work, conf=limit("person", "per credential; recipients 4/h;",
                                   "pace 150% then defer"))
    talk = clear(sluice)
    talk.envelope(["r%d@example.net" % i for i in range(6)])
    talk.expect("RCPT TO:<r7@example.net>", 450, "4.7.1")
    text = talk.data(HEAD, 250, "2.0.0 Accepted as ")
    got = re.search("Accepted as ([0-9a-z]{13}), will be sent by [0-9: -]+ "
                    r"\(sending limit\) " + REF, text)
    assert got, text
    delivered(work, 4)
    case.equal(accepted(sluice), 6)
    [line] = told(sluice, "action=pace")
    case.equal(field(line, "ref"), got.group(2))
    peers.wait_for(lambda: stats(sluice, "ledger_queued") == 2, "the outcome")


@story
def a_paced_message_leaves_in_its_time(work):
    window = 5 * peers.PATIENCE
    sluice = gate(work, conf=limit("person", "per credential; messages 2/%ds;" % window,
                                   "pace 300% then defer"))
    talk = clear(sluice)
    began = time.monotonic()
    for i in range(2):
        talk.envelope(["a%d@example.net" % i])
        case.contains(talk.data(HEAD), "Accepted as ")
    talk.envelope(["b@example.net", "c@example.net"])
    case.contains(talk.data(HEAD), "will be sent by")
    delivered(work, 2)
    peers.wait_for(lambda: stats(sluice, "ledger_delivered") == 4, "the rest")
    assert time.monotonic() - began > 0.75 * window, "both recipients waited"


@story
def hold_keeps_for_review(work):
    sluice = gate(work, conf=limit("person", "per credential; recipients 2/h;",
                                   "hold"))
    talk = clear(sluice)
    talk.envelope(["a@example.net"])
    talk.data(HEAD)
    talk.envelope(["b@example.net", "c@example.net", "d@example.net"])
    text = talk.data(HEAD, 250, "2.0.0 Accepted as ")
    assert re.search("Accepted as [0-9a-z]{13}, held for review " + REF, text), text
    # what is held was not charged: one is left
    talk.envelope(["e@example.net"])
    case.contains(talk.data(HEAD), "Accepted as ")
    delivered(work, 2)
    case.equal(stats(sluice, "ledger_held"), 3)
    case.equal(len(told(sluice, "action=hold")), 1)


@story
def bulk_goes_with_the_mailings(work):
    sluice = gate(work, conf=limit("person", "per credential; recipients 2/h;",
                                   "bulk"))
    talk = clear(sluice)
    talk.envelope(["b%d@example.net" % i for i in range(9)])
    talk.data(HEAD, 250, "2.0.0 Queued as campaign C1, 9 recipients")
    delivered(work, 9)
    talk.envelope(["c@example.net"])  # it has charged nothing to the person
    talk.data(b"Subject: y\r\n\r\nanother\r\n", 250, "2.0.0 Accepted as ")


@story
def bytes_are_judged_by_what_came(work):
    sluice = gate(work, conf=PERSON % ("bytes 10000/h;", "reject"))
    talk = clear(sluice)

    def send(size, lie, rcpt, dot):
        talk.expect("MAIL FROM:<a@example.com>" +
                    (" SIZE=%d" % lie if lie else ""), 250)
        code, text = talk.say("RCPT TO:<b@example.net>")
        case.equal(code, rcpt, text)
        if rcpt != 250:
            talk.expect("RSET", 250)
            return text
        head = b"Subject: x\r\n\r\n"  # 14 octets
        return talk.data(head + (b"y" * 98 + b"\r\n") * (size // 100), dot)
    # (more than the limit ever allows: no time would help)
    text = send(0, 10001, 550, None)
    case.contains(text, "more than the sending limit of 10000 bytes per hour ever")
    send(900, 9000, 250, 250)  # 9000 reserved, 914 charged
    send(8900, 100, 250, 250)  # a small lie is found at the dot
    text = send(200, 100, 250, 550)
    case.contains(text, "5.7.1 Sending limit of 10000 bytes per hour reached")
    send(100, 0, 250, 250)
    send(100, 100, 550, None)
    case.equal(accepted(sluice), 3)


@story
def observe_changes_nothing(work):
    rule = "per credential; all-recipients 3/h; bytes 1K/h;"
    rows = [
        ("the limit", limit("person", rule + " observe on;")),
        ("all", "observe on;\n" + limit("person", rule)),
        ("the class", "class staff { observe on; }\n" + limit("person", rule)),
    ]
    for label, conf in rows:
        sluice = gate(work, conf=conf, users={}, name=label.replace(" ", "-"))
        sluice.ctl("user", "add", "alice", "--class", "staff", "--address",
                   "a@example.com", stdin="secret-a\n")
        talk = clear(sluice)
        for i in range(3):
            talk.envelope(["r%d@example.net" % j for j in range(5)])
            text = talk.data(HEAD, 250)
            assert re.fullmatch("2.0.0 Accepted as [0-9a-z]{13}", text), text
        case.equal(accepted(sluice), 15, label)
        # once a message and rule
        case.equal(len(told(sluice, "observed=yes", "counted=all-recipients")), 3,
                   label)
        for line in told(sluice):
            case.contains(line, "action=reject", label)
        assert not sluice.log_lines("refuse")
        talk.quit()
        sluice.stop()


@story
def a_grant_is_for_one_login(work):
    sluice = gate(work, conf=PERSON % ("recipients 3/h;", "reject"),
                  users={"alice": "secret-a", "bob": "secret-b"})
    case.equal(fill(sluice), 3)
    talk = clear(sluice)
    talk.expect("MAIL FROM:<a@example.com>", 250)
    text = talk.expect("RCPT TO:<r@example.net>", 550, "limit of 3 recipients")
    # in the middle of a message, and at once
    sluice.ctl("grant", "--cred", "ALICE", "--recipients", "2", "--until", "1h")
    talk.expect("RCPT TO:<r@example.net>", 250)
    talk.expect("RCPT TO:<s@example.net>", 250)
    talk.expect("RCPT TO:<t@example.net>", 550, "limit of 5 recipients")
    talk.data(HEAD)
    talk.quit()
    case.equal(finish(crowd(sluice, 16, user="bob"))[0], 3)
    sluice.kill()  # it is kept
    sluice.start()
    case.equal(fill(sluice), 0)
    sluice.ctl("grant", "--cred", "alice", "--recipients", "4", "--until", "1h")
    case.equal(finish(crowd(sluice, 16))[0], 2)
    shown = sluice.ctl("--json", "limits", "--cred", "alice").stdout
    [line] = json.loads(shown)["limits"]
    case.equal((line["used"], line["limit"], line["configured"]), (7, 7, 3))


@story
def every_reference_is_explained(work):
    sluice = gate(work, conf=PERSON % ("recipients 3/h;", "pace 200% then defer") +
                  "from-binding domain;\ninternal example.com;\n")
    talk = clear(sluice)
    refs = []
    talk.envelope(["r%d@example.net" % i for i in range(6)])
    refs.append(ref_of(talk.expect("RCPT TO:<x@example.net>", 450)))
    refs.append(ref_of(talk.data(HEAD)))
    refs.append(ref_of(talk.expect("MAIL FROM:<x@evil.example>", 550)))
    sluice.ctl("block", "add", "domain", "bad.example", "--reason", "the flood")
    talk.expect("MAIL FROM:<a@example.com>", 250)
    refs.append(ref_of(talk.expect("RCPT TO:<x@bad.example>", 550)))
    sluice.ctl("block", "add", "cred", "alice", "--reason", "the thief")
    refs.append(ref_of(talk.expect("NOOP", 550)))
    talk.next(421)
    talk.closed()
    for ref, part in zip(refs, ("person", "person", "x@evil.example",
                                "the flood", "the thief")):
        case.contains(sluice.ctl("why", ref).stdout, part, ref)


# --- connections and logins ----------------------------------------------------

@story
def connections_at_once(work):
    sluice = gate(work, conf=limit("address", "per ip; connections 3;", "defer") +
                  limit("person", "per credential; connections 4;", "defer"))
    mine = [Talk(sluice.clear) for _ in range(3)]
    late = Talk(sluice.clear, greet=False)
    text = late.next(421, "4.7.0 Too many connections")
    ref = ref_of(text)
    late.closed()
    case.contains(told(sluice, "rule=address")[0], "ref=" + ref)
    mine[0].quit()
    peers.wait_for(lambda: Talk(sluice.clear, greet=False).reply()[0] == 220,
                   "the free place")
    inside = [clear(sluice, source="127.0.1.%d" % i) for i in range(1, 5)]
    late = Talk(sluice.clear, source="127.0.1.5")
    late.ehlo()
    late.expect("AUTH PLAIN " + plain("alice", "secret-a"), 421, "4.7.0 Too many")
    late.closed()
    inside[0].close()
    peers.wait_for(lambda: knock(sluice, "127.0.1.6") == 235, "the login")


def knock(sluice, source, password="secret-a"):
    t = Talk(sluice.clear, source=source)
    t.ehlo()
    with contextlib.closing(t):
        return t.say("AUTH PLAIN " + plain("alice", password))[0]


@story
def connections_made(work):
    sluice = gate(work, conf=limit("address", "per ip; new-connections 5/h;",
                                   "defer") + "threads 1;\n")
    codes = []
    for i in range(8):
        t = Talk(sluice.clear, greet=False)
        codes.append(t.reply())
        t.close()
    case.equal([c for c, _ in codes], [220] * 5 + [421] * 3)
    case.contains(codes[5][1], "try again after")
    # a flood is one decision
    case.equal(len({ref_of(text) for _, text in codes[5:]}), 1)
    Talk(sluice.clear, source="127.0.0.9").quit()
    sluice.stop()
    sluice.start()
    assert Talk(sluice.clear, greet=False).reply()[0] == 421, "it is kept"


@story
def sixty_four_knock_at_the_door(work):
    sluice = gate(work, conf=limit(
        "net", "per ip; prefix 8 56; new-connections 40/h;", "defer"))
    codes = []

    def come(i):
        t = Talk(sluice.clear, source="127.0.0.%d" % (2 + i), greet=False)
        codes.append(t.reply()[0])
        t.close()
    threads = [threading.Thread(target=come, args=(i,)) for i in range(KNOCKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    case.equal(sorted(codes), [220] * 40 + [421] * (KNOCKERS - 40))


@story
def failed_logins(work):
    sluice = gate(work, conf=limit("guess", "per ip; failed-logins 4/10m;", "defer"),
                  auth="backend local; fail-delay 0s; failures 1000;")
    for i in range(4):
        case.equal(knock(sluice, "127.0.0.5", "wrong%d" % i), 535)
    case.equal(knock(sluice, "127.0.0.5", "wrong"), 421)
    case.equal(knock(sluice, "127.0.0.5"), 421)
    # nobody is locked out by what another address did
    case.equal(knock(sluice, "127.0.0.6"), 235)
    [line] = told(sluice, "counted=failed-logins")[:1]
    case.contains(line, "client=127.0.0.5")


@story
def wrong_passwords_all_at_once(work):
    """45 connections had 45 guesses: each was counted when it was over."""
    sluice = gate(work, conf=limit("guess", "per ip; failed-logins 10/10m;",
                                   "defer"),
                  auth="backend local; fail-delay 0s; failures 1000;")
    codes, ready = [], threading.Barrier(45)

    def guess(i):
        t = Talk(sluice.clear, source="127.0.0.5")
        t.ehlo()
        ready.wait(peers.HANG_S)
        codes.append(t.say("AUTH PLAIN " + plain("alice", "wrong%d" % i))[0])
        t.close()
    threads = [threading.Thread(target=guess, args=(i,)) for i in range(45)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    case.equal(sorted(codes), [421] * 35 + [535] * 10)
    case.equal(knock(sluice, "127.0.0.5"), 421)
    case.equal(knock(sluice, "127.0.0.6"), 235)


# --- refusals take longer and longer --------------------------------------------

@story
def who_knocks_is_slowed(work):
    sluice = gate(work, conf=PERSON % ("recipients 1/h;", "defer") +
                  "internal example.com;\n")
    talk, other = clear(sluice), clear(sluice)
    talk.envelope(["a@example.net"])
    talk.data(HEAD)
    talk.expect("MAIL FROM:<a@example.com>", 250)
    began = time.monotonic()
    # pipelined: in order, one after the other; the good one waits its turn
    talk.send("".join("RCPT TO:<r@example.%s>\r\n" % d
                      for d in ("net", "net", "com", "net", "net")))
    codes, times = [], []
    for _ in range(5):
        codes.append(talk.reply()[0])
        times.append(time.monotonic() - began)
        other.expect("NOOP", 250)
    case.equal(codes, [450, 450, 250, 450, 450])
    # an accepted one forgives: the next is told at once
    assert 0.09 <= times[1] and 0.18 <= times[4], times
    talk.expect("RSET", 250)
    talk.expect("MAIL FROM:<a@example.com>", 250)
    talk.send("RCPT TO:<r@example.net>\r\n" * 20)
    for _ in range(4):
        talk.reply()
    # gone with answers on their way; and a stop does not wait for them
    second = clear(sluice)
    second.expect("MAIL FROM:<a@example.com>", 250)
    second.send("RCPT TO:<r@example.net>\r\n" * 30)
    second.reply()
    talk.close()
    began = time.monotonic()
    sluice.process.terminate()
    case.equal([second.reply()[0] for _ in range(29)], [450] * 29)
    assert time.monotonic() - began < 15, "answers that are late leave at a stop"
    second.close()
    case.equal(sluice.process.wait(peers.HANG_S), 0)


if __name__ == "__main__":
    case.main()
