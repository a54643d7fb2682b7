package normalize

// spellings are names of distributions beside those that libosinfo has, with
// the values of os_distro that they may stand for, the first unless something
// else in the image speaks for another. Case, blanks and signs do not count,
// and a leading org or com is understood.
//
// Sources: Glance's list of deprecated values
// (glance/doc/source/admin/useful-image-properties.rst), the ID in the
// /etc/os-release of each distribution, and the names that the distributors
// give their products.
var spellings = [...]struct {
	texts, distros string
	weak           bool // of a vendor: says nothing beside the name of a product
	open           bool // none of the distributions is to be preferred
}{
	// Glance's deprecated values.
	{texts: "archlinux", distros: "arch"},
	{texts: "fedoraproject", distros: "fedora"},
	{texts: "mandrakelinux", distros: "mandrake"},
	{texts: "mandrivalinux", distros: "mandriva"},
	{texts: "mandrivaent,mandrivaES", distros: "mes"},
	{texts: "ms-dos", distros: "msdos"},
	{texts: "novell", distros: "netware", weak: true},
	{texts: "suse", distros: "opensuse sles sled sle", weak: true},
	{texts: "com.suse", distros: "sled sles sle", weak: true},
	{texts: "redhat", distros: "rhel rhl", weak: true},
	{texts: "canonical", distros: "ubuntu", weak: true},
	{texts: "microsoft", distros: "windows", weak: true},
	{texts: "com.microsoft.server,windoze", distros: "windows"},

	// Windows.
	{texts: "windows,win,mswindows,mswin,microsoft windows,windows server,win server,winsrv,winserver,microsoft windows server,windows desktop,windows nt", distros: "windows"},

	// Red Hat and those that follow it.
	{texts: "red hat enterprise linux,redhat enterprise,red hat enterprise linux server,red hat enterprise linux workstation,red hat enterprise linux atomic host,rhel server,rh el", distros: "rhel"},
	{texts: "red hat linux", distros: "rhel rhl", open: true},
	{texts: "centos linux,centos stream,centos os", distros: "centos"},
	{texts: "alma,almalinux os,alma os", distros: "almalinux"},
	{texts: "rocky linux,rocky os", distros: "rocky"},
	{texts: "oracle", distros: "ol", weak: true},
	{texts: "oracle linux,oracle linux server,oraclelinux server", distros: "ol"},
	{texts: "oel,oracle enterprise linux", distros: "oel ol"},
	{texts: "scientific,scientific linux", distros: "scientificlinux"},
	{texts: "fedora linux,fedora core,fedora server,fedora cloud,fedora workstation", distros: "fedora"},
	{texts: "fedora coreos,fedora core os,fcos", distros: "fedora-coreos"},
	{texts: "fedora atomic,fedora atomic host", distros: "fedora-atomic"},
	{texts: "coreos container linux,coreos linux", distros: "coreos"},
	{texts: "amazon linux,amazon linux ami,amzn", distros: "amzn"},
	{texts: "miracle linux", distros: "miraclelinux"},
	{texts: "circle linux", distros: "circle"},
	{texts: "anolis os", distros: "anolis"},

	// SUSE.
	{texts: "opensuse leap,opensuse linux,suse leap,opensuse tumbleweed", distros: "opensuse"},
	{texts: "suse linux", distros: "opensuse sles sled sle", open: true},
	{texts: "suse linux enterprise server,suse enterprise linux server,suse enterprise server,sles,suse sles,sles for sap,suse linux enterprise server for sap applications", distros: "sles"},
	{texts: "suse linux enterprise desktop,suse enterprise linux desktop,suse enterprise desktop,suse sled", distros: "sled"},
	{texts: "suse linux enterprise,suse enterprise linux,suse enterprise,sle", distros: "sle sles sled"},
	{texts: "suse linux enterprise micro,sle micro,sl micro,suse linux micro", distros: "slem"},

	// Debian and those that follow it.
	{texts: "debian gnu linux,debian linux", distros: "debian"},
	{texts: "ubuntu linux,ubuntu server,ubuntu cloud,ubuntu core,ubuntu minimal,ubuntu pro", distros: "ubuntu"},
	{texts: "devuan gnu linux,devuan linux", distros: "devuan"},
	{texts: "kali linux,kali", distros: "kali"},
	{texts: "linux mint,mint", distros: "linuxmint"},
	{texts: "pop os", distros: "popos"},
	{texts: "pure os", distros: "pureos"},
	{texts: "elementary,elementary os", distros: "elementaryos"},
	{texts: "proxmox,proxmox ve,pve,proxmox virtual environment", distros: "proxmox"},

	// Others.
	{texts: "alpine,alpine linux", distros: "alpinelinux"},
	{texts: "arch linux,archarm", distros: "arch"},
	{texts: "gentoo linux", distros: "gentoo"},
	{texts: "void,void linux", distros: "voidlinux"},
	{texts: "manjaro linux", distros: "manjaro"},
	{texts: "clear linux,clear linux os,clearlinux os", distros: "clearlinux"},
	{texts: "nix os", distros: "nixos"},
	{texts: "guix,guix system", distros: "guix-system"},
	{texts: "flatcar,flatcar linux,flatcar container linux,flatcar container linux by kinvolk", distros: "flatcar"},
	{texts: "talos,talos linux,talos os", distros: "talos"},
	{texts: "rancher os", distros: "rancheros"},
	{texts: "bottlerocket os", distros: "bottlerocket"},
	{texts: "photon,photon os,vmware photon,vmware photon os", distros: "photon"},
	{texts: "euler os", distros: "euleros"},
	{texts: "open euler", distros: "openeuler"},
	{texts: "vy os", distros: "vyos"},
	{texts: "haiku os", distros: "haiku"},
	{texts: "free bsd", distros: "freebsd"},
	{texts: "net bsd", distros: "netbsd"},
	{texts: "open bsd", distros: "openbsd"},
	{texts: "dragonfly,dragonfly bsd", distros: "dragonflybsd"},
	{texts: "oracle solaris,sun solaris", distros: "solaris"},
	{texts: "novell netware", distros: "netware"},
}

