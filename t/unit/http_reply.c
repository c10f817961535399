/*
 * http_reply.c: routes, cursors, entity tags and what is answered. No byte that a client chose may
 * begin a header of its own, and every problem is JSON, whatever was asked.
 */
#include "http_fixture.h"

#include <check.h>
#include <jansson.h>

#include "http/cursor.h"
#include "http/precondition.h"
#include "http/reply.h"

static struct arena *arena;

static void set_up(void)
{
    arena = arena_new(1024);
}

static void tear_down(void)
{
    arena_free(arena);
}

/* --- routes --- */

static const struct route rows[] = {
    ROUTE(GET, "/a", ROUTE_API, USER, NULL, NULL, .body = BODY_NONE),
    ROUTE(POST, "/a", ROUTE_API, USER, NULL, NULL, .body = BODY_JSON),
    ROUTE(GET, "/a/{id}", ROUTE_API, USER, NULL, NULL, .body = BODY_NONE),
    ROUTE(PUT, "/a/{id}", ROUTE_API, USER, NULL, NULL, .body = BODY_JSON),
    ROUTE(PATCH, "/a/{id}", ROUTE_API, USER, NULL, NULL, .body = BODY_MERGE),
    ROUTE(DELETE, "/a/{id}", ROUTE_API, USER, NULL, NULL, .body = BODY_NONE),
    ROUTE(GET, "/a/{id}/b", ROUTE_API, USER, NULL, NULL, .body = BODY_NONE),
    ROUTE(POST, "/login", ROUTE_AUTH, PUBLIC, NULL, NULL, .body = BODY_JSON),
    ROUTE(GET, "/both", ROUTE_API | ROUTE_AUTH, PUBLIC, NULL, NULL, .body = BODY_NONE),
};
static const struct route_table table = {rows, countof(rows)};

START_TEST(finds_routes)
{
    static const char whole[] = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
    static const struct {
        unsigned pools;
        const char *method, *path;
        int route; /* -1: none */
        const char *id, *allow;
    } cases[] = {
        {ROUTE_API, "GET", "/a", 0, "", "GET, HEAD, POST, OPTIONS"},
        {ROUTE_API, "HEAD", "/a", 0, "", "GET, HEAD, POST, OPTIONS"},
        {ROUTE_API, "POST", "/a", 1, "", "GET, HEAD, POST, OPTIONS"},
        {ROUTE_API, "DELETE", "/a", -1, "", "GET, HEAD, POST, OPTIONS"},
        {ROUTE_API, "OPTIONS", "/a", -1, "", "GET, HEAD, POST, OPTIONS"},
        {ROUTE_API, "get", "/a", -1, "", "GET, HEAD, POST, OPTIONS"},
        {ROUTE_API, "", "/a", -1, "", "GET, HEAD, POST, OPTIONS"},
        {ROUTE_API, "PATCH", "/a/x", 4, "x", whole},
        {ROUTE_API, "HEAD", "/a/x", 2, "x", whole},
        {ROUTE_API, "POST", "/a/x", -1, "x", whole},
        {ROUTE_API, "GET", "/a/x/b", 6, "x", "GET, HEAD, OPTIONS"},
        {ROUTE_API, "GET", "/a/", -1, "", ""},
        {ROUTE_API, "GET", "/a//b", -1, "", ""},
        {ROUTE_API, "GET", "/a/x/", -1, "", ""},
        {ROUTE_API, "GET", "/a/x/y", -1, "", ""},
        {ROUTE_API, "GET", "/a/x/b/", -1, "", ""},
        {ROUTE_API, "GET", "//a", -1, "", ""},
        {ROUTE_API, "GET", "a", -1, "", ""},
        {ROUTE_API, "GET", "/A", -1, "", ""},
        {ROUTE_API, "GET", "", -1, "", ""},
        {ROUTE_API, "GET", "/", -1, "", ""},
        {ROUTE_API, "GET", "/a/{id}", 2, "{id}", whole},
        {ROUTE_API, "GET", "/a/012345678901234567890123456789012345678", 2,
            "012345678901234567890123456789012345678", whole},
        {ROUTE_API, "GET", "/a/0123456789012345678901234567890123456789", -1, "", ""},
        {ROUTE_API, "POST", "/login", -1, "", ""},
        {ROUTE_AUTH, "POST", "/login", 7, "", "POST, OPTIONS"},
        {ROUTE_AUTH, "GET", "/a", -1, "", ""},
        {ROUTE_AUTH, "GET", "/both", 8, "", "GET, HEAD, OPTIONS"},
        {0, "GET", "/both", -1, "", ""},
    };

    for (size_t i = 0; i < countof(cases); i++) {
        struct route_match match;

        route_find(&table, cases[i].pools, method_parse(cases[i].method), cases[i].path, &match);
        ck_assert_msg(match.route == (cases[i].route < 0 ? NULL : &rows[cases[i].route]), "%s %s",
            cases[i].method, cases[i].path);
        ck_assert_msg(
            strcmp(match.allow, cases[i].allow) == 0, "%s: %s", cases[i].path, match.allow);
        if (cases[i].route >= 0)
            ck_assert_str_eq(match.id, cases[i].id);
    }
}
END_TEST

