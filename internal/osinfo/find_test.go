package osinfo

import (
	"strings"
	"testing"
)

func ids(systems []OS) string {
	var list []string
	for _, o := range systems {
		list = append(list, o.ShortID)
	}
	return strings.Join(list, " ")
}

func TestFind(t *testing.T) {
	for text, want := range map[string]string{
		"ubuntu24.04":                     "ubuntu24.04",
		"Ubuntu24.04":                     "ubuntu24.04",
		"ubuntunoble":                     "ubuntu24.04",
		"noble":                           "ubuntu24.04",
		"Noble Numbat":                    "ubuntu24.04",
		"http://ubuntu.com/ubuntu/24.04":  "ubuntu24.04",
		"https://ubuntu.com/ubuntu/24.04": "ubuntu24.04",
		"bookworm":                        "debian12",
		"resolute":                        "ubuntu26.04",
		"daedalus":                        "devuan5",
		"sagitta":                         "vyos1.4",
		"taroon":                          "rhel3 rhel3.1 rhel3.2 rhel3.3 rhel3.4 rhel3.5 rhel3.6 rhel3.7 rhel3.8 rhel3.9",
		"dragonflybsd1.0a":                "dragonflybsd1.0A",
		"flatcar":                         "flatcar",
		"numbat":                          "",
		"ubuntu":                          "",
		"http://":                         "",
		"":                                "",
	} {
		if got := ids(Builtin().Find(text)); got != want {
			t.Errorf("Find(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		id, pattern string
		want        bool
	}{
		{"debian12", "", true},
		{"debian12", "DEBIAN", true},
		{"debian12", "ebian1", true},
		{"debian12", "bookworm", true},
		{"debian12", "debian1?", true},
		{"debian12", "book*", true},
		{"debian12", "ebian*", false},
		{"debian12", "debian13", false},
		{"win2k19", "windows", true},
		{"win2k19", "*server 2019", true},
		{"ubuntu24.04", "ubuntu2[46].*", true},
		{"haikur1beta5", "haiku r1/*", true},
	} {
		o, ok := Builtin().Lookup(c.id)
		if !ok {
			t.Fatalf("%s is missing", c.id)
		}
		if got, err := o.Matches(c.pattern); got != c.want || err != nil {
			t.Errorf("%s matches %q: %v, %v", c.id, c.pattern, got, err)
		}
	}
	if _, err := (&OS{ShortID: "x"}).Matches("[a"); err == nil {
		t.Error("a glob that is not closed is taken")
	}
}
