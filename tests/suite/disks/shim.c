// Fails writes to files as a broken or full disk does. Loaded with LD_PRELOAD; told what to do
// through the file that DISK_FAULT names, which the test and the program share.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

// The layout of the shared file; `Fault` in disks.rs writes it.
struct fault {
    atomic_int calls;    // 0: none fail; 1: writes; 2: fsyncs; 3: ftruncates
    atomic_int wait;     // this many pass before one fails
    atomic_int lasting;  // whether all fail from then on
    atomic_int error;    // the errno; 0: a short write
    atomic_int failed;   // how many have failed
};

static struct fault *fault;

__attribute__((constructor)) static void open_fault(void) {
    const char *path = getenv("DISK_FAULT");
    int fd = path ? open(path, O_RDWR) : -1;
    if (fd < 0) return;
    void *shared = mmap(NULL, sizeof *fault, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared != MAP_FAILED) fault = shared;
    close(fd);
}

// Only the databases' files fail, not logs and sockets.
static int is_database(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return strstr(path, ".db") != NULL;
}

// Whether this call fails; sets errno.
static int fails(int call, int fd) {
    if (!fault || fault->calls != call || !is_database(fd)) return 0;
    if (atomic_fetch_sub(&fault->wait, 1) > 0) return 0;
    if (!fault->lasting) fault->calls = 0;
    atomic_fetch_add(&fault->failed, 1);
    errno = fault->error;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define FAILING_WRITE(name, offset_type)                                                  \
    ssize_t name(int fd, const void *bytes, size_t count, offset_type offset) {           \
        if (!fails(1, fd)) return NEXT(name)(fd, bytes, count, offset);                   \
        if (errno) return -1;                                                             \
        /* A short write, after which the disk is full. */                                \
        fault->calls = 1;                                                                 \
        fault->wait = 0;                                                                  \
        fault->error = ENOSPC;                                                            \
        return count > 1 ? NEXT(name)(fd, bytes, count / 2, offset) : 0;                  \
    }

FAILING_WRITE(pwrite, off_t)
FAILING_WRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *bytes, size_t count) {
    return fails(1, fd) ? -1 : NEXT(write)(fd, bytes, count);
}
int fsync(int fd) { return fails(2, fd) ? -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return fails(2, fd) ? -1 : NEXT(fdatasync)(fd); }
int ftruncate(int fd, off_t size) { return fails(3, fd) ? -1 : NEXT(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return fails(3, fd) ? -1 : NEXT(ftruncate64)(fd, size); }
