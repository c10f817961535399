# Unit tests (check). Every program prints its counts itself.
if HAVE_CHECK
AM_TESTS_ENVIRONMENT = CK_VERBOSITY=normal; export CK_VERBOSITY;
endif
