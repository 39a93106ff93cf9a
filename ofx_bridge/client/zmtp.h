/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of a ZeroMQ connection, spoken on the wire: ZMTP 3.0, mechanism NULL, a DEALER.
   Nothing is read without a limit, and nothing waits longer than it is told. Not for several threads at once. */
#ifndef CK_ZMTP_H
#define CK_ZMTP_H

#include <stddef.h>
#include <stdint.h>

#include "system.h"

typedef struct ck_dealer {
    ck_socket connection;
    uint8_t *received; /* what has come and was not taken yet */
    size_t size, taken;
    int parts; /* frames of the message that has come in part */
} ck_dealer;

/* Shake hands over a connected socket, which is the dealer's from here on and closed if this fails.
   CK_OK; CK_DOWN if the other side is gone; CK_SILENT if it said nothing by `until`; CK_VERSION if it speaks something
   else; CK_NO_MEMORY. */
int ck_dealer_open(ck_dealer *dealer, ck_socket connection, double until);

/* Send the message [CKP1, body] by `until`. 0, or -1: the other side is gone or takes nothing, and the connection is of
   no more use. */
int ck_dealer_send(ck_dealer *dealer, const uint8_t *body, size_t size, double until);

/* Receive the last frame of the next message that has come whole; never waits. *body is valid until the next call.
   Commands are answered. CK_RECEIVED_GONE also for what no daemon says: a frame of more than CK_MESSAGE_LIMIT bytes, or
   a message of more than 8 frames. What was said before the end is returned first. */
enum ck_received ck_dealer_receive(ck_dealer *dealer, const uint8_t **body, size_t *size);

/* Close; calling it again does nothing. Nothing can be sent or received from then on. */
void ck_dealer_close(ck_dealer *dealer);

#endif
