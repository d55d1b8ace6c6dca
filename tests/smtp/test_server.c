#include "tests/smtp/dialogue.h"

/*
 * Scripted dialogues. Each is played whole, octet by octet and cut at each
 * offset, with answers at once, late, and late in reverse order, and with a
 * body that is paused after each piece.
 */

#define GREETING "220 mx.example ESMTP Sluice\r\n"
#define EHLO_HEAD                                               \
	"250-mx.example\r\n250-PIPELINING\r\n250-SIZE 2000\r\n" \
	"250-8BITMIME\r\n"
#define EHLO_TAIL "250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250 DSN\r\n"
#define EHLO_AUTH EHLO_HEAD "250-AUTH PLAIN LOGIN\r\n" EHLO_TAIL
#define EHLO EHLO_HEAD EHLO_TAIL
#define OK_MAIL "250 2.1.0 OK\r\n"
#define OK_RCPT "250 2.1.5 OK\r\n"
#define GO "354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED "250 2.0.0 Queued\r\n"
#define BARE "521 5.5.2 Bare line feed received; lines must end with CRLF\r\n"

enum {
	WITH_AUTH = 1 << 0, /* offered */
	NEED_AUTH = 1 << 1, /* required */
	NEED_TLS = 1 << 2,
	WITH_UTF8 = 1 << 3,
	NORMALISE = 1 << 4,
	WITH_TLS = 1 << 5, /* STARTTLS offered */
};

struct row {
	const char *label;
	int options;
	const char *script; /* behind EHLO x */
	const char *wire;   /* behind the answer to it */
	const char *log;
};

#define MAIL "MAIL FROM:<a@x>\r\n"
#define RCPT "RCPT TO:<b@y>\r\n"
#define LOG_MAIL "mail a@x\n"
#define LOG_RCPT "rcpt b@y\n"

