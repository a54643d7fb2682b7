package property

import (
	"slices"
	"sort"
	"strings"
)

//go:generate go run ./gen -in data/properties.json -out zz_table.go

// Type is how the services read the text of a property.
type Type int

// The types of properties. Glance holds text in every case.
const (
	String           Type = iota // free text
	Bool                         // oslo_utils.strutils.bool_from_string: never refused, unknown text is false
	Int                          // Python's int()
	Enum                         // one of Definition.Values
	UUID                         // the id of an image, key or certificate
	JSON                         // a JSON list of objects
	VersionPredicate             // comparisons joined by commas, such as >=2.6,<3.0
	CPUSet                       // CPU numbers and ranges, such as 0-3,^1
	Trait                        // only the word required counts
)

// String returns the name of the type as messages and JSON show it.
func (t Type) String() string {
	return [...]string{"string", "bool", "int", "enum", "uuid", "json", "version-predicate", "cpu-set", "trait"}[t]
}

// Effect says whether any service acts on a property.
type Effect int

// The effects of properties.
const (
	Active        Effect = iota // some service acts on it
	ParsedOnly                  // Nova checks the value and then makes no use of it
	NoEffect                    // it looks like a switch and no service reads it
	Informational               // for people, or a record that a service keeps; nothing acts on it
)

// String returns the name of the effect as messages and JSON show it.
func (e Effect) String() string {
	return [...]string{"active", "parsed-only", "none", "informational"}[e]
}

// Advice is a value that a guest of one kind should have.
type Advice struct {
	Value string // "" is: leave the property unset
	When  string // the condition, which follows "if"; "" is as a rule
}

// Pitfall is one way to go wrong with a property.
type Pitfall struct {
	Text   string // one line: what is written, and what comes of it
	Source string // service file and symbol, or the program that it was tried with
}

// Pair relates a value of a property to something else; which is said where
// it is used.
type Pair struct{ Value, To string }

// Definition is what is known of one property.
type Definition struct {
	Name    string
	Type    Type
	Effect  Effect
	Current string   // of a legacy name: the name that Nova has now; else ""
	Legacy  []string // the legacy names of this one, sorted

	// Values are the accepted values of an Enum, as the services store them.
	Values []string
	// Suggested are usual values of a property that takes any text.
	Suggested []string
	// Usual are those of many Values that a list shows.
	Usual []string
	// Fold reports that the value is lower-cased before it is compared; else it
	// must match exactly.
	Fold bool
	// Aliases are further accepted values (lower case) and what each becomes.
	Aliases []Pair

	// Meant are values that are refused and yet often seen (lower case unless
	// there is no Fold), and what they stand for; "" means: leave it out.
	Meant []Pair
	// Never are values that parse and that no supported hypervisor can run
	// any more, with the reason.
	Never []Pair
	// KVMRefuses are values that parse and that KVM hosts refuse, with the
	// reason.
	KVMRefuses []Pair

	// Since is the first Nova release that knows the name, 12.0.0 standing for
	// that one and all before; "" for those that are not Nova's.
	Since string
	// SinceOther is the first release of another service, such as Ironic 17.0.0.
	SinceOther string
	// ValuesSince are values that came later than Nova 26 (Zed), with the first
	// release that knows each.
	ValuesSince []Pair

	CheckedBy string   // the service that refuses a wrong value: "nova", "glance" or ""
	Consumers []string // the services that know the name: nova, glance, cinder, ironic
	Source    string   // service file and symbol
	Note      string   // one or two sentences for people

	// Default is what happens where the property is not set.
	Default string
	// Linux and Windows are what to set for guests of either kind, the usual
	// value first. The embedded profiles set the same; tests compare.
	Linux, Windows []Advice
	// Pitfalls are those of the property itself; AllPitfalls adds those of its type.
	Pitfalls []Pitfall
}

// The names that stand for many: traits, and one property for each guest NUMA
// node.
const (
	traitPrefix    = "trait:"
	numaCPUsPrefix = "hw_numa_cpus."
	numaMemPrefix  = "hw_numa_mem."

	// numaNodes is how many guest NUMA nodes Nova reads: hw_numa_cpus.0 to .127.
	// Source: nova/objects/image_meta.py ImageMetaProps.NUMA_NODES_MAX.
	numaNodes = 128
)

// Lookup returns what is known of a property. Names that stand for many are
// understood too: trait:HW_CPU_X86_AVX2, hw_numa_cpus.3, hw_numa_mem.0. The
// result's Name is the name asked for. Its slices are shared: they are not to be
// changed.
func Lookup(name string) (Definition, bool) {
	d := find(name)
	if d == nil {
		return Definition{}, false
	}
	c := *d
	c.Name = name
	return c, true
}

// Names returns, sorted, every known name that an image may carry. Traits and
// the properties of single NUMA nodes are not among them, since they have no
// fixed names.
func Names() []string {
	names := make([]string, 0, len(table)+len(catalogue))
	for i := range table {
		if !isPattern(table[i].Name) {
			names = append(names, table[i].Name)
		}
	}
	names = append(names, catalogue[:]...)
	slices.Sort(names)
	return names
}

func isPattern(name string) bool {
	return name == traitPrefix+"*" || name == numaCPUsPrefix+"N" || name == numaMemPrefix+"N"
}

// catalogued is the definition of every name that is only in Glance's
// catalogue of metadata definitions.
var catalogued = Definition{
	Type: String, Effect: Informational, Consumers: []string{"glance"}, Source: "glance/etc/metadefs",
	Note: "In Glance's metadata definitions; no service acts on it.",
}

// find returns the entry of the table for a name, or nil.
func find(name string) *Definition {
	switch {
	case isPattern(name):
		return nil
	case strings.HasPrefix(name, traitPrefix):
		name = traitPrefix + "*"
	case nodeOf(name, numaCPUsPrefix) >= 0:
		name = numaCPUsPrefix + "N"
	case nodeOf(name, numaMemPrefix) >= 0:
		name = numaMemPrefix + "N"
	}
	if i := sort.Search(len(table), func(i int) bool { return table[i].Name >= name }); i < len(table) && table[i].Name == name {
		return &table[i]
	}
	if _, ok := slices.BinarySearch(catalogue[:], name); ok {
		return &catalogued
	}
	return nil
}

// nodeOf returns the NUMA node that a name such as hw_numa_cpus.3 is for, or
// -1 if Nova would not read the name as one: it makes the names itself, from 0
// up and without leading zeros.
func nodeOf(name, prefix string) int {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok || digits == "" || len(digits) > 3 || digits[0] == '0' && len(digits) > 1 {
		return -1
	}
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	if n >= numaNodes {
		return -1
	}
	return n
}

// lookup returns what value is related to.
func lookup(pairs []Pair, value string) (string, bool) {
	for _, p := range pairs {
		if p.Value == value {
			return p.To, true
		}
	}
	return "", false
}
