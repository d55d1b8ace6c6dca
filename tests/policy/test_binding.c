#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "policy/binding.h"
#include "tests/policy/help.h"

struct got {
	char text[4096];
	size_t count, stop;
};

static bool
collect(void *arg, struct slice address)
{
	struct got *got = arg;
	size_t n = strlen(got->text);

	snprintf(got->text + n, sizeof(got->text) - n, "%s%.*s",
		 n > 0 ? " " : "", (int)address.n, address.p);
	return ++got->count != got->stop;
}

#define GROUPED                                                            \
	"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)"     \
	"public.example>,\r\n  joe@example.org,\r\n  John <jdoe@one.test>" \
	" (my dear friend); (the end of the group)"

static const struct {
	const char *label, *value, *want;
} readable[] = {
    {"bare", "bob@example.com", "bob@example.com"},
    {"angle", "<bob@example.com>", "bob@example.com"},
    {"name", "Bob <bob@example.com>", "bob@example.com"},
    {"names and dots", "Bob Q. Public Jr. <bob@example.com>",
     "bob@example.com"},
    {"quoted name", "\"Public, Bob <x@y>\" <bob@example.com>",
     "bob@example.com"},
    {"escapes in a name", "\"a \\\" \\\\ @ b\"<bob@example.com>",
     "bob@example.com"},
    {"name and quoted name", "Bob \"the\" Builder <bob@example.com>",
     "bob@example.com"},
    {"empty quoted name", "\"\" <bob@example.com>", "bob@example.com"},
    {"encoded name", "=?utf-8?Q?B=C3=B6b_=3Cx=40y=3E?= <bob@example.com>",
     "bob@example.com"},
    {"UTF-8 name", "B\303\266b <bob@example.com>", "bob@example.com"},
    {"UTF-8 address", "b\303\266b@ex\303\244mple.com",
     "b\303\266b@ex\303\244mple.com"},
    {"comments", "(a) Bob (b) <bob@example.com> (c)", "bob@example.com"},
    {"nested comments", "bob@example.com (a (b \\) (c)) d)", "bob@example.com"},
    {"comment in the middle", "bob(his account)@(a host)example.com(x)",
     "bob@example.com"},
    {"RFC 5322, A.5",
     "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
     "pete@silly.test"},
    {"RFC 5322, A.5, group", GROUPED,
     "c@public.example joe@example.org jdoe@one.test"},
    {"RFC 5322, A.6.1, route",
     "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example", NULL},
    {"route", "Mary <@a.test,@b.test:mary@example.net>", "mary@example.net"},
    {"route with holes", "<@a.test, , @b.test : mary@example.net>",
     "mary@example.net"},
    {"two", "a@x.example, B <b@y.example>", "a@x.example b@y.example"},
    {"empty elements", ",, a@x.example ,,b@y.example,",
     "a@x.example b@y.example"},
    {"folded", "Bob\r\n <bob@example.com>,\r\n\ta@b", "bob@example.com a@b"},
    {"line end behind", "bob@example.com\r\n", "bob@example.com"},
    {"white space at the @", "bob @ example.com", "bob@example.com"},
    {"white space in brackets", "< bob@example.com\t>", "bob@example.com"},
    {"idle quotes", "\"bob.b\"@example.com", "bob.b@example.com"},
    {"needed quotes", "\"bob b\"@example.com", "\"bob b\"@example.com"},
    {"quotes and dots", "\".bob\"@example.com", "\".bob\"@example.com"},
    {"literal", "bob@[192.0.2.1]", "bob@[192.0.2.1]"},
    {"v6 literal", "bob@[IPv6:2001:db8::1]", "bob@[IPv6:2001:db8::1]"},
    {"odd atoms", "!#$%&'*+-/?=^_`{|}~@example.com",
     "!#$%&'*+-/?=^_`{|}~@example.com"},
    {"empty group", "Undisclosed recipients:;", ""},
    {"group and more", "G:a@b;,c@d", "a@b c@d"},
    {"group with holes", "G:,a@b,,c@d,;", "a@b c@d"},
    {"two groups", "G:a@b;, H:;", "a@b"},

    {"nothing", "", NULL},
    {"white space", " \t", NULL},
    {"commas", ",,", NULL},
    {"a comment", "(bob@example.com)", NULL},
    {"a name", "Bob", NULL},
    {"no domain", "<bob>", NULL},
    {"no local part", "<@example.com>", NULL},
    {"empty brackets", "Bob <>", NULL},
    {"two @", "bob@evil.example@example.com", NULL},
    {"two @ in brackets", "<bob@evil.example@example.com>", NULL},
    {"quoted @", "\"bob@evil.example\"@example.com", NULL},
    {"quoted brackets", "\"<bob>\"@example.com", NULL},
    {"escape in the local part", "\"b\\ob\"@example.com", NULL},
    {"quote in the middle", "a\"b\"c@example.com", NULL},
    {"quoted and a dot", "\"a\".b@example.com", NULL},
    {"empty quoted local part", "\"\"@example.com", NULL},
    {"address as the name", "evil@evil.example <bob@example.com>", NULL},
    {"two in brackets", "<bob@example.com> <evil@evil.example>", NULL},
    {"bare behind brackets", "<bob@example.com> evil@evil.example", NULL},
    {"brackets behind bare", "bob@example.com <evil@evil.example>", NULL},
    {"word behind", "bob@example.com evil", NULL},
    {"word behind brackets", "<bob@example.com> evil", NULL},
    {"name not quoted", "Bob, Public <bob@example.com>", NULL},
    {"brackets in brackets", "<<bob@example.com>>", NULL},
    {"two in one bracket", "<a@b, c@d>", NULL},
    {"not closed", "<bob@example.com", NULL},
    {"not opened", "bob@example.com>", NULL},
    {"quote not closed", "\"Bob <bob@example.com>", NULL},
    {"comment not closed", "bob@example.com (evil", NULL},
    {"comment not opened", "bob@example.com evil)", NULL},
    {"nested comment not closed", "bob@example.com ((evil)", NULL},
    {"group not closed", "G:bob@example.com", NULL},
    {"group closed twice", "G:bob@example.com;;", NULL},
    {"group without name", ":bob@example.com;", NULL},
    {"group in a group", "G:H:bob@example.com;;", NULL},
    {"no comma behind a group", "G:; bob@example.com", NULL},
    {"semicolons", "bob@example.com; evil@evil.example", NULL},
    {"a dot in front", ".bob@example.com", NULL},
    {"a dot behind", "bob.@example.com", NULL},
    {"two dots", "b..ob@example.com", NULL},
    {"a dot behind the domain", "bob@example.com.", NULL},
    {"two dots in the domain", "bob@example..com", NULL},
    {"white space at a dot", "bob@example . com", NULL},
    {"comment at a dot", "bob@example(evil).com", NULL},
    {"comment with an @", "bob(@evil.example)@example.com", NULL},
    {"comment with a bracket", "bob@(>)example.com", NULL},
    {"route without end", "<@a.test,@b.test>", NULL},
    {"route outside", "@a.test:bob@example.com", NULL},
    {"encoded local part", "=?utf-8?q?bob=40evil?=@example.com", NULL},
    {"encoded, closed within", "=?x?q?a=40evil.example=3e=00?=@b", NULL},
    {"full-width @", "bob\357\274\240evil.example@example.com", NULL},
    {"full-width dot", "bob@example\343\200\202com", NULL},
    {"zero width", "bo\342\200\213b@example.com", NULL},
    {"turned around", "bo\342\200\256b@example.com", NULL},
    {"Latin-1", "B\366b <bob@example.com>", NULL},
    {"overlong", "b\300\200b <bob@example.com>", NULL},
    {"surrogate", "\355\240\200 <bob@example.com>", NULL},
    {"C1", "\302\205 <bob@example.com>", NULL},
    {"line separator", "\342\200\250 <bob@example.com>", NULL},
    {"bare line feed", "Bob\n <bob@example.com>", NULL},
    {"bare return", "Bob\r <bob@example.com>", NULL},
    {"line end without white space", "Bob\r\n<bob@example.com>", NULL},
    {"line of white space", "Bob\r\n \r\n <bob@example.com>", NULL},
    {"white space at the end's line", "bob@example.com\r\n ", NULL},
    {"two line ends", "bob@example.com\r\n\r\n", NULL},
    {"control", "Bob\001 <bob@example.com>", NULL},
    {"delete", "Bob\177 <bob@example.com>", NULL},
    {"literal with a blank", "bob@[192.0.2.1 ]", NULL},
    {"empty literal", "bob@[]", NULL},
    {"literal not closed", "bob@[192.0.2.1", NULL},
    {"odd domain", "bob@exa!mple.com", NULL},
    {"brackets in a name", "[x] <bob@example.com>", NULL},
    {"backslash in a name", "B\\ob <bob@example.com>", NULL},
};

