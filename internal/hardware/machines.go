package hardware

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// knownMachines are machine types without a version that QEMU has for x86, Arm
// and the other architectures of the host in Nova's tests.
// Source: nova/tests/fixtures/libvirt_data.py.
const knownMachines = ` pc q35 isapc xenfv xenpv virt
 integratorcp ast2600-evb borzoi spitz nuri mcimx7d-sabre romulus-bmc musca-b1 realview-pbx-a9 versatileab kzm musca-a
 mcimx6ul-evk smdkc210 sx1 raspi2 imx25-pdk orangepi-pc z2 xilinx-zynq-a9 xlnx-zcu102 raspi3 tosa mps2-an521 sabrelite
 mps2-an511 canon-a1100 realview-eb emcraft-sf2 realview-pb-a8 sbsa-ref palmetto-bmc sx1-v1 n810 tacoma-bmc n800 versatilepb
 terrier mainstone realview-eb-mpcore witherspoon-bmc swift-bmc vexpress-a9 midway musicpal lm3s811evb lm3s6965evb microbit
 mps2-an505 mps2-an385 cubieboard verdex netduino2 xlnx-versal-virt vexpress-a15 sonorapass-bmc cheetah ast2500-evb highbank
 akita connex netduinoplus2 collie syborg n900 beagle beaglexm malta mipssim magnum pica61 mips
 SS-5 leon3_generic SS-10 SS-600MP SS-20 Voyager LX SS-4 SPARCClassic SPARCbook SS-1000 SS-2000 SS-2
 g3beige virtex-ml507 mpc8544ds bamboo-0.13 bamboo-0.12 ref405ep taihu mac99 prep `

// A machine type with a version, QEMU's own or a distribution's.
var versioned = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:pc|pc-i440fx|pc-q35|virt)-(?:[0-9]+\.[0-9]+(?:-hpb|-v[0-9]+)?|rhel[0-9]+\.[0-9]+\.[0-9]+|[a-z]+(?:-hpb|-v[0-9]+(?:-hpb)?)?)$`)
})

// knowsMachine tells whether hosts have a machine type: those without a version
// that are known, those with one, whichever it is, and those that the host has
// for its default.
// Source: nova/virt/libvirt/host.py Host._check_machine_type.
func (b *builder) knowsMachine(name string) bool {
	for _, own := range b.options.MachineTypes {
		if own == name {
			return true
		}
	}
	return slices.Contains(strings.Fields(knownMachines), name) || versioned().MatchString(name)
}
