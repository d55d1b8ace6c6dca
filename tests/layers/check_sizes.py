#!/usr/bin/env python3
"""Fail on what is too big, unless its file says why at the top.

A .c file may have 700 lines, a header 200, a function 100. More needs the
word "size:" and a reason in the comment that opens the file. With --list the
largest are shown and nothing fails.
"""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
MOST = {'.c': 700, '.h': 200}
FUNCTION = 100


def tracked():
    out = subprocess.run(['git', 'ls-files', '*.c', '*.h'], cwd=TOP,
                         capture_output=True, text=True, check=True)
    return [p for p in out.stdout.split('\n')
            if p and os.path.isfile(os.path.join(TOP, p))]


def excused(text):
    """The file's first comment; a guard and includes may stand before it."""
    start = re.match(r'(?:\s*#(?:ifndef|define|include)[^\n]*\n)*\s*'
                     r'/\*(.*?)\*/', text, re.S)
    return start is not None and 'size:' in start.group(1)


def functions(lines):
    """(name, line, length); bodies stand in braces at the left margin."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == '{':
            start = number
        elif line == '}' and start is not None:
            first = start - 1
            while first > 1 and not re.match(r'\w+\(', lines[first - 1]):
                first -= 1
            yield lines[first - 1].split('(')[0], first, number - first + 1
            start = None


def measure(path, text):
    """(where, what it is, its size, the most it may have)"""
    lines = text.split('\n')
    if lines and lines[-1] == '':
        lines.pop()
    yield path, 'file', len(lines), MOST[os.path.splitext(path)[1]]
    for name, line, length in functions(lines):
        yield '%s:%d' % (path, line), name, length, FUNCTION


def self_test():
    body = 'static int\nf(int a,\n  int b)\n{\n%s}\n'
    rows = [
        ('small', 'a.c', body % ('\tx();\n' * 90), 0),
        ('long function', 'a.c', body % ('\tx();\n' * 97), 1),
        ('long file', 'a.c', 'int x;\n' * 701, 1),
        ('long header', 'a.h', 'int x;\n' * 201, 1),
        ('struct is no function', 'a.c', 'struct a {\n%s};\n' %
         ('\tint x;\n' * 150), 0),
        ('excused', 'a.c', '/* size: a table */\n' + 'int x;\n' * 800, 0),
        ('excused header', 'a.h', '#ifndef A_H\n#define A_H\n/* size: x */\n' +
         'int x;\n' * 800, 0),
        ('no reason', 'a.c', '/* big */\n' + 'int x; /* size: */\n' * 800, 1),
    ]
    bad = [label for label, path, text, want in rows
           if len(over(path, text)) != want]
    print('self-test: %d rows, wrong: %s' % (len(rows), bad or 'none'))
    return 1 if bad else 0


def over(path, text):
    if excused(text):
        return []
    return [m for m in measure(path, text) if m[2] > m[3]]


def main(args):
    if args == ['--self-test']:
        return self_test()
    all_sizes, too_big = [], []
    for path in tracked():
        with open(os.path.join(TOP, path), encoding='utf-8') as f:
            text = f.read()
        all_sizes += measure(path, text)
        too_big += over(path, text)
    if args == ['--list']:
        all_sizes.sort(key=lambda m: m[2] / m[3], reverse=True)
        for where, what, size, most in all_sizes[:20]:
            print('%4d of %d  %s  %s' % (size, most, where, what))
        return 0
    for where, what, size, most in too_big:
        print('%s: %s: %d lines, at most %d without a reason at the top' %
              (where, what, size, most))
    return 1 if too_big else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
