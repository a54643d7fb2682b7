package property

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"glance-profile/internal/memo"
	"glance-profile/internal/spelling"
)

// The releases of Nova between which values are judged: the oldest that the
// project supports, and the newest whose code the tests compare with.
const (
	oldestNova = 26 // Zed
	newestNova = 31 // 2025.1
)

const fromDict = "nova/objects/image_meta.py ImageMetaProps.from_dict"

// Nova is a release of Nova by the first number of its version, from 26 (Zed) on.
// Newest is what the functions without a release judge by.
type Nova int

// Newest is the newest release of Nova whose code the tests compare with.
const Newest Nova = newestNova

// Check is Newest.Check.
func Check(name, value string) []Finding { return Newest.Check(name, value) }

// CheckAll is Newest.CheckAll.
func CheckAll(props map[string]string) []Finding { return Newest.CheckAll(props) }

// Check judges one property of an image, name and value, and returns what is
// to be said of it, sorted by rule; nil if there is nothing. The properties
// hw_numa_cpus.N and hw_numa_mem.N are judged as if those of the nodes before
// were there. What the release refuses is an error; what other supported ones
// refuse, a warning.
func (n Nova) Check(name, value string) []Finding {
	c := checker{nova: n, name: name, value: value}
	if !c.checkName() {
		c.checkLength()
		if d := find(name); d != nil {
			c.checkKnown(d)
		} else {
			c.checkUnknown()
		}
	}
	sortFindings(c.findings)
	return c.findings
}

// The limit on the number of custom properties: image_property_quota's
// default. Source: glance/common/config.py.
const maxProperties = 128

// CheckAll judges all properties of an image, one by one and as a set, and
// returns what is to be said, sorted by property, then by rule. Findings about
// the set as a whole have no property and come first.
func (n Nova) CheckAll(props map[string]string) []Finding { return checkAll(props, n.Check) }

// Judge is a release of Nova with a memory of the values that it has judged: for
// catalogs, in which most come again and again. It may be used by several
// goroutines.
type Judge struct {
	nova  Nova
	known memo.Of[[]Finding]
}

// NewJudge returns a judge that has seen nothing.
func NewJudge(n Nova) *Judge { return &Judge{nova: n} }

// CheckAll is Nova's CheckAll.
func (j *Judge) CheckAll(props map[string]string) []Finding {
	return checkAll(props, func(name, value string) []Finding {
		return j.known.Get(strconv.Itoa(len(name))+" "+name+value, func() []Finding { return j.nova.Check(name, value) })
	})
}

// checkAll puts the findings on a set together, given what is said of each
// property by itself.
func checkAll(props map[string]string, check func(name, value string) []Finding) []Finding {
	var findings []Finding
	if n := len(props); n > maxProperties {
		findings = append(findings, Finding{
			Rule: "too-many-properties", Severity: Warning, Reference: "glance/quota/__init__.py ImageProxy",
			Message: fmt.Sprintf("the image has %d properties: Glance takes %d unless its image_property_quota was raised, and answers 413", n, maxProperties),
		})
	}
	snapshot := props["image_type"] == "snapshot" || props["image_type"] == "backup"
	lowered := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(props)) {
		value := props[name]
		if missing := gap(props, name); missing != "" {
			findings = append(findings, Finding{
				Rule: "numa-gap", Severity: Warning, Property: name, Value: value, Reference: fromDict,
				Message: fmt.Sprintf("%s is ignored, because %s is missing: Nova counts from 0 and stops at the first gap", name, missing),
			})
			continue
		}
		for _, f := range check(name, value) {
			if snapshot && f.Rule == "snapshot-leftover" {
				continue
			}
			findings = append(findings, f)
		}
		lower := strings.ToLower(strings.TrimRight(name, " "))
		if other, ok := lowered[lower]; ok {
			findings = append(findings, Finding{
				Rule: "name-clash", Severity: Warning, Property: name, Value: value, Reference: "glance/db/sqlalchemy/models.py ImageProperty",
				Message: fmt.Sprintf("%s differs from %s in case or trailing blanks only: on MySQL the two are one, and Glance answers 500", spelling.Quote(name), spelling.Quote(other)),
			})
		}
		lowered[lower] = name
	}
	sortFindings(findings)
	return findings
}

