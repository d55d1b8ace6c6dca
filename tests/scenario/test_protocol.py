"""What a careless, an old or a hostile client says, and what it is answered."""
import os
import re
import ssl

import case
import peers
from talk import (Hop, Talk, b64, delivered, field, gateway, listener, message,
                  plain, session, story)

SMUGGLED = (b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\n"
            b"DATA\r\nFrom: evil@example.com\r\n\r\nsmuggled\r\n")


@story
def no_login_in_the_clear(work):
    sluice = gateway(work)
    talk = Talk(sluice.port)
    words = talk.ehlo()
    case.contains(words, "STARTTLS")
    assert not [w for w in words if w.startswith("AUTH")], words
    for line in ("AUTH PLAIN " + plain("alice", "secret-a"), "AUTH LOGIN",
                 "MAIL FROM:<a@example.com>"):
        talk.expect(line, 530, "5.7.0")
    talk.expect("STARTTLS", 220)
    talk.secure()
    talk.expect("MAIL FROM:<a@example.com>", 503)  # EHLO was forgotten
    words = talk.ehlo()
    case.contains(words, "AUTH PLAIN LOGIN")
    assert "STARTTLS" not in words
    for word in ("PIPELINING", "SIZE 26214400", "8BITMIME", "DSN", "CHUNKING",
                 "ENHANCEDSTATUSCODES"):
        case.contains(words, word)
    talk.expect("STARTTLS", 503)
    talk.expect("MAIL FROM:<a@example.com>", 530, "5.7.0 Authentication required")
    talk.login()
    talk.submit(message())
    talk.quit()
    delivered(work)
    assert "secret-a" not in "".join(sluice.log_lines())
    assert plain("alice", "secret-a") not in "".join(sluice.log_lines())


@story
def nothing_said_before_tls_is_heard_inside(work):
    sluice = gateway(work)
    for behind in (b"EHLO evil\r\n", b"R", b"\r\n",
                   b"EHLO evil\r\nAUTH PLAIN " + plain("alice", "secret-a").encode()
                   + b"\r\nMAIL FROM:<evil@example.com>\r\n"):
        talk = Talk(sluice.port)
        talk.ehlo()
        talk.send(b"STARTTLS\r\n" + behind)
        talk.next(454, "4.5.0", behind)
        talk.closed()
    # in a segment of its own, when it is too late for an answer
    talk = Talk(sluice.port)
    talk.ehlo()
    talk.expect("STARTTLS", 220)
    talk.send(b"RSET\r\n")
    try:
        talk.secure()
        raise AssertionError("a handshake behind clear text")
    except (ssl.SSLError, ConnectionResetError):
        pass
    # what stood before STARTTLS in one segment is fine
    talk = Talk(sluice.port)
    talk.send(b"EHLO one\r\nSTARTTLS\r\n")
    talk.next(250)
    talk.next(220)
    talk.secure()
    talk.ehlo()
    talk.login().quit()
    log = "\n".join(sluice.log_lines())
    assert "evil" not in log, log


