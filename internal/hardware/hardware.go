// Package hardware says which virtual machine Nova's libvirt driver makes of an
// image's properties on a KVM host, or who refuses to and why; which hosts are
// asked for; and whether libvirt and QEMU would start it. It is a pure model:
// no I/O, no cloud. What single values Nova takes is package property's.
//
// The model walks Nova's own road, step by step and in its order: the values
// (meta.go), the API's checks (api.go), the scheduler's request (scheduler.go),
// the driver (driver.go), then libvirt's rules (starts.go). Each step names the
// file and function of Nova that it follows; what differs between releases is
// in release.go. Tests in test/hardware hold it to Nova's own code.
//
// The host is taken for an x86_64 KVM host that can do UEFI and Secure Boot,
// has a vTPM and a key manager for it, VNC consoles, no serial console service
// and, unless told, no AMD SEV. The flavor's disk and memory are taken to be
// big enough for min_disk and min_ram.
package hardware

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"glance-profile/internal/image"
	"glance-profile/internal/property"
)

// Options are what the machine depends on besides the image. The zero value is
// Nova 2025.1 on a KVM host with Nova's own defaults, and a flavor of 2 vCPUs
// and 2048 MiB without extra specs.
type Options struct {
	Nova     Release // "" is Newest
	VirtType string  // kvm or qemu, nova.conf's [libvirt]virt_type; "" is kvm
	// MachineTypes are the host's default machine types by architecture,
	// nova.conf's [libvirt]hw_machine_type. The host is taken to know them.
	MachineTypes map[string]string
	VCPUs        int               // 0 is 2
	MemoryMB     int               // MiB; 0 is 2048
	ExtraSpecs   map[string]string // of the flavor
	// SEV says that the host has AMD SEV, so that memory encryption happens
	// where it is asked for.
	SEV bool
}

// Result is what becomes of one image. Its JSON is a contract.
type Result struct {
	ImageID   string // "" for none, null in JSON
	ImageName string // "" for none, null in JSON
	Nova      Release
	// Builds says whether Nova makes a machine of it at all.
	Builds bool
	// Starts says whether libvirt and QEMU start the machine; nil where there
	// is none, or one that is not x86.
	Starts  *bool
	Refusal *Refusal // nil where nobody refuses
	Machine *Machine // nil where Builds is false
	Traits  Traits
	Filter  Filter
	// NoEffect names, sorted, the properties that change nothing of all this;
	// empty where nothing is built.
	NoEffect []string
	// Origins say where each field of the machine comes from, by its name in
	// JSON. They are printed only if Explain is set.
	Origins map[string]Origin
	Explain bool
}

// Contract is a result as its JSON has it.
type Contract struct {
	ImageID   *string           `json:"image_id"`
	ImageName *string           `json:"image_name"`
	Nova      Release           `json:"nova"`
	Builds    bool              `json:"builds"`
	Starts    *bool             `json:"starts"`
	Refusal   *Refusal          `json:"refusal"`
	Machine   *Machine          `json:"machine"`
	Traits    Traits            `json:"traits"`
	Filter    Filter            `json:"filter"`
	NoEffect  []string          `json:"no_effect"`
	Explain   map[string]Origin `json:"explain,omitempty"`
}

// Contract returns the contract's form.
func (r Result) Contract() Contract {
	c := Contract{Nova: r.Nova, Builds: r.Builds, Starts: r.Starts, Refusal: r.Refusal, Machine: r.Machine,
		Traits: r.Traits, Filter: r.Filter, NoEffect: r.NoEffect}
	if r.ImageID != "" {
		c.ImageID = &r.ImageID
	}
	if r.ImageName != "" {
		c.ImageName = &r.ImageName
	}
	if c.NoEffect == nil {
		c.NoEffect = []string{}
	}
	if r.Explain {
		c.Explain = r.Origins
	}
	return c
}

// MarshalJSON writes the contract's form.
func (r Result) MarshalJSON() ([]byte, error) { return json.Marshal(r.Contract()) }

