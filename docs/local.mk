man_MANS = docs/man/petsctl.8 docs/man/petsd.8 docs/man/petsd.conf.5

# The contract as nginx serves it.
pkgdata_DATA += openapi.json
CLEANFILES += openapi.json

openapi.json: docs/openapi.yaml docs/compile-openapi
	$(AM_V_GEN)$(PERL) $(srcdir)/docs/compile-openapi $(srcdir)/docs/openapi.yaml > $@.tmp
	$(AM_V_at)mv $@.tmp $@
