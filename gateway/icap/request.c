/*
 * The heads of a request. Scanners of web traffic want to see an exchange of
 * HTTP: a request whose path is the file's name, and a response with type and
 * length (Symantec and Trend refuse less). The host of it is a name that
 * cannot exist, so that no server's list of good or bad sites applies.
 *
 * Nothing that a sender chose gets in as it is: the name is percent-encoded,
 * a type that is not two tokens becomes application/octet-stream, a login is
 * in base64 or printable.
 */
#include "gateway/icap/request.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/base/encode.h"
#include "gateway/base/escape.h"

#define HTTP_HOST "attachment.invalid"
#define NAME_BYTES_MAX 255
#define TYPE_BYTES_MAX 127
#define LOGIN_BYTES_MAX 255

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

static bool
is_in(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* RFC 3986, 2.3: what stands for itself. */
static void
path_put(struct buf *out, const char *name)
{
	struct slice s = slice_head(slice_str(name), NAME_BYTES_MAX);

	if (s.n == 0)
		s = SLICE_LIT("unnamed");
	for (size_t i = 0; i < s.n; i++) {
		if (is_alnum(s.p[i]) || is_in(s.p[i], "-._~"))
			buf_add_byte(out, s.p[i]);
		else
			buf_printf(out, "%%%02X", (unsigned char)s.p[i]);
	}
}

static bool
type_is_good(const char *type)
{
	size_t n = strlen(type), slashes = 0;

	for (size_t i = 0; i < n; i++) {
		if (type[i] == '/')
			slashes++;
		else if (!is_alnum(type[i]) && !is_in(type[i], "!#$&-^_.+"))
			return false;
	}
	return slashes == 1 && n >= 3 && n <= TYPE_BYTES_MAX &&
	       type[0] != '/' && type[n - 1] != '/';
}

static void
content_put(struct buf *out, const struct icap_req *req)
{
	buf_printf(out,
		   "Content-Type: %s\r\n"
		   "Content-Length: %" PRIu64 "\r\n",
		   req->type != NULL && type_is_good(req->type)
		       ? req->type
		       : "application/octet-stream",
		   req->bytes);
}

static void
http_request_put(struct buf *out, const struct icap_request *r)
{
	bool post = r->service->method == ICAP_REQMOD;

	buf_add_str(out, post ? "POST " : "GET ");
	buf_add_str(out, "http://" HTTP_HOST "/");
	path_put(out, r->req->name == NULL ? "" : r->req->name);
	buf_add_str(out, " HTTP/1.1\r\nHost: " HTTP_HOST "\r\n");
	if (post)
		content_put(out, r->req);
	buf_add_str(out, "\r\n");
}

static void
http_response_put(struct buf *out, const struct icap_request *r)
{
	buf_add_str(out, "HTTP/1.1 200 OK\r\n");
	content_put(out, r->req);
	buf_add_str(out, "\r\n");
}

/* "METHOD icap://host:port/service ICAP/1.0", and Host. icap:// inside TLS,
 * too: c-icap and others know no other scheme. */
static void
start_put(struct buf *out, const char *method,
	  const struct icap_service *service)
{
	bool v6 = strchr(service->host, ':') != NULL;
	struct buf host = {.cap = 300};

	buf_printf(&host, v6 ? "[%s]:%u" : "%s:%u", service->host,
		   service->port);
	buf_printf(out, "%s icap://%s/%s ICAP/1.0\r\nHost: %s\r\n", method,
		   buf_cstr(&host), service->service, buf_cstr(&host));
	buf_add_str(out, "User-Agent: Sluice/" SLUICE_VERSION "\r\n");
	buf_fini(&host);
}

static void
user_put(struct buf *out, const struct icap_request *r)
{
	const struct icap_profile *p = r->terms->profile;
	struct slice login =
	    slice_head(slice_str(r->req->login), LOGIN_BYTES_MAX);
	bool plain = r->terms->client_username || !p->user_base64;
	struct buf uri = {.cap = LOGIN_BYTES_MAX + 16};

	if (!r->service->authenticated_user || login.n == 0)
		return;
	buf_printf(out, "%s: ",
		   r->terms->client_username ? "X-Client-Username"
					     : p->user_header);
	if (plain) {
		escape_reply(out, login);
	} else {
		buf_add_str(&uri, "Local://");
		buf_add_slice(&uri, login);
		base64_encode(out, buf_slice(&uri));
	}
	buf_add_str(out, "\r\n");
	buf_fini(&uri);
}

static void
client_put(struct buf *out, const struct icap_req *req)
{
	char text[IP_TEXT_SIZE];

	if (req->client == NULL)
		return;
	ip_format(req->client, text);
	buf_printf(out, "X-Client-IP: %s\r\n", text);
}

void
icap_request_put(struct buf *out, const struct icap_request *r)
{
	bool respmod = r->service->method == ICAP_RESPMOD;
	struct buf req = {.cap = ICAP_REQUEST_MAX};
	struct buf res = {.cap = ICAP_REQUEST_MAX};

	http_request_put(&req, r);
	if (respmod)
		http_response_put(&res, r);
	start_put(out, respmod ? "RESPMOD" : "REQMOD", r->service);
	buf_add_str(out, "Allow: 204\r\n");
	if (r->preview >= 0)
		buf_printf(out, "Preview: %d\r\n", r->preview);
	client_put(out, r->req);
	user_put(out, r);
	if (respmod)
		buf_printf(out,
			   "Encapsulated: req-hdr=0, res-hdr=%zu, "
			   "res-body=%zu\r\n\r\n",
			   req.n, req.n + res.n);
	else
		buf_printf(out, "Encapsulated: req-hdr=0, req-body=%zu\r\n\r\n",
			   req.n);
	buf_add_slice(out, buf_slice(&req));
	buf_add_slice(out, buf_slice(&res));
	buf_fini(&req);
	buf_fini(&res);
}

void
icap_request_options_put(struct buf *out, const struct icap_service *service)
{
	start_put(out, "OPTIONS", service);
	buf_add_str(out, "Encapsulated: null-body=0\r\n\r\n");
}
