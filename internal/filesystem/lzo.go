package filesystem

import "errors"

var errLZ = errors.New("it contradicts itself")

// repeat appends count bytes that lie back bytes before the end.
func repeat(out []byte, back, count, size int) ([]byte, error) {
	if back <= 0 || back > len(out) || count > size-len(out) {
		return nil, errLZ
	}
	for range count {
		out = append(out, out[len(out)-back])
	}
	return out, nil
}

// lzo unpacks LZO1X (Documentation/staging/lzo.rst in Linux).
func lzo(in []byte, size int) ([]byte, error) {
	out := make([]byte, 0, size)
	at := 0
	literals := func(n int) bool {
		if n > len(in)-at || n > size-len(out) {
			return false
		}
		out = append(out, in[at:at+n]...)
		at += n
		return true
	}
	// long adds to a length of zero: 255 for each zero byte, and the byte after them.
	long := func(base int) int {
		n := base
		for at < len(in) && in[at] == 0 && n <= size {
			n += 255
			at++
		}
		if at < len(in) {
			n += int(in[at])
			at++
		}
		return n
	}
	if len(in) < 3 {
		return nil, errLZ
	}
	state := 0 // how many literals came before, 4 for four and more
	if in[0] > 17 {
		n := int(in[0]) - 17
		at = 1
		if !literals(n) {
			return nil, errLZ
		}
		state = min(n, 4)
	}
	for at < len(in) {
		code := int(in[at])
		at++
		var back, count int
		next := func() int {
			if at < len(in) {
				at++
				return int(in[at-1])
			}
			return 0
		}
		switch {
		case code >= 64:
			back = next()<<3 + code>>2&7 + 1
			count = code>>5 + 1
		case code >= 32:
			if count = code&31 + 2; count == 2 {
				count = long(31) + 2
			}
			low := next()
			pair := low | next()<<8
			back = pair>>2 + 1
			code = pair
		case code >= 16:
			if count = code&7 + 2; count == 2 {
				count = long(7) + 2
			}
			low := next()
			pair := low | next()<<8
			back = code&8<<11 + pair>>2 + 16384
			if back == 16384 { // the end
				if count != 3 {
					return nil, errLZ
				}
				return out, nil
			}
			code = pair
		case state == 0:
			n := code + 3
			if code == 0 {
				n = long(15) + 3
			}
			if !literals(n) {
				return nil, errLZ
			}
			state = 4
			continue
		case state < 4:
			back = next()<<2 + code>>2 + 1
			count = 2
		default:
			back = next()<<2 + code>>2 + 2049
			count = 3
		}
		var err error
		if out, err = repeat(out, back, count, size); err != nil {
			return nil, err
		}
		if state = code & 3; !literals(state) {
			return nil, errLZ
		}
	}
	return nil, errLZ
}
