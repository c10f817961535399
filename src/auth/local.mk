libpets_a_SOURCES += \
	src/auth/api_key.c src/auth/api_key.h \
	src/auth/base64url.c src/auth/base64url.h \
	src/auth/bookmark.c src/auth/bookmark.h \
	src/auth/challenge.c src/auth/challenge.h \
	src/auth/blocklist.c src/auth/blocklist.h \
	src/auth/digest.c src/auth/digest.h \
	src/auth/email.c src/auth/email.h \
	src/auth/factor.c src/auth/factor.h \
	src/auth/generate.c src/auth/generate.h \
	src/auth/grant.c src/auth/grant.h \
	src/auth/hasher.c src/auth/hasher.h \
	src/auth/key.c src/auth/key.h \
	src/auth/keys.c src/auth/keys.h \
	src/auth/link.c src/auth/link.h \
	src/auth/password.c src/auth/password.h \
	src/auth/password_rules.c src/auth/password_rules.h \
	src/auth/recovery.c src/auth/recovery.h \
	src/auth/refresh.c src/auth/refresh.h \
	src/auth/rehash.c src/auth/rehash.h \
	src/auth/scram.c src/auth/scram.h \
	src/auth/seal.c src/auth/seal.h \
	src/auth/server_key.c src/auth/server_key.h \
	src/auth/token.c src/auth/token.h \
	src/auth/token_cache.c src/auth/token_cache.h \
	src/auth/totp.c src/auth/totp.h \
	src/auth/turns.c src/auth/turns.h

# What people choose again and again; the program looks it up (password.common_list_file).
pkgdata_DATA = common-passwords
CLEANFILES += common-passwords
EXTRA_DIST += src/auth/compile-common-passwords

common-passwords: src/auth/compile-common-passwords $(COMMON_PASSWORDS)
	$(AM_V_GEN)sh $(srcdir)/src/auth/compile-common-passwords $(COMMON_PASSWORDS) > $@.tmp
	$(AM_V_at)mv $@.tmp $@
