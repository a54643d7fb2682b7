package property

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// props is one case: the properties of an image.
type props map[string]string

// The values that cases are made of, apart from those in the table.
var (
	anyText = []string{
		"", " ", "none", "None", "null", "true", "True", "false", "yes", "no", "on", "off", "1", "0", "-1", "2", "auto", "any", "default",
		"virtio", "VIRTIO", "scsi", "kvm", "x86_64", "linux", "Linux", "windows", "required", "Required", "enabled", "disabled", "é", "\x1c", "a b", "[]", "{}",
	}
	boolTexts = []string{
		"t", "T", "TRUE", " true ", "y", "Y", "YES", "On", "\ttrue\n", "\u00a0true", "\x1ctrue", "f", "F", "FALSE", "n", "NO", "OFF",
		"enable", "enabled", "ok", "mandatory", "00", "01", "1.0", "truee", "tru", "oui", "ｔｒｕｅ", "no way",
	}
	intTexts = []string{
		"4", " 4 ", "\t4\n", "4\v", "\f4\r", "\u00a04", "\u20284", "\u30004\u2000", "\x1c4", "4\x1f", "\x1c４", "4\x00", "+3", "-3", "- 3", "+-3", "--3", "+", "-", "00", "007", "-0",
		"1_000", "1__0", "_1", "1_", "_", "4.0", "4.", ".4", "4,0", "4 4", "64MB", "64 MB", "64M", "0x4", "0b1", "0o7", "1e3", "1E3", "inf", "nan", "４２", "٣", "४५", "𝟜", "²", "Ⅳ", "一",
		"99999999999999999999", "-99999999999999999999", "2147483648", strings.Repeat("9", maxDigits), strings.Repeat("9", maxDigits+1), "1" + strings.Repeat("_0", 4299), "4k", "four",
	}
	versionNumbers = []string{
		"2", "2.6", "2.6.0", "6.2.0.1", "2.6a1", "2.6b2", "2.6rc1", "2.6-rc1", "2.6.dev1", "2.6.post1", "2.6-1", "v2.6", "V2.6", "1!2.6", "2.6+local", "2.6+a.b-c_1", "2.6+", "2.6.", ".6",
		"2.x", "2.6alpha", "2.6.preview", "2.6c3", "2.6r1", "2.6rev2", "2.6.rev-2", "2.6dev", "02.06", "2..6", "2.6 ", "٢.٦", "2.6~1", "latest", "",
	}
	versionTexts = []string{
		"2.6", ">=2.6,<3.0", ">=2.6, <3.0", ">=2.6 <3.0", ">= 2.6 , < 3", ">=2.6,", ",>=2.6", ",", ">2.6,<3", "~=2.6", "=2.6", "===2.6", "=>2.6", "<>2.6", ">=2.6;<3.0", "(>=2.6)", ">=2.6)", "(>=2.6", ">= 2 .6",
		">=2.6\n", "\n>=2.6", "\u00a0>=2.6\u00a0", "\x1c>=2.6", ">=2.6,!=2.7,<3.0", "check (>=2.6)", ">=2.6 # comment",
	}
	cpuTexts = []string{
		"0", "0-3", "0,2", "0-3,^1", "0-3,^1-2", " 0 , 1 ", "0,,1", ",", "^0", "^", "^^0", "0-", "-3", "3-0", "0-3-5", "1--3", "a", "0-a", "a-3", "^a", "0;1", "0 1", "0 - 3", "^ 1", "^ 1 - 2", "^-1", "-", "--", "0x1", "1_0", "+1", "-1-2",
		"\u00a00-1", "٠-٣", "0.5", "0-1.5", "all", "0..3", "^1-^2",
	}
	listTexts = []string{
		"[{}]", `[{"virtual": "root", "device": "/dev/vda"}]`, `[{"device": "sda"}]`, `[{"virtual": 1}]`, `[{"virtual": 1.5}]`, `[{"virtual": true}]`, `[{"virtual": null}]`, `[{"virtual": []}]`, `[{"virtual": {}}]`,
		`[{"virtual": "a"}, {"device": "b"}]`, `[{"virtual": "a"}, 1]`, `[1]`, `["a"]`, `[null]`, `[[]]`, `"text"`, "1", "[", "[}", "[{]", `[{"a": 1},]`, `[{'a': 1}]`, `[{"a": 1}] x`, " [] ", "\n[]\n", `[{"a": "\ud800"}]`, "[{\"a\": \"\x01\"}]",
		`[{"device_name": "/dev/vda", "snapshot_id": "x", "boot_index": 0, "delete_on_termination": false}]`, "\ufeff[]", "[] []", `[{"a": 1, "a": []}]`, `[{"a": [], "a": 1}]`, "{\"virtual\": \"root\"}",
	}
	otherNames = []string{
		"hw_numa_cpus.128", "hw_numa_mem.01", "hw_numa_mem.-1", "hw_numa_cpus.", "hw_numa_cpus.x", "hw_disk_buss", "HW_DISK_BUS", "hw:cpu_policy", "trait:CUSTOM_X", "trait:", "trait:lower", "trait1:X", "traits:X", "TRAIT:X",
		"foo", "owner_specified.openstack.object", "os_purpose", "quota:cpu_shares", "resources:VCPU", "hw_hide_hypervisor_id", "a/b~c", "x y",
	}
)