static const struct row rows[] = {
    {"one message", 0, MAIL RCPT "DATA\r\nHi\r\n..\r\n.\r\nQUIT\r\n",
     OK_MAIL OK_RCPT GO QUEUED "221 2.0.0 Bye\r\n",
     LOG_MAIL LOG_RCPT "data\nHi\r\n.\r\ndot\nclose quit\n"},
    {"two messages", 0,
     MAIL RCPT "DATA\r\n1\r\n.\r\n" MAIL RCPT "DATA\r\n2\r\n.\r\n",
     OK_MAIL OK_RCPT GO QUEUED OK_MAIL OK_RCPT GO QUEUED,
     LOG_MAIL LOG_RCPT "data\n1\r\ndot\n" LOG_MAIL LOG_RCPT "data\n2\r\ndot\n"},
    {"replies keep the order of recipients", 0,
     MAIL "RCPT TO:<1@y>\r\nRCPT TO:<no@y>\r\nRCPT TO:<bad\r\n"
	  "RCPT TO:<later@y>\r\nRCPT TO:<2@y>\r\nDATA\r\n.\r\n",
     OK_MAIL OK_RCPT "550 5.1.2 No such domain\r\n"
		     "501 5.1.3 Address not valid: <bad\r\n"
		     "450 4.7.1 Later\r\n" OK_RCPT GO QUEUED,
     LOG_MAIL "rcpt 1@y\nrcpt no@y\nrcpt later@y\nrcpt 2@y\ndata\ndot\n"},
    {"row 18: too many recipients", 0,
     MAIL "RCPT TO:<1@y>\r\nRCPT TO:<no@y>\r\nRCPT TO:<2@y>\r\n"
	  "RCPT TO:<3@y>\r\nRCPT TO:<4@y>\r\nRCPT TO:<5@y>\r\nRSET\r\n",
     OK_MAIL OK_RCPT "550 5.1.2 No such domain\r\n" OK_RCPT OK_RCPT
		     "452 4.5.3 Too many recipients (maximum 3); send the "
		     "rest separately or use the bulk queue\r\n"
		     "452 4.5.3 Too many recipients (maximum 3); send the "
		     "rest separately or use the bulk queue\r\n"
		     "250 2.0.0 OK\r\n",
     LOG_MAIL "rcpt 1@y\nrcpt no@y\nrcpt 2@y\nrcpt 3@y\nreset\n"},
    {"421 to a recipient closes", 0,
     MAIL "RCPT TO:<1@y>\r\nRCPT TO:<bye@y>\r\nRCPT TO:<2@y>\r\n",
     OK_MAIL OK_RCPT "421 4.7.0 Go away\r\n", NULL},
    {"refused MAIL", 0, "MAIL FROM:<no@x>\r\n" RCPT "DATA\r\n" MAIL,
     "550 5.7.1 Not you\r\n503 5.5.1 Send MAIL first\r\n"
     "503 5.5.1 Send MAIL first\r\n" OK_MAIL,
     "mail no@x\n" LOG_MAIL},
    {"no recipient stands", 0,
     MAIL "DATA\r\nRCPT TO:<no@y>\r\nDATA\r\n" RCPT "DATA\r\n.\r\n",
     OK_MAIL "503 5.5.1 Send RCPT first\r\n550 5.1.2 No such domain\r\n"
	     "554 5.5.1 No valid recipients\r\n" OK_RCPT GO QUEUED,
     LOG_MAIL "rcpt no@y\n" LOG_RCPT "data\ndot\n"},
    {"refused DATA ends the transaction", 0,
     "MAIL FROM:<nodata@x>\r\n" RCPT "DATA\r\n" RCPT MAIL,
     OK_MAIL OK_RCPT
     "451 4.3.0 No data now\r\n503 5.5.1 Send MAIL first\r\n" OK_MAIL,
     "mail nodata@x\n" LOG_RCPT "data\nreset\n" LOG_MAIL},
    {"refused message", 0,
     "MAIL FROM:<infected@x>\r\n" RCPT "DATA\r\n.\r\n" MAIL,
     OK_MAIL OK_RCPT GO "550 5.7.0 Infected\r\n" OK_MAIL,
     "mail infected@x\n" LOG_RCPT "data\ndot\n" LOG_MAIL},
    {"RSET and EHLO end the transaction", 0,
     MAIL "RSET\r\nRSET\r\n" MAIL "EHLO z\r\n" RCPT,
     OK_MAIL "250 2.0.0 OK\r\n250 2.0.0 OK\r\n" OK_MAIL EHLO
	     "503 5.5.1 Send MAIL first\r\n",
     LOG_MAIL "reset\n" LOG_MAIL "reset\nehlo z\n"},
    {"MAIL twice", 0, MAIL MAIL,
     OK_MAIL "503 5.5.1 A mail transaction is already under way\r\n", LOG_MAIL},
    {"HELO", 0, "HELO pc (x) \xff\r\n" MAIL, "250 mx.example\r\n" OK_MAIL,
     "helo pc??x???\n" LOG_MAIL},
    {"HELO and EHLO need a name", 0, "HELO\r\nEHLO \r\n",
     "501 5.5.4 Syntax: HELO hostname\r\n501 5.5.4 Syntax: EHLO hostname\r\n",
     ""},
    {"case and blanks", 0,
     "mail from: <a@x>  SIZE=1 \r\nrCpT tO:b@y  \r\nrset  \r\n",
     OK_MAIL OK_RCPT "250 2.0.0 OK\r\n", LOG_MAIL LOG_RCPT "reset\n"},
    {"null sender, postmaster, route", 0,
     "MAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\nRCPT TO:<@a,@b:c@d>\r\n"
     "RCPT TO:<>\r\n",
     OK_MAIL OK_RCPT OK_RCPT "501 5.1.3 Address not valid: <>\r\n",
     "mail \nrcpt Postmaster\nrcpt c@d\n"},
    {"row 23: syntax", 0,
     "MAIL FROM:<a b@x>\r\nMAIL FROM:<postmaster>\r\nMAIL <a@x>\r\n"
     "MAIL\r\n" MAIL "RCPT TO:x y\r\nRCPT b@y\r\n",
     "501 5.1.7 Address not valid: <a\r\n"
     "501 5.1.7 Address not valid: <postmaster>\r\n"
     "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"
     "501 5.5.4 Syntax: MAIL FROM:<address>\r\n" OK_MAIL
     "501 5.1.3 Address not valid: x\r\n"
     "501 5.5.4 Syntax: RCPT TO:<address>\r\n",
     LOG_MAIL},
    {"parameters", 0,
     "MAIL FROM:<a@x> SMTPUTF8\r\nMAIL FROM:<a@x> SIZE=x\r\n"
     "MAIL FROM:<a@x> RET=FULL RET=FULL\r\n" MAIL
     "RCPT TO:<b@y> NOTIFY=NEVER,DELAY\r\nRCPT TO:<b@y> X=1\r\n",
     "555 5.5.4 Parameter not recognised: SMTPUTF8\r\n"
     "501 5.5.4 Parameter not valid: SIZE\r\n"
     "501 5.5.4 Parameter given twice: RET\r\n" OK_MAIL
     "501 5.5.4 Parameter not valid: NOTIFY\r\n"
     "555 5.5.4 Parameter not recognised: X\r\n",
     LOG_MAIL},
    {"row 30: UTF-8 without SMTPUTF8", WITH_UTF8,
     "MAIL FROM:<\xc3\xa4@x>\r\n" MAIL
     "RCPT TO:<\xc3\xa4@y>\r\nRSET\r\nMAIL FROM:<\xc3\xa4@x> SMTPUTF8\r\n"
     "RCPT TO:<\xc3\xa4@y>\r\nRCPT TO:<\xff@y>\r\nRCPT TO:<\xc3\xbc>\r\n",
     "553 5.6.7 Internationalised address not supported on this "
     "path\r\n" OK_MAIL
     "553 5.6.7 Internationalised address not supported on this path\r\n"
     "250 2.0.0 OK\r\n" OK_MAIL OK_RCPT "501 5.1.3 Address not valid: <?@y>\r\n"
     "501 5.1.3 Address not valid: <\xc3\xbc>\r\n",
     LOG_MAIL "reset\nmail \xc3\xa4@x\nrcpt \xc3\xa4@y\n"},
    {"row 19: declared size", 0,
     "MAIL FROM:<a@x> SIZE=2001\r\nMAIL FROM:<a@x> SIZE=30000000\r\n"
     "MAIL FROM:<a@x> SIZE=2000\r\n",
     "552 5.3.4 Message is 0.1 MB, maximum is 0.0 MB\r\n"
     "552 5.3.4 Message is 28.6 MB, maximum is 0.0 MB\r\n" OK_MAIL,
     LOG_MAIL},
    {"row 40: unknown, order, syntax", 0,
     "FOO\r\n\r\n   \r\nMAI\r\nNOOP\tx\r\nDATA x\r\nRSET x\r\nRCPT "
     "TO:<a@b>\r\nDATA\r\n",
     "500 5.5.1 Command not recognised\r\n500 5.5.2 Empty command\r\n"
     "500 5.5.2 Command syntax error\r\n500 5.5.1 Command not recognised\r\n"
     "500 5.5.2 Command syntax error\r\n501 5.5.4 Syntax: DATA\r\n"
     "501 5.5.4 Syntax: RSET\r\n503 5.5.1 Send MAIL first\r\n"
     "503 5.5.1 Send MAIL first\r\n",
     ""},
    {"those that do nothing", 0,
     "NOOP\r\nNOOP x y\r\nHELP\r\nVRFY a\r\nVRFY\r\nEXPN l\r\nETRN x\r\n",
     "250 2.0.0 OK\r\n250 2.0.0 OK\r\n"
     "214 2.0.0 Mail submission: see RFC 5321 and RFC 6409\r\n"
     "252 2.0.0 Not verified; send the mail and see\r\n"
     "501 5.5.4 Syntax: VRFY address\r\n"
     "502 5.5.1 Command not implemented\r\n"
     "502 5.5.1 Command not implemented\r\n",
     ""},
    {"a browser", 0, "POST / HTTP/1.1\r\nHost: x\r\n",
     "521 5.5.1 This is a mail server\r\n", "close foreign-protocol\n"},
    {"TLS in the clear", 0, "\x16\x03\x01\x02",
     "521 5.5.2 TLS is not spoken here before STARTTLS\r\n",
     "close unexpected-tls\n"},
    {"row 38: bare LF in a command", 0, "NOOP\nMAIL FROM:<a@x>\r\n", BARE,
     "close bare-lf\n"},
    {"a bare LF behind recipients waits for their answers", 0,
     MAIL RCPT "RCPT TO:<c@y>\nNOOP\r\n", OK_MAIL OK_RCPT BARE,
     LOG_MAIL LOG_RCPT "reset\nclose bare-lf\n"},
    {"bare LF in a command, normalised", NORMALISE, "NOOP\nNOOP\r\n",
     "250 2.0.0 OK\r\n250 2.0.0 OK\r\n", ""},
    {"bare CR in a command", 0, "NOOP\rNOOP\r\nNOOP\r\n",
     "500 5.5.2 Command syntax error\r\n250 2.0.0 OK\r\n", ""},
    {"row 38: bare LF in a message", 0,
     MAIL RCPT "DATA\r\na\n.\r\nMAIL FROM:<evil@x>\r\n",
     OK_MAIL OK_RCPT GO BARE,
     LOG_MAIL LOG_RCPT "data\nareset\nclose bare-lf\n"},
    {"bare LF in a message, normalised", NORMALISE,
     MAIL RCPT "DATA\r\na\n.\r\nb\r\n.\r\n", OK_MAIL OK_RCPT GO QUEUED,
     LOG_MAIL LOG_RCPT "data\na\r\n.\r\nb\r\ndot\n"},
    {"row 1: AUTH needed", WITH_AUTH | NEED_AUTH, MAIL RCPT,
     "530 5.7.0 Authentication required\r\n503 5.5.1 Send MAIL first\r\n", ""},
    {"row 2: TLS needed", WITH_AUTH | NEED_TLS,
     MAIL "AUTH PLAIN ok\r\nSTARTTLS\r\n",
     "530 5.7.0 Must issue a STARTTLS command first\r\n"
     "530 5.7.0 Must issue a STARTTLS command first\r\n"
     "502 5.5.1 STARTTLS is not offered here\r\n",
     ""},
    {"AUTH with an initial response", WITH_AUTH | NEED_AUTH,
     "AUTH PLAIN ok\r\nAUTH PLAIN ok\r\n" MAIL,
     "235 2.7.0 Welcome\r\n503 5.5.1 Already authenticated\r\n" OK_MAIL,
     "auth PLAIN ok\n" LOG_MAIL},
    {"AUTH without one", WITH_AUTH, "auth plain\r\nok\r\n",
     "334 YXNr\r\n235 2.7.0 Welcome\r\n", "auth plain\nauth more ok\n"},
    {"AUTH with an empty one", WITH_AUTH, "AUTH PLAIN =\r\nAUTH PLAIN ok\r\n",
     "535 5.7.8 Authentication credentials invalid\r\n235 2.7.0 Welcome\r\n",
     "auth PLAIN \nauth PLAIN ok\n"},
    {"AUTH LOGIN", WITH_AUTH, "AUTH LOGIN\r\nuser\r\nok\r\n",
     "334 YXNr\r\n334 YXNr\r\n235 2.7.0 Welcome\r\n",
     "auth LOGIN\nauth more user\nauth more ok\n"},
    {"AUTH LOGIN as Outlook Express has it", WITH_AUTH,
     "AUTH LOGIN user\r\nok\r\n", "334 YXNr\r\n235 2.7.0 Welcome\r\n",
     "auth LOGIN user\nauth more ok\n"},
    {"AUTH cancelled", WITH_AUTH, "AUTH LOGIN\r\n*\r\nNOOP\r\n",
     "334 YXNr\r\n501 5.7.0 Cancelled\r\n250 2.0.0 OK\r\n",
     "auth LOGIN\nauth cancel\n"},
    {"AUTH: an empty answer", WITH_AUTH, "AUTH PLAIN\r\n\r\nNOOP\r\n",
     "334 YXNr\r\n535 5.7.8 Authentication credentials invalid\r\n"
     "250 2.0.0 OK\r\n",
     "auth PLAIN\nauth more \n"},
    {"AUTH: wrong forms", WITH_AUTH,
     "AUTH\r\nAUTH PLAIN a b\r\nAUTH CRAM-MD5\r\nAUTH PLAI\r\n",
     "501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n"
     "501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n"
     "504 5.5.4 Authentication mechanism is not offered here\r\n"
     "504 5.5.4 Authentication mechanism is not offered here\r\n",
     ""},
    {"AUTH in a transaction", WITH_AUTH, MAIL "AUTH PLAIN ok\r\n",
     OK_MAIL "503 5.5.1 AUTH is not permitted during a mail transaction\r\n",
     LOG_MAIL},
    {"AUTH not offered", 0, "AUTH PLAIN ok\r\n",
     "503 5.5.1 AUTH is not offered here\r\n", ""},
    {"row 39: NUL is seen at the end", 0,
     MAIL RCPT "DATA\r\na\r\n%b\r\n.\r\n" MAIL,
     OK_MAIL OK_RCPT GO "554 5.6.0 Message format error: NUL byte\r\n" OK_MAIL,
     LOG_MAIL LOG_RCPT "data\na\r\nreset\n" LOG_MAIL},
    {"BDAT", 0, MAIL RCPT "BDAT 4\r\nab\r\nBDAT 3 LAST\r\n.\r\n" MAIL,
     OK_MAIL OK_RCPT "250 2.0.0 4 octets received\r\n" QUEUED OK_MAIL,
     LOG_MAIL LOG_RCPT "data\nab\r\n.\r\ndot\n" LOG_MAIL},
    {"BDAT: a CRLF over two chunks", 0,
     MAIL RCPT "BDAT 3\r\nab\rBDAT 3 last\r\n\ncd",
     OK_MAIL OK_RCPT "250 2.0.0 3 octets received\r\n" QUEUED,
     LOG_MAIL LOG_RCPT "data\nab\r\ncd\r\ndot\n"},
    {"BDAT: dots are text", 0, MAIL RCPT "BDAT 9 LAST\r\n..\r\n.\r\na.",
     OK_MAIL OK_RCPT QUEUED, LOG_MAIL LOG_RCPT "data\n..\r\n.\r\na.\r\ndot\n"},
    {"BDAT 0 LAST", 0, MAIL RCPT "BDAT 3\r\nabcBDAT 0 LAST\r\n",
     OK_MAIL OK_RCPT "250 2.0.0 3 octets received\r\n" QUEUED,
     LOG_MAIL LOG_RCPT "data\nabc\r\ndot\n"},
    {"BDAT 0 LAST alone", 0, MAIL RCPT "BDAT 0 LAST\r\nNOOP\r\n",
     OK_MAIL OK_RCPT QUEUED "250 2.0.0 OK\r\n",
     LOG_MAIL LOG_RCPT "data\ndot\n"},
    {"BDAT 0", 0, MAIL RCPT "BDAT 0\r\nBDAT 1 LAST\r\na",
     OK_MAIL OK_RCPT "250 2.0.0 0 octets received\r\n" QUEUED,
     LOG_MAIL LOG_RCPT "data\na\r\ndot\n"},
    {"BDAT without MAIL is read and dropped", 0, "BDAT 6\r\nQUIT\r\nNOOP\r\n",
     "503 5.5.1 Send MAIL first\r\n250 2.0.0 OK\r\n", ""},
    {"BDAT without RCPT is read and dropped", 0,
     MAIL "BDAT 6 LAST\r\nQUIT\r\nRCPT TO:<no@y>\r\nBDAT 0 LAST\r\n" RCPT,
     OK_MAIL "503 5.5.1 Send RCPT first\r\n550 5.1.2 No such domain\r\n"
	     "554 5.5.1 No valid recipients\r\n" OK_RCPT,
     LOG_MAIL "rcpt no@y\n" LOG_RCPT},
    {"BDAT refused by the owner", 0,
     "MAIL FROM:<nodata@x>\r\n" RCPT
     "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
     OK_MAIL OK_RCPT "451 4.3.0 No data now\r\n503 5.5.1 Send MAIL "
		     "first\r\n250 2.0.0 OK\r\n",
     "mail nodata@x\n" LOG_RCPT "data\nreset\n"},
    {"BDAT 0 refused by the owner", 0,
     "MAIL FROM:<nodata@x>\r\n" RCPT "BDAT 0\r\nNOOP\r\n",
     OK_MAIL OK_RCPT "451 4.3.0 No data now\r\n250 2.0.0 OK\r\n",
     "mail nodata@x\n" LOG_RCPT "data\nreset\n"},
    {"BDAT: NUL", 0, MAIL RCPT "BDAT 5\r\na%bcdeBDAT 2 LAST\r\nxx" MAIL,
     OK_MAIL OK_RCPT "554 5.6.0 Message format error: NUL byte\r\n"
		     "503 5.5.1 Send MAIL first\r\n" OK_MAIL,
     LOG_MAIL LOG_RCPT "data\nareset\n" LOG_MAIL},
    {"BDAT: NUL is the last octet", 0, MAIL RCPT "BDAT 2\r\na%bNOOP\r\n",
     OK_MAIL OK_RCPT "554 5.6.0 Message format error: NUL byte\r\n"
		     "250 2.0.0 OK\r\n",
     LOG_MAIL LOG_RCPT "data\nareset\n"},
    {"BDAT: bare LF", 0, MAIL RCPT "BDAT 4 LAST\r\na\nbc", OK_MAIL OK_RCPT BARE,
     LOG_MAIL LOG_RCPT "data\nareset\nclose bare-lf\n"},
    {"BDAT: bare LF at the next chunk's start", 0,
     MAIL RCPT "BDAT 1\r\naBDAT 2 LAST\r\n\nb",
     OK_MAIL OK_RCPT "250 2.0.0 1 octets received\r\n" BARE,
     LOG_MAIL LOG_RCPT "data\nareset\nclose bare-lf\n"},
    {"BDAT: CR at the very end", 0, MAIL RCPT "BDAT 2 LAST\r\na\r",
     OK_MAIL OK_RCPT BARE, LOG_MAIL LOG_RCPT "data\nareset\nclose bare-lf\n"},
    {"BDAT: normalised", NORMALISE, MAIL RCPT "BDAT 5 LAST\r\na\nb\rc",
     OK_MAIL OK_RCPT QUEUED, LOG_MAIL LOG_RCPT "data\na\r\nb\r\nc\r\ndot\n"},
    {"BDAT over the size, at once", 0,
     MAIL RCPT "BDAT 3\r\nabcBDAT 1998\r\n%2BDAT 0 LAST\r\n" MAIL,
     OK_MAIL OK_RCPT "250 2.0.0 3 octets received\r\n552 5.3.4 Message is "
		     "0.1 MB, maximum is 0.0 MB\r\n503 5.5.1 Send MAIL "
		     "first\r\n" OK_MAIL,
     LOG_MAIL LOG_RCPT "data\nabcreset\n" LOG_MAIL},
    {"BDAT: no size", 0, MAIL RCPT "BDAT\r\nNOOP\r\n",
     OK_MAIL OK_RCPT "501 5.5.4 Syntax: BDAT size [LAST]\r\n",
     LOG_MAIL LOG_RCPT "reset\nclose bdat-framing\n"},
    {"BDAT: no number", 0, "BDAT x LAST\r\n",
     "501 5.5.4 Syntax: BDAT size [LAST]\r\n", "close bdat-framing\n"},
    {"BDAT: negative", 0, "BDAT -1\r\n",
     "501 5.5.4 Syntax: BDAT size [LAST]\r\n", "close bdat-framing\n"},
    {"BDAT: 2^63", 0, "BDAT 9223372036854775808\r\n",
     "501 5.5.4 Syntax: BDAT size [LAST]\r\n", "close bdat-framing\n"},
    {"BDAT: twenty digits", 0, "BDAT 00000000000000000001\r\n",
     "501 5.5.4 Syntax: BDAT size [LAST]\r\n", "close bdat-framing\n"},
    {"BDAT: word behind it", 0, "BDAT 1 FIRST\r\n",
     "501 5.5.4 Syntax: BDAT size [LAST]\r\n", "close bdat-framing\n"},
    {"BDAT: more than anybody may be asked to read", 0,
     "BDAT 9223372036854775807\r\n", "503 5.5.1 Send MAIL first\r\n",
     "close endless-chunk\n"},
    {"DATA cannot follow BDAT, nor RCPT, nor MAIL", 0,
     MAIL RCPT "BDAT 1\r\naDATA\r\n" RCPT MAIL "RSET\r\n" MAIL RCPT
	       "DATA\r\n.\r\n",
     OK_MAIL OK_RCPT
     "250 2.0.0 1 octets received\r\n503 5.5.1 DATA cannot follow BDAT\r\n"
     "503 5.5.1 The message has begun\r\n"
     "503 5.5.1 A mail transaction is already under way\r\n"
     "250 2.0.0 OK\r\n" OK_MAIL OK_RCPT GO QUEUED,
     LOG_MAIL LOG_RCPT "data\nareset\n" LOG_MAIL LOG_RCPT "data\ndot\n"},
};

