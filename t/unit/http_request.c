/*
 * http_request.c: what comes from the web server, taken apart: percent-encoding, the request line,
 * query strings, media types, Accept.
 */
#include "http_fixture.h"

#include <check.h>

static struct peer peer;

static void set_up(void)
{
    peer_open(&peer);
}

static void tear_down(void)
{
    peer_close(&peer);
}

/* --- percent-encoding --- */

START_TEST(decodes)
{
    static const struct {
        const char *text;
        bool plus;
        const char *decoded; /* NULL: refused */
        size_t length;
    } rows[] = {
        {"", false, "", 0},
        {"abc", false, "abc", 3},
        {"%41%4a%4A", false, "AJJ", 3},
        {"a+b", false, "a+b", 3},
        {"a+b%2B", true, "a b+", 4},
        {"%00x", false, "\0x", 2},
        {"%C3%a4", false, "\xc3\xa4", 2},
        {"%25%32%35", false, "%25", 3},
        {"%", false, NULL, 0},
        {"%4", false, NULL, 0},
        {"a%4", false, NULL, 0},
        {"%4g", false, NULL, 0},
        {"%g4", false, NULL, 0},
        {"%%41", false, NULL, 0},
        {"% 41", false, NULL, 0},
        {"%+1", false, NULL, 0},
        {"%-1", false, NULL, 0},
        {"%0x", false, NULL, 0},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        size_t length = 99;
        char *decoded =
            percent_decode(peer.arena, rows[i].text, strlen(rows[i].text), rows[i].plus, &length);

        ck_assert_msg((decoded == NULL) == (rows[i].decoded == NULL), "%s", rows[i].text);
        if (decoded == NULL)
            continue;
        ck_assert_uint_eq(length, rows[i].length);
        ck_assert_mem_eq(decoded, rows[i].decoded, length + 1);
    }
}
END_TEST

/* Only the length that is given is looked at, in a buffer that ends exactly there. */
START_TEST(decodes_no_more_than_given)
{
    for (size_t length = 1; length <= 2; length++) {
        char *text = malloc(length);
        size_t decoded;

        memcpy(text, "%4", length);
        ck_assert_ptr_null(percent_decode(peer.arena, text, length, false, &decoded));
        free(text);
    }
}
END_TEST

START_TEST(decodes_every_byte)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[4];
        size_t length;
        char *decoded;

        snprintf(text, sizeof text, "%%%02x", (unsigned)byte);
        decoded = percent_decode(peer.arena, text, 3, true, &length);
        ck_assert_ptr_nonnull(decoded);
        ck_assert_uint_eq(length, 1);
        ck_assert_int_eq((unsigned char)decoded[0], byte);
    }
}
END_TEST

/* --- the request --- */

static enum err read_request(const char *const *params, struct request *request)
{
    struct fastcgi_body body;

    peer_request(&peer, params, "", 0);
    ck_assert_int_eq(peer_read(&peer, 100, &body), FASTCGI_REQUEST);
    memset(request, 0, sizeof *request);
    return request_read(request, peer.fastcgi, peer.arena);
}

static enum err read_uri(const char *uri, struct request *request)
{
    return read_request(
        (const char *[]){"REQUEST_METHOD", "GET", "REQUEST_URI", uri, NULL}, request);
}

START_TEST(takes_the_target_apart)
{
    static const struct {
        const char *uri, *path, *target, *query;
        enum err err;
    } rows[] = {
        {"/v1/pets", "/v1/pets", "/v1/pets", NULL, ERR_NONE},
        {"/v1/pets?", "/v1/pets", "/v1/pets", "", ERR_NONE},
        {"/v1/pets?a=b?c", "/v1/pets", "/v1/pets", "a=b?c", ERR_NONE},
        {"/v1/%70ets?q=%41", "/v1/pets", "/v1/%70ets", "q=%41", ERR_NONE},
        {"/a#b?c", "/a", "/a", NULL, ERR_NONE},
        {"/%c3%a4", "/\xc3\xa4", "/%c3%a4", NULL, ERR_NONE},
        {"/\xc3\xa4", "/\xc3\xa4", "/%C3%A4", NULL, ERR_NONE},
        {"", "", "", NULL, ERR_NONE},
        {"*", "*", "*", NULL, ERR_NONE},
        {"/%00", "", "/%00", NULL, ERR_NOT_FOUND},
        {"/%ff", "", "/%ff", NULL, ERR_NOT_FOUND},
        {"/%c0%af", "", "/%c0%af", NULL, ERR_NOT_FOUND},
        {"/%", "", "/%", NULL, ERR_NOT_FOUND},
        /* The target becomes `instance` in JSON and part of Link: it is ASCII without controls. */
        {"/\xff", "", "/%FF", NULL, ERR_NOT_FOUND},
        {"/a\r\nb", "/a\r\nb", "/a%0D%0Ab", NULL, ERR_NONE},
        {"/a b\x7f\t\"<>\\", "/a b\x7f\t\"<>\\", "/a%20b%7F%09%22%3C%3E%5C", NULL, ERR_NONE},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct request request;

        ck_assert_msg(read_uri(rows[i].uri, &request) == rows[i].err, "row %zu", i);
        ck_assert_str_eq(request.path, rows[i].path);
        ck_assert_str_eq(request.target, rows[i].target);
        ck_assert_pstr_eq(request.query, rows[i].query);
    }
}
END_TEST