START_TEST(names_routes)
{
    char name[96];

    ck_assert_str_eq(route_name(&rows[4], name, sizeof name), "PATCH /a/{id}");
    ck_assert_str_eq(method_name(METHOD_UNKNOWN), "OTHER");
    for (enum method method = METHOD_GET; method < METHOD_UNKNOWN; method++)
        ck_assert_int_eq(method_parse(method_name(method)), method);
}
END_TEST

/* --- cursors --- */

START_TEST(cursors_go_round)
{
    static const int32_t versions[] = {1, 2, 255, 256, 65536, INT32_MAX};
    static const char *const keys[] = {"", "x", "1234", "12345678", "a longer one \xc3\xa4"};
    struct uuid uuid, again;
    struct text cursor, key;
    int32_t version;

    for (size_t i = 0; i < countof(keys); i++) {
        const struct text given = {keys[i], strlen(keys[i])};

        uuid_v7(&uuid);
        cursor = cursor_of_key(arena, &uuid, &given);
        ck_assert(cursor_key(&cursor, &again, &key));
        ck_assert_mem_eq(&uuid, &again, sizeof uuid);
        ck_assert_uint_eq(key.length, given.length);
        ck_assert_int_eq(memcmp(key.bytes, given.bytes, key.length), 0);
        ck_assert_int_eq(cursor_uuid(&cursor, &again), given.length == 0);
        ck_assert(!cursor_version(&cursor, &version));
    }
    cursor = cursor_of_uuid(arena, &uuid);
    ck_assert(cursor_uuid(&cursor, &again));
    ck_assert_mem_eq(&uuid, &again, sizeof uuid);
    for (size_t i = 0; i < countof(versions); i++) {
        cursor = cursor_of_version(arena, versions[i]);
        ck_assert(cursor_version(&cursor, &version));
        ck_assert_int_eq(version, versions[i]);
        ck_assert(!cursor_uuid(&cursor, &again));
        ck_assert(!cursor_key(&cursor, &again, &key));
    }
}
END_TEST

START_TEST(cursors_of_every_wrong_length)
{
    struct uuid uuid;
    struct text key;
    int32_t version;

    for (size_t length = 0; length <= 64; length++) {
        /* In a buffer that ends there. */
        char *exact = malloc(MAX(length, 1));
        const struct text cursor = {exact, length};

        memset(exact, 1, length);
        ck_assert_int_eq(cursor_uuid(&cursor, &uuid), length == 16);
        ck_assert_int_eq(cursor_version(&cursor, &version), length == 4);
        ck_assert_int_eq(cursor_key(&cursor, &uuid, &key), length >= 16);
        free(exact);
    }
}
END_TEST

START_TEST(cursors_have_versions_of_pets)
{
    int32_t version;

    ck_assert(!cursor_version(&(struct text){"\0\0\0\0", 4}, &version));
    ck_assert(!cursor_version(&(struct text){"\x80\0\0\0", 4}, &version));
    ck_assert(!cursor_version(&(struct text){"\xff\xff\xff\xff", 4}, &version));
    ck_assert(cursor_version(&(struct text){"\0\0\0\x0a", 4}, &version));
    ck_assert_int_eq(version, 10);
}
END_TEST

/* --- entity tags --- */

