#include <pthread.h>

#include "gateway/store/key.h"
#include "tests/policy/block_kit.h"

/* Against a model: every pattern that stands, compared one by one. */
START_TEST(index_agrees_with_a_model)
{
	static bool stands[64][2];
	unsigned seed = 1;

	for (int step = 0; step < 20000; step++) {
		unsigned r = (unsigned)rand_r(&seed);
		unsigned i = r % 64, action = r / 64 % 2;
		struct block block = {.id = ++next_id,
				      .kind = BLOCK_CRED,
				      .action = (enum block_action)action};
		char value[16];
		struct block_hit hit;
		uint64_t id;
		bool found;

		snprintf(value, sizeof(value), "u%u", i);
		block.value = value;
		if (r / 128 % 2 == 0) {
			ck_assert_int_eq(blocklist_add(list, &block, &id, NULL),
					 stands[i][action] ? GW_EEXIST : 0);
			stands[i][action] = true;
		} else {
			ck_assert_int_eq(
			    blocklist_del(list, BLOCK_CRED, block.action,
					  slice_str(value), &id, NULL),
			    stands[i][action] ? 0 : GW_ENOENT);
			stands[i][action] = false;
		}
		i = r / 256 % 64;
		snprintf(value, sizeof(value), "u%u", i);
		found =
		    blocklist_find(list, &(struct block_facts){.cred = value},
				   true, NOW, &hit);
		ck_assert(found ==
			  (stands[i][BLOCK_REFUSE] || stands[i][BLOCK_HOLD]));
		ck_assert(!found || (hit.action == BLOCK_REFUSE) ==
					stands[i][BLOCK_REFUSE]);
	}
}
END_TEST

/* Prefixes of all lengths against ip_prefix_has of each. */
START_TEST(prefixes_agree_with_a_model)
{
	struct ip_prefix prefixes[300];
	uint64_t ids[300];
	unsigned seed = 2;
	size_t n = 0;

	while (n < COUNT(prefixes)) {
		char text[IP_TEXT_SIZE + 4];
		struct ip_addr ip = {{[10] = 0xff, [11] = 0xff}};
		struct block block = {.id = n + 1, .kind = BLOCK_IP};

		for (size_t i = n % 3 == 0 ? 0 : 12; i < 16; i++)
			ip.b[i] = (uint8_t)((unsigned)rand_r(&seed) % 3);
		ip_prefix_of(&ip,
			     (uint8_t)((n % 3 == 0 ? 0 : 96) +
				       (unsigned)rand_r(&seed) %
					   (n % 3 == 0 ? 129 : 33)),
			     &prefixes[n]);
		ip_prefix_format(&prefixes[n], text);
		block.value = text;
		if (blocklist_add(list, &block, &ids[n], NULL) == 0)
			n++;
	}
	for (int step = 0; step < 20000; step++) {
		struct ip_addr ip = {{[10] = 0xff, [11] = 0xff}};
		int best = -1;
		struct block_hit hit = {0};

		for (size_t i = step % 3 == 0 ? 0 : 12; i < 16; i++)
			ip.b[i] = (uint8_t)((unsigned)rand_r(&seed) % 3);
		for (size_t i = 0; i < n; i++) {
			if (ip_prefix_has(&prefixes[i], &ip) &&
			    (best < 0 ||
			     prefixes[i].bits > prefixes[(size_t)best].bits))
				best = (int)i;
		}
		ck_assert(blocklist_find(list, &(struct block_facts){.ip = &ip},
					 true, NOW, &hit) == (best >= 0));
		ck_assert(best < 0 || hit.id == ids[best]);
	}
}
END_TEST

static const struct block full = {
    .id = 0x0102030405060708,
    .kind = BLOCK_FROM,
    .action = BLOCK_HOLD,
    .flags = BLOCK_STEALTH,
    .value = "@.example.com",
    .made_wall_s = 1,
    .until_wall_s = 2,
    .since_wall_s = 3,
    .author = "uid 0 (root)",
    .reason = "a reason",
};

static void
check_block(const struct block *got, const struct block *want)
{
	ck_assert_int_eq(got->kind, want->kind);
	ck_assert_int_eq(got->action, want->action);
	ck_assert_uint_eq(got->flags, want->flags);
	ck_assert_str_eq(got->value, want->value);
	ck_assert_int_eq(got->made_wall_s, want->made_wall_s);
	ck_assert_int_eq(got->until_wall_s, want->until_wall_s);
	ck_assert_int_eq(got->since_wall_s, want->since_wall_s);
	ck_assert_str_eq(got->author, want->author);
	ck_assert_str_eq(got->reason, want->reason);
}

START_TEST(record_goes_round)
{
	struct buf value, scratch;
	struct block got;
	uint8_t key[8] = {0};
	struct slice k = slice_of(key, sizeof(key));

	key_put_u64(key, full.id);
	buf_init(&value, BLOCK_RECORD_MAX);
	buf_init(&scratch, BLOCK_RECORD_MAX);
	block_record_encode(&full, &value);
	ck_assert_int_eq(
	    block_record_decode(k, buf_slice(&value), &got, &scratch), 0);
	ck_assert_uint_eq(got.id, full.id);
	check_block(&got, &full);
	/* cut, longer, of another version, kind, action, flag */
	for (size_t n = 0; n < value.n; n++)
		ck_assert_int_eq(block_record_decode(k, slice_of(value.p, n),
						     &got, &scratch),
				 GW_ECORRUPT);
	for (size_t i = 0; i < 7; i++) {
		value.p[i] ^= 0x40;
		ck_assert_int_eq(
		    block_record_decode(k, buf_slice(&value), &got, &scratch),
		    GW_ECORRUPT);
		value.p[i] ^= 0x40;
	}
	ck_assert_int_eq(block_record_decode(slice_of(key, 7),
					     buf_slice(&value), &got, &scratch),
			 GW_ECORRUPT);
	buf_add_byte(&value, 'x');
	ck_assert_int_eq(
	    block_record_decode(k, buf_slice(&value), &got, &scratch),
	    GW_ECORRUPT);
	buf_fini(&value);
	buf_fini(&scratch);
}
END_TEST

