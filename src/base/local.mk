libpets_a_SOURCES += \
	src/base/arena.c src/base/arena.h \
	src/base/base.c src/base/base.h \
	src/base/buf.c src/base/buf.h \
	src/base/config.c src/base/config.h \
	src/base/config_check.c src/base/config_check.h \
	src/base/config_options.c src/base/config_options.h \
	src/base/err.c src/base/err.h \
	src/base/log.c src/base/log.h \
	src/base/secret.c src/base/secret.h \
	src/base/timestamp.c src/base/timestamp.h \
	src/base/uuid.c src/base/uuid.h