/* %b is a NUL, %2 are 1,998 octets of text in short lines. */
static size_t
expand(const char *script, char *out)
{
	size_t n = 0, i;

	for (; *script != '\0'; script++) {
		if (script[0] == '%' && script[1] == 'b') {
			out[n++] = '\0';
			script++;
		} else if (script[0] == '%' && script[1] == '2') {
			for (i = 0; i < 1998; i++)
				out[n++] = "abcd\r\n"[i % 6];
			script++;
		} else {
			out[n++] = *script;
		}
	}
	return n;
}

static struct smtp_server_opts
options(int bits)
{
	return (struct smtp_server_opts){
	    .hostname = "mx.example",
	    .size_max = 2000,
	    .rcpt_max = 3,
	    .line_endings = bits & NORMALISE ? LINE_NORMALISE : LINE_REFUSE,
	    .mechanisms = bits & WITH_AUTH ? "PLAIN LOGIN" : NULL,
	    .require_auth = (bits & NEED_AUTH) != 0,
	    .require_tls = (bits & NEED_TLS) != 0,
	    .offer_utf8 = (bits & WITH_UTF8) != 0,
	    .offer_starttls = (bits & WITH_TLS) != 0,
	};
}

static void
play(const struct row *row, int answer, bool throttle, size_t cut)
{
	static char script[8192];
	struct smtp_server_opts opts = options(row->options);
	size_t n = expand(row->script, script);
	size_t wire_n, log_n;
	struct owner o;

	owner_init(&o, &opts, answer, throttle);
	owner_play(&o, "EHLO x\r\n", 8, 0);
	wire_n = o.wire.n;
	log_n = o.log.n;
	owner_play(&o, script, n, cut);
	ck_assert_msg(strcmp(buf_cstr(&o.wire) + wire_n, row->wire) == 0,
		      "%s (answer %d, throttle %d, cut %zu)\n%s", row->label,
		      answer, throttle, cut, buf_cstr(&o.wire) + wire_n);
	if (row->log != NULL)
		ck_assert_msg(strcmp(buf_cstr(&o.log) + log_n, row->log) == 0,
			      "%s (answer %d, throttle %d, cut %zu)\n%s",
			      row->label, answer, throttle, cut,
			      buf_cstr(&o.log) + log_n);
	ck_assert_msg(o.closed || smtp_server_idle(o.server),
		      "%s: a ticket was forgotten", row->label);
	owner_fini(&o);
}

