package complete

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// Shell is a shell that asks for completions.
type Shell string

// The shells. What each sends, and gets back, is said at Read and Write.
const (
	Bash       Shell = "bash"
	Zsh        Shell = "zsh"
	Fish       Shell = "fish"
	PowerShell Shell = "powershell"
)

// Shells lists the shells.
func Shells() []Shell { return []Shell{Bash, Zsh, Fish, PowerShell} }

// Line is a command line as a shell sees it.
type Line struct {
	Before  []string // the words before the cursor, without the program's name
	Current string   // the word under the cursor, up to it
	After   []string // the words behind it
	// Unsure are words of Before and After that the shell is going to put
	// something else for: a variable, the output of a command.
	Unsure []string
	// Assigned are the variables set for this command alone, NAME=value.
	Assigned []string
	// Redirect reports that the cursor stands at a file to read from or write to.
	Redirect bool

	quote byte // the quote that is open at the cursor, 0 for none
	cut   int  // how much of Current stands before what bash puts the completion for
}

// Read reads a shell's question: texts with a NUL behind each, so that no
// argument list shows a password that stands on the line.
//
//	bash        $COMP_WORDBREAKS, the line up to the cursor, the rest of it
//	zsh         each word as it was typed, the one under the cursor up to it, a
//	            text that is "|", and the words behind
//	fish        the line up to the cursor, the rest of it
//	powershell  each word without quotes, with = before it, or ? if it is not
//	            known before the line is run; the one under the cursor comes last
//
// It reports false where there is nothing to complete.
func Read(shell Shell, question string) (Line, bool) {
	texts := strings.Split(strings.TrimSuffix(question, "\x00"), "\x00")
	var l Line
	switch {
	case shell == Bash && len(texts) == 3:
		return readLine(posix, texts[0], texts[1], texts[2])
	case shell == Fish && len(texts) == 2:
		return readLine(fish, "", texts[0], texts[1])
	case shell == Zsh:
		end := slices.Index(texts, "|")
		if end < 2 {
			return l, false
		}
		for i, text := range texts {
			if i == 0 || i == end {
				continue
			}
			words := lex(posix, "", text)
			w := token{}
			if len(words) > 0 {
				w = words[len(words)-1]
			}
			switch {
			case i == end-1:
				l.Current = w.text
				if w.unsure {
					return l, false
				}
			case i < end:
				l.Before = append(l.Before, w.text)
			default:
				l.After = append(l.After, w.text)
			}
			if w.unsure {
				l.Unsure = append(l.Unsure, w.text)
			}
		}
		return l, true
	case shell == PowerShell && len(texts) >= 2:
		for i, text := range texts[1:] {
			if text == "" {
				return l, false
			}
			if text[0] == '?' {
				l.Unsure = append(l.Unsure, text[1:])
			}
			if i == len(texts)-2 {
				l.Current = text[1:]
			} else {
				l.Before = append(l.Before, text[1:])
			}
		}
		return l, true
	}
	return l, false
}

// readLine takes a line of bash or fish apart.
func readLine(d dialect, breaks, before, rest string) (Line, bool) {
	var l Line
	words := lex(d, breaks, before)
	// Only the last of several commands is of interest.
	for i, w := range words {
		if w.ends {
			return readLine(d, breaks, before[words[i].end:], rest)
		}
	}
	current := token{start: len(before)}
	if n := len(words); n > 0 && words[n-1].end == len(before) && !words[n-1].redirects {
		current = words[n-1]
		words = words[:n-1]
	}
	if current.unsure {
		return l, false
	}
	l.Current, l.quote, l.cut = current.text, current.quote, current.cut
	add := func(words []token, to *[]string) (redirect bool) {
		for _, w := range words {
			switch {
			case w.redirects:
				redirect = true
			case redirect:
				redirect = false
			default:
				*to = append(*to, w.text)
				if w.unsure {
					l.Unsure = append(l.Unsure, w.text)
				}
			}
		}
		return redirect
	}
	l.Redirect = add(words, &l.Before)
	for len(l.Before) > 0 && (isAssignment(l.Before[0]) || d == fish && slices.Contains(fishPrefixes, l.Before[0])) {
		if isAssignment(l.Before[0]) {
			l.Assigned = append(l.Assigned, l.Before[0])
		}
		l.Before = l.Before[1:]
	}
	if len(l.Before) == 0 {
		return l, false
	}
	l.Before = l.Before[1:]
	behind := lex(d, "", rest)
	if i := slices.IndexFunc(behind, func(w token) bool { return w.ends }); i >= 0 {
		behind = behind[:i]
	}
	if len(behind) > 0 && behind[0].start == 0 {
		behind = behind[1:] // the end of the word under the cursor
	}
	add(behind, &l.After)
	return l, true
}

