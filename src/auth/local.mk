libpets_a_SOURCES += \
	src/auth/base64url.c src/auth/base64url.h \
	src/auth/challenge.c src/auth/challenge.h \
	src/auth/email.c src/auth/email.h \
	src/auth/factor.c src/auth/factor.h \
	src/auth/generate.c src/auth/generate.h \
	src/auth/grant.c src/auth/grant.h \
	src/auth/hasher.c src/auth/hasher.h \
	src/auth/key.c src/auth/key.h \
	src/auth/keys.c src/auth/keys.h \
	src/auth/password.c src/auth/password.h \
	src/auth/recovery.c src/auth/recovery.h \
	src/auth/refresh.c src/auth/refresh.h \
	src/auth/seal.c src/auth/seal.h \
	src/auth/server_key.c src/auth/server_key.h \
	src/auth/token.c src/auth/token.h \
	src/auth/token_cache.c src/auth/token_cache.h \
	src/auth/totp.c src/auth/totp.h