START_TEST(address_lists)
{
	for (size_t i = 0; i < COUNT(readable); i++) {
		struct got got = {.text = ""};
		bool ok = binding_addresses(slice_str(readable[i].value),
					    collect, &got);

		if (readable[i].want == NULL) {
			ck_assert_msg(!ok && got.count == 0, "%s: %s",
				      readable[i].label, got.text);
			continue;
		}
		ck_assert_msg(ok, "%s", readable[i].label);
		ck_assert_msg(strcmp(got.text, readable[i].want) == 0, "%s: %s",
			      readable[i].label, got.text);
	}
}
END_TEST

/* A prefix that can be read gives no other addresses than the whole has, or
 * one whose domain was cut. */
START_TEST(cut_anywhere)
{
	for (size_t i = 0; i < COUNT(readable); i++) {
		size_t whole = strlen(readable[i].value);

		for (size_t n = 0; n <= whole; n++) {
			/* its end is the heap's end */
			char *cut = mem_alloc(n);
			struct got got = {.text = ""};

			memcpy(cut, readable[i].value, n);
			if (!binding_addresses(slice_of(cut, n), collect, &got))
				ck_assert_uint_eq(got.count, 0);
			free(cut);
		}
	}
}
END_TEST

START_TEST(nul_is_no_end)
{
	struct got got = {.text = ""};

	ck_assert(!binding_addresses(SLICE_LIT("bob@example.com\0,e@vil"),
				     collect, &got));
	ck_assert(!binding_addresses(SLICE_LIT("\"\0\" <bob@example.com>"),
				     collect, &got));
	ck_assert(!binding_addresses(SLICE_NONE, collect, &got));
	ck_assert_uint_eq(got.count, 0);
}
END_TEST