START_TEST(takes_what_is_there)
{
    struct request request;

    ck_assert_int_eq(read_request((const char *[]){NULL}, &request), ERR_NONE);
    ck_assert_int_eq(request.method, METHOD_UNKNOWN);
    ck_assert_str_eq(request.path, "");
    ck_assert_ptr_null(request.accept);
    ck_assert_ptr_null(request.address);
    ck_assert_uint_eq(strlen(request.id), 32);
    ck_assert_uint_eq(strspn(request.id, "0123456789abcdef"), 32);
    ck_assert_int_eq(read_request((const char *[]){"REQUEST_METHOD", "get", "HTTP_ACCEPT", "",
                                      "REQUEST_ID", "0123456789abcdef0123456789abcdef", NULL},
                         &request),
        ERR_NONE);
    ck_assert_int_eq(request.method, METHOD_UNKNOWN);
    ck_assert_ptr_null(request.accept);
    ck_assert_str_eq(request.id, "0123456789abcdef0123456789abcdef");
}
END_TEST

/* A request id that is not 32 lower-case hexadecimal digits is replaced: it goes to logs and
 * clients. */
START_TEST(makes_a_request_id)
{
    static const char *const given[] = {"", "0123456789abcdef0123456789abcde",
        "0123456789abcdef0123456789abcdef0", "0123456789ABCDEF0123456789abcdef",
        "0123456789abcdef0123456789abcde\n", "\"}0123456789abcdef0123456789abc"};

    for (size_t i = 0; i < countof(given); i++) {
        struct request request;

        read_request((const char *[]){"REQUEST_ID", given[i], NULL}, &request);
        ck_assert_str_ne(request.id, given[i]);
        ck_assert_uint_eq(strspn(request.id, "0123456789abcdef"), 32);
        ck_assert_int_eq(request.id[32], '\0');
    }
}
END_TEST

