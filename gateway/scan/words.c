#include "gateway/scan/words.h"

#include <stddef.h>

const char *
scan_kind_word(enum scan_kind kind)
{
	switch (kind) {
	case SCAN_CLEAN:
		return "clean";
	case SCAN_INFECTED:
		return "infected";
	case SCAN_UNSCANNABLE:
		return "unscannable";
	case SCAN_ERROR:
		return "error";
	}
	return "?";
}

const char *
scan_why_word(enum scan_why why)
{
	switch (why) {
	case SCAN_WHY_NONE:
		return NULL;
	case SCAN_WHY_ENCRYPTED:
		return "encrypted";
	case SCAN_WHY_TOO_BIG:
		return "too-big";
	case SCAN_WHY_CONTAINER:
		return "container";
	case SCAN_WHY_POLICY:
		return "policy";
	case SCAN_WHY_PARTIAL:
		return "partial";
	case SCAN_WHY_EXTERNAL:
		return "external";
	case SCAN_WHY_STRUCTURE:
		return "structure";
	case SCAN_WHY_DOWN:
		return "down";
	case SCAN_WHY_TIMEOUT:
		return "timeout";
	case SCAN_WHY_PROTOCOL:
		return "protocol";
	case SCAN_WHY_SERVER:
		return "server";
	case SCAN_WHY_CANCELED:
		return "canceled";
	case SCAN_WHY_READ:
		return "read";
	}
	return "?";
}

const char *
scan_health_word(enum scan_health health)
{
	switch (health) {
	case SCAN_UNKNOWN:
		return "unknown";
	case SCAN_UP:
		return "up";
	case SCAN_DOWN:
		return "down";
	case SCAN_BLIND:
		return "blind";
	}
	return "?";
}
