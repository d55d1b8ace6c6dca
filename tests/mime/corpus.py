"""Messages to compare readers with: as clients write them, and then spoilt.

Both are made from a seed, so that a failure can be made again.
"""
import base64
import binascii
import quopri
import random
import urllib.parse
from email.header import Header

WORDS = ('the fox jumps over a lazy dog and begins to dream -- of -- dashes '
         'from end to end = equal, (in brackets), --x and more').split()
NAMES = ['a.txt', 'two words.pdf', 'a;b.doc', 'quote".zip', 'Größe.pdf',
         '日本.png', 'a' * 90 + '.exe', 'naïve fichier à joindre.tar.gz']
TYPES = ['text/plain', 'text/html', 'image/png', 'application/pdf',
         'application/zip', 'application/octet-stream', 'text/csv',
         'audio/mpeg', 'Application/X-Thing']


def text(rng, size):
    lines = []
    while size > 0:
        line = ' '.join(rng.choice(WORDS) for _ in range(rng.randint(0, 12)))
        lines.append(line)
        size -= len(line) + 2
    return '\r\n'.join(lines).encode()


def uuencode(rng, name, data):
    lines = [b'begin 644 ' + name.encode()]
    for i in range(0, len(data), 45):
        lines.append(binascii.b2a_uu(
            data[i:i + 45], backtick=rng.random() < .5).rstrip(b'\n'))
    return b'\r\n'.join(lines + [b'`', b'end'])


def encode_name(rng, attribute, name):
    """The attribute as one of the clients writes it, folded lines in front."""
    plain = name.isascii()
    ways = ['2047', '2231', 'sections'] if not plain else ['quoted', '2231']
    if plain and name.replace('.', '').isalnum():
        ways.append('token')
    way = rng.choice(ways)
    if way == 'token':
        return '%s=%s' % (attribute, name)
    if way == 'quoted':
        return '%s="%s"' % (attribute, name.replace('"', '\\"'))
    if way == '2047':
        words = Header(name, 'utf-8', maxlinelen=70).encode(linesep='\r\n')
        return '%s="%s"' % (attribute, words)
    coded = urllib.parse.quote(name, safe='')
    if way == '2231':
        return "%s*=utf-8''%s" % (attribute, coded)
    pieces, out = [], coded
    while out:
        n = 40
        while '%' in out[n - 2:n]:
            n -= 1
        pieces.append(out[:n])
        out = out[n:]
    return ';\r\n '.join("%s*%d*=%s%s" % (attribute, i, "utf-8''" if i == 0
                                           else '', piece)
                         for i, piece in enumerate(pieces))


def leaf(rng):
    kind = rng.choice(TYPES)
    lines = ['Content-Type: ' + kind]
    shown = kind in ('text/plain', 'text/html') and rng.random() < .7
    if not shown:
        name = rng.choice(NAMES)
        if rng.random() < .7:
            lines[0] += ';\r\n\t' + encode_name(rng, 'name', name)
        if rng.random() < .7:
            lines.append('Content-Disposition: %s;\r\n %s' % (
                rng.choice(['attachment', 'inline']),
                encode_name(rng, 'filename', name)))
    elif rng.random() < .5:
        lines[0] += '; charset=utf-8'
    body = text(rng, rng.choice([0, 10, 300, 3000])) if kind.startswith('text') \
        else rng.randbytes(rng.choice([0, 1, 2, 3, 100, 2000]))
    encoding = rng.choice(['base64', 'quoted-printable', '7bit', 'x-uuencode'])
    if encoding == '7bit' and not kind.startswith('text'):
        encoding = 'base64'
    if encoding == 'x-uuencode' and (shown or not body):
        encoding = 'base64'
    if encoding == 'base64':
        body = base64.encodebytes(body).replace(b'\n', b'\r\n')
    elif encoding == 'quoted-printable':
        body = quopri.encodestring(body.replace(b'\r\n', b'\n'), quotetabs=True)
        body = body.replace(b'\n', b'\r\n')
    elif encoding == 'x-uuencode':
        body = uuencode(rng, 'a', body)
    elif shown and rng.random() < .2:
        body += b'\r\n' + uuencode(rng, 'in text.zip', rng.randbytes(100)) \
            + b'\r\n'
    if encoding != '7bit' or rng.random() < .5:
        lines.append('Content-Transfer-Encoding: ' + rng.choice(
            [encoding, encoding.upper()]))
    rng.shuffle(lines)
    return '\r\n'.join(lines).encode() + b'\r\n\r\n' + body