// noise are words that tell nothing of which system it is: editions, kinds of
// images, formats.
var noise = words("ami azure bare base bios bits box build byol cloud cloudimage cloudimg cloudinit cn community container core " +
	"custom data datacenter dc de default desktop ed edition education efi en english ent enterprise " +
	"essentials eval evaluation experience final full g2 ga generic genericcloud gnu golden guest home host hvm " +
	"hypervisor image images img international iso kvm leap legacy licence license licensed live ltsb ltsc mbr " +
	"minimal multi n oem official openstack os ova partition plain preview pro professional qcow qcow2 qemu raw rel " +
	"release rolling sac server servers spla standalone standard std template uefi ultimate us vdi ver version vhd " +
	"vhdx virt virtio virtual vl vlk vm vmdk volume vps web workstation x xen")

// nameNoise are further words that tell nothing where they stand in the name of
// an image.
var nameNoise = words("backup btrfs copy current daily demo disk disk1 docker ext4 gen1 gen2 latest lvm my new nightly old private prod production public " +
	"stable test testing tmp uec vmware xfs")

// ofServers are the words of noise that only a Windows for servers has.
var ofServers = words("datacenter dc essentials server servers standard std")

func words(text string) map[string]bool {
	set := map[string]bool{}
	start := 0
	for i := 0; i <= len(text); i++ {
		if i == len(text) || text[i] == ' ' {
			if i > start {
				set[text[start:i]] = true
			}
			start = i + 1
		}
	}
	return set
}

// architectures are the words for architectures, and the values of
// architecture that each may stand for. Sources: nova/objects/fields.py
// Architecture (whose own words are understood beside these), the names of
// architectures of Debian, Go and Docker.
var architectures = map[string][]string{
	"x86_64": {"x86_64"}, "x8664": {"x86_64"}, "amd64": {"x86_64"}, "x64": {"x86_64"}, "em64t": {"x86_64"}, "intel64": {"x86_64"},
	"i386": {"i686"}, "i486": {"i686"}, "i586": {"i686"}, "i686": {"i686"}, "ia32": {"i686"}, "x86_32": {"i686"}, "x8632": {"i686"}, "x86_32p": {"i686"},
	"x86":     {"i686", "x86_64"},
	"aarch64": {"aarch64"}, "arm64": {"aarch64"}, "armv8": {"aarch64"}, "arm64v8": {"aarch64"},
	"armv7l": {"armv7l"}, "armv7": {"armv7l", "armv7b"}, "armv7hl": {"armv7l"}, "armhf": {"armv7l", "armv6"}, "arm32v7": {"armv7l"},
	"arm": {"armv7l", "aarch64"}, "armel": {"armv6", "armv7l"},
	"ppc64le": {"ppc64le"}, "ppc64el": {"ppc64le"}, "powerpc64le": {"ppc64le"}, "ppc64": {"ppc64"}, "powerpc64": {"ppc64"}, "powerpc": {"ppc"},
	"s390x": {"s390x"}, "ia64": {"ia64"}, "itanium": {"ia64"}, "sparc64": {"sparc64"}, "mips64el": {"mips64el"}, "mipsel": {"mipsel"},
}