/* What goes into the database as text must be text there, and an address an address. */
START_TEST(takes_only_clean_text)
{
    static const struct {
        const char *name, *value;
        bool taken;
    } rows[] = {
        {"HTTP_USER_AGENT", "curl/8", true},
        {"HTTP_USER_AGENT", "caf\xc3\xa9", true},
        {"HTTP_USER_AGENT", "caf\xe9", false},
        {"HTTP_USER_AGENT", "a\nb", false},
        {"REMOTE_ADDR", "127.0.0.1", true},
        {"REMOTE_ADDR", "2001:db8::1", true},
        {"REMOTE_ADDR", "unix:", false},
        {"REMOTE_ADDR", "127.0.0.1 ", false},
        {"REMOTE_ADDR", "127.0.0.1/8", false},
        {"REMOTE_ADDR", "fe80::1%eth0", false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct request request;
        const char *taken;

        read_request((const char *[]){rows[i].name, rows[i].value, NULL}, &request);
        taken = rows[i].name[0] == 'H' ? request.user_agent : request.address;
        if (rows[i].taken)
            ck_assert_pstr_eq(taken, rows[i].value);
        else
            ck_assert_msg(taken == NULL, "%s", rows[i].value);
    }
}
END_TEST

/* --- bodies --- */

START_TEST(reads_bodies)
{
    static const struct {
        const char *announced; /* NULL: not */
        size_t sent;
        enum fastcgi_read read;
        bool kept;
    } rows[] = {
        {NULL, 0, FASTCGI_REQUEST, true},
        {"", 0, FASTCGI_REQUEST, true},
        {"0", 0, FASTCGI_REQUEST, true},
        {"1", 1, FASTCGI_REQUEST, true},
        {"99", 99, FASTCGI_REQUEST, true},
        {"100", 100, FASTCGI_REQUEST, true},
        {"101", 101, FASTCGI_REQUEST, false},
        {"20000", 20000, FASTCGI_REQUEST, false},
        {"00100", 100, FASTCGI_REQUEST, true},
        {NULL, 1, FASTCGI_BROKEN, false},
        {"0", 1, FASTCGI_BROKEN, false},
        {"99", 100, FASTCGI_BROKEN, false},
        {"100", 99, FASTCGI_BROKEN, false},
        {"101", 100, FASTCGI_BROKEN, false},
        {"100", 200000, FASTCGI_BROKEN, false},
        {"-1", 1, FASTCGI_BROKEN, false},
        {"+1", 1, FASTCGI_BROKEN, false},
        {" 1", 1, FASTCGI_BROKEN, false},
        {"1 ", 1, FASTCGI_BROKEN, false},
        {"0x1", 1, FASTCGI_BROKEN, false},
        {"1e1", 10, FASTCGI_BROKEN, false},
        {"18446744073709551615", 0, FASTCGI_BROKEN, false},
        {"18446744073709551616", 0, FASTCGI_BROKEN, false},
        {"99999999999999999999999", 5, FASTCGI_BROKEN, false},
    };
    char *bytes = malloc(200000);

    memset(bytes, 'x', 200000);
    for (size_t i = 0; i < countof(rows); i++) {
        const char *params[] = {NULL, NULL, NULL};
        struct fastcgi_body body;

        if (rows[i].announced != NULL) {
            params[0] = "CONTENT_LENGTH";
            params[1] = rows[i].announced;
        }
        /* A connection each, because a broken one is closed. */
        tear_down();
        set_up();
        peer_request(&peer, params, bytes, rows[i].sent);
        ck_assert_msg(peer_read(&peer, 100, &body) == rows[i].read, "row %zu", i);
        if (rows[i].read != FASTCGI_REQUEST)
            continue;
        ck_assert_uint_eq(body.length, rows[i].sent);
        ck_assert_int_eq(body.bytes != NULL, rows[i].kept);
        if (rows[i].kept)
            ck_assert_int_eq(body.bytes[body.length], '\0');
    }
    free(bytes);
}
END_TEST

/* --- query strings --- */

enum { P_LIMIT, P_WORD, P_TEXT, P_ID, P_NAMES, P_COUNT };
static const char *const words[] = {"dog", "cat", NULL};
static const struct field parameters[P_COUNT] = {
    [P_LIMIT] = {"limit", FIELD_INTEGER, 0, 1, 100},
    [P_WORD] = {"species", FIELD_WORD, .words = words},
    [P_TEXT] = {"q", FIELD_STRING, 0, 1, 5},
    [P_ID] = {"id", FIELD_UUID},
    [P_NAMES] = {"names", FIELD_STRINGS, .items = 2, .words = words},
};

static struct value values[P_COUNT];
static struct violations violations;

static void read_query(const char *query)
{
    struct request request = {.query = query};

    violations = (struct violations){.arena = peer.arena};
    request_parameters(&request, parameters, P_COUNT, values, &violations);
}

START_TEST(reads_good_queries)
{
    static const struct {
        const char *query;
        int64_t limit; /* 0: not given */
        const char *text;
    } rows[] = {
        {NULL, 0, NULL},
        {"", 0, NULL},
        {"&", 0, NULL},
        {"&&limit=1&&", 1, NULL},
        {"limit=100&q=abcde", 100, "abcde"},
        {"%6cimit=1%30", 10, NULL},
        {"q=a+b%2b", 0, "a b+"},
        {"q=%c3%a4%C3%A4%c3%a4%c3%a4%c3%a4", 0, "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"},
        {"q=a=b", 0, "a=b"},
        {"q=%26", 0, "&"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        read_query(rows[i].query);
        ck_assert_msg(violations.count == 0, "row %zu", i);
        ck_assert_int_eq(values[P_LIMIT].given, rows[i].limit != 0);
        if (rows[i].limit != 0)
            ck_assert_int_eq(values[P_LIMIT].number, rows[i].limit);
        ck_assert_int_eq(values[P_TEXT].given, rows[i].text != NULL);
        if (rows[i].text != NULL)
            ck_assert_str_eq(values[P_TEXT].text.bytes, rows[i].text);
    }
}
END_TEST

START_TEST(reads_lists_of_words)
{
    static const struct {
        const char *query;
        size_t count;
        const char *first, *second;
    } rows[] = {
        {"names=dog", 1, "dog", NULL},
        {"names=dog,cat", 2, "dog", "cat"},
        {"names=cat%2cdog", 2, "cat", "dog"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        const struct value *value = &values[P_NAMES];

        read_query(rows[i].query);
        ck_assert_msg(violations.count == 0, "row %zu", i);
        ck_assert_uint_eq(value->count, rows[i].count);
        for (size_t j = 0; j < value->count; j++) {
            ck_assert_uint_eq(value->texts[j].length, 3);
            ck_assert_mem_eq(value->texts[j].bytes, j == 0 ? rows[i].first : rows[i].second, 3);
        }
    }
}
END_TEST

START_TEST(refuses_bad_queries)
{
    static const struct {
        const char *query, *parameter, *code;
    } rows[] = {
        {"limit=0", "limit", "out_of_range"},
        {"limit=101", "limit", "out_of_range"},
        {"limit=-1", "limit", "wrong_type"},
        {"limit=+1", "limit", "wrong_type"},
        {"limit=%2b1", "limit", "wrong_type"},
        {"limit=", "limit", "wrong_type"},
        {"limit", "limit", "wrong_type"},
        {"limit=1.0", "limit", "wrong_type"},
        {"limit=1x", "limit", "wrong_type"},
        {"limit=1%00", "limit", "wrong_type"},
        {"limit=1%00x", "limit", "wrong_type"},
        {"limit=99999999999999999999", "limit", "wrong_type"},
        {"limit=9223372036854775807", "limit", "out_of_range"},
        {"limit=1&limit=1", "limit", "duplicate"},
        {"limit=1&%6Cimit=1", "limit", "duplicate"},
        {"species=Dog", "species", "not_allowed"},
        {"species=dog%00", "species", "not_allowed"},
        {"species=", "species", "not_allowed"},
        {"q=", "q", "too_short"},
        {"q=abcdef", "q", "too_long"},
        {"q=%00", "q", "invalid_characters"},
        {"q=a%0ab", "q", "invalid_characters"},
        {"q=%c2%85", "q", "invalid_characters"},
        {"id=1", "id", "invalid_format"},
        {"names=", "names", "not_allowed"},
        {"names=,", "names", "not_allowed"},
        {"names=dog,", "names", "not_allowed"},
        {"names=,dog", "names", "not_allowed"},
        {"names=dog,,cat", "names", "not_allowed"},
        {"names=dog,cat,", "names", "not_allowed"},
        {"names=dog,cat,dog", "names", "duplicate"},
        {"names=dog,dog,dog", "names", "duplicate"},
        {"names=dog,%20cat", "names", "not_allowed"},
        {"names=dog%00,cat", "names", "not_allowed"},
        {"names=do", "names", "not_allowed"},
        {"names=dogs", "names", "not_allowed"},
        {"names=dog;cat", "names", "not_allowed"},
        {"names=dog&names=cat", "names", "duplicate"},
        {"nothing=1", "nothing", "unknown_parameter"},
        {"Limit=1", "Limit", "unknown_parameter"},
        {"limit[]=1", "limit[]", "unknown_parameter"},
        {"=1", "", "unknown_parameter"},
        {"q=%", NULL, "invalid_characters"},
        {"q=%ff", NULL, "invalid_characters"},
        {"%00=1", NULL, "invalid_characters"},
        {"limit%00=1", NULL, "invalid_characters"},
        {"q=\xff", NULL, "invalid_characters"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        read_query(rows[i].query);
        ck_assert_msg(violations.count == 1, "%s: %zu", rows[i].query, violations.count);
        ck_assert_pstr_eq(violations.list[0].parameter, rows[i].parameter);
        ck_assert_str_eq(violations.list[0].code, rows[i].code);
        ck_assert_ptr_null(violations.list[0].pointer);
    }
}
END_TEST

START_TEST(bounds_queries)
{
    char query[4096] = "";

    /* One too many ends it; below that, everything wrong is told at once. */
    for (int i = 0; i < PARAMETERS_MAX + 5; i++)
        strncat(query, i == 0 ? "limit=1" : "&a=1", sizeof query - strlen(query) - 1);
    read_query(query);
    ck_assert_uint_eq(violations.count, VIOLATIONS);
    ck_assert_str_eq(violations.list[0].code, "unknown_parameter");
    read_query("limit=0&species=x&q=&id=&z=1");
    ck_assert_uint_eq(violations.count, 5);
}
END_TEST

/* --- media types --- */

START_TEST(compares_media_types)
{
    static const char *const good[] = {"application/json", "Application/JSON", "application/json;",
        "application/json; charset=utf-8", "application/json;charset=UTF-8",
        "application/json ; charset=\"utf-8\"", "application/json\t;\tcharset=Utf-8"};
    static const char *const bad[] = {"", "application", "application/", "application/jso",
        "application/jsonx", "application/json+x", "application/json, text/plain", "text/json",
        "application/json; charset=iso-8859-1", "application/json; charset=utf-16",
        "application/json; charset=utf-8; x=y", "application/json x", " application/json",
        "application/merge-patch+json", "application/json; charset"};

    ck_assert(!media_type_is(NULL, "application/json"));
    for (size_t i = 0; i < countof(good); i++)
        ck_assert_msg(media_type_is(good[i], "application/json"), "%s", good[i]);
    for (size_t i = 0; i < countof(bad); i++)
        ck_assert_msg(!media_type_is(bad[i], "application/json"), "%s", bad[i]);
    ck_assert(media_type_is("application/merge-patch+json", "application/merge-patch+json"));
}
END_TEST

START_TEST(weighs_accept)
{
    /* RFC 9110 section 12.5.1. */
    static const char rfc[] =
        "text/*;q=0.3, text/html;q=0.7, text/plain;q=0.6, text/plain;format=flowed,"
        " */*;q=0.5";
    static const struct {
        const char *accept, *type;
        int quality;
    } rows[] = {
        {rfc, "text/html", 700},
        {rfc, "text/richtext", 300},
        {rfc, "image/jpeg", 500},
        {rfc, "text/plain", 600},
        {"audio/*; q=0.2, audio/basic", "audio/basic", 1000},
        {"audio/*; q=0.2, audio/basic", "audio/mpeg", 200},
        {"audio/*; q=0.2, audio/basic", "text/html", 0},
        {"text/plain; q=0.5, text/html, text/x-dvi; q=0.8, text/x-c", "text/plain", 500},
        {NULL, "a/b", 1000},
        {"*/*", "a/b", 1000},
        {"a/*", "a/b", 1000},
        {"A/B", "a/b", 1000},
        {"a/b;q=0", "a/b", 0},
        {"*/*, a/b;q=0", "a/b", 0},
        {"a/b;q=0, */*", "a/b", 0},
        {"a/b;Q=0.25", "a/b", 250},
        {"a/b;q=0.001", "a/b", 1},
        {"a/b;q=0.0001", "a/b", 0},
        {"a/b;q=1.000", "a/b", 1000},
        {"a/b;q=1.9", "a/b", 1000},
        {"a/b;q=0.", "a/b", 0},
        {"a/b;x=y;q=0.5", "a/b", 500},
        {"a/b ; q=0.5", "a/b", 500},
        {"a/b;q=", "a/b", 0},
        {"a/b;q", "a/b", 1000},
        {"a/b;", "a/b", 1000},
        {"", "a/b", 0},
        {",,", "a/b", 0},
        {"a", "a/b", 0},
        {"a/", "a/b", 0},
        {"a/bc", "a/b", 0},
        {"*", "a/b", 0},
        {"*/b", "a/b", 0},
        {"x/*", "a/b", 0},
        {"a/c;q=1, a/b;q=0.1", "a/b", 100},
    };

    for (size_t i = 0; i < countof(rows); i++)
        ck_assert_msg(accept_quality(rows[i].accept, rows[i].type) == rows[i].quality, "%s: %d",
            rows[i].accept, accept_quality(rows[i].accept, rows[i].type));
}
END_TEST

/* Every beginning of a header, in a buffer that ends with it. */
START_TEST(reads_accept_no_further)
{
    static const char whole[] = "text/*;q=0.3, a/b;level=1;q=0.75, */*;q=1.0";

    for (size_t length = 0; length < sizeof whole; length++) {
        char *text = strndup(whole, length);
        int quality = accept_quality(text, "a/b");

        ck_assert(quality >= 0 && quality <= 1000);
        free(text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_request");
    TCase *tcase = tcase_create("http_request");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, decodes);
    tcase_add_test(tcase, decodes_no_more_than_given);
    tcase_add_test(tcase, decodes_every_byte);
    tcase_add_test(tcase, takes_the_target_apart);
    tcase_add_test(tcase, takes_what_is_there);
    tcase_add_test(tcase, makes_a_request_id);
    tcase_add_test(tcase, takes_only_clean_text);
    tcase_add_test(tcase, reads_bodies);
    tcase_add_test(tcase, reads_good_queries);
    tcase_add_test(tcase, reads_lists_of_words);
    tcase_add_test(tcase, refuses_bad_queries);
    tcase_add_test(tcase, bounds_queries);
    tcase_add_test(tcase, compares_media_types);
    tcase_add_test(tcase, weighs_accept);
    tcase_add_test(tcase, reads_accept_no_further);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