/* The versions that are bound as the second (If-Match) or third (If-None-Match) parameter, as text:
 * "null", "", "1 2". */
static const char *bound_versions(const char *if_match, const char *if_none_match, int which)
{
    struct query query;
    struct buf text;
    const uint8_t *value;

    buf_init(&text, arena, 64);
    query_init(&query, arena, STATEMENT_PET_DELETE);
    query_uuid(&query, NULL);
    query_uuid(&query, NULL);
    precondition_bind(&query, if_match, if_none_match);
    if (query.values[which] == NULL)
        return "null";
    value = (const uint8_t *)query.values[which];
    for (int at = 20; at < query.lengths[which]; at += 8) {
        ck_assert_mem_eq(value + at, "\0\0\0\4", 4);
        buf_printf(&text, "%s%d", text.length > 0 ? " " : "",
            value[at + 4] << 24 | value[at + 5] << 16 | value[at + 6] << 8 | value[at + 7]);
    }
    return text.data;
}

static const char *match_versions(const char *if_match)
{
    return bound_versions(if_match, NULL, 2);
}

START_TEST(binds_if_none_match)
{
    static const struct {
        const char *if_match, *if_none_match, *wanted, *unwanted;
    } cases[] = {
        {NULL, NULL, "null", "null"},
        {NULL, "*", "", "null"},
        {"*", "*", "", "null"},
        {"\"1\"", "*", "", "null"},
        {NULL, "\"1\"", "null", "1"},
        {NULL, "W/\"1\", \"2\"", "null", "1 2"},
        {"\"1\", W/\"3\"", "\"2\"", "1", "2"},
        {NULL, "x", "null", ""},
        {NULL, "", "null", ""},
    };
    char many[3000] = "";
    const char *bound;

    for (size_t i = 0; i < countof(cases); i++) {
        ck_assert_str_eq(
            bound_versions(cases[i].if_match, cases[i].if_none_match, 2), cases[i].wanted);
        ck_assert_str_eq(
            bound_versions(cases[i].if_match, cases[i].if_none_match, 3), cases[i].unwanted);
    }
    /* However many there are: the last one counts, too. */
    for (int i = 1; i <= 500; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "\"%d\"", i % 1000);
    bound = bound_versions(NULL, many, 3);
    ck_assert_uint_gt(strlen(bound), 4);
    ck_assert_str_eq(bound + strlen(bound) - 4, " 500");
}
END_TEST

START_TEST(compares_if_match)
{
    static const struct {
        const char *header;
        bool matches;
    } cases[] = {{NULL, true}, {"*", true}, {"\"2\"", true}, {"\"1\", \"2\"", true},
        {"W/\"2\"", false}, {"W/\"2\", \"2\"", true}, {"\"1\"", false}, {"2", false}, {"", false},
        {"\"02\"", false}};

    for (size_t i = 0; i < countof(cases); i++)
        ck_assert_msg(
            precondition_matches(cases[i].header, 2) == cases[i].matches, "%s", cases[i].header);
}
END_TEST

