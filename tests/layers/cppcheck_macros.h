/*
 * What cppcheck cannot see for want of the libraries' headers: the macros of
 * libbsd's queue and of uthash that stand where a statement or a type does.
 * For tests/layers/analyse alone; never compiled.
 */
#define LIST_HEAD(name, type)       \
	struct name {               \
		struct type *first; \
	}
#define LIST_ENTRY(type)           \
	struct {                   \
		struct type *next; \
	}
#define STAILQ_HEAD(name, type)     \
	struct name {               \
		struct type *first; \
	}
#define STAILQ_ENTRY(type)         \
	struct {                   \
		struct type *next; \
	}
#define TAILQ_HEAD(name, type)      \
	struct name {               \
		struct type *first; \
	}
#define TAILQ_ENTRY(type)          \
	struct {                   \
		struct type *next; \
	}
#define LIST_FOREACH(v, h, f) for ((v) = (h)->first; (v); (v) = (v)->f.next)
#define STAILQ_FOREACH(v, h, f) for ((v) = (h)->first; (v); (v) = (v)->f.next)
#define TAILQ_FOREACH(v, h, f) for ((v) = (h)->first; (v); (v) = (v)->f.next)
#define LIST_FOREACH_SAFE(v, h, f, n) \
	for ((v) = (h)->first; (v) && ((n) = (v)->f.next, 1); (v) = (n))
#define STAILQ_FOREACH_SAFE(v, h, f, n) \
	for ((v) = (h)->first; (v) && ((n) = (v)->f.next, 1); (v) = (n))
#define TAILQ_FOREACH_SAFE(v, h, f, n) \
	for ((v) = (h)->first; (v) && ((n) = (v)->f.next, 1); (v) = (n))
#define HASH_ITER(hh, head, el, tmp)                                \
	for ((el) = (head), (tmp) = (el) ? (el)->hh.next : 0; (el); \
	     (el) = (tmp), (tmp) = (tmp) ? (tmp)->hh.next : 0)
#define RB_HEAD(name, type)        \
	struct name {              \
		struct type *root; \
	}
#define RB_ENTRY(type)             \
	struct {                   \
		struct type *left; \
	}
#define RB_PROTOTYPE(name, type, field, cmp)                      \
	struct type *name##_next(struct type *);                  \
	struct type *name##_find(struct name *, struct type *);   \
	struct type *name##_insert(struct name *, struct type *); \
	struct type *name##_remove(struct name *, struct type *);
#define RB_GENERATE(name, type, field, cmp)
#define RB_FOREACH_SAFE(v, name, h, n) \
	for ((v) = (h)->root; (v) && ((n) = name##_next(v), 1); (v) = (n))
