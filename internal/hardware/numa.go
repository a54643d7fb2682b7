package hardware

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"glance-profile/internal/property"
)

// This file follows those functions of nova/virt/hardware.py that look at CPUs,
// NUMA nodes and memory pages.

// topologyLimits returns the topology that is preferred and the most of each
// kind. Source: get_cpu_topology_constraints.
func (b *builder) topologyLimits() (want, most [3]int64, _ *Refusal) {
	kinds := [3]string{"sockets", "cores", "threads"}
	var ours, theirs [3]int64
	read := func(prefix string) *Refusal {
		for i, kind := range kinds {
			ours[i] = b.meta.number("hw_" + prefix + kind)
			n, refusal := b.specNumber("hw:" + prefix + kind)
			if refusal != nil {
				return refusal
			}
			theirs[i] = n
		}
		return nil
	}
	names := func(prefix string) (list []string) {
		for _, kind := range kinds {
			list = append(list, "hw_"+prefix+kind, "hw:"+prefix+kind)
		}
		return list
	}
	limits := names("cpu_max_")
	if refusal := read("cpu_max_"); refusal != nil {
		return want, most, refusal
	}
	for i := range kinds {
		if theirs[i] != 0 && ours[i] > theirs[i] {
			return want, most, b.refuse("ImageVCPULimitsRangeExceeded", limits,
				"Image vCPU topology limits (sockets=%d, cores=%d, threads=%d) exceeds the limits of the flavor (sockets=%d, cores=%d, threads=%d): lower or remove hw_cpu_max_%s",
				ours[0], ours[1], ours[2], theirs[0], theirs[1], theirs[2], kinds[i])
		}
		most[i] = 65536
		if ours[i] != 0 {
			most[i] = ours[i]
		} else if theirs[i] != 0 {
			most[i] = theirs[i]
		}
	}
	if refusal := read("cpu_"); refusal != nil {
		return want, most, refusal
	}
	for i := range kinds {
		if theirs[i] > most[i] {
			theirs = [3]int64{}
			break
		}
	}
	for i := range kinds {
		if ours[i] > most[i] {
			return want, most, b.refuse("ImageVCPUTopologyRangeExceeded", append(names("cpu_"), limits...),
				"Image vCPU topology (sockets=%d, cores=%d, threads=%d) exceeds the limits of the flavor or image (sockets=%d, cores=%d, threads=%d): lower hw_cpu_%s or raise the limit",
				ours[0], ours[1], ours[2], most[0], most[1], most[2], kinds[i])
		}
	}
	if ours == [3]int64{} {
		ours = theirs
	}
	return ours, most, nil
}

// specNumber reads an extra spec that is a number; 0 where it is not set.
func (b *builder) specNumber(name string) (int64, *Refusal) {
	text, ok := b.flavor.specs[name]
	if !ok {
		return 0, nil
	}
	n, ok := toInt(text)
	if !ok {
		return 0, b.refuse("InvalidRequest", []string{name}, "Invalid flavor extra spec: %s=%s is no number", name, quote(text))
	}
	return n, nil
}

