package normalize

import (
	"slices"
	"strings"
	"unicode"
)

// reading is what a text says of a system.
type reading struct {
	distros []string // what the distribution may be; the first unless something else speaks for another
	open    bool     // none of them is to be preferred
	several bool     // more than one distribution is named
	weak    bool     // it is a vendor's name only
	numbers []string // versions, in their order: 22.04.3, 2012r2, 15-sp5
	next    string   // the number that follows the distribution's name
	joined  string   // two numbers that stand beside each other, as one: 22.04 for 22-04
	codes   []string // code names, in lower case
	rolling []string // version words that are no numbers: tumbleweed
	arches  []string // words for architectures
	bits    int      // 32 or 64 where that is said
	generic string   // linux or windows where only the kind of system is named
	lts     bool
	stream  bool
	server  bool
	shortID string   // where the text is one of libosinfo's ids
	rest    []string // words that are not understood
	nothing bool     // no word at all
}

// maxText bounds the texts that are read, in bytes: no name of a system, or of
// an image that tells one, is longer.
const maxText = 200

// read reads a text as the name of a system, with or without its version.
func (x *lexicon) read(text string) reading {
	if len(text) > maxText {
		return reading{rest: []string{text}}
	}
	lower := strings.ToLower(strings.TrimSpace(text))
	if strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://") {
		id := x.ids["http://"+strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(lower, "https://"), "http://"), "/")]
		if id == "" {
			return reading{rest: []string{lower}}
		}
		return x.ofID(id)
	}
	id := x.ids[lower]
	if id == "" {
		id = x.ids[squeezeID(lower)]
	}
	if id != "" {
		return x.ofID(id)
	}
	if n, ok := x.names[squeeze(lower)]; ok { // com.suse is another one than suse
		return reading{distros: n.distros, weak: n.weak, open: n.open, stream: strings.Contains(lower, "stream")}
	}
	tokens := tokenize(lower)
	if len(tokens) > 1 && domains[tokens[0]] && strings.Contains(lower, tokens[0]+".") {
		tokens = tokens[1:]
	}
	p := phrase{x: x, words: tokens}
	p.parse()
	p.r.nothing = len(tokens) == 0
	if outside, inside, ok := parenthesis(lower); ok && len(p.r.rest) > 0 {
		return x.besides(p.r, outside, inside)
	}
	return p.r
}

// parenthesis splits a text into what stands in its last pair of parentheses,
// if that ends it, and what stands before.
func parenthesis(text string) (outside, inside string, ok bool) {
	outside, inside, ok = strings.Cut(strings.TrimSuffix(text, ")"), "(")
	return outside, inside, ok && strings.HasSuffix(text, ")") && !strings.ContainsAny(inside, "()")
}

// besides reads a text that is understood but for words in parentheses at its
// end, which are then a nickname or a remark: (Blue Onyx), (Desktop
// Experience). Otherwise the reading stays as it is.
func (x *lexicon) besides(whole reading, outside, inside string) reading {
	r, remark := x.read(outside), x.read(inside)
	if !r.clear() || len(r.distros) == 0 || !r.versioned() || len(remark.distros)+len(remark.numbers)+len(remark.codes) > 0 {
		return whole
	}
	whole.rest = nil
	return whole
}

// read is the same, remembered for the values that come again and again.
func (n *Normalizer) read(text string) reading {
	return n.texts.Get(text, func() reading { return n.lexicon.read(text) })
}

// domains begin the reversed domain names that Glance once used: org.debian.
var domains = words("com io net org")

// ofID is the reading of one of libosinfo's ids.
func (x *lexicon) ofID(id string) reading {
	o, _ := x.db.Lookup(id)
	if o.Distro == "" {
		return reading{rest: []string{id}}
	}
	r := reading{distros: []string{o.Distro}, shortID: id, stream: strings.Contains(id, "-stream")}
	word := strings.ToLower(o.LibosinfoVersion)
	switch {
	case o.Version != "":
		r.numbers = []string{o.Version}
		r.next = o.Version
	case x.words[o.Distro][word]:
		r.rolling = []string{word}
	}
	return r
}

// tokenize cuts a text into words of letters and digits. A dot between two
// digits belongs to the word.
func tokenize(lower string) []string {
	var tokens []string
	start := -1
	runes := []rune(lower)
	for i := 0; i <= len(runes); i++ {
		inside := i < len(runes) && (unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]) ||
			runes[i] == '.' && i > 0 && i+1 < len(runes) && isDigit(runes[i-1]) && isDigit(runes[i+1]))
		switch {
		case inside && start < 0:
			start = i
		case !inside && start >= 0:
			tokens = append(tokens, string(runes[start:i]))
			start = -1
		}
	}
	return tokens
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func allDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// phrase is a text while its words are gone through.
type phrase struct {
	x        *lexicon
	words    []string
	i        int
	r        reading
	adjacent bool // only noise since the name of the distribution
	numberAt int  // which word the last number was, where there was one
}