def boundary(rng, depth):
    return rng.choice([
        '----=_NextPart_%03d_%08X', '==============%03d%018d==',
        'Apple-Mail=_%03d-%08X', '=_mixed %03d %08X=_', "b%d'()+_,-./:=?%d",
        '%d_%d',
    ]) % (depth, rng.getrandbits(32))


def multipart(rng, depth):
    mark = boundary(rng, depth)
    quoted = not mark.replace('_', '').isalnum() or rng.random() < .5
    out = [('Content-Type: multipart/%s;%sboundary=%s\r\n\r\n' % (
        rng.choice(['mixed', 'alternative', 'related', 'mixed']),
        rng.choice([' ', '\r\n\t', '\r\n ']),
        '"%s"' % mark if quoted else mark)).encode()]
    if rng.random() < .3:
        out.append(b'This is a multi-part message in MIME format.\r\n')
    for _ in range(rng.randint(1, 4)):
        out.append(b'--' + mark.encode() + b'\r\n' + entity(rng, depth + 1)
                   + b'\r\n')
    out.append(b'--' + mark.encode() + b'--\r\n')
    if rng.random() < .2:
        out.append(b'\r\n')
    return b''.join(out)


def entity(rng, depth):
    choice = rng.random()
    if depth < 5 and choice < .3:
        return multipart(rng, depth)
    if depth < 5 and choice < .4:
        return b'Content-Type: message/rfc822\r\n\r\n' + message(rng, depth + 1)
    return leaf(rng)


def message(rng, depth=0):
    head = ('From: Ann <ann@example.com>\r\nTo: bob@example.org\r\n'
            'Subject: %s\r\nDate: Tue, 3 Nov 2026 10:11:12 +0000\r\n'
            'MIME-Version: 1.0\r\n' % rng.choice(WORDS))
    return head.encode() + (multipart(rng, depth) if rng.random() < .7
                            else entity(rng, depth))


JUNK = [b'rubbish', b' folded', b'', b' ', b'--', b'--x', b'-- ', b'begin 644 a',
        b'#0V%T', b'end', b'Content-Type: text/plain',
        b'Content-Type: application/zip', b'Content-Type: multipart/mixed;',
        b'Content-Type: multipart/mixed; boundary=zzz', b'--zzz', b'--zzz--',
        b'Content-Transfer-Encoding: base64',
        b'Content-Transfer-Encoding: 7bit',
        b'Content-Transfer-Encoding: quoted-printable',
        b'Content-Disposition: attachment; filename=x.exe',
        b'Content-Type: message/rfc822', b'Content-Type : image/gif',
        b'\tname=y.exe', b' boundary="zzz"', b'From bob Mon', b'a: b\xe4']
BITS = [b'"', b';', b'=', b'(', b')', b'\\', b'--', b' ', b'\t', b'*', b'%',
        b'\xe4', b"'", b'0', b'/', b':', b'=\r\n', b'\r\n', b'?=', b'=?']


def spoil(rng, data):
    """A few changes such as a bad client or a bad person makes."""
    for _ in range(rng.randint(1, 3)):
        lines = data.split(b'\r\n')
        at = rng.randrange(len(lines))
        # headers are where it hurts
        if rng.random() < .6:
            places = [i for i, line in enumerate(lines)
                      if line.lower().startswith((b'content-', b'--', b'\t'))]
            at = rng.choice(places) if places else at
        what = rng.randrange(8)
        if what == 0:
            del lines[at]
        elif what == 1:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif what == 2:
            lines.insert(at + rng.randint(0, 1), rng.choice(JUNK))
        elif what == 3:
            line = lines[at]
            cut = rng.randint(0, len(line))
            lines[at] = line[:cut] + rng.choice(BITS) + line[cut:]
        elif what == 4:
            line = lines[at]
            cut = rng.randint(0, len(line))
            lines[at] = line[:cut] + line[cut + 1:]
        elif what == 5:
            lines = lines[:at + 1]
        elif what == 6:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines[at] = lines[at].swapcase()
        data = b'\r\n'.join(lines)
    # as SMTP sends it; GMime leaves a CR in a part whose end lacks it
    return data if data.endswith(b'\r\n') else data + b'\r\n'


def make(seed, count, spoilt):
    """count good ones, and spoilt ones of them."""
    rng = random.Random(seed)
    good = [message(rng) for _ in range(count)]
    return good, [spoil(rng, rng.choice(good)) for _ in range(spoilt)]
