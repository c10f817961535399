libpets_a_SOURCES += \
	src/pool/askers.c src/pool/askers.h \
	src/pool/backoff.c src/pool/backoff.h \
	src/pool/children.c src/pool/children.h \
	src/pool/generation.c src/pool/generation.h \
	src/pool/guard.c \
	src/pool/loop.c src/pool/loop.h \
	src/pool/master.c src/pool/master.h \
	src/pool/notify.c src/pool/notify.h \
	src/pool/permits.c src/pool/permits.h \
	src/pool/scoreboard.c src/pool/scoreboard.h \
	src/pool/sockdiag.c src/pool/sockdiag.h \
	src/pool/sockets.c src/pool/sockets.h \
	src/pool/worker.c src/pool/worker.h
