/*
 * permits.h: at most so many processes of a pool do a thing at once, whatever happens to any of
 * them. A permit is a record lock (fcntl(2)) on a byte of a file without a name, which the master
 * makes before it forks: the kernel takes it back when its process ends, however it ends, so a
 * crash can lose none. `lslocks` shows who holds and who waits.
 *
 * A process holds one permit at a time (the locks belong to processes, not to threads), and must
 * never close a descriptor of the file: that would give up its locks.
 */
#ifndef POOL_PERMITS_H
#define POOL_PERMITS_H

/* For the master: the descriptor for its workers to inherit; -1 with errno. Caller closes. */
int permits_open(void);

/*
 * Waits for one of the permits 1 to `count`, and takes it. Who came first gets the next one that is
 * free. `count` may differ between processes: each keeps to its own. Returns the permit.
 */
int permits_take(int fd, int count);
void permits_give(int fd, int permit);

#endif
