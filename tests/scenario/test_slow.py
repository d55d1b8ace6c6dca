"""Clients that say nothing, half of it, or drip; and those that never listen."""
import contextlib
import socket
import ssl
import time

import case
import peers
from talk import (HEADER, QUICK, Talk, delivered, gateway, message, quick_gateway,
                  session, story)

def half_hello():
    """The first half of a ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    hello = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    hello = outgoing.read()
    return hello[:len(hello) // 2]


def lasted(talk, began, least, most):
    talk.closed()
    took = time.monotonic() - began
    most *= 4 * peers.PATIENCE
    assert least <= took <= most, "closed after %.2f s" % took


@story
def who_does_not_log_in_is_sent_away(work):
    preauth = 2 * peers.PATIENCE  # for all of what follows
    sluice = gateway(work, conf="preauth %ds;\n" % preauth)
    began = time.monotonic()
    mute, half, silent, early, half_start, polite = (
        Talk(sluice.tls_port, greet=False), Talk(sluice.tls_port, greet=False),
        Talk(sluice.port), Talk(sluice.port), Talk(sluice.port), Talk(sluice.port))
    inside = Talk(sluice.tls_port, tls=True)
    half.send(half_hello())
    half_start.ehlo()
    half_start.expect("STARTTLS", 220)
    half_start.send(half_hello())
    polite.ehlo()
    polite.expect("STARTTLS", 220)
    early.send(b"EHLO cli")
    user = session(sluice)
    for talk in (mute, half, half_start, polite):
        lasted(talk, began, 0.95 * preauth, 6)
    for talk in (silent, early, inside):
        talk.next(421, "4.4.2")
        lasted(talk, began, 0.95 * preauth, 6)
    # whoever logged in in time is not concerned
    user.expect("NOOP", 250)
    user.quit()
    sluice.lines("disconnect", count=8)
    sluice.lines("disconnect", "why=handshake-timeout", count=2)


@story
def talking_does_not_buy_time_before_the_login(work):
    preauth = 1 * peers.PATIENCE
    sluice = gateway(work, conf="preauth %ds;\n" % preauth)
    began = time.monotonic()
    talk = Talk(sluice.port)
    count = 0
    while True:
        talk.send(b"NOOP\r\n")
        code, _ = talk.reply()
        if code == 421:
            break
        count += 1
        time.sleep(0.05)  # a client's pace, not a wait
    lasted(talk, began, 0.9 * preauth, 3)
    assert count > 1
    # nor does an AUTH that is never finished
    began = time.monotonic()
    talk = Talk(sluice.port)
    talk.starttls()
    talk.expect("AUTH LOGIN", 334)
    talk.next(421, "4.4.2")
    lasted(talk, began, 0.9 * preauth, 3)


@story
def idle_is_between_commands(work):
    limit = 2 * peers.PATIENCE  # nor is a slow machine idle
    sluice = gateway(work, conf="idle %ds;\n" % limit)
    idle, busy, midway = session(sluice), session(sluice), session(sluice)
    midway.envelope()
    midway.expect("DATA", 354)
    began = time.monotonic()
    while time.monotonic() < began + 1.2 * limit:
        busy.expect("NOOP", 250)
        time.sleep(0.1)  # a client's pace
    idle.next(421, "4.4.2 Timeout")
    lasted(idle, began, 0.9 * limit, 5)
    busy.expect("NOOP", 250)
    # a body has the minute of min-rate, not the idle time
    midway.send(message() + b".\r\n")
    midway.next(250)
    midway.quit()
    [line] = sluice.lines("disconnect", "why=idle", count=1)
    case.contains(line, "cred=alice")
    delivered(work)


@story
def a_slow_body_is_cut_and_a_steady_one_lives(work):
    sluice = quick_gateway(work, conf="idle 5m; min-rate 100;\n")
    slow, steady, mute = session(sluice), session(sluice), session(sluice)
    for i, talk in enumerate((slow, steady, mute)):
        talk.expect("MAIL FROM:<a@example.com>", 250)
        talk.expect("RCPT TO:<b@example.net>", 250)
        if i == 1:
            talk.expect("DATA", 354)
        else:
            talk.send(b"BDAT 1000000 LAST\r\n")
    steady.send(HEADER + b"\r\n")
    began = time.monotonic()
    line = b"y" * 38 + b"\r\n"
    sent = 0
    slow.socket.settimeout(0.05)
    while time.monotonic() < began + 600 / QUICK:
        # 40 octets a second of its time, and 200
        with contextlib.suppress(OSError):
            slow.send(line[:2] * QUICK)
        while sent < (time.monotonic() - began) * QUICK * 200:
            steady.send(line)
            sent += len(line)
        try:
            slow.next(421, "4.4.2")
            break
        except TimeoutError:
            continue
    took = (time.monotonic() - began) * QUICK
    assert 55 <= took <= 600, "cut after %d s" % took
    mute.next(421, "4.4.2")
    steady.send(b"\r\n.\r\n")
    steady.next(250, "2.0.0")
    sluice.lines("disconnect", "why=slow-body", count=2)
    delivered(work)


@story
def a_client_that_never_listens(work):
    sluice = quick_gateway(work, conf="idle 20s; recipients 1000000;\n")
    user = session(sluice)
    talk = session(sluice, receive=4096)
    talk.expect("MAIL FROM:<a@example.com>", 250)
    before = peers.rss_anon_kib(sluice.process.pid)
    talk.socket.settimeout(1)
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 32 << 20:
            sent += talk.socket.send(b"RCPT TO:<same@example.net>\r\n" * 100)
    assert sent < 16 << 20, "%d octets were swallowed" % sent
    if not case.SLOW:
        grown = peers.rss_anon_kib(sluice.process.pid) - before
        assert grown < 1024, grown
    sluice.lines("disconnect", "why=slow-reader")
    assert "overflow" not in "".join(sluice.log_lines())
    talk.close()


@story
def a_client_that_listens_late(work):
    sluice = gateway(work, conf="recipients 100000;\n")
    talk = session(sluice, receive=4096)
    talk.expect("MAIL FROM:<a@example.com>", 250)
    talk.socket.settimeout(0.3)
    count, line = 0, b"RCPT TO:<same@example.net>\r\n"
    data = line * 20000
    with contextlib.suppress(TimeoutError, ssl.SSLWantWriteError):
        while count < len(data):
            count += talk.socket.send(data[count:count + 4096])
    talk.socket.settimeout(peers.HANG_S)
    answered = 0  # in turns: Python's TLS is not for two threads at once
    while answered < 20000:
        while answered < count // len(line):
            talk.next(250)
            answered += 1
        if count < len(data):
            count += talk.socket.send(data[count:count + 4096])
    talk.data(message())
    talk.quit()
    delivered(work)


if __name__ == "__main__":
    case.main()
