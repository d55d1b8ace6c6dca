#include "tests/policy/block_kit.h"

/* The value of the hit's entry, or "-". */
static bool
copy_value(void *arg, const struct block *block)
{
	snprintf(arg, BLOCK_VALUE_MAX, "%s%s",
		 block->action == BLOCK_HOLD ? "hold " : "", block->value);
	return false;
}

static const char *
who(const struct block_facts *facts, bool holds, int64_t now_wall_s)
{
	static char value[BLOCK_VALUE_MAX];
	struct block_hit hit;

	if (!blocklist_find(list, facts, holds, now_wall_s, &hit))
		return "-";
	ck_assert(blocklist_get(list, hit.id, copy_value, value));
	return value;
}

static const char *
who_ip(const char *text)
{
	struct ip_addr ip;

	ck_assert_int_eq(ip_parse(slice_str(text), &ip), 0);
	return who(&(struct block_facts){.ip = &ip}, true, NOW);
}

static const char *
who_from(const char *from)
{
	return who(&(struct block_facts){.from = slice_str(from)}, true, NOW);
}

static const char *
who_domain(const char *domain)
{
	return who(&(struct block_facts){.domain = slice_str(domain)}, true,
		   NOW);
}

START_TEST(normal_forms)
{
	static const struct {
		const char *label;
		enum block_kind kind;
		const char *value, *normal; /* NULL: refused */
	} rows[] = {
	    {"login as it is", BLOCK_CRED, "Bob", "Bob"},
	    {"empty login", BLOCK_CRED, "", NULL},
	    {"login with a control", BLOCK_CRED, "a\nb", NULL},
	    {"address", BLOCK_IP, "192.0.2.1", "192.0.2.1"},
	    {"address as its prefix", BLOCK_IP, "192.0.2.1/32", "192.0.2.1"},
	    {"prefix", BLOCK_IP, "10.0.0.0/8", "10.0.0.0/8"},
	    {"mapped v4", BLOCK_IP, "::ffff:10.0.0.0/104", "10.0.0.0/8"},
	    {"all v4", BLOCK_IP, "0.0.0.0/0", "0.0.0.0/0"},
	    {"all", BLOCK_IP, "::/0", "::/0"},
	    {"v6 spelled long", BLOCK_IP, "2001:DB8:0:0::/64", "2001:db8::/64"},
	    {"bits behind the prefix", BLOCK_IP, "10.0.0.1/8", NULL},
	    {"too many bits", BLOCK_IP, "10.0.0.0/33", NULL},
	    {"no bits", BLOCK_IP, "10.0.0.0/", NULL},
	    {"a name", BLOCK_IP, "example.com", NULL},
	    {"sender", BLOCK_FROM, "Bob@Example.COM.", "bob@example.com"},
	    {"idle quotes", BLOCK_FROM, "\"b\\ob\"@example.com",
	     "bob@example.com"},
	    {"needed quotes", BLOCK_FROM, "\"b b\"@example.com",
	     "\"b b\"@example.com"},
	    {"at a domain", BLOCK_FROM, "@Example.com", "@example.com"},
	    {"below a domain", BLOCK_FROM, "@.Example.com", "@.example.com"},
	    {"the null sender", BLOCK_FROM, "<>", NULL},
	    {"nothing", BLOCK_FROM, "", NULL},
	    {"no @", BLOCK_FROM, "example.com", NULL},
	    {"no domain", BLOCK_FROM, "bob@", NULL},
	    {"a local part and a dot", BLOCK_FROM, "bob@.example.com", NULL},
	    {"brackets", BLOCK_FROM, "<bob@example.com>", NULL},
	    {"two @", BLOCK_FROM, "@@example.com", NULL},
	    {"a blank", BLOCK_FROM, "b b@example.com", NULL},
	    {"domain", BLOCK_DOMAIN, "EXAMPLE.com.", "example.com"},
	    {"below", BLOCK_DOMAIN, ".EXAMPLE.com", ".example.com"},
	    {"UTF-8", BLOCK_DOMAIN,
	     ".B\xc3\xbc"
	     "cher.example",
	     ".xn--bcher-kva.example"},
	    {"UTF-8 sender", BLOCK_FROM,
	     "@b\xc3\xbc"
	     "cher.example",
	     "@xn--bcher-kva.example"},
	    {"literal", BLOCK_DOMAIN, "[192.0.2.1]", "[192.0.2.1]"},
	    {"an empty label", BLOCK_DOMAIN, "a..b", NULL},
	    {"a dot", BLOCK_DOMAIN, ".", NULL},
	    {"dots", BLOCK_DOMAIN, "..", NULL},
	    {"an address", BLOCK_DOMAIN, "a@b", NULL},
	    {"a pattern", BLOCK_DOMAIN, "*.example.com", NULL},
	    {"digest", BLOCK_HASH,
	     "00112233445566778899AABBCCDDEEFF"
	     "00112233445566778899aabbccddeeff",
	     "00112233445566778899aabbccddeeff"
	     "00112233445566778899aabbccddeeff"},
	    {"short digest", BLOCK_HASH, "0011", NULL},
	    {"no digest", BLOCK_HASH,
	     "zz112233445566778899AABBCCDDEEFF"
	     "00112233445566778899aabbccddeeff",
	     NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out, error;
		int err;

		buf_init(&out, BLOCK_VALUE_MAX);
		buf_init(&error, 1000);
		err = blocklist_normalise(
		    rows[i].kind, slice_str(rows[i].value), &out, &error);
		if (rows[i].normal == NULL) {
			ck_assert_msg(err == GW_EINVAL, "%s: %s", rows[i].label,
				      buf_cstr(&out));
			ck_assert_msg(error.n > 0, "%s", rows[i].label);
		} else {
			ck_assert_msg(err == 0, "%s", rows[i].label);
			ck_assert_str_eq(buf_cstr(&out), rows[i].normal);
		}
		buf_fini(&out);
		buf_fini(&error);
	}
}
END_TEST

START_TEST(longest_prefix_goes_first)
{
	static const struct {
		const char *label, *ip, *hit;
	} rows[] = {
	    {"its own", "192.0.2.1", "192.0.2.1"},
	    {"/24", "192.0.2.2", "192.0.2.0/24"},
	    {"/8", "192.1.2.2", "192.0.0.0/8"},
	    {"/0 of v4", "8.8.8.8", "0.0.0.0/0"},
	    {"v6 /128", "2001:db8::1", "2001:db8::1"},
	    {"v6 /64", "2001:db8::2", "2001:db8::/64"},
	    {"v6 /32", "2001:db8:1::2", "2001:db8::/32"},
	    {"neighbour of the /32", "2001:db9::", "-"},
	    {"no other v6", "::1", "-"},
	};

	add(BLOCK_IP, BLOCK_REFUSE, "0.0.0.0/0");
	add(BLOCK_IP, BLOCK_REFUSE, "192.0.0.0/8");
	add(BLOCK_IP, BLOCK_REFUSE, "192.0.2.1");
	add(BLOCK_IP, BLOCK_REFUSE, "192.0.2.0/24");
	add(BLOCK_IP, BLOCK_REFUSE, "2001:db8::1");
	add(BLOCK_IP, BLOCK_REFUSE, "2001:db8::/32");
	add(BLOCK_IP, BLOCK_REFUSE, "2001:db8::/64");
	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(strcmp(who_ip(rows[i].ip), rows[i].hit) == 0,
			      "%s: %s", rows[i].label, who_ip(rows[i].ip));
	/* ::/0 has v4 clients too, and goes last */
	add(BLOCK_IP, BLOCK_REFUSE, "::/0");
	ck_assert_str_eq(who_ip("::1"), "::/0");
	ck_assert_str_eq(who_ip("8.8.8.8"), "0.0.0.0/0");
	del(BLOCK_IP, BLOCK_REFUSE, "0.0.0.0/0");
	ck_assert_str_eq(who_ip("8.8.8.8"), "::/0");
}
END_TEST

START_TEST(senders)
{
	static const struct {
		const char *label, *from, *hit;
	} rows[] = {
	    {"whole", "bob@example.com", "bob@example.com"},
	    {"other case", "BOB@EXAMPLE.com", "bob@example.com"},
	    {"quotes do not help", "\"bob\"@example.com", "bob@example.com"},
	    {"nor a dot behind", "bob@example.com.", "bob@example.com"},
	    {"not another's", "rob@example.com", "-"},
	    {"at", "any@at.example", "@at.example"},
	    {"at has none below", "any@sub.at.example", "-"},
	    {"below itself", "any@below.example", "@.below.example"},
	    {"below", "any@a.b.below.example", "@.below.example"},
	    {"whole before below", "x@below.example", "x@below.example"},
	    {"no label's end", "any@notbelow.example", "-"},
	    {"the null sender", "", "-"},
	    {"no domain", "postmaster", "-"},
	    {"only an @", "@", "-"},
	};
	char longest[600];

	add(BLOCK_FROM, BLOCK_REFUSE, "bob@example.com");
	add(BLOCK_FROM, BLOCK_REFUSE, "@at.example");
	add(BLOCK_FROM, BLOCK_REFUSE, "@.below.example");
	add(BLOCK_FROM, BLOCK_REFUSE, "x@below.example");
	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(strcmp(who_from(rows[i].from), rows[i].hit) == 0,
			      "%s: %s", rows[i].label, who_from(rows[i].from));
	/* length does not lead around a domain */
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 70; i <= 570; i += 50)
		longest[i] = '.';
	longest[30] = '@';
	strcpy(longest + 571, "below.example");
	ck_assert_str_eq(who_from(longest), "@.below.example");
}
END_TEST

