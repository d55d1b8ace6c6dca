#include "dns/hosts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/mem.h"

#define FILE_MAX 65536

static bool
next_word(struct slice *line, struct slice *word)
{
	size_t n = 0;

	*line = slice_trim(*line);
	while (n < line->n && line->p[n] != ' ' && line->p[n] != '\t')
		n++;
	*word = slice_head(*line, n);
	*line = slice_from(*line, n);
	return n > 0;
}

static bool
line_names(struct slice line, struct slice name, struct ip_addr *ip)
{
	struct slice word;

	line = slice_head(line, slice_find(line, '#'));
	if (!next_word(&line, &word) || ip_parse(word, ip) != 0)
		return false;
	while (next_word(&line, &word)) {
		if (slice_ieq(word, name))
			return true;
	}
	return false;
}

static bool
is_localhost(struct slice name)
{
	return slice_eq(name, SLICE_LIT("localhost")) ||
	       slice_iends(name, SLICE_LIT(".localhost"));
}

static uint32_t
file_find(struct slice text, struct slice name, bool v6, struct ip_addr *ips,
	  uint32_t max)
{
	struct slice line;
	uint32_t count = 0;

	while (count < max && slice_split(&text, '\n', &line)) {
		struct ip_addr ip;

		if (line_names(line, name, &ip) && (v6 || ip_is_v4(&ip)))
			ips[count++] = ip;
	}
	return count;
}

uint32_t
hosts_find(const char *path, const char *name, bool v6, struct ip_addr *ips,
	   uint32_t max)
{
	struct slice key = slice_str(name);
	char *text = mem_alloc(FILE_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, FILE_MAX) : 0;
	uint32_t count = 0;

	if (fd >= 0)
		close(fd);
	if (n > 0)
		count = file_find(slice_of(text, (size_t)n), key, v6, ips, max);
	free(text);
	if (count > 0 || !is_localhost(key))
		return count;
	if (v6 && count < max)
		(void)ip_parse(SLICE_LIT("::1"), &ips[count++]);
	if (count < max)
		(void)ip_parse(SLICE_LIT("127.0.0.1"), &ips[count++]);
	return count;
}
