package commands

import (
	"slices"
	"strings"

	"glance-profile/internal/property"
	"glance-profile/internal/render"
	"glance-profile/profiles"
)

// profileValues returns, for each property, the embedded profiles that set it,
// always or on demand, and to what.
func profileValues() (map[string]map[string]string, error) {
	set, err := profiles.Embedded()
	if err != nil {
		return nil, err
	}
	values := map[string]map[string]string{}
	for _, p := range set.List() {
		d, err := set.Details(p.Name)
		if err != nil {
			return nil, err
		}
		for _, v := range slices.Concat(d.Properties, d.Optional) {
			if values[v.Property] == nil {
				values[v.Property] = map[string]string{}
			}
			values[v.Property][p.Name] = v.Value
		}
	}
	return values, nil
}

// propertyRecord is a property as property show prints it: data, or for people.
func propertyRecord(d property.Definition, set map[string]map[string]string, people bool) render.Record {
	linux, windows := advised(d, d.Linux), advised(d, d.Windows)
	r := render.Record{
		{Name: "name", Value: d.Name}, {Name: "type", Value: d.Type.String()}, {Name: "effect", Value: d.Effect.String()},
		{Name: "values", Value: ordered(accepted(d))}, {Name: "suggested", Value: ordered(d.Suggested)},
		{Name: "case_sensitive", Value: caseSensitive(d)}, {Name: "aliases", Value: aliases(d)},
		{Name: "corrections", Value: pairData(d.Meant)}, {Name: "kvm_refuses", Value: pairData(d.KVMRefuses)},
		{Name: "no_host_runs", Value: pairData(d.Never)}, {Name: "values_since", Value: pairData(d.ValuesSince)},
		{Name: "default", Value: known(d.Default)}, {Name: "linux", Value: adviceData(linux)}, {Name: "windows", Value: adviceData(windows)},
		{Name: "profiles", Value: set[d.Name]}, {Name: "pitfalls", Value: pitfallData(d)},
		{Name: "read_by", Value: ordered(d.ReadBy())}, {Name: "checked_by", Value: known(d.CheckedBy)},
		{Name: "since", Value: since(d)}, {Name: "openstack_release", Value: known(property.OpenStack(d.Since))},
		{Name: "current_name", Value: known(d.Current)}, {Name: "legacy_names", Value: ordered(d.Legacy)},
		{Name: "note", Value: known(d.Note)}, {Name: "source", Value: known(d.Source)},
	}
	if !people {
		return r
	}
	for name, value := range map[string]any{
		"values": valuesText(d), "suggested": known(strings.Join(d.Suggested, ", ")), "corrections": known(corrections(d.Meant)),
		"kvm_refuses": known(reasons(d.KVMRefuses)), "no_host_runs": known(reasons(d.Never)),
		"linux": known(adviceText(linux)), "windows": known(adviceText(windows)), "pitfalls": known(pitfallText(d)),
		"read_by": known(strings.Join(d.ReadBy(), ", ")), "legacy_names": known(strings.Join(d.Legacy, ", ")),
	} {
		r[slices.IndexFunc(r, func(f render.Field) bool { return f.Name == name })].Value = value
	}
	return r
}

// ordered keeps the order of texts, which render sorts otherwise.
func ordered(texts []string) any {
	list := []any{}
	for _, t := range texts {
		list = append(list, t)
	}
	return list
}

func accepted(d property.Definition) []string {
	if d.Type == property.Bool {
		return []string{"true", "false"}
	}
	if d.Type == property.Trait {
		return []string{"required"}
	}
	return d.Values
}

// valuesText is what a property takes, each value with what it is worth.
func valuesText(d property.Definition) string {
	var parts []string
	for _, value := range accepted(d) {
		m := d.Marks(value)
		var marks []string
		switch {
		case m.Never != "":
			marks = append(marks, "no host")
		case m.KVM != "":
			marks = append(marks, "not on KVM")
		}
		if m.Since != "" {
			marks = append(marks, "from "+property.OpenStack(m.Since))
		}
		if len(marks) > 0 {
			value += " (" + strings.Join(marks, ", ") + ")"
		}
		parts = append(parts, value)
	}
	if len(parts) > 0 {
		return strings.Join(parts, ", ")
	}
	text := map[property.Type]string{
		property.Int: "whole number", property.UUID: "UUID", property.JSON: "JSON list",
		property.VersionPredicate: "comparisons, such as >=2.6,<3.0", property.CPUSet: "CPU numbers, such as 0-3,^1",
	}[d.Type]
	if text == "" {
		text = "text"
	}
	if len(d.Suggested) > 0 {
		text += ", usually " + strings.Join(d.Suggested, ", ")
	}
	return text
}