START_TEST(stopping)
{
	struct got got = {.text = "", .stop = 2};

	ck_assert(binding_addresses(SLICE_LIT("a@b,c@d,e@f"), collect, &got));
	ck_assert_str_eq(got.text, "a@b c@d");
	/* the end is read before the first is given */
	got = (struct got){.text = "", .stop = 1};
	ck_assert(!binding_addresses(SLICE_LIT("a@b,c@d,e"), collect, &got));
	ck_assert_uint_eq(got.count, 0);
}
END_TEST

static bool
count_only(void *arg, struct slice address)
{
	ck_assert_uint_eq(address.n, 3);
	++*(size_t *)arg;
	return true;
}

static bool
any(void *arg, struct slice address)
{
	(void)address;
	++*(size_t *)arg;
	return true;
}

static void
repeat(struct buf *out, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buf_add_str(out, text);
}

START_TEST(caps)
{
	struct buf value;
	size_t count = 0;

	buf_init(&value, 1 << 24);
	repeat(&value, "a@b,", 1000);
	ck_assert(binding_addresses(buf_slice(&value), count_only, &count));
	ck_assert_uint_eq(count, 1000);
	buf_add_str(&value, "a@b");
	ck_assert(!binding_addresses(buf_slice(&value), count_only, &count));
	/* an address has an end, too */
	buf_clear(&value);
	repeat(&value, "a", 996);
	buf_add_str(&value, "@b");
	ck_assert(binding_addresses(buf_slice(&value), any, &count));
	buf_add_str(&value, "b");
	ck_assert(!binding_addresses(buf_slice(&value), any, &count));
	buf_fini(&value);
}
END_TEST

/* Nothing is quadratic, and nothing recurses: each of these would take minutes
 * or the stack. */
