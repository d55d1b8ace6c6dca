/* The keys of session tickets over time; that one resumes is a scenario. */
#include "gateway/net/tls_ticket.h"

#include <check.h>
#include <string.h>

/* Sealed at 1000 ms, opened later. */
static const struct {
	const char *label;
	int64_t seal_ms; /* somebody else's ticket in between; 0: none */
	int64_t open_ms;
	bool opens, renew;
} rows[] = {
    {"at once", 0, 1000, true, false},
    {"before the hour is over", 0, 999 + TICKET_KEY_MS, true, false},
    {"after it, a newer one", 0, 1000 + TICKET_KEY_MS, true, true},
    {"by the previous key", 1000 + TICKET_KEY_MS, 999 + 2 * TICKET_KEY_MS, true,
     true},
    {"two hours", 1000 + TICKET_KEY_MS, 1000 + 2 * TICKET_KEY_MS, false, true},
    {"two hours, nobody came", 0, 1000 + 2 * TICKET_KEY_MS, false, true},
    {"two keys later", 1000 + TICKET_KEY_MS, 1000 + 3 * TICKET_KEY_MS, false,
     true},
};

START_TEST(keys_are_replaced)
{
	struct ticket_keys keys = {.current = {.made_ms = 0}};
	const struct ticket_key *key;
	struct ticket_key sealed;
	bool renew = false;

	sealed = *ticket_keys_seal(&keys, 1000);
	if (rows[_i].seal_ms != 0)
		(void)ticket_keys_seal(&keys, rows[_i].seal_ms);
	key = ticket_keys_open(&keys, sealed.name, rows[_i].open_ms, &renew);
	ck_assert_msg((key != NULL) == rows[_i].opens, "%s", rows[_i].label);
	ck_assert_msg(renew == rows[_i].renew, "%s", rows[_i].label);
	if (key != NULL)
		ck_assert_mem_eq(key->cipher, sealed.cipher,
				 sizeof(key->cipher));
}
END_TEST

START_TEST(a_strangers_ticket)
{
	static const unsigned char zeroes[TICKET_NAME_SIZE];
	struct ticket_keys keys = {.current = {.made_ms = 0}};
	bool renew;

	ck_assert_ptr_null(ticket_keys_open(&keys, zeroes, 5, &renew));
	ck_assert_ptr_null(ticket_keys_open(&keys, zeroes, 6, &renew));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("net/tls_ticket");
	TCase *tc = tcase_create("tls_ticket");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, keys_are_replaced, 0,
			    sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tc, a_strangers_ticket);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
