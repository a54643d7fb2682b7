package filesystem

import "math/bits"

// extHash is the hash by which large directories of ext4 are ordered
// (Documentation/filesystems/ext4/directory.rst and fs/ext4/hash.c): version 0 is
// legacy, 1 half MD4, 2 TEA; 3 to 5 are the same with unsigned characters.
func extHash(name string, version byte, unsigned bool, seed [4]uint32) (uint32, bool) {
	if version <= 2 && unsigned {
		version += 3
	}
	if version > 5 {
		return 0, false
	}
	unsigned = version >= 3
	state := [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	if seed != [4]uint32{} {
		state = seed
	}
	var hash uint32
	switch version % 3 {
	case 0:
		hash = extLegacyHash(name, unsigned)
	case 1:
		for rest := name; len(rest) > 0; rest = rest[min(32, len(rest)):] {
			var in [8]uint32
			extPack(rest, in[:], unsigned)
			halfMD4(&state, in)
		}
		hash = state[1]
	case 2:
		for rest := name; len(rest) > 0; rest = rest[min(16, len(rest)):] {
			var in [4]uint32
			extPack(rest, in[:], unsigned)
			tea(&state, in)
		}
		hash = state[0]
	}
	if hash &^= 1; hash == 0xFFFFFFFE { // means the end
		hash = 0xFFFFFFFC
	}
	return hash, true
}

func extChar(c byte, unsigned bool) uint32 {
	if unsigned {
		return uint32(c)
	}
	return uint32(int32(int8(c)))
}

func extLegacyHash(name string, unsigned bool) uint32 {
	hash0, hash1 := uint32(0x12a3fe2d), uint32(0x37abe8f9)
	for i := 0; i < len(name); i++ {
		hash := hash1 + (hash0 ^ extChar(name[i], unsigned)*7152373)
		if hash&0x80000000 != 0 {
			hash -= 0x7fffffff
		}
		hash1, hash0 = hash0, hash
	}
	return hash0 << 1
}

// extPack is str2hashbuf: the name in words, filled up with its length.
func extPack(name string, out []uint32, unsigned bool) {
	pad := uint32(len(name)) | uint32(len(name))<<8
	pad |= pad << 16
	name = name[:min(len(name), 4*len(out))]
	val, k := pad, 0
	for i := 0; i < len(name); i++ {
		val = extChar(name[i], unsigned) + val<<8
		if i%4 == 3 {
			out[k] = val
			val = pad
			k++
		}
	}
	if k < len(out) {
		out[k] = val
		k++
	}
	for ; k < len(out); k++ {
		out[k] = pad
	}
}

func halfMD4(state *[4]uint32, in [8]uint32) {
	a, b, c, d := state[0], state[1], state[2], state[3]
	f := func(x, y, z uint32) uint32 { return z ^ x&(y^z) }
	g := func(x, y, z uint32) uint32 { return x&y + (x^y)&z }
	h := func(x, y, z uint32) uint32 { return x ^ y ^ z }
	round := func(f func(x, y, z uint32) uint32, add uint32, order [8]int, shift [4]int) {
		for i, k := range order {
			a = bits.RotateLeft32(a+f(b, c, d)+in[k]+add, shift[i%4])
			a, b, c, d = d, a, b, c
		}
	}
	round(f, 0, [8]int{0, 1, 2, 3, 4, 5, 6, 7}, [4]int{3, 7, 11, 19})
	round(g, 0x5A827999, [8]int{1, 3, 5, 7, 0, 2, 4, 6}, [4]int{3, 5, 9, 13})
	round(h, 0x6ED9EBA1, [8]int{3, 7, 2, 6, 1, 5, 0, 4}, [4]int{3, 9, 11, 15})
	state[0] += a
	state[1] += b
	state[2] += c
	state[3] += d
}

func tea(state *[4]uint32, in [4]uint32) {
	sum, b0, b1 := uint32(0), state[0], state[1]
	for range 16 {
		sum += 0x9E3779B9
		b0 += (b1<<4 + in[0]) ^ (b1 + sum) ^ (b1>>5 + in[1])
		b1 += (b0<<4 + in[2]) ^ (b0 + sum) ^ (b0>>5 + in[3])
	}
	state[0] += b0
	state[1] += b1
}
