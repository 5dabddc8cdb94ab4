"""What the bench runs on, and how many connections it lets us have."""

import os
import platform
import resource
from pathlib import Path

from notify.bench.errors import BenchError
from notify.bench.plan import Plan
from notify.bench.result import Machine

__all__ = ("make_room", "this_machine")

_OTHER_FILES = 160
"""What a process of the load generator opens besides its streams."""

_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_PROCESSORS = Path("/proc/cpuinfo")


def make_room(plan: Plan) -> None:
    """Lets this process, and those it starts, open as many files as the machine allows them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    fit = plan.connections if most == resource.RLIM_INFINITY else max(0, most - _OTHER_FILES) * plan.processes
    if plan.connections > fit:
        raise BenchError(
            f"{plan.connections} connections do not fit: {plan.processes} of our processes may hold {fit} with "
            f"{most} open files each. Use fewer --connections, more --processes, or raise the limit (ulimit -Hn)."
        )
    ports = _ports()
    if plan.connections > ports:
        raise BenchError(
            f"{plan.connections} connections do not fit: this machine has {ports} ports for connections to one "
            "address. Use fewer --connections, or widen net.ipv4.ip_local_port_range."
        )


def this_machine() -> Machine:
    return Machine(
        f"{platform.system()} {platform.machine()}", _processor(), os.cpu_count() or 1, platform.python_version()
    )


def _ports() -> int:
    try:
        first, last = map(int, _PORTS.read_text().split())
    except (OSError, ValueError):
        return 16384  # what most other systems have
    return last - first


def _processor() -> str:
    try:
        lines = _PROCESSORS.read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