// gap returns the property for want of which Nova does not read one of
// hw_numa_cpus.N or hw_numa_mem.N, or "".
// Source: nova/objects/image_meta.py ImageMetaProps._set_numa_mem.
func gap(props map[string]string, name string) string {
	for _, prefix := range []string{numaCPUsPrefix, numaMemPrefix} {
		for n := range max(nodeOf(name, prefix), 0) {
			before := prefix + strconv.Itoa(n)
			if _, ok := props[before]; !ok {
				return before
			}
		}
	}
	return ""
}

func sortFindings(findings []Finding) {
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Property, b.Property),
			cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.Message, b.Message))
	})
}

// Renames reports whether the finding's Fix is a name to use instead of the
// property's, rather than a value.
func (f Finding) Renames() bool {
	switch f.Rule {
	case "current-name-unread", "flavor-spelling", "name-blanks", "trait-spelling", "unknown-property":
		return f.Fix != ""
	}
	return false
}

// RefusedByGlance reports whether it is Glance that answers with an error, so
// that no image is made or changed; else it is about what comes later.
func (f Finding) RefusedByGlance() bool {
	if f.Severity < Error {
		return false
	}
	switch f.Rule {
	case "base-field", "four-byte-unicode", "glance-schema", "not-utf8", "read-only-name", "reserved-name", "value-too-long":
		return true
	case "name-too-long":
		return utf8.RuneCountInString(f.Property) > maxName
	}
	return false
}

// RefusedByNova reports whether it is ImageMetaProps, Nova's parser of image
// properties, that refuses the value, and so every server made from the image.
func (f Finding) RefusedByNova() bool {
	return f.Severity == Error && (f.Rule == "value-not-accepted" || f.Rule == "current-name-unread")
}

// Canonical returns the value as Nova stores it: lower case, aliases resolved
// and booleans as true or false. ok is false for an unknown name, a value that
// is refused, and a type that has no other form.
func Canonical(name, value string) (canonical string, ok bool) {
	d := find(name)
	if d == nil {
		return "", false
	}
	switch d.Type {
	case Enum:
		return d.canonical(value)
	case Bool:
		is, _ := ParseBool(value)
		return strconv.FormatBool(is), true
	case Int:
		n, ok := parseInt(value)
		if !ok {
			return "", false
		}
		return n.String(), true
	}
	return "", false
}

// checker gathers the findings on one property.
type checker struct {
	nova        Nova
	name, value string
	findings    []Finding
}

func (c *checker) add(rule string, severity Severity, fix, reference, format string, args ...any) {
	c.findings = append(c.findings, Finding{
		Rule: rule, Severity: severity, Property: c.name, Value: c.value,
		Message: fmt.Sprintf(format, args...), Fix: fix, Reference: reference,
	})
}

// The limits on values, in bytes: the column of Glance's database, and that of
// Nova, which cuts what it keeps for a running server. Source:
// glance/db/sqlalchemy/models.py ImageProperty (TEXT, on MySQL), nova/utils.py
// get_system_metadata_from_image.
const (
	maxValue     = 65535
	maxNovaValue = 255
)

func (c *checker) checkLength() {
	if !utf8.ValidString(c.value) {
		c.add("not-utf8", Error, "", glanceNames, "the value %s is not valid UTF-8, and JSON cannot carry it", spelling.Quote(c.value))
	}
	if fourBytes(c.value) {
		c.add("four-byte-unicode", Error, "", glanceUnicode, "the value %s has a character of four bytes in UTF-8, such as an emoji: Glance answers 400", spelling.Quote(c.value))
	}
	n := len(c.value)
	switch {
	case n > maxValue:
		c.add("value-too-long", Error, "", "glance/db/sqlalchemy/models.py ImageProperty",
			"the value has %d bytes: Glance's database holds %d, and Glance answers 500", n, maxValue)
	case n > maxNovaValue && c.name == "os_command_line":
		c.add("value-too-long", Warning, "", "nova/utils.py get_system_metadata_from_image",
			"the value has %d bytes: the guest gets the first %d", n, maxNovaValue)
	case n > maxNovaValue:
		if d := find(c.name); d != nil && d.Type == String && d.CheckedBy == "nova" && d.Name != "img_signature" {
			c.add("value-too-long", Info, "", "nova/utils.py get_system_metadata_from_image",
				"the value has %d bytes: Nova keeps the first %d for a running server", n, maxNovaValue)
		}
	}
}