START_TEST(dialogue)
{
	const struct row *row = &rows[_i];
	size_t n = strlen(row->script) + 2000, cut;
	int answer;

	for (answer = ANSWER_NOW; answer <= ANSWER_LIFO; answer++) {
		play(row, answer, false, 0);
		play(row, answer, false, SIZE_MAX);
		play(row, answer, true, 0);
		play(row, answer, true, SIZE_MAX);
	}
	n = strlen(row->script);
	for (cut = 1; cut < n; cut++) {
		play(row, ANSWER_NOW, false, cut);
		play(row, ANSWER_LIFO, true, cut);
	}
}
END_TEST

START_TEST(ehlo_offers_what_is_there)
{
	static const struct {
		const char *label;
		int options;
		bool secured;
		const char *want;
	} cases[] = {
	    {"nothing", 0, false, EHLO},
	    {"auth in the clear", WITH_AUTH, false, EHLO_AUTH},
	    {"no auth before TLS", WITH_AUTH | NEED_TLS | WITH_TLS, false,
	     EHLO_HEAD "250-STARTTLS\r\n" EHLO_TAIL},
	    {"auth inside TLS", WITH_AUTH | NEED_TLS | WITH_TLS, true,
	     EHLO_AUTH},
	    {"utf-8", WITH_UTF8, false, EHLO_HEAD "250-SMTPUTF8\r\n" EHLO_TAIL},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_server_opts opts = options(cases[i].options);
		struct owner o;

		owner_init(&o, &opts, ANSWER_NOW, false);
		if (cases[i].secured)
			smtp_server_secured(o.server, "PLAIN LOGIN");
		owner_play(&o, "EHLO x\r\n", 8, 0);
		ck_assert_msg(strcmp(buf_cstr(&o.wire) + strlen(GREETING),
				     cases[i].want) == 0,
			      "%s\n%s", cases[i].label, buf_cstr(&o.wire));
		owner_fini(&o);
	}
}
END_TEST

