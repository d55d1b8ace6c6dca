#!/usr/bin/env python3
"""The sluice command against a daemon that is this script.

Usage: test_sluice.py SLUICE. What the daemon answers is the script's choice,
so wrong and broken-off answers are too; passwords are typed into a real
pseudo-terminal.
"""
import os
import pty
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

SLUICE = os.path.abspath(sys.argv[1])
FAILED = []


def frame(kind, body=b''):
    return struct.pack('>BI', kind, len(body)) + body


GOOD = frame(16, b'out\n') + frame(17, b'err\n') + frame(18, b'\0')


class Daemon:
    """Takes one connection, keeps its frames, answers with given bytes."""

    def __init__(self, folder, answer=GOOD, impatient=False):
        self.input, self.impatient = None, impatient
        self.path = tempfile.mktemp(dir=folder)
        self.answer = answer
        self.words, self.flags, self.secret = None, 0, None
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(4)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        peer, _ = self.socket.accept()
        peer.settimeout(20)
        body = self.take(peer)
        _, self.flags, _, count = struct.unpack('>HBHH', body[:7])
        self.words, at = [], 7
        for _ in range(count):
            n, = struct.unpack('>I', body[at:at + 4])
            self.words.append(body[at + 4:at + 3 + n].decode())
            at += 4 + n
        if self.flags & 4:
            self.secret = self.take(peer)
        if self.flags & 8:
            self.input, part = b'', None
            while part != b'' and not self.impatient:
                part = self.take(peer)
                self.input += part
        step = 1 if len(self.answer) < 1000 else 4097
        try:
            for at in range(0, len(self.answer), step):
                peer.sendall(self.answer[at:at + step])
        except BrokenPipeError:
            pass  # it has seen enough
        peer.close()

    @staticmethod
    def exactly(peer, n):
        got = b''
        while len(got) < n:
            more = peer.recv(n - len(got))
            if not more:
                raise EOFError
            got += more
        return got

    @classmethod
    def take(cls, peer):
        n, = struct.unpack('>I', cls.exactly(peer, 5)[1:])
        return cls.exactly(peer, n)


def check(label, what, detail=''):
    if not what:
        FAILED.append(label)
        print('FAILED: %s %s' % (label, detail))


def run(*args, stdin=b'', env=None):
    return subprocess.run([SLUICE, *args], input=stdin, capture_output=True,
                          timeout=120, env={**os.environ, **(env or {})})


def without_a_daemon(folder):
    rows = [
        (['--help'], 0, b'queue list', b''),
        (['--version'], 0, b'sluice ', b''),
        (['user'], 0, b'user passwd', b''),
        (['queue', 'list', '--help'], 0, b'--cred NAME', b''),
        (['quarantine'], 0, b'quarantine release', b''),
        (['scan', 'bypass', '--help'], 0, b'--off', b''),
        (['quarantine', 'del', 'x'], 2, b'',
         b"did you mean 'sluice quarantine delete x'?\n"),
        ([], 2, b'', b'usage'),
        (['frob'], 2, b'', b"no such command: 'frob'"),
        (['--frob', 'status'], 2, b'', b'no such option'),
        (['-s'], 2, b'', b'-s needs'),
        (['status', 'x'], 2, b'', b'one word too many'),
        (['block', 'cred', 'bob'], 2, b'',
         b"did you mean 'sluice block add cred bob'?\n"),
        (['block', 'import', folder + '/none'], 1, b'', b'No such file'),
        (['block', 'import', folder], 1, b'', b'Is a directory'),
        (['-s', folder + '/none', 'status'], 69, b'', b'no such socket'),
        (['-s', '/' + 'x' * 200, 'status'], 69, b'', b'too long'),
        (['config', 'check', '/nonexistent/\033'], None, b'', b''),
    ]
    for args, code, out, err in rows:
        r = run(*args)
        check('%s: exit' % args, code is None or r.returncode == code,
              r.returncode)
        check('%s: output' % args, out in r.stdout and err in r.stderr,
              r.stdout + r.stderr)
    path = folder + '/dead'
    socket.socket(socket.AF_UNIX).bind(path)
    check('dead socket', b'nobody answers' in run('-s', path, 'status').stderr)


