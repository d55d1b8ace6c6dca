#ifndef GATEWAY_SCAN_EICAR_H
#define GATEWAY_SCAN_EICAR_H

/*
 * The EICAR test file, which every virus scanner finds and which harms nobody.
 * It is put together when it is needed: a scanner that looks at our own files
 * must not find it in them.
 */
#define EICAR_SIZE 68

void eicar_write(char out[EICAR_SIZE]); /* no NUL */

#endif
