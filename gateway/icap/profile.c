/*
 * The table of vendors. A row is added when a server needs something that its
 * answers do not show; tests/icap/test_vendor.c has a dialogue for each.
 */
#include "gateway/icap/profile.h"

#include <string.h>

#define USER_SQUID "X-Authenticated-User", true

static const struct icap_profile profiles[] = {
    {"generic", {NULL}, USER_SQUID, true, false},
    {"squidclamav", {"SquidClamav"}, USER_SQUID, true, false},
    {"c-icap", {"C-ICAP", "Antivirus service"}, USER_SQUID, true, false},
    /* It scans a container whole or not at all. */
    {"symantec",
     {"Symantec", "Protection Engine", "Broadcom"},
     USER_SQUID,
     true,
     true},
    {"trend", {"Trend Micro", "InterScan", "IWSVA"}, USER_SQUID, true, false},
    /* The end of a blocking answer comes a minute late (owncloud #445). */
    {"mcafee", {"McAfee", "Skyhigh", "MWG"}, USER_SQUID, false, false},
    {"kaspersky",
     {"Kaspersky", "KL ICAP"},
     "X-Client-Username",
     false,
     true,
     false},
    {"sophos", {"Sophos", "SAVDI"}, USER_SQUID, true, false},
    /* Some versions leave the connection open and the body without an end
     * (nextcloud files_antivirus #303). */
    {"eset", {"ESET"}, USER_SQUID, false, false},
    {"f-secure", {"F-Secure", "WithSecure"}, USER_SQUID, true, false},
    {"opswat", {"OPSWAT", "MetaDefender", "Metascan"}, USER_SQUID, true, false},
    {"fortinet",
     {"FortiSandbox", "FortiGate", "Fortinet"},
     USER_SQUID,
     true,
     false},
    {"bitdefender", {"Bitdefender"}, USER_SQUID, true, false},
    {"checkpoint", {"Check Point", "CheckPoint"}, USER_SQUID, true, false},
};

#define PROFILE_COUNT (sizeof(profiles) / sizeof(profiles[0]))

const struct icap_profile *
icap_profile_find(const char *name)
{
	for (size_t i = 0; i < PROFILE_COUNT; i++) {
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	}
	return NULL;
}

const struct icap_profile *
icap_profile_at(size_t i)
{
	return i < PROFILE_COUNT ? &profiles[i] : NULL;
}

static bool
has_mark(struct slice text, const char *mark)
{
	for (size_t at = 0; at < text.n; at++) {
		if (slice_istarts(slice_from(text, at), slice_str(mark)))
			return true;
	}
	return false;
}

const struct icap_profile *
icap_profile_detect(struct slice service, struct slice server)
{
	for (size_t i = 0; i < PROFILE_COUNT; i++) {
		for (size_t m = 0; m < ICAP_PROFILE_MARKS; m++) {
			const char *mark = profiles[i].marks[m];

			if (mark != NULL &&
			    (has_mark(service, mark) || has_mark(server, mark)))
				return &profiles[i];
		}
	}
	return &profiles[0];
}