START_TEST(large_values)
{
	static const struct {
		const char *label, *head, *each, *tail;
		bool ok;
	} rows[] = {
	    {"open comments", "", "(", "", false},
	    {"nested comments", "a@b ", "((", "", false},
	    {"many comments", "", "(x)", "a@b", true},
	    {"commas", "", ",", "a@b", true},
	    {"words", "", "w ", "<a@b>", true},
	    {"quoted words", "", "\"w\" ", "<a@b>", true},
	    {"routes", "<", "@a,", "@a:b@c>", true},
	    {"empty groups", "", "g:;,", "a@b", true},
	    {"quotes", "", "\"", "", false},
	    {"folds", "", "\r\n x", "<a@b>", true},
	    {"dots", "", ".", "@a", false},
	    {"opening brackets", "", "<", "", false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf value;
		size_t count = 0;

		buf_init(&value, 1 << 24);
		buf_add_str(&value, rows[i].head);
		repeat(&value, rows[i].each, 500000);
		buf_add_str(&value, rows[i].tail);
		ck_assert_msg(binding_addresses(buf_slice(&value), any,
						&count) == rows[i].ok,
			      "%s", rows[i].label);
		buf_fini(&value);
	}
}
END_TEST

/* --- whose name --- */

START_TEST(whose_name)
{
	static const char *const internal[] = {"example.com", ".in.example"};
	static const struct {
		const char *label, *address;
		bool domain, address_ok;
	} rows[] = {
	    {"the null sender", "", true, true},
	    {"registered", "bob.builder@example.org", true, true},
	    {"registered, other case", "Bob.Builder@EXAMPLE.org", true, true},
	    {"login and auth's domain", "bob@auth.example", true, true},
	    {"in idle quotes", "\"bob\"@auth.example", true, true},
	    {"colleague at auth's domain", "eve@auth.example", true, false},
	    {"our domain", "any@example.com", true, false},
	    {"our domain, other case", "any@EXAMPLE.com.", true, false},
	    {"below our domain", "any@sub.example.com", false, false},
	    {"itself is not below", "any@in.example", false, false},
	    {"below, with below", "any@a.b.in.example", true, false},
	    {"no label's end", "any@thin.example", false, false},
	    {"our domain as a label", "any@example.com.evil.example", false,
	     false},
	    {"foreign", "bob@evil.example", false, false},
	    {"registered local part elsewhere", "bob.builder@evil.example",
	     false, false},
	    {"+tag is another address", "bob+x@auth.example", true, false},
	    {"no domain", "bob", false, false},
	    {"two @, the last counts", "any@example.com@evil.example", false,
	     false},
	    {"allowed", "list@partner.example", true, true},
	    {"allowed domain", "any@friends.example", true, true},
	};
	struct accounts *accounts = accounts_create();
	struct binding_who who = {
	    .cred = "bob",
	    .owner = "bob.builder@example.org",
	    .domain = "auth.example",
	    .internal = internal,
	    .internal_count = COUNT(internal),
	    .accounts = accounts,
	};
	struct binding_who nobody = {.cred = "bob"};

	ck_assert_int_eq(accounts_sender_add(accounts, "bob",
					     SLICE_LIT("list@partner.example")),
			 0);
	ck_assert_int_eq(
	    accounts_sender_add(accounts, "bob", SLICE_LIT("@friends.example")),
	    0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice a = slice_str(rows[i].address);

		ck_assert_msg(binding_ok(BINDING_OFF, &who, a), "%s",
			      rows[i].label);
		ck_assert_msg(binding_ok(BINDING_OBSERVE, &who, a) ==
				  rows[i].domain,
			      "%s", rows[i].label);
		ck_assert_msg(binding_ok(BINDING_DOMAIN, &who, a) ==
				  rows[i].domain,
			      "%s", rows[i].label);
		ck_assert_msg(binding_ok(BINDING_ADDRESS, &who, a) ==
				  rows[i].address_ok,
			      "%s", rows[i].label);
		ck_assert_msg(binding_ok(BINDING_ADDRESS, &nobody, a) ==
				  (a.n == 0),
			      "%s", rows[i].label);
	}
	/* a login that is an address is its own */
	who = (struct binding_who){.cred = "bob@example.org",
				   .domain = "auth.example"};
	ck_assert(
	    binding_ok(BINDING_ADDRESS, &who, SLICE_LIT("bob@example.org")));
	ck_assert(
	    !binding_ok(BINDING_ADDRESS, &who, SLICE_LIT("bob@auth.example")));
	accounts_destroy(&accounts);
}
END_TEST

START_TEST(long_addresses_are_nobodys)
{
	static const char *const internal[] = {"example.com"};
	struct binding_who who = {
	    .cred = "bob", .internal = internal, .internal_count = 1};
	struct buf address;

	buf_init(&address, 5000);
	repeat(&address, "a", 2000);
	buf_add_str(&address, "@example.com");
	ck_assert(!binding_ok(BINDING_DOMAIN, &who, buf_slice(&address)));
	buf_fini(&address);
}
END_TEST

int
main(void)
{
	TCase *cases[2] = {tcase_create("lists"), tcase_create("names")};

	tcase_add_test(cases[0], address_lists);
	tcase_add_test(cases[0], cut_anywhere);
	tcase_add_test(cases[0], nul_is_no_end);
	tcase_add_test(cases[0], stopping);
	tcase_add_test(cases[0], caps);
	tcase_add_test(cases[0], large_values);
	tcase_add_test(cases[1], whose_name);
	tcase_add_test(cases[1], long_addresses_are_nobodys);
	return run_suite("binding", cases, COUNT(cases));
}