func (p *phrase) parse() {
	for p.i < len(p.words) {
		if n := p.architecture(); n > 0 {
			p.i += n
			continue
		}
		if n := p.distribution(); n > 0 {
			p.i += n
			continue
		}
		if n := p.code(); n > 0 {
			p.i += n
			continue
		}
		p.word(p.words[p.i])
		p.i++
	}
}

// peek returns a later word, or "".
func (p *phrase) peek(n int) string {
	if p.i+n < len(p.words) {
		return p.words[p.i+n]
	}
	return ""
}

// architecture reads a word or two for an architecture or a width, and returns
// how many.
func (p *phrase) architecture() int {
	w, after := p.words[p.i], p.peek(1)
	pair := w + after
	switch {
	case w == "x86" && (after == "64" || after == "32"), w == "amd" && after == "64", w == "arm" && after == "64", w == "x" && after == "64":
		p.r.arches = append(p.r.arches, pair)
		if w == "x86" {
			p.r.arches[len(p.r.arches)-1] = "x86_" + after
		}
		return 2
	case (w == "64" || w == "32") && (after == "bit" || after == "bits"):
		p.width(w)
		return 2
	case w == "64bit" || w == "64bits" || w == "32bit" || w == "32bits":
		p.width(w[:2])
		return 1
	}
	if _, ok := architectures[w]; ok {
		p.r.arches = append(p.r.arches, w)
		return 1
	}
	return 0
}

func (p *phrase) width(bits string) {
	p.r.bits = 32
	if bits == "64" {
		p.r.bits = 64
	}
}

// distribution reads the longest name of a distribution that begins at the
// current word, whose last word may have the version at its end, and returns
// how many words it has.
func (p *phrase) distribution() int {
	for n := min(p.x.longest, len(p.words)-p.i); n > 0; n-- {
		joined := strings.Join(p.words[p.i:p.i+n], "")
		if found, ok := p.x.names[joined]; ok && !(n == 1 && isDigit(rune(joined[0]))) {
			p.found(found)
			p.r.stream = p.r.stream || strings.HasSuffix(joined, "stream")
			return n
		}
		last := p.words[p.i+n-1]
		letters := strings.IndexFunc(last, isDigit)
		if letters <= 0 {
			continue
		}
		stem := strings.Join(p.words[p.i:p.i+n-1], "") + last[:letters]
		found, ok := p.x.names[stem]
		if !ok && (stem == "w" || stem == "ws" || stem == "wins") && windowsYear(last[letters:]) {
			found, ok = name{distros: []string{"windows"}}, true
		}
		if !ok {
			continue
		}
		before := p.r
		p.found(found)
		if p.number(last[letters:]) {
			return n
		}
		p.r = before
	}
	return 0
}

// windowsYear tells whether a text is a year after which a Windows is named:
// 2019, 2k19, 2012r2.
func windowsYear(text string) bool {
	return len(text) >= 3 && text[0] == '2' && (text[1] == 'k' || len(text) >= 4 && text[1] == '0')
}

func (p *phrase) found(n name) {
	p.adjacent = true
	switch {
	case n.weak && len(p.r.distros) > 0:
		return
	case len(p.r.distros) == 0 || p.r.weak:
		p.r.distros, p.r.weak, p.r.open = n.distros, n.weak, n.open
	case p.r.distros[0] != n.distros[0]:
		p.r.several = true
		p.r.distros = append(slices.Clone(p.r.distros), n.distros...)
	}
}

// code reads a code name of up to three words, and returns how many.
func (p *phrase) code() int {
	for n := min(3, len(p.words)-p.i); n > 0; n-- {
		text := strings.Join(p.words[p.i:p.i+n], " ")
		if _, ok := p.x.codes[text]; ok {
			p.r.codes = append(p.r.codes, text)
			return n
		}
	}
	return 0
}

