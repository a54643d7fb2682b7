package cloud

import (
	"encoding/json"
	"io/fs"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeFile(t *testing.T) {
	tests := []struct{ name, path, text, want string }{
		{"words of YAML 1.1", "c.yaml", "a: yes\nb: No\nc: on\nd: 'yes'\ne: ~\nf:\ng: \"\"\n", `{"a":true,"b":false,"c":true,"d":"yes","e":null,"f":null,"g":""}`},
		{"numbers stay text", "c.yaml", "a: 12\nb: 0123\nc: 12e4567\nd: 1.50\ne: 0x1F\nf: 1_000\ng: .inf\nh: 2024-01-02\ni: -7\nj: 12:34\n", `{"a":"12","b":"0123","c":"12e4567","d":"1.50","e":"0x1F","f":"1_000","g":".inf","h":"2024-01-02","i":"-7","j":"12:34"}`},
		{"merge keys", "c.yaml", "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  c: 5\n", `{"x":{"a":"1","b":"2"},"y":{"b":"3","c":"4"},"z":{"a":"1","b":"2","c":"5"}}`},
		{"aliases", "c.yaml", "a: &n name\nb: [*n, *n]\n", `{"a":"name","b":["name","name"]}`},
		{"tags", "c.yaml", "a: !!str yes\nb: !!str 12\n", `{"a":"yes","b":"12"}`},
		{"blocks", "c.yaml", "a: |\n  x\n  y\nb: >\n  x\n  y\n", `{"a":"x\ny\n","b":"x y\n"}`},
		{"the last of equal keys", "c.yaml", "a: 1\na: 2\n", `{"a":"2"}`},
		{"a comment alone", "c.yaml", "# nothing\n", `null`},
		{"document marker", "c.yml", "---\na: b\n", `{"a":"b"}`},
		{"JSON", "c.json", `{"a": 1.50, "b": [true, null, 12345678901234567890]}`, `{"a":"1.50","b":[true,null,"12345678901234567890"]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			value, err := decodeFile(test.path, []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(value)
			if err != nil || string(got) != test.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
}

func TestDecodeFileErrors(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 8 {
		prev, next := string(rune('0'+i)), string(rune('1'+i))
		bomb += "a" + next + ": &a" + next + " [" + strings.Repeat("*a"+prev+",", 9) + "*a" + prev + "]\n"
	}
	tests := []struct{ name, path, text, want string }{
		{"indentation", "c.yaml", "a:\n  b: 1\n c: 2\n", "c.yaml:3:"},
		{"tab", "c.yaml", "a:\n\tb: 1\n", "c.yaml:2:"},
		{"unclosed", "c.yaml", "a: [1\n", "c.yaml:1:"},
		{"unknown alias", "c.yaml", "a: 1\nb: *none\n", "none"},
		{"alias of itself", "c.yaml", "a: &a [*a]\n", "c.yaml:1: nested too deeply"},
		{"exponential aliases", "c.yaml", bomb, "more than 200000 values"},
		{"tag", "c.yaml", "a: !!python/object:os.system x\n", "c.yaml:1"},
		{"two documents", "c.yaml", "a: 1\n---\nb: 2\n", "c.yaml:3: a second YAML document"},
		{"merge of a word", "c.yaml", "a:\n  <<: x\n", "c.yaml:2: << goes with a mapping"},
		{"key that is a list", "c.yaml", "? [a]\n: b\n", "c.yaml:2:1: found an invalid key"},
		{"JSON end", "c.json", "{\n\"a\":", "c.json:2: the file ends too early"},
		{"JSON rest", "c.json", "{}\n\n{}", "c.json:"},
		{"JSON type", "c.json", "{\n \"a\": x}", "c.json:2:"},
		{"size", "c.yaml", strings.Repeat("#", maxFileBytes+1), "c.yaml: larger than 4 MiB"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			value, err := decodeFile(test.path, []byte(test.text))
			if err == nil {
				t.Fatalf("taken for %.100v", value)
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want %q in one line", err, test.want)
			}
		})
	}
}

// FuzzDecodeFile looks for panics and for values of another type than the
// merging knows, in either format.
func FuzzDecodeFile(f *testing.F) {
	for _, seed := range []string{"clouds:\n  a: &a {b: [c, 1, ~, yes]}\n  d: *a\n", "a: !!str x\n<<: {b: c}\n", `{"a": [1, true, null, {}]}`, "? a\n: |\n  b\n", "a: >-\n  b\n\n  c\n", "- - a\n", "\xef\xbb\xbfa: b"} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, text string, isJSON bool) {
		path := "c.yaml"
		if isJSON {
			path = "c.json"
		}
		value, err := decodeFile(path, []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), path) {
				t.Errorf("error %q does not begin with the file's name", err)
			}
			return
		}
		known(t, value)
	})
}

func known(t *testing.T, value any) {
	switch v := value.(type) {
	case nil, bool, string:
	case []any:
		for _, entry := range v {
			known(t, entry)
		}
	case map[string]any:
		for _, entry := range v {
			known(t, entry)
		}
	default:
		t.Errorf("value of type %s", reflect.TypeOf(value))
	}
}

// FuzzLoad merges whatever a clouds.yaml says: an error or a configuration, no
// panic.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"clouds: {one: {auth: {auth_url: 'http://{region_name}/', username: a, password: b}, regions: [{name: x, values: {auth: {}}}]}}",
		"clouds: {one: {profile: ovh, region_name: [a, b], interface: [internal, public], verify: x}}",
		"clouds: {one: {cloud: citycloud, auth-url: x, endpoint_type: y, image_endpoint: '}'}}",
		"clouds: {one: {auth: {auth_url: yes, token: [x]}, auth_type: {}, regions: {}}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		env := testEnv(nil, "/dir", "/home")
		env.ConfigDirs = nil
		env.ReadFile = func(path string) ([]byte, error) {
			if path == "/dir/clouds.yaml" {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		}
		cfg, err := Load(Options{Cloud: "one"}, env)
		if err == nil {
			_, err = cfg.complete(nil)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("error of several lines: %q", err)
		}
		_ = cfg.String()
	})
}