// bestTopology returns the topology that the guest gets: of those that make up
// the vCPUs within the limits, the one that meets most of what is preferred;
// then more sockets times cores, then more sockets.
// Source: get_best_cpu_topology.
func (b *builder) bestTopology() (*Topology, *Refusal) {
	want, most, refusal := b.topologyLimits()
	if refusal != nil {
		return nil, refusal
	}
	vcpus := b.flavor.vcpus
	for i := range most {
		most[i] = min(most[i], vcpus)
	}
	var best [3]int64
	better := func(a, b [3]int64) bool {
		score := func(t [3]int64) (n int) {
			for i := range t {
				if want[i] != 0 && want[i] == t[i] {
					n++
				}
			}
			return n
		}
		for _, d := range []int64{int64(score(a) - score(b)), a[0]*a[1] - b[0]*b[1], a[0] - b[0], a[2] - b[2]} {
			if d != 0 {
				return d > 0
			}
		}
		return false
	}
	for s := int64(1); s <= most[0]; s++ {
		if vcpus%s != 0 {
			continue
		}
		for c := int64(1); c <= most[1]; c++ {
			t := vcpus / s / c
			if vcpus/s%c != 0 || t > most[2] {
				continue
			}
			if found := [3]int64{s, c, t}; best == [3]int64{} || better(found, best) {
				best = found
			}
		}
	}
	if best == [3]int64{} {
		names := []string{"hw_cpu_max_sockets", "hw_cpu_max_cores", "hw_cpu_max_threads", "hw:cpu_max_sockets", "hw:cpu_max_cores", "hw:cpu_max_threads"}
		return nil, b.refuse("ImageVCPULimitsRangeImpossible", names,
			"Requested vCPU limits %d:%d:%d are impossible to satisfy for vcpus count %d: raise or remove the limits, whose product must reach the flavor's vCPUs", most[0], most[1], most[2], vcpus)
	}
	return &Topology{Sockets: int(best[0]), Cores: int(best[1]), Threads: int(best[2])}, nil
}

// cpuPolicy returns shared, dedicated, mixed or "".
// Source: get_cpu_policy_constraint.
func (b *builder) cpuPolicy() (string, *Refusal) {
	const spec, name = "hw:cpu_policy", "hw_cpu_policy"
	ours, theirs := b.meta.text(name), b.flavor.specs[spec]
	forbidden := func() *Refusal {
		return b.refuse("ImageCPUPinningForbidden", []string{spec, name},
			"Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor: remove it, for the flavor says %s", quote(theirs))
	}
	switch theirs {
	case "":
		return ours, nil
	case "dedicated":
	case "mixed":
		if ours == "dedicated" {
			return "", forbidden()
		}
	case "shared":
		if ours == "mixed" || ours == "dedicated" {
			return "", forbidden()
		}
	default:
		return "", b.refuse("InvalidCPUAllocationPolicy", []string{spec}, "CPU policy requested from 'flavor extra specs' is invalid, given: %s, available: dedicated, shared, mixed", quote(theirs))
	}
	return theirs, nil
}

// threadPolicy returns prefer, isolate, require or "".
// Source: get_cpu_thread_policy_constraint.
func (b *builder) threadPolicy() (string, *Refusal) {
	const spec, name = "hw:cpu_thread_policy", "hw_cpu_thread_policy"
	ours, theirs := b.meta.text(name), b.flavor.specs[spec]
	switch {
	case theirs != "" && !slices.Contains([]string{"prefer", "isolate", "require"}, theirs):
		return "", b.refuse("InvalidCPUThreadAllocationPolicy", []string{spec}, "CPU thread policy requested from 'flavor extra specs' is invalid, given: %s, available: prefer, isolate, require", quote(theirs))
	case theirs == "":
		return ours, nil
	case theirs == "prefer":
		return theirs, nil
	case ours != "" && ours != theirs:
		return "", b.refuse("ImageCPUThreadPolicyForbidden", []string{spec, name},
			"Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against the flavor: remove it, for the flavor says %s", quote(theirs))
	}
	return theirs, nil
}

// emulatorPolicy returns share, isolate or "".
// Source: get_emulator_thread_policy_constraint.
func (b *builder) emulatorPolicy() (string, *Refusal) {
	const spec = "hw:emulator_threads_policy"
	policy := b.flavor.specs[spec]
	if policy != "" && policy != "share" && policy != "isolate" {
		return "", b.refuse("InvalidEmulatorThreadsPolicy", []string{spec}, "CPU emulator threads option requested is invalid, given: %s, available: share, isolate", quote(policy))
	}
	return policy, nil
}

// realtime tells whether the flavor asks for real-time CPUs.
// Source: is_realtime_enabled.
func (b *builder) realtime() bool {
	is := b.flavor.boolean("hw:cpu_realtime")
	return is != nil && *is
}