// checkKnown judges a property of the table.
func (c *checker) checkKnown(d *Definition) {
	c.checkNews(d)
	c.checkUse(d)
	switch {
	case d.Name == "img_block_device_mapping" || d.Name == "img_mappings":
		return // whatever the value, it is refused: checkUse has said so
	case d.Type == Bool:
		c.checkBool(d)
	case d.Type == Int:
		c.checkInt(d)
	case d.Type == Enum:
		c.checkEnum(d)
	case d.Type == UUID:
		c.checkUUID(d)
	case d.Type == JSON:
		c.checkList(d)
	case d.Type == CPUSet:
		if !validCPUs(c.value) {
			c.refuse(d, "", "CPU numbers and ranges joined by commas, such as 0-3,^1")
		}
	case d.Type == VersionPredicate:
		c.checkPredicate(d)
	case d.Type == Trait:
		c.checkTrait(d)
	case d.Name == "hw_machine_type":
		c.checkMachine(d)
	case d.Name == "hw_mem_page_size":
		c.checkPageSize()
	}
}

// refuse reports a value that the service which checks it does not take.
func (c *checker) refuse(d *Definition, fix, accepted string) {
	if d.CheckedBy == "glance" {
		c.add("glance-schema", Error, fix, d.Source, "%s is not accepted by Glance, which answers 400; accepted: %s", spelling.Quote(c.value), accepted)
		return
	}
	severity, who := Error, "Nova refuses every server made from the image (400)"
	if !c.nova.Knows(*d) {
		// Older releases do not know the name and so take any value.
		severity, who = Warning, "Nova from "+release(d.Since)+" on refuses every server made from the image (400)"
	}
	c.add("value-not-accepted", severity, fix, d.Source, "%s is not accepted: %s; accepted: %s", spelling.Quote(c.value), who, accepted)
}

// Knows reports whether the release knows the property's name; one that does not
// ignores it whatever its value.
func (n Nova) Knows(d Definition) bool { return major(d.Since) <= int(n) }

// major returns the first number of a release such as 31.0.0; 0 for "".
func major(release string) int {
	number, _, _ := strings.Cut(release, ".")
	n, _ := strconv.Atoi(number)
	return n
}

// release returns a release of Nova with the name of the OpenStack release
// that it belongs to: two a year, 27.0.0 being 2023.1.
func release(nova string) string {
	n := major(nova) - 27
	if n < 0 {
		return nova
	}
	return fmt.Sprintf("%s (%d.%d)", nova, 2023+n/2, 1+n%2)
}

// checkNews reports names that not every supported release knows.
func (c *checker) checkNews(d *Definition) {
	switch {
	case !c.nova.Knows(*d):
		c.add("newer-than", Warning, "", fromDict, "Nova knows %s from %s on; before, it is ignored in silence", c.name, release(d.Since))
	case major(d.Since) > oldestNova:
		c.add("newer-than", Info, "", fromDict, "Nova knows %s from %s on; older releases ignore it in silence", c.name, release(d.Since))
	}
}