START_TEST(starttls_forgets_everything)
{
	static const char before[] =
	    "EHLO x\r\nAUTH PLAIN ok\r\nMAIL FROM:<a@x>\r\nSTARTTLS\r\n";
	struct smtp_server_opts opts = options(WITH_AUTH | WITH_TLS);
	struct owner o;
	size_t wire_n;

	owner_init(&o, &opts, ANSWER_NOW, false);
	owner_play(&o, before, sizeof(before) - 1, 0);
	ck_assert(o.tls);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&o.log), "reset\nstarttls\n"));
	ck_assert(!smtp_server_authenticated(o.server));
	ck_assert_str_eq(smtp_server_helo(o.server), "");
	/* Not used until TLS is up: it would not be the TLS layer's. */
	ck_assert_uint_eq(smtp_server_input(o.server, SLICE_LIT("NOOP\r\n")),
			  0);
	smtp_server_secured(o.server, "PLAIN");
	ck_assert(o.woken);
	wire_n = o.wire.n;
	owner_play(&o, "MAIL FROM:<a@x>\r\nSTARTTLS\r\n", 27, 0);
	ck_assert_str_eq(buf_cstr(&o.wire) + wire_n,
			 "503 5.5.1 Send EHLO first\r\n"
			 "503 5.5.1 TLS is already active\r\n");
	owner_fini(&o);
}
END_TEST