START_TEST(domains)
{
	static const struct {
		const char *label, *domain, *hit;
	} rows[] = {
	    {"itself", "example.com", "example.com"},
	    {"other case, dot", "Example.COM.", "example.com"},
	    {"none below", "sub.example.com", "-"},
	    {"below itself", "below.example", ".below.example"},
	    {"below", "a.b.below.example", ".below.example"},
	    {"the longer", "deep.below.example", ".deep.below.example"},
	    {"no label's end", "notbelow.example", "-"},
	    {"A-label", "xn--bcher-kva.example", "xn--bcher-kva.example"},
	    {"UTF-8",
	     "B\xc3\xbc"
	     "cher.example",
	     "xn--bcher-kva.example"},
	    {"nothing", "", "-"},
	    {"a dot", ".", "-"},
	    {"dots", "...", "-"},
	};

	add(BLOCK_DOMAIN, BLOCK_REFUSE, "example.com");
	add(BLOCK_DOMAIN, BLOCK_REFUSE, "xn--bcher-kva.example");
	add(BLOCK_DOMAIN, BLOCK_REFUSE, ".below.example");
	add(BLOCK_DOMAIN, BLOCK_REFUSE, ".deep.below.example");
	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(
		    strcmp(who_domain(rows[i].domain), rows[i].hit) == 0,
		    "%s: %s", rows[i].label, who_domain(rows[i].domain));
}
END_TEST

