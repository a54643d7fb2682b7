package property

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"glance-profile/internal/spelling"
)

// The limits on names. Source: glance/api/v2/images.py
// RequestDeserializer.create, and for Nova, which stores image_<name> in a
// column of 255, nova/utils.py get_system_metadata_from_image.
const (
	maxName     = 255 // characters, Glance
	maxNovaName = 249 // characters, Nova
)

const glanceNames = "glance/api/v2/images.py RequestDeserializer"

// Reserved reports whether Glance keeps the name for itself: it answers 403.
func Reserved(name string) bool {
	switch name {
	case "location", "deleted", "deleted_at":
		return true
	}
	return strings.HasPrefix(name, "os_glance")
}

// ReadOnly reports whether Glance alone sets what stands under the name: it
// answers 403 to a change, and 400 or 403 when an image is made. But an id may
// be chosen then, and os_hash_algo and os_hash_value are taken and not kept.
func ReadOnly(name string) bool {
	switch name {
	case "checksum", "created_at", "direct_url", "file", "id", "os_hash_algo", "os_hash_value",
		"schema", "self", "size", "status", "stores", "updated_at", "virtual_size":
		return true
	}
	return false
}

// BaseField reports whether the name is that of a field of the image record
// that users set, as opposed to a custom property, and names the option of
// create that sets it ("" where there is none).
// Source: glance/api/v2/images.py get_base_properties.
func BaseField(name string) (option string, ok bool) {
	switch name {
	case "id":
		return "--id", true
	case "name":
		return "the argument NAME", true
	case "visibility":
		return "--public, --private, --community or --shared", true
	case "protected":
		return "--protected or --unprotected", true
	case "owner":
		return "--project", true
	case "container_format":
		return "--container-format", true
	case "disk_format":
		return "--disk-format", true
	case "tags":
		return "--tag", true
	case "min_ram":
		return "--min-ram", true
	case "min_disk":
		return "--min-disk", true
	case "os_hidden", "locations":
		return "", true
	}
	return "", false
}

// checkName judges the name alone. Where Glance refuses it, that is all there
// is to say, and refused is true.
func (c *checker) checkName() (refused bool) {
	if !utf8.ValidString(c.name) {
		c.add("not-utf8", Error, "", glanceNames, "the name %s is not valid UTF-8, and JSON cannot carry it", spelling.Quote(c.name))
		return true
	}
	option, base := BaseField(c.name)
	switch {
	case Reserved(c.name):
		c.add("reserved-name", Error, "", glanceNames, "%s is reserved: Glance answers 403", spelling.Quote(c.name))
		return true
	case base:
		use := "set it by " + option
		if option == "" {
			use = "it cannot be set when an image is made"
		}
		c.add("base-field", Error, "", "glance/api/v2/images.py get_base_properties",
			"%s is a field of the image itself, not a property: %s", spelling.Quote(c.name), use)
		return true
	case ReadOnly(c.name):
		c.add("read-only-name", Error, "", glanceNames, "%s is set by Glance alone, which refuses it from anybody else", spelling.Quote(c.name))
		return true
	}

	switch n := utf8.RuneCountInString(c.name); {
	case fourBytes(c.name):
		c.add("four-byte-unicode", Error, "", glanceUnicode, "the name %s has a character of four bytes in UTF-8, such as an emoji: Glance answers 400", spelling.Quote(c.name))
		return true
	case n > maxName:
		c.add("name-too-long", Error, "", glanceNames, "the name has %d characters: Glance takes %d and answers 400", n, maxName)
		return true
	case n > maxNovaName:
		c.add("name-too-long", Error, "", "nova/utils.py get_system_metadata_from_image",
			"the name has %d characters: Nova stores at most %d, so no server can be made from the image", n, maxNovaName)
	}
	switch trimmed := trimSpace(c.name); {
	case c.name == "":
		c.add("name-empty", Warning, "", glanceNames, "the property has no name: Glance takes it, and no service reads it")
	case trimmed != c.name:
		c.add("name-blanks", Warning, trimmed, "glance/api/v2/images.py RequestDeserializer._decode_json_pointer",
			"the name %s begins or ends with a blank: no service knows it, and Glance cannot change or remove it later", spelling.Quote(c.name))
	case slices.Contains(attributes[:], c.name):
		c.add("name-unchangeable", Warning, "", "glance/api/v2/images.py ImagesController._do_replace",
			"%s is also the name of something inside Glance: it takes the property when the image is made, then loses or refuses every change and answers 403 to its removal", spelling.Quote(c.name))
	}
	return false
}