// word reads what is neither an architecture, a distribution nor a code name.
func (p *phrase) word(w string) {
	r := &p.r
	last := len(r.numbers) - 1
	switch {
	case p.number(w):
		return
	case w == "linux":
		r.generic = "linux"
		return
	case w == "lts":
		r.lts = true
		return
	case w == "stream":
		r.stream = true
		return
	case w == "v" || w == "r2" && last >= 0 && len(r.numbers[last]) == 4:
		if w == "r2" {
			r.numbers[last] += "r2"
			if p.adjacent || r.next != "" {
				r.next = r.numbers[last]
			}
		}
		return
	case (w == "sp" || w == "servicepack") && allDigits(p.peek(1)) && p.pack(p.peek(1)):
		p.i++
		return
	case w == "service" && p.peek(1) == "pack" && allDigits(p.peek(2)) && p.pack(p.peek(2)):
		p.i += 2
		return
	case strings.HasPrefix(w, "sp") && allDigits(w[2:]) && p.pack(w[2:]):
		return
	case w == "update" && allDigits(p.peek(1)) && p.update(p.peek(1)):
		p.i++
		return
	case strings.HasPrefix(w, "u") && allDigits(w[1:]) && p.update(w[1:]):
		return
	case len(r.distros) > 0 && r.distros[0] == "windows" && p.x.db.HasVersion("windows", w): // xp, vista
		r.numbers = append(r.numbers, w)
		if p.adjacent {
			r.next, p.adjacent = w, false
		}
		return
	case w[0] == 'p' && allDigits(w[1:]) && last >= 0: // the patch level of a FreeBSD
		return
	case last >= 0 && allDigits(strings.TrimSuffix(strings.TrimSuffix(w, "b"), "g")) && strings.ContainsRune(w, 'g'): // the size of the disk
		return
	case p.x.words[""][w]:
		r.rolling = append(r.rolling, w)
		return
	case noise[w]:
		r.server = r.server || ofServers[w]
		return
	}
	p.adjacent = false
	r.rest = append(r.rest, w)
}

// pack adds a service pack to the number before it.
func (p *phrase) pack(n string) bool {
	last := len(p.r.numbers) - 1
	if last < 0 || strings.Contains(p.r.numbers[last], "-") {
		return false
	}
	next := p.r.next == p.r.numbers[last]
	p.r.numbers[last] += "-sp" + n
	if next {
		p.r.next = p.r.numbers[last]
	}
	return true
}

// update adds an update, as Red Hat once counted its point releases, to the
// number before it.
func (p *phrase) update(n string) bool {
	last := len(p.r.numbers) - 1
	if last < 0 || !allDigits(p.r.numbers[last]) || len(p.r.numbers[last]) > 2 {
		return false
	}
	next := p.r.next == p.r.numbers[last]
	p.r.numbers[last] += "." + n
	if next {
		p.r.next = p.r.numbers[last]
	}
	return true
}

// number reads a word that begins with a digit, or with a v, s or release
// before one.
func (p *phrase) number(w string) bool {
	if len(w) > 24 {
		return false
	}
	digits := strings.IndexFunc(w, isDigit)
	if digits < 0 {
		return false
	}
	switch w[:digits] {
	case "", "v", "rel", "release", "ver", "version":
	case "s":
		if !windowsYear(w[digits:]) {
			return false
		}
		p.r.server = true
	default:
		return false
	}
	w = w[digits:]
	n := strings.IndexFunc(w, func(r rune) bool { return !isDigit(r) && r != '.' })
	if n < 0 {
		n = len(w)
	}
	number, tail := strings.Trim(w[:n], "."), w[n:]
	switch {
	case tail == "":
	case tail == "lts":
		p.r.lts = true
	case tail == "stream":
		p.r.stream = true
	case tail == "r2" && len(number) == 4, tail == "h1" && len(number) == 2, tail == "h2" && len(number) == 2:
		number += tail
	case strings.HasPrefix(tail, "sp") && allDigits(tail[2:]):
		number += "-" + tail
	case strings.HasPrefix(tail, "u") && allDigits(tail[1:]) && allDigits(number) && len(number) <= 2:
		number += "." + tail[1:]
	case len(tail) > 1 && noise[tail]: // 10pro
		p.r.server = p.r.server || ofServers[tail]
	case tail[0] == 'k' && number == "2":
		year, second, _ := strings.Cut(tail[1:], "r")
		if !allDigits(year) && tail != "k" || len(year) > 2 || second != "" && second != "2" {
			return false
		}
		number = "20" + strings.Repeat("0", 2-len(year)) + year
		if second != "" {
			number += "r2"
		}
	default:
		return false
	}
	if last := len(p.r.numbers) - 1; last >= 0 && p.numberAt == p.i-1 && p.i > 0 && short(number) && short(p.r.numbers[last]) {
		p.r.joined = p.r.numbers[last] + "." + number
	}
	p.r.numbers = append(p.r.numbers, number)
	p.numberAt = p.i
	if p.adjacent {
		p.r.next = number
		p.adjacent = false
	}
	return true
}

// short reports whether a number is half of one: 22 or 04.
func short(number string) bool { return len(number) <= 2 && allDigits(number) }

// clear reports whether a text was understood to its last word, and names at
// most one distribution.
func (r reading) clear() bool { return len(r.rest) == 0 && !r.several && !r.nothing }

// versioned reports whether a text says something of the version.
func (r reading) versioned() bool { return len(r.numbers)+len(r.codes)+len(r.rolling) > 0 }
