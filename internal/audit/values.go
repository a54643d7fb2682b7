package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"glance-profile/internal/hardware"
	"glance-profile/internal/normalize"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
	"glance-profile/internal/spelling"
)

// ByGlance is RejectedBy of what Glance itself refuses, so that no image is made
// or changed; else it is about what comes later.
const ByGlance = "glance"

// valuesOf tells what package property says of the properties one by one.
func (a *Auditor) valuesOf(s subject) []Finding {
	var findings []Finding
	for _, v := range s.judged {
		f := Finding{Rule: v.Rule, Severity: v.Severity, Property: v.Property, Value: v.Value, Message: v.Message, Reference: cmp.Or(v.Reference, a.references[v.Rule])}
		switch {
		case v.RefusedByGlance():
			f.RejectedBy = ByGlance
		case v.RefusedByNova():
			f.RejectedBy = string(hardware.ByValue)
		}
		f.Fix = a.fixOf(s, v)
		findings = append(findings, f)
	}
	return findings
}

// fixOf is the change that a finding on a value proposes, nil where it proposes
// none or Nova would not take its result.
func (a *Auditor) fixOf(s subject, v property.Finding) []Fix {
	switch {
	case v.Rule == "snapshot-leftover":
		return s.fixes([]Fix{{Property: v.Property}})
	case v.Fix == "":
		return nil
	case !v.Renames():
		return s.fixes([]Fix{{Property: v.Property, After: v.Fix}})
	case s.has(v.Fix):
		return nil // which of the two counts is for people to say
	}
	value := v.Value
	for _, f := range a.nova.Check(v.Fix, value) {
		if f.Severity == property.Error {
			if f.Fix == "" || f.Renames() {
				return nil
			}
			value = f.Fix
		}
	}
	return s.fixes([]Fix{{Property: v.Property}, {Property: v.Fix, After: value}})
}

// vocabulary tells what normalize would change, and what it cannot read, as far
// as that is not told in findings already.
func (a *Auditor) vocabulary(s subject, told []Finding, p plan.Image, reports []normalize.Report) []Finding {
	var findings []Finding
	mended := map[string]bool{}
	for _, f := range told {
		for _, fix := range f.Fix {
			mended[fix.Property] = true
		}
	}
	for _, c := range p.Changes {
		if mended[c.Property] {
			continue
		}
		f := Finding{Rule: "vocabulary", Severity: property.Warning, Property: c.Property, Value: s.text(c.Property), Reference: c.Why,
			Fix: []Fix{{Property: c.Property, Before: c.Before, After: c.After}}}
		after, is := c.After.(string)
		switch {
		case normalize.Inferred(c.Why):
			f.Rule, f.Severity = "os-missing", property.Info
			f.Message = fmt.Sprintf("%s is not set, and the image says elsewhere that it is %s", c.Property, after)
		case !is:
			f.Message = fmt.Sprintf("%s=%s belongs into another property", c.Property, spelling.Quote(f.Value))
		case c.Before == nil:
			f.Message = fmt.Sprintf("%s=%s stands in another property", c.Property, spelling.Quote(after))
		default:
			f.Message = fmt.Sprintf("%s is %s in the common vocabulary", spelling.Quote(f.Value), after)
		}
		findings = append(findings, f)
	}
	for _, r := range reports {
		f := Finding{Rule: "vocabulary-unclear", Severity: property.Info, Property: r.Property, Value: r.Value, Message: r.Message, Reference: "libosinfo, Glance's useful image properties"}
		switch r.Kind {
		case normalize.Conflict:
			f.Severity = property.Warning
		case normalize.Ambiguous, normalize.Unknown, normalize.NoVersion:
		default:
			continue // told by the value itself, or nothing to mend
		}
		if len(r.Candidates) > 0 {
			f.Message += "; it may be " + strings.Join(r.Candidates, ", ")
		}
		if !slices.ContainsFunc(told, func(t Finding) bool { return t.Property == r.Property && t.Severity > property.Info }) {
			findings = append(findings, f)
		}
	}
	return findings
}

// valueRules describe the findings of values: the checks themselves are in the
// packages property and normalize.
func valueRules() []Rule {
	rules := slices.Clone(onValues[:])
	for i := range rules {
		rules[i].Kind = OnValue
	}
	return rules
}

