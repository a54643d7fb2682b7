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
			f.Message = fmt.Sprintf("%s is not set, but other properties or the name say that it is %s", c.Property, after)
		case !is:
			f.Message = fmt.Sprintf("%s=%s belongs in another property", c.Property, spelling.Quote(f.Value))
		case c.Before == nil:
			f.Message = fmt.Sprintf("%s=%s is not set there (%s)", c.Property, spelling.Quote(after), c.Why)
		default:
			f.Message = fmt.Sprintf("%s is called %s in the common vocabulary", spelling.Quote(f.Value), after)
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
			f.Message += "; it may mean " + strings.Join(r.Candidates, ", ")
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
		Title:   "Nova must accept every value",
		Why:     "Nova refuses every server made from the image (400, Invalid image metadata). Glance accepts any text, so the upload gives no hint of it.",
		Example: "hw_disk_bus=VIRTIO", Mend: "Set an accepted value; glance-profile property show NAME lists them.",
		Reference: fromDict,
	},
	{
		ID: "current-name-unread", Severity: property.Error,
		Title:   "a few properties work only under their legacy name",
		Why:     "Nova checks the current name but does not act on it, or accepts no text there at all.",
		Example: "img_block_device_mapping=[]", Mend: "Move the value to the legacy name.",
		Reference: "nova/image/glance.py _CONVERT_PROPS",
	},
	{
		ID: "refused-later", Severity: property.Error,
		Title:   "a value must not be refused by every host",
		Why:     "Nova can read the value, and refuses the server afterwards.",
		Example: "hw_rescue_device=fs", Mend: "Set a value that hosts support; the message says what is wrong, and glance-profile property show NAME lists the values.",
		Reference: "nova/virt/hardware.py",
	},
	{
		ID: "refused-by-kvm", Severity: property.Warning,
		Title:   "a value should be supported by KVM hosts",
		Why:     "The value is for another hypervisor; on KVM the server ends in ERROR.",
		Example: "hw_disk_bus=xen", Mend: "Set a value for KVM, or set hypervisor_type to the hypervisor that the image is for.",
		Reference: "nova/virt/libvirt/blockinfo.py SUPPORTED_DEVICE_BUSES",
	},
	{
		ID: "needs-flavor", Severity: property.Warning,
		Title:   "a value should not depend on the flavor",
		Why:     "Nova refuses the server with every flavor that lacks the extra spec that the message names.",
		Example: "hw_video_ram=64", Mend: "Remove the property, or make sure that all flavors for the image have the extra spec.",
		Reference: "nova/virt/hardware.py",
	},
	{
		ID: "newer-than", Severity: property.Warning,
		Title:   "names and values should be known to every release in use",
		Why:     "Older releases ignore a newer name silently, and refuse a newer value.",
		Example: "hw_vif_model=igb", Mend: "Keep it only if all clouds that use the image run that release or a later one; audit --nova RELEASE judges by a release.",
		Reference: fromDict,
	},
	{
		ID: noEffect, Severity: property.Warning,
		Title:   "a property should have an effect",
		Why:     "No service acts on it, or none does with the other properties that the image has. Whoever set it probably believes otherwise.",
		Example: "hw_tpm_model=tpm-crb without hw_tpm_version", Mend: "Add what it needs, or remove it.",
		Reference: "nova/virt/libvirt/driver.py",
	},
	{
		ID: "boolean-misread", Severity: property.Warning,
		Title:   "a boolean should be a word that Nova knows",
		Why:     "Any other text counts as false, silently.",
		Example: "hw_qemu_guest_agent=enabled", Mend: "Write true or false (yes and no, on and off, 1 and 0 work as well).",
		Reference: "oslo_utils/strutils.py bool_from_string",
	},
	{
		ID: "value-ignored", Severity: property.Warning,
		Title:   "a value should be understood by the service that reads it",
		Why:     "The value is ignored silently, and the default applies.",
		Example: "os_shutdown_timeout=2m", Mend: "Set a value that is understood; glance-profile property show NAME lists them.",
		Reference: "nova/compute/manager.py",
	},
	{
		ID: "os-type-case", Severity: property.Warning,
		Title:   "os_type should be in lower case",
		Why:     "Nova accepts any case but then compares with windows: the guest gets no Hyper-V features, and a clock in UTC.",
		Example: "os_type=Windows", Mend: "Set os_type=windows.",
		Reference: "nova/compute/api.py _inherit_properties_from_image",
	},
	{
		ID: "runs-emulated", Severity: property.Warning,
		Title:   "a 32-bit x86 image should have architecture=x86_64",
		Why:     "On x86_64 hosts Nova runs an i686 guest without KVM, fully emulated and many times slower.",
		Example: "architecture=i686", Mend: "Set architecture=x86_64: such a machine runs 32-bit systems too.",
		Reference: "nova/virt/libvirt/driver.py _get_guest_config",
	},
	{
		ID: "unknown-property", Severity: property.Warning,
		Title:   "a name that looks like a property of the services should be one",
		Why:     "Services ignore unknown names silently, so a misspelled property does nothing.",
		Example: "hw_disk_buss=virtio", Mend: "Rename it to the property that was meant. For names of your own, use a prefix other than hw_, os_ and img_.",
		Reference: fromDict,
	},
	{
		ID: "flavor-spelling", Severity: property.Warning,
		Title:   "an image property should not be spelled like a flavor's extra spec",
		Why:     "hw:, os:, quota: and the like are extra specs of flavors; on an image they do nothing.",
		Example: "hw:cpu_policy=dedicated", Mend: "Rename it to the image property for the same thing, or set it on flavors.",
		Reference: fromDict,
	},
	{
		ID: "trait-spelling", Severity: property.Warning,
		Title:   "a required trait should be written trait:NAME=required",
		Why:     "Nova ignores any other prefix silently; with a name that is no trait, no host is found.",
		Example: "traits:HW_CPU_X86_AVX2=required", Mend: "Rename it to trait:NAME, with NAME in capitals, digits and underscores; a trait of your own begins with CUSTOM_.",
		Reference: fromDict,
	},
	{
		ID: "trait-value-ignored", Severity: property.Warning,
		Title:   "the value of a trait should be required",
		Why:     "Nova ignores any other value silently: it does not ask for the trait.",
		Example: "trait:HW_CPU_X86_AVX2=forbidden", Mend: "Set the value required, or remove the property.",
		Reference: "nova/objects/image_meta.py _set_attr_from_trait_names",
	},
	{
		ID: "name-blanks", Severity: property.Warning,
		Title:   "a name should have no blanks around it",
		Why:     "No service knows the name, and Glance can neither change nor remove the property later.",
		Example: "' hw_disk_bus'=virtio", Mend: "Upload the image again without the property.",
		Reference: "glance/api/v2/images.py RequestDeserializer._decode_json_pointer",
	},
	{
		ID: "name-empty", Severity: property.Warning,
		Title:   "a property should have a name",
		Why:     "Glance accepts a property with an empty name, and no service reads it.",
		Example: "''=x", Mend: "Remove it.",
		Reference: "glance/api/v2/images.py RequestDeserializer",
	},
	{
		ID: "name-unchangeable", Severity: property.Warning,
		Title:   "a name should be one that Glance can change later",
		Why:     "Glance accepts the name when the image is created, and later confuses it with a field of its own.",
		Example: "context=x", Mend: "Upload the image again with another name for the property.",
		Reference: "glance/api/v2/images.py ImagesController._do_replace",
	},
	{
		ID: "name-clash", Severity: property.Warning,
		Title:   "names should differ in more than upper and lower case",
		Why:     "With MySQL the two names are the same, and Glance answers 500.",
		Example: "Build and build", Mend: "Keep one of the two.",
		Reference: "glance/db/sqlalchemy/models.py ImageProperty",
	},
	{
		ID: "name-too-long", Severity: property.Error,
		Title:   "a name must have at most 249 characters",
		Why:     "Nova stores the name with a prefix in a column of 255 characters, so no server can be created. Glance refuses names of more than 255.",
		Example: "a name of 250 characters", Mend: "Use a shorter name.",
		Reference: "nova/utils.py get_system_metadata_from_image",
	},
	{
		ID: "value-too-long", Severity: property.Error,
		Title:   "a value must not be too long for the database",
		Why:     "Glance's database holds 65535 bytes. Nova keeps 255 of them for a running server and cuts off the rest.",
		Example: "os_command_line of 300 bytes", Mend: "Use a shorter value.",
		Reference: "glance/db/sqlalchemy/models.py ImageProperty; nova/utils.py get_system_metadata_from_image",
	},
	{
		ID: "too-many-properties", Severity: property.Warning,
		Title:   "an image should have at most 128 properties",
		Why:     "Glance refuses more (413), unless its image_property_quota was raised.",
		Example: "129 properties", Mend: "Remove some of them.",
		Reference: "glance/quota/__init__.py ImageProxy",
	},
	{
		ID: "numa-gap", Severity: property.Warning,
		Title:   "hw_numa_cpus.N and hw_numa_mem.N should be numbered from 0 without gaps",
		Why:     "Nova stops at the first number that is missing, and ignores the rest.",
		Example: "hw_numa_cpus.1 without hw_numa_cpus.0", Mend: "Number them 0, 1, 2 and so on.",
		Reference: fromDict,
	},
	{
		ID: "uuid-form", Severity: property.Warning,
		Title:   "an id should be a UUID",
		Why:     "Glance and Nova accept any text, and fail later when they look for what it names.",
		Example: "img_signature_certificate_uuid=mykey", Mend: "Set the UUID of the image, key or certificate.",
		Reference: "oslo_versionedobjects/fields.py UUID",
	},
	{
		ID: "overwritten", Severity: property.Warning,
		Title:   "image_id and image_name should not be set",
		Why:     "Cinder overwrites them with its own values in every volume made from the image.",
		Example: "image_name=mine", Mend: "Use another name for the property.",
		Reference: "cinder/volume/volume_utils.py get_volume_image_metadata",
	},
	{
		ID: "snapshot-leftover", Severity: property.Warning,
		Title:   "what Nova writes on snapshots should be on snapshots only",
		Why:     "Nova takes base_image_ref for the image that a new server was made from, in place of this one; the other properties do nothing.",
		Example: "base_image_ref=ID on an image that is no snapshot", Mend: "Remove the property.",
		Reference: "nova/compute/api.py _populate_instance_for_create",
	},
	{
		ID: "vocabulary", Severity: property.Warning,
		Title:   "os_distro, os_version and the like should use the common vocabulary",
		Why:     "Filters, dashboards and tools compare these texts; to them Ubuntu, ubuntu and ubuntu22.04 are three systems.",
		Example: "os_distro=Ubuntu", Mend: "Set the common word; glance-profile normalize does it for a whole catalog.",
		Reference: "Glance's useful image properties; libosinfo",
	},
	{
		ID: "vocabulary-unclear", Severity: property.Warning,
		Title:   "os_distro, os_version and the like should name one known system",
		Why:     "The value names no known system, or several, or another one than the other properties. Filters and tools cannot use it.",
		Example: "os_distro=linux", Mend: "Set the right value, or say what is meant for all images with glance-profile normalize --map.",
		Reference: "Glance's useful image properties; libosinfo",
	},
	{
		ID: "os-missing", Severity: property.Info,
		Title:   "an image should say which system it contains",
		Why:     "Filters, dashboards, profiles and other tools go by os_distro, os_version, os_type and architecture.",
		Example: "the name ubuntu-22.04 without os_distro", Mend: "glance-profile normalize --infer sets them where name and properties agree.",
		Reference: "Glance's useful image properties",
	},
	{
		ID: "glance-schema", Severity: property.Error,
		Title:   "Glance must accept every value",
		Why:     "Where its schema-image.json is installed, Glance answers 400, even to every later change of the image.",
		Example: "kernel_id=nokernel", Mend: "Set a value that the schema allows, or remove the property.",
		Reference: "glance/etc/schema-image.json",
	},
	{
		ID: "reserved-name", Severity: property.Error,
		Title:   "a name must not be reserved by Glance",
		Why:     "Glance refuses the request (403).",
		Example: "os_glance_x=1", Mend: "Use another name.",
		Reference: "glance/api/v2/images.py RequestDeserializer",
	},
	{
		ID: "read-only-name", Severity: property.Error,
		Title:   "a name must not be one that Glance sets itself",
		Why:     "Glance refuses the request (403).",
		Example: "checksum=x", Mend: "Use another name.",
		Reference: "glance/api/v2/images.py RequestDeserializer",
	},
	{
		ID: "base-field", Severity: property.Error,
		Title:   "a field of the image must not be set as a property",
		Why:     "Glance accepts it with its own type only, and it has an option of its own.",
		Example: "--property min_disk=10", Mend: "Use the option: --min-disk 10.",
		Reference: "glance/api/v2/images.py get_base_properties",
	},
	{
		ID: "not-utf8", Severity: property.Error,
		Title:   "text must be UTF-8",
		Why:     "Requests are JSON, which cannot contain anything else.",
		Example: "a byte 0xff", Mend: "Write the text in UTF-8.",
		Reference: "RFC 8259",
	},
	{
		ID: "four-byte-unicode", Severity: property.Error,
		Title:   "text must not contain characters of four bytes",
		Why:     "Glance refuses the request (400), for an emoji, for example.",
		Example: "description=😀", Mend: "Leave the character out.",
		Reference: "glance/common/utils.py no_4byte_params",
	},
}
