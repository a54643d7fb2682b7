#!/usr/bin/env python3
"""Asks Nova's own code which virtual machine it makes of image properties.

usage: test/devcloud/exec RELEASE python3 test/hardware/nova_machine.py < CASES

Reads one JSON object a line:

  {"props": {name: value}, "disk_format": "qcow2", "extra_specs": {name: value},
   "vcpus": 2, "memory_mb": 2048, "virt_type": "kvm",
   "machine_types": ["x86_64=q35"], "sev": false, "xml": false}

of which all but props may be missing, and answers each with what the command
hardware prints of it: {"builds": …, "refusal": {"by": …, "class": …,
"message": …}, "machine": …, "traits": …, "filter": …}. The class is that of
Nova's exception. The first line of the output names the release:
{"nova": "31.0.0"}. With "xml" the domain's XML comes too.

The road is that of a request to boot: values (ImageMetaProps), the API's
checks, the scheduler's request, the libvirt driver. The driver is the real
one, on the fake libvirt that Nova's own tests ship; what is pretended about the
host is in Judge.pretend.
"""

import copy
import json
import sys
import unittest
from unittest import mock
import warnings

from lxml import etree
from nova.compute import api
from nova import context
from nova import objects
from nova.image import glance
from nova.objects import fields
from nova.scheduler import request_filter
from nova.scheduler import utils as scheduler_utils
from nova.tests.unit import fake_network
from nova.tests.unit.virt.libvirt import test_driver
from nova.virt import fake
from nova.virt import hardware
from nova.virt.libvirt import blockinfo
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import host
from nova import utils
from nova import version

IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"


class Refused(Exception):
    def __init__(self, by, cause):
        super().__init__(str(cause))
        self.answer = {"by": by, "class": type(cause).__name__,
                       "message": str(cause)}


class stage:
    """Turns any exception inside into a refusal by whom it names."""

    def __init__(self, by):
        self.by = by

    def __enter__(self):
        return self

    def __exit__(self, kind, cause, trace):
        if isinstance(cause, Exception) and not isinstance(cause, Refused):
            raise Refused(self.by, cause) from cause
        return False


def text(value):
    return None if value is None else str(value)


def canonical(kind, value):
    return text(kind.canonicalize(value)) if value else None


def machine_of(xml, request):
    """The contract's fields, read from the XML that libvirt would get."""
    dom = etree.fromstring(xml)

    def attribute(path, name):
        found = dom.find(path)
        return None if found is None else found.get(name)

    def content(path):
        found = dom.find(path)
        return None if found is None else found.text

    def there(path):
        return dom.find(path) is not None

    loader = dom.find("os/loader")
    nic = dom.find("devices/interface")
    driver = nic.find("driver")
    topology = dom.find("cpu/topology")
    address = dom.find("cpu/maxphysaddr")
    tpm = dom.find("devices/tpm")
    pmu = attribute("features/pmu", "state")
    vram = attribute("devices/video/model", "vram")
    return {
        "architecture": attribute("os/type", "arch"),
        "machine_type": attribute("os/type", "machine"),
        "firmware": "bios" if loader is None else "uefi",
        "secure_boot": loader is not None and loader.get("secure") == "yes",
        "smm": there("features/smm"),
        "stateless": loader is not None and loader.get("stateless") == "yes",
        "disks": [{"device": d.get("device"), "name": d.find("target").get("dev"),
                   "bus": d.find("target").get("bus")}
                  for d in dom.findall("devices/disk")],
        "controllers": [{"type": c.get("type"), "model": c.get("model")}
                        for c in dom.findall("devices/controller")],
        "nic": {
            "model": nic.find("model").get("type"),
            "queues": int(driver.get("queues") or 1) if driver is not None else 1,
            "packed": driver is not None and driver.get("packed") == "on",
        },
        "rng": there("devices/rng"),
        "agent_channel": any(
            c.find("target").get("name") == "org.qemu.guest_agent.0"
            for c in dom.findall("devices/channel")),
        "tpm": None if tpm is None else {
            "model": tpm.get("model"), "version": tpm.find("backend").get("version")},
        "video": attribute("devices/video/model", "type"),
        "video_ram": None if vram is None else int(vram),
        "inputs": [{"type": i.get("type"), "bus": i.get("bus")}
                   for i in dom.findall("devices/input")],
        "watchdog": attribute("devices/watchdog", "action"),
        "serial_ports": len(dom.findall("devices/serial")),
        "sound": attribute("devices/sound", "model"),
        "clock": attribute("clock", "offset"),
        "timers": sorted(t.get("name") for t in dom.findall("clock/timer")),
        "hyperv": sorted(f.tag for f in dom.findall("features/hyperv/*")),
        "cpu": None if topology is None else {
            k: int(topology.get(k)) for k in ("sockets", "cores", "threads")},
        "hide_hypervisor": there("features/kvm/hidden"),
        "acpi": there("features/acpi"),
        "pmu": None if pmu is None else pmu == "on",
        "vmcoreinfo": there("features/vmcoreinfo"),
        "page_size": request,
        "locked_memory": there("memoryBacking/locked"),
        "boot_menu": attribute("os/bootmenu", "enable") == "yes",
        "kernel_command_line": content("os/cmdline"),
        "viommu": attribute("devices/iommu", "model"),
        "memory_encryption": there("launchSecurity"),
        "max_phys_addr": None if address is None else {
            "mode": address.get("mode"),
            "bits": int(address.get("bits")) if address.get("bits") else None},
        "virt_type": dom.get("type"),
    }


