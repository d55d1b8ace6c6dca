#ifndef GATEWAY_BASE_MEM_H
#define GATEWAY_BASE_MEM_H

#include <stddef.h>

/*
 * Small allocations that abort when memory is gone. What a peer can size has
 * a cap before it gets here.
 */
void *mem_alloc(size_t size);		    /* not zeroed */
void *mem_zalloc(size_t size);		    /* zeroed */
void *mem_array(size_t count, size_t size); /* zeroed, overflow aborts */
void *mem_resize(void *old, size_t size);
char *mem_strdup(const char *s);	    /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n); /* always NUL-terminated */

#endif
