/* Many pushers, one loop: nothing lost, nothing twice, each one's order. */
#include <pthread.h>

#include "gateway/net/queue.h"
#include "tests/net/net_help.h"

#define PUSHERS 4
#define ITEMS 100000

struct number {
	struct queue_item item; /* first */
	int pusher;
	int number;
};

struct pusher {
	struct queue *queue;
	struct number *numbers;
};

static struct {
	struct loop *loop;
	int next[PUSHERS];
	int total;
	int stop_at;
} seen;

static void
on_item(void *arg, struct queue_item *item)
{
	struct number *number = (struct number *)(void *)item;

	(void)arg;
	ck_assert_int_eq(number->number, seen.next[number->pusher]);
	seen.next[number->pusher]++;
	if (++seen.total == seen.stop_at)
		loop_stop(seen.loop);
}

static void *
push_all(void *arg)
{
	struct pusher *pusher = arg;

	for (int i = 0; i < ITEMS; i++)
		queue_push(pusher->queue, &pusher->numbers[i].item);
	return NULL;
}

static struct number *
numbers_create(int pusher, int count)
{
	struct number *numbers = calloc((size_t)count, sizeof(*numbers));

	ck_assert_ptr_nonnull(numbers);
	for (int i = 0; i < count; i++) {
		numbers[i].pusher = pusher;
		numbers[i].number = i;
	}
	return numbers;
}

START_TEST(order_of_each_pusher)
{
	struct queue *queue;
	struct pusher pushers[PUSHERS];
	pthread_t threads[PUSHERS];

	memset(&seen, 0, sizeof(seen));
	seen.stop_at = PUSHERS * ITEMS;
	seen.loop = loop_create();
	queue = queue_create(seen.loop, on_item, NULL);
	for (int i = 0; i < PUSHERS; i++) {
		pushers[i].queue = queue;
		pushers[i].numbers = numbers_create(i, ITEMS);
		pthread_create(&threads[i], NULL, push_all, &pushers[i]);
	}
	loop_run(seen.loop);
	for (int i = 0; i < PUSHERS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(seen.next[i], ITEMS);
	}
	queue_destroy(&queue);
	ck_assert_ptr_null(queue);
	ck_assert_int_eq(seen.total, PUSHERS * ITEMS);
	loop_destroy(&seen.loop);
	for (int i = 0; i < PUSHERS; i++)
		free(pushers[i].numbers);
}
END_TEST

START_TEST(wakes_again_after_empty)
{
	struct number *numbers = numbers_create(0, 10);
	struct queue *queue;

	memset(&seen, 0, sizeof(seen));
	seen.loop = loop_create();
	queue = queue_create(seen.loop, on_item, NULL);
	for (int i = 0; i < 10; i++) {
		queue_push(queue, &numbers[i].item);
		TURN_UNTIL(seen.loop, seen.total == i + 1);
	}
	queue_destroy(&queue);
	loop_destroy(&seen.loop);
	free(numbers);
}
END_TEST

/* Also what was taken in, but not yet delivered for fairness. */
START_TEST(destroy_delivers_the_rest)
{
	static const int turns[] = {0, 1, 2, 3};
	struct number *numbers = numbers_create(0, 1000);

	for (size_t t = 0; t < sizeof(turns) / sizeof(turns[0]); t++) {
		struct queue *queue;

		memset(&seen, 0, sizeof(seen));
		seen.loop = loop_create();
		queue = queue_create(seen.loop, on_item, NULL);
		for (int i = 0; i < 900; i++)
			queue_push(queue, &numbers[i].item);
		for (int i = 0; i < turns[t]; i++)
			loop_turn(seen.loop);
		ck_assert_int_lt(seen.total, 900);
		for (int i = 900; i < 1000; i++)
			queue_push(queue, &numbers[i].item);
		queue_destroy(&queue);
		ck_assert_int_eq(seen.total, 1000);
		loop_destroy(&seen.loop);
	}
	free(numbers);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {order_of_each_pusher,
				      wakes_again_after_empty,
				      destroy_delivers_the_rest};

	return RUN_TESTS("net/queue", tests);
}