// checkUse reports names that do not do what they seem to.
func (c *checker) checkUse(d *Definition) {
	switch c.name {
	case "img_block_device_mapping", "img_mappings":
		c.add("current-name-unread", Error, d.Legacy[0], "nova/image/glance.py _CONVERT_PROPS",
			"Nova takes no text for %s and refuses every server made from the image (400): the name that it decodes is %s", c.name, d.Legacy[0])
	case "hw_auto_disk_config", "img_bdm_v2", "img_root_device_name":
		c.add("current-name-unread", Warning, d.Legacy[0], d.Source, "Nova checks %s and never reads it: the name that it reads is %s", c.name, d.Legacy[0])
	case "hw_vm_mode":
		c.add("current-name-unread", Info, d.Legacy[0], "nova/compute/api.py _inherit_properties_from_image",
			"only the scheduler reads hw_vm_mode: the guest gets what %s says", d.Legacy[0])
	case "image_id", "image_name":
		c.add("overwritten", Warning, "", d.Source, "Cinder writes its own %s into every volume made from the image, over this one", c.name)
	case "base_image_ref":
		c.add("snapshot-leftover", Warning, "", d.Source,
			"base_image_ref belongs to snapshots: Nova takes that id instead of the image's own for rescue, rebase and later snapshots")
	case "boot_roles", "clean_attempts", "image_location", "image_state", "instance_uuid", "owner_project_name", "owner_user_name", "user_id":
		c.add("snapshot-leftover", Info, "", d.Source, "%s is what Nova writes on snapshots; on other images it tells nothing", c.name)
	case "traits_required", "hw_numa_cpus", "hw_numa_mem":
		use := map[string]string{"traits_required": "trait:NAME=required", "hw_numa_cpus": "hw_numa_cpus.0", "hw_numa_mem": "hw_numa_mem.0"}[c.name]
		c.add("no-effect", Warning, "", d.Source, "Nova ignores a property of the name %s: write %s", c.name, use)
	default:
		switch {
		case strings.HasPrefix(c.name, "traits:"):
			c.checkUnknown()
		case d.Effect == ParsedOnly:
			c.add("no-effect", Info, "", d.Source, "no release of Nova makes use of %s any more, though it still checks the value", c.name)
		case d.Effect == NoEffect:
			c.add("no-effect", Info, "", d.Source, "no service reads %s", c.name)
		}
	}
}

func (c *checker) checkBool(d *Definition) {
	if d.CheckedBy != "nova" || d.Effect == ParsedOnly {
		return
	}
	is, known := ParseBool(c.value)
	if d.Name == "bdm_v2" {
		if c.value != "" && !is {
			c.add("boolean-misread", Warning, "", "nova/compute/api.py _get_image_defined_bdms",
				"any text switches bdm_v2 on, %s included: leave the property out", spelling.Quote(c.value))
		}
		return
	}
	if known {
		return
	}
	fix := ""
	switch strings.ToLower(trimSpace(c.value)) {
	case "enabled", "enable", "active", "ok", "required", "require", "mandatory", "always", "yep", "si", "oui", "ja", "\"true\"", "'true'", "true.", "ture":
		fix = "true"
	case "", "disabled", "disable", "inactive", "none", "null", "never", "\"false\"", "'false'", "flase":
		fix = "false"
	}
	c.add("boolean-misread", Warning, fix, "oslo_utils/strutils.py bool_from_string",
		"%s is not a word that Nova knows for true or false, so it counts as false in silence; for true write true, yes, on or 1", spelling.Quote(c.value))
}

func (c *checker) checkInt(d *Definition) {
	n, ok := parseInt(c.value)
	if !ok {
		fix := wholeNumber(c.value, d.Name == "hw_video_ram" || d.Name == numaMemPrefix+"N")
		if d.CheckedBy == "nova" {
			c.refuse(d, fix, "a whole number")
		} else {
			c.add("value-ignored", Warning, fix, d.Source, "%s is not a whole number: it is ignored, and the default of the cloud holds", spelling.Quote(c.value))
		}
		return
	}
	switch d.Name {
	case "hw_numa_nodes":
		if n.Sign() <= 0 {
			c.add("refused-later", Error, "", "nova/virt/hardware.py _get_numa_node_count_constraint", "Nova refuses every server made from the image (400): it takes 1 node or more")
		}
	case "hw_cpu_max_sockets", "hw_cpu_max_cores", "hw_cpu_max_threads":
		if n.Sign() < 0 {
			c.add("refused-later", Error, "", "nova/virt/hardware.py _get_cpu_topology_constraints", "Nova refuses every server made from the image (400): the limit is below any number of CPUs")
		}
	case "hw_redirected_usb_ports":
		if n.Sign() < 0 || n.Cmp(big.NewInt(15)) > 0 {
			c.add("refused-later", Warning, "", "nova/virt/hardware.py get_redirected_usb_ports", "Nova from %s on refuses every server made from the image: it takes 0 to 15", release(d.Since))
		}
	case "hw_serial_port_count":
		if n.Cmp(big.NewInt(3)) > 0 {
			c.add("refused-by-kvm", Warning, "3", "nova/virt/libvirt/driver.py _create_serial_consoles", "KVM hosts with serial consoles give a server 3 ports at most, and refuse more")
		}
	case "hw_video_ram":
		if n.Sign() > 0 {
			c.add("needs-flavor", Warning, "", "nova/virt/libvirt/driver.py _add_video_driver", "the build fails unless the flavor has hw_video:ram_max_mb of %s or more, which is 0 when not set", n)
		}
	}
}

