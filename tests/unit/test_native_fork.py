"""What becomes of the C client's system layer in a forked child."""

import subprocess
import sys
from pathlib import Path

import pytest

import native
from native_system import FILES, build

if sys.platform == "linux":
    from corridorkey_server.system import Region

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compiles the files of Linux")

SIZE = 1 << 20

# Run with the library as its argument: forks in the midst of things, and unloads the library, twice.
FORKS = """
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>
#include "system.h"

static ck_mutex mutex = CK_MUTEX_INIT;
static volatile int calls, is_held, is_half;

static void work(void) {
    calls++;
}

static void *hold(void *unused) {
    pthread_mutex_lock(&mutex);
    is_half = 1;
    is_held = 1;
    usleep(100000);
    is_half = 0;
    pthread_mutex_unlock(&mutex);
    return unused;
}

/* How often the work was called in a child, which can take the mutex; 9 if it found things half done. */
static int calls_in_child(void) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        pthread_mutex_lock(&mutex);
        _exit(is_half ? 9 : calls);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return 8;
    return WEXITSTATUS(status);
}

static int calls_while_held(void) {
    pthread_t thread;
    is_held = 0;
    if (pthread_create(&thread, NULL, hold, NULL) != 0)
        return 7;
    while (!is_held)
        usleep(1000);
    int found = calls_in_child();
    pthread_join(thread, NULL);
    return found;
}

int main(int count, char **arguments) {
    for (int round = 0; count == 2 && round < 2; round++) {
        int (*watch)(void (*)(void), ck_mutex *) = NULL;
        void *library = dlopen(arguments[1], RTLD_NOW);
        if (library == NULL)
            return 2;
        *(void **)&watch = dlsym(library, "ck_after_fork");
        if (watch == NULL || watch(work, &mutex) != 0 || watch(work, &mutex) != 0)
            return 3;
        if (calls_in_child() != 1 || calls_while_held() != 1)
            return 4;
        if (dlclose(library) != 0 || calls_in_child() != 1)
            return 5;
    }
    return calls;
}
"""

# Run with the descriptor of a region and its size: maps it, forks, and asks the kernel who has the mapping.
MAPS = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "system.h"

static int is_mapped(const void *memory) {
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        found |= (void *)strtoul(line, NULL, 16) == memory;
    if (maps != NULL)
        fclose(maps);
    return found;
}

int main(int count, char **arguments) {
    if (count != 3)
        return 1;
    int status;
    ck_region region = {atoi(arguments[1])};
    size_t size = strtoul(arguments[2], NULL, 10);
    char *memory = ck_region_map(&region, size);
    if (memory == NULL || !is_mapped(memory))
        return 2;
    pid_t child = fork();
    if (child == 0)
        _exit(is_mapped(memory) ? 3 : 0);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return 4;
    ck_region_unmap(memory, size);
    return is_mapped(memory) ? 5 : WEXITSTATUS(status);
}
"""


def compile_program(text: str, folder: Path, *files: Path) -> Path:
    """Return the program that `text` makes with `files`."""
    (folder / "main.c").write_text(text)
    # Functions come from a library as pointers to void, which C has no cast for and POSIX asks for.
    flags = (f"-I{native.BRIDGE / 'client'}", "-Wno-pedantic")
    return native.compile_c([folder / "main.c", *files], folder / "main", *flags)


def test_fork_is_seen_once_and_leaves_nothing_locked(tmp_path: Path) -> None:
    """The work is called once in each child, which can take the mutex and finds nothing half done.

    A library that was unloaded stays where a fork finds it, and is the same one when it is loaded again.
    """
    program = compile_program(FORKS, tmp_path)
    assert subprocess.run([program, build(tmp_path)], check=False, timeout=120).returncode == 0


def test_child_has_no_mapping(tmp_path: Path) -> None:
    """A child of the host does not hold a slot's memory, and unmapping gives it back."""
    program = compile_program(MAPS, tmp_path, *FILES)
    region = Region.create(SIZE)
    arguments = [program, str(region.fileno()), str(SIZE)]
    done = subprocess.run(arguments, check=False, timeout=120, pass_fds=[region.fileno()])
    region.close()
    assert done.returncode == 0
