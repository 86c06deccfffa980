"""Stands between Quire and one server of its own, so that the server never outlives Quire. Run as a script:

    python -I -S guard.py GRACE_S LOCK_FD -- COMMAND...

- Standard input is a pipe whose other end only the parent holds. At its end (the parent closed it or is gone,
  even by SIGKILL) the server gets SIGTERM, GRACE_S seconds, and then its whole process group SIGKILL.
- Where a fork of the parent still holds the pipe, the guard sees that it is an orphan: it looks every second.
- Should the guard itself be killed, the kernel kills the server (PR_SET_PDEATHSIG, Linux).
- Guard and server hold LOCK_FD open: whoever wants the server's folder next waits until both are gone.
- Both run in sessions of their own, so Ctrl-C at the terminal reaches neither: the parent ends them in order.

Writes the server's process id, lives as long as the server, and ends with its status (128 + n for signal n).
Uses the standard library only, and few parts of it: a guard costs one small process.
"""

import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
ORPHAN_CHECK_S = 1.0
POLL_S = 0.02


def main() -> int:
    """Start the command, report its process id, guard it; the exit status."""
    grace_s, lock_fd, command = float(sys.argv[1]), int(sys.argv[2]), sys.argv[4:]
    parent = os.getppid()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)

    exec_read, exec_write = os.pipe()
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        _become(command, lock_fd, guard)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Closed by the exec: whoever signals that process from here on reaches the server, no copy of the guard.
    os.close(exec_write)
    os.read(exec_read, 1)
    os.write(1, b"%d\n" % child)

    while os.getppid() == parent:
        ready, _, _ = select.select([0, wake_read], [], [], ORPHAN_CHECK_S)
        if wake_read in ready:
            os.read(wake_read, 512)
            status = _reaped(child)
            if status is not None:
                return status
        if 0 in ready and not os.read(0, 64):
            break
    return _end(child, grace_s)


def _become(command: list[str], lock_fd: int, guard: int) -> None:
    """In the forked child: a session of its own, bound to the guard's life, then the server."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guard:  # it died between the fork and the line above
            os._exit(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # standard error is the log
    os.set_inheritable(lock_fd, True)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _end(child: int, grace_s: float) -> int:
    """SIGTERM, up to `grace_s` seconds, SIGKILL; the exit status."""
    os.kill(child, signal.SIGCONT)  # one that is frozen could not end
    os.kill(child, signal.SIGTERM)  # not yet reaped, so the number is still its own
    deadline = time.monotonic() + grace_s
    while (status := _reaped(child)) is None:
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
        time.sleep(POLL_S)
    return status


def _reaped(child: int) -> int | None:
    """The exit status once the server has ended (what is left of its group is killed); None while it runs."""
    if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return None
    os.killpg(child, signal.SIGKILL)  # before it is reaped: until then nobody else can have the number
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