// wholeNumber returns the whole number that was probably meant: 4.0, 0x4, 1e3
// and, where the property counts MiB, 64MB or 2GiB. Else "".
func wholeNumber(text string, mib bool) string {
	s := strings.ToLower(trimSpace(text))
	factor := 1.0
	if mib {
		for _, unit := range []struct {
			suffix string
			factor float64
		}{{"mib", 1}, {"mb", 1}, {"m", 1}, {"gib", 1024}, {"gb", 1024}, {"g", 1024}} {
			if cut, ok := strings.CutSuffix(s, unit.suffix); ok {
				s, factor = trimSpace(cut), unit.factor
				break
			}
		}
	}
	if n, err := strconv.ParseInt(s, 0, 32); err == nil && !strings.HasPrefix(s, "0o") {
		return strconv.FormatFloat(float64(n)*factor, 'f', -1, 64)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != float64(int64(f)) || f < -1e9 || f > 1e9 {
		return ""
	}
	return strconv.FormatFloat(f*factor, 'f', -1, 64)
}

func (c *checker) checkEnum(d *Definition) {
	canonical, ok := d.canonical(c.value)
	if !ok {
		fix := d.propose(c.value)
		switch {
		case d.CheckedBy != "":
			c.refuse(d, fix, d.accepted())
		case d.Effect == Active && d.Name != "image_type":
			c.add("value-ignored", Warning, fix, d.Source, "%s is none of %s, and is ignored in silence", spelling.Quote(c.value), d.accepted())
		}
		return
	}
	switch since, ok := lookup(d.ValuesSince, canonical); {
	case ok && major(since) > int(c.nova) && c.nova.Knows(*d):
		c.add("value-not-accepted", Error, "", d.Source, "Nova knows the value %s from %s on, and refuses every server made from the image before (400)", spelling.Quote(c.value), release(since))
		return
	case ok:
		c.add("newer-than", Warning, "", d.Source, "Nova knows the value %s from %s on; older releases refuse every server made from the image (400)", spelling.Quote(c.value), release(since))
	}
	if d.Name == "os_type" && c.value != canonical {
		const reference = "nova/compute/api.py _inherit_properties_from_image"
		if canonical == "windows" {
			c.add("os-type-case", Warning, canonical, reference,
				"Nova takes %s, but its libvirt driver compares the text as it stands with windows: the guest gets no Hyper-V features, a clock in UTC and root for its administrator", spelling.Quote(c.value))
		} else {
			c.add("os-type-case", Info, canonical, reference, "Nova takes %s and hands it on as it stands, and whatever compares it with %s misses it", spelling.Quote(c.value), canonical)
		}
	}
	if canonical == "i686" && d.Source == "nova/objects/fields.py Architecture" {
		c.add("runs-emulated", Warning, "", "nova/virt/libvirt/driver.py _get_guest_config",
			"on x86_64 KVM hosts a 32-bit guest is emulated instead of virtualized, which is slow; x86_64 runs 32-bit systems as well")
	}
	if d.Name == "hw_cpu_policy" && canonical == "mixed" {
		c.add("needs-flavor", Warning, "", "nova/virt/hardware.py get_dedicated_cpu_constraint", "the server is refused unless the flavor says which CPUs are dedicated (hw:cpu_dedicated_mask) or real-time")
	}
	c.checkHypervisor(d, canonical)
}

// checkHypervisor reports values that parse and that no hypervisor, or not
// KVM, can run.
func (c *checker) checkHypervisor(d *Definition, canonical string) {
	if why, ok := lookup(d.Never, canonical); ok {
		c.add("refused-later", Error, "", d.Source, "%s is accepted and then refused on every host: %s", spelling.Quote(c.value), why)
	}
	if why, ok := lookup(d.KVMRefuses, canonical); ok {
		c.add("refused-by-kvm", Warning, "", d.Source, "%s is accepted and then refused on KVM hosts: %s", spelling.Quote(c.value), why)
	}
}

// accepted lists the values of an enum for a message: those that some host
// can run, and of the long lists only the first or the usual ones.
func (d *Definition) accepted() string {
	switch d.Name {
	case "architecture", "hw_architecture", "hw_emulation_architecture":
		return "x86_64, aarch64, ppc64le, s390x, i686 and others"
	case "hypervisor_type", "img_hv_type":
		return "kvm, qemu, baremetal, vmware and others"
	}
	values := slices.DeleteFunc(slices.Clone(d.Values), func(v string) bool {
		_, never := lookup(d.Never, v)
		return never
	})
	return strings.Join(values, ", ")
}

// propose returns the accepted value that a refused one was probably meant to
// be, or "" if there is none that some host can run.
func (d *Definition) propose(value string) string {
	fix := d.guess(value)
	if canonical, _ := d.canonical(fix); fix != "" {
		if _, never := lookup(d.Never, canonical); never {
			return ""
		}
	}
	return fix
}

func (d *Definition) guess(value string) string {
	v := strings.Trim(trimSpace(value), "\"'`“”‘’")
	for _, p := range d.Meant {
		if strings.EqualFold(p.Value, v) {
			return p.To
		}
	}
	for _, known := range d.Values {
		if strings.EqualFold(known, v) || strings.EqualFold(strings.ReplaceAll(known, "-", "_"), v) {
			return known
		}
	}
	if to, ok := d.canonical(strings.ToLower(v)); ok && to != "" {
		return to
	}
	if len(v) < 4 || len(v) > 32 {
		return ""
	}
	best, found := "", 0
	for _, known := range d.Values {
		if len(known) >= 4 && spelling.Distance(strings.ToLower(v), strings.ToLower(known), 1) <= 1 {
			best = known
			found++
		}
	}
	if found != 1 {
		return ""
	}
	return best
}

func (c *checker) checkUUID(d *Definition) {
	switch c.name {
	case "kernel_id", "ramdisk_id":
		if !validImageID(c.value) {
			c.refuse(d, "", "the id of an image, as 8-4-4-4-12 hexadecimal digits")
		}
	case "base_image_ref", "cinder_encryption_key_id", "hw_ephemeral_encryption_secret_uuid", "img_signature_certificate_uuid":
		if !validUUID(c.value) {
			c.add("uuid-form", Warning, "", d.Source, "%s is not a UUID: it is accepted, and whatever looks it up will fail", spelling.Quote(c.value))
		}
	}
}

func (c *checker) checkList(d *Definition) {
	objects, ok := validList(c.value)
	if !ok {
		c.add("value-not-accepted", Error, "", "nova/image/glance.py _json_loads",
			"%s is not accepted: Nova fails on every server made from the image (500); accepted: a JSON list of objects whose values are text, numbers, true, false or null", spelling.Quote(c.value))
		return
	}
	if c.name != "mappings" {
		return
	}
	for _, o := range objects {
		if _, ok := o["virtual"]; !ok {
			c.add("refused-later", Error, "", "nova/block_device.py properties_root_device_name", "an entry has no key virtual: Nova fails on every server made from the image (500)")
			return
		}
	}
}

func (c *checker) checkPredicate(d *Definition) {
	today, before := validPredicate(c.value)
	switch {
	case !today:
		c.refuse(d, proposePredicate(c.value), "comparisons joined by commas, such as >=2.6,<3.0")
	case !before && c.nova < 31:
		c.refuse(d, proposePredicate(c.value), "comparisons joined by commas, of versions of two or three numbers, such as >=2.6,<3.0")
	case !before:
		c.add("newer-than", Warning, proposePredicate(c.value), "oslo_versionedobjects/fields.py VersionPredicate",
			"clouds before 2025.1 refuse %s (400): they take versions of two or three numbers only", spelling.Quote(c.value))
	}
}

// proposePredicate mends the usual slips: no operator, = for ==, blanks for
// commas, one number only. It returns "" if the result is not sound.
func proposePredicate(text string) string {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || isSpace(r) })
	var mended []string
	op := ""
	for _, part := range parts {
		version := strings.TrimLeft(part, "<>=!")
		if sign := part[:len(part)-len(version)]; sign != "" {
			op = sign
		}
		if version == "" {
			continue // an operator on its own: the version comes next
		}
		switch op {
		case "":
			op = ">="
		case "=":
			op = "=="
		case "=>":
			op = ">="
		case "=<":
			op = "<="
		}
		if !strings.Contains(version, ".") {
			version += ".0"
		}
		mended = append(mended, op+version)
		op = ""
	}
	fix := strings.Join(mended, ",")
	if _, before := validPredicate(fix); !before || fix == text {
		return ""
	}
	return fix
}

