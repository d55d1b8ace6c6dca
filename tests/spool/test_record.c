#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "dns/verdict.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/spool/record.h"

/* Every record whole, cut at every offset, with a byte too many, and with
 * each byte changed: never more than GW_ECORRUPT. */

static struct spool_msg *
msg_full(void)
{
	struct spool_msg *msg = spool_msg_create();

	msg->accepted_wall_ms = 1700000000123;
	msg->cred = "alice";
	msg->session = "s1";
	msg->mail_from = "";
	msg->owner = "alice@example.com";
	msg->envid = "QQ+2Bx";
	msg->ret = RET_HDRS;
	msg->lane = LANE_BULK;
	msg->campaign = UINT64_C(0x8000000000000007);
	msg->flags = MSG_UTF8 | MSG_DELAYED;
	msg->prefix = SLICE_LIT("Received: x\r\n\0y\r\n");
	msg->body = (struct spool_ref){.segment = 3, .offset = 4, .length = 5};
	memset(msg->body.digest, 0xd1, DIGEST_SIZE);
	msg->has_resub_key = true;
	memset(msg->resub_key, 0x7e, DIGEST_SIZE);
	return msg;
}

static int
decode(int kind, struct slice s)
{
	struct record_segment seg;
	struct record_resub resub;
	struct record_purge purge;
	struct spool_rcpt rcpt;
	struct spool_msg msg;

	switch (kind) {
	case 0:
		memset(&msg, 0, sizeof(msg));
		return record_msg_decode(s, &msg);
	case 1:
		return record_rcpt_decode(s, &rcpt);
	case 2:
		return record_segment_decode(s, &seg);
	case 3:
		return record_resub_decode(s, &resub);
	default:
		return record_purge_decode(s, &purge);
	}
}

static char *
encode(int kind, size_t *n)
{
	struct record_segment seg = {.live_count = 2,
				     .live_bytes = 30,
				     .end = 40,
				     .first_id = 5,
				     .last_id = 9,
				     .large = true};
	struct record_resub resub = {.expiry_wall_s = 88, .key = {7, 7}};
	struct record_purge purge = {
	    .until_wall_s = -5, .messages = 6, .recipients = 7};
	struct spool_rcpt rcpt = {.address = "a@example.org",
				  .orcpt = "rfc822;a@example.org",
				  .notify = NOTIFY_DELAY,
				  .state = RCPT_HELD,
				  .domain = RCPT_DOMAIN_DEAD,
				  .domain_why = DOMAIN_WHY_NULL_MX,
				  .attempts = 65535,
				  .holds = HOLD_SCAN,
				  .next_wall_s = -1};
	struct spool_msg *msg = msg_full();
	char *p = mem_zalloc(512);

	switch (kind) {
	case 0:
		*n = record_msg_size(msg);
		record_msg_encode(msg, p);
		break;
	case 1:
		*n = record_rcpt_size(&rcpt);
		record_rcpt_encode(&rcpt, p);
		break;
	case 2:
		*n = RECORD_SEGMENT_SIZE;
		record_segment_encode(&seg, (uint8_t *)p);
		break;
	case 3:
		*n = RECORD_RESUB_SIZE;
		record_resub_encode(&resub, (uint8_t *)p);
		break;
	default:
		*n = RECORD_PURGE_SIZE;
		record_purge_encode(&purge, (uint8_t *)p);
	}
	spool_msg_destroy(&msg);
	return p;
}