// mask reads a CPU mask of a flavor or an image, where a leading ^ takes CPUs
// out of all.
func (b *builder) mask(text string) (cpuSet, bool) {
	if strings.HasPrefix(strings.TrimSpace(text), "^") {
		text = fmt.Sprintf("0-%d,%s", b.flavor.vcpus-1, text)
	}
	return parseCPUs(text, b.flavor.vcpus)
}

// realtimeCPUs returns how many CPUs are real-time ones.
// Source: get_realtime_cpu_constraint.
func (b *builder) realtimeCPUs() (int64, *Refusal) {
	if !b.realtime() {
		return 0, nil
	}
	names := []string{"hw:cpu_realtime", "hw:cpu_realtime_mask", "hw_cpu_realtime_mask"}
	invalid := func(message string) (int64, *Refusal) {
		return 0, b.refuse("RealtimeMaskNotFoundOrInvalid", names, "%s: mend the mask, or give the flavor hw:emulator_threads_policy", message)
	}
	const message = "Use of realtime CPUs requires either one or more non-realtime CPU(s) or offloaded emulator threads"
	mask := b.meta.text("hw_cpu_realtime_mask")
	if mask == "" {
		mask = b.flavor.specs["hw:cpu_realtime_mask"]
	}
	cpus := cpuSet{count: b.flavor.vcpus}
	if mask != "" {
		var ok bool
		if cpus, ok = b.mask(mask); !ok {
			return 0, b.refuse("Invalid", names, "Invalid format of CPU mask %s: write numbers and ranges, such as 0-3,^1", quote(mask))
		}
	}
	b.uses("hw_cpu_realtime_mask")
	if cpus.count == 0 && !cpus.beyond {
		return invalid(message)
	}
	policy, refusal := b.emulatorPolicy()
	switch {
	case refusal != nil:
		return 0, refusal
	case cpus.count == b.flavor.vcpus && !cpus.beyond && policy == "":
		return invalid(message)
	case cpus.beyond:
		return invalid("Realtime policy vCPU(s) mask is configured with RT vCPUs that are not a subset of the vCPUs in the flavor")
	}
	return cpus.count, nil
}

// dedicatedCPUs returns how many CPUs the flavor's mask dedicates.
// Source: get_dedicated_cpu_constraint.
func (b *builder) dedicatedCPUs() (int64, *Refusal) {
	const spec = "hw:cpu_dedicated_mask"
	mask := b.flavor.specs[spec]
	if mask == "" {
		return 0, nil
	}
	cpus, ok := b.mask(mask)
	switch {
	case !ok:
		return 0, b.refuse("Invalid", []string{spec}, "Invalid format of CPU mask %s: write numbers and ranges, such as 0-3,^1", quote(mask))
	case cpus.count == 0 && !cpus.beyond || cpus.count == b.flavor.vcpus:
		return 0, b.refuse("InvalidMixedInstanceDedicatedMask", []string{spec}, "Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU: mend hw:cpu_dedicated_mask")
	case cpus.beyond:
		return 0, b.refuse("InvalidMixedInstanceDedicatedMask", []string{spec}, "Mixed instance dedicated vCPU(s) mask is not a subset of vCPUs in the flavor: mend hw:cpu_dedicated_mask")
	}
	return cpus.count, nil
}

// A resource that a flavor asks for by itself: resources:VCPU, resources1:PCPU.
var resource = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^resources(?:[1-9][0-9]*)?:(VCPU|PCPU)`)
})

// A flavor's own word on hyperthreading.
var hyperthreading = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^trait(?:[1-9][0-9]*)?:HW_CPU_HYPERTHREADING`)
})

