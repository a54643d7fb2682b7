package complete

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// words makes values of a list.
func words(list ...string) Values {
	return func(ctx *Context) Answer {
		var a Answer
		for _, w := range list {
			if !slices.Contains(ctx.Arguments, w) {
				a.Candidates = append(a.Candidates, Candidate{Value: w, Open: strings.HasSuffix(w, "=")})
			}
		}
		return a
	}
}

func testTree() *Command {
	format := &Option{Names: []string{"format", "f"}, Takes: true, Values: words("json", "table", "yaml")}
	rules := words("no-effect", "no-such-bus")
	return &Command{
		Options: []*Option{
			{Names: []string{"os-cloud"}, Takes: true, Values: words("prod", "test")},
			{Names: []string{"os-project-name", "os-tenant-name"}, Takes: true},
			{Names: []string{"verbose", "v"}, Repeats: true},
			{Names: []string{"help", "h"}},
		},
		Commands: []*Command{
			{Name: "create", TakesArguments: true, Options: []*Option{
				{Names: []string{"file"}, Takes: true, Values: func(*Context) Answer { return Answer{Files: true} }},
				{Names: []string{"property"}, Takes: true, Repeats: true, Values: words("hw_disk_bus=", "hw_vif_model=", "hw_disk_bus=virtio", "hw_disk_bus=scsi")},
				{Names: []string{"protected"}}, {Names: []string{"volume"}, Takes: true, Hidden: true}, format,
			}},
			{Name: "apply", TakesArguments: true, Arguments: words("debian-12", "Ubuntu 24.04", "a:b", "-dash"), Options: []*Option{{Names: []string{"yes", "y"}}, format}},
			{Name: "audit", TakesArguments: true, Arguments: words("debian-12", "rocky"), Commands: []*Command{{Name: "rules"}, {Name: "explain", TakesArguments: true, Arguments: rules}},
				Options: []*Option{{Names: []string{"fix"}, Repeats: true, Words: true, Values: rules}, format}},
			{Name: "profile", Commands: []*Command{{Name: "list"}, {Name: "show", TakesArguments: true, Arguments: words("linux-virtio")}}},
			{Name: "secret", Hidden: true},
		},
	}
}

func TestComplete(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"|", "create apply audit profile"},
		{"a|", "apply audit"},
		{"s|", ""}, // hidden
		{"profile |", "list show"},
		{"profile show |", "linux-virtio"},
		{"profile list |", ""},
		{"--os-cloud |", "prod test"},
		{"--os-cloud=|", "--os-cloud=prod --os-cloud=test"},
		{"--os-cl p|", "prod"},
		{"--os-c=p|", "--os-c=prod"},
		{"create --os-cloud t|", "test"},
		{"--os-cloud prod c|", "create"},
		{"-v ap|", "apply"},
		{"-|", "--os-cloud --os-project-name --verbose -v --help -h"},
		{"--o|", "--os-cloud --os-project-name"},
		{"--os-t|", "--os-tenant-name"},
		{"--os-cloud prod --os|", "--os-project-name"},
		{"-v --v|", "--verbose"}, // repeated
		{"create --|", "--file --property --protected --format --os-cloud --os-project-name --verbose --help"},
		{"create --protected --pro|", "--property"},
		{"create --property a=b --pro|", "--property --protected"},
		{"create --vol|", ""},
		{"create --property hw_d|", "hw_disk_bus=~ hw_disk_bus=virtio hw_disk_bus=scsi"},
		{"create --property=hw_disk_bus=v|", "--property=hw_disk_bus=virtio"},
		{"create --file |", "files"},
		{"create --file=x|", "files"},
		{"create --file --pro|", "--property --protected"}, // the value was forgotten
		{"create NAME|", ""},
		{"create -f |", "json table yaml"},
		{"create -fj|", "-fjson"},
		{"create -f=j|", "-f=json"},
		{"create --protected=|", ""},
		{"create --f=|", "--f=json --f=table --f=yaml"}, // as the program reads it
		{"apply |", "debian-12 Ubuntu 24.04 a:b"},
		{"apply u|", "Ubuntu 24.04"}, // but for capitals
		{"apply debian-12 |", "Ubuntu 24.04 a:b"},
		{"apply debian-12|", "debian-12"},
		{"apply | debian-12", "Ubuntu 24.04 a:b"},
		{"apply | --os-cloud prod", "debian-12 Ubuntu 24.04 a:b"},
		{"apply --o| --os-cloud prod", "--os-project-name"},
		{"apply -- -|", "-dash"},
		{"apply -- d|", "debian-12"},
		{"apply --y| ", "--yes"},
		{"audit |", "rules explain debian-12 rocky"},
		{"audit r|", "rules rocky"},
		{"audit debian-12 r|", "rocky"},
		{"audit explain |", "no-effect no-such-bus"},
		{"audit --fix |", "no-effect no-such-bus"},
		{"audit debian-12 --fix no-effect n|", "no-effect no-such-bus"},
		{"audit --fix no-effect --all-images d|", "debian-12"},
		{"audit --fix=no-e|", "--fix=no-effect"},
		{"unknown |", ""},
	} {
		before, after, _ := strings.Cut(tt.line, "|")
		w := strings.Split(before, " ")
		answer := Complete(testTree(), w[:len(w)-1], w[len(w)-1], strings.Fields(after))
		var got []string
		for _, c := range answer.Candidates {
			text := c.Value
			if c.Open {
				text += "~"
			}
			got = append(got, text)
		}
		if answer.Files {
			got = append(got, "files")
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.line, text, tt.want)
		}
	}
}