START_TEST(row_4_nothing_may_follow_starttls)
{
	static const char script[] = "EHLO x\r\nSTARTTLS\r\nEHLO y\r\n";
	struct smtp_server_opts opts = options(WITH_TLS);
	struct owner o;

	owner_init(&o, &opts, ANSWER_NOW, false);
	owner_play(&o, script, sizeof(script) - 1, 0);
	ck_assert_str_eq(buf_cstr(&o.wire), GREETING EHLO_HEAD
			 "250-STARTTLS\r\n" EHLO_TAIL
			 "454 4.5.0 No commands allowed to pipeline after "
			 "STARTTLS\r\n");
	ck_assert_str_eq(buf_cstr(&o.log),
			 "ehlo x\nclose starttls-pipelined\n");
	ck_assert(!o.tls);
	owner_fini(&o);
}
END_TEST

START_TEST(commands_need_ehlo)
{
	static const char script[] =
	    "MAIL FROM:<a@x>\r\nAUTH PLAIN ok\r\nNOOP\r\n";
	struct smtp_server_opts opts = options(WITH_AUTH);
	struct owner o;

	owner_init(&o, &opts, ANSWER_NOW, false);
	owner_play(&o, script, sizeof(script) - 1, 0);
	ck_assert_str_eq(buf_cstr(&o.wire),
			 GREETING "503 5.5.1 Send EHLO first\r\n"
				  "503 5.5.1 Send EHLO first\r\n"
				  "250 2.0.0 OK\r\n");
	owner_fini(&o);
}
END_TEST

START_TEST(a_greeting_can_refuse)
{
	struct smtp_server_opts opts = options(0);
	struct owner o = {.closed = false};

	buf_init(&o.wire, 1000);
	buf_init(&o.log, 1000);
	o.server = smtp_server_create(&opts, &owner_ops, &o);
	ck_assert_uint_eq(smtp_server_input(o.server, SLICE_LIT("EHLO x\r\n")),
			  0);
	smtp_server_greet(o.server, 554, "5.7.1", "Not you");
	ck_assert_str_eq(buf_cstr(&o.wire), "554 5.7.1 Not you\r\n");
	ck_assert(o.closed);
	ck_assert_uint_eq(smtp_server_input(o.server, SLICE_LIT("EHLO x\r\n")),
			  8);
	owner_fini(&o);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp/server");
	TCase *tc = tcase_create("dialogues");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, dialogue, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tc, ehlo_offers_what_is_there);
	tcase_add_test(tc, starttls_forgets_everything);
	tcase_add_test(tc, row_4_nothing_may_follow_starttls);
	tcase_add_test(tc, commands_need_ehlo);
	tcase_add_test(tc, a_greeting_can_refuse);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