// Fields are the names of a result's members, in the order of its JSON, without
// explain.
func Fields() []string {
	return []string{"image_id", "image_name", "nova", "builds", "starts", "refusal", "machine", "traits", "filter", "no_effect"}
}

// Party is who refuses a machine.
type Party string

// The parties, in the order in which they are asked.
const (
	ByValue  Party = "nova"         // ImageMetaProps: a value that Nova does not take
	ByAPI    Party = "nova-api"     // the compute API's other checks
	ByDriver Party = "nova-libvirt" // the scheduler's request, and the libvirt driver
	ByStart  Party = "libvirt"      // libvirt or QEMU, when the machine is started
)

// Refusal is one party's no.
type Refusal struct {
	By Party `json:"by"`
	// Message is one line: what the service says, which properties are behind
	// it, what to change. Values in it are quoted and shortened.
	Message string `json:"message"`
	// Properties are those that conflict, as the image spells them, sorted; a
	// flavor's extra specs, which have a colon in their names, may be among
	// them.
	Properties []string `json:"properties"`
	// Exception is the class that Nova raises; "" for values and for libvirt.
	Exception string `json:"-"`
	Source    string `json:"-"` // service file and symbol
}

// Machine is the virtual machine, in libvirt's words.
type Machine struct {
	Architecture      string       `json:"architecture"`
	MachineType       string       `json:"machine_type"`
	Firmware          string       `json:"firmware"` // bios or uefi
	SecureBoot        bool         `json:"secure_boot"`
	SMM               bool         `json:"smm"`
	Stateless         bool         `json:"stateless"`
	Disks             []Disk       `json:"disks"` // root first, then the config drive
	Controllers       []Controller `json:"controllers"`
	NIC               NIC          `json:"nic"`
	RNG               bool         `json:"rng"`
	AgentChannel      bool         `json:"agent_channel"`
	TPM               *TPM         `json:"tpm"`
	Video             string       `json:"video"`
	VideoRAM          *int64       `json:"video_ram"` // KiB
	Inputs            []Input      `json:"inputs"`
	Watchdog          *string      `json:"watchdog"` // the action
	SerialPorts       int          `json:"serial_ports"`
	Sound             *string      `json:"sound"` // no release up to 2025.1 makes one
	Clock             string       `json:"clock"` // utc or localtime
	Timers            []string     `json:"timers"`
	HyperV            []string     `json:"hyperv"`
	CPU               *Topology    `json:"cpu"` // null for emulated mipsel, which gets no CPU model
	HideHypervisor    bool         `json:"hide_hypervisor"`
	ACPI              bool         `json:"acpi"`
	PMU               *bool        `json:"pmu"` // null leaves it to QEMU
	VMCoreInfo        bool         `json:"vmcoreinfo"`
	PageSize          *string      `json:"page_size"` // small, large, any, or KiB
	LockedMemory      bool         `json:"locked_memory"`
	BootMenu          bool         `json:"boot_menu"`
	KernelCommandLine *string      `json:"kernel_command_line"` // null without a kernel of its own
	VIOMMU            *string      `json:"viommu"`
	MemoryEncryption  bool         `json:"memory_encryption"`
	MaxPhysAddr       *PhysAddr    `json:"max_phys_addr"`
	VirtType          string       `json:"virt_type"` // kvm, or qemu where all is emulated

	osType string // hvm, xen, uml or exe
}

// Disk is a disk or CD-ROM.
type Disk struct {
	Device string `json:"device"` // disk or cdrom
	Name   string `json:"name"`   // such as vda
	Bus    string `json:"bus"`
}

// Controller is one that Nova writes; libvirt adds others on its own.
type Controller struct {
	Type  string  `json:"type"`  // scsi, virtio-serial or usb
	Model *string `json:"model"` // null leaves it to libvirt; none switches it off
}

// NIC is the network card.
type NIC struct {
	Model  string `json:"model"`
	Queues int    `json:"queues"`
	Packed bool   `json:"packed"`
}

// TPM is an emulated TPM.
type TPM struct {
	Model   string `json:"model"`
	Version string `json:"version"`
}

