libpets_a_SOURCES += \
	src/api/accounts.c src/api/accounts.h \
	src/api/api_keys.c src/api/api_keys.h \
	src/api/html.c src/api/html.h \
	src/api/login.c src/api/login.h \
	src/api/login_factor.c src/api/login_factor.h \
	src/api/metrics.c src/api/metrics.h \
	src/api/ops.c src/api/ops.h \
	src/api/passwords.c src/api/passwords.h \
	src/api/pets.c src/api/pets.h \
	src/api/pets_list.c \
	src/api/resets.c src/api/resets.h \
	src/api/routes.c src/api/routes.h \
	src/api/second_factor.c src/api/second_factor.h \
	src/api/service.c src/api/service.h src/api/service_factor.c \
	src/api/sessions.c src/api/sessions.h \
	src/api/status.c src/api/status.h \
	src/api/status_html.c src/api/status_html.h \
	src/api/status_json.c \
	src/api/status_style.c \
	src/api/status_tables.c \
	src/api/status_text.c \
	src/api/status_tiles.c \
	src/api/step_up.c src/api/step_up.h \
	src/api/throttle.c src/api/throttle.h \
	src/api/transfers.c src/api/transfers.h \
	src/api/users.c src/api/users.h
