/*
 * delivery.h: what can become of a message that is handed over.
 */
#ifndef MAIL_DELIVERY_H
#define MAIL_DELIVERY_H

enum delivery {
    DELIVERY_TAKEN,   /* it is somebody else's business now */
    DELIVERY_REFUSED, /* this message will never be taken */
    DELIVERY_LATER,   /* not now; others may be */
    DELIVERY_AWAY,    /* nobody is there to take any */
};

#endif