START_TEST(binds_if_match)
{
    static const struct {
        const char *header, *versions;
    } cases[] = {
        {NULL, "null"},
        {"*", "null"},
        {"\"1\"", "1"},
        {"\"1\", \"2\"", "1 2"},
        {"\"1\",\"2\" ,\t\"3\"", "1 2 3"},
        {" , \"7\" ,, ", "7"},
        {"\"999999999\"", "999999999"},
        {"\"2147483647\"", "2147483647"},
        {"\"2147483648\"", ""},
        {"\"9999999999999999999999\"", ""},
        {"W/\"1\"", ""},
        {"W/\"1\", \"2\"", "2"},
        {"w/\"1\"", ""},
        {"\"0\"", ""},
        {"\"01\"", ""},
        {"\"-1\"", ""},
        {"\"+1\"", ""},
        {"\" 1\"", ""},
        {"\"1 \"", ""},
        {"\"\"", ""},
        {"\"abc\"", ""},
        {"\"a,b\", \"2\"", "2"},
        {"\"\\\", \"2\"", "2"},
        {"1", ""},
        {"1, \"2\"", "2"},
        {"\"1", ""},
        {"\"", ""},
        {"W/", ""},
        {"W", ""},
        {"**", ""},
        {"\"*\"", ""},
    };
    char long_list[400] = "";

    for (size_t i = 0; i < countof(cases); i++)
        ck_assert_msg(strcmp(match_versions(cases[i].header), cases[i].versions) == 0, "%s: %s",
            cases[i].header, match_versions(cases[i].header));
    for (int i = 1; i <= ENTITY_TAGS_MAX + 1; i++) {
        size_t at = strlen(long_list);

        snprintf(long_list + at, sizeof long_list - at, "\"%d\",", i);
    }
    ck_assert_str_eq(match_versions(long_list), "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
}
END_TEST

START_TEST(compares_if_none_match)
{
    static const struct {
        const char *header;
        int32_t version;
        bool unchanged;
    } cases[] = {
        {NULL, 1, false},
        {"*", 1, true},
        {"\"1\"", 1, true},
        {"W/\"1\"", 1, true},
        {"\"2\"", 1, false},
        {"\"2\", W/\"3\", \"1\"", 1, true},
        {"\"11\"", 1, false},
        {"\"1", 1, false},
        {"1", 1, false},
        {"", 1, false},
        {"\"x\"", 1, false},
        {"\"2147483647\"", INT32_MAX, true},
    };

    for (size_t i = 0; i < countof(cases); i++)
        ck_assert_msg(
            precondition_unchanged(cases[i].header, cases[i].version) == cases[i].unchanged, "%s",
            cases[i].header);
}
END_TEST

/* --- answers --- */

static const char *head_of(const struct reply *reply)
{
    struct buf head;

    buf_init(&head, arena, 8);
    reply_head(reply, &head);
    return head.data;
}

static unsigned lines_of(const char *head)
{
    unsigned lines = 0;

    for (; (head = strstr(head, "\r\n")) != NULL; head += 2)
        lines++;
    return lines;
}

START_TEST(renders_heads)
{
    struct reply reply;

    reply_init(&reply, arena);
    ck_assert_str_eq(head_of(&reply), "Status: 200 OK\r\nContent-Length: 0\r\n\r\n");
    buf_puts(&reply.body, "{}");
    reply.version = INT32_MAX;
    reply.location = "/x";
    reply.retry_after = 2;
    ck_assert_str_eq(head_of(&reply),
        "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nETag: "
        "\"2147483647\"\r\n"
        "Location: /x\r\nRetry-After: 2\r\n\r\n");
    reply.status = 304;
    ck_assert_ptr_null(strstr(head_of(&reply), "Content-"));
    ck_assert_ptr_nonnull(strstr(head_of(&reply), "ETag: "));
    reply.status = 299;
    ck_assert_int_eq(strncmp(head_of(&reply), "Status: 299 ", 12), 0);
}
END_TEST

/* Every error, for requests that would like to break out of JSON and of headers. */
START_TEST(renders_problems)
{
    static const char *const uris[] = {"/v1/pets", "", "/\"\\\r\nSet-Cookie: x=y\r\n\r\n<b>",
        "/\xff\xc3", "/%00%0d%0a", "/\x01\x7f"};

    for (size_t i = 0; i < countof(uris); i++) {
        for (enum err err = ERR_BAD_REQUEST; err < ERR_COUNT; err++) {
            struct violations violations = {.arena = arena};
            struct fastcgi_body body;
            struct request request;
            struct reply reply;
            struct peer peer;
            json_error_t error;
            json_t *json;

            peer_open(&peer);
            peer_request(&peer, (const char *[]){"REQUEST_URI", uris[i], NULL}, "", 0);
            ck_assert_int_eq(peer_read(&peer, 0, &body), FASTCGI_REQUEST);
            request_read(&request, peer.fastcgi, arena);
            violation_add(&violations, "/a\"\n", "b\"\r\n", "code", "d\"\x01");
            reply_init(&reply, arena);
            json_open_object(&reply.json);
            reply_problem(&reply, &request, err, i == 0 ? NULL : "x\"\r\n", &violations);
            json = json_loadb(reply.body.data, reply.body.length, JSON_REJECT_DUPLICATES, &error);
            ck_assert_msg(json != NULL, "%s: %s", reply.body.data, error.text);
            ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), reply.status);
            ck_assert_str_eq(json_string_value(json_object_get(json, "code")), err_info(err)->code);
            ck_assert_str_eq(json_string_value(json_object_get(json, "trace_id")), request.id);
            ck_assert_uint_eq(json_array_size(json_object_get(json, "errors")), 1);
            ck_assert_int_eq(strstr(head_of(&reply), "WWW-Authenticate: Bearer") != NULL,
                reply.status == 401 || err == ERR_INSUFFICIENT_SCOPE);
            ck_assert_int_eq(
                strstr(head_of(&reply), "Retry-After: ") != NULL, reply.retry_after > 0);
            ck_assert_ptr_nonnull(strstr(head_of(&reply), "application/problem+json"));
            ck_assert_uint_le(lines_of(head_of(&reply)), 6);
            json_decref(json);
            peer_close(&peer);
        }
    }
}
END_TEST