START_TEST(test_damage)
{
	size_t n;
	char *p = encode(_i, &n);

	ck_assert_int_eq(decode(_i, slice_of(p, n)), 0);
	ck_assert_int_eq(decode(_i, slice_of(p, n + 1)), GW_ECORRUPT);
	for (size_t cut = 0; cut < n; cut++) {
		/* A copy of its own, so that ASan sees one byte too far. */
		char *exact = malloc(cut + (cut == 0));

		memcpy(exact, p, cut);
		ck_assert_msg(decode(_i, slice_of(exact, cut)) == GW_ECORRUPT,
			      "cut at %zu", cut);
		free(exact);
	}
	for (size_t at = 0; at < n; at++)
		for (int bit = 0; bit < 8; bit++) {
			int err;

			p[at] ^= (char)(1 << bit);
			err = decode(_i, slice_of(p, n));
			ck_assert(err == 0 || err == GW_ECORRUPT);
			p[at] ^= (char)(1 << bit);
		}
	p[0] = 99; /* another version */
	ck_assert_int_eq(decode(_i, slice_of(p, n)), GW_ECORRUPT);
	free(p);
}
END_TEST

START_TEST(test_message_round)
{
	struct spool_ref moved = {.segment = 30, .offset = 40, .length = 5};
	struct spool_msg *in = msg_full(), out;
	size_t n = record_msg_size(in);
	char *p = mem_alloc(n);

	memset(&out, 0, sizeof(out));
	record_msg_encode(in, p);
	ck_assert_int_eq(record_msg_decode(slice_of(p, n), &out), 0);
	ck_assert_str_eq(out.cred, in->cred);
	ck_assert_str_eq(out.session, in->session);
	ck_assert_str_eq(out.mail_from, "");
	ck_assert_str_eq(out.owner, in->owner);
	ck_assert_str_eq(out.envid, in->envid);
	ck_assert(slice_eq(out.prefix, in->prefix));
	ck_assert_mem_eq(&out.body, &in->body, sizeof(out.body));
	ck_assert_mem_eq(out.resub_key, in->resub_key, DIGEST_SIZE);
	ck_assert(out.has_resub_key);
	ck_assert_int_eq(out.lane, LANE_BULK);
	ck_assert(out.campaign == UINT64_C(0x8000000000000007));
	ck_assert_int_eq(out.ret, RET_HDRS);
	ck_assert_int_eq(out.flags, in->flags);
	ck_assert(out.accepted_wall_ms == in->accepted_wall_ms);
	record_msg_set_ref(p, &moved);
	ck_assert_int_eq(record_msg_decode(slice_of(p, n), &out), 0);
	ck_assert_mem_eq(&out.body, &moved, sizeof(moved));
	ck_assert_str_eq(out.envid, in->envid);
	free(p);
	spool_msg_destroy(&in);
}
END_TEST

/* What was written before there were campaigns is still read. */
START_TEST(test_message_alone)
{
	enum {
		BEFORE =
		    1 + 2 + 24 + DIGEST_SIZE + 1 + 1 + 8 + 16 + 1 + DIGEST_SIZE
	};
	struct spool_msg *in = msg_full(), out;
	size_t n = record_msg_size(in);
	char *p = mem_alloc(n);

	memset(&out, 0, sizeof(out));
	record_msg_encode(in, p);
	p[0] = 1;
	memmove(p + BEFORE, p + BEFORE + 8, n - BEFORE - 8);
	out.campaign = 5;
	ck_assert_int_eq(record_msg_decode(slice_of(p, n - 8), &out), 0);
	ck_assert(out.campaign == 0);
	ck_assert_str_eq(out.cred, in->cred);
	ck_assert(slice_eq(out.prefix, in->prefix));
	ck_assert_int_eq(record_msg_decode(slice_of(p, n), &out), GW_ECORRUPT);
	free(p);
	spool_msg_destroy(&in);
}
END_TEST

static struct slice
rcpt_encode(const struct spool_rcpt *rcpt, char *room)
{
	record_rcpt_encode(rcpt, room);
	return slice_of(room, record_rcpt_size(rcpt));
}

