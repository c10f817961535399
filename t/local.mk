# Unit tests (check). Every program prints its counts itself.
if HAVE_CHECK
AM_TESTS_ENVIRONMENT = CK_VERBOSITY=normal; export CK_VERBOSITY;
endif

if HAVE_CHECK
check_PROGRAMS += t/unit/auth_blocklist
check_PROGRAMS += t/unit/auth_bookmark
check_PROGRAMS += t/unit/auth_hasher
check_PROGRAMS += t/unit/auth_keys
check_PROGRAMS += t/unit/auth_password
check_PROGRAMS += t/unit/auth_refresh
check_PROGRAMS += t/unit/auth_rules
check_PROGRAMS += t/unit/auth_scram
check_PROGRAMS += t/unit/auth_seal
check_PROGRAMS += t/unit/auth_text
check_PROGRAMS += t/unit/auth_token
check_PROGRAMS += t/unit/auth_totp
t_unit_auth_blocklist_SOURCES = t/unit/auth_blocklist.c t/unit/place.h
t_unit_auth_blocklist_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_auth_bookmark_SOURCES = t/unit/auth_bookmark.c t/unit/place.h
t_unit_auth_bookmark_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_auth_hasher_SOURCES = t/unit/auth_hasher.c t/unit/place.h
t_unit_auth_hasher_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_auth_keys_SOURCES = t/unit/auth_keys.c t/unit/auth_fixture.c t/unit/auth_fixture.h t/unit/place.h
t_unit_auth_keys_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_auth_password_SOURCES = t/unit/auth_password.c t/unit/place.h
t_unit_auth_password_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_auth_rules_SOURCES = t/unit/auth_rules.c t/unit/place.h
t_unit_auth_rules_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_auth_scram_SOURCES = t/unit/auth_scram.c
t_unit_auth_scram_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_auth_seal_SOURCES = t/unit/auth_seal.c t/unit/place.h
t_unit_auth_seal_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_auth_refresh_SOURCES = t/unit/auth_refresh.c t/unit/place.h
t_unit_auth_refresh_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_auth_text_SOURCES = t/unit/auth_text.c
t_unit_auth_text_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_auth_token_SOURCES = t/unit/auth_token.c t/unit/auth_fixture.c t/unit/auth_fixture.h t/unit/place.h
t_unit_auth_token_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_auth_totp_SOURCES = t/unit/auth_totp.c
t_unit_auth_totp_LDADD = $(LDADD) $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += t/unit/db_values
check_PROGRAMS += t/unit/http_field
check_PROGRAMS += t/unit/http_headers
check_PROGRAMS += t/unit/http_json
check_PROGRAMS += t/unit/http_reply
check_PROGRAMS += t/unit/http_request
t_unit_db_values_SOURCES = t/unit/db_values.c
t_unit_db_values_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_http_field_SOURCES = t/unit/http_field.c
t_unit_http_field_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_http_headers_SOURCES = t/unit/http_headers.c
t_unit_http_headers_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_http_json_SOURCES = t/unit/http_json.c
t_unit_http_json_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_http_reply_SOURCES = t/unit/http_reply.c t/unit/http_fixture.c t/unit/http_fixture.h
t_unit_http_reply_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_http_request_SOURCES = t/unit/http_request.c t/unit/http_fixture.c t/unit/http_fixture.h
t_unit_http_request_LDADD = $(LDADD) $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += t/unit/mail_message
t_unit_mail_message_SOURCES = t/unit/mail_message.c
t_unit_mail_message_LDADD = $(LDADD) $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += t/unit/ops_status
t_unit_ops_status_SOURCES = t/unit/ops_status.c
t_unit_ops_status_LDADD = $(LDADD) $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += t/unit/base_config
check_PROGRAMS += t/unit/base_log
check_PROGRAMS += t/unit/base_memory
check_PROGRAMS += t/unit/base_secret
check_PROGRAMS += t/unit/base_time
t_unit_base_config_SOURCES = t/unit/base_config.c t/unit/place.h
t_unit_base_config_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_base_log_SOURCES = t/unit/base_log.c t/unit/place.h
t_unit_base_log_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_base_memory_SOURCES = t/unit/base_memory.c
t_unit_base_memory_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_base_secret_SOURCES = t/unit/base_secret.c t/unit/place.h
t_unit_base_secret_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_base_time_SOURCES = t/unit/base_time.c
t_unit_base_time_LDADD = $(LDADD) $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += t/unit/pool_guard
check_PROGRAMS += t/unit/pool_loop
check_PROGRAMS += t/unit/pool_master
check_PROGRAMS += t/unit/pool_permits
check_PROGRAMS += t/unit/pool_scoreboard
check_PROGRAMS += t/unit/pool_sockets
t_unit_pool_guard_SOURCES = t/unit/pool_guard.c
t_unit_pool_guard_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_pool_loop_SOURCES = t/unit/pool_loop.c
t_unit_pool_loop_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_pool_master_SOURCES = t/unit/pool_master.c t/unit/pool_fixture.c t/unit/pool_fixture.h t/unit/place.h
t_unit_pool_master_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_pool_permits_SOURCES = t/unit/pool_permits.c
t_unit_pool_permits_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_pool_scoreboard_SOURCES = t/unit/pool_scoreboard.c
t_unit_pool_scoreboard_LDADD = $(LDADD) $(CHECK_LIBS)
t_unit_pool_sockets_SOURCES = t/unit/pool_sockets.c t/unit/place.h
t_unit_pool_sockets_LDADD = $(LDADD) $(CHECK_LIBS)
endif

# Fuzzers (libFuzzer): `make fuzz` in a tree that was configured with CC=clang and
# CFLAGS=-fsanitize=fuzzer-no-link. Seeds are in t/data/fuzz.
EXTRA_PROGRAMS =
LIBFUZZER = -fsanitize=fuzzer

fuzz: $(BUILT_SOURCES)
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) $(EXTRA_PROGRAMS)
.PHONY: fuzz
CLEANFILES += $(EXTRA_PROGRAMS)

EXTRA_PROGRAMS += t/fuzz/fuzz_token
t_fuzz_fuzz_token_SOURCES = t/fuzz/fuzz_token.c t/unit/auth_fixture.c t/unit/auth_fixture.h t/unit/place.h
t_fuzz_fuzz_token_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/t/unit
t_fuzz_fuzz_token_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)

EXTRA_PROGRAMS += t/fuzz/fuzz_cursor t/fuzz/fuzz_json t/fuzz/fuzz_query t/fuzz/fuzz_request
t_fuzz_fuzz_cursor_SOURCES = t/fuzz/fuzz_cursor.c
t_fuzz_fuzz_cursor_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_json_SOURCES = t/fuzz/fuzz_json.c
t_fuzz_fuzz_json_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_query_SOURCES = t/fuzz/fuzz_query.c
t_fuzz_fuzz_query_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_request_SOURCES = t/fuzz/fuzz_request.c t/unit/http_fixture.c t/unit/http_fixture.h
t_fuzz_fuzz_request_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/t/unit
t_fuzz_fuzz_request_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)

include t/bench/local.mk