const fromDict = "nova/objects/image_meta.py ImageMetaProps.from_dict"

var onValues = [...]Rule{
	{
		ID: "value-not-accepted", Severity: property.Error,
		Title:   "Nova has to take every value",
		Why:     "Nova answers every request for a server of the image with 400: Invalid image metadata. Glance takes any text, so nothing is seen at the upload.",
		Example: "hw_disk_bus=VIRTIO", Mend: "Set the accepted value; glance-profile property show NAME lists them.",
		Reference: fromDict,
	},
	{
		ID: "current-name-unread", Severity: property.Error,
		Title:   "a few properties are read under their older name only",
		Why:     "Nova parses the newer name and makes no use of it, or takes no text for it at all.",
		Example: "img_block_device_mapping=[]", Mend: "Move the value to the older name.",
		Reference: "nova/image/glance.py _CONVERT_PROPS",
	},
	{
		ID: "refused-later", Severity: property.Error,
		Title:   "a value must not be one that is refused on every host",
		Why:     "Nova parses the value and refuses the server afterwards.",
		Example: "hw_numa_nodes=0", Mend: "Set a value within the bounds that the message names.",
		Reference: "nova/virt/hardware.py",
	},
	{
		ID: "refused-by-kvm", Severity: property.Warning,
		Title:   "a value should be one that KVM hosts take",
		Why:     "It is for another hypervisor; on KVM the server ends in ERROR.",
		Example: "hw_disk_bus=xen", Mend: "Set a value for KVM, or hypervisor_type to the hypervisor that it is for.",
		Reference: "nova/virt/libvirt/blockinfo.py SUPPORTED_DEVICE_BUSES",
	},
	{
		ID: "needs-flavor", Severity: property.Warning,
		Title:   "a value that only some flavors allow",
		Why:     "With any other flavor the server is refused.",
		Example: "hw_video_ram=64", Mend: "Remove it, or see to it that all flavors for the image have the extra spec that the message names.",
		Reference: "nova/virt/hardware.py",
	},
	{
		ID: "newer-than", Severity: property.Warning,
		Title:   "names and values should be known to every release in use",
		Why:     "Older releases ignore a newer name in silence, and refuse a newer value.",
		Example: "hw_vif_model=igb", Mend: "Keep it only if all clouds that use the image have the release; audit --nova RELEASE judges by one.",
		Reference: fromDict,
	},
	{
		ID: noEffect, Severity: property.Warning,
		Title:   "a property should change something",
		Why:     "No service acts on it, or nothing does under the other properties of the image: whoever set it believes otherwise.",
		Example: "hw_tpm_model=tpm-crb without hw_tpm_version", Mend: "Add what it needs, or remove it.",
		Reference: "nova/virt/libvirt/driver.py",
	},
	{
		ID: "boolean-misread", Severity: property.Warning,
		Title:   "true and false have to be words that Nova knows",
		Why:     "Any other text counts as false, in silence.",
		Example: "hw_qemu_guest_agent=enabled", Mend: "Write true or false (yes and no, on and off, 1 and 0 do as well).",
		Reference: "oslo_utils/strutils.py bool_from_string",
	},
	{
		ID: "value-ignored", Severity: property.Warning,
		Title:   "a value should be one that its reader understands",
		Why:     "It is ignored in silence, and the default holds.",
		Example: "os_shutdown_timeout=2m", Mend: "Set a value that is understood; glance-profile property show NAME.",
		Reference: "nova/compute/manager.py",
	},
	{
		ID: "os-type-case", Severity: property.Warning,
		Title:   "os_type is written in lower case",
		Why:     "Nova takes any case and then compares with windows: the guest gets no Hyper-V features and a clock in UTC.",
		Example: "os_type=Windows", Mend: "Set os_type=windows.",
		Reference: "nova/compute/api.py _inherit_properties_from_image",
	},
	{
		ID: "runs-emulated", Severity: property.Warning,
		Title:   "a 32-bit x86 image is described as x86_64",
		Why:     "On x86_64 hosts Nova emulates an i686 guest without KVM, many times slower.",
		Example: "architecture=i686", Mend: "Set architecture=x86_64: such machines run 32-bit systems.",
		Reference: "nova/virt/libvirt/driver.py _get_guest_config",
	},
	{
		ID: "unknown-property", Severity: property.Warning,
		Title:   "a name that looks like one of the services' should be one",
		Why:     "Unknown names are ignored in silence, so a misspelt property does nothing.",
		Example: "hw_disk_buss=virtio", Mend: "Rename it to the property that was meant, or give names of your own another beginning than hw_, os_ and img_.",
		Reference: fromDict,
	},
	{
		ID: "flavor-spelling", Severity: property.Warning,
		Title:   "an image property has no colon",
		Why:     "hw:, os:, quota: and the like are extra specs of flavors; on an image they do nothing.",
		Example: "hw:cpu_policy=dedicated", Mend: "Rename it to the image property that stands for it, or set it on flavors.",
		Reference: fromDict,
	},
	{
		ID: "trait-spelling", Severity: property.Warning,
		Title:   "a required trait is written trait:NAME=required",
		Why:     "Any other prefix is ignored, and a name that is none finds no host.",
		Example: "traits:HW_CPU_X86_AVX2=required", Mend: "Rename it to trait:NAME, in capitals, digits and underscores.",
		Reference: fromDict,
	},
	{
		ID: "trait-value-ignored", Severity: property.Warning,
		Title:   "a trait has the value required",
		Why:     "Any other value is ignored in silence: the trait is not asked for.",
		Example: "trait:HW_CPU_X86_AVX2=forbidden", Mend: "Set it to required, or remove it.",
		Reference: "nova/objects/image_meta.py _set_attr_from_trait_names",
	},
	{
		ID: "name-blanks", Severity: property.Warning,
		Title:   "a name has no blanks at its ends",
		Why:     "No service knows it, and Glance can neither change nor remove it later.",
		Example: "' hw_disk_bus'=virtio", Mend: "Upload the image anew without it.",
		Reference: "glance/api/v2/images.py RequestDeserializer._decode_json_pointer",
	},
	{
		ID: "name-empty", Severity: property.Warning,
		Title:   "a property has a name",
		Why:     "Glance takes a property without one, and no service reads it.",
		Example: "''=x", Mend: "Remove it.",
		Reference: "glance/api/v2/images.py RequestDeserializer",
	},
	{
		ID: "name-unchangeable", Severity: property.Warning,
		Title:   "a name should be one that Glance lets be changed",
		Why:     "Glance takes it when the image is made and then confuses it with something of its own.",
		Example: "context=x", Mend: "Upload the image anew with another name for it.",
		Reference: "glance/api/v2/images.py ImagesController._do_replace",
	},
	{
		ID: "name-clash", Severity: property.Warning,
		Title:   "names should differ in more than case",
		Why:     "To MySQL the two are one, and Glance answers 500.",
		Example: "Build and build", Mend: "Keep one of the two.",
		Reference: "glance/db/sqlalchemy/models.py ImageProperty",
	},
	{
		ID: "name-too-long", Severity: property.Error,
		Title:   "a name has at most 249 characters",
		Why:     "Nova stores it with a prefix in 255 characters, so no server can be made; above 255 Glance refuses it.",
		Example: "a name of 250 characters", Mend: "Use a shorter name.",
		Reference: "nova/utils.py get_system_metadata_from_image",
	},
	{
		ID: "value-too-long", Severity: property.Error,
		Title:   "a value fits where it is kept",
		Why:     "Glance's database holds 65535 bytes, Nova keeps 255 for a running server and cuts the rest.",
		Example: "os_command_line of 300 bytes", Mend: "Use a shorter value.",
		Reference: "glance/db/sqlalchemy/models.py ImageProperty; nova/utils.py get_system_metadata_from_image",
	},
	{
		ID: "too-many-properties", Severity: property.Warning,
		Title:   "an image has at most 128 properties",
		Why:     "Glance refuses more (413) unless its image_property_quota was raised.",
		Example: "129 properties", Mend: "Remove some.",
		Reference: "glance/quota/__init__.py ImageProxy",
	},
	{
		ID: "numa-gap", Severity: property.Warning,
		Title:   "hw_numa_cpus.N and hw_numa_mem.N count from 0 without gaps",
		Why:     "Nova stops at the first that is missing, and ignores the rest.",
		Example: "hw_numa_cpus.1 without hw_numa_cpus.0", Mend: "Number them from 0 up.",
		Reference: fromDict,
	},
	{
		ID: "uuid-form", Severity: property.Warning,
		Title:   "an id has the form of one",
		Why:     "It is accepted, and whatever looks it up fails.",
		Example: "img_signature_certificate_uuid=mykey", Mend: "Set the id of the image, key or certificate.",
		Reference: "oslo_versionedobjects/fields.py UUID",
	},
	{
		ID: "overwritten", Severity: property.Warning,
		Title:   "image_id and image_name are Cinder's",
		Why:     "Cinder writes its own into every volume made from the image.",
		Example: "image_name=mine", Mend: "Use another name for it.",
		Reference: "cinder/volume/volume_utils.py get_volume_image_metadata",
	},
	{
		ID: "snapshot-leftover", Severity: property.Warning,
		Title:   "what Nova writes on snapshots belongs to snapshots",
		Why:     "base_image_ref counts as the image of a later server in the image's place; the others tell nothing.",
		Example: "base_image_ref=ID on an image that is no snapshot", Mend: "Remove it.",
		Reference: "nova/compute/api.py _populate_instance_for_create",
	},
	{
		ID: "vocabulary", Severity: property.Warning,
		Title:   "os_distro, os_version and the rest are in one vocabulary",
		Why:     "Filters, dashboards and tools compare these texts; Ubuntu, ubuntu and ubuntu22.04 are three systems to them.",
		Example: "os_distro=Ubuntu", Mend: "glance-profile normalize does it for a whole catalog.",
		Reference: "Glance's useful image properties; libosinfo",
	},
	{
		ID: "vocabulary-unclear", Severity: property.Warning,
		Title:   "os_distro, os_version and the rest can be read",
		Why:     "The value names no known system, several, or another one than the rest of the image.",
		Example: "os_distro=linux", Mend: "Set the right value, or settle it for all images with normalize --map.",
		Reference: "Glance's useful image properties; libosinfo",
	},
	{
		ID: "os-missing", Severity: property.Info,
		Title:   "an image says which system it holds",
		Why:     "Filters, dashboards, profiles and other tools go by os_distro, os_version, os_type and architecture.",
		Example: "the name ubuntu-22.04 without os_distro", Mend: "glance-profile normalize --infer sets them where name and properties agree.",
		Reference: "Glance's useful image properties",
	},
	{
		ID: "glance-schema", Severity: property.Error,
		Title:   "Glance has to take every value",
		Why:     "Glance answers 400 where its schema-image.json is installed, to every later change of the image as well.",
		Example: "kernel_id=nokernel", Mend: "Set a value that the schema allows, or remove the property.",
		Reference: "glance/etc/schema-image.json",
	},
	{
		ID: "reserved-name", Severity: property.Error,
		Title:   "a property has no name that is reserved",
		Why:     "Glance answers 403.",
		Example: "os_glance_x=1", Mend: "Use another name.",
		Reference: "glance/api/v2/images.py RequestDeserializer",
	},
	{
		ID: "read-only-name", Severity: property.Error,
		Title:   "a property has no name that Glance sets itself",
		Why:     "Glance answers 403.",
		Example: "checksum=x", Mend: "Use another name.",
		Reference: "glance/api/v2/images.py RequestDeserializer",
	},
	{
		ID: "base-field", Severity: property.Error,
		Title:   "a field of the image is no property",
		Why:     "Glance takes it with its own type only, and it has an option of its own.",
		Example: "--property min_disk=10", Mend: "Use the option: --min-disk 10.",
		Reference: "glance/api/v2/images.py get_base_properties",
	},
	{
		ID: "not-utf8", Severity: property.Error,
		Title:   "text is UTF-8",
		Why:     "JSON cannot carry anything else.",
		Example: "a byte 0xff", Mend: "Write it in UTF-8.",
		Reference: "RFC 8259",
	},
	{
		ID: "four-byte-unicode", Severity: property.Error,
		Title:   "text has no characters of four bytes",
		Why:     "Glance answers 400 to an emoji, for example.",
		Example: "description=😀", Mend: "Leave the character out.",
		Reference: "glance/common/utils.py no_4byte_params",
	},
}