// attributes are the names that Glance takes for a custom property when an
// image is made, and later for an attribute of its own image object. The list
// is what Glance 25 and 30 do; tests compare.
// Source: glance/api/v2/images.py ImagesController._do_replace (hasattr).
var attributes = [...]string{
	"base", "context", "deactivate", "delete", "extra_properties", "get_data", "get_payload", "get_super_class", "helper", "image_id", "member",
	"notifier", "reactivate", "repo", "send_notification", "set_data",
}

const glanceUnicode = "glance/common/utils.py no_4byte_params"

// fourBytes tells whether a text has a character outside the Basic
// Multilingual Plane.
func fourBytes(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > 0xffff }) >= 0
}

// checkUnknown judges a name that is not in the table. Names of people's own
// are none of our business; only what looks like one of the services' names
// is.
func (c *checker) checkUnknown() {
	if name, ok := flavorSpelling(c.name); ok {
		only := ""
		if name == "" {
			only = "; no image property stands for it"
		}
		c.add("flavor-spelling", Warning, name, fromDict,
			"%s is how a flavor spells it, and Nova ignores it on an image%s", spelling.Quote(c.name), only)
		return
	}
	if trait, ok := traitSpelling(c.name); ok {
		c.add("trait-spelling", Warning, traitPrefix+trait, fromDict,
			"%s is ignored: a required trait is written %s%s=required", spelling.Quote(c.name), traitPrefix, trait)
		return
	}
	for _, prefix := range []string{numaCPUsPrefix, numaMemPrefix} {
		if strings.HasPrefix(c.name, prefix) {
			c.add("unknown-property", Warning, "", fromDict,
				"%s is ignored: Nova reads %s0 to %s%d", spelling.Quote(c.name), prefix, prefix, numaNodes-1)
			return
		}
	}
	if known := nearMiss(c.name); known != "" {
		c.add("unknown-property", Warning, known, fromDict,
			"no service knows %s, so it is ignored in silence", spelling.Quote(c.name))
		return
	}
	if strings.HasPrefix(c.name, "hw_") || strings.HasPrefix(c.name, "img_") {
		c.add("unknown-property", Info, "", fromDict,
			"%s looks like one of Nova's properties, and no release of Nova knows it", spelling.Quote(c.name))
	}
}

// flavorSpelling recognizes the extra specs of flavors, and returns the image
// property for the same thing, or "".
// Source: nova/api/validation/extra_specs.
func flavorSpelling(name string) (property string, ok bool) {
	switch name {
	case "hw:hide_hypervisor_id", "hide_hypervisor_id":
		return "img_hide_hypervisor_id", true
	}
	namespace, key, ok := strings.Cut(name, ":")
	if !ok {
		return "", false
	}
	switch namespace {
	case "hw", "os":
		property = namespace + "_" + key
		if find(property) == nil {
			property = ""
		}
		return property, true
	case "hw_video", "hw_rng", "quota", "capabilities", "pci_passthrough", "accel", "aggregate_instance_extra_specs":
		return "", true
	}
	// Numbered and named request groups: resources1:VCPU, resources_NET:VCPU.
	group, ok := strings.CutPrefix(namespace, "resources")
	return "", ok && (strings.HasPrefix(group, "_") || strings.Trim(group, "0123456789") == "")
}