START_TEST(test_recipient_round)
{
	struct spool_rcpt in = {.address = "a@example.org",
				.domain = RCPT_DOMAIN_DEAD,
				.domain_why = DOMAIN_WHY_NXDOMAIN,
				.attempts = 3};
	struct spool_rcpt out = {.index = 9};
	char room[200];

	ck_assert_int_eq(record_rcpt_decode(rcpt_encode(&in, room), &out), 0);
	ck_assert_int_eq(out.domain, RCPT_DOMAIN_DEAD);
	ck_assert_int_eq(out.domain_why, DOMAIN_WHY_NXDOMAIN);
	ck_assert_int_eq(out.attempts, 3);
	ck_assert_str_eq(out.address, "a@example.org");
	ck_assert_uint_eq(out.index, 9);
	in.domain = RCPT_DOMAIN_DEAD + 1;
	ck_assert_int_eq(record_rcpt_decode(rcpt_encode(&in, room), &out),
			 GW_ECORRUPT);
	in.domain = RCPT_DOMAIN_DEAD;
	in.domain_why = DOMAIN_REASONS;
	ck_assert_int_eq(record_rcpt_decode(rcpt_encode(&in, room), &out),
			 GW_ECORRUPT);
}
END_TEST

/* What a spool holds that was written before domains were asked about. */
START_TEST(test_recipient_of_before)
{
	static const char old[] = "\1"		     /* version */
				  "\1\4\377\376"     /* held, delay */
				  "\0\0\0\20"	     /* holds */
				  "\0\0\0\0\0\0\1\2" /* next */
				  "\0\0\0\3a@b\0"    /* address */
				  "\377\377\377\377" /* no orcpt */
				  "\0\0\0\0";	     /* reply: "" */
	struct spool_rcpt out = {.domain = 77, .domain_why = 78};

	ck_assert_int_eq(record_rcpt_decode(slice_of(old, sizeof(old)), &out),
			 0);
	ck_assert_int_eq(out.domain, RCPT_DOMAIN_FINE);
	ck_assert_int_eq(out.domain_why, DOMAIN_WHY_NONE);
	ck_assert_int_eq(out.state, RCPT_HELD);
	ck_assert_int_eq(out.notify, NOTIFY_FAILURE);
	ck_assert_uint_eq(out.attempts, 0xfffe);
	ck_assert_uint_eq(out.holds, HOLD_SCAN);
	ck_assert_int_eq(out.next_wall_s, 258);
	ck_assert_str_eq(out.address, "a@b");
	ck_assert_ptr_null(out.orcpt);
	ck_assert_str_eq(out.last_reply, "");
	for (size_t cut = 0; cut < sizeof(old); cut++)
		ck_assert_int_eq(record_rcpt_decode(slice_of(old, cut), &out),
				 GW_ECORRUPT);
}
END_TEST

START_TEST(test_trash_keys)
{
	uint8_t purge[KEY_PURGE_SIZE], share[KEY_SHARE_SIZE];
	uint8_t entry[KEY_TRASH_SIZE];
	uint64_t trash = 0;

	key_purge(0x0102030405060708, purge);
	key_share(0x0102030405060708, 9, share);
	key_trash(0x0102030405060708, 9, 3, entry);
	ck_assert_int_eq(
	    key_purge_decode(slice_of(purge, sizeof(purge)), &trash), 0);
	ck_assert(trash == 0x0102030405060708);
	ck_assert_int_eq(
	    key_purge_decode(slice_of(share, sizeof(share)), &trash),
	    GW_ECORRUPT);
	ck_assert_int_eq(
	    key_purge_decode(slice_of(entry, sizeof(purge)), &trash),
	    GW_ECORRUPT);
	/* Three stretches of the table that do not touch. */
	ck_assert_int_ne(purge[0], share[0]);
	ck_assert_int_ne(purge[0], entry[0]);
	ck_assert_int_ne(share[0], entry[0]);
	ck_assert_mem_eq(purge + 1, entry + 1, 8);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spool/record");
	TCase *tc = tcase_create("record");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_damage, 0, 5);
	tcase_add_test(tc, test_message_round);
	tcase_add_test(tc, test_message_alone);
	tcase_add_test(tc, test_recipient_round);
	tcase_add_test(tc, test_recipient_of_before);
	tcase_add_test(tc, test_trash_keys);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