// traitNamespaces are the first words of the traits that os-traits defines,
// and the one for a cloud's own.
var traitNamespaces = [...]string{"COMPUTE_", "CUSTOM_", "HW_", "MISC_", "OWNER_", "STORAGE_"}

func (c *checker) checkTrait(d *Definition) {
	trait := strings.TrimPrefix(c.name, traitPrefix)
	if !validTrait(trait) {
		fix := strings.Map(func(r rune) rune {
			if r == '-' || r == ' ' || r == '.' || r == ':' {
				return '_'
			}
			return r
		}, strings.ToUpper(trimSpace(trait)))
		if !validTrait(fix) {
			fix = ""
		} else {
			fix = traitPrefix + fix
		}
		c.add("trait-spelling", Warning, fix, "placement/schemas/trait.py",
			"%s is no name for a trait, which has capitals, digits and underscores only: no host is found", spelling.Quote(trait))
	} else if !slices.ContainsFunc(traitNamespaces[:], func(prefix string) bool { return strings.HasPrefix(trait, prefix) }) {
		c.add("trait-spelling", Warning, traitPrefix+"CUSTOM_"+trait, "os_traits",
			"%s is not one of OpenStack's traits, and a cloud's own begin with CUSTOM_: no host is found", trait)
	}
	if c.value != "required" {
		fix := ""
		if strings.EqualFold(trimSpace(c.value), "required") {
			fix = "required"
		}
		c.add("trait-value-ignored", Warning, fix, d.Source, "only the value required counts, and %s is ignored in silence", spelling.Quote(c.value))
	}
}