// traitSpelling recognizes names that were meant to ask for a trait.
func traitSpelling(name string) (trait string, ok bool) {
	prefix, trait, found := strings.Cut(name, ":")
	if !found || !validTrait(trait) {
		return "", false
	}
	p := strings.TrimRight(strings.ToLower(prefix), "0123456789")
	return trait, spelling.Distance(p, "trait", 1) <= 1
}

// validTrait tells whether Placement takes the text for the name of a trait.
// Source: placement/schemas/trait.py.
func validTrait(trait string) bool {
	return trait != "" && strings.Trim(trait, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// habits are names often seen that no service reads, and the names meant.
var habits = [...]Pair{
	{"hw_arch", "architecture"}, {"img_architecture", "architecture"}, {"os_arch", "architecture"}, {"os_architecture", "architecture"},
	{"hw_boot_firmware", "hw_firmware_type"}, {"hw_firmware", "hw_firmware_type"},
	{"hw_config_drive", "img_config_drive"}, {"os_config_drive", "img_config_drive"},
	{"hw_disk_bus_model", "hw_scsi_model"}, {"hw_disk_model", "hw_disk_bus"},
	{"hw_guest_agent", "hw_qemu_guest_agent"}, {"hw_qemu_agent", "hw_qemu_guest_agent"}, {"os_qemu_guest_agent", "hw_qemu_guest_agent"},
	{"hw_hide_hypervisor_id", "img_hide_hypervisor_id"},
	{"hw_machine", "hw_machine_type"},
	{"hw_multiqueue_enabled", "hw_vif_multiqueue_enabled"}, {"hw_vif_multiqueue", "hw_vif_multiqueue_enabled"},
	{"hw_net_model", "hw_vif_model"}, {"hw_network_model", "hw_vif_model"}, {"hw_nic_model", "hw_vif_model"}, {"hw_vif_type", "hw_vif_model"},
	{"hw_rng", "hw_rng_model"},
	{"hw_secure_boot", "os_secure_boot"}, {"img_os_type", "os_type"}, {"os_quiesce", "os_require_quiesce"},
	{"hw_tpm", "hw_tpm_version"}, {"hw_video_memory", "hw_video_ram"}, {"hw_video_type", "hw_video_model"},
	{"hw_watchdog", "hw_watchdog_action"}, {"os_vers", "os_version"},
}

// nearMiss returns the known property that an unknown name was probably meant
// to be, or "". Only names that look like hw_*, os_* or img_* are compared.
func nearMiss(name string) string {
	// None of the known ones is that long, and a name that begins with an
	// underscore is a cloud's own on purpose: __os_type.
	if len(name) > 64 || strings.HasPrefix(name, "_") {
		return ""
	}
	n := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == ' ' || r == ':' {
			return '_'
		}
		return unicode.ToLower(r)
	}, trimSpace(name))
	if to, ok := lookup(habits[:], n); ok {
		return to
	}
	if d := find(n); d != nil && d.Effect != Informational || ours(n) && d != nil {
		return n
	}
	limit := 2
	if len(n) < 9 {
		limit = 1
	}
	best := ""
	for i := range table {
		known := table[i].Name
		if !ours(known) || table[i].Effect == NoEffect || isPattern(known) || !similarPrefix(n, known) {
			continue
		}
		if d := spelling.Distance(n, known, limit); d <= limit {
			best, limit = known, d-1
			if d == 0 {
				break
			}
		}
	}
	return best
}

// similarPrefix tells whether a name begins like a known one: hv_ for hw_, but
// not has_.
func similarPrefix(name, known string) bool {
	want, _, _ := strings.Cut(known, "_")
	first, _, _ := strings.Cut(name, "_")
	return strings.HasPrefix(name, want) || spelling.Distance(first, want, 1) <= 1
}

// ours tells whether a name has one of the prefixes of Nova's own properties.
func ours(name string) bool {
	return strings.HasPrefix(name, "hw_") || strings.HasPrefix(name, "os_") || strings.HasPrefix(name, "img_")
}
