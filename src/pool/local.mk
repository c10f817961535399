libpets_a_SOURCES += \
	src/pool/guard.c \
	src/pool/loop.c src/pool/loop.h \
	src/pool/scoreboard.c src/pool/scoreboard.h \
	src/pool/worker.c src/pool/worker.h