// numa checks what asks for NUMA nodes, pinned CPUs and memory pages, and notes
// the page size. Source: numa_get_constraints.
func (b *builder) numa() *Refusal {
	policy, refusal := b.cpuPolicy()
	if refusal != nil {
		return refusal
	}
	threads, refusal := b.threadPolicy()
	if refusal != nil {
		return refusal
	}
	realtime, refusal := b.realtimeCPUs()
	if refusal != nil {
		return refusal
	}
	dedicated, refusal := b.dedicatedCPUs()
	if refusal != nil {
		return refusal
	}
	emulator, refusal := b.emulatorPolicy()
	if refusal != nil {
		return refusal
	}
	if policy, refusal = b.resources(policy, emulator); refusal != nil {
		return refusal
	}
	trait := b.hyperthreading()
	names := []string{"hw:cpu_policy", "hw_cpu_policy", "hw:cpu_thread_policy", "hw_cpu_thread_policy"}
	if threads != "" && trait != "" {
		return b.refuse("InvalidRequest", append(names[2:], "trait:HW_CPU_HYPERTHREADING"),
			"It is not possible to use the 'trait:HW_CPU_HYPERTHREADING' extra spec in combination with the 'hw:cpu_thread_policy' extra spec or 'hw_cpu_thread_policy' image metadata property; use one or the other")
	}
	if trait == "forbidden" {
		threads = "isolate"
	} else if trait == "required" {
		threads = "require"
	}
	if refusal := b.checkPolicy(policy, threads, emulator, realtime, dedicated, names); refusal != nil {
		return refusal
	}
	nodes, refusal := b.nodeCount()
	if refusal != nil {
		return refusal
	}
	pages, size, refusal := b.pages()
	if refusal != nil {
		return refusal
	}
	if _, refusal := b.lockedMemory(); refusal != nil {
		return refusal
	}
	b.uses("hw_cpu_policy", "hw_cpu_thread_policy", "hw_numa_nodes", "hw_mem_page_size")
	if nodes == 0 && size == 0 && policy != "dedicated" && policy != "mixed" {
		return nil
	}
	for _, v := range slices.Concat(b.meta.numaCPUs, b.meta.numaMem) {
		b.used[v.name] = true
	}
	if pages != "" {
		b.pageSize = &pages
	}
	return b.cells(max(nodes, 1))
}

// checkPolicy refuses combinations of CPU policies.
func (b *builder) checkPolicy(policy, threads, emulator string, realtime, dedicated int64, names []string) *Refusal {
	const needsMixed = "Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy: the image's hw_cpu_policy or the flavor's hw:cpu_policy must be mixed"
	switch policy {
	case "shared", "":
		switch {
		case threads != "":
			return b.refuse("CPUThreadPolicyConfigurationInvalid", append(names, "trait:HW_CPU_HYPERTHREADING"),
				"Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy: add hw_cpu_policy=dedicated, or remove %s", b.firstSet("hw_cpu_thread_policy", "hw:cpu_thread_policy"))
		case emulator == "isolate":
			return b.refuse("BadRequirementEmulatorThreadsPolicy", append(names, "hw:emulator_threads_policy"), "An isolated CPU emulator threads option requires a dedicated CPU policy option: set hw_cpu_policy=dedicated")
		case dedicated > 0:
			return b.refuse("RequiredMixedInstancePolicy", append(names[:2], "hw:cpu_dedicated_mask"), needsMixed)
		case realtime > 0:
			return b.refuse("RealtimeConfigurationInvalid", append(names[:2], "hw:cpu_realtime"), "Cannot set realtime policy in a non dedicated cpu pinning policy: set hw_cpu_policy=dedicated")
		}
	case "dedicated":
		if dedicated > 0 {
			return b.refuse("RequiredMixedInstancePolicy", append(names[:2], "hw:cpu_dedicated_mask"), needsMixed)
		}
	default:
		if (realtime > 0) == (dedicated > 0) {
			return b.refuse("RequiredMixedOrRealtimeCPUMask", append(names[:2], "hw:cpu_dedicated_mask", "hw:cpu_realtime"),
				"Dedicated CPU set can be specified from either 'hw:cpu_dedicated_mask' or 'hw:cpu_realtime_mask' when using 'mixed' CPU policy: use a flavor with one of the two, or another hw_cpu_policy")
		}
	}
	return nil
}