START_TEST(refusals_go_before_holds)
{
	struct ip_addr ip;
	uint8_t body[DIGEST_SIZE] = {0x11};
	struct block_facts facts = {.cred = "bob", .ip = &ip, .body = body};
	char hex[2 * DIGEST_SIZE + 1];

	ip_parse(SLICE_LIT("10.1.2.3"), &ip);
	ck_assert_str_eq(who(&facts, true, NOW), "-");
	add(BLOCK_CRED, BLOCK_HOLD, "bob");
	ck_assert_str_eq(who(&facts, true, NOW), "hold bob");
	ck_assert_str_eq(who(&facts, false, NOW), "-");
	add(BLOCK_IP, BLOCK_HOLD, "10.1.2.3");
	add(BLOCK_IP, BLOCK_REFUSE, "10.0.0.0/8");
	ck_assert_str_eq(who(&facts, true, NOW), "10.0.0.0/8");
	snprintf(hex, sizeof(hex), "11%062d", 0);
	add(BLOCK_HASH, BLOCK_REFUSE, hex);
	ck_assert_str_eq(who(&facts, false, NOW), "10.0.0.0/8");
	del(BLOCK_IP, BLOCK_REFUSE, "10.0.0.0/8");
	ck_assert_str_eq(who(&facts, true, NOW), hex);
	/* both actions of one value stand beside each other */
	add(BLOCK_CRED, BLOCK_REFUSE, "bob");
	ck_assert_str_eq(who(&facts, true, NOW), "bob");
	del(BLOCK_CRED, BLOCK_REFUSE, "bob");
	del(BLOCK_HASH, BLOCK_REFUSE, hex);
	ck_assert_str_eq(who(&facts, true, NOW), "hold bob");
	del(BLOCK_CRED, BLOCK_HOLD, "bob");
	ck_assert_str_eq(who(&facts, true, NOW), "hold 10.1.2.3");
	/* a login is not the same in another case: the caller normalises */
	add(BLOCK_CRED, BLOCK_REFUSE, "BOB");
	ck_assert_str_eq(who(&facts, false, NOW), "-");
}
END_TEST

