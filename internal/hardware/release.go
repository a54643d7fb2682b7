package hardware

import (
	"fmt"
	"slices"
	"strings"
)

// Release is a release of OpenStack, by its name.
type Release string

// Newest is the newest release that the model knows.
const Newest Release = "2025.1"

// Releases returns the releases that the model knows, oldest first.
func Releases() []Release {
	names := make([]Release, len(releases))
	for i, r := range releases {
		names[i] = r.name
	}
	return names
}

// ParseRelease reads the name of a release as users write it, or the number of
// its Nova (31, 31.0.0).
func ParseRelease(text string) (Release, error) {
	wanted := strings.ToLower(text)
	number, _, _ := strings.Cut(wanted, ".")
	for _, r := range releases {
		if wanted == string(r.name) || wanted == r.alias || number == fmt.Sprint(r.major) {
			return r.name, nil
		}
	}
	var names []string
	for _, r := range Releases() {
		names = append(names, string(r))
	}
	return "", fmt.Errorf("release %q is not known, known are: %s", text, strings.Join(names, ", "))
}

// release is what differs between the releases of Nova, but for names and
// values, of which package property knows when they came.
type release struct {
	name  Release
	alias string // the name that it had before releases had numbers
	major int    // of Nova's version

	// hyperV are the Hyper-V features of Windows guests, sorted.
	// Source: nova/virt/libvirt/driver.py _set_features; evmcs and
	// reenlightenment went in 29.0.0.
	hyperV []string
	// tpmModelTraits: the scheduler asks for the TPM's model too, not only for
	// its version. Source: nova/scheduler/utils.py _translate_vtpm_request.
	tpmModelTraits bool
	// autoVIOMMU is what hw_viommu_model=auto becomes on q35 (and smmuv3
	// instead of intel on virt): virtio where libvirt is 8.3 or newer. It is
	// the host's choice; old releases are taken to be on an older libvirt.
	// Source: nova/virt/libvirt/driver.py _get_iommu_model.
	autoVIOMMU string
	// lacksTraits are traits that the release's os-traits does not have yet, for
	// want of which the image prefilter asks for nothing at all.
	lacksTraits []string
}

var (
	hyperV    = []string{"frequencies", "ipi", "relaxed", "reset", "runtime", "spinlocks", "synic", "tlbflush", "vapic", "vpindex"}
	oldHyperV = slices.Sorted(slices.Values(append([]string{"evmcs", "reenlightenment"}, hyperV...)))
	preIGB    = []string{"COMPUTE_NET_VIF_MODEL_IGB"}
)

// releases are in the order of their age. 26.2.2 and 31.0.0 are held to Nova's
// own code, those between follow its history.
var releases = [...]release{
	{name: "zed", alias: "2022.2", major: 26, hyperV: oldHyperV, autoVIOMMU: "intel", lacksTraits: preIGB},
	{name: "2023.1", alias: "antelope", major: 27, hyperV: oldHyperV, autoVIOMMU: "virtio", lacksTraits: preIGB},
	{name: "2023.2", alias: "bobcat", major: 28, hyperV: oldHyperV, autoVIOMMU: "virtio", lacksTraits: preIGB},
	{name: "2024.1", alias: "caracal", major: 29, hyperV: hyperV, autoVIOMMU: "virtio", lacksTraits: preIGB},
	{name: "2024.2", alias: "dalmatian", major: 30, hyperV: hyperV, tpmModelTraits: true, autoVIOMMU: "virtio", lacksTraits: preIGB},
	{name: "2025.1", alias: "epoxy", major: 31, hyperV: hyperV, tpmModelTraits: true, autoVIOMMU: "virtio"},
}

// releaseOf returns what is known of a release; of the newest for "" and for
// names that ParseRelease did not give.
func releaseOf(name Release) *release {
	for i := range releases {
		if releases[i].name == name {
			return &releases[i]
		}
	}
	return &releases[len(releases)-1]
}

// Major is the first number of the version of the release's Nova, 31 for 2025.1;
// that of the newest for "".
func (r Release) Major() int { return releaseOf(r).major }