def old_tls(version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


@story
def tls_below_1_2_is_refused(work):
    sluice = gateway(work)
    V = ssl.TLSVersion
    for version, works in ((V.TLSv1, False), (V.TLSv1_1, False),
                           (V.TLSv1_2, True), (V.TLSv1_3, True)):
        for implicit in (True, False):
            talk = Talk(sluice.tls_port if implicit else sluice.port,
                        greet=not implicit, context=old_tls(version))
            try:
                if not implicit:
                    talk.ehlo()
                    talk.expect("STARTTLS", 220)
                talk.secure()
                assert works, "%s was taken" % version
                case.equal(talk.socket.version()[-1], version.name[-1])
            except ssl.SSLError as error:
                assert not works, error
                case.contains(error.reason, "ALERT_PROTOCOL_VERSION")
    # and the session is not lost for a client that talks on in the clear
    talk = Talk(sluice.port)
    talk.send(b"\x16\x03\x01\x00\x05hello")
    talk.next(521)
    talk.closed()


@story
def a_bare_ending_of_a_command_ends_the_session(work):
    port = peers.free_port()
    sluice = gateway(work)
    sluice.common += listener(port, "line-endings normalise;")
    sluice.configure("via maildir:%s;" % (work / "mail"))
    sluice.ctl("reload")
    peers.wait_port(port)
    for line in (b"NOOP\n", b"EHLO x\nNOOP\r\n", b"\n"):
        talk = Talk(sluice.port)
        talk.send(line)
        talk.next(521, "5.5.2", line)
        talk.closed()
    # a bare CR is no ending at all: the line is one, and refused as such
    talk = Talk(sluice.port)
    talk.send(b"NOOP\rNOOP\r\nNOOP\r\r\nNOOP\r\n")
    talk.next(500, "5.5.2")
    talk.next(500, "5.5.2")
    talk.next(250)
    talk.quit()
    talk = session(sluice)
    talk.send("AUTH PLAIN\nNOOP\r\n")
    talk.next(521, "5.5.2")
    talk.closed()
    talk = Talk(port)
    talk.send(b"NOOP\nNOOP\r\n")
    talk.next(250)
    talk.next(250)
    talk.quit()


# what stands between the innocent text and the smuggled transaction, and what
# it becomes on a listener that normalises
ENDINGS = [
    (b"\n.\r\n", b"\r\n.\r\n"), (b"\r\n.\n", b"\r\n\r\n"), (b"\n.\n", b"\r\n.\r\n"),
    (b"\r.\r\n", b"\r\n.\r\n"), (b"\r\n.\r", b"\r\n\r\n"), (b"\r.\r", b"\r\n.\r\n"),
    (b"\n\n.\n\n", b"\r\n\r\n.\r\n\r\n"), (b"\r\r\n.\r\r\n", b"\r\n\r\n\r\n\r\n"),
    (b"\n.\r", b"\r\n.\r\n"), (b"\r.\n", b"\r\n.\r\n"),
    (b"\r\n\n.\r\n", b"\r\n\r\n.\r\n"), (b"\n\r\n.\n", b"\r\n\r\n\r\n"),
]


@story
def data_ends_nowhere_but_at_its_end(work):
    sluice = gateway(work)
    for ending, _ in ENDINGS:
        for cut in (None, 1):  # in one segment, and each octet in its own
            talk = session(sluice)
            talk.envelope()
            talk.expect("DATA", 354)
            content = message(body=b"x" + ending + SMUGGLED + b".\r\n")
            if cut:
                at = content.index(b"x" + ending) + 1
                talk.send(content[:at])
                for i in range(at, at + len(ending)):
                    talk.send(content[i:i + 1])
                content = content[at + len(ending):]
            try:
                talk.send(content)
            except OSError:
                pass  # it is closed already
            talk.next(521, "5.5.2", ending)
            talk.closed()
    talk = session(sluice)
    talk.submit(message())
    [got] = delivered(work)
    assert b"smuggled" not in got
    case.equal(len(sluice.log_lines("accept")), 1)


@story
def normalised_endings_end_no_data_either(work):
    port = peers.free_port()
    sluice = gateway(work, listen=listener(port, "line-endings normalise;"))
    for i, (ending, becomes) in enumerate(ENDINGS):
        talk = session(sluice, port=port)
        text = message(i, b"x" + ending + SMUGGLED)
        talk.submit(text)
        talk.quit()
        case.equal(delivered(work)[0][-len(SMUGGLED) - len(becomes):],
                   becomes + SMUGGLED.replace(b"\r\n.", b"\r\n"), ending)
        for name in os.listdir(work / "mail/new"):
            os.unlink(work / "mail/new/" + name)


BAD = [
    ("NUL", message(body=b"a\0b\r\n"), 554, "5.6.0"),
    ("NUL in the header", b"Subject: a\0b\r\n\r\n", 554, "5.6.0"),
    ("999 octets", message(body=b"y" * 999 + b"\r\n"), 554, "5.6.0"),
    ("a long field", b"Subject: " + b"y" * 990 + b"\r\n\r\n", 554, "5.6.0"),
    ("two From", b"From: a@example.com\r\nFrom: b@example.com\r\n\r\n", 554, "5.6.0"),
    ("two Date", b"Date: a\r\nFrom: b\r\ndate : b\r\n\r\n", 554, "5.6.0"),
    ("two Message-ID", b"Message-ID: <1@a>\r\nMESSAGE-ID: <2@a>\r\n\r\n", 554, "5.6.0"),
    ("From hidden behind junk", b"From: a\r\njunk\r\nFrom: b\r\n\r\n", 554, "5.6.0"),
    ("a header of 100 KiB and more", b"X: y\r\n" * 17100 + b"\r\n", 554, "5.6.0"),
    ("a loop", b"Received: x\r\n" * 51 + b"\r\n", 554, "5.4.6"),
]
GOOD = [
    ("998 octets", message(1, b"z" * 998 + b"\r\n")),
    ("a dot", message(2, b"..\r\n")),
    ("a header of nearly 100 KiB", b"X: y\r\n" * 17000 + b"\r\n"),
    ("50 hops", b"Received: x\r\n" * 50 + message(3)),
    ("From below the header", message(4, b"From: c\r\nDate: d\r\n")),
    ("nothing", b""),
    ("8 bit", message(5, bytes(range(128, 256)) + b"\r\n")),
]


@story
def malformed_messages_are_refused_and_the_session_lives(work):
    sluice = gateway(work)
    talk = session(sluice)
    for what, content, code, part in BAD:
        talk.envelope()
        talk.data(content, code, part)
        talk.envelope()
        talk.send(b"BDAT %d LAST\r\n" % len(content) + content + b"NOOP\r\n")
        talk.next(code, part, what)
        talk.next(250)
    for what, content in GOOD:
        talk.envelope()
        talk.data(content)
    talk.quit()
    got = delivered(work, len(GOOD))
    for what, content in GOOD:
        content = content.replace(b"\r\n..\r\n", b"\r\n.\r\n")
        assert [m for m in got if m.endswith(content)], what
    assert not sluice.log_lines("bare-lf")


def grown(sluice, before):
    return peers.rss_anon_kib(sluice.process.pid) - before


@story
def a_megabyte_without_a_line_costs_nothing(work):
    sluice = gateway(work)
    Talk(sluice.port).quit()
    before = peers.rss_anon_kib(sluice.process.pid)
    talks = []
    for start in (b"", b"EHLO ", b"AUTH PLAIN ", b"MAIL FROM:<", b"\xff"):
        for secured in (False, True):
            talk = session(sluice) if secured else Talk(sluice.port)
            try:
                talk.send(start + b"A" * (1 << 20))
            except OSError:
                pass
            talk.next(500, "5.5", start)
            talk.closed()
            talks.append(talk)
    for talk in talks:
        talk.close()
    for begin in (b"DATA\r\n", b"BDAT 8388608 LAST\r\n"):
        talk = session(sluice)
        talk.envelope()
        talk.send(begin)
        if begin[:1] == b"D":
            talk.next(354)
        for _ in range(8):
            talk.send(b"A" * (1 << 20))
        if begin[:1] == b"D":
            talk.send(b"\r\n.\r\n")
        talk.next(554, "5.6.0")
        talk.quit()
    if not case.SLOW:  # a sanitiser keeps what was freed
        assert grown(sluice, before) < 2048, grown(sluice, before)


def chunk(content, last=False):
    return b"BDAT %d%s\r\n" % (len(content), b" LAST" if last else b"") + content


@story
def chunks_arrive_octet_by_octet_exact(work):
    sluice = gateway(work)
    talk = session(sluice)
    text = message(1, b"..two dots\r\n.\r\nQUIT\r\n\r\n.\r\nend without CRLF")
    ways = [
        [text], [text, b""], [text[:1], text[1:]],
        [text[i:i + 1] for i in range(len(text))],
        [b"", text, b"", b""],
        [text[:i] for i in (text.index(b"\r\n") + 1,)] +
        [text[text.index(b"\r\n") + 1:]],
    ]
    for i, way in enumerate(ways):
        talk.envelope(("r%d@example.net" % i,))
        for part in way[:-1]:
            talk.send(chunk(part))
            talk.next(250, "%d octets" % len(part))
        talk.send(chunk(way[-1], last=True))
        talk.next(250, "2.0.0")
    # all at once, with the next message behind it
    talk.send(b"MAIL FROM:<a@example.com> BODY=8BITMIME\r\nRCPT TO:<p@example.net>\r\n"
              + chunk(text[:20]) + chunk(text[20:], last=True)
              + b"MAIL FROM:<a@example.com>\r\nRCPT TO:<q@example.net>\r\n"
              + chunk(text, last=True))
    for _ in range(7):
        talk.next(250)
    talk.quit()
    for got in delivered(work, len(ways) + 2):
        assert got.endswith(text + b"\r\n"), got


@story
def chunks_with_wrong_lengths(work):
    sluice = gateway(work)
    for line in (b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 99999999999999999999",
                 b"BDAT 5 FIRST", b"BDAT 5 LAST LAST", b"BDAT 9223372036854775808",
                 b"BDAT 0x10", b"BDAT 5\tLAST"):
        talk = session(sluice)
        talk.envelope()
        talk.send(line + b"\r\nAAAA\r\nQUIT\r\n")
        code, text = talk.reply()
        assert code in (500, 501), (line, code, text)
        if code == 501:
            talk.closed()
        talk.close()
    # more than announced: what follows is read as commands, as RFC 3030 has it
    talk = session(sluice)
    talk.envelope()
    talk.send(b"BDAT 8 LAST\r\nX: y\r\n\r\nNOT A COMMAND\r\nNOOP\r\n")
    talk.next(250)
    talk.next(500, "5.5.1")
    talk.next(250)
    talk.quit()
    delivered(work)
    # less than announced: the client waits, hangs up, and nothing was sent
    talk = session(sluice)
    talk.envelope()
    talk.send(b"BDAT 1000 LAST\r\n" + message(2))
    talk.close()
    talk = session(sluice)
    talk.envelope()
    talk.send(chunk(message(3)))
    talk.next(250)
    talk.close()
    peers.wait_for(lambda: len(sluice.log_lines("disconnect")) >= 12,
                   "all to be gone")
    delivered(work)


@story
def a_refused_chunk_is_read_and_thrown_away(work):
    sluice = gateway(work, conf="message-size 100K;\n")
    talk = session(sluice)
    evil = b"MAIL FROM:<evil@example.com>\r\nQUIT\r\n" * 100
    talk.send(chunk(evil, last=True) + b"NOOP\r\n")
    talk.next(503, "5.5.1")
    talk.next(250)
    talk.expect("MAIL FROM:<a@example.com>", 250)
    talk.send(chunk(evil) + b"NOOP\r\n")
    talk.next(503, "5.5.1")
    talk.next(250)
    talk.expect("RCPT TO:<b@example.net>", 250)
    big = message(1, b"0123456789abcdef" * 30 + b"\r\n")
    talk.send(chunk(big * 200) + chunk(b"RSET\r\n" * 3, last=True) + b"NOOP\r\n")
    talk.next(552, "5.3.4")
    talk.next(503, "5.5.1")
    talk.next(250)
    # chunk by chunk over the cap
    talk.envelope()
    for _ in range(100):
        talk.send(chunk(b"y" * 998 + b"\r\n"))
        talk.next(250)
    talk.send(chunk((b"y" * 998 + b"\r\n") * 3) + b"NOOP\r\n")
    talk.next(552, "5.3.4")
    talk.next(250)
    talk.envelope()
    talk.send(chunk(b"From: a@b\r\n"))
    talk.next(250)
    talk.expect("DATA", 503)
    talk.expect("RCPT TO:<c@example.net>", 503)
    talk.send(chunk(b"\r\nx\r\n", last=True))
    talk.next(250, "2.0.0")
    talk.quit()
    [got] = delivered(work)
    assert got.endswith(b"From: a@b\r\n\r\nx\r\n"), got


@story
def a_bare_ending_across_chunks(work):
    port = peers.free_port()
    sluice = gateway(work)
    sluice.common += listener(port, "line-endings normalise;")
    sluice.configure("via maildir:%s;" % (work / "mail"))
    sluice.ctl("reload")
    peers.wait_port(port)
    head = b"From: a@b\r\n\r\n"
    rows = [
        ("CR LF cut", [b"x\r", b"\ny"], 250, b"x\r\ny\r\n"),
        ("CR and text", [b"x\r", b"y"], 521, b"x\r\ny\r\n"),
        ("text and LF", [b"x", b"\ny"], 521, b"x\r\ny\r\n"),
        ("CR at the end", [b"x", b"y\r"], 521, b"xy\r\n"),
        ("CR, then an empty end", [b"x\r", b""], 521, b"x\r\n"),
        ("LF dot LF", [b"x\n", b".\n", b"y"], 521, b"x\r\n.\r\ny\r\n"),
    ]
    for i, (what, parts, code, becomes) in enumerate(rows):
        for normalise in (False, True):
            talk = session(sluice, port=port if normalise else sluice.port)
            talk.envelope(("%d%d@example.net" % (i, normalise),))
            talk.send(chunk(head))
            talk.next(250)
            talk.send(b"".join(chunk(p) for p in parts[:-1]) +
                      chunk(parts[-1], last=True))
            codes = [0]
            while len(codes) <= len(parts) and codes[-1] in (0, 250):
                codes.append(talk.reply()[0])
            case.equal(codes[-1], 250 if normalise else code, what)
            if codes[-1] == 521:
                talk.closed()
            talk.close()
    got = delivered(work, len(rows) + 1)
    for what, _, _, becomes in rows:
        assert [m for m in got if m.endswith(head + becomes)], what


@story
def a_hundred_thousand_recipients(work):
    most = 100 if case.SLOW else 2000
    sluice = gateway(work, conf="recipients %d;\n" % most)
    talk = session(sluice)
    before = peers.rss_anon_kib(sluice.process.pid)
    talk.expect("MAIL FROM:<a@example.com>", 250)

    # no error of the client's (RFC 5321 4.5.3.1.10), so nobody is sent away; in
    # turns, because Python's TLS is not for two threads at once
    codes = []
    for i in range(0, 100000, 1000):
        talk.send(b"".join(b"RCPT TO:<r%d@example.net>\r\n" % j
                           for j in range(i, i + 1000)))
        codes += [talk.reply() for _ in range(1000)]
    case.equal([c for c, _ in codes[:most]], [250] * most)
    for code, text in codes[most:]:
        assert code == 452 and text.startswith("4.5.3 "), (code, text)
    talk.expect("RSET", 250)
    with open(sluice.log) as f:
        told = [l for l in f if "code=452" in l]
    case.equal(len(told), 2, "one line for the first, one for all of them")
    case.equal(field(told[1], "count"), str(100000 - most))
    talk.close()
    if not case.SLOW:
        assert grown(sluice, before) < 4096, grown(sluice, before)
    # the first ones can be had; the rest is for the next message
    talk = session(sluice)
    talk.expect("MAIL FROM:<a@example.com>", 250)
    talk.send(b"".join(b"RCPT TO:<r%d@example.net>\r\n" % i
                       for i in range(most + 50)))
    got = [talk.reply()[0] for _ in range(most + 50)]
    case.equal(got, [250] * most + [452] * 50)
    if most <= 100:
        talk.data(message())
        delivered(work, most)
    talk.quit()


@story
def too_big_is_told_before_and_behind(work):
    sluice = gateway(work, conf="message-size 100K;\n")
    talk = Talk(sluice.port)
    case.contains(talk.starttls(), "SIZE 102400")
    talk.login()
    talk.expect("MAIL FROM:<a@example.com> SIZE=102401", 552, "5.3.4")
    talk.expect("MAIL FROM:<a@example.com> SIZE=99999999999999999999", 552, "5.3.4")
    talk.expect("MAIL FROM:<a@example.com> SIZE=x", 501)
    line = b"y" * 98 + b"\r\n"
    head = message(1, b"")
    for lines, code, part in ((1025, 552, "5.3.4"), (1000, 250, "2.0.0")):
        talk.envelope(params=" SIZE=1000")  # a lie
        talk.data(head + line * lines, code, part)
    talk.quit()
    delivered(work)


@story
def delivery_status_parameters(work):
    sluice = gateway(work)
    talk = session(sluice)
    for params, code, part in (
            (" RET=HDRS ENVID=QQ314159", 250, ""), (" ret=full", 250, ""),
            (" RET=SOME", 501, "5.5.4"), (" ENVID=a+2", 501, "5.5.4"),
            (" RET=HDRS RET=HDRS", 501, "5.5.4"), (" BODY=8BITMIME", 250, ""),
            (" BODY=BINARYMIME", 501, "5.5.4"), (" SMTPUTF8", 250, ""),
            (" AUTH=<>", 250, ""), (" NOTIFY=NEVER", 555, "5.5.4"),
            (" X=Y", 555, "5.5.4")):
        if params == " SMTPUTF8":
            talk.say("EHLO client.example.com")
        talk.expect("MAIL FROM:<a@example.com>" + params, code, part)
        talk.expect("RSET", 250)
    talk.expect("MAIL FROM:<a@example.com>", 250)
    for params, code in ((" NOTIFY=NEVER", 250), (" NOTIFY=SUCCESS,delay", 250),
                         (" NOTIFY=NEVER,SUCCESS", 501), (" NOTIFY=", 501),
                         (" ORCPT=rfc822;b@example.net", 250), (" ORCPT=b", 501),
                         (" SIZE=1", 555)):
        talk.expect("RCPT TO:<b@example.net>" + params, code)
    talk.quit()


@story
def smtputf8_only_when_the_next_hop_can(work):
    for can in (False, True):
        hop = Hop(ehlo=("SMTPUTF8",) if can else ())
        sluice = gateway(
            work, "via hub;", name="utf8-%d" % can, conf="relay hub { address "
            "127.0.0.1:%d; tls none; }\n" % hop.port)
        talk = session(sluice)
        talk.submit(message(can))  # so that the hop is known
        peers.wait_for(lambda: hop.messages, "the hop")
        offered = peers.wait_for(lambda: talk.ehlo())
        if can:
            peers.wait_for(lambda: "SMTPUTF8" in talk.ehlo(), "SMTPUTF8")
            talk.envelope(("\u00fc@example.net",), params=" SMTPUTF8")
            talk.data(message(3))
            peers.wait_for(lambda: len(hop.messages) == 2, "the hop")
            case.equal(hop.messages[1][1], ["\u00fc@example.net"])
            talk.expect("MAIL FROM:<a@example.com>", 250)
        else:
            assert "SMTPUTF8" not in offered, offered
            talk.expect("MAIL FROM:<a@example.com> SMTPUTF8", 555)
            talk.expect("MAIL FROM:<a@example.com>", 250)
        talk.expect("RCPT TO:<\u00fc@example.net>", 553, "5.6.7")
        talk.quit()
        sluice.stop()


@story
def commands_that_do_nothing_and_commands_that_are_not_ours(work):
    sluice = gateway(work)
    talk = session(sluice)
    for line, code, part in (
            ("NOOP", 250, "2.0.0"), ("noop anything", 250, ""), ("HELP", 214, ""),
            ("VRFY alice", 252, ""), ("VRFY", 501, "5.5.4"), ("EXPN all", 502, "5.5.1"),
            ("TURN", 502, ""), ("XYZZY", 500, "5.5.1"), ("", 500, "5.5.2"),
            ("DATA", 503, ""), ("RCPT TO:<b@example.net>", 503, ""),
            ("MAIL FROM:<a@example.com> x", 555, "5.5.4"), ("MAIL <a@example.com>", 501, "5.5.4"),
            ("MAIL FROM:<a b@example.com>", 501, "5.1.7"),
            ("EHLO", 501, ""), ("RSET", 250, ""), ("RSET now", 501, "")):
        talk.expect(line, code, part)
    talk.quit()
    talk = Talk(sluice.port)
    talk.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@example.com>\r\n")
    talk.next(521, "5.5.1")
    talk.closed()
    talk = Talk(sluice.port)
    talk.say("EHLO x")
    talk.expect("MAIL FROM:<a@example.com>", 530, "5.7.0")
    talk.quit()


@story
def login_spoken_in_every_way(work):
    sluice = gateway(work)
    name, password = b64("alice"), b64("secret-a")

    def fresh():
        talk = Talk(sluice.port)
        talk.starttls()
        return talk

    def prompts(talk, first, *answers):
        got = talk.say(first)
        for prompt, said in zip(("Username:", "Password:")[-len(answers):], answers):
            case.equal(got, (334, b64(prompt)), first)
            got = talk.say(said)
        return got

    for first, answers in (
            ("AUTH LOGIN", (name, password)), ("auth login", (name, password)),
            ("AUTH LOGIN " + name, (password,)),  # Outlook, Outlook Express
            ("AUTH LOGIN ", (name, password)),
            ("Auth Login " + name + " ", (password,))):
        talk = fresh()
        got = prompts(talk, first, *answers)
        Talk.check(got, 235, "2.7.0", first)
        talk.expect("AUTH LOGIN", 503, "5.5.1")
        talk.expect("AUTH PLAIN " + plain("alice", "secret-a"), 503, "5.5.1")
        assert not [w for w in talk.ehlo() if w.startswith("AUTH")]
        talk.submit(message())
        talk.quit()
    talk = fresh()
    talk.expect("AUTH PLAIN", 334)
    talk.expect(plain("alice", "secret-a"), 235)
    talk = fresh()
    talk.expect("AUTH PLAIN " + plain("alice", "secret-a", "alice"), 235)
    talk = fresh()
    for given_up in (("AUTH LOGIN",), ("AUTH LOGIN", name), ("AUTH PLAIN",)):
        for line in given_up:
            talk.expect(line, 334)
        talk.expect("*", 501)
    for first, code, part in (
            ("AUTH PLAIN !!!!", 501, "5.5.2"), ("AUTH PLAIN =", 501, ""),
            ("AUTH PLAIN " + b64("nothing"), 501, "5.5.2"),
            ("AUTH LOGIN a", 501, "5.5.2"), ("AUTH", 501, "5.5.4"),
            ("AUTH CRAM-MD5", 504, "5.5.4"), ("AUTH PLAIN a b", 501, "5.5.4"),
            ("AUTH PLAIN " + "A" * 12300, 500, "5.5.6"),
            ("AUTH PLAIN " + plain("alice", "secret-a", "carol"), 535, "5.7.8")):
        talk.expect(first, code, part)
    talk.expect("AUTH LOGIN", 334)
    talk.expect("\u00e9", 501)
    talk.expect("AUTH LOGIN", 334)
    talk.expect("A" * 12300, 500, "5.5.6")
    talk.expect("NOOP", 250)  # the line is over, and was no command
    talk.expect("AUTH LOGIN", 334)
    talk.expect("QUIT", 334)  # base64 of something, and no command
    talk.expect("*", 501)
    talk.login().quit()


@story
def twenty_errors_and_goodbye(work):
    sluice = gateway(work)
    for secured in (False, True):
        talk = session(sluice) if secured else Talk(sluice.port)
        for i in range(20):
            talk.expect("WHAT%d" % i, 500, "5.5.1")
        talk.next(421, "4.7.0 Too many errors")
        talk.closed()
    # a delivered message forgives; refused recipients do not count as much
    talk = session(sluice)
    for _ in range(2):
        for i in range(19):
            talk.expect("WHAT", 500)
        talk.expect("MAIL FROM:<a@example.com>", 250)
        for i in range(50):
            talk.expect("RCPT TO:<no address>", 501)
        talk.expect("RCPT TO:<b@example.net>", 250)
        talk.data(message())
    talk.expect("NOOP", 250)
    refused = [l for l in sluice.log_lines("refuse") if "code=421" in l]
    case.equal(len(refused), 2)
    for line in refused:
        assert re.search(r"session=\w+", line), line
    delivered(work)


if __name__ == "__main__":
    case.main()