START_TEST(expiry_is_at_once)
{
	struct ip_addr ip;
	struct block_facts facts = {.ip = &ip};
	uint64_t ids[8];

	ip_parse(SLICE_LIT("10.1.2.3"), &ip);
	add_until(BLOCK_IP, "10.1.2.3", NOW + 10);
	add_until(BLOCK_IP, "10.1.2.0/24", NOW + 5);
	add_until(BLOCK_IP, "10.0.0.0/8", 0);
	ck_assert_str_eq(who(&facts, true, NOW + 9), "10.1.2.3");
	/* nobody has called blocklist_expire */
	ck_assert_str_eq(who(&facts, true, NOW + 10), "10.0.0.0/8");
	ck_assert_uint_eq(blocklist_expire(list, NOW + 4, ids, 8), 0);
	ck_assert_uint_eq(blocklist_count(list), 3);
	ck_assert_uint_eq(blocklist_expire(list, NOW + 10, ids, 1), 1);
	ck_assert_uint_eq(ids[0], 102);
	ck_assert_uint_eq(blocklist_expire(list, NOW + 10, ids, 8), 1);
	ck_assert_uint_eq(ids[0], 101);
	ck_assert_uint_eq(blocklist_expire(list, INT64_MAX, ids, 8), 0);
	ck_assert_uint_eq(blocklist_count(list), 1);
	ck_assert_str_eq(who(&facts, true, NOW), "10.0.0.0/8");
}
END_TEST

START_TEST(holds_are_since)
{
	struct block block = {.id = 1,
			      .kind = BLOCK_CRED,
			      .action = BLOCK_HOLD,
			      .value = "bob",
			      .since_wall_s = NOW};
	struct block_facts facts = {.cred = "bob"};
	uint64_t id;

	ck_assert_int_eq(blocklist_add(list, &block, &id, NULL), 0);
	ck_assert_str_eq(who(&facts, true, NOW), "hold bob");
	ck_assert_str_eq(who(&facts, true, NOW - 1), "-");
	facts.accepted_wall_s = NOW - 1;
	ck_assert_str_eq(who(&facts, true, NOW + 100), "-");
	facts.accepted_wall_s = NOW;
	ck_assert_str_eq(who(&facts, true, NOW + 100), "hold bob");
}
END_TEST

START_TEST(the_same_again_renews)
{
	struct block block = {.id = 7,
			      .kind = BLOCK_IP,
			      .value = "10.0.0.0/8",
			      .made_wall_s = 5,
			      .until_wall_s = NOW + 5,
			      .author = "one",
			      .reason = "first"};
	struct block got;
	uint64_t id = 0, generation = blocklist_generation(list);
	struct ip_addr ip;

	ip_parse(SLICE_LIT("10.1.2.3"), &ip);
	ck_assert_uint_ne(generation, 0);
	ck_assert_int_eq(blocklist_add(list, &block, &id, NULL), 0);
	ck_assert_uint_eq(id, 7);
	ck_assert_uint_ne(blocklist_generation(list), generation);
	ck_assert_str_eq(who_ip("10.1.2.3"), "10.0.0.0/8");
	generation = blocklist_generation(list);
	block.id = 8;
	block.value = "::ffff:10.0.0.0/104";
	block.made_wall_s = 6;
	block.until_wall_s = NOW + 50;
	block.author = "two";
	block.reason = "";
	block.flags = BLOCK_STEALTH;
	ck_assert_int_eq(blocklist_add(list, &block, &id, NULL), GW_EEXIST);
	ck_assert_uint_eq(id, 7);
	ck_assert_uint_ne(blocklist_generation(list), generation);
	ck_assert(blocklist_get(list, 7, copy_block, &got));
	ck_assert_str_eq(got.author, "two");
	ck_assert_str_eq(got.reason, "");
	ck_assert_int_eq(got.until_wall_s, NOW + 50);
	ck_assert_int_eq(got.made_wall_s, 5);
	ck_assert_uint_eq(got.flags, BLOCK_STEALTH);
	ck_assert_uint_eq(got.hits, 1);
	ck_assert(!blocklist_get(list, 8, copy_block, &got));
	/* the renewed end counts, not the first */
	ck_assert_uint_eq(blocklist_expire(list, NOW + 5, &id, 1), 0);
	ck_assert_uint_eq(blocklist_expire(list, NOW + 50, &id, 1), 1);
	ck_assert(blocklist_is_empty(list));
}
END_TEST

