#include "tests/mime/walk_help.h"

/* What is no ambiguity, and how it is read. */
static const struct {
	const char *label, *in, *parts;
} plain[] = {
    {"a text", "From: a\r\n\r\nHello\r\n",
     "0 text/plain '' - identity: Hello|\n"},
    {"nothing", "", "0 text/plain '' - identity: \n"},
    {"only a header", "From: a\r\n", "0 text/plain '' - identity: \n"},
    {"only a header, cut", "From: a", "0 text/plain '' - identity: \n"},
    {"an empty line first", "\r\nHi\r\n", "0 text/plain '' - identity: Hi|\n"},
    {"LF for line ends",
     "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nHi\n--x--\n",
     "1 text/plain '' - identity: Hi\n"},
    {"two parts",
     "Content-Type: multipart/mixed; boundary=\"x\"\r\n\r\n"
     "This is a message in MIME format.\r\n"
     "--x\r\nContent-Type: text/plain\r\n\r\nHi\r\n"
     "--x\r\nContent-Type: image/PNG; name=a.png\r\n"
     "Content-Transfer-Encoding: base64\r\n\r\nSGVs\r\nbG8=\r\n\r\n"
     "--x--\r\n\r\n",
     "1 text/plain '' - identity: Hi\n"
     "1 image/png 'a.png' a base64: Hello\n"},
    {"an empty part",
     "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
     "--x\r\n\r\n--x\r\n\r\n\r\n--x--",
     "1 text/plain '' - identity: \n"
     "1 text/plain '' a identity: \n"},
    {"blanks behind a boundary",
     "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
     "--x \t\r\n\r\na\r\n--x-- \r\n",
     "1 text/plain '' - identity: a\n"},
    {"no line end behind the last boundary",
     "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
     "--x\r\n\r\na\r\n--x--",
     "1 text/plain '' - identity: a\n"},
    {"multiparts in multiparts",
     "Content-Type: multipart/mixed; boundary=aaa\r\n\r\n--aaa\r\n"
     "Content-Type: multipart/alternative; boundary=bbb\r\n\r\n"
     "--bbb\r\n\r\ntext\r\n--bbb\r\nContent-Type: text/html\r\n\r\n<p>\r\n"
     "--bbb--\r\n\r\n--aaa\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n"
     "--aaa--\r\n",
     "2 text/plain '' - identity: text\n"
     "2 text/html '' - identity: <p>\n"
     "1 application/pdf '' a identity: %PDF\n"},
    {"an attached message: its text is attached",
     "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
     "--x\r\nContent-Type: message/rfc822\r\n\r\n"
     "From: b\r\nContent-Type: text/plain\r\n\r\nHi\r\n--x--\r\n",
     "2 text/plain '' a identity: Hi\n"},
    {"a digest's parts are messages",
     "Content-Type: multipart/digest; boundary=x\r\n\r\n"
     "--x\r\n\r\nFrom: b\r\n\r\nHi\r\n"
     "--x\r\nContent-Type: text/plain\r\n\r\nHo\r\n--x--\r\n",
     "2 text/plain '' a identity: Hi\n"
     "1 text/plain '' a identity: Ho\n"},
    {"Outlook shows another text as ATT00001.htm",
     "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
     "--x\r\n\r\nHi\r\n"
     "--x\r\nContent-Type: text/html\r\n\r\n<p>\r\n--x--\r\n",
     "1 text/plain '' - identity: Hi\n"
     "1 text/html '' a identity: <p>\n"},
    {"also inside of something",
     "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
     "--x\r\n\r\nHi\r\n"
     "--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n"
     "--y\r\nContent-Type: text/html\r\n\r\n<p>\r\n--y--\r\n--x--\r\n",
     "1 text/plain '' - identity: Hi\n"
     "2 text/html '' a identity: <p>\n"},
    {"alternatives of the text are shown",
     "Content-Type: multipart/alternative; boundary=x\r\n\r\n"
     "--x\r\n\r\nHi\r\n"
     "--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n"
     "--y\r\nContent-Type: text/html\r\n\r\n<p>\r\n"
     "--y\r\nContent-Type: text/html\r\n\r\n<b>\r\n--y--\r\n--x--\r\n",
     "1 text/plain '' - identity: Hi\n"
     "2 text/html '' - identity: <p>\n"
     "2 text/html '' a identity: <b>\n"},
    {"a name of which nothing is left is a name",
     "Content-Type: text/html; name=\"a.html/\"\r\n\r\n<p>",
     "0 text/html '' a identity: <p>\n"},
    {"a name of dots",
     "Content-Disposition: inline; filename*0=.; filename*1=.\r\n\r\nHi",
     "0 text/plain '' a identity: Hi\n"},
    {"no name at all", "Content-Type: text/plain; name=\"\"\r\n\r\nHi",
     "0 text/plain '' - identity: Hi\n"},
    {"a text that not everybody shows", "Content-Type: text/richtext\r\n\r\nHi",
     "0 text/richtext '' a identity: Hi\n"},
    {"a message with a subject for a name",
     "Content-Type: message/rfc822; name=\"Hi.eml\"\r\n\r\n\r\nHi",
     "1 text/plain '' a identity: Hi\n"},
    {"a message in a message in a multipart",
     "Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed;"
     " boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
     "Content-Type: image/gif\r\n\r\nGIF\r\n--x--\r\n",
     "3 image/gif '' a identity: GIF\n"},
    {"text with a name is attached",
     "Content-Type: text/plain; name=\"a b.txt\"\r\n\r\nHi",
     "0 text/plain 'a b.txt' a identity: Hi\n"},
    {"text with a disposition is attached",
     "Content-Disposition: attachment\r\n\r\nHi",
     "0 text/plain '' a identity: Hi\n"},
    {"inline text is shown", "Content-Disposition: INLINE\r\n\r\nHi",
     "0 text/plain '' - identity: Hi\n"},
    {"inline text with a name is attached",
     "Content-Disposition: inline; filename=a.txt\r\n\r\nHi",
     "0 text/plain 'a.txt' a identity: Hi\n"},
    {"a calendar is attached", "Content-Type: text/calendar\r\n\r\nBEGIN:",
     "0 text/calendar '' a identity: BEGIN:\n"},
    {"quoted-printable",
     "Content-Type: text/html; charset=utf-8\r\n"
     "Content-Transfer-Encoding: Quoted-Printable\r\n\r\n"
     "<p>=C3=A4 a=\r\nb =3d\r\n",
     "0 text/html '' - qp: <p>\xc3\xa4 a"
     "b =|\n"},
    {"a signature's dashes",
     "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n"
     "Hi\r\n-- \r\nJoe\r\n--\r\n-----BEGIN\r\n--x--\r\n",
     "1 text/plain '' - identity: Hi|-- |Joe|--|-----BEGIN\n"},
    {"a fold in every place",
     "Content-Type:\r\n multipart/mixed;\r\n\tboundary=\r\n \"x\"\r\n\r\n"
     "--x\r\nContent-Disposition:\r\n attachment;\r\n filename=\"a\r\n b\"\r\n"
     "\r\nHi\r\n--x--\r\n",
     "1 text/plain 'a b' a identity: Hi\n"},
    {"a semicolon at the end", "Content-Type: text/plain; charset=a;\r\n\r\nHi",
     "0 text/plain '' - identity: Hi\n"},
    {"uuencode",
     "\r\nSee:\r\nbegin 644 a b.txt\r\n%2&5L;&\\\r\n`\r\nend\r\nBye\r\n",
     "0 application/octet-stream 'a b.txt' a uu: Hello\n"
     "0 text/plain '' - identity: See:|begin 644 a b.txt|%2&5L;&\\|`|end|"
     "Bye|\n"},
    {"two uuencoded files, the last without a line end",
     "\r\nbegin 644 a\r\n%2&5L;&\\\r\n`\r\nend\r\n\r\n"
     "begin 0600 dir/b\r\n\"2&D \r\n \r\nend",
     "0 application/octet-stream 'a' a uu: Hello\n"
     "0 application/octet-stream 'b' a uu: Hi\n"
     "0 text/plain '' - identity: begin 644 a|%2&5L;&\\|`|end||"
     "begin 0600 dir/b|\"2&D | |end\n"},
    {"uuencode by transfer encoding",
     "Content-Type: application/zip\r\nContent-Transfer-Encoding: x-uuencode"
     "\r\n\r\nbegin 644 a\r\n%2&5L;&\\\r\n`\r\nend\r\n",
     "0 application/zip '' a uu: Hello\n"},
    {"prose that begins so", "\r\nbegin at the beginning\r\nend.\r\n",
     "0 text/plain '' - identity: begin at the beginning|end.|\n"},
    {"winmail.dat",
     "Content-Type: application/ms-tnef; name=winmail.dat\r\n\r\nx",
     "0 application/ms-tnef 'winmail.dat' at identity: x\n"},
    {"S/MIME, encrypted",
     "Content-Type: application/pkcs7-mime; smime-type=enveloped-data;\r\n"
     " name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n",
     "0 application/pkcs7-mime 'smime.p7m' ae base64: Hello\n"},
    {"PGP",
     "Content-Type: multipart/encrypted; boundary=x;\r\n"
     " protocol=\"application/pgp-encrypted\"\r\n\r\n"
     "--x\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
     "--x\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\""
     "\r\n\r\n-----BEGIN PGP\r\n--x--\r\n",
     "1 application/pgp-encrypted '' ae identity: Version: 1\n"
     "1 application/octet-stream 'encrypted.asc' ae identity: "
     "-----BEGIN PGP\n"},
    {"a footer behind the last boundary",
     "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nHi\r\n"
     "--x--\r\n_____\r\n-- \r\n-----\r\nlist@example.com\r\n",
     "1 text/plain '' - identity: Hi\n"},
    {"an mbox line in front of an attached message",
     "Content-Type: message/rfc822\r\n\r\n>From a@b Mon\r\nFrom: c\r\n\r\nHi",
     "1 text/plain '' a identity: Hi\n"},
};

START_TEST(reads)
{
	told_all_cuts(plain[_i].label, plain[_i].in, plain[_i].parts, NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mime/walk");
	TCase *tcase = tcase_create("walk");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, reads, 0, sizeof(plain) / sizeof(plain[0]));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
