# The benchmark: `make bench` runs it against this build. Its two little programs are made by hand and not as
# EXTRA_PROGRAMS, because nothing else needs them (see t/bench/README.md).
BENCH_TOOLS = t/bench/echo t/bench/tokens
BENCH_COMPILE = $(CC) $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(CPPFLAGS) $(AM_CFLAGS) $(CFLAGS)
CLEANFILES += $(BENCH_TOOLS)
EXTRA_DIST += t/bench/README.md t/bench/run t/bench/count t/bench/flood t/bench/pages t/bench/growth t/bench/common.sh t/bench/run.pl t/bench/count.pl t/bench/flood.pl t/bench/pages.pl t/bench/growth.pl \
	t/bench/wrk.lua t/bench/pets.sql t/bench/echo.c t/bench/tokens.c t/bench/lib/Bench/Instance.pm \
	t/bench/lib/Bench/Load.pm t/bench/lib/Bench/Pets.pm t/bench/lib/Bench/Processes.pm t/bench/lib/Bench/Sql.pm t/bench/lib/Bench/Table.pm

bench: bench-programs
	$(AM_V_at)$(srcdir)/t/bench/run $(abs_builddir)

bench-programs: all
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) $(BENCH_TOOLS)

.PHONY: bench bench-programs

t/bench/echo: t/bench/echo.c libpets.a
	$(AM_V_at)$(MKDIR_P) t/bench
	$(AM_V_CCLD)$(BENCH_COMPILE) -o $@ $(srcdir)/t/bench/echo.c $(AM_LDFLAGS) $(LDFLAGS) $(LDADD) $(LIBS)

t/bench/tokens: t/bench/tokens.c libpets.a
	$(AM_V_at)$(MKDIR_P) t/bench
	$(AM_V_CCLD)$(BENCH_COMPILE) -o $@ $(srcdir)/t/bench/tokens.c $(AM_LDFLAGS) $(LDFLAGS) $(LDADD) $(LIBS)