// resources follows what numa_get_constraints makes of VCPU and PCPU that the
// flavor asks for by itself.
func (b *builder) resources(policy, emulator string) (string, *Refusal) {
	var vcpus, pcpus int64
	names := []string{"hw:cpu_policy", "hw_cpu_policy"}
	for name, text := range b.flavor.specs {
		found := resource().FindStringSubmatch(name)
		if found == nil {
			continue
		}
		n, _ := toInt(text)
		if found[1] == "VCPU" {
			vcpus += n
		} else {
			pcpus += n
		}
		names = append(names, name)
	}
	switch {
	case policy != "" && (vcpus != 0 || pcpus != 0):
		return "", b.refuse("InvalidRequest", names, "It is not possible to use the 'resources:VCPU' or 'resources:PCPU' extra specs in combination with the 'hw:cpu_policy' extra spec or 'hw_cpu_policy' image metadata property; use one or the other")
	case vcpus != 0 && pcpus != 0:
		return "", b.refuse("InvalidRequest", names, "It is not possible to specify both 'resources:VCPU' and 'resources:PCPU' extra specs; use one or the other")
	case pcpus != 0 && emulator == "isolate" && pcpus != b.flavor.vcpus+1,
		pcpus != 0 && emulator != "isolate" && pcpus != b.flavor.vcpus:
		return "", b.refuse("InvalidRequest", append(names, "hw:emulator_threads_policy"), "There is a mismatch between the number of PCPUs requested via 'resources:PCPU' and the flavor's %d vCPUs", b.flavor.vcpus)
	case pcpus != 0:
		return "dedicated", nil
	case vcpus != 0:
		return "shared", nil
	}
	return policy, nil
}

// hyperthreading returns what traits say of it: required, forbidden or "". Nova
// takes the first extra spec in the order of its database, which nobody knows;
// here it is that of the names. Source: _get_hyperthreading_trait.
func (b *builder) hyperthreading() string {
	for _, name := range slices.Sorted(maps.Keys(b.flavor.specs)) {
		if hyperthreading().MatchString(name) {
			return b.flavor.specs[name]
		}
	}
	if slices.Contains(b.meta.traits, "HW_CPU_HYPERTHREADING") {
		return "required"
	}
	return ""
}

// nodeCount returns the number of NUMA nodes asked for, or 0.
// Source: _get_numa_node_count_constraint.
func (b *builder) nodeCount() (int64, *Refusal) {
	const spec, name = "hw:numa_nodes", "hw_numa_nodes"
	invalid := func(text string) *Refusal {
		return b.refuse("InvalidNUMANodesNumber", []string{spec, name}, "The property 'numa_nodes' cannot be %s. It must be a number greater than 0: mend or remove %s", quote(text), b.firstSet(name, spec))
	}
	ours := b.meta.number(name)
	theirs := b.flavor.specs[spec]
	switch {
	case theirs != "" && ours != 0:
		return 0, b.refuse("ImageNUMATopologyForbidden", []string{spec, name}, "Image property 'hw_numa_nodes' is not permitted to override NUMA configuration set against the flavor: remove it")
	case theirs != "":
		n, ok := toInt(theirs)
		if !ok || strconv.FormatInt(n, 10) != theirs || n < 1 {
			return 0, invalid(theirs)
		}
		return n, nil
	case b.meta.has(name) && ours < 1:
		return 0, invalid(strconv.FormatInt(ours, 10))
	}
	return ours, nil
}