static void
keep(uint64_t id)
{
	struct store_change change;
	struct buf key, value;

	buf_init(&key, 16);
	buf_init(&value, BLOCK_RECORD_MAX);
	blocklist_change(list, id, &key, &value, &change);
	store_keep(&change);
	buf_fini(&key);
	buf_fini(&value);
}

START_TEST(survives_a_restart)
{
	struct block block = full, got;
	struct store_change bad = {.table = STORE_BLOCK,
				   .kind = STORE_PUT,
				   .key = SLICE_LIT("\0\0\0\0\0\0\0\1"),
				   .value = SLICE_LIT("garbage")};
	uint64_t id, gone;

	block.until_wall_s = NOW;
	ck_assert_int_eq(blocklist_add(list, &block, &id, NULL), 0);
	gone = add(BLOCK_CRED, BLOCK_REFUSE, "gone");
	keep(id);
	keep(gone);
	del(BLOCK_CRED, BLOCK_REFUSE, "gone");
	keep(gone);
	keep(gone + 1); /* never was: nothing to take away */
	store_keep(&bad);
	blocklist_destroy(&list);
	store_close(&store);
	store_start();
	list = blocklist_create();
	ck_assert_int_eq(blocklist_load(list, store, NOW), 0);
	ck_assert_uint_eq(blocklist_count(list), 1);
	ck_assert(blocklist_get(list, full.id, copy_block, &got));
	check_block(&got, &block);
}
END_TEST

START_TEST(a_value_not_in_normal_form_is_corrupt)
{
	struct block block = full;
	struct store_change change = {.table = STORE_BLOCK, .kind = STORE_PUT};
	uint8_t key[8] = {0};
	struct buf value;

	key_put_u64(key, 9);
	block.value = "<>";
	buf_init(&value, BLOCK_RECORD_MAX);
	block_record_encode(&block, &value);
	change.key = slice_of(key, sizeof(key));
	change.value = buf_slice(&value);
	store_keep(&change);
	ck_assert_int_eq(blocklist_load(list, store, NOW), 0);
	ck_assert(blocklist_is_empty(list));
	buf_fini(&value);
}
END_TEST

/* --- threads --- */

static _Atomic bool stop;

static void *
look(void *arg)
{
	struct ip_addr ip;
	struct block_facts facts = {.cred = "always",
				    .ip = &ip,
				    .from = SLICE_LIT("a@b.example"),
				    .domain = SLICE_LIT("c.example")};
	struct block_hit hit;
	uint64_t *looks = arg;

	ip_parse(SLICE_LIT("10.1.2.3"), &ip);
	while (!stop) {
		/* "always" is in it all the time, whatever else comes */
		ck_assert(blocklist_find(list, &facts, true, NOW, &hit));
		ck_assert(hit.kind == BLOCK_CRED);
		facts.cred = NULL;
		blocklist_find(list, &facts, true, NOW, &hit);
		facts.cred = "always";
		++*looks;
	}
	return NULL;
}

START_TEST(lookups_go_on_while_it_changes)
{
	pthread_t threads[3];
	uint64_t looks[3] = {0}, ids[64];

	stop = false;
	add(BLOCK_CRED, BLOCK_REFUSE, "always");
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_create(&threads[i], NULL, look, &looks[i]);
	for (int i = 0; i < 3000; i++) {
		char value[32];
		struct seen seen = {0};

		snprintf(value, sizeof(value), "10.%d.%d.0/24", i % 4, i % 250);
		add_until(BLOCK_IP, value, NOW + i);
		snprintf(value, sizeof(value), "@d%d.example", i);
		add_until(BLOCK_FROM, value, NOW + i);
		if (i % 16 == 15) {
			blocklist_each(list, 0, 10, see, &seen);
			while (blocklist_expire(list, NOW + i, ids, 64) > 0)
				;
		}
	}
	stop = true;
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], NULL);
		ck_assert_uint_gt(looks[i], 0);
	}
	ck_assert_uint_eq(blocklist_count(list), 1 + 2 * (3000 % 16));
}
END_TEST

int
main(void)
{
	TCase *cases[3] = {tcase_create("models"), tcase_create("store"),
			   tcase_create("threads")};

	tcase_add_checked_fixture(cases[0], setup, teardown);
	tcase_set_timeout(cases[0], 120);
	tcase_add_test(cases[0], index_agrees_with_a_model);
	tcase_add_test(cases[0], prefixes_agree_with_a_model);
	tcase_add_test(cases[0], record_goes_round);
	tcase_add_checked_fixture(cases[1], setup, teardown);
	tcase_add_checked_fixture(cases[1], store_setup, store_teardown);
	tcase_add_test(cases[1], survives_a_restart);
	tcase_add_test(cases[1], a_value_not_in_normal_form_is_corrupt);
	tcase_add_checked_fixture(cases[2], setup, teardown);
	tcase_set_timeout(cases[2], 120);
	tcase_add_test(cases[2], lookups_go_on_while_it_changes);
	return run_suite("block_store", cases, COUNT(cases));
}