// fishPrefixes are words that fish has before a command.
var fishPrefixes = []string{"and", "or", "not", "!", "command", "exec", "time"}

// isAssignment reports whether a word sets a variable: OS_CLOUD=prod.
func isAssignment(word string) bool {
	name, _, found := strings.Cut(word, "=")
	return found && name != "" && strings.Trim(strings.ToUpper(name), "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == "" && (name[0] < '0' || name[0] > '9')
}

// dialect is a way to write words: that of POSIX, of fish.
type dialect int

const (
	posix dialect = iota
	fish
)

// token is a word of a line, or a sign between words.
type token struct {
	text       string // without quotes
	start, end int    // where it stands in the line
	unsure     bool   // the shell puts something else for a part of it
	redirects  bool   // < or >
	ends       bool   // ; or | or &: a command ends here
	quote      byte   // the quote that is not closed
	cut        int    // length of text up to the last unquoted break, or the open quote
}

// lex takes a line apart into words. breaks are the characters at which bash
// begins a new completion inside a word.
func lex(d dialect, breaks, line string) []token {
	x := lexer{d: d, breaks: breaks, line: line}
	for x.at < len(line) {
		x.next()
	}
	x.finish(x.at)
	return x.words
}

type lexer struct {
	d            dialect
	breaks, line string
	at           int
	words        []token
	text         strings.Builder
	current      token
	inWord       bool
}

func (x *lexer) begin(at int) {
	if !x.inWord {
		x.inWord, x.current = true, token{start: at}
		x.text.Reset()
	}
}

func (x *lexer) finish(at int) {
	if x.inWord {
		x.current.text, x.current.end = x.text.String(), at
		x.words = append(x.words, x.current)
	}
	x.inWord = false
}

func (x *lexer) next() {
	c, at := x.line[x.at], x.at
	x.at++
	switch {
	case c == ' ' || c == '\t':
		x.finish(at)
	case c == '\n' || c == ';' || c == '|' || c == '&' || x.d == posix && (c == '(' || c == ')'):
		x.sign(at, token{ends: true})
	case c == '<' || c == '>':
		if x.inWord && strings.Trim(x.text.String(), "0123456789") == "" {
			x.inWord = false // 2> is one sign
		}
		for x.at < len(x.line) && strings.IndexByte("<>&|", x.line[x.at]) >= 0 {
			x.at++
		}
		x.sign(at, token{redirects: true})
	case c == '#' && !x.inWord:
		x.at = len(x.line)
	case c == '\\':
		x.begin(at)
		if x.at < len(x.line) {
			if x.line[x.at] != '\n' {
				x.text.WriteByte(x.line[x.at])
			}
			x.at++
		}
	case c == '\'' || c == '"':
		x.begin(at)
		x.quoted(c)
	case c == '$' || c == '`' || x.d == fish && c == '(':
		x.begin(at)
		x.expansion(c)
	default:
		x.begin(at)
		x.text.WriteByte(c)
		if strings.IndexByte(x.breaks, c) >= 0 {
			x.current.cut = x.text.Len()
		}
	}
}

func (x *lexer) sign(at int, t token) {
	x.finish(at)
	t.start, t.end = at, x.at
	x.words = append(x.words, t)
}

// quoted reads on to the closing quote. If it is missing, the word stays open.
func (x *lexer) quoted(quote byte) {
	opened := x.text.Len()
	for x.at < len(x.line) {
		c := x.line[x.at]
		x.at++
		switch {
		case c == quote:
			return
		case c == '\\' && x.at < len(x.line) && x.escapes(quote, x.line[x.at]):
			if x.line[x.at] != '\n' {
				x.text.WriteByte(x.line[x.at])
			}
			x.at++
		case quote == '"' && (c == '$' || c == '`'):
			x.expansion(c)
		default:
			x.text.WriteByte(c)
		}
	}
	x.current.quote, x.current.cut = quote, opened
}

func (x *lexer) escapes(quote, c byte) bool {
	if quote == '\'' {
		return x.d == fish && (c == '\'' || c == '\\')
	}
	return strings.IndexByte("$`\"\\\n", c) >= 0
}

// expansion reads what the shell is going to put something else for. Nothing of
// it is ever carried out.
func (x *lexer) expansion(c byte) {
	x.text.WriteByte(c)
	rest := x.line[x.at:]
	closing := byte(0)
	switch {
	case c == '`':
		closing = '`'
	case c == '(':
		closing = ')'
	case rest == "":
		x.current.unsure = true
		return
	case rest[0] == '(':
		closing = ')'
	case rest[0] == '{':
		closing = '}'
	case rest[0] == '\'' || rest[0] == '"' || rest[0] == '_' || unicode.IsLetter(rune(rest[0])) || unicode.IsDigit(rune(rest[0])) || strings.IndexByte("@*#?$!-", rest[0]) >= 0:
		x.current.unsure = true
		return
	default:
		return // a dollar sign by itself
	}
	x.current.unsure = true
	opening, depth := byte(0), 1
	if c != '(' && c != '`' {
		x.text.WriteByte(rest[0])
		x.at++
	}
	switch closing {
	case ')':
		opening = '('
	case '}':
		opening = '{'
	}
	for x.at < len(x.line) && depth > 0 {
		n := x.line[x.at]
		x.at++
		x.text.WriteByte(n)
		switch n {
		case closing:
			depth--
		case opening:
			depth++
		}
	}
}

// Write writes an answer as the scripts in completion/ read it: a line that
// says what the shell is to name by itself (none, files, dirs), then a line for
// each candidate, + before it, or ~ where no blank is to follow.
//
//	bash        what to put in place of the part of the word that readline
//	            completes, quoted as that part is
//	zsh         for _describe: the word, a tab, what to show, a description
//	            behind a colon; other colons and backslashes behind a backslash
//	fish        the word, a tab, a description; without sign, since fish knows
//	            by itself where no blank is to follow
//	powershell  the word, quoted, a tab, what to show, a tab, a description
func Write(shell Shell, l Line, answer Answer) string {
	var b strings.Builder
	switch {
	case l.Redirect:
		answer = Answer{}
		b.WriteString("files\n")
	case answer.Files:
		b.WriteString("files\n")
	case answer.Dirs:
		b.WriteString("dirs\n")
	default:
		b.WriteString("none\n")
	}
	b.Grow(64 * len(answer.Candidates))
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace
	for _, c := range answer.Candidates {
		shown := c.Shown
		if shown == "" {
			shown = c.Value
		}
		sign := "+"
		if c.Open {
			sign = "~"
		}
		var parts []string
		switch shell {
		case Bash:
			if len(c.Value) < l.cut || c.Value[:l.cut] != l.Current[:l.cut] {
				continue // it differs in what readline leaves as it is
			}
			parts = []string{sign, quoteBash(c.Value[l.cut:], l.quote, l.cut == 0)}
		case Zsh:
			parts = []string{sign, escape(c.Value), "\t", escape(shown)}
			if about := oneLine(c.Description); about != "" {
				parts = append(parts, ":", about)
			}
		case Fish:
			parts = []string{c.Value, "\t", oneLine(c.Description)}
		case PowerShell:
			parts = []string{sign, quotePowerShell(c.Value), "\t", shown, "\t", cmp.Or(oneLine(c.Description), shown)}
		}
		for _, part := range parts {
			b.WriteString(part)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// oneLine makes a description fit for a list: its first part, on one line.
func oneLine(text string) string {
	if !Harmless(text) {
		text = strings.Map(func(r rune) rune {
			switch {
			case r == '\t' || r == '\n':
				return ' '
			case !Harmless(string(r)):
				return -1
			}
			return r
		}, text)
	}
	const most = 100
	if len(text) > most {
		if runes := []rune(text); len(runes) > most {
			return string(runes[:most-1]) + "…"
		}
	}
	return text
}

// quoteBash writes a text so that bash reads it back as it is, behind an open
// quote if there is one. At the beginning of a word more has a meaning.
func quoteBash(text string, quote byte, beginning bool) string {
	switch quote {
	case '\'':
		return strings.ReplaceAll(text, `'`, `'\''`)
	case '"':
		// Inside of double quotes nothing takes the meaning off an exclamation mark.
		return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`", `!`, `"\!"`).Replace(text)
	}
	var b strings.Builder
	b.Grow(len(text) + len(text)/4 + 4)
	for i := range len(text) {
		// The bytes of what is not ASCII stand for themselves.
		if c := text[i]; c < 0x80 && !plainBash[c] && !(c == '~' && !(beginning && i == 0)) {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// plainBash are the characters that need no quotation in bash.
var plainBash = func() (plain [0x80]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%" {
		plain[c] = true
	}
	return plain
}()

// quotePowerShell writes a text so that PowerShell reads it back as it is.
func quotePowerShell(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.:/") == "" {
		return text
	}
	// Typographic quotes are quotes to it, too.
	return "'" + strings.NewReplacer("'", "''", "‘", "‘‘", "’", "’’", "‚", "‚‚", "‛", "‛‛").Replace(text) + "'"
}
