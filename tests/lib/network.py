"""Hosts for cluster tests: network namespaces on one bridge, whose links can be cut, also one way.

Nothing of it is on the machine's own network but one address of the subnet, through which the test itself speaks to
the hosts. Everything is taken down again, with the processes that live in a host.
"""

import os
import pathlib
import subprocess


def ip(*args, namespace=None, check=True):
    command = ["ip", *(["-n", namespace] if namespace else []), *args]
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.returncode == 0


def why_not():
    """Why hosts cannot be made here; None if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"fs-try-{os.getpid()}"
    try:
        ip("netns", "add", name)
        ip("link", "add", "name", "b0", "type", "bridge", namespace=name)
    except (RuntimeError, FileNotFoundError) as err:
        return f"network namespaces cannot be made: {err}"
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return None


class Host:
    def __init__(self, network, name, number):
        self.network, self.name, self.number = network, name, number
        self.namespace = f"{network.prefix}-{name}"
        self.address = f"{network.subnet}.{number}"
        self.wrapper = ["ip", "netns", "exec", self.namespace]


class Network:
    made = 0

    def __init__(self):
        Network.made += 1
        self.prefix = f"fs{os.getpid() % 100000}x{Network.made}"
        # One subnet for each test process, so that two of them can run.
        self.subnet = f"10.{100 + os.getpid() % 100}.{Network.made % 250}"
        self.switch = f"{self.prefix}-switch"
        self.hosts = {}
        ip("netns", "add", self.switch)
        ip("link", "add", "name", "br0", "type", "bridge", namespace=self.switch)
        ip("link", "set", "br0", "up", namespace=self.switch)
        self._plug(None, f"{self.prefix}-t", 254)

    def _plug(self, namespace, port, number):
        """A cable from the bridge to a host, or to the test's own namespace."""
        inside = "eth0" if namespace else port
        ip("link", "add", "name", f"p{number}", "type", "veth", "peer", "name", f"q{number}", namespace=self.switch)
        ip("link", "set", f"p{number}", "master", "br0", "up", namespace=self.switch)
        if namespace:
            ip("link", "set", f"q{number}", "netns", namespace, "name", inside, namespace=self.switch)
        else:
            ip("link", "set", f"q{number}", "netns", "1", "name", inside, namespace=self.switch)
        ip("address", "add", f"{self.subnet}.{number}/24", "dev", inside, namespace=namespace)
        ip("link", "set", inside, "up", namespace=namespace)

    def host(self, name):
        number = len(self.hosts) + 10
        host = Host(self, name, number)
        ip("netns", "add", host.namespace)
        ip("link", "set", "lo", "up", namespace=host.namespace)
        self._plug(host.namespace, "eth0", number)
        self.hosts[name] = host
        return host

    def cut(self, sender, receiver, both=True):
        """Nothing that sender sends reaches receiver any more; both: nor the other way."""
        ip("route", "add", "blackhole", f"{receiver.address}/32", namespace=sender.namespace, check=False)
        if both:
            self.cut(receiver, sender, both=False)

    def heal(self, sender, receiver):
        for a, b in ((sender, receiver), (receiver, sender)):
            ip("route", "del", "blackhole", f"{b.address}/32", namespace=a.namespace, check=False)

    def close(self):
        for host in self.hosts.values():
            pids = subprocess.run(["ip", "netns", "pids", host.namespace], capture_output=True, text=True).stdout
            for pid in pids.split():
                subprocess.run(["kill", "-9", pid], capture_output=True)
            ip("netns", "del", host.namespace, check=False)
        ip("link", "del", f"{self.prefix}-t", check=False)
        ip("netns", "del", self.switch, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def log_tail(path, lines=15):
    path = pathlib.Path(path)
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(none)"
