#include "gateway/base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The log may allocate (syslog does): this message goes past it. */
static _Noreturn void
out_of_memory(void)
{
	static const char text[] = "out of memory, aborting\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
		/* nobody left to tell */
	}
	abort();
}

void *
mem_alloc(size_t size)
{
	void *p = malloc(size > 0 ? size : 1);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
mem_zalloc(size_t size)
{
	return mem_array(1, size);
}

void *
mem_array(size_t count, size_t size)
{
	void *p;

	if (count == 0 || size == 0)
		count = size = 1;
	p = calloc(count, size);
	if (p == NULL)
		out_of_memory();
	return p;
}

void *
mem_resize(void *old, size_t size)
{
	void *p = realloc(old, size > 0 ? size : 1);

	if (p == NULL)
		out_of_memory();
	return p;
}

char *
mem_strdup(const char *s)
{
	size_t n;
	char *p;

	if (s == NULL)
		return NULL;
	n = strlen(s) + 1;
	p = mem_alloc(n);
	memcpy(p, s, n);
	return p;
}

char *
mem_strndup(const char *s, size_t n)
{
	size_t have = s != NULL ? strnlen(s, n) : 0;
	char *p = mem_alloc(have + 1);

	if (have > 0)
		memcpy(p, s, have);
	p[have] = '\0';
	return p;
}
