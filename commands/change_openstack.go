package commands

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"glance-profile/internal/plan"
	"glance-profile/internal/render"
)

// printChangeLines prints the openstack lines for one image's changes, or for
// volumes made from it, and warns of what they cannot say.
func printChangeLines(env *Env, out io.Writer, img plan.Image, volumes bool) error {
	lines, left := changeLines(img, volumes)
	for _, name := range left {
		env.warn("image %s (%s): the openstack client cannot name the property %s, which the lines leave out", img.Name, img.ID, render.Quoted(name))
	}
	return printLines(out, lines)
}

func printLines(out io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// changeLines are the openstack lines for one image's changes, or for volumes
// made from it. left names the properties that the client cannot set, since it
// takes what stands behind the first = for the value.
func changeLines(img plan.Image, volumes bool) (lines, left []string) {
	if img.Action == plan.ActionDelete {
		if volumes {
			return nil, nil
		}
		return deletionLines(img), nil
	}
	set, unset := []string{"openstack", "image", "set"}, []string{"openstack", "image", "unset"}
	option := "--property"
	last := shellQuote(img.ID)
	if volumes {
		set, unset = []string{"openstack", "volume", "set"}, []string{"openstack", "volume", "unset"}
		option, last = "--image-property", `"$VOLUME"`
	}
	nSet, nUnset := len(set), len(unset)
	for _, c := range img.Changes {
		switch {
		case volumes && plan.IsBase(c.Property):
		case c.Property == "tags":
			before, _ := c.Before.([]string)
			after, _ := c.After.([]string)
			set = append(set, each("--tag", without(after, before))...)
			unset = append(unset, each("--tag", without(before, after))...)
		case c.Property == "os_hidden":
			set = append(set, map[bool]string{true: "--hidden", false: "--unhidden"}[c.After == true])
		case c.Property == "name":
			name, _ := c.After.(string)
			set = append(set, valued("--name", name)...)
		case c.After == nil:
			unset = append(unset, valued(option, c.Property)...)
		case plan.IsBase(c.Property):
			set = append(set, openstackOption(c)...)
		case strings.Contains(c.Property, "="):
			left = append(left, c.Property)
		default:
			set = append(set, valued(option, fmt.Sprintf("%s=%s", c.Property, c.After))...)
		}
	}
	if len(set) > nSet {
		lines = append(lines, join(set)+" "+last)
	}
	if len(unset) > nUnset {
		lines = append(lines, join(unset)+" "+last)
	}
	return lines, left
}

// deletionLines take an image away that a run has made, its protection and the
// order to delete its volume's key with it first.
func deletionLines(img plan.Image) []string {
	var lines []string
	for _, c := range img.Changes {
		switch {
		case c.Property == "protected" && c.Before == true:
			lines = append(lines, join([]string{"openstack", "image", "set", "--unprotected", img.ID}))
		case c.Property == "cinder_encryption_key_deletion_policy" && c.Before != nil:
			lines = append(lines, join([]string{"openstack", "image", "unset", "--property", c.Property, img.ID}))
		}
	}
	return append(lines, join([]string{"openstack", "image", "delete", img.ID}))
}

// each is an option once for each of some values.
func each(option string, values []string) []string {
	var words []string
	for _, v := range values {
		words = append(words, valued(option, v)...)
	}
	return words
}

// valued is an option with its value: in one word where the standard client
// would take the value for an option.
func valued(option, value string) []string {
	if strings.HasPrefix(value, "-") {
		return []string{option + "=" + value}
	}
	return []string{option, value}
}

// without returns the words of a that are not in b.
func without(a, b []string) []string {
	var rest []string
	for _, word := range a {
		if !slices.Contains(b, word) {
			rest = append(rest, word)
		}
	}
	return rest
}
