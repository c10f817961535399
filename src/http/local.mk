libpets_a_SOURCES += \
	src/http/cursor.c src/http/cursor.h \
	src/http/exchange.c src/http/exchange.h \
	src/http/fastcgi.c src/http/fastcgi.h \
	src/http/field.c src/http/field.h \
	src/http/idempotency.c src/http/idempotency.h \
	src/http/field_print.c src/http/field_print.h \
	src/http/json_in.c src/http/json_in.h \
	src/http/json_out.c src/http/json_out.h \
	src/http/page.c src/http/page.h \
	src/http/precondition.c src/http/precondition.h \
	src/http/refusal.c src/http/refusal.h \
	src/http/reply.c src/http/reply.h \
	src/http/request.c src/http/request.h \
	src/http/route.c src/http/route.h \
	src/http/server.c src/http/server.h \
	src/http/utf8.c src/http/utf8.h