func TestHarmless(t *testing.T) {
	for text, want := range map[string]bool{
		"Ubuntu 24.04": true, "ümlaut 名": true, "$(rm -rf /)": true, // harmless once it is quoted
		"\x1b[2J": false, "a\nb": false, "a\tb": false, "\u202egnp": false, "a\u2028b": false, "\xff": false, "a\u009bb": false, "a\u200bb": false,
	} {
		if got := Harmless(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	a := Complete(&Command{TakesArguments: true, Arguments: words("ok", "bad\x1b[2J", "evil\nfiles")}, nil, "", nil)
	if len(a.Candidates) != 1 {
		t.Errorf("%v", a.Candidates)
	}
}

const bashBreaks = " \t\n\"'><=;|&(:"

func TestRead(t *testing.T) {
	join := func(texts ...string) string { return strings.Join(texts, "\x00") + "\x00" }
	for _, tt := range []struct {
		shell          Shell
		question, want string
	}{
		{Bash, join(bashBreaks, "gp create --fi", ""), "create [--fi]"},
		{Bash, join(bashBreaks, "gp apply ", " --os-cloud prod"), "apply [] --os-cloud prod"},
		{Bash, join(bashBreaks, "gp apply ub", "untu x"), "apply [ub] x"},
		{Bash, join(bashBreaks, `gp apply a\ b "c d" 'e f'g h\:i:j`, ""), "apply a_b c_d e_fg [h:i:j cut 4]"},
		{Bash, join(bashBreaks, `gp apply "c d:e`, ""), `apply [c_d:e cut 0 quote "]`},
		{Bash, join(bashBreaks, `gp create --property="hw a" --format=js`, ""), "create --property=hw_a [--format=js cut 9]"},
		{Bash, join(bashBreaks, `gp create --property="hw a"b`, ""), "create [--property=hw_ab cut 11]"},
		{Bash, join(bashBreaks, `gp create --property='it'\''s $HOME`, ""), "create [--property=it's_$HOME cut 14 quote ']"},
		{Bash, join(bashBreaks, `gp --os-cloud $CLOUD apply `, ""), "--os-cloud $CLOUD apply [] unsure $CLOUD"},
		{Bash, join(bashBreaks, `gp --os-password "$(pass show (x) y)" apply `, ""), "--os-password $(pass_show_(x)_y) apply [] unsure $(pass_show_(x)_y)"},
		{Bash, join(bashBreaks, "gp --os-password `pass show x` apply ", ""), "--os-password `pass_show_x` apply [] unsure `pass_show_x`"},
		{Bash, join(bashBreaks, `gp apply $HO`, ""), "nothing"},
		{Bash, join(bashBreaks, `gp apply a$ b `, ""), "apply a$ b []"},
		{Bash, join(bashBreaks, `gp apply x 2> fi`, ""), "apply x [fi] redirect"},
		{Bash, join(bashBreaks, `gp apply x >/dev/null 2>&1 y`, ""), "apply x [y]"},
		{Bash, join(bashBreaks, `ls; OS_CLOUD=prod gp apply `, "; ls"), "apply [] assigned OS_CLOUD=prod"},
		{Bash, join(bashBreaks, `gp apply \`, ""), "apply []"},
		{Bash, join(bashBreaks, `g`, ""), "nothing"},
		{Bash, join(bashBreaks, ``, ""), "nothing"},
		{Bash, "", "nothing"},
		{Fish, join(`OS_CLOUD=prod command gp apply 'it\'s' a\ b (date +%s x) `, " z"), "apply it's a_b (date_+%s_x) [] z unsure (date_+%s_x) assigned OS_CLOUD=prod"},
		{Fish, join(`gp apply "a b`, ""), `apply [a_b cut 0 quote "]`},
		{Zsh, join("gp", "apply", `a\ b`, `"c d"`, `ub\ u`, "|", "--os-cloud", "'p q'"), "apply a_b c_d [ub_u] --os-cloud p_q"},
		{Zsh, join("gp", "apply", `"c d`, "|"), "apply [c_d]"},
		{Zsh, join("gp", "", "|"), "[]"},
		{Zsh, join("gp", "apply", "$X", "", "|"), "apply $X [] unsure $X"},
		{Zsh, join("|"), "nothing"},
		{PowerShell, join("=gp", "=apply", "?$x", "=a b"), "apply $x [a_b] unsure $x"},
		{PowerShell, join("=gp", "="), "[]"},
		{"tcsh", join("a", "b"), "nothing"},
	} {
		l, ok := Read(tt.shell, tt.question)
		got := "nothing"
		if ok {
			under := func(s string) string { return strings.ReplaceAll(s, " ", "_") }
			var parts []string
			for _, w := range l.Before {
				parts = append(parts, under(w))
			}
			current := "[" + under(l.Current)
			if l.cut > 0 || l.quote != 0 {
				current += fmt.Sprintf(" cut %d", l.cut)
			}
			if l.quote != 0 {
				current += " quote " + string(rune(l.quote))
			}
			parts = append(parts, current+"]")
			for _, w := range l.After {
				parts = append(parts, under(w))
			}
			for _, w := range l.Unsure {
				parts = append(parts, "unsure "+under(w))
			}
			for _, w := range l.Assigned {
				parts = append(parts, "assigned "+w)
			}
			if l.Redirect {
				parts = append(parts, "redirect")
			}
			got = strings.Join(parts, " ")
		}
		if got != tt.want {
			t.Errorf("%s %q\n got %s\nwant %s", tt.shell, tt.question, got, tt.want)
		}
	}
}

func TestWrite(t *testing.T) {
	question := func(breaks, line string) Line {
		l, ok := Read(Bash, breaks+"\x00"+line+"\x00\x00")
		if !ok {
			t.Fatal(line)
		}
		return l
	}
	a := Answer{Candidates: []Candidate{{Value: "it's a:$b!", Description: "one\ttwo"}, {Value: "hw=", Open: true}}}
	for _, tt := range []struct {
		shell  Shell
		line   Line
		answer Answer
		want   string
	}{
		{Bash, question(bashBreaks, "gp apply "), a, "none\n+it\\'s\\ a:\\$b\\!\n~hw=\n"},
		{Bash, question(bashBreaks, "gp apply it\\'s\\ a:"), a, "none\n+\\$b\\!\n"},
		{Bash, question(bashBreaks, `gp apply "it`), a, "none\n+it's a:\\$b\"\\!\"\n~hw=\n"},
		{Bash, question(bashBreaks, `gp apply 'it`), a, "none\n+it'\\''s a:$b!\n~hw=\n"},
		{Bash, question(bashBreaks, `gp apply `), Answer{Candidates: []Candidate{{Value: "~x"}, {Value: "a~{b}*?[c]#"}}}, "none\n+\\~x\n+a~\\{b\\}\\*\\?\\[c\\]\\#\n"},
		{Bash, question(bashBreaks, `gp create > `), a, "files\n"},
		{Bash, Line{}, Answer{Files: true}, "files\n"},
		{Bash, Line{}, Answer{Dirs: true}, "dirs\n"},
		{Zsh, Line{}, a, "none\n+it's a\\:$b!\tit's a\\:$b!:one two\n~hw=\thw=\n"},
		{Fish, Line{}, a, "none\nit's a:$b!\tone two\nhw=\t\n"},
		{PowerShell, Line{}, a, "none\n+'it''s a:$b!'\tit's a:$b!\tone two\n~hw=\thw=\thw=\n"},
	} {
		if got := Write(tt.shell, tt.line, tt.answer); got != tt.want {
			t.Errorf("%s %q\n got %q\nwant %q", tt.shell, tt.line.Current, got, tt.want)
		}
	}
}

// What is typed never breaks the reading of it, and what is written is always
// whole lines.
func FuzzRead(f *testing.F) {
	f.Add("bash", bashBreaks+"\x00gp apply \"a $(b 'c) d\x00 e\x00")
	f.Add("fish", "gp apply (a 'b\x00 c\x00")
	f.Add("zsh", "gp\x00a\\ b\x00'c\x00|\x00d\x00")
	f.Fuzz(func(t *testing.T, shell, question string) {
		l, ok := Read(Shell(shell), question)
		if !ok {
			return
		}
		a := Complete(testTree(), l.Before, l.Current, l.After)
		for _, line := range strings.SplitAfter(Write(Shell(shell), l, a), "\n") {
			if line != "" && !strings.HasSuffix(line, "\n") {
				t.Errorf("%q", line)
			}
		}
	})
}