START_TEST(keeps_what_helps)
{
    struct request request = {.target = "/"};
    struct reply reply;

    reply_init(&reply, arena);
    reply.allow = "GET";
    reply_problem(&reply, &request, ERR_METHOD_NOT_ALLOWED, NULL, NULL);
    ck_assert_ptr_nonnull(strstr(head_of(&reply), "\r\nAllow: GET\r\n"));
    reply_init(&reply, arena);
    reply.accept_patch = "application/merge-patch+json";
    reply_problem(&reply, &request, ERR_UNSUPPORTED_MEDIA_TYPE, NULL, NULL);
    ck_assert_ptr_nonnull(
        strstr(head_of(&reply), "\r\nAccept-Patch: application/merge-patch+json\r\n"));
    /* What the handler had begun does not leak into the problem. */
    reply_init(&reply, arena);
    reply.version = 3;
    reply.location = "/secret";
    reply.link = "<x>";
    reply.status = 201;
    reply_problem(&reply, &request, ERR_INTERNAL, NULL, NULL);
    ck_assert_ptr_null(strstr(head_of(&reply), "ETag"));
    ck_assert_ptr_null(strstr(head_of(&reply), "Location"));
    ck_assert_ptr_null(strstr(head_of(&reply), "Link"));
}
END_TEST

/* --- the connection --- */

START_TEST(answers_and_keeps)
{
    struct peer peer;
    struct fastcgi_body body;
    size_t length;

    peer_open(&peer);
    for (int i = 0; i < 3; i++) {
        peer_request(&peer, (const char *[]){NULL}, "", 0);
        ck_assert_int_eq(peer_read(&peer, 0, &body), FASTCGI_REQUEST);
        ck_assert(fastcgi_answer(peer.fastcgi, "Status: 200\r\n\r\n", 15, "body", 4, 1000));
        ck_assert_str_eq(peer_answer(&peer, &length), "Status: 200\r\n\r\nbody");
    }
    peer_close(&peer);
}
END_TEST

START_TEST(answers_nobody)
{
    struct peer peer;
    struct fastcgi_body body;

    signal(SIGPIPE, SIG_IGN);
    peer_open(&peer);
    peer_request(&peer, (const char *[]){NULL}, "", 0);
    ck_assert_int_eq(peer_read(&peer, 0, &body), FASTCGI_REQUEST);
    close(peer.fd);
    ck_assert(!fastcgi_answer(peer.fastcgi, "Status: 200\r\n\r\n", 15, NULL, 0, 1000));
    fastcgi_free(peer.fastcgi);
    arena_free(peer.arena);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("reply");
    Suite *suite = suite_create("http_reply");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, finds_routes);
    tcase_add_test(tests, names_routes);
    tcase_add_test(tests, cursors_go_round);
    tcase_add_test(tests, cursors_of_every_wrong_length);
    tcase_add_test(tests, cursors_have_versions_of_pets);
    tcase_add_test(tests, binds_if_match);
    tcase_add_test(tests, binds_if_none_match);
    tcase_add_test(tests, compares_if_match);
    tcase_add_test(tests, compares_if_none_match);
    tcase_add_test(tests, renders_heads);
    tcase_add_test(tests, renders_problems);
    tcase_add_test(tests, keeps_what_helps);
    tcase_add_test(tests, answers_and_keeps);
    tcase_add_test(tests, answers_nobody);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