// valuesFor returns the values to try with a property.
func valuesFor(d *Definition) []string {
	values := slices.Clone(anyText)
	texts := slices.Concat(d.Values, d.Suggested)
	for _, pairs := range [][]Pair{d.Aliases, d.Meant, d.Never, d.KVMRefuses, d.ValuesSince} {
		for _, p := range pairs {
			texts = append(texts, p.Value)
		}
	}
	if d.Name == "vmware_adaptertype" {
		texts = append(texts, find("hw_scsi_model").Values...)
	}
	for _, v := range texts {
		values = append(values, v, strings.ToUpper(v), strings.ToUpper(v[:1])+v[1:], " "+v, v+"\n", v+"x", v[:len(v)-1], strings.ReplaceAll(v, "-", "_"))
	}
	switch d.Type {
	case Bool:
		values = append(values, boolTexts...)
	case Int:
		values = append(values, intTexts...)
	case CPUSet:
		values = append(values, cpuTexts...)
	case JSON:
		values = append(values, listTexts...)
	case VersionPredicate:
		values = append(values, versionTexts...)
		for _, op := range []string{"", ">", ">=", "<", "<=", "==", "!=", "=", "~="} {
			for _, v := range versionNumbers {
				values = append(values, op+v)
			}
		}
	case UUID:
		values = append(values, "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab", "5a1f0a527f0b4b6a9d3a0123456789ab", "nokernel", "5a1f0a52")
	}
	return values
}

// soundNode is a value that Nova takes for any NUMA node.
const soundNode = "1"

// single returns the case for one property, with the NUMA nodes before it.
func single(name, value string) props {
	p := props{name: value}
	for _, prefix := range []string{numaCPUsPrefix, numaMemPrefix} {
		for n := range max(nodeOf(name, prefix), 0) {
			p[prefix+strconv.Itoa(n)] = soundNode
		}
	}
	return p
}

// systematicCases returns every property of the table with every value that
// might tell something, NUMA nodes with gaps, and sets found in the wild.
func systematicCases(t *testing.T) []props {
	var cases []props
	for i := range table {
		d := &table[i]
		names := []string{d.Name}
		switch d.Name {
		case numaCPUsPrefix + "N", numaMemPrefix + "N":
			prefix := strings.TrimSuffix(d.Name, "N")
			names = []string{prefix + "0", prefix + "1"}
			cases = append(cases, single(prefix+"127", "1"), single(prefix+"127", "x"))
		case traitPrefix + "*":
			names = []string{"trait:HW_CPU_X86_AVX2"}
		}
		for _, name := range names {
			for _, value := range valuesFor(d) {
				cases = append(cases, single(name, value))
			}
		}
	}
	for _, name := range otherNames {
		for _, value := range anyText {
			cases = append(cases, props{name: value})
		}
	}
	cases = append(cases, []props{
		{"hw_numa_mem.1": "x"}, {"hw_numa_mem.0": "1", "hw_numa_mem.2": "x"}, {"hw_numa_mem.0": "1", "hw_numa_mem.1": "x"},
		{"hw_numa_cpus.1": "x"}, {"hw_numa_cpus.0": "0", "hw_numa_cpus.2": "x"}, {"hw_numa_cpus.0": "x", "hw_numa_mem.0": "1"},
		{"architecture": "arm64", "hw_architecture": "aarch64"}, {"architecture": "aarch64", "hw_architecture": "arm64"},
		{"vmware_adaptertype": "bad", "hw_disk_bus": "scsi", "hw_scsi_model": "lsilogic"},
	}...)
	return append(cases, wildCases(t)...)
}

// wildCases returns property sets as people have published them.
func wildCases(t *testing.T) []props {
	t.Helper()
	return readLines[props](t, "testdata/wild.jsonl.gz")
}

// randomCases returns sets of one to six properties, of values as above and of
// such values with random edits.
func randomCases(r *rand.Rand, n int) []props {
	alphabet := []rune("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.,:^<>=!+ \t\n\u00a0\u2028\x1c٣é[]{}\"'")
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	edit := func(s string) string {
		runes := []rune(s)
		at := r.IntN(len(runes) + 1)
		c := alphabet[r.IntN(len(alphabet))]
		switch {
		case len(runes) > 200: // a long number: leave it alone
			return s
		case at == len(runes) || r.IntN(3) == 0:
			return string(slices.Insert(runes, at, c))
		case r.IntN(2) == 0:
			return string(slices.Delete(runes, at, at+1))
		}
		runes[at] = c
		return string(runes)
	}
	numbers := []string{"0", "1", "2", "5"}
	cases := make([]props, n)
	for i := range cases {
		p := props{}
		for range 1 + r.IntN(6) {
			d := &table[r.IntN(len(table))]
			name := d.Name
			switch name {
			case numaCPUsPrefix + "N", numaMemPrefix + "N":
				name = strings.TrimSuffix(name, "N") + pick(numbers)
			case traitPrefix + "*":
				name = traitPrefix + pick([]string{"HW_CPU_X86_AVX", "CUSTOM_A", "bad"})
			}
			value := pick(valuesFor(d))
			for range max(0, r.IntN(4)-1) {
				value = edit(value)
			}
			if cpuRange(value) > 1e6 {
				continue // Nova would make a set of all of them
			}
			if r.IntN(2) == 0 {
				maps.Copy(p, single(name, value))
			} else {
				p[name] = value
			}
		}
		cases[i] = p
	}
	return cases
}

// cpuRange is about how many CPUs a text names, if it is a CPU set at all.
func cpuRange(text string) float64 {
	most := 0.0
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' }) {
		f, _ := strconv.ParseFloat(part, 64)
		most = max(most, f)
	}
	if !strings.Contains(text, "-") {
		return 0
	}
	return most
}
