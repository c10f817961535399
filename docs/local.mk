man_MANS = docs/man/pets-api.7 docs/man/petsctl.8 docs/man/petsd.8 docs/man/petsd.conf.5

# The contract as nginx serves it.
pkgdata_DATA += openapi.json
CLEANFILES += openapi.json

openapi.json: docs/openapi.yaml docs/compile-openapi
	$(AM_V_GEN)$(PERL) $(srcdir)/docs/compile-openapi $(srcdir)/docs/openapi.yaml > $@.tmp
	$(AM_V_at)mv $@.tmp $@

# The pages of /docs: guide and errors from Markdown, and the reference, which is swagger-ui. That is the one thing here that
# comes from npm: a copy with the checksum of the lock file, of which no script is run and only some files are taken. Who
# builds without a network gives configure one that is here (--with-swagger-ui).
DOCS_OF_PAGES = docs/compile-pages docs/guide.md docs/errors.md docs/pages/page.html docs/pages/pages.css docs/pages/reference.js
CLEANFILES += pages.stamp swagger-ui.stamp

docs-pages: pages.stamp
.PHONY: docs-pages

pages.stamp: $(DOCS_OF_PAGES) $(SWAGGER_UI_STAMP)
	$(AM_V_GEN)rm -rf pages.new
	$(AM_V_at)$(PERL) $(srcdir)/docs/compile-pages $(CMARK) "$(SWAGGER_UI)" pages.new
	$(AM_V_at)rm -rf pages && mv pages.new pages && touch $@

swagger-ui.stamp: docs/pages/package.json docs/pages/package-lock.json
	$(AM_V_GEN)rm -rf swagger-ui && mkdir swagger-ui
	$(AM_V_at)cp $(srcdir)/docs/pages/package.json $(srcdir)/docs/pages/package-lock.json swagger-ui
	$(AM_V_at)(cd swagger-ui && $(NPM) ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error \
	    --cache "$${npm_config_cache:-$(abs_builddir)/swagger-ui/cache}") || \
	  { echo "swagger-ui-dist could not be installed from the npm registry; see configure --help for --with-swagger-ui" >&2; exit 1; }
	$(AM_V_at)rm -rf swagger-ui/cache
	$(AM_V_at)touch $@

if MAKE_PAGES
all-local: docs-pages

install-data-local: docs-pages
	$(MKDIR_P) "$(DESTDIR)$(pkgdatadir)/pages"
	$(INSTALL_DATA) pages/* "$(DESTDIR)$(pkgdatadir)/pages"

uninstall-local:
	rm -rf "$(DESTDIR)$(pkgdatadir)/pages"
endif

clean-local:
	rm -rf pages pages.new swagger-ui
