package diskimage

// inspect finds out what the bytes of v are.
func inspect(v *view) Info {
	return Info{Format: Raw, Size: v.size, VirtualSize: max(v.size, 0), wants: v.wants}
}
