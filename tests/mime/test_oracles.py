#!/usr/bin/env python3
"""The walker beside GMime and Python's email package.

Usage: test_oracles.py TELL TELL_GMIME [GOOD [SPOILT [SEED]]]. Whatever either
of them finds in a message the walker must find, byte for byte, or call the
message ambiguous; in good mail nothing is ambiguous, and it must find all, and
attached what they call attached, under the same name.
"""
import collections
import email
import email.header
import glob
import hashlib
import os
import struct
import subprocess
import sys

import corpus

ATTACHMENT, AMBIGUOUS = 1, 1
Part = collections.namedtuple('Part', 'attached type digest name')


def ask(program, messages):
    """[(flags, why, [Part])] of a tell program."""
    stdin = b''.join(struct.pack('>I', len(m)) + m for m in messages)
    out = subprocess.run([program], input=stdin, stdout=subprocess.PIPE,
                         check=True).stdout
    told, parts = [], []
    for line in out.split(b'\n')[:-1]:
        line = line.decode('utf-8', 'replace')
        kind, rest = line.split(' ', 1)
        if kind == 'message':
            flags, why = rest.split(' ', 1)
            told.append((int(flags, 16), why, parts))
            parts = []
        elif kind == 'part':
            flags, kind, digest, name = rest.split(' ', 3)
            parts.append(Part(int(flags, 16) & ATTACHMENT, kind.lower(),
                              digest, name))
    assert len(told) == len(messages), (program, len(told))
    return told


def python_name(part):
    name = part.get_filename('')
    return str(email.header.make_header(email.header.decode_header(
        name.replace('\r\n', '')))) if '=?' in name else name


def ask_python(data):
    parts = []
    for part in email.message_from_bytes(data).walk():
        if part.is_multipart():
            continue
        try:
            body = part.get_payload(decode=True)
            name = python_name(part)
        except Exception:  # what it cannot read it shows to nobody
            continue
        attached = part.get_content_disposition() == 'attachment' or name
        parts.append(Part(bool(attached), part.get_content_type(),
                          hashlib.sha256(body).hexdigest(), name))
    return parts


EMPTY = hashlib.sha256(b'').hexdigest()


def missing(walk, oracle):
    have = collections.Counter(p.digest for p in walk)
    want = collections.Counter(p.digest for p in oracle if p.digest != EMPTY)
    return [p for p in oracle if want[p.digest] > have[p.digest]]


def compare_good(data, walk, oracle, who):
    flags, why, parts = walk
    errors = []
    if flags & AMBIGUOUS:
        errors.append('flags %x: %s' % (flags, why))
    errors += ['%s: not found: %s' % (who, p) for p in missing(parts, oracle)]
    by_digest = collections.defaultdict(list)
    for part in parts:
        by_digest[part.digest].append(part)
    for part in oracle:
        same = by_digest[part.digest]
        if part.attached and not any(p.attached for p in same):
            errors.append('%s: not attached: %s' % (who, part))
        if part.name and not any(p.name == part.name for p in same):
            errors.append('%s: named %s: %s' % (who, same, part))
    return errors


def report(label, data, errors):
    print('%s: %s' % (label, errors[0]))
    path = '%s-%s.eml' % (os.path.splitext(sys.argv[1])[0], label)
    with open(path, 'wb') as f:
        f.write(data)
    print('    written to', path)


def samples():
    here = os.path.dirname(os.path.abspath(__file__))
    for path in sorted(glob.glob(os.path.join(here, 'samples', '*.eml'))):
        with open(path, 'rb') as f:
            yield f.read().replace(b'\n', b'\r\n')


def main():
    tell, tell_gmime = sys.argv[1:3]
    numbers = [int(n) for n in sys.argv[3:]] + [None] * 3
    good, spoilt = corpus.make(numbers[2] or 1, numbers[0] or 600,
                               numbers[1] or 3000)
    good += samples()
    messages = good + spoilt
    walks, gmimes = ask(tell, messages), ask(tell_gmime, messages)
    failed = ambiguous = more = 0
    for i, data in enumerate(messages):
        oracles = [('GMime', gmimes[i][2]), ('Python', ask_python(data))]
        errors = []
        for who, oracle in oracles:
            if i < len(good):
                errors += compare_good(data, walks[i], oracle, who)
            elif not walks[i][0] & AMBIGUOUS:
                errors += ['%s: %s' % (who, p)
                           for p in missing(walks[i][2], oracle)]
        ambiguous += walks[i][0] & AMBIGUOUS
        more += len(walks[i][2]) > max(len(o) for _, o in oracles)
        if errors:
            failed += 1
            if failed <= 20:
                report('good-%d' % i if i < len(good) else 'spoilt-%d' % i,
                       data, errors)
    print('%d messages: %d ambiguous, %d with more than either found, '
          '%d failed' % (len(messages), ambiguous, more, failed))
    # a corpus that finds nothing to differ on would prove nothing
    assert ambiguous > len(spoilt) // 4 and more > 50
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