func caseSensitive(d property.Definition) any {
	switch d.Type {
	case property.Bool:
		return false
	case property.Enum:
		return !d.Fold
	}
	return nil
}

// aliases are other spellings of the accepted values, and what they become.
func aliases(d property.Definition) map[string]any {
	m := pairData(d.Aliases)
	if d.Type == property.Bool {
		for to, words := range map[string][]string{"true": {"1", "t", "on", "y", "yes"}, "false": {"0", "f", "off", "n", "no"}} {
			for _, word := range words {
				m[word] = to
			}
		}
	}
	return m
}

// pairData is pairs as data; what stands for nothing is null.
func pairData(pairs []property.Pair) map[string]any {
	m := map[string]any{}
	for _, p := range pairs {
		m[p.Value] = known(p.To)
	}
	return m
}

func corrections(pairs []property.Pair) string {
	var parts []string
	for _, p := range pairs {
		to := p.To
		if to == "" {
			to = "leave it out"
		}
		parts = append(parts, p.Value+" → "+to)
	}
	return strings.Join(parts, ", ")
}

// reasons is values and why, a line for each reason.
func reasons(pairs []property.Pair) string {
	var order []string
	values := map[string][]string{}
	for _, p := range pairs {
		if values[p.To] == nil {
			order = append(order, p.To)
		}
		values[p.To] = append(values[p.To], p.Value)
	}
	var lines []string
	for _, why := range order {
		lines = append(lines, strings.Join(values[why], ", ")+": "+why)
	}
	return strings.Join(lines, "\n")
}

// usualValues is valuesText, shortened where there are many.
func usualValues(d property.Definition) string {
	if len(d.Usual) > 0 {
		return strings.Join(d.Usual, ", ") + " and others"
	}
	return valuesText(d)
}

// advised is the advice on a property; what nothing acts on is best left out.
func advised(d property.Definition, advice []property.Advice) []property.Advice {
	if len(advice) == 0 && idle(d) {
		return []property.Advice{{}}
	}
	return advice
}

// idle is that a property looks as if it did something, and does nothing.
func idle(d property.Definition) bool {
	return d.Effect == property.ParsedOnly || d.Effect == property.NoEffect
}

func adviceData(advice []property.Advice) any {
	list := []any{}
	for _, a := range advice {
		list = append(list, map[string]any{"value": known(a.Value), "if": known(a.When)})
	}
	return list
}

func adviceText(advice []property.Advice) string {
	var lines []string
	for _, a := range advice {
		line := set(a)
		if a.When != "" {
			line += " if " + a.When
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// adviceValues is advice without its conditions.
func adviceValues(d property.Definition, advice []property.Advice) any {
	if len(advice) == 0 && idle(d) {
		return "no effect"
	}
	var values []string
	for _, a := range advice {
		if !slices.Contains(values, set(a)) {
			values = append(values, set(a))
		}
	}
	return known(strings.Join(values, " or "))
}

func set(a property.Advice) string {
	if a.Value == "" {
		return "unset"
	}
	return a.Value
}

func pitfallData(d property.Definition) any {
	list := []any{}
	for _, p := range d.AllPitfalls() {
		list = append(list, map[string]any{"text": p.Text, "source": p.Source})
	}
	return list
}

func pitfallText(d property.Definition) string {
	var lines []string
	for _, p := range d.AllPitfalls() {
		lines = append(lines, "- "+p.Text+" ("+p.Source+")")
	}
	return strings.Join(lines, "\n")
}

func since(d property.Definition) any {
	switch {
	case d.Since != "":
		return "Nova " + d.Since
	case d.SinceOther != "":
		return d.SinceOther
	}
	return nil
}
