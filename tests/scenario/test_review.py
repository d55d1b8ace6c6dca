"""What a review of the front found: each story was a way in, or a way to stay."""
import contextlib
import os
import socket
import ssl
import time

import case
import peers
from talk import Closed, Talk, gateway, session, story


def descriptors(sluice):
    return len(os.listdir("/proc/%d/fd" % sluice.process.pid))


def cut(talk):
    """The server closes, whatever it says before."""
    with contextlib.suppress(Closed, ConnectionError):
        while True:
            talk.line()


@story
def a_body_before_the_login_buys_no_time(work):
    """A refused chunk was a body in progress: at 100 octets a second a
    stranger could hold his place for days."""
    sluice = gateway(work, conf="preauth 1s; min-rate 1;\n")
    began = time.monotonic()
    talk = Talk(sluice.port)
    talk.send(b"BDAT 60000\r\n")
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < began + 4:
            talk.send(b"x" * 50)
            time.sleep(0.05)  # a client's pace
    sluice.lines("disconnect", "why=idle")
    cut(talk)


@story
def not_listening_before_the_login_buys_no_time(work):
    """A reply that waits for the client was judged by its pace alone."""
    sluice = gateway(work, conf="preauth 1s; min-rate 1;\n")
    with socket.socket() as deaf:  # small segments: the kernel holds little
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        deaf.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 100)
        deaf.connect(("127.0.0.1", sluice.port))
        deaf.settimeout(0.5)
        with contextlib.suppress(OSError):
            deaf.sendall(b"EHLO c\r\n" * 990)
        sluice.lines("disconnect", "why=idle", count=1)


@story
def behind_a_proxy_the_oldest_stranger_goes(work):
    """Where the client is told by a PROXY header nobody was shed: strangers
    who filled the house kept everybody out."""
    port = peers.free_port()
    sluice = gateway(work, conf="connections 4; preauth 60s; threads 1;\n"
                     "listen proxied { address 127.0.0.1:%d; tls starttls; "
                     "proxy 127.0.0.0/8; }\n" % port)

    def come(number):
        return Talk(port, head=b"PROXY TCP4 192.0.2.%d 192.0.2.99 5000 587\r\n"
                    % number)
    strangers = [come(i) for i in range(1, 5)]
    time.sleep(1.2)  # who has just come is not shed
    late = come(5)
    late.ehlo()
    strangers[0].next(421, "4.7.0")
    strangers[0].closed()
    for talk in strangers[1:]:
        talk.expect("NOOP", 250)


@story
def a_login_while_dovecot_is_away_is_temporary(work):
    """Without Dovecot AUTH was not offered, and 503 told the client that it
    never would be: clients then ask for another password, or give up."""
    sluice = gateway(work, auth="backend dovecot %s;" % (work / "none"),
                     users={})
    talk = Talk(sluice.port)
    offered = talk.starttls()
    assert "AUTH PLAIN LOGIN" in offered, offered
    talk.expect("AUTH PLAIN AGEAYg==", 454, "4.7.0")
    talk.quit()


@story
def a_session_is_resumed(work):
    """Tickets are sealed with keys of our own now: they must still open, in
    TLS 1.2 and 1.3, and after a reload of the certificate."""
    sluice = gateway(work)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version

        def connect(old):
            raw = socket.create_connection(("127.0.0.1", sluice.tls_port),
                                           peers.HANG_S)
            tls = context.wrap_socket(raw, session=old)
            case.contains(tls.recv(200), b"220 ")  # tickets come before it
            kept, reused = tls.session, tls.session_reused
            tls.close()
            return kept, reused
        kept, reused = connect(None)
        assert not reused
        assert connect(kept)[1], version
        sluice.ctl("reload")
        assert connect(kept)[1], version


@story
def a_flood_that_is_turned_away_stays_short_in_the_log(work):
    """Each refused connection was a line: a peer without a login filled the
    disk as fast as it could connect."""
    sluice = gateway(work, conf="connections-per-address 1; threads 1;\n")
    user = session(sluice)
    began = time.monotonic()
    for _ in range(300):
        with socket.create_connection(("127.0.0.1", sluice.port), peers.HANG_S) as s:
            s.recv(100)
    peers.wait_for(lambda: sum(
        int(l.split("more=")[1].split()[0]) if "more=" in l else 1
        for l in sluice.log_lines("refuse")) >= 300, "all told")
    took = time.monotonic() - began
    lines = [l for l in sluice.log_lines("refuse") if "stage=connect" in l]
    assert len(lines) <= 11 * (took + 3), "%d lines in %.1f s" % (
        len(lines), took)
    user.quit()


@story
def lingering_strangers_do_not_hold_descriptors(work):
    """Who was turned away kept his descriptor for two seconds, counted
    nowhere: enough of them and the process had none left."""
    sluice = gateway(work, conf="connections-per-address 1; threads 1;\n")
    user = session(sluice)
    before = descriptors(sluice)
    held = []
    for _ in range(900):
        s = socket.create_connection(("127.0.0.1", sluice.port), peers.HANG_S)
        held.append(s)
    for s in held[-20:]:
        s.recv(100)
    grown = descriptors(sluice) - before
    assert grown < 400, "%d descriptors for who is not even here" % grown
    for s in held:
        s.close()
    user.expect("NOOP", 250)
    user.quit()


if __name__ == "__main__":
    case.main()