// pages returns the page size that is asked for, as the machine shows it, and
// as a number of KiB (-1 for small, large and any).
// Source: _get_numa_pagesize_constraint.
func (b *builder) pages() (string, int64, *Refusal) {
	const spec, name = "hw:mem_page_size", "hw_mem_page_size"
	ours, theirs := b.meta.text(name), b.flavor.specs[spec]
	if theirs == "" {
		if ours != "" {
			return "", 0, b.refuse("MemoryPageSizeForbidden", []string{name},
				"Page size %s forbidden against '<empty>': use a flavor with hw:mem_page_size=any or large, or remove %s", quote(ours), b.meta.spelled(name))
		}
		return "", 0, nil
	}
	pages, size, ok := pageSize(theirs)
	if !ok {
		return "", 0, b.refuse("MemoryPageSizeInvalid", []string{spec}, "Invalid memory page size %s: hw:mem_page_size takes small, large, any, a number of KiB, or a size such as 2MB", quote(theirs))
	}
	if ours == "" {
		return pages, size, nil
	}
	if pages != "any" && pages != "large" {
		return "", 0, b.refuse("MemoryPageSizeForbidden", []string{spec, name},
			"Page size %s forbidden against %s: remove %s, or use a flavor with hw:mem_page_size=any or large", quote(ours), quote(theirs), b.meta.spelled(name))
	}
	if pages, size, ok = pageSize(ours); !ok {
		return "", 0, b.refuse("MemoryPageSizeInvalid", []string{name}, "Invalid memory page size %s: %s takes small, large, any, a number of KiB, or a size such as 2MB", quote(ours), b.meta.spelled(name))
	}
	return pages, size, nil
}