def answers(folder):
    rows = [
        ('good', GOOD, 0, b'out\n', b'err\n'),
        ('failed', frame(18, b'\1'), 1, b'', b''),
        ('hung up', frame(16, b'half'), 69, b'half', b'hung up'),
        ('nothing', b'', 69, b'', b'hung up'),
        ('not ours', b'HTTP/1.1 400\r\n', 69, b'', b'not sluiced'),
        ('too long', b'\x10\xff\xff\xff\xff', 69, b'', b'not sluiced'),
        ('a request', frame(1, b'x'), 69, b'', b'not sluiced'),
        ('much', frame(16, b'x' * 65531) * 20 + GOOD[-6:], 0, b'x' * 65531,
         b''),
    ]
    for label, answer, code, out, err in rows:
        daemon = Daemon(folder, answer)
        r = run('status', env={'SLUICE_SOCKET': daemon.path})
        check(label + ': exit', r.returncode == code, r.returncode)
        check(label + ': output', out in r.stdout and err in r.stderr,
              (r.stdout + r.stderr)[:300])


def pager(folder):
    """Left alone for over 30 s, 'queue list | less' lost its end."""
    many = 200
    daemon = Daemon(folder, frame(16, b'x' * 65531) * many + GOOD)
    child = subprocess.Popen([SLUICE, '-s', daemon.path, 'status'],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    daemon.thread.join(30)
    check('pager: all is read although nobody pages',
          not daemon.thread.is_alive())
    out, err = child.communicate(timeout=120)
    check('pager: all is shown', child.returncode == 0 and
          out == b'x' * 65531 * many + b'out\n' and err == b'err\n', len(out))
    daemon = Daemon(folder, frame(16, b'x' * 65531) * 20 + GOOD)
    child = subprocess.Popen([SLUICE, '-s', daemon.path, 'status'],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.close()
    check('pager: ended early', child.wait(30) in (1, -13), child.returncode)
    child.stderr.close()


def requests(folder):
    daemon = Daemon(folder)
    run('-s', daemon.path, '--json', 'queue', 'list', '--cred', 'bob')
    check('words', daemon.words == ['queue', 'list', '--cred', 'bob'])
    check('json', daemon.flags == 1)
    for typed, want in ((b'pw one\nrest\n', b'pw one'), (b'pw', b'pw'),
                        (b'pw\r\n', b'pw'), (b'\xff\xfe\n', b'\xff\xfe')):
        daemon = Daemon(folder)
        r = run('-s', daemon.path, 'user', 'add', 'bob', stdin=typed)
        check('password %r' % typed, daemon.secret == want and
              r.returncode == 0, daemon.secret)
    for typed in (b'', b'\n', b'x' * 512 + b'\n'):
        r = run('-s', '/nowhere', 'user', 'add', 'bob', stdin=typed)
        check('no password %r' % typed[:9], r.returncode == 1 and
              b'password' in r.stderr, r.stderr)


def files(folder):
    """What `block import` sends: all of it, in frames, and an empty one."""
    for size in (0, 1, 65531, 65532, 1000000):
        content = bytes(range(256)) * (size // 256) + b'x' * (size % 256)
        path = '%s/list-%d' % (folder, size)
        with open(path, 'wb') as f:
            f.write(content)
        for how in ([path], ['-'], []):
            daemon = Daemon(folder)
            r = run('-s', daemon.path, 'block', 'import', *how, stdin=content)
            check('import %d %s' % (size, how), r.returncode == 0 and
                  daemon.input == content and daemon.flags == 8,
                  (r, len(daemon.input or b'')))
    # one who answers and hangs up in the middle is heard all the same
    daemon = Daemon(folder, frame(17, b'no\n') + frame(18, b'\2'), True)
    r = run('-s', daemon.path, 'block', 'import', stdin=b'x' * 5000000)
    check('import refused early', r.returncode == 2 and r.stderr == b'no\n', r)


def echo_is_on(fd):
    return bool(termios.tcgetattr(fd)[3] & termios.ECHO)


def at_terminal(folder, lines, kill=None):
    """(exit status, what was shown, the daemon, echo afterwards)"""
    daemon = Daemon(folder)
    leader, follower = pty.openpty()
    child = subprocess.Popen([SLUICE, '-s', daemon.path, 'user', 'passwd',
                              'bob'], stdin=follower, stdout=follower,
                             stderr=follower)
    shown = b''
    for line in lines:
        until = time.time() + 20
        seen = len(shown)
        while b': ' not in shown[seen:] and time.time() < until:
            shown += os.read(leader, 4096)
        check('echo is off', not echo_is_on(follower))
        os.write(leader, line)
    if kill:
        child.send_signal(kill)
    child.wait(20)
    on = echo_is_on(follower)
    os.close(follower)
    try:
        while True:
            shown += os.read(leader, 4096)
    except OSError:
        pass
    os.close(leader)
    return child.returncode, shown, daemon, on


def terminal(folder):
    code, shown, daemon, on = at_terminal(folder, [b'geheim\n', b'geheim\n'])
    check('typed twice', code == 0 and daemon.secret == b'geheim' and on,
          shown)
    check('not shown', b'geheim' not in shown, shown)
    code, shown, daemon, on = at_terminal(folder, [b'geheim\n', b'other\n'])
    check('not the same', code == 1 and b'not the same' in shown and on,
          shown)
    code, shown, daemon, on = at_terminal(folder, [b'geh'], kill=2)
    check('interrupted: echo is back', code == -2 and on, (code, shown))


class Series(Daemon):
    """Each connection gets the next answer; the last one for ever."""

    def __init__(self, folder, *answers):
        self.answers, self.asked = list(answers), 0
        super().__init__(folder)

    def serve(self):
        while True:
            peer, _ = self.socket.accept()
            self.take(peer)
            peer.sendall(self.answers[min(self.asked, len(self.answers) - 1)])
            self.asked += 1
            peer.close()


def progress(line, code):
    return frame(16, line) + frame(18, bytes([code]))


WATCH = ['campaign', 'show', 'C7', '--watch']


def watch_at_terminal(folder, answers, kill_at=None):
    """(exit status, what was shown): Ctrl-C once kill_at is shown."""
    daemon = Series(folder, *answers)
    leader, follower = pty.openpty()
    child = subprocess.Popen([SLUICE, '-s', daemon.path] + WATCH,
                             stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    shown = b''
    try:
        while True:
            shown += os.read(leader, 4096)
            if kill_at and kill_at in shown:
                child.send_signal(2)
                kill_at = None
    except OSError:
        pass
    os.close(leader)
    return child.wait(20), shown


def watch(folder):
    """One line, drawn in place on a terminal."""
    half, most, end = b'C7 running 50 %\n', b'C7 running 9 %\n', b'C7 done\n'
    daemon = Series(folder, progress(half, 75), progress(end, 0))
    r = run('-s', daemon.path, *WATCH)
    check('watch: a line each time', r.returncode == 0 and
          r.stdout == half + end and r.stderr == b'', r)
    check('watch: asked until the end', daemon.asked == 2, daemon.asked)
    code, shown = watch_at_terminal(
        folder, [progress(half, 75), progress(most, 75), progress(end, 0)])
    check('watch: drawn in place', code == 0 and shown ==
          b'\rC7 running 50 %\x1b[K\rC7 running 9 %\x1b[K\rC7 done\x1b[K\r\n',
          (code, shown))
    code, shown = watch_at_terminal(folder, [progress(half, 75)],
                                    kill_at=b'50 %\x1b[K')
    check('watch: Ctrl-C ends the line', code == -2 and
          shown == b'\rC7 running 50 %\x1b[K\r\n', (code, shown))
    code, shown = watch_at_terminal(folder, [
        progress(half, 75), frame(17, b'sluice: gone\n') + frame(18, b'\1')])
    check('watch: an error stands on a line of its own', code == 1 and
          b'%\x1b[K\r\nsluice: gone\r\n' in shown, (code, shown))
    code, shown = watch_at_terminal(folder, [progress(half, 75), b''])
    check('watch: the daemon is gone', code == 69 and
          b'%\x1b[K\r\nsluice: ' in shown and b'hung up' in shown,
          (code, shown))


def main():
    with tempfile.TemporaryDirectory() as folder:
        without_a_daemon(folder)
        answers(folder)
        requests(folder)
        files(folder)
        pager(folder)
        terminal(folder)
        watch(folder)
    print('wrong: %d' % len(FAILED))
    return 1 if FAILED else 0


if __name__ == '__main__':
    sys.exit(main())
