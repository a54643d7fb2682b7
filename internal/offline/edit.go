package offline

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"glance-profile/internal/plan"
)

// Edited returns the record as it is once a plan for its image is carried out,
// as JSON: the same members in the same order, properties that are added last.
func (r Record) Edited(p plan.Image) []byte {
	if !r.nested {
		return join(edit(r.members, p.Changes))
	}
	members := slices.Clone(r.members)
	for i, m := range members {
		if m.key == "properties" {
			members[i].value = join(edit(r.inner, p.Changes))
		}
	}
	return join(members)
}

// edit carries the changes of properties out on a list of members.
func edit(members []member, changes []plan.Change) []member {
	members = slices.Clone(members)
	var end []byte // blanks before the closing brace
	if len(members) > 0 {
		end = members[len(members)-1].after
		members[len(members)-1].after = nil
	}
	for _, c := range changes {
		text, set := c.After.(string)
		if plan.IsBase(c.Property) || !set && c.After != nil {
			continue
		}
		if !set {
			members = slices.DeleteFunc(members, func(m member) bool { return m.key == c.Property })
			continue
		}
		found := false
		for i := range members {
			if members[i].key == c.Property {
				members[i].value, found = []byte(encode(text)), true
			}
		}
		if !found {
			m := member{key: c.Property, before: []byte(", "), between: []byte(encode(c.Property) + ": "), value: []byte(encode(text))}
			if n := len(members); n > 0 {
				last := members[n-1]
				m.before = append([]byte(","), blanks(last.before)...)
				m.between = append([]byte(encode(c.Property)), last.between[bytes.LastIndexByte(last.between, '"')+1:]...)
			}
			members = append(members, m)
		}
	}
	if len(members) > 0 {
		members[len(members)-1].after = end
	}
	return members
}

// blanks is what stands before a name, without the comma.
func blanks(before []byte) []byte {
	if i := bytes.IndexByte(before, ','); i >= 0 {
		return slices.Concat(before[:i], before[i+1:])
	}
	return before
}

// join puts members together to an object.
func join(members []member) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		switch {
		case i == 0:
			b.Write(blanks(m.before))
		case bytes.IndexByte(m.before, ',') < 0:
			b.WriteByte(',')
			b.Write(m.before)
		default:
			b.Write(m.before)
		}
		b.Write(m.between)
		b.Write(m.value)
		b.Write(m.after)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// encode writes a text as JSON, with the signs of HTML as they are.
func encode(text string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // text never fails
	return strings.TrimSuffix(b.String(), "\n")
}