var sized = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([-+]?[0-9]*\.?[0-9]+)([KMGTPEZYRQ]?)i?(b|bit|B)$`)
})

// pageSize reads a page size: its form for people, in KiB where it is a number.
// Source: check_and_return_pages_size, oslo_utils/strutils.py string_to_bytes.
func pageSize(text string) (string, int64, bool) {
	switch text {
	case "small", "large", "any":
		return text, -1, true
	}
	for _, f := range property.Check("hw_mem_page_size", text) {
		if f.Rule == "refused-later" {
			return "", 0, false
		}
	}
	kib := int64(math.MaxInt64)
	if found := sized().FindStringSubmatch(text); found != nil {
		bytes, _ := new(big.Float).SetString(found[1])
		if found[2] != "" {
			for range 1 + strings.Index("KMGTPEZYRQ", found[2]) {
				bytes.Mul(bytes, big.NewFloat(1024))
			}
		}
		if found[3] != "B" {
			bytes.Quo(bytes, big.NewFloat(8))
		}
		whole, accuracy := bytes.Int64()
		if accuracy == big.Below {
			whole++ // rounded up
		}
		kib = whole / 1024
	} else {
		kib, _ = toInt(text)
	}
	return strconv.FormatInt(kib, 10), kib, true
}

// cells checks that CPUs and memory can be dealt to the nodes.
// Source: _get_numa_topology_auto, _get_numa_topology_manual.
func (b *builder) cells(nodes int64) *Refusal {
	cpus, refusal := b.perNode("hw:numa_cpus", "hw_numa_cpus", b.meta.numaCPUs)
	if refusal != nil {
		return refusal
	}
	mem, refusal := b.perNode("hw:numa_mem", "hw_numa_mem", b.meta.numaMem)
	if refusal != nil {
		return refusal
	}
	names := []string{"hw_numa_nodes", "hw:numa_nodes"}
	for _, v := range slices.Concat(cpus, mem) {
		names = append(names, v.name)
	}
	if len(cpus) == 0 && len(mem) == 0 {
		if b.flavor.vcpus%nodes > 0 || b.flavor.memory%nodes > 0 {
			return b.refuse("ImageNUMATopologyAsymmetric", names,
				"Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes: the number of nodes, %d, must divide the flavor's %d vCPUs and %d MiB, unless hw_numa_cpus.N and hw_numa_mem.N deal them out", nodes, b.flavor.vcpus, b.flavor.memory)
		}
		return nil
	}
	if int64(len(cpus)) != nodes || int64(len(mem)) != nodes {
		return b.refuse("ImageNUMATopologyIncomplete", names, "CPU and memory allocation must be provided for all NUMA nodes: write hw_numa_cpus.N and hw_numa_mem.N for each of the %d nodes", nodes)
	}
	taken := map[int64]bool{}
	total := int64(0)
	for i := range cpus {
		set, _ := parseCPUs(cpus[i].text, b.flavor.vcpus)
		for _, cpu := range set.list {
			if taken[cpu] {
				return b.refuse("ImageNUMATopologyCPUDuplicates", names, "CPU number %d is assigned to two nodes: mend hw_numa_cpus.N", cpu)
			}
			taken[cpu] = true
		}
		if set.beyond {
			return b.refuse("ImageNUMATopologyCPUOutOfRange", names, "a CPU number of %s is larger than max %d: hw_numa_cpus.N must deal out the flavor's %d vCPUs", cpus[i].name, b.flavor.vcpus-1, b.flavor.vcpus)
		}
		n, _ := toInt(mem[i].text)
		total += n
	}
	switch {
	case int64(len(taken)) != b.flavor.vcpus:
		return b.refuse("ImageNUMATopologyCPUsUnassigned", names, "%d of the flavor's vCPUs are not assigned to any node: mend hw_numa_cpus.N", b.flavor.vcpus-int64(len(taken)))
	case total != b.flavor.memory:
		return b.refuse("ImageNUMATopologyMemoryOutOfRange", names, "%d MB of memory assigned, but expected %d MB: hw_numa_mem.N must deal out the flavor's memory", total, b.flavor.memory)
	}
	return nil
}

// perNode returns what the flavor or the image says of each node.
// Source: _get_numa_cpu_constraint, _get_numa_mem_constraint.
func (b *builder) perNode(spec, name string, ours []value) ([]value, *Refusal) {
	theirs := nodes(b.flavor.specs, spec+".")
	if len(theirs) == 0 {
		return ours, nil
	}
	for _, v := range theirs {
		_, ok := parseCPUs(v.text, b.flavor.vcpus)
		class := "Invalid"
		if spec == "hw:numa_mem" {
			_, ok = toInt(v.text)
			class = "ValueError"
		}
		if !ok {
			return nil, b.refuse(class, []string{v.name}, "Nova cannot read %s=%s of the flavor", v.name, quote(v.text))
		}
	}
	if len(ours) > 0 {
		return nil, b.refuse("ImageNUMATopologyForbidden", []string{ours[0].name, theirs[0].name},
			"Image property '%s' is not permitted to override NUMA configuration set against the flavor: remove %s.N", name, name)
	}
	return theirs, nil
}

// cpuSet is a set of CPU numbers. Those of the flavor are listed in order.
type cpuSet struct {
	list   []int64
	count  int64
	beyond bool // there are others besides
}

// parseCPUs reads CPU numbers and ranges, of which vcpus there are.
// Source: parse_cpu_spec.
func parseCPUs(text string, vcpus int64) (cpuSet, bool) {
	for _, f := range property.Check("hw_numa_cpus.0", text) {
		if f.Rule == "value-not-accepted" {
			return cpuSet{}, false
		}
	}
	// Numbers far beyond the flavor's are all alike.
	last := vcpus + 4096
	in, out := map[int64]bool{}, map[int64]bool{}
	for rule := range strings.SplitSeq(text, ",") {
		rule = strings.TrimSpace(rule)
		if rule == "" {
			continue
		}
		set := in
		if cut, ok := strings.CutPrefix(rule, "^"); ok {
			set, rule = out, cut
		}
		from, to, isRange := strings.Cut(rule, "-")
		if !isRange {
			to = from
		}
		first, _ := toInt(from)
		end, _ := toInt(to)
		for cpu := min(first, last); cpu <= min(end, last); cpu++ {
			set[cpu] = true
		}
	}
	var set cpuSet
	for cpu := range in {
		switch {
		case out[cpu]:
		case cpu < vcpus:
			set.list = append(set.list, cpu)
		default:
			set.beyond = true
		}
	}
	slices.Sort(set.list)
	set.count = int64(len(set.list))
	return set, true
}
