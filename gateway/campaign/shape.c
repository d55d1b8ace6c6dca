#include "gateway/campaign/shape.h"

bool
shape_alike(uint64_t a, uint64_t b)
{
	return a != 0 && b != 0 && __builtin_popcountll(a ^ b) <= SHAPE_BITS;
}
