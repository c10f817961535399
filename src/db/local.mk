# The SQL statements are compiled in: sql/statements/*.sql becomes one table (sql/compile-statements).
include $(top_srcdir)/sql/statements.mk

libpets_a_SOURCES += \
	src/db/attempt.c src/db/attempt.h \
	src/db/connection.c src/db/connection.h \
	src/db/db.c src/db/db.h \
	src/db/query.c src/db/query.h \
	src/db/rows.c src/db/rows.h \
	src/db/sqlstate.c src/db/sqlstate.h

nodist_libpets_a_SOURCES += statements.c statements.h
BUILT_SOURCES += statements.h statements.c
CLEANFILES += statements.h statements.c
EXTRA_DIST += sql/compile-statements $(STATEMENTS)

statements.h: $(STATEMENTS) sql/statements.mk sql/compile-statements
	$(AM_V_GEN)cd $(srcdir) && sh sql/compile-statements h $(STATEMENTS) > $(abs_builddir)/$@.tmp
	$(AM_V_at)mv $@.tmp $@

statements.c: $(STATEMENTS) sql/statements.mk sql/compile-statements
	$(AM_V_GEN)cd $(srcdir) && sh sql/compile-statements c $(STATEMENTS) > $(abs_builddir)/$@.tmp
	$(AM_V_at)mv $@.tmp $@
