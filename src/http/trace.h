/*
 * trace.h: the trace that a request is part of (W3C Trace Context). This service makes no requests
 * of its own, so it passes nothing on; it says the trace's id wherever it tells of the request.
 */
#ifndef HTTP_TRACE_H
#define HTTP_TRACE_H

#include "base/base.h"

enum { TRACE_ID_SIZE = 33 };

/*
 * Takes the id, 32 hexadecimal digits, out of a traceparent header. False, and nothing is taken,
 * when the header is NULL or not valid (section 3.2.2): it is passed over as if it were not there.
 */
bool trace_parse(const char *traceparent, char trace_id[TRACE_ID_SIZE]);

#endif