// Input is a tablet or keyboard.
type Input struct {
	Type string `json:"type"`
	Bus  string `json:"bus"`
}

// Topology is how the vCPUs are shown to the guest.
type Topology struct {
	Sockets int `json:"sockets"`
	Cores   int `json:"cores"`
	Threads int `json:"threads"`
}

// PhysAddr limits the guest's physical addresses.
type PhysAddr struct {
	Mode string `json:"mode"`
	Bits *int64 `json:"bits"`
}

// String is the limit for people: emulate, 42 bits.
func (a PhysAddr) String() string {
	if a.Bits == nil {
		return a.Mode
	}
	return fmt.Sprintf("%s, %d bits", a.Mode, *a.Bits)
}

// Traits are what the scheduler asks placement for, sorted.
type Traits struct {
	// Always are those of the request itself; empty where it is never made.
	Always []string `json:"always"`
	// Prefilter are those that [scheduler]image_metadata_prefilter adds.
	Prefilter []string `json:"prefilter"`
	// Requested are those that request filters without an option of their own
	// add: packed rings and ephemeral encryption.
	Requested []string `json:"-"`
}

// Filter is what the scheduler's ImagePropertiesFilter compares with what hosts
// report; null where the image says nothing.
type Filter struct {
	Architecture   *string `json:"architecture"`
	HypervisorType *string `json:"hypervisor_type"`
	VMMode         *string `json:"vm_mode"`
	Version        *string `json:"version"` // of QEMU; compared only where one of the others is set
}

// Origin is where a field of the machine comes from.
type Origin struct {
	// From are the properties and extra specs that decide, as name=value.
	From []string `json:"from"`
	// Default says what decides where no property does.
	Default *string `json:"default"`
	// Host reports that the default is the host's choice: its configuration or
	// its software decides.
	Host   bool   `json:"host"`
	Source string `json:"source"` // Nova's file and function
}

// Build says what becomes of an image.
func Build(img image.Image, o Options) Result {
	return BuildJudged(img, o, property.Nova(o.Nova.Major()).CheckAll(img.Properties))
}

// BuildJudged is Build for an image whose properties property.Nova.CheckAll has
// judged already, by the same release.
func BuildJudged(img image.Image, o Options, judged []property.Finding) Result {
	b := newBuilder(img, o)
	b.judged = judged
	r := Result{ImageID: img.ID, ImageName: img.Name, Nova: b.release.name,
		Traits: Traits{Always: []string{}, Prefilter: []string{}}, NoEffect: []string{}}
	if r.Refusal = b.readValues(); r.Refusal != nil {
		return r
	}
	r.Filter = b.filter()
	if r.Refusal = b.walk(apiSteps[:], ByAPI); r.Refusal != nil {
		return r
	}
	if r.Refusal = b.walk(schedulerSteps[:], ByDriver); r.Refusal != nil {
		return r
	}
	r.Traits = b.allTraits()
	if r.Refusal = b.walk(driverSteps[:], ByDriver); r.Refusal != nil {
		return r
	}
	r.Builds, r.Machine, r.Origins = true, &b.machine, b.origins
	if b.x86() {
		r.Refusal = startRefusal(b)
		starts := r.Refusal == nil
		r.Starts = &starts
	}
	for _, name := range slices.Sorted(maps.Keys(img.Properties)) {
		if !b.used[name] {
			r.NoEffect = append(r.NoEffect, name)
		}
	}
	return r
}

// BuildProperties is Build for properties that belong to no image yet.
func BuildProperties(props map[string]string, o Options) Result {
	return Build(image.Image{Properties: props}, o)
}

// step is one piece of Nova's work: it sets fields of the machine, or refuses.
type step struct {
	source string // Nova's file and function
	do     func(*builder) *Refusal
}

// walk takes steps until one refuses.
func (b *builder) walk(steps []step, by Party) *Refusal {
	for _, s := range steps {
		b.source = s.source
		if refusal := s.do(b); refusal != nil {
			refusal.By = by
			if refusal.Source == "" {
				refusal.Source = s.source
			}
			return refusal
		}
	}
	return nil
}
