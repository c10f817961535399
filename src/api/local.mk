libpets_a_SOURCES += \
	src/api/accounts.c src/api/accounts.h \
	src/api/ops.c src/api/ops.h \
	src/api/pets.c src/api/pets.h \
	src/api/routes.c src/api/routes.h \
	src/api/service.h \
	src/api/sessions.c src/api/sessions.h