START_TEST(bad_entries_are_told)
{
	char longest[BLOCK_REASON_MAX + 2];
	struct {
		const char *label;
		struct block block;
	} rows[] = {
	    {"no value", {.id = 1, .kind = BLOCK_IP}},
	    {"bad value", {.id = 1, .kind = BLOCK_IP, .value = "x"}},
	    {"bad kind", {.id = 1, .kind = BLOCK_KINDS, .value = "x"}},
	    {"bad flag", {.id = 1, .value = "x", .flags = 8}},
	    {"long reason", {.id = 1, .value = "x", .reason = longest}},
	    {"long author", {.id = 1, .value = "x", .author = longest}},
	    {"negative until", {.id = 1, .value = "x", .until_wall_s = -1}},
	    {"far until", {.id = 1, .value = "x", .until_wall_s = INT64_MAX}},
	    {"another's id", {.id = 50, .value = "x"}},
	};
	uint64_t id = 77;

	next_id = 49;
	add(BLOCK_CRED, BLOCK_REFUSE, "fifty");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf error;

		buf_init(&error, 1000);
		ck_assert_msg(blocklist_add(list, &rows[i].block, &id,
					    &error) == GW_EINVAL,
			      "%s", rows[i].label);
		ck_assert_msg(error.n > 0, "%s", rows[i].label);
		buf_fini(&error);
	}
	ck_assert_uint_eq(id, 77);
	ck_assert_uint_eq(blocklist_count(list), 1);
	ck_assert_int_eq(blocklist_del(list, BLOCK_CRED, BLOCK_HOLD,
				       SLICE_LIT("fifty"), &id, NULL),
			 GW_ENOENT);
	ck_assert_int_eq(blocklist_del(list, BLOCK_IP, BLOCK_HOLD,
				       SLICE_LIT("fifty"), &id, NULL),
			 GW_EINVAL);
}
END_TEST

START_TEST(listing_goes_on)
{
	struct seen seen = {0};
	char value[32];

	for (int i = 0; i < 2500; i++) {
		snprintf(value, sizeof(value), "user%d", i);
		add(BLOCK_CRED, BLOCK_REFUSE, value);
	}
	for (int i = 0; i < 2500; i += 2) {
		snprintf(value, sizeof(value), "user%d", i);
		del(BLOCK_CRED, BLOCK_REFUSE, value);
	}
	ck_assert_uint_eq(blocklist_each(list, 0, 5000, see, &seen), 1250);
	ck_assert_uint_eq(seen.count, 1250);
	ck_assert_uint_eq(seen.last, 2600);
	seen = (struct seen){0};
	ck_assert_uint_eq(blocklist_each(list, 0, 1100, see, &seen), 1100);
	ck_assert_uint_eq(blocklist_each(list, seen.last, 1100, see, &seen),
			  150);
	seen = (struct seen){.stop = 3};
	ck_assert_uint_eq(blocklist_each(list, 0, 1100, see, &seen), 3);
	ck_assert_uint_eq(blocklist_each(list, UINT64_MAX, 9, see, &seen), 0);
	ck_assert_uint_eq(blocklist_each(list, 0, 0, see, &seen), 0);
}
END_TEST

int
main(void)
{
	TCase *cases[1] = {tcase_create("table")};

	tcase_add_checked_fixture(cases[0], setup, teardown);
	tcase_add_test(cases[0], normal_forms);
	tcase_add_test(cases[0], longest_prefix_goes_first);
	tcase_add_test(cases[0], senders);
	tcase_add_test(cases[0], domains);
	tcase_add_test(cases[0], refusals_go_before_holds);
	tcase_add_test(cases[0], expiry_is_at_once);
	tcase_add_test(cases[0], holds_are_since);
	tcase_add_test(cases[0], the_same_again_renews);
	tcase_add_test(cases[0], bad_entries_are_told);
	tcase_add_test(cases[0], listing_goes_on);
	return run_suite("blocklist", cases, COUNT(cases));
}