class Judge(test_driver.LibvirtConnTestCase):
    def pretend(self):
        """What the host can do: all but memory encryption."""
        def on(cls, name, value):
            patch = mock.patch.object(cls, name, new_callable=mock.PropertyMock,
                                      return_value=value)
            self.addCleanup(patch.stop)
            return patch.start()

        self.sev = on(host.Host, "supports_amd_sev", False)
        if hasattr(host.Host, "supports_amd_sev_es"):
            on(host.Host, "supports_amd_sev_es", False)
        on(host.Host, "supports_secure_boot", True)
        on(host.Host, "supports_uefi", True)
        self.stub_out(
            "nova.virt.libvirt.host.Host.get_loader",
            lambda self, arch, machine, has_secure_boot: (
                "/firmware/code", "/firmware/vars", has_secure_boot))
        self.stub_out("nova.privsep.utils.supports_direct_io", lambda path: True)
        if int(version.version_string().split(".")[0]) > 26:
            # Debian 13's. The fake of 26.2.2 stays as old as it is.
            self.stub_out("nova.tests.fixtures.libvirt.Connection.getLibVersion",
                          lambda self: 11003000)
        # Only asked where the host has it.
        self.stub_out(
            "nova.virt.libvirt.driver.LibvirtDriver._find_sev_feature",
            lambda self, arch, machine: mock.Mock(cbitpos=47, reduced_phys_bits=1))

    def runTest(self):
        self.pretend()
        self.driver = libvirt_driver.LibvirtDriver(fake.FakeVirtAPI(), True)
        self.network = fake_network.fake_get_instance_nw_info(self, 1)
        for line in sys.stdin:
            print(json.dumps(self.judge(json.loads(line))))

    def judge(self, case):
        answer = {"builds": False, "refusal": None, "machine": None,
                  "traits": {"always": [], "prefilter": []},
                  "filter": {"architecture": None, "hypervisor_type": None,
                             "vm_mode": None, "version": None}}
        self.flags(virt_type=case.get("virt_type") or "kvm",
                   hw_machine_type=case.get("machine_types") or [], group="libvirt")
        self.sev.return_value = bool(case.get("sev"))
        try:
            self.walk(case, answer)
            answer["builds"] = True
        except Refused as refused:
            answer["refusal"] = refused.answer
        return answer

    def walk(self, case, answer):
        flavor = objects.Flavor(
            memory_mb=case.get("memory_mb") or 2048, vcpus=case.get("vcpus") or 2,
            swap=0, vcpu_weight=None, root_gb=10, id=2, name="m1.small",
            ephemeral_gb=0, rxtx_factor=1.0, flavorid="1",
            extra_specs=case.get("extra_specs") or {})
        image = {"id": IMAGE, "name": "image", "status": "active", "size": 0,
                 "min_ram": 0, "min_disk": 0, "container_format": "bare",
                 "disk_format": case.get("disk_format") or "qcow2",
                 "properties": dict(case["props"])}
        with stage("nova"):
            image = glance._convert_from_string(image)
            props = image["properties"]
            # Other exceptions than ValueError are server errors to the API:
            # a refusal all the same.
            meta = api._get_image_meta_obj(copy.deepcopy(image))
        p = meta.properties
        answer["filter"] = {
            "architecture": canonical(fields.Architecture, p.get("hw_architecture")),
            "hypervisor_type": canonical(fields.HVType, p.get("img_hv_type")),
            "vm_mode": canonical(fields.VMMode, p.get("hw_vm_mode")),
            "version": text(p.get("img_hv_requested_version"))}
        ctxt = context.get_admin_context()
        with stage("nova-api"):
            api.API._detect_nonbootable_image_from_properties(IMAGE, image)
            api.API._validate_flavor_image_nostatus(ctxt, image, flavor, None)
            # Its result is the instance's, as far as a host can fit it.
            numa = hardware.numa_get_constraints(flavor, meta)
            # API._validate_and_build_base_options
            hardware.get_pci_numa_policy_constraint(flavor, meta)
        with stage("nova-libvirt"):
            answer["traits"] = self.traits(ctxt, meta, flavor)
            conf = self.build(image, props, meta, flavor)
            xml = conf.to_xml()
        if case.get("xml"):
            answer["xml"] = xml
        size = numa.cells[0].pagesize if numa else None
        names = {hardware.MEMPAGES_SMALL: "small", hardware.MEMPAGES_LARGE: "large",
                 hardware.MEMPAGES_ANY: "any", None: None}
        answer["machine"] = machine_of(xml, names.get(size, text(size)))

    def traits(self, ctxt, meta, flavor):
        spec = objects.RequestSpec(
            image=meta, flavor=flavor, is_bfv=False, numa_topology=None,
            pci_requests=objects.InstancePCIRequests(requests=[]),
            requested_resources=[])
        request = scheduler_utils.ResourceRequest.from_request_spec(spec)
        always = request.get_request_group(None).required_traits
        self.flags(image_metadata_prefilter=True, group="scheduler")
        request_filter.transform_image_metadata(ctxt, spec)
        return {"always": sorted(always), "prefilter": sorted(spec.root_required)}

    def build(self, image, props, meta, flavor):
        system = utils.get_system_metadata_from_image(image)
        system["vtpm_secret_uuid"] = "4bb2a5e0-1b16-4b6f-9c0c-2c2c5f1a6b58"
        kernel = props.get("kernel_id")
        instance = objects.Instance(**dict(
            self.test_instance, flavor=flavor, system_metadata=system,
            ephemeral_gb=0, vcpus=flavor.vcpus, memory_mb=flavor.memory_mb,
            # API._inherit_properties_from_image, API._handle_kernel_and_ramdisk
            os_type=props.get("os_type"), architecture=props.get("architecture"),
            vm_mode=props.get("vm_mode"),
            kernel_id=None if kernel == "nokernel" else kernel,
            ramdisk_id=None if kernel == "nokernel" else props.get("ramdisk_id")))
        virt = self.driver_virt_type()
        disks = blockinfo.get_disk_info(virt, instance, meta)
        return self.driver._get_guest_config(
            instance, self.network, meta, disks)

    @staticmethod
    def driver_virt_type():
        return libvirt_driver.CONF.libvirt.virt_type


def main():
    warnings.simplefilter("ignore")  # on UUIDs that are none
    objects.register_all()
    print(json.dumps({"nova": version.version_string()}))
    result = unittest.TestResult()
    Judge().run(result)
    for _, trace in result.errors + result.failures:
        sys.exit(trace)


main()