// checkMachine judges a QEMU machine type, which Nova takes as any text and a
// host then looks up. The names of the usual families have no capitals.
func (c *checker) checkMachine(d *Definition) {
	v := strings.ToLower(trimSpace(c.value))
	fix, habit := lookup(d.Meant, v)
	family := v == "pc" || v == "q35" || v == "virt" || v == "pseries" ||
		strings.HasPrefix(v, "pc-") || strings.HasPrefix(v, "virt-") || strings.HasPrefix(v, "pseries-") || strings.HasPrefix(v, "s390-ccw-virtio")
	switch {
	case c.value == "":
		c.add("refused-later", Error, "", "nova/virt/libvirt/host.py _check_machine_type", "the empty text is no machine type: every host refuses the server")
	case habit:
		c.add("refused-later", Error, fix, "nova/virt/libvirt/host.py _check_machine_type", "%s is no machine type of QEMU: every host refuses the server", spelling.Quote(c.value))
	case family && v != c.value:
		c.add("refused-later", Error, v, "nova/virt/libvirt/host.py _check_machine_type", "machine types are matched exactly, and %s is none: every host refuses the server", spelling.Quote(c.value))
	}
	c.checkHypervisor(d, c.value)
}

// checkPageSize judges a memory page size, which Nova reads only once the
// flavor allows the image to choose.
// Source: nova/virt/hardware.py _get_numa_pagesize_constraint.
func (c *checker) checkPageSize() {
	const reference = "nova/virt/hardware.py _get_numa_pagesize_constraint"
	if !validPageSize(c.value) {
		if c.value == "" {
			return // counts as not set
		}
		fix := c.value + "B" // 2M, 2Mi
		if !validPageSize(fix) {
			fix = ""
		}
		c.add("refused-later", Error, fix, reference, "Nova refuses every server made from the image (400): %s is none of small, large, any, a number of KiB, or a size such as 2MB", spelling.Quote(c.value))
		return
	}
	c.add("needs-flavor", Warning, "", reference, "servers are refused (400) unless their flavor has hw:mem_page_size=any or large")
}

// validPageSize follows check_and_return_pages_size there, which leaves sizes
// with a unit to oslo_utils/strutils.py string_to_bytes.
func validPageSize(text string) bool {
	switch text {
	case "small", "large", "any":
		return true
	}
	return pageSize().MatchString(text)
}
