libpets_a_SOURCES += \
	src/base/arena.c src/base/arena.h \
	src/base/base.c src/base/base.h \
	src/base/buf.c src/base/buf.h \
	src/base/err.c src/base/err.h
