# The SQL statements, compiled in.
STATEMENTS = $(wildcard $(top_srcdir)/sql/statements/*.sql)
