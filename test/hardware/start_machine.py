#!/usr/bin/env python3
"""Asks real libvirt and QEMU whether they start what Nova's driver built.

usage: test/devcloud/exec 2025.1 python3 test/hardware/start_machine.py < DOMAINS

Reads a JSON object a line, {"xml": "<domain>…"}, such as nova_machine.py writes
with "xml", and answers each with {"starts": true, "message": null} or why not.
The machines are emulated, made paused, and gone at once. What depends on Nova's
host (paths, networks, the CPU model, Hyper-V on emulation) is exchanged first.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

import libvirt
from lxml import etree

FIRMWARE = "/usr/share/OVMF/OVMF_%s_4M%s.fd"
CONF = """
user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""


def start_daemon():
    # The mounts of this process are its own, so that two daemons of one root
    # never meet.
    for folder in ("/run", "/var/lib/libvirt", "/var/cache/libvirt"):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)
    os.makedirs("/run/libvirt", exist_ok=True)
    with open("/etc/libvirt/qemu.conf", "w") as file:
        file.write(CONF)
    log = open(os.path.join(tempfile.gettempdir(), "libvirtd.log"), "w")
    daemon = subprocess.Popen(["libvirtd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    for _ in range(300):
        try:
            return daemon, libvirt.open("qemu:///system")
        except libvirt.libvirtError:
            if daemon.poll() is not None:
                sys.exit("libvirtd ended with %d" % daemon.returncode)
            time.sleep(0.1)
    sys.exit("libvirtd does not answer")


def remove(dom, *paths):
    for path in paths:
        for element in dom.findall(path):
            element.getparent().remove(element)


def adapt(text, folder, number):
    """Exchanges what this host does not have."""
    dom = etree.fromstring(text)
    dom.set("type", "qemu")
    dom.find("name").text = "machine-%d" % number
    remove(dom, "metadata", "sysinfo", "os/smbios", "features/hyperv", "cputune",
           "clock/timer[@name='hypervclock']")
    cpu = dom.find("cpu")
    if cpu is not None:
        kept = [e for e in cpu if e.tag == "topology"]
        cpu.clear()
        cpu.set("mode", "maximum")
        cpu.extend(kept)
    loader = dom.find("os/loader")
    if loader is not None:
        secure = ".ms" if loader.get("secure") == "yes" else ""
        loader.text = FIRMWARE % ("CODE", secure if secure else "")
        nvram = dom.find("os/nvram")
        if nvram is not None:
            nvram.set("template", FIRMWARE % ("VARS", secure))
            nvram.text = os.path.join(folder, "vars-%d.fd" % number)
    for i, disk in enumerate(dom.findall("devices/disk")):
        path = os.path.join(folder, "disk-%d-%d" % (number, i))
        with open(path, "wb") as file:
            file.truncate(1 << 20)
        disk.set("type", "file")
        driver = disk.find("driver")
        if driver is not None:
            for name in list(driver.attrib):
                if name not in ("name", "type"):
                    del driver.attrib[name]
            driver.set("type", "raw")
        source = disk.find("source")
        if source is None:
            source = etree.SubElement(disk, "source")
        source.attrib.clear()
        source.clear()
        source.set("file", path)
        remove(disk, "auth", "iotune", "backingStore", "encryption")
    for nic in dom.findall("devices/interface"):
        nic.set("type", "user")
        # Several queues are for taps only.
        for driver in nic.findall("driver"):
            driver.attrib.pop("queues", None)
        remove(nic, "source", "target", "bandwidth", "virtualport", "mtu", "filterref")
    for serial in dom.findall("devices/serial") + dom.findall("devices/console"):
        serial.set("type", "pty")
        remove(serial, "source", "log")
    # A socket and no port, which several runs would want at once.
    for i, screen in enumerate(dom.findall("devices/graphics")):
        kind = screen.get("type")
        screen.clear()
        screen.set("type", kind)
        if kind == "vnc":
            screen.set("socket", os.path.join(folder, "vnc-%d-%d" % (number, i)))
    for channel in dom.findall("devices/channel"):
        remove(channel, "source")
    for rng in dom.findall("devices/rng/backend"):
        rng.text = "/dev/urandom"
    for path in ("os/kernel", "os/initrd"):
        element = dom.find(path)
        if element is not None:
            element.text = os.path.join(folder, "kernel")
    return etree.tostring(dom, encoding="unicode")


def write_kernel(path):
    """A stand-in for the kernel, of which QEMU looks at the header alone when it
    loads it: new enough to take an initrd (Linux, Documentation/arch/x86/boot)."""
    kernel = bytearray(1 << 16)
    kernel[0x1f1] = 4  # sectors of setup
    kernel[0x1fe:0x200] = b"\x55\xaa"
    kernel[0x202:0x206] = b"HdrS"
    kernel[0x206:0x208] = (0x20c).to_bytes(2, "little")
    kernel[0x211] = 1  # loaded high
    kernel[0x22c:0x230] = (0x37ffffff).to_bytes(4, "little")  # where an initrd may end
    with open(path, "wb") as file:
        file.write(kernel)


def main():
    libvirt.registerErrorHandler(lambda _, error: None, None)
    daemon, connection = start_daemon()
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_kernel(os.path.join(folder, "kernel"))
            for number, line in enumerate(sys.stdin):
                answer = {"starts": True, "message": None}
                try:
                    domain = connection.createXML(
                        adapt(json.loads(line)["xml"], folder, number),
                        libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_AUTODESTROY)
                    domain.destroy()
                except libvirt.libvirtError as error:
                    answer = {"starts": False, "message": str(error)}
                print(json.dumps(answer), flush=True)
    finally:
        daemon.terminate()
        daemon.wait()


main()
