libpets_a_SOURCES += \
	src/pool/loop.c src/pool/loop.h \
	src/pool/scoreboard.c src/pool/scoreboard.h
