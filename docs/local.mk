man_MANS = docs/man/petsctl.8 docs/man/petsd.8 docs/man/petsd.conf.5
